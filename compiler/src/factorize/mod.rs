//! Factorised convolutions: a layer as a row of cheaper ones.
//!
//! A convolution of C channels to H with windows of K×K has C·K·K·H weights, and as many multiply-accumulates for each
//! pixel. [`structural`] writes chosen convolutions of a network in one of four [`Kind`]s, with fresh weights, so that
//! their costs can be compared before anything is trained:
//!
//! ```
//! use convoke_compiler::factorize::{Kind, Selection, structural};
//! use convoke_compiler::lang::Module;
//!
//! let text = "network N(x: f32[1, 32, 28, 28]) -> y { x -> conv1: conv(64, kernel: 3, padding: 1) -> relu }";
//! let graph = Module::parse(text)?.graph("N")?;
//! let factorized = structural(&graph, Kind::DepthwiseSeparable, &Selection::all())?;
//! assert_eq!((graph.macs(), factorized.graph.macs()), (32 * 9 * 64 * 784, (32 * 9 + 32 * 64) * 784));
//! assert_eq!(factorized.layers[0].to_string(), "conv1: conv1.depthwise, conv1.pointwise");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! [`trained`] rewrites the layers of a trained network, without loss or within a bound on the error of each, where that
//! takes less time by a [`TimeModel`].
//!
//! What becomes of each layer stands in [`LayerOutcome`] and [`TrainedLayer`]: the operators in its place, or the
//! [`Reason`] why it stays.

mod chain;
mod error;
mod kind;
mod layer;
mod outcome;
mod selection;
mod structural;
mod time;
mod trained;

pub use error::FactorizeError;
pub use kind::{Kind, UnknownKind};
pub use outcome::{LayerOutcome, Outcome, Reason};
pub use selection::Selection;
pub use structural::{Factorized, structural};
pub use time::{Modelled, TimeModel};
pub use trained::{Calibration, Form, Options, Rewrite, Trained, TrainedLayer, trained};
