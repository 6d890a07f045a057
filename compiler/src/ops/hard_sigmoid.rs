//! The hard sigmoid, `y = min(max(alpha · x + beta, 0), 1)`.
//!
//! Courbariaux, Bengio and David, "BinaryConnect", arXiv:1511.00363, equation 3, with other constants; with these as
//! the gate of Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, section 5.2.

use convoke_runtime::Activation;

use super::arguments::FLOAT;
use super::elementwise::Elementwise;
use super::{Arguments, Attributes, CallError};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y = min(max(alpha · x + beta, 0), 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardSigmoid {
    /// Slope; 1/6 unless given, as PyTorch's (ONNX's is 0.2).
    pub alpha: f32,
    /// Offset; 1/2 unless given.
    pub beta: f32,
}

impl Default for HardSigmoid {
    fn default() -> Self {
        Self { alpha: 1.0 / 6.0, beta: 0.5 }
    }
}

impl Elementwise for HardSigmoid {
    const NAME: &'static str = "hard_sigmoid";

    fn attributes(&self) -> Attributes {
        let default = Self::default();
        Attributes::default()
            .with_unless("alpha", self.alpha, default.alpha)
            .with_unless("beta", self.beta, default.beta)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let default = Self::default();
        Ok(Self {
            alpha: arguments.read("alpha", &FLOAT)?.unwrap_or(default.alpha),
            beta: arguments.read("beta", &FLOAT)?.unwrap_or(default.beta),
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "HardSigmoid", import }];

    fn function(&self) -> Activation {
        Activation::HardSigmoid { alpha: self.alpha, beta: self.beta }
    }

    fn examples() -> Vec<Self> {
        vec![Self::default(), Self { alpha: 0.2, beta: 0.5 }, Self { alpha: -0.5, beta: 0.25 }]
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (alpha, beta) = (node.float("alpha")?.unwrap_or(0.2), node.float("beta")?.unwrap_or(0.5));
    node.unary(HardSigmoid { alpha, beta })
}
