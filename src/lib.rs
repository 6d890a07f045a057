//! Convoke compiles convolutional networks to CPU code.
//!
//! A network is written once, in [`cnn!`]; this is LeNet-5:
//!
//! ```
//! convoke::cnn! {
//!     /// Reads a handwritten digit.
//!     pub network LeNet5(image: f32[1, 1, 32, 32]) -> logits {
//!         image -> conv1: conv(6, kernel: 5) -> tanh -> avg_pool(2)
//!               -> conv2: conv(16, kernel: 5) -> tanh -> avg_pool(2)
//!               -> conv3: conv(120, kernel: 5) -> tanh -> flatten
//!               -> fc1: linear(84) -> tanh -> fc2: linear(10)
//!     }
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
//! # let image = convoke::Tensor::zeros(&[1, 1, 32, 32]);
//! let mut network = LeNet5::load(path)?;
//! let digit = network.run(&image)?.argmax();
//! # assert!(digit.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! There are three ways to run it, which give the same numbers, bit for bit:
//!
//! - `cnn!` compiles at build time: the network becomes Rust, which needs nothing but [`runtime`].
//! - [`jit`] compiles at run time: the same text, or a [`Graph`], becomes machine code in this process.
//! - The interpreter is the definition that both are tested against.
//!
//! Weights come from a file when the network is loaded: safetensors, under the names of PyTorch's `state_dict`. [`zoo`]
//! has networks whose names are those of torchvision or timm, so that a checkpoint from there loads as it is.

// The networks of the zoo are written as users write theirs, with paths that begin with `::convoke`.
extern crate self as convoke;

#[cfg(feature = "jit")]
pub mod adversarial;
pub mod agreement;
#[cfg(feature = "jit")]
pub mod jit;
pub mod random;
pub mod synthetic;
#[cfg(feature = "train")]
pub mod train;
#[cfg(feature = "zoo")]
pub mod zoo;

pub use convoke_macros::cnn;
#[cfg(feature = "include")]
pub use convoke_macros::include_onnx;
pub use convoke_runtime as runtime;
pub use convoke_runtime::{LoadError, Model, Network, Parameters, RunError, Tensor};

#[cfg(feature = "jit")]
pub use convoke_compiler as compiler;
#[cfg(feature = "onnx")]
pub use convoke_compiler::onnx;
#[cfg(feature = "jit")]
pub use convoke_compiler::{Graph, graph, lang};

/// The code in docs/onnx.md compiles.
#[cfg(all(doctest, feature = "onnx"))]
#[doc = include_str!("../docs/onnx.md")]
struct OnnxDocument;

/// The code in docs/gradients.md compiles.
#[cfg(all(doctest, feature = "jit", feature = "zoo"))]
#[doc = include_str!("../docs/gradients.md")]
struct GradientsDocument;

/// The code in docs/training.md compiles.
#[cfg(all(doctest, feature = "train", feature = "zoo"))]
#[doc = include_str!("../docs/training.md")]
struct TrainingDocument;

/// The code in the README compiles.
#[cfg(all(doctest, feature = "jit"))]
#[doc = include_str!("../README.md")]
struct Readme;
