//! What is known of a network before it runs: shapes, multiply-accumulates, trainable parameters.

use std::fmt;

use convoke::graph::Graph;

use crate::reference::Reference;

/// Everything that differs.
#[derive(Debug)]
pub(crate) struct Differences(Vec<String>);

/// Compares a network, of `macs` as its type says, with its reference.
pub(crate) fn compare(reference: &Reference, graph: &Graph, macs: u64) -> Result<(), Differences> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: &dyn fmt::Debug, found: &dyn fmt::Debug| {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        if expected != found {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let inputs: Vec<_> = graph.inputs().iter().map(|id| &graph.type_of((*id).into()).shape).collect();
    let outputs: Vec<_> = graph.outputs().iter().map(|(_, value)| &graph.type_of(*value).shape).collect();
    let trained = |(name, _): &(String, _)| !(name.ends_with(".running_mean") || name.ends_with(".running_var"));
    let parameters: usize = graph.parameters().into_iter().filter(trained).map(|(_, ty)| ty.elements()).sum();
    compare("inputs", &[&reference.input], &inputs);
    compare("outputs", &[&reference.output_shape], &outputs);
    compare("multiply-accumulates of the graph", &reference.macs, &graph.macs());
    compare("multiply-accumulates of the type", &reference.macs, &macs);
    compare("trainable parameters", &reference.parameters, &parameters);
    if differences.is_empty() { Ok(()) } else { Err(Differences(differences)) }
}

impl std::error::Error for Differences {}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the network is not that of the reference: {}", self.0.join("; "))
    }
}
