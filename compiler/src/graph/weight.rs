//! Weights as expressions over parameters.

use std::borrow::Cow;
use std::sync::Arc;

use convoke_runtime::weights::{WeightError, WeightOp};

use super::cursor::MAX_DEPTH;
use super::{DType, TensorType};

/// A tensor known before the network runs. Passes that change weights (folding, packing, factorising) wrap
/// expressions; the runtime evaluates them once, when parameters are loaded.
#[derive(Clone, Debug, PartialEq)]
pub enum WeightExpr {
    /// The parameter of this name (PyTorch's `state_dict` path).
    Parameter {
        /// Its name.
        name: String,
        /// Its type.
        ty: TensorType,
    },
    /// A constant; a single value fills the shape.
    Literal {
        /// Its type.
        ty: TensorType,
        /// Its values, row-major, or one for all.
        values: Arc<[f32]>,
    },
    /// An operation on weights: any [`WeightOp`] but `Parameter` and `Literal`.
    Apply {
        /// The operation.
        op: WeightOp,
        /// Its operands, in the order in which they are pushed.
        operands: Vec<Arc<WeightExpr>>,
        /// The type of the result.
        ty: TensorType,
    },
}

impl WeightExpr {
    /// The parameter of this name and type.
    #[must_use]
    pub fn parameter(name: impl Into<String>, ty: TensorType) -> Self {
        Self::Parameter { name: name.into(), ty }
    }

    /// A constant of these values, row-major, or of one value for all; the verifier refuses any other number of them.
    #[must_use]
    pub fn literal(shape: impl Into<Vec<usize>>, values: impl Into<Arc<[f32]>>) -> Self {
        Self::Literal { ty: TensorType::f32(shape), values: values.into() }
    }

    /// A constant of any type; its values, as float32, are as [`literal`](Self::literal) takes them.
    #[must_use]
    pub fn constant(ty: TensorType, values: impl Into<Arc<[f32]>>) -> Self {
        Self::Literal { ty, values: values.into() }
    }

    /// A constant with one value everywhere.
    #[must_use]
    pub fn filled(shape: impl Into<Vec<usize>>, value: f32) -> Self {
        Self::literal(shape, [value])
    }

    /// The result of an operation on other expressions.
    ///
    /// # Errors
    /// Those of [`WeightOp::result_shape`]: the shapes do not fit the operation.
    pub fn apply(op: WeightOp, operands: Vec<Arc<Self>>) -> Result<Self, WeightError> {
        let ty = result_type(&op, &operands)?;
        Ok(Self::Apply { op, operands, ty })
    }

    /// `self` in another shape of as many elements; `self` where it has that shape.
    ///
    /// # Errors
    /// As for [`apply`](Self::apply).
    pub fn reshape(self: Arc<Self>, shape: &[usize]) -> Result<Arc<Self>, WeightError> {
        if self.ty().shape == shape {
            return Ok(self);
        }
        Self::apply(WeightOp::Reshape(shape.to_vec().into()), vec![self]).map(Arc::new)
    }

    /// The type of its value.
    #[must_use]
    pub fn ty(&self) -> &TensorType {
        match self {
            Self::Parameter { ty, .. } | Self::Literal { ty, .. } | Self::Apply { ty, .. } => ty,
        }
    }

    /// The constant's one value, where it has the same everywhere.
    #[must_use]
    pub fn uniform(&self) -> Option<f32> {
        match self {
            Self::Literal { values, .. } => {
                let first = *values.first()?;
                values.iter().all(|&value| value == first).then_some(first)
            }
            Self::Parameter { .. } | Self::Apply { .. } => None,
        }
    }

    /// Whether it is small enough to be part of another: its text parses again, and evaluation is quick although what
    /// is shared is evaluated at each use.
    #[must_use]
    pub fn is_moderate(&self) -> bool {
        self.measure(MAX_DEPTH / 2, &mut 1024)
    }

    /// Whether it is at most `depth` deep and has at most `size` operations, of which it takes its own.
    fn measure(&self, depth: usize, size: &mut usize) -> bool {
        match self {
            Self::Parameter { .. } | Self::Literal { .. } => true,
            Self::Apply { operands, .. } => {
                let fits = depth > 0 && *size > 0;
                *size = size.saturating_sub(1);
                fits && operands.iter().all(|operand| operand.measure(depth - 1, size))
            }
        }
    }

    /// Gives name and type of every parameter to `visit`, from left to right, one that is used twice twice.
    pub fn visit_parameters(&self, visit: &mut impl FnMut(&str, &TensorType)) {
        match self {
            Self::Parameter { name, ty } => visit(name, ty),
            Self::Literal { .. } => {}
            Self::Apply { operands, .. } => operands.iter().for_each(|operand| operand.visit_parameters(visit)),
        }
    }

    /// The instructions that evaluate it; `index_of_parameter` gives a parameter's place among the network's.
    #[must_use]
    pub fn postfix(&self, mut index_of_parameter: impl FnMut(&str) -> u32) -> Vec<WeightOp> {
        let mut code = Vec::new();
        self.push_postfix(&mut index_of_parameter, &mut code);
        code
    }

    fn push_postfix(&self, index_of_parameter: &mut impl FnMut(&str) -> u32, code: &mut Vec<WeightOp>) {
        match self {
            Self::Parameter { name, .. } => code.push(WeightOp::Parameter(index_of_parameter(name))),
            Self::Literal { ty, values } => code
                .push(WeightOp::Literal { shape: Cow::Owned(ty.shape.clone()), values: Cow::Owned(values.to_vec()) }),
            Self::Apply { op, operands, .. } => {
                operands.iter().for_each(|operand| operand.push_postfix(index_of_parameter, code));
                code.push(op.clone());
            }
        }
    }
}

/// The type of what `op` makes of `operands`.
///
/// # Errors
/// Those of [`WeightOp::result_shape`].
pub(super) fn result_type(op: &WeightOp, operands: &[Arc<WeightExpr>]) -> Result<TensorType, WeightError> {
    let shapes: Vec<&[usize]> = operands.iter().map(|operand| operand.ty().shape.as_slice()).collect();
    let dtype = operands.first().map_or(DType::F32, |operand| operand.ty().dtype);
    op.result_shape(&shapes).map(|shape| TensorType { dtype, shape })
}
