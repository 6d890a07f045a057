//! The sigmoid linear unit, also called swish: `y = x / (1 + exp(−x))`.
//!
//! Elfwing, Uchibe and Doya, "Sigmoid-Weighted Linear Units for Neural Network Function Approximation in Reinforcement
//! Learning", arXiv:1702.03118, section 2; Ramachandran, Zoph and Le, arXiv:1710.05941.

use convoke_runtime::Activation;

use super::elementwise::Elementwise;
use super::{Arguments, CallError};
use super::mul::Mul;
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};

/// `y = x / (1 + exp(−x))`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Silu;

impl Elementwise for Silu {
    const NAME: &'static str = "silu";

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Swish", import }];

    fn function(&self) -> Activation {
        Activation::Silu
    }

    fn examples() -> Vec<Self> {
        vec![Self]
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    match node.float("alpha")? {
        None | Some(1.0) => node.unary(Silu),
        Some(alpha) => {
            // y = silu(alpha · x) / alpha
            let x = node.operand(0)?;
            let [alpha, inverse] = [alpha, 1.0 / alpha].map(|factor| Constant::scalar(factor).into());
            let scaled = node.apply(Mul::default(), &[x, alpha])?;
            let y = node.apply(Silu, &[scaled])?;
            Ok(vec![node.apply(Mul::default(), &[y, inverse])?])
        }
    }
}
