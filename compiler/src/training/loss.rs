//! Losses, as nodes of a graph.

use crate::graph::{Editor, GraphError, Value, WeightExpr};
use crate::ops::Op;
use crate::ops::add::Add;
use crate::ops::binary::{Binary, Function};
use crate::ops::mul::Mul;
use crate::ops::reduce::{self, Reduce};
use crate::ops::softmax::Softmax;
use crate::ops::unary::{self, Unary};
use crate::{Graph, TensorType};

/// How far an output is from what it should be. Targets are an input of the output's type.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss {
    /// Of logits z, N × classes, with probabilities t: `−Σ t′ · ln softmax(z)`, `t′ = (1 − smoothing) · t + smoothing /
    /// classes`; the mean is over N.
    ///
    /// Smoothing: Szegedy, Vanhoucke, Ioffe, Shlens and Wojna, "Rethinking the Inception Architecture for Computer
    /// Vision", arXiv:1512.00567, section 7.
    CrossEntropy {
        /// The share of the probability that is spread over all classes; 0 for none.
        smoothing: f32,
    },
    /// The squared error, `Σ (y − t)²`; the mean is over all elements.
    SquaredError,
    /// Of logits z of independent yes or no: `−Σ t · ln σ(z) + (1 − t) · ln(1 − σ(z)) = Σ ln(1 + eᶻ) − t · z`; the mean is
    /// over all elements.
    BinaryCrossEntropy,
}

/// An output to which a loss does not apply.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("loss of `{output}`: cross-entropy expects N × classes, the output is {found}")]
pub struct LossError {
    /// The output.
    pub output: String,
    /// Its type.
    pub found: TensorType,
}

impl Loss {
    /// Whether it applies to `output`.
    ///
    /// # Errors
    /// [`LossError`]: cross-entropy is of two dimensions.
    pub fn check(self, graph: &Graph, output: Value) -> Result<(), LossError> {
        match self {
            Self::CrossEntropy { .. } if graph.type_of(output).rank() != 2 => {
                Err(LossError { output: graph.label(output), found: graph.type_of(output).clone() })
            }
            _ => Ok(()),
        }
    }

    /// Adds the input `targets` and the loss, one element: the mean over images or elements, as PyTorch's modules have
    /// it. [`check`](Self::check) says to what it applies.
    ///
    /// # Errors
    /// It does not apply.
    pub fn mean(self, graph: &mut Graph, output: Value) -> Result<Value, GraphError> {
        let ty = graph.type_of(output);
        let count = match self {
            Self::CrossEntropy { .. } => ty.shape[0],
            Self::SquaredError | Self::BinaryCrossEntropy => ty.elements(),
        };
        self.add(graph, output, 1.0 / count as f32)
    }

    /// As [`mean`](Self::mean), the sum.
    ///
    /// # Errors
    /// It does not apply.
    pub fn sum(self, graph: &mut Graph, output: Value) -> Result<Value, GraphError> {
        self.add(graph, output, 1.0)
    }

    fn add(self, graph: &mut Graph, output: Value, share: f32) -> Result<Value, GraphError> {
        let ty = graph.type_of(output).clone();
        let mut nodes = Nodes { edit: graph.edit() };
        let targets = nodes.edit.input("targets", ty.clone());
        let (sum, factor) = match self {
            Self::CrossEntropy { smoothing } => {
                let logs = nodes.op("log_softmax", Softmax { axis: 1, log: true }, &[output])?;
                let mut probabilities = targets;
                if smoothing != 0.0 {
                    let [kept, spread] = [1.0 - smoothing, smoothing / ty.shape[1] as f32].map(|x| nodes.number(x));
                    probabilities = nodes.op("kept", Mul::default(), &[targets, kept])?;
                    probabilities = nodes.op("smoothed", Add::default(), &[probabilities, spread])?;
                }
                let product = nodes.op("product", Mul::default(), &[probabilities, logs])?;
                (nodes.sum(product)?, -share)
            }
            Self::SquaredError => {
                let difference = nodes.op("difference", Binary { function: Function::Sub }, &[output, targets])?;
                let square = nodes.op("square", Mul::default(), &[difference, difference])?;
                (nodes.sum(square)?, share)
            }
            Self::BinaryCrossEntropy => {
                let softplus = nodes.op("softplus", Unary::new(unary::Function::Softplus), &[output])?;
                let product = nodes.op("product", Mul::default(), &[targets, output])?;
                let difference = nodes.op("difference", Binary { function: Function::Sub }, &[softplus, product])?;
                (nodes.sum(difference)?, share)
            }
        };
        let factor = nodes.number(factor);
        Ok(nodes.edit.op("loss", Mul::default(), &[sum, factor])?.into())
    }
}

