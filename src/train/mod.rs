//! Training: a network of any [`Graph`](crate::Graph) learns from labelled samples, in this process.
//!
//! ```
//! use convoke::train::{Init, Learner, Optimizer, Recipe, Schedule};
//! use convoke::{Tensor, zoo};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let graph = zoo::find("lenet5")?.graph()?;
//! let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false, decay: 0.0 };
//! let recipe = Recipe::new(optimizer, Schedule::constant(0.01));
//! let mut learner = Learner::new(&graph, Init::GlorotUniform.parameters(&graph, 1), recipe, |_| true)?;
//! // One labelled sample at a time; nothing is compiled again.
//! let image = Tensor::zeros(&[1, 1, 32, 32]);
//! let before = learner.learn(&image, &[7])?;
//! let after = learner.learn(&image, &[7])?;
//! assert!(after < before);
//! learner.save(std::env::temp_dir().join("doc.checkpoint"))?;
//! # std::fs::remove_file(std::env::temp_dir().join("doc.checkpoint"))?;
//! # Ok(())
//! # }
//! ```
//!
//! A [`Learner`] is the compiled step of a network with its parameters, optimiser and counters; a [`Trainer`] feeds it
//! with [`Samples`]. Whatever is drawn at random (first parameters, order, augmentation, dropout) follows from seeds and
//! the number of the step.

mod checkpoint;
mod data;
mod error;
mod initialize;
mod learner;
mod monitor;
mod optimizer;
mod origin;
mod schedule;
mod trainer;

pub use convoke_compiler::training::Loss;
pub use data::{Augment, Batches, Samples};
pub use error::Error;
pub use initialize::Init;
pub use learner::{Learner, Recipe};
pub use monitor::{Layer, Warning, WarningKind, warnings};
pub use optimizer::{Adam, Optimizer};
pub use origin::Origin;
pub use schedule::{Decay, Schedule};
pub use trainer::Trainer;
