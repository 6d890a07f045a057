//! Tests of the whole front end: texts to graphs, and mistakes to messages.

mod document;
mod graphs;
mod hostile;
mod messages;
mod places;
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
    match Module::parse(text).and_then(|module| module.graphs()) {
        Ok(_) => panic!("no error in\n{text}"),
        Err(errors) => errors.render("text"),
    }
}

/// Descriptions may be kept in statics, and errors passed on by whatever carries errors.
#[test]
fn cross_threads() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Module>();
    shared::<super::Errors>();
}
