//! Pools before a pointwise convolution instead of after it.
//!
//! ```text
//! avg_pool(conv(x, W, b))   ⟹   conv(avg_pool(x), W, b)
//! ```
//!
//! for a convolution of single pixels: both are linear, and they act on different axes. What is multiplied falls by as
//! much as pooling takes away: four times in the transitions of DenseNet.
//!
//! Requires that the convolution has one tap, stride 1, no padding and an empty epilogue, and that nothing else uses
//! its result; that pooling has no padding, whose zeros would not meet the bias, and leaves fewer pixels; and that the
//! graph is not [exact](Graph::is_exact), since sums are rounded in another order.
//!
//! The result has the name of the pooling, whose value it has.

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, Value};
use crate::ops::Op;

/// Pools before a pointwise convolution instead of after it.
pub const PASS: Pass = Pass { name: "pool_first", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    if graph.is_exact() {
        return Ok(false);
    }
    let mut changed = false;
    for mut pool in graph.order() {
        // Past one convolution after the other.
        while let Some(conv) = convolution(graph, pool) {
            pool = exchange(graph, pool, conv)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// The convolution that the pooling `pool` can precede.
fn convolution(graph: &Graph, pool: NodeId) -> Option<NodeId> {
    let Op::AvgPool(pooling) = graph.node(pool).op()? else { return None };
    let [result] = graph.operands(pool)[..] else { return None };
    let Op::Conv(conv) = graph.node(result.node).op()? else { return None };
    let kernel = &graph.type_of(graph.operands(result.node)[1]).shape[2..];
    let pointwise = kernel == [1, 1] && conv.stride == [1, 1] && conv.padding == [0; 4] && conv.epilogue.is_none();
    let fewer = graph.node(pool).types[0].shape[2..].iter().product::<usize>()
        < graph.type_of(result).shape[2..].iter().product();
    let fits = pointwise && fewer && pooling.padding == [0; 4] && graph.has_single_use(result);
    fits.then_some(result.node)
}

/// Exchanges the two; returns the new pooling.
fn exchange(graph: &mut Graph, pool: NodeId, conv: NodeId) -> Result<NodeId, GraphError> {
    let [pooling, convolution] = [pool, conv].map(|id| graph.node(id).op().expect("an operator").clone());
    let name = format!("{}.source", graph.node(pool).name);
    let mut operands = graph.operands(conv);
    let mut edit = graph.edit();
    let first = edit.op(name, pooling, &operands[..1])?;
    edit.set_origin(first, &[pool]);
    operands[0] = Value { node: first, output: 0 };
    edit.replace_op(pool, convolution, &operands, &[conv, pool])?;
    edit.remove(conv)?;
    Ok(first)
}
