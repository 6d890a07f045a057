//! The sigmoid linear unit, also called swish: `y = x / (1 + exp(−x))`.
//!
//! Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
//! Learning", arXiv:1702.03118, section 2; Ramachandran, Zoph and Le, arXiv:1710.05941.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};

/// `y = x / (1 + exp(−x))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Silu;

impl Elementwise for Silu {
    const NAME: &'static str = "silu";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn function(&self) -> Activation {
        Activation::Silu
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}
