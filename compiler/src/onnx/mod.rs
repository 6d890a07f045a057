//! ONNX, the exchange format of networks.
//!
//! ```text
//! bytes ─► proto: messages ─► source: a model, tensors decoded ─► import: node after node, each by its rule ─► Graph
//! Graph ─► export: node after node, each as its operator says ─► messages ─► bytes
//! ```
//!
//! This folder knows the format and none of our operators: how an operator is imported stands in its file, as
//! [`Rule`]s, and how it is exported, as [`Operator::export`](crate::ops::Operator::export); only what ONNX says by
//! operators and we do not (constants, shape arithmetic, branches) stands in `rules`. Shapes are static in a
//! [`Graph`](crate::Graph): what the file leaves open is [bound](Binding), and everything that follows from shapes is
//! computed while the model is imported.

// What decodes files is the only source of models.
#![cfg_attr(not(feature = "onnx"), allow(dead_code))]

mod binding;
mod constant;
#[cfg(feature = "onnx")]
mod decode;
mod error;
#[cfg(feature = "onnx")]
pub mod export;
#[cfg(feature = "onnx")]
mod file;
mod import;
mod node;
#[cfg(feature = "onnx")]
pub mod proto;
mod rule;
mod rules;
mod source;
#[cfg(feature = "onnx")]
mod tensor;

pub use binding::Binding;
pub use constant::{Constant, Elements, Shared};
pub use error::{Error, Missing, UnsupportedNode};
#[cfg(feature = "onnx")]
pub use file::File;
pub use import::{Imported, NEWEST_OPSET, OLDEST_OPSET};
pub use node::{Item, Node};
pub use rule::{Rule, Unsupported, operators};
pub use source::{Dim, Input};
