//! Activation functions as operators: one operand X of any shape, one result Y of the same, `yᵢ = f(xᵢ)`.

use convoke_runtime::{Activation, Tensor};

use super::activations::define;
use super::{Arguments, Attributes, CallError, Case, Op, Operator, TypeError, check};
use crate::TensorType;

/// An operator that applies an [`Activation`]; all else of [`Operator`] follows from it.
pub trait Elementwise: Sized + Clone + std::fmt::Debug + PartialEq + Into<Op> {
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
