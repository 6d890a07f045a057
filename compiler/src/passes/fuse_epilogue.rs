//! Lets activations and residual additions ride in the epilogue of what precedes them.
//!
//! ```text
//! act(f(x))           ⟹   f(x) {activation = act}
//! act(f(x) + r)       ⟹   f(x, r) {residual = true, activation = act}
//! ```
//!
//! for f a convolution or linear layer, and in the first form also addition, multiplication or batch normalisation:
//! whatever carries that [`Epilogue`]. The addition's operands may stand in either order; where both could take the
//! other one in, the first does.
//!
//! Requires that nothing else uses f(x), so that r cannot depend on it; that f carries no activation yet, nor, in the
//! second form, a residual; and that r has the type of f(x): an addition that broadcasts stays.
//!
//! The result has the name of the last node, whose value it has.

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, Value};
use crate::ops::{Epilogue, Op};
use convoke_runtime::Activation;

/// Lets activations and residual additions ride in the epilogue of what precedes them.
pub const PASS: Pass = Pass { name: "fuse_epilogue", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut changed = false;
    for id in graph.order() {
        let Some(Fusion { op, operands, producer }) = activation(graph, id).or_else(|| residual(graph, id)) else {
            continue;
        };
        let mut edit = graph.edit();
        edit.replace_op(id, op, &operands, &[producer, id])?;
        edit.remove(producer)?;
        changed = true;
    }
    Ok(changed)
}

/// What takes the place of a node and of its producer.
struct Fusion {
    op: Op,
    operands: Vec<Value>,
    producer: NodeId,
}

/// `act(f(x))`, for `id` an activation.
fn activation(graph: &Graph, id: NodeId) -> Option<Fusion> {
    let activation = graph.node(id).op()?.activation()?;
    let [value] = graph.operands(id)[..] else { return None };
    let epilogue = open_epilogue(graph, value)?;
    let op = graph.node(value.node).op()?.with_epilogue(Epilogue { activation, ..epilogue })?;
    Some(Fusion { op, operands: graph.operands(value.node), producer: value.node })
}

/// `act(f(x) + r)`, for `id` an addition.
fn residual(graph: &Graph, id: NodeId) -> Option<Fusion> {
    let Op::Add(add) = graph.node(id).op()? else { return None };
    let [a, b] = graph.operands(id)[..] else { return None };
    if add.epilogue.residual || graph.type_of(a) != graph.type_of(b) {
        return None;
    }
    [(a, b), (b, a)].into_iter().find_map(|(value, residual)| {
        open_epilogue(graph, value).filter(|epilogue| !epilogue.residual)?;
        let epilogue = Epilogue { residual: true, activation: add.epilogue.activation };
        let op = graph.node(value.node).op()?.with_epilogue(epilogue)?;
        let mut operands = graph.operands(value.node);
        operands.push(residual);
        Some(Fusion { op, operands, producer: value.node })
    })
}

/// The epilogue of the operator that produces `value`, if it has no activation yet and the value has a single use.
fn open_epilogue(graph: &Graph, value: Value) -> Option<Epilogue> {
    let epilogue = graph.node(value.node).op()?.epilogue()?;
    (epilogue.activation == Activation::Identity && graph.has_single_use(value)).then_some(epilogue)
}
