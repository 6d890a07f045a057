//! Folds the scale of a batch normalisation that shifts nothing into the weights of the convolutions that follow it: so
//! gradients pass normalised layers.
//!
//! ```text
//! conv(batch_norm(x, γ, 0, 0, σ²), W)                    ⟹   conv(x, W′)
//! conv_weight_gradient(x, batch_norm(g, γ, 0, 0, σ²))    ⟹   conv_weight_gradient(x, g) · s
//!     s = γ / √(σ² + ε)      W′ = W · s
//! ```
//!
//! with `s` along the input channels of W, and along the output channels of the gradient; transposed convolutions as
//! convolutions.
//!
//! Requires that β and μ are zero, so that what is padded stays zero; that every use of the normalisation's result is one
//! of these, and that its epilogue is empty; and that W, γ and σ² are weights.

use std::sync::Arc;

use convoke_runtime::weights::{WeightError, WeightOp};

use super::{Pass, fold_batch_norm};
use crate::Graph;
use crate::graph::{GraphError, NodeId, Value, WeightExpr};
use crate::ops::Op;
use crate::ops::batch_norm::BatchNorm;
use crate::ops::mul::Mul;

/// Folds the scale of a batch normalisation that shifts nothing into the weights of the convolutions that follow it.
pub const PASS: Pass = Pass { name: "fold_scale", run };

fn run(graph: &mut Graph) -> Result<bool, GraphError> {
    let mut changed = false;
    for id in graph.order() {
        if let Some(fold) = Fold::find(graph, id) {
            fold.apply(graph)?;
            changed = true;
        }
    }
    Ok(changed)
}

/// A normalisation whose scale can be folded.
struct Fold {
    norm: NodeId,
    /// What it scales.
    value: Value,
    /// The nodes that its weights come from.
    origin: [NodeId; 2],
    /// What takes it, each with its own weight, or with what its result is scaled by.
    users: Vec<(NodeId, Scaled)>,
}

enum Scaled {
    /// W′ of a convolution.
    Weight(WeightExpr),
    /// `s`, in the shape of a weight gradient's output channels.
    Result(WeightExpr),
}

impl Fold {
    fn find(graph: &Graph, norm: NodeId) -> Option<Self> {
        let &Op::BatchNorm(BatchNorm { eps, epilogue }) = graph.node(norm).op()? else { return None };
        let [value, gamma, beta, mean, variance] = graph.operands(norm)[..] else { return None };
        let expression = |value: Value| graph.node(value.node).weight();
        let zero = |value: Value| expression(value).and_then(WeightExpr::uniform) == Some(0.0);
        if !epilogue.is_none() || graph.is_output(norm) || !zero(beta) || !zero(mean) {
            return None;
        }
        let [gamma_is, variance_is] = [gamma, variance].map(|value| expression(value).cloned().map(Arc::new));
        let scale = fold_batch_norm::scale(&gamma_is?, &variance_is?, eps).ok()?;
        let user = |(user, operand): (NodeId, u16)| {
            let scaled = match (graph.node(user).op()?, operand) {
                (op @ (Op::Conv(_) | Op::ConvTranspose(_)), 0) => {
                    let weight = Arc::new(expression(graph.operands(user)[1])?.clone());
                    Scaled::Weight(by_inputs(op, &weight, &scale).ok()?)
                }
                (Op::ConvWeightGradient(_), 1) => {
                    let along = scale.clone().reshape(&[scale.ty().elements(), 1, 1, 1]).ok()?;
                    Scaled::Result(Arc::unwrap_or_clone(along))
                }
                _ => return None,
            };
            let (Scaled::Weight(expression) | Scaled::Result(expression)) = &scaled;
            expression.is_moderate().then_some((user, scaled))
        };
        let users: Vec<_> = graph.users(norm.into()).into_iter().map(user).collect::<Option<_>>()?;
        (!users.is_empty()).then_some(Self { norm, value, origin: [gamma.node, variance.node], users })
    }

    fn apply(self, graph: &mut Graph) -> Result<(), GraphError> {
        for (id, scaled) in self.users {
            let (mut operands, name) = (graph.operands(id), graph.node(id).name.clone());
            let Some(op) = graph.node(id).op().cloned() else { continue };
            let mut edit = graph.edit();
            match scaled {
                Scaled::Weight(expression) => {
                    let weight = edit.weight(format!("{name}.weight"), expression);
                    edit.set_origin(weight.node, &[&[operands[1].node], &self.origin[..]].concat());
                    (operands[0], operands[1]) = (self.value, weight);
                    edit.replace_op(id, op, &operands, &[self.norm, id])?;
                }
                Scaled::Result(expression) => {
                    let scale = edit.weight(format!("{name}.scale"), expression);
                    edit.set_origin(scale.node, &self.origin);
                    let whole = edit.op(format!("{name}.whole"), op, &[operands[0], self.value])?;
                    edit.replace_op(id, Mul::default(), &[whole.into(), scale], &[self.norm, id])?;
                }
            }
        }
        graph.edit().remove(self.norm)
    }
}

/// W · s, `s` along the input channels of this operator's weight.
fn by_inputs(op: &Op, weight: &Arc<WeightExpr>, scale: &Arc<WeightExpr>) -> Result<WeightExpr, WeightError> {
    let shape = &weight.ty().shape;
    let (first, second, taps) = (shape[0], shape[1], shape[2..].iter().product());
    // Groups, and where in them input channels are.
    let (split, along) = match op {
        Op::Conv(conv) => ([conv.groups, first / conv.groups, second, taps], [conv.groups, 1, second, 1]),
        _ => ([1, first, second, taps], [1, first, 1, 1]),
    };
    let operands = vec![weight.clone().reshape(&split)?, scale.clone().reshape(&along)?];
    let product = Arc::new(WeightExpr::apply(WeightOp::Mul, operands)?);
    Ok(Arc::unwrap_or_clone(product.reshape(shape)?))
}
