//! The runtime of networks compiled by Convoke.
//!
//! Everything that a compiled network needs while it runs, and nothing else: [`Tensor`]s, the [`Model`] that owns
//! prepared weights and one arena, the threads of a run, the preparation of weights, and the microkernels.
//! Machine code from Cranelift calls it by address, generated Rust by path.

pub mod activation;
pub mod isa;
pub mod kernels;
pub mod network;
pub mod weights;

pub use activation::Activation;
pub use isa::Isa;
pub use network::Network;
