//! Hard swish, `y = x · min(max(x / 6 + 1/2, 0), 1)`.
//!
//! Howard et al., "Searching for MobileNetV3", arXiv:1905.02244, section 5.2.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};
use crate::onnx::Rule;

/// `y = x · min(max(x / 6 + 1/2, 0), 1)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HardSwish;

impl Elementwise for HardSwish {
    const NAME: &'static str = "hard_swish";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "HardSwish", import: |node| node.unary(Self) }];

    fn function(&self) -> Activation {
        Activation::HardSwish
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
