//! Tests of the whole front end: texts to graphs, and mistakes to messages.

mod graphs;
mod hostile;
mod messages;
mod syntax;

use super::Module;
use crate::Graph;

/// The graph of `network` in `text`, which has no mistake.
#[track_caller]
fn graph(text: &str, network: &str) -> Graph {
    match Module::parse(text).and_then(|module| module.graph(network)) {
        Ok(graph) => graph,
        Err(errors) => panic!("{errors}"),
    }
}

/// The errors of `text`, of reading it or else of its networks.
#[track_caller]
fn errors(text: &str) -> String {
    let module = match Module::parse(text) {
        Ok(module) => module,
        Err(errors) => return errors.render("text"),
    };
    let failed = module
        .networks()
        .into_iter()
        .filter(|network| network.needs.is_empty())
        .filter_map(|network| module.graph(network.name).err());
    super::Errors::join(failed).map_or_else(|| "no error".to_owned(), |errors| errors.render("text"))
}
