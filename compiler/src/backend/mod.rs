//! What turns a [`Program`](crate::lir::Program) into results. A backend reads the program and nothing above it, and
//! decides nothing; all of them give the same bits.

pub mod interp;
#[cfg(feature = "jit")]
pub mod jit;
#[cfg(feature = "rust")]
pub mod rust;
