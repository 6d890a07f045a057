//! Activation functions as operators: one operand X of any shape, one result Y of the same, `yᵢ = f(xᵢ)`.

use convoke_runtime::{Activation, Tensor};

use super::activations::{self, define};
use super::export::{Exported, Exporter};
use super::slope::Slope;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Op, Operator, TypeError, check};
use crate::TensorType;
use crate::lower::{Algorithm, elementwise};
use crate::onnx::Rule;

/// An operator that applies an [`Activation`]; all else of [`Operator`] follows from it.
pub trait Elementwise: Sized + 'static + Clone + std::fmt::Debug + PartialEq + Into<Op> {
    /// See [`Operator::NAME`].
    const NAME: &'static str;

    /// See [`Operator::POSITIONAL`].
    const POSITIONAL: &'static [&'static str] = &[];

    /// See [`Operator::attributes`].
    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    /// See [`Operator::read`].
    ///
    /// # Errors
    /// Says which attribute is missing or of the wrong kind.
    fn read(arguments: &mut Arguments) -> Result<Self, CallError>;

    /// The function.
    fn function(&self) -> Activation;

    /// See [`Operator::ONNX`].
    const ONNX: &'static [Rule] = &[];

    /// Operators to test: one, or where it has attributes, several.
    fn examples() -> Vec<Self>;
}

impl<T: Elementwise> Operator for T {
    const NAME: &'static str = <T as Elementwise>::NAME;
    const POSITIONAL: &'static [&'static str] = <T as Elementwise>::POSITIONAL;

    fn attributes(&self) -> Attributes {
        Elementwise::attributes(self)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Elementwise::read(arguments)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x"])?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let function = self.function();
        let mut result = Tensor::zeros(operands[0].shape());
        for (y, &x) in result.data_mut().iter_mut().zip(operands[0].data()) {
            *y = define(function, x.into()) as f32;
        }
        vec![result]
    }

    fn activation(&self) -> Option<Activation> {
        Some(self.function())
    }

    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        Slope::derive(self.function(), a)
    }

    const ONNX: &'static [Rule] = <T as Elementwise>::ONNX;

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        Ok(vec![activations::export(self.function(), e.operand(0), e)])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::map();

    fn cases() -> Vec<Case> {
        const SHAPES: [&[usize]; 8] =
            [&[1], &[7, 1], &[1, 31], &[2, 3, 5], &[1, 3, 5, 7], &[2, 16, 4, 6], &[1, 17, 3, 3], &[1, 8, 1, 1]];
        let mut cases = Vec::new();
        for op in T::examples() {
            let attributes = Elementwise::attributes(&op).to_string();
            for shape in SHAPES {
                cases.push(Case::new(format!("{attributes} of {shape:?}"), op.clone()).input(shape).within(-8.0, 8.0));
            }
        }
        cases
    }
}

#[cfg(test)]
mod tests {
    use crate::ops::testing::{called, evaluated, inferred};
    use crate::ops::{Attribute, Op, clip, gelu, hard_sigmoid, leaky_relu, relu};

    #[test]
    fn shapes() {
        assert_eq!(inferred(relu::Relu, &[&[2, 3, 5, 7]]), "f32[2, 3, 5, 7]");
        assert_eq!(inferred(relu::Relu, &[&[]]), "f32[]");
        assert_eq!(inferred(relu::Relu, &[&[1], &[1]]), "expects 1 operand, gets 2");
        assert_eq!(inferred(relu::Relu, &[&[0]]), "operand 0 expects dimensions of at least 1, gets f32[0]");
    }

    #[test]
    fn values() {
        let table: [(Op, f32, f32); 6] = [
            (relu::Relu.into(), -2.0, 0.0),
            (leaky_relu::LeakyRelu { alpha: 0.25 }.into(), -2.0, -0.5),
            (clip::Clip { low: -1.0, high: f32::MAX }.into(), 1e30, 1e30),
            (hard_sigmoid::HardSigmoid::default().into(), 1.5, 0.75),
            (gelu::Gelu { approximate: gelu::Approximation::None }.into(), 1.0, 0.841_344_8),
            (gelu::Gelu { approximate: gelu::Approximation::Tanh }.into(), 1.0, 0.841_192),
        ];
        for (op, x, y) in table {
            assert_eq!(evaluated(op.clone(), &[(&[1], &[x])]), [y], "{op:?}");
        }
    }

    #[test]
    fn calls() {
        let x: &[&[usize]] = &[&[1, 10]];
        type Row<'a> = (&'a str, &'a [Attribute], &'a [(&'a str, Attribute)], &'a str);
        let table: [Row<'_>; 12] = [
            ("relu", &[], &[], "relu {}"),
            ("relu", &[1_i64.into()], &[], "argument 0: no constant without a name is expected here"),
            ("leaky_relu", &[], &[], "leaky_relu {alpha = 0.01}"),
            ("leaky_relu", &[0.2_f32.into()], &[], "leaky_relu {alpha = 0.2}"),
            ("clip", &[0_i64.into(), 6_i64.into()], &[], "clip {low = 0.0, high = 6.0}"),
            ("clip", &[], &[("low", 0_i64.into())], "clip {low = 0.0}"),
            ("clip", &[], &[("hihg", 0_i64.into())], "hihg: `hihg` is unknown; did you mean `high`?"),
            ("hard_sigmoid", &[], &[], "hard_sigmoid {}"),
            ("hard_sigmoid", &[], &[("alpha", 0.2_f32.into())], "hard_sigmoid {alpha = 0.2}"),
            ("gelu", &[], &[("approximate", "none".into())], "gelu {}"),
            ("gelu", &[], &[("approximate", "tanh".into())], "gelu {approximate = tanh}"),
            (
                "gelu",
                &[],
                &[("approximate", true.into())],
                "approximate: `approximate` expects \"none\" or \"tanh\", found true",
            ),
        ];
        for (name, positional, named, expected) in table {
            assert_eq!(called(name, x, positional, named), expected);
        }
    }
}
