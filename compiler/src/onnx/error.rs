//! Why a model cannot be imported.

use std::fmt;
use std::path::PathBuf;

use super::Unsupported;

/// Why a model cannot be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file cannot be read.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// The bytes are not an ONNX model, or not a valid one.
    #[error("{model}: not a valid ONNX model: {place}: {message}")]
    Invalid {
        /// The file.
        model: String,
        /// Where: ``initializer `conv1.weight` ``.
        place: String,
        /// What is wrong.
        message: String,
    },
    /// Sizes of inputs are missing; all of them.
    #[error("{model}: the model's inputs have sizes that must be given: {}", missing.join(", "))]
    Unbound {
        /// The file.
        model: String,
        /// Each size: `` `batch` (dimension 0 of `images`): --set batch=1 ``.
        missing: Vec<String>,
    },
    /// Sizes that do not fit the model's inputs.
    #[error("{model}: {message}")]
    Binding {
        /// The file.
        model: String,
        /// What does not fit.
        message: String,
    },
    /// Nodes that cannot be imported; all of them.
    #[error("{model}: {} of its nodes {} not supported:{}", nodes.len(), if nodes.len() == 1 { "is" } else { "are" }, Lines(nodes))]
    Unsupported {
        /// The file.
        model: String,
        /// The nodes, in the order of the file.
        nodes: Vec<UnsupportedNode>,
    },
}

impl Error {
    /// The inputs whose elements, not only their shapes, the model's structure depends on: binding them to constants
    /// ([`Binding::constant`](super::Binding::constant)) may make it importable.
    #[must_use]
    pub fn needs(&self) -> Vec<&str> {
        let Self::Unsupported { nodes, .. } = self else { return Vec::new() };
        let mut needs: Vec<_> = nodes.iter().flat_map(|node| &node.why.needs).map(String::as_str).collect();
        needs.sort_unstable();
        needs.dedup();
        needs
    }
}

/// A node that cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// Its name, or that of its first result.
    pub node: String,
    /// The operator.
    pub operator: String,
    /// The version of the operator's set.
    pub opset: i64,
    /// Why, and what to do.
    pub why: Unsupported,
}

/// One line for each reason, with the nodes that it concerns.
struct Lines<'a>(&'a [UnsupportedNode]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let alike =
            |a: &UnsupportedNode, b: &UnsupportedNode| (&a.operator, a.opset, &a.why) == (&b.operator, b.opset, &b.why);
        for (index, first) in self.0.iter().enumerate() {
            if self.0[..index].iter().any(|earlier| alike(earlier, first)) {
                continue;
            }
            let nodes = self.0[index..].iter().filter(|later| alike(first, later));
            let names: Vec<_> = nodes.map(|node| format!("`{}`", node.node)).collect();
            let UnsupportedNode { operator, opset, why, .. } = first;
            write!(f, "\n  {operator} {} (opset {opset}): {}", names.join(", "), why.reason)?;
            if let Some(advice) = &why.advice {
                write!(f, "; {advice}")?;
            }
        }
        Ok(())
    }
}
