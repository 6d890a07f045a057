//! What an operator is: the trait that each file of this folder implements.

use std::sync::Arc;

use convoke_runtime::{Activation, Tensor};

use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Constructor, Derived, Epilogue, NotDerived, Op,
};
use crate::TensorType;
use crate::graph::WeightExpr;
use crate::lower::Algorithm;
use crate::onnx::Rule;

/// An operator: attributes, and everything the compiler knows of it.
pub trait Operator: Sized + 'static + Clone + std::fmt::Debug + PartialEq + Into<Op> {
    /// Its name in graphs and in `cnn!`.
    const NAME: &'static str;

    /// The names by which `cnn!` calls it, and what each call makes.
    const CALLS: &'static [(&'static str, Constructor)] = &[(Self::NAME, Self::call)];

    /// The constants that a call may give without a name, in order.
    const POSITIONAL: &'static [&'static str] = &[];

    /// Its attributes, in a fixed order; one that has its default value may be left out.
    fn attributes(&self) -> Attributes;

    /// The operator whose attributes `arguments` holds.
    ///
    /// # Errors
    /// Says which attribute is missing or of the wrong kind.
    fn read(arguments: &mut Arguments) -> Result<Self, CallError>;

    /// The operator with these attributes: the inverse of [`attributes`](Self::attributes).
    ///
    /// # Errors
    /// Says which attribute is missing, unknown or of the wrong kind.
    fn from_attributes(attributes: Attributes) -> Result<Self, CallError> {
        let mut arguments = Arguments::of_attributes(attributes)?;
        let op = Self::read(&mut arguments)?;
        arguments.finish()?;
        Ok(op)
    }

    /// Builds the operator from a call in `cnn!`, such as `conv(64, kernel: 3, bias: false)`: its attributes, and the
    /// parameters that it owns, which follow the call's tensors as operands. Without a definition of its own, the
    /// constants are the attributes, and there are no parameters.
    ///
    /// # Errors
    /// Says which argument is missing, unknown or impossible.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(Self::POSITIONAL)?;
        let op = Self::read(&mut arguments)?;
        arguments.finish()?;
        Ok(Construction::from(op))
    }

    /// The types of its results.
    ///
    /// # Errors
    /// Says which operand has the wrong type.
    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError>;

    /// The naive definition: what the operator means, written straight from its formula, sums in f64. The operands
    /// have types that [`infer`](Self::infer) accepts.
    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor>;

    /// Multiply-accumulates of one evaluation (1 MAC = 2 FLOP): those of convolutions and linear layers, 0 for others.
    fn macs(&self, _operands: &[&TensorType], _results: &[TensorType]) -> u64 {
        0
    }

    /// The activation function that it applies to its only operand, if it is one: then it may ride in an epilogue.
    fn activation(&self) -> Option<Activation> {
        None
    }

    /// What rides at its end, if anything can.
    fn epilogue(&self) -> Option<Epilogue> {
        None
    }

    /// The operator with another epilogue, or `None` where it cannot carry that one. A residual is its last operand
    /// and has the type of its result.
    fn with_epilogue(&self, _epilogue: Epilogue) -> Option<Op> {
        None
    }

    /// The operator as an expression over weights, where all `operands` are such; `None` where no
    /// [`WeightOp`](convoke_runtime::weights::WeightOp) says what it does.
    fn to_weight(&self, _operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
        None
    }

    /// Writes its derivative: from the cotangents of its results those of its operands.
    ///
    /// # Errors
    /// Why it has none.
    fn derive(&self, _a: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("its results do not vary smoothly with its operands"))
    }

    /// The operators of ONNX that become this one.
    const ONNX: &'static [Rule] = &[];

    /// Writes it as nodes of ONNX, all but its [`epilogue`](Self::epilogue), and returns the values that they make.
    ///
    /// # Errors
    /// Why ONNX does not say what it does.
    fn export(&self, _e: &mut Exporter<'_>) -> Exported {
        Err(format!("ONNX has no operator `{}`", Self::NAME))
    }

    /// How it is lowered: its algorithms, in order of preference.
    const ALGORITHMS: &'static [Algorithm<Self>];

    /// Its conformance cases.
    fn cases() -> Vec<Case>;
}

/// Why operands do not fit an operator. The graph adds the names of the node and of the operand's producer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expects {expected}, gets {found}")]
pub struct TypeError {
    /// The operand to blame, where one is.
    pub operand: Option<usize>,
    /// What is expected: `64 input channels`.
    pub expected: String,
    /// What was found: `32`.
    pub found: String,
}

impl TypeError {
    /// Operand `operand` is to blame.
    #[must_use]
    pub fn operand(operand: usize, expected: impl Into<String>, found: impl ToString) -> Self {
        Self { operand: Some(operand), expected: expected.into(), found: found.to_string() }
    }

    /// An attribute is to blame, or the operands together.
    #[must_use]
    pub fn whole(expected: impl Into<String>, found: impl ToString) -> Self {
        Self { operand: None, expected: expected.into(), found: found.to_string() }
    }
}
