//! Calls of operators in `cnn!`.

use super::{Arguments, Attribute, Op, TypeError};
use crate::TensorType;

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

impl Call<'_> {
    /// The constant arguments, for reading; see [`Arguments::of_call`].
    ///
    /// # Errors
    /// Says which one is given twice, or is one too many.
    pub fn arguments(&mut self, positional: &[&'static str]) -> Result<Arguments, CallError> {
        Arguments::of_call(self, positional)
    }

    /// The types of the tensors, as [`infer`](super::Operator::infer) takes them.
    #[must_use]
    pub fn types(&self) -> Vec<&TensorType> {
        self.operands.iter().collect()
    }
}

/// What makes an operator from a call.
pub type Constructor = fn(&mut Call<'_>) -> Result<Construction, CallError>;

/// What a call makes.
#[derive(Clone, Debug, PartialEq)]
pub struct Construction {
    /// The operator.
    pub op: Op,
    /// Its parameters; the graph names each `PATH.suffix` and appends it to the operands.
    pub parameters: Vec<ParameterSpec>,
}

/// An operator without parameters.
impl<T: Into<Op>> From<T> for Construction {
    fn from(op: T) -> Self {
        Self { op: op.into(), parameters: Vec::new() }
    }
}

/// A parameter that an operator owns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParameterSpec {
    /// The last part of its name: `weight`, `bias`, `running_mean`.
    pub suffix: &'static str,
    /// Its type.
    pub ty: TensorType,
}

impl ParameterSpec {
    /// A float32 parameter.
    #[must_use]
    pub fn new(suffix: &'static str, shape: impl Into<Vec<usize>>) -> Self {
        Self { suffix, ty: TensorType::f32(shape) }
    }
}

/// What is wrong with a call, and the place to point at. The message names the argument that it is about, or
/// completes the operator's name: ``conv `stem`: `stride` expects …, found 0``,
/// ``conv `stem` expects 4 dimensions (N C H W), gets 2``.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The argument at this position, counted from 0.
    #[error("{1}")]
    Positional(usize, String),
    /// The argument of this name.
    #[error("{1}")]
    Named(String, String),
    /// The tensor at this position, counted from 0.
    #[error("{1}")]
    Operand(usize, String),
    /// The call as a whole.
    #[error("{0}")]
    Call(String),
}

impl From<TypeError> for CallError {
    fn from(error: TypeError) -> Self {
        match error.operand {
            Some(operand) => Self::Operand(operand, error.to_string()),
            None => Self::Call(error.to_string()),
        }
    }
}
