//! Folds batch normalisation into the weights of the convolution or linear layer that precedes it.
//!
//! ```text
//! batch_norm(conv(x, W, b), γ, β, μ, σ²)   ⟹   conv(x, W′, b′)
//!     s = γ / √(σ² + ε)      W′ = W · s      b′ = β + (b − μ) · s
//! ```
//!
//! with `s` along the output channels, and without `b` where there is none.
//!
//! Requires that nothing else uses the convolution's result and that its epilogue is empty; that W, b, γ, β, μ and σ²
//! are weights; and of a linear layer that it has rows of features only, N I: batch normalisation is along dimension
//! 1. Any other batch normalisation stays, and is lowered as multiplication and addition.
//!
//! The result has the name of the batch normalisation, whose value it has.
//!
//! Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
//! arXiv:1712.05877, section 3.2.

use std::sync::Arc;

use convoke_runtime::weights::{WeightError, WeightOp};

use super::Pass;
use crate::Graph;
use crate::graph::{GraphError, NodeId, Value, WeightExpr};
use crate::ops::batch_norm::BatchNorm;
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;
use crate::ops::{Epilogue, Op};

/// Folds batch normalisation into the weights of the convolution or linear layer that precedes it.
pub const PASS: Pass = Pass { name: "fold_batch_norm", run };

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

/// `γ / √(σ² + ε)`.
pub(super) fn scale(
    gamma: &Arc<WeightExpr>,
    variance: &Arc<WeightExpr>,
    epsilon: f32,
) -> Result<Arc<WeightExpr>, WeightError> {
    let root = Arc::new(WeightExpr::apply(WeightOp::Rsqrt { epsilon }, vec![variance.clone()])?);
    WeightExpr::apply(WeightOp::Mul, vec![gamma.clone(), root]).map(Arc::new)
}

/// A batch normalisation that can be folded.
struct Fold {
    /// The batch normalisation.
    norm: NodeId,
    /// The convolution or linear layer that precedes it.
    producer: NodeId,
    /// What takes the place of both.
    op: Op,
    x: Value,
    weight: Weight,
    bias: Option<Weight>,
    gamma: Weight,
    beta: Weight,
    mean: Weight,
    variance: Weight,
    epsilon: f32,
}

/// A weight's node and expression.
type Weight = (NodeId, Arc<WeightExpr>);

impl Fold {
    fn find(graph: &Graph, norm: NodeId) -> Option<Self> {
        let &Op::BatchNorm(BatchNorm { eps: epsilon, epilogue }) = graph.node(norm).op()? else { return None };
        let [result, gamma, beta, mean, variance] = graph.operands(norm)[..] else { return None };
        let (before, op): (Epilogue, Op) = match graph.node(result.node).op()? {
            Op::Conv(conv) => (conv.epilogue, Conv { bias: true, epilogue, ..*conv }.into()),
            Op::Linear(linear) if graph.type_of(result).rank() == 2 => {
                (linear.epilogue, Linear { bias: true, epilogue }.into())
            }
            _ => return None,
        };
        if !before.is_none() || !graph.has_single_use(result) {
            return None;
        }
        let expression = |value: Value| Some((value.node, Arc::new(graph.node(value.node).weight()?.clone())));
        let (x, weight, bias) = match graph.operands(result.node)[..] {
            [x, weight] => (x, expression(weight)?, None),
            [x, weight, bias] => (x, expression(weight)?, Some(expression(bias)?)),
            _ => return None,
        };
        Some(Self {
            norm,
            producer: result.node,
            op,
            x,
            weight,
            bias,
            gamma: expression(gamma)?,
            beta: expression(beta)?,
            mean: expression(mean)?,
            variance: expression(variance)?,
            epsilon,
        })
    }

    /// W′ and b′.
    fn fold(&self) -> Result<[WeightExpr; 2], WeightError> {
        let binary = |op, a: &Arc<WeightExpr>, b: &Arc<WeightExpr>| WeightExpr::apply(op, vec![a.clone(), b.clone()]);
        let [(_, weight), (_, beta), (_, mean)] = [&self.weight, &self.beta, &self.mean];
        let scale = scale(&self.gamma.1, &self.variance.1, self.epsilon)?;
        let mut along_outputs = vec![1; weight.ty().rank()];
        along_outputs[0] = scale.ty().elements();
        let scaled = binary(WeightOp::Mul, weight, &scale.clone().reshape(&along_outputs)?)?;
        let shifted = match &self.bias {
            Some((_, bias)) => {
                let centred = Arc::new(binary(WeightOp::Sub, bias, mean)?);
                binary(WeightOp::Add, beta, &Arc::new(binary(WeightOp::Mul, &centred, &scale)?))?
            }
            None => binary(WeightOp::Sub, beta, &Arc::new(binary(WeightOp::Mul, mean, &scale)?))?,
        };
        Ok([scaled, shifted])
    }

    fn apply(self, graph: &mut Graph) -> Result<(), GraphError> {
        let [weight, bias] = self.fold()?;
        let source = graph.node(self.producer).name.clone();
        let mut edit = graph.edit();
        let weight = edit.weight(format!("{source}.weight.folded"), weight);
        edit.set_origin(weight.node, &[self.weight.0, self.gamma.0, self.variance.0]);
        let bias = edit.weight(format!("{source}.bias.folded"), bias);
        let origin = self.bias.iter().chain([&self.beta, &self.mean, &self.gamma, &self.variance]);
        edit.set_origin(bias.node, &origin.map(|weight| weight.0).collect::<Vec<_>>());
        edit.replace_op(self.norm, self.op, &[self.x, weight, bias], &[self.producer, self.norm])?;
        edit.remove(self.producer)
    }
}
