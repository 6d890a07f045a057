//! What an operator is: the trait that each file of this folder implements.

use convoke_runtime::{Activation, Tensor};

use super::{Attribute, Attributes, Op};
use crate::TensorType;

/// An operator: attributes, and everything the compiler knows of it.
pub trait Operator: Sized + Clone + std::fmt::Debug + PartialEq + Into<Op> {
    /// Its name in graphs and in `cnn!`.
    const NAME: &'static str;

    /// Its attributes, in a fixed order; one that has its default value may be left out.
    fn attributes(&self) -> Attributes;

    /// The operator with these attributes: the inverse of [`attributes`](Self::attributes).
    ///
    /// # Errors
    /// Says which attribute is missing, unknown or of the wrong kind.
    fn from_attributes(attributes: Attributes) -> Result<Self, String>;

    /// Builds the operator from a call in `cnn!`, such as `conv(64, kernel: 3, bias: false)`: its attributes, and the
    /// parameters that it owns, which follow the call's tensors as operands.
    ///
    /// # Errors
    /// Says which argument is missing, unknown or impossible.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError>;

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

    /// Its conformance cases.
    fn cases() -> Vec<Case>;
}

/// Why operands do not fit an operator. The graph adds the names of the node and of the operand's producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeError {
    /// The operand to blame, where one is.
    pub operand: Option<usize>,
    /// What is expected: `64 input channels`.
    pub expected: String,
    /// What was found: `32`.
    pub found: String,
}

/// A call of an operator in `cnn!`: the types of its tensors and its constant arguments.
#[derive(Debug)]
pub struct Call<'a> {
    /// The types of the tensors it is applied to.
    pub operands: &'a [TensorType],
    /// Constant arguments without a name, in order.
    pub positional: Vec<Attribute>,
    /// Constant arguments with a name, in order.
    pub named: Vec<(String, Attribute)>,
}

/// What a call makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Construction {
    /// The operator.
    pub op: Op,
    /// Its parameters; the graph names each `PATH.suffix` and appends it to the operands.
    pub parameters: Vec<ParameterSpec>,
}

/// A parameter that an operator owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The last part of its name: `weight`, `bias`, `running_mean`.
    pub suffix: &'static str,
    /// Its type.
    pub ty: TensorType,
}

/// What is wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The argument at this position, counted from 0.
    Positional(usize, String),
    /// The argument of this name.
    Named(String, String),
    /// The tensor at this position, counted from 0.
    Operand(usize, String),
    /// The call as a whole.
    Call(String),
}

/// A conformance case: one operator on operands of given types and ranges.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique in the operator's file.
    pub name: &'static str,
    /// The operator.
    pub op: Op,
    /// Its operands.
    pub operands: Vec<CaseOperand>,
    /// The largest difference from the naive definition that is accepted, relative to the largest expected value.
    pub tolerance: f32,
}

/// An operand of a [`Case`]: pseudo-random values, uniform in a range.
#[derive(Clone, Debug)]
pub struct CaseOperand {
    /// Its type.
    pub ty: TensorType,
    /// Whether it is a weight, known before the run, or an input.
    pub weight: bool,
    /// Its range.
    pub range: (f32, f32),
}
