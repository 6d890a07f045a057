//! The leaky rectified linear unit, `y = x` where `x > 0`, else `alpha · x`.
//!
//! Maas, Hannun and Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", ICML 2013, section 2.

use convoke_runtime::Activation;

use super::arguments::FLOAT;
use super::elementwise::Elementwise;
use super::{Arguments, Attributes, CallError};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y = x` where `x > 0`, else `alpha · x`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LeakyRelu {
    /// Slope for negative `x`; 0.01 unless given.
    pub alpha: f32,
}

impl Elementwise for LeakyRelu {
    const NAME: &'static str = "leaky_relu";
    const POSITIONAL: &'static [&'static str] = &["alpha"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("alpha", self.alpha)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { alpha: arguments.read("alpha", &FLOAT)?.unwrap_or(0.01) })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "LeakyRelu", import }];

    fn function(&self) -> Activation {
        Activation::LeakyRelu { alpha: self.alpha }
    }

    fn examples() -> Vec<Self> {
        // Below and above 1, where `max(x, alpha · x)` would be the same and would not.
        [0.01, 0.2, 1.5].into_iter().map(|alpha| Self { alpha }).collect()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let alpha = node.float("alpha")?.unwrap_or(0.01);
    node.unary(LeakyRelu { alpha })
}
