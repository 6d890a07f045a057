//! Takes away operators whose result is their operand.
//!
//! ```text
//! reshape(x), flatten(x)              ⟹   x   where the shape stays
//! dropout(x)                          ⟹   x
//! x + 0, x · 1                        ⟹   x   for constants 0 and 1 that do not broadcast x
//! concat(x)                           ⟹   x
//! max_pool(x), avg_pool(x)            ⟹   x   for windows of one tap, which have no padding, where the
//!                                             shape stays
//! relu(x), clip(x), leaky_relu(x)     ⟹   x   where the bounds hold already, being those of the operator before, or
//!                                             are no bounds for finite x
//! ```
//!
//! Requires that nothing rides in the operator's epilogue, and that an output of the network remains the result of an
//! operator, which a run has to write.

use convoke_runtime::Activation;

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, Value};
use crate::ops::Op;

/// Takes away operators whose result is their operand.
pub const PASS: Pass = Pass { name: "eliminate_identity", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut changed = false;
    for id in graph.order() {
        let Some(operand) = operand_that_stays(graph, id) else { continue };
        if graph.type_of(id.into()) != graph.type_of(operand)
            || graph.is_output(id) && graph.node(operand.node).op().is_none()
        {
            continue;
        }
        let mut edit = graph.edit();
        edit.replace_uses(id.into(), operand)?;
        edit.remove(id)?;
        changed = true;
    }
    Ok(changed)
}

/// The operand that the operator's only result is, if their types are the same.
fn operand_that_stays(graph: &Graph, id: NodeId) -> Option<Value> {
    let op = graph.node(id).op()?;
    let operands = graph.operands(id);
    let stays = match op {
        Op::Reshape(_) | Op::Flatten(_) | Op::Dropout(_) => true,
        Op::Add(add) if add.epilogue.is_none() => return other_than(graph, &operands, 0.0),
        Op::Mul(mul) if mul.epilogue.is_none() => return other_than(graph, &operands, 1.0),
        Op::Concat(_) => operands.len() == 1,
        Op::MaxPool(pool) => pool.kernel == [1, 1],
        Op::AvgPool(pool) => pool.kernel == [1, 1],
        _ => does_nothing(op.activation()?, bounds(graph, *operands.first()?)),
    };
    operands.first().copied().filter(|_| stays)
}

/// Of two operands the one beside a constant that is `neutral` everywhere.
fn other_than(graph: &Graph, operands: &[Value], neutral: f32) -> Option<Value> {
    let &[a, b] = operands else { return None };
    let is_neutral = |value: Value| graph.node(value.node).weight().and_then(|w| w.uniform()) == Some(neutral);
    if is_neutral(b) { Some(a) } else { is_neutral(a).then_some(b) }
}

/// Whether `activation` keeps every number within `bounds`, lower and upper.
fn does_nothing(activation: Activation, (lower, upper): (f32, f32)) -> bool {
    match activation {
        Activation::Identity => true,
        Activation::Relu => lower >= 0.0,
        Activation::LeakyRelu { alpha } => lower >= 0.0 || alpha == 1.0,
        Activation::Clip { low, high } => low <= lower && upper <= high,
        Activation::Sigmoid
        | Activation::Tanh
        | Activation::Silu
        | Activation::HardSigmoid { .. }
        | Activation::HardSwish
        | Activation::Gelu
        | Activation::GeluTanh => false,
    }
}

/// What the activation that made `value` says of finite numbers. Sigmoid and its like have bounds too, but rounding
/// may pass them.
fn bounds(graph: &Graph, value: Value) -> (f32, f32) {
    let op = graph.node(value.node).op();
    let activation = op.and_then(|op| op.activation().or_else(|| op.epilogue().map(|epilogue| epilogue.activation)));
    match activation {
        Some(Activation::Relu) => (0.0, f32::MAX),
        Some(Activation::Clip { low, high }) => (low.min(high), high),
        _ => (f32::MIN, f32::MAX),
    }
}
