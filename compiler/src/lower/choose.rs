//! The first half of planning: an algorithm for each node, and with it the layout of each tensor.

use std::collections::HashMap;

use super::algorithm::Site;
use super::{Layout, LowerError, NodePlan, Target};
use crate::Graph;
use crate::graph::{NodeId, NodeKind, Value};

/// The algorithm of each operator node, and the layout in which each tensor is produced.
#[derive(Clone)]
pub(super) struct Choices {
    /// By node.
    pub(super) nodes: HashMap<NodeId, NodePlan>,
    /// By tensor; weights are not in it.
    pub(super) layouts: HashMap<Value, Layout>,
}

/// Walks the graph from its inputs; each operator takes the first of its algorithms that does not refuse.
pub(super) fn choose(graph: &Graph, target: &Target) -> Result<Choices, LowerError> {
    let mut choices = Choices { nodes: HashMap::new(), layouts: HashMap::new() };
    for id in graph.order() {
        let node = graph.node(id);
        let op = match &node.kind {
            NodeKind::Weight(_) => continue,
            NodeKind::Input => {
                choices.layouts.insert(Value { node: id, output: 0 }, Layout::Plain);
                continue;
            }
            NodeKind::Op(op) => op,
        };
        let operands = graph.operands(id);
        let site = Site {
            target,
            exact: graph.is_exact(),
            operands: operands.iter().map(|&value| graph.type_of(value)).collect(),
            layouts: operands.iter().map(|value| choices.layouts.get(value).copied()).collect(),
            results: &node.types,
        };
        let (picked, refusals) = op.choose(&site);
        let Some((algorithm, algorithm_name, choice)) = picked else {
            let types = site.operands.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            return Err(LowerError::NoAlgorithm { node: node.name.clone(), op: op.name(), types, refusals });
        };
        for (output, &layout) in (0..).zip(&choice.results) {
            choices.layouts.insert(Value { node: id, output }, layout);
        }
        let name = node.name.clone();
        let plan = NodePlan { node: id, name, op: op.name(), algorithm, algorithm_name, choice, refusals };
        choices.nodes.insert(id, plan);
    }
    Ok(choices)
}
