//! Networks compiled at run time, to machine code in this process.
//!
//! ```
//! use convoke::{Model, Parameters, Tensor, jit};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let text = "network Mean(image: f32[1, 3, 4, 4]) -> means { image -> global_avg_pool -> flatten }";
//! let mut model = Model::new(jit::network(text, "Mean")?, &Parameters::default())?;
//! assert_eq!(model.run(&[&Tensor::zeros(&[1, 3, 4, 4])])?[0].data(), [0.0; 3]);
//! # Ok(())
//! # }
//! ```

use std::sync::Arc;

use convoke_compiler::backend::jit;
use convoke_compiler::lower::Target;
use convoke_compiler::{CompileError, Graph};

use crate::Network;
use crate::lang::{Errors, Module};
#[cfg(feature = "onnx")]
use crate::{Model, onnx};

pub use convoke_compiler::backend::jit::JitError;

/// Compiles the network of this name in a text that [`cnn!`](crate::cnn) would take.
///
/// # Errors
/// Every mistake in the text, or what [`compile`] finds.
pub fn network(text: &str, name: &str) -> Result<Arc<Network>, Error> {
    compile(&Module::parse(text)?.graph(name)?)
}

/// Compiles an ONNX model for this machine, and loads it with its own weights; `binding` says what the file leaves open.
///
/// # Errors
/// Every node that is not supported, every size that is missing; or what [`compile`] finds.
#[cfg(feature = "onnx")]
pub fn onnx(file: &onnx::File, binding: &onnx::Binding) -> Result<Model, Error> {
    let onnx::Imported { graph, parameters } = file.import(binding)?;
    Ok(Model::new(compile(&graph)?, &parameters)?)
}

/// Compiles a graph for this machine.
///
/// # Errors
/// The node that cannot be lowered; or there is no memory for the code.
pub fn compile(graph: &Graph) -> Result<Arc<Network>, Error> {
    let program = convoke_compiler::compile(graph, &Target::host())?;
    Ok(Arc::clone(jit::compile(&program)?.network()))
}

/// Why a network does not compile.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Mistakes in its text.
    #[error(transparent)]
    Text(#[from] Errors),
    /// The passes or lowering failed.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// An ONNX model cannot be imported.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Onnx(#[from] onnx::Error),
    /// It cannot be loaded.
    #[cfg(feature = "onnx")]
    #[error(transparent)]
    Load(#[from] crate::LoadError),
    /// There is no machine code of it.
    #[error(transparent)]
    Code(#[from] JitError),
}
