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
    #[error("{model}: the model's inputs have sizes that must be given:{}", Bulleted(missing))]
    Unbound {
        /// The file.
        model: String,
        /// The sizes, in the order of the inputs.
        missing: Vec<Missing>,
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

/// What a file leaves open about an input, and nobody has given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Missing {
    /// The size of all dimensions of a name; [`Binding::size`](super::Binding::size) gives it.
    Size {
        /// The name.
        name: String,
        /// The first input that has such a dimension.
        input: String,
        /// Which of its dimensions that is.
        dimension: usize,
    },
    /// A shape with sizes that have no name; [`Binding::shape`](super::Binding::shape) gives it.
    Shape {
        /// The input.
        input: String,
        /// What the file says of it: `[batch, 3, ?, ?]`; `None` where it does not even say how many dimensions.
        known: Option<String>,
    },
}

impl fmt::Display for Missing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Size { name, input, dimension } => {
                write!(f, "`{name}`, dimension {dimension} of `{input}`: Binding::size(\"{name}\", 1)")
            }
            Self::Shape { input, known: None } => {
                write!(f, "the shape of `{input}`: Binding::shape(\"{input}\", [1, 3, 224, 224])")
            }
            Self::Shape { input, known: Some(known) } => {
                write!(f, "the shape of `{input}`, which is {known}: Binding::shape(\"{input}\", [1, 3, 224, 224])")
            }
        }
    }
}

/// One line for each.
struct Bulleted<'a>(&'a [Missing]);

impl fmt::Display for Bulleted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|missing| write!(f, "\n  {missing}"))
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
