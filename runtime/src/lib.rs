//! The runtime of networks compiled by Convoke.
//!
//! Everything that a compiled network needs while it runs, and nothing else: [`Tensor`]s, the [`Model`] that owns
//! prepared weights and one arena, the threads of a run, the preparation of weights, and the microkernels.
//! Machine code from Cranelift calls it by address, generated Rust by path.

mod aligned;
mod element;
mod ftz;
mod model;
mod tensor;

pub mod activation;
pub mod isa;
pub mod kernels;
pub mod lanes;
pub mod network;
pub mod parameters;
pub mod simd;
pub mod threads;
pub mod weights;

pub use activation::Activation;
pub use aligned::{ALIGNMENT, AlignedVec};
pub use element::Element;
pub use ftz::FlushToZero;
pub use isa::Isa;
pub use model::{LoadError, Model, RunError, StepTime};
pub use network::Network;
pub use parameters::Parameters;
pub use tensor::{ShapeError, Tensor, TensorView};
pub use threads::{ThreadPool, available_threads};
