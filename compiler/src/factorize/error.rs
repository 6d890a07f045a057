//! Why a network cannot be factorised.

use std::fmt;

use convoke_runtime::weights::WeightError;

use crate::graph::GraphError;
use crate::graph::evaluate::EvaluateError;

/// Why a network cannot be factorised.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum FactorizeError {
    /// Patterns of a [`Selection`](super::Selection) match no layer.
    #[error("no layer has a name that matches {}", Patterns(patterns))]
    NoSuchLayer {
        /// The patterns, each with the layer that was probably meant.
        patterns: Vec<(String, Option<String>)>,
    },
    /// A bound that is not from 0 to below 1.
    #[error("the bound of a relative error is from 0 to below 1, gets {bound}")]
    Bound {
        /// The bound.
        bound: f64,
    },
    /// A bound above 0 where the crate is built without the feature `factorize`.
    #[error(
        "forms within an error of {bound} want the feature `factorize`; without it, only those without loss are known"
    )]
    Feature {
        /// The bound.
        bound: f64,
    },
    /// Weights cannot be evaluated: parameters are missing or have another shape.
    #[error(transparent)]
    Weights(#[from] EvaluateError),
    /// A layer's weight cannot be evaluated.
    #[error("weight of layer `{layer}`: {error}")]
    Weight {
        /// The layer.
        layer: String,
        /// What is wrong.
        error: WeightError,
    },
    /// The network does not run on the images that it is to be calibrated with.
    #[error("calibration: {reason}")]
    Calibration {
        /// Why.
        reason: String,
    },
    /// The time model cannot tell how long a layer takes.
    #[error("time of layer `{layer}`: {reason}")]
    Time {
        /// The layer.
        layer: String,
        /// Why.
        reason: String,
    },
    /// The graph refuses a rewrite: a bug in it, if the graph was valid.
    #[error("factorising layer `{layer}`: {error}")]
    Graph {
        /// The layer.
        layer: String,
        /// Why the edit was refused.
        error: Box<GraphError>,
    },
}

struct Patterns<'a>(&'a [(String, Option<String>)]);

impl fmt::Display for Patterns<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, (pattern, meant)) in self.0.iter().enumerate() {
            write!(f, "{}`{pattern}`", if index > 0 { ", " } else { "" })?;
            meant.iter().try_for_each(|meant| write!(f, " (did you mean `{meant}`?)"))?;
        }
        Ok(())
    }
}
