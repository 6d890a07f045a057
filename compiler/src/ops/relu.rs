//! The rectified linear unit, `y = max(x, 0)`.
//!
//! Nair and Hinton, "Rectified Linear Units Improve Restricted Boltzmann Machines", ICML 2010.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};

/// `y = max(x, 0)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Relu;

impl Elementwise for Relu {
    const NAME: &'static str = "relu";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn function(&self) -> Activation {
        Activation::Relu
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
