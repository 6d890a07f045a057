//! [`InterpError`]: why a program gives no result.

use std::fmt;

use convoke_runtime::kernels::CallError;
use convoke_runtime::parameters::ParameterErrors;
use convoke_runtime::weights::WeightError;

use crate::lir::Faults;

/// Why the interpreter gives no result.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum InterpError {
    /// The program has faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The number of inputs is wrong.
    #[error("interpreter: `{program}` takes {expected} inputs, not {found}")]
    InputCount {
        /// The program's name.
        program: String,
        /// How many it takes.
        expected: usize,
        /// How many it gets.
        found: usize,
    },
    /// An input has another shape.
    #[error("interpreter: input `{name}` is f32{expected:?}, not f32{found:?}")]
    InputShape {
        /// The input.
        name: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The shape that was given.
        found: Vec<usize>,
    },
    /// The parameters are not those of the program.
    #[error(transparent)]
    Parameters(#[from] ParameterErrors),
    /// A weight expression cannot be evaluated.
    #[error("interpreter: weights `{buffer}`: {error}")]
    Weights {
        /// The buffer.
        buffer: String,
        /// What is wrong.
        error: WeightError,
    },
    /// There is not enough memory.
    #[error("interpreter: {elements} elements do not fit in memory")]
    TooLarge {
        /// Elements of all spaces.
        elements: u128,
    },
    /// An access is out of bounds, which the verifier should have found.
    #[error("interpreter: {place}: {operand} reaches element {element} of {len} (a bug of Convoke's verifier)")]
    OutOfBounds {
        /// Where.
        place: Place,
        /// The operand's text.
        operand: String,
        /// The element.
        element: i128,
        /// Elements of the parameter.
        len: usize,
    },
    /// A kernel call does not fit, which the verifier should have found.
    #[error("interpreter: {place}: {error} (a bug of Convoke's verifier)")]
    Call {
        /// Where.
        place: Place,
        /// What is wrong.
        error: CallError,
    },
    /// An element is read that nothing has written, which the verifier should have found.
    #[error(
        "interpreter: {place}: {operand} reads element {element}, which nothing has written (a bug of Convoke's verifier)"
    )]
    Unwritten {
        /// Where.
        place: Place,
        /// The operand's text.
        operand: String,
        /// The element of the parameter.
        element: usize,
    },
    /// An element of an output is never written, which the verifier should have found.
    #[error("interpreter: element {element} of output `{name}` is never written (a bug of Convoke's verifier)")]
    UnwrittenOutput {
        /// The output.
        name: String,
        /// The element.
        element: usize,
    },
}

/// A statement of a running step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The step's index.
    pub step: usize,
    /// The step's name.
    pub name: String,
    /// The statement's text.
    pub statement: String,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "step {} (`{}`), `{}`", self.step, self.name, self.statement)
    }
}
