//! The compiler of Convoke.
//!
//! ```text
//! lang (cnn! text) ─► graph ─► passes ─► lower: Plan ─► lir: Program ─► backend: interp | jit | rust
//! ```
//!
//! Each stage's result is plain data that prints and, for [`graph`] and [`lir`], parses again.

#![deny(unsafe_code)]

pub mod backend;
mod compile;
pub mod cost;
pub mod factorize;
pub mod graph;
pub mod lang;
pub mod lir;
pub mod lower;
pub mod onnx;
pub mod ops;
pub mod passes;
pub mod training;

pub use compile::{CompileError, compile, plan};
pub use graph::{DType, Graph, TensorType};
