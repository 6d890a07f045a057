//! [`WeightError`]: expressions that cannot be evaluated.

use std::fmt;

/// A weight expression that cannot be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WeightError {
    /// An operation lacks operands, or has too many.
    #[error("{op} does not take {found} operands")]
    Operands {
        /// The operation.
        op: &'static str,
        /// The operands there are.
        found: usize,
    },
    /// The operands' shapes do not fit the operation.
    #[error("{op} of {}: {reason}", Shapes(operands))]
    Shape {
        /// The operation.
        op: &'static str,
        /// The shapes of its operands.
        operands: Vec<Vec<usize>>,
        /// The rule that they break.
        reason: &'static str,
    },
    /// An index that no parameter has.
    #[error("parameter {index} does not exist, there are {count}")]
    Parameter {
        /// The index.
        index: u32,
        /// The number of parameters.
        count: usize,
    },
    /// The expression leaves another number of tensors than one.
    #[error("the expression leaves {count} tensors, one is expected")]
    Leftover {
        /// The tensors left.
        count: usize,
    },
    /// The result has another number of elements than its buffer.
    #[error("the expression's result, of shape {shape:?}, does not fill a buffer of {expected} elements")]
    Destination {
        /// The shape of the result.
        shape: Vec<usize>,
        /// The elements of the buffer.
        expected: usize,
    },
}

/// `[8, 3] and [8]`.
struct Shapes<'a>(&'a [Vec<usize>]);

impl fmt::Display for Shapes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("nothing");
        }
        for (index, shape) in self.0.iter().enumerate() {
            f.write_str(if index > 0 { " and " } else { "" })?;
            write!(f, "{shape:?}")?;
        }
        Ok(())
    }
}
