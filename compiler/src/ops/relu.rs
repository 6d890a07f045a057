//! The rectified linear unit, `y = max(x, 0)`.
//!
//! Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", ICML 2010.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};
use crate::onnx::Rule;

/// `y = max(x, 0)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu;

impl Elementwise for Relu {
    const NAME: &'static str = "relu";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Relu", import: |node| node.unary(Self) }];

    fn function(&self) -> Activation {
        Activation::Relu
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
