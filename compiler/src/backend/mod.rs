//! What turns a [`Program`](crate::lir::Program) into results. A backend reads the program and nothing above it, and
//! decides nothing; all of them give the same bits.

// A new form of the LIR must not compile until every backend handles it.
#![deny(clippy::wildcard_enum_match_arm)]

pub mod interp;
#[cfg(feature = "jit")]
pub mod jit;
#[cfg(feature = "rust")]
pub mod rust;
