//! What is known of a network before it runs: shapes, multiply-accumulates, trainable parameters.

use std::fmt;

use convoke::Graph;
use convoke::zoo::Entry;

use crate::reference::Reference;

/// Everything that differs.
#[derive(Debug)]
pub(crate) struct Differences(Vec<String>);

/// Compares a network, both as its type and as the graph of its text, with its reference.
pub(crate) fn compare(reference: &Reference, graph: &Graph, entry: &Entry) -> Result<(), Differences> {
    let mut differences = Vec::new();
    let mut compare = |what: &str, expected: &dyn fmt::Debug, found: &dyn fmt::Debug| {
        let (expected, found) = (format!("{expected:?}"), format!("{found:?}"));
        if expected != found {
            differences.push(format!("{what}: expected {expected}, found {found}"));
        }
    };
    let inputs: Vec<_> = graph.inputs().iter().map(|id| &graph.type_of((*id).into()).shape).collect();
    let outputs: Vec<_> = graph.outputs().iter().map(|(_, value)| &graph.type_of(*value).shape).collect();
    compare("inputs", &[&reference.input], &inputs);
    compare("outputs", &[&reference.output_shape], &outputs);
    for (of, macs, parameters) in
        [("type", entry.macs, entry.parameters), ("graph", graph.macs(), graph.trainable_count())]
    {
        compare(&format!("multiply-accumulates of the {of}"), &reference.macs, &macs);
        compare(&format!("trained parameters of the {of}"), &reference.parameters, &parameters);
    }
    if differences.is_empty() { Ok(()) } else { Err(Differences(differences)) }
}

impl std::error::Error for Differences {}

impl fmt::Display for Differences {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the network is not that of the reference: {}", self.0.join("; "))
    }
}
