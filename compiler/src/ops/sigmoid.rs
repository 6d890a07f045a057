//! The logistic function, `y = 1 / (1 + exp(−x))`.
//!
//! Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 1986, equation 2.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};
use crate::onnx::Rule;

/// `y = 1 / (1 + exp(−x))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid;

impl Elementwise for Sigmoid {
    const NAME: &'static str = "sigmoid";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Sigmoid", import: |node| node.unary(Self) }];

    fn function(&self) -> Activation {
        Activation::Sigmoid
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
