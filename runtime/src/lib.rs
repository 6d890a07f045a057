//! The runtime of networks compiled by Convoke.
//!
//! Everything that a compiled network needs while it runs, and nothing else. Machine code from Cranelift calls it by
//! address, generated Rust by path.
//!
//! ```text
//! file ─► Parameters ─┐ check, evaluate the weight expressions
//!                     ├─► Model ─ run(&[&Tensor]) ─► &[Tensor]
//! compiler ─► Network ┘ arena, outputs, threads
//! ```
//!
//! - A [`Network`] is what a compiler makes: steps, which are functions and places of buffers, and expressions that
//!   say how weights are prepared. It has no weights.
//! - [`Parameters`] are named [`Tensor`]s, from a file or from memory.
//! - A [`Model`] is a network with prepared weights, an arena for everything between inputs and outputs, and a
//!   [`ThreadPool`] where steps are worth dividing. Its runs allocate nothing.
//! - Steps call the microkernels in [`kernels`], which are written on the vectors of [`simd`].

mod aligned;
mod element;
mod ftz;
mod model;
mod tensor;
mod threads;

pub mod activation;
pub mod isa;
pub mod kernels;
pub mod lanes;
pub mod machine;
pub mod network;
#[cfg(feature = "object")]
pub mod object;
pub mod parameters;
pub mod simd;
pub mod weights;

pub use activation::Activation;
pub use aligned::{ALIGNMENT, Aligned, AlignedVec};
pub use element::{DType, Element, MAX_WHOLE};
pub use ftz::FlushToZero;
pub use isa::Isa;
pub use model::{LoadError, Model, RunError, StepTime};
pub use network::Network;
pub use parameters::Parameters;
pub use tensor::{RangeError, ShapeError, Tensor, TensorView};
pub use threads::{ThreadPool, available_threads};
