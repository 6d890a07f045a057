//! [`Rule`]: how an operator of ONNX becomes operators of ours.

use std::fmt;

use super::{Item, Node};
use crate::graph::GraphError;

/// How one operator of ONNX is imported.
///
/// An operator's file lists the rules of those that become it ([`Operator::ONNX`](crate::ops::Operator::ONNX)); those
/// that become several operators of ours, or none, stand in `onnx/rules`.
#[derive(Clone, Copy)]
pub struct Rule {
    /// ONNX's name of it: `Conv`; of another domain than ONNX's own, behind the domain: `com.microsoft.Gelu`.
    pub operator: &'static str,
    /// The node's results, in order; those that the node leaves out at the end may be missing.
    ///
    /// It reads each attribute that it understands; one that nothing has read is an error of its own.
    pub import: fn(&mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported>,
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.operator)
    }
}

/// Why a node cannot be imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// What is not supported: ``attribute `mode` is "cubic"``.
    pub reason: String,
    /// What to do about it.
    pub advice: Option<String>,
    /// The model's inputs whose elements would have to be known.
    pub needs: Vec<String>,
}

impl Unsupported {
    /// This is not supported.
    #[must_use]
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into(), advice: None, needs: Vec::new() }
    }

    /// What to do about it.
    #[must_use]
    pub fn advice(self, advice: impl Into<String>) -> Self {
        Self { advice: Some(advice.into()), ..self }
    }
}

impl From<GraphError> for Unsupported {
    fn from(error: GraphError) -> Self {
        Self::new(error.to_string())
    }
}

/// All rules, in no order.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    crate::ops::Op::ONNX.iter().copied().flatten().chain(super::rules::ALL.iter().copied().flatten())
}

/// The names of all operators that can be imported, sorted.
#[must_use]
pub fn operators() -> Vec<&'static str> {
    let mut names: Vec<_> = all().map(|rule| rule.operator).collect();
    names.sort_unstable();
    names.dedup();
    names
}
