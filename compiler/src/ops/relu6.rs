//! The rectified linear unit capped at 6, `y = min(max(x, 0), 6)`.
//!
//! Krizhevsky, "Convolutional Deep Belief Networks on CIFAR-10", 2010, section 3.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};

/// `y = min(max(x, 0), 6)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu6;

impl Elementwise for Relu6 {
    const NAME: &'static str = "relu6";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn function(&self) -> Activation {
        Activation::Clip { low: 0.0, high: 6.0 }
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
