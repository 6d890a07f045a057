//! Takes away what no output needs.
//!
//! A node stays if an output depends on it. Inputs stay: they are the network's signature.

use std::collections::HashSet;

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, NodeKind};

/// Takes away what no output needs.
pub const PASS: Pass = Pass { name: "eliminate_dead", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut live: HashSet<NodeId> = HashSet::new();
    let mut stack: Vec<NodeId> = graph.outputs().iter().map(|(_, value)| value.node).collect();
    while let Some(id) = stack.pop() {
        if live.insert(id) {
            stack.extend(graph.operands(id).into_iter().map(|operand| operand.node));
        }
    }
    let mut dead = graph.order();
    dead.retain(|&id| !live.contains(&id) && !matches!(graph.node(id).kind, NodeKind::Input));
    for &id in dead.iter().rev() {
        graph.edit().remove(id)?;
    }
    Ok(!dead.is_empty())
}
