//! The Gaussian error linear unit, `y = x/2 · (1 + erf(x / √2))`, or its approximation
//! `y = x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
//!
//! Hendrycks and Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv:1606.08415, section 2.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, Attribute, Attributes, CallError, Reader};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y = x/2 · (1 + erf(x / √2))`, or an approximation of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gelu {
    /// Which; exact unless given.
    pub approximate: Approximation,
}

/// How a [`Gelu`] is computed; PyTorch's and ONNX's attribute `approximate`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Approximation {
    /// `none`: `x/2 · (1 + erf(x / √2))`.
    #[default]
    None,
    /// `tanh`: `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    Tanh,
}

const APPROXIMATION: Reader<Approximation> = Reader {
    expects: "\"none\" or \"tanh\"",
    read: |value| match value {
        Attribute::Text(word) if word == "none" => Some(Approximation::None),
        Attribute::Text(word) if word == "tanh" => Some(Approximation::Tanh),
        _ => None,
    },
};

impl Elementwise for Gelu {
    const NAME: &'static str = "gelu";

    fn attributes(&self) -> Attributes {
        match self.approximate {
            Approximation::None => Attributes::default(),
            Approximation::Tanh => Attributes::default().with("approximate", "tanh"),
        }
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { approximate: arguments.read("approximate", &APPROXIMATION)?.unwrap_or_default() })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Gelu", import }];

    fn function(&self) -> Activation {
        match self.approximate {
            Approximation::None => Activation::Gelu,
            Approximation::Tanh => Activation::GeluTanh,
        }
    }

    fn examples() -> Vec<Self> {
        [Approximation::None, Approximation::Tanh].into_iter().map(|approximate| Self { approximate }).collect()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let approximate = match node.text("approximate")? {
        None | Some("none") => Approximation::None,
        Some("tanh") => Approximation::Tanh,
        Some(other) => return Err(Unsupported::new(format!("attribute `approximate` is {other:?}"))),
    };
    node.unary(Gelu { approximate })
}
