//! Why a network cannot be factorised.

use std::fmt;

use crate::graph::GraphError;

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
