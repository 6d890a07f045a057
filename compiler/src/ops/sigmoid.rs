//! The logistic function, `y = 1 / (1 + exp(−x))`.
//!
//! Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors", Nature 1986, equation 2.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};

/// `y = 1 / (1 + exp(−x))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sigmoid;

impl Elementwise for Sigmoid {
    const NAME: &'static str = "sigmoid";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn function(&self) -> Activation {
        Activation::Sigmoid
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
