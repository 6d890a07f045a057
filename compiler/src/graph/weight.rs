//! Weights as expressions over parameters.

use std::sync::Arc;

use convoke_runtime::weights::WeightOp;

use super::TensorType;

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
