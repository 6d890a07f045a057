//! What can go wrong.

use std::path::PathBuf;

use convoke_compiler::graph::{GradientError, GraphError};
use convoke_compiler::training::LossError;

use super::Origin;
use crate::runtime::parameters::{FileError, ParameterErrors};
use crate::{LoadError, RunError, jit};

/// Why a network is not trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The network has not one input and one output.
    #[error("train: `{network}` expects one input and one output, has {inputs} and {outputs}")]
    Network {
        /// Its name.
        network: String,
        /// Its inputs.
        inputs: usize,
        /// Its outputs.
        outputs: usize,
    },
    /// The loss does not fit the output.
    #[error("train: {0}")]
    Loss(#[from] LossError),
    /// No parameter is to be trained.
    #[error("train: none of the {parameters} parameters of `{network}` is to be trained")]
    Nothing {
        /// The network.
        network: String,
        /// Its parameters.
        parameters: usize,
    },
    /// A parameter that is trained must be an operand itself.
    #[error("train: `{parameter}` is part of an expression; take the network as it is written, before passes")]
    Expression {
        /// The parameter.
        parameter: String,
    },
    /// A class for each image is missing, or one that the network does not have.
    #[error("train: expected {images} classes below {classes}, found {found:?}")]
    Classes {
        /// Images of a step.
        images: usize,
        /// Classes of the network.
        classes: usize,
        /// The classes given.
        found: Vec<usize>,
    },
    /// Images and labels are not as many.
    #[error("train: images of shape {shape:?} with {labels} labels; expected at least one, and a label for each")]
    Samples {
        /// The images' shape.
        shape: Vec<usize>,
        /// The labels.
        labels: usize,
    },
    /// The loss, a gradient or a parameter is no finite number.
    #[error("train: step {step}: {what} is not finite; it began in {origin}")]
    NotFinite {
        /// The step, counted from 0.
        step: u64,
        /// What was seen: `the loss`, or `the gradient of conv1.weight`.
        what: String,
        /// The first value of the step that is not.
        origin: Origin,
    },
    /// A checkpoint of another network, or of another optimiser.
    #[error("train: checkpoint {}: {errors}", path.display())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// All that is missing, superfluous or of another shape.
        errors: ParameterErrors,
    },
    /// The network has no gradient.
    #[error(transparent)]
    Gradient(#[from] GradientError),
    /// The graph cannot be made one for training.
    #[error(transparent)]
    Graph(#[from] GraphError),
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] jit::Error),
    /// The parameters are not those of the network.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The images are not those of the network.
    #[error(transparent)]
    Run(#[from] RunError),
    /// A checkpoint cannot be read or written.
    #[error(transparent)]
    File(#[from] FileError),
}
