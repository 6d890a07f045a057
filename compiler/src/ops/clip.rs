//! Clipping, `y = min(max(x, low), high)`.

use convoke_runtime::Activation;

use super::arguments::FLOAT;
use super::elementwise::Elementwise;
use super::{Arguments, Attributes, CallError};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y = min(max(x, low), high)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip {
    /// Lower bound; [`f32::MIN`] unless given, as ONNX's.
    pub low: f32,
    /// Upper bound; [`f32::MAX`] unless given, as ONNX's. Where it is below `low`, it wins.
    pub high: f32,
}

impl Elementwise for Clip {
    const NAME: &'static str = "clip";
    const POSITIONAL: &'static [&'static str] = &["low", "high"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with_unless("low", self.low, f32::MIN).with_unless("high", self.high, f32::MAX)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self {
            low: arguments.read("low", &FLOAT)?.unwrap_or(f32::MIN),
            high: arguments.read("high", &FLOAT)?.unwrap_or(f32::MAX),
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Clip", import }];

    fn function(&self) -> Activation {
        Activation::Clip { low: self.low, high: self.high }
    }

    fn examples() -> Vec<Self> {
        let bounds = [(0.0, 6.0), (-1.0, 1.0), (-0.5, f32::MAX), (f32::MIN, 2.5), (3.0, 1.0)];
        bounds.into_iter().map(|(low, high)| Self { low, high }).collect()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (low, high) = (bound(node, "min", 1)?, bound(node, "max", 2)?);
    node.unary(Clip { low: low.unwrap_or(f32::MIN), high: high.unwrap_or(f32::MAX) })
}

/// A bound is an attribute before opset 11, and an operand since.
fn bound(node: &mut Node<'_, '_>, name: &str, index: usize) -> Result<Option<f32>, Unsupported> {
    match node.float(name)? {
        Some(bound) => Ok(Some(bound)),
        None => Ok(node.floats_operand(index)?.and_then(|bound| bound.first().copied())),
    }
}
