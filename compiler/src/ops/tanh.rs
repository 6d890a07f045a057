//! The hyperbolic tangent, `y = tanh(x)`.
//!
//! LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998,
//! section II.B, for its use in LeNet-5 (there scaled).

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};
use crate::onnx::Rule;

/// `y = tanh(x)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Tanh;

impl Elementwise for Tanh {
    const NAME: &'static str = "tanh";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Tanh", import: |node| node.unary(Self) }];

    fn function(&self) -> Activation {
        Activation::Tanh
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
