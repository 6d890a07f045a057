//! Joins once what several concatenations begin with.
//!
//! ```text
//! a = concat(x…)   b = concat(x…, y…)   ⟹   a = concat(x…), b = concat(a, y…)
//! ```
//!
//! Requires the same axis. The longest such `a` is taken, so that of the concatenations of a dense block each holds the
//! one before, and a tensor is joined once: then all of them are one tensor in memory, of which each layer writes its
//! part.
//!
//! Pleiss et al., "Memory-Efficient Implementation of DenseNets", arXiv:1707.06990, section 3: shared storage.

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, Value};
use crate::ops::Op;

/// Joins once what several concatenations begin with.
pub const PASS: Pass = Pass { name: "nest_concat", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let concats: Vec<NodeId> =
        graph.order().into_iter().filter(|&id| matches!(graph.node(id).op(), Some(Op::Concat(_)))).collect();
    let mut changed = false;
    // Last to first, so that what comes before still has the operands that it is recognised by.
    for (index, &id) in concats.iter().enumerate().rev() {
        let operands = graph.operands(id);
        let op = graph.node(id).op().expect("a concatenation").clone();
        let begins = |&other: &NodeId| {
            let prefix = graph.operands(other);
            prefix.len() > 1
                && prefix.len() < operands.len()
                && operands.starts_with(&prefix)
                && graph.node(other).op() == Some(&op)
        };
        let longest = concats[..index].iter().copied().filter(begins).max_by_key(|&other| graph.operands(other).len());
        let Some(first) = longest else { continue };
        let rest = &operands[graph.operands(first).len()..];
        let nested = [&[Value { node: first, output: 0 }], rest].concat();
        graph.edit().replace_op(id, op, &nested, &[id])?;
        changed = true;
    }
    Ok(changed)
}
