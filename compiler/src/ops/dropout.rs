//! Dropout. What a network computes is its operand as it is; [training](crate::training) sets elements to 0 with
//! probability p, and multiplies the others by 1 / (1 − p).
//!
//! Srivastava, Hinton, Krizhevsky, Sutskever and Salakhutdinov, "Dropout", JMLR 2014, section 4; scaled while training
//! as PyTorch does it.

use convoke_runtime::Tensor;

use super::arguments::FLOAT;
use super::export::{Exported, Exporter};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check};
use crate::TensorType;
use crate::lower::{self, Algorithm};

/// `y = x`; X of any shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    /// The probability that an element is left out while training; 0.5 unless given.
    pub p: f32,
}

impl Operator for Dropout {
    const NAME: &'static str = "dropout";
    const POSITIONAL: &'static [&'static str] = &["p"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("p", self.p)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { p: arguments.read("p", &FLOAT)?.unwrap_or(0.5) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x"])?;
        if !(0.0..1.0).contains(&self.p) {
            return Err(TypeError::whole("a probability p of at least 0 and less than 1", self.p));
        }
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        vec![operands[0].clone()]
    }

    /// `x̄ = ȳ`.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        a.give(0, |_| Ok(y))
    }

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("Dropout", &[])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[lower::alias()];

    fn cases() -> Vec<Case> {
        let shapes: [&[usize]; 3] = [&[2, 17, 3, 3], &[3, 10], &[]];
        shapes.map(|shape| Case::new(format!("{shape:?}"), Self { p: 0.25 }).input(shape).tolerance(0.0)).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, inferred};

    #[test]
    fn shapes() {
        assert_eq!(inferred(Dropout { p: 0.0 }, &[&[2, 3]]), "f32[2, 3]");
        for p in [1.0, -0.5, f32::NAN] {
            let expected = format!("expects a probability p of at least 0 and less than 1, gets {p}");
            assert_eq!(inferred(Dropout { p }, &[&[2, 3]]), expected);
        }
    }

    #[test]
    fn calls() {
        assert_eq!(called("dropout", &[&[1, 8]], &[0.2_f32.into()], &[]), "dropout {p = 0.2}");
        assert_eq!(called("dropout", &[&[1, 8]], &[], &[]), "dropout {p = 0.5}");
    }
}
