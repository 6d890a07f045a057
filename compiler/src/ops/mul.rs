//! Multiplication, `y = a · b`, of operands whose shapes broadcast as numpy's; a channel scale where B is N C 1 1.
//!
//! Hu, Shen and Sun, "Squeeze-and-Excitation Networks", arXiv:1709.01507, section 3.2.

use std::sync::Arc;

use convoke_runtime::Tensor;
use convoke_runtime::kernels::BinaryOp;
use convoke_runtime::weights::WeightOp;

use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Epilogue, Op, Operator, TypeError,
    commutative,
};
use crate::TensorType;
use crate::graph::WeightExpr;
use crate::lir::{self, FunctionBuilder, Reg};
use crate::lower::elementwise::{self, Commutative, Pointwise};
use crate::lower::Algorithm;
use crate::onnx::Rule;

/// `y = a · b`, then an activation.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Mul {
    /// An activation; never a residual.
    pub epilogue: Epilogue,
}

impl Operator for Mul {
    const NAME: &'static str = "mul";

    fn attributes(&self) -> Attributes {
        self.epilogue.attributes(Attributes::default())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { epilogue: Epilogue::read_activation(arguments)? })
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        call.arguments(&[])?.finish()?;
        Ok(Self::default().into())
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        commutative::infer(operands, self.epilogue)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        commutative::evaluate(operands, self.epilogue, |a, b| a * b)
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(self.epilogue)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Op> {
        (!epilogue.residual).then_some(Self { epilogue }.into())
    }

    fn to_weight(&self, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
        commutative::to_weight(WeightOp::Mul, self.epilogue, operands)
    }

    /// `ā = ȳ · b`, `b̄ = ȳ · a`.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        a.without(self.epilogue)?;
        let (y, factors) = (a.cotangent()?, [a.operand(0), a.operand(1)]);
        a.give(0, |a| a.mul(y, factors[1]))?;
        a.give(1, |a| a.mul(y, factors[0]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Mul", import: |node| node.binary(Self::default()) }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("Mul", &[])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::commutative();

    fn cases() -> Vec<Case> {
        commutative::cases(|epilogue| Self { epilogue })
    }
}

impl Pointwise for Mul {
    fn finite(&self) -> bool {
        true
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        f.binary(lir::Binary::Mul, operands[0], operands[1])
    }
}

impl Commutative for Mul {
    const KERNEL: BinaryOp = BinaryOp::Mul;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{evaluated, inferred};

    #[test]
    fn scales_channels() {
        let x: &[f32] = &[1.0, 2.0, 3.0, 4.0];
        assert_eq!(inferred(Mul::default(), &[&[1, 2, 1, 2], &[1, 2, 1, 1]]), "f32[1, 2, 1, 2]");
        let scale: &[f32] = &[10.0, -1.0];
        assert_eq!(
            evaluated(Mul::default(), &[(&[1, 2, 1, 2], x), (&[1, 2, 1, 1], scale)]),
            [10.0, 20.0, -3.0, -4.0]
        );
    }

    #[test]
    fn of_weights() {
        let weight = Arc::new(WeightExpr::parameter("w", TensorType::f32([2])));
        let product = Mul::default().to_weight(&[weight.clone(), weight]).expect("an expression");
        assert!(matches!(product, WeightExpr::Apply { op: WeightOp::Mul, .. }));
    }
}