/// The nodes of a loss: `loss.WHAT`.
struct Nodes<'g> {
    edit: Editor<'g>,
}

impl Nodes<'_> {
    fn op(&mut self, name: &str, op: impl Into<Op>, operands: &[Value]) -> Result<Value, GraphError> {
        Ok(self.edit.op(format!("loss.{name}"), op, operands)?.into())
    }

    fn number(&mut self, value: f32) -> Value {
        self.edit.weight("loss.factor", WeightExpr::filled([], value))
    }

    /// The sum of all elements.
    fn sum(&mut self, value: Value) -> Result<Value, GraphError> {
        self.op("sum", Reduce { function: reduce::Function::Sum, axes: Vec::new(), keepdims: false }, &[value])
    }
}

#[cfg(test)]
mod tests {
    use convoke_runtime::{Parameters, Tensor};

    use super::*;
    use crate::graph::evaluate::evaluate;

    fn value(loss: Loss, z: &[f32], t: &[f32]) -> f64 {
        let text = "graph g\n%x = input : f32[2, 2]\n%y = relu(%x)\noutput y = %y";
        let mut graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let output = graph.find("x").expect("it is there").into();
        assert_eq!(loss.check(&graph, output), Ok(()));
        let value = loss.mean(&mut graph, output).expect("it applies");
        graph.edit().output("loss", value);
        assert_eq!(graph.verify(), Ok(()));
        let inputs = [z, t].map(|values| Tensor::from_slice(&[2, 2], values).expect("four"));
        f64::from(evaluate(&graph, &inputs, &Parameters::default()).expect("it fits")[1].data()[0])
    }

    #[test]
    fn values() {
        let (z, t) = ([1.0, -0.5, 0.25, 2.0], [1.0, 0.0, 0.25, 0.75]);
        let logs = |a: f64, b: f64| [a, b].map(|z| z - (a.exp() + b.exp()).ln());
        let [l, m] = [logs(1.0, -0.5), logs(0.25, 2.0)];
        let entropy = |t: [f64; 4]| -(t[0] * l[0] + t[1] * l[1] + t[2] * m[0] + t[3] * m[1]) / 2.0;
        let yes = |z: f64, t: f64| (1.0 + z.exp()).ln() - t * z;
        let binary = (yes(1.0, 1.0) + yes(-0.5, 0.0) + yes(0.25, 0.25) + yes(2.0, 0.75)) / 4.0;
        for (loss, expected) in [
            (Loss::CrossEntropy { smoothing: 0.0 }, entropy([1.0, 0.0, 0.25, 0.75])),
            (Loss::CrossEntropy { smoothing: 0.2 }, entropy([0.9, 0.1, 0.3, 0.7])),
            (Loss::SquaredError, (0.25 + 1.25_f64.powi(2)) / 4.0),
            (Loss::BinaryCrossEntropy, binary),
        ] {
            let found = value(loss, &z, &t);
            assert!((found - expected).abs() < 1e-6, "{loss:?}: {found}, expected {expected}");
        }
    }

    #[test]
    fn cross_entropy_is_of_rows() {
        let graph: Graph = "graph g\n%x = input : f32[2, 2, 1]\noutput y = %x".parse().expect("a graph");
        let loss = Loss::CrossEntropy { smoothing: 0.0 };
        assert_eq!(
            loss.check(&graph, graph.outputs()[0].1).expect_err("three dimensions").to_string(),
            "loss of `x`: cross-entropy expects N × classes, the output is f32[2, 2, 1]"
        );
    }
}
