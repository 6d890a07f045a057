//! What can go wrong between a graph and a program.

use super::plan::Refusal;
use crate::TensorType;

/// Why a graph cannot be lowered.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum LowerError {
    /// No algorithm takes a node.
    #[error("lowering: {op} `{node}` has no algorithm for {types}: {}", list(.refusals))]
    NoAlgorithm {
        /// The node.
        node: String,
        /// Its operator.
        op: &'static str,
        /// The types of its operands.
        types: String,
        /// Why each algorithm refuses.
        refusals: Vec<Refusal>,
    },
    /// A tensor has more elements than a kernel can address.
    #[error("lowering: a tensor of type {ty} is too large: kernels address 2^32 elements")]
    TooLarge {
        /// Its type.
        ty: TensorType,
    },
    /// A tensor is asked for in the blocked layout, which its rank does not have.
    #[error("lowering: a tensor of type {ty} has no blocked layout, which takes N C H W or N C (a bug of Convoke)")]
    NoBlockedLayout {
        /// Its type.
        ty: TensorType,
    },
    /// The kernel table lacks a row.
    #[error("lowering: no kernel for {what} on {isa} (a bug of Convoke)")]
    NoKernel {
        /// The family and tile.
        what: String,
        /// The instruction set.
        isa: &'static str,
    },
}

fn list(refusals: &[Refusal]) -> String {
    refusals.iter().map(|refusal| format!("{}: {}", refusal.algorithm, refusal.reason)).collect::<Vec<_>>().join("; ")
}
