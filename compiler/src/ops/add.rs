//! Addition, `y = a + b`, of operands whose shapes broadcast as numpy's; the join of residual networks.
//!
//! He, Zhang, Ren and Sun, "Deep Residual Learning for Image Recognition", arXiv:1512.03385, section 3.2.

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

/// `y = a + b`, then an activation.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct Add {
    /// An activation; never a residual.
    pub epilogue: Epilogue,
}

impl Operator for Add {
    const NAME: &'static str = "add";

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
        commutative::evaluate(operands, self.epilogue, |a, b| a + b)
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(self.epilogue)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Op> {
        (!epilogue.residual).then_some(Self { epilogue }.into())
    }

    fn to_weight(&self, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
        commutative::to_weight(WeightOp::Add, self.epilogue, operands)
    }

    /// `ā = b̄ = ȳ`.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        a.without(self.epilogue)?;
        let y = a.cotangent()?;
        a.give(0, |_| Ok(y))?;
        a.give(1, |_| Ok(y))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Add", import: |node| node.binary(Self::default()) }, Rule { operator: "Sum", import: |node| node.variadic(Self::default()) }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("Add", &[])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::commutative();

    fn cases() -> Vec<Case> {
        commutative::cases(|epilogue| Self { epilogue })
    }
}

impl Pointwise for Add {
    fn finite(&self) -> bool {
        true
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        f.binary(lir::Binary::Add, operands[0], operands[1])
    }
}

impl Commutative for Add {
    const KERNEL: BinaryOp = BinaryOp::Add;
}

#[cfg(test)]
mod tests {
    use convoke_runtime::Activation;

    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let table: [(&[usize], &[usize], &str); 7] = [
            (&[1, 8, 4, 4], &[1, 8, 4, 4], "f32[1, 8, 4, 4]"),
            (&[1, 8, 4, 4], &[1, 8, 1, 1], "f32[1, 8, 4, 4]"),
            (&[8, 1, 1], &[2, 8, 4, 4], "f32[2, 8, 4, 4]"),
            (&[], &[3], "f32[3]"),
            (&[1, 8, 4, 4], &[1, 9, 4, 4], "operand 1 expects a shape that broadcasts with [1, 8, 4, 4], gets [1, 9, 4, 4]"),
            (&[8], &[8, 4], "operand 1 expects a shape that broadcasts with [8], gets [8, 4]"),
            (&[3, 0], &[3, 1], "operand 0 expects dimensions of at least 1, gets f32[3, 0]"),
        ];
        for (a, b, expected) in table {
            assert_eq!(inferred(Add::default(), &[a, b]), expected);
        }
        assert_eq!(inferred(Add::default(), &[&[1]]), "expects 2 operands (a, b), gets 1");
        let huge = usize::MAX / 16;
        let text = inferred(Add::default(), &[&[huge, 1], &[1, huge]]);
        assert!(text.starts_with("expects a tensor that memory can hold"), "{text}");
    }

    #[test]
    fn carries_an_activation_and_no_residual() {
        let relu = Epilogue::activation(Activation::Relu);
        let op = Add::default().with_epilogue(relu).expect("an activation");
        assert_eq!(evaluated(op.clone(), &[(&[2], &[1.0, -3.0]), (&[2], &[1.0, 2.0])]), [2.0, 0.0]);
        assert_eq!(op.attributes().to_string(), "{activation = relu}");
        assert_eq!(Add::default().with_epilogue(Epilogue { residual: true, ..relu }), None);
        let residual = Add { epilogue: Epilogue { residual: true, ..relu } };
        assert_eq!(inferred(residual, &[&[1], &[1]]), "expects an epilogue without residual, gets one");
    }

    #[test]
    fn calls() {
        assert_eq!(called("add", &[&[1], &[1]], &[], &[]), "add {}");
        assert_eq!(
            called("add", &[&[1], &[1]], &[], &[("activation", "relu".into())]),
            "activation: `activation` is unknown; there are no constants here"
        );
    }

    #[test]
    fn of_weights() {
        let weights: Vec<Arc<WeightExpr>> = [vec![4, 1], vec![3]]
            .map(|shape| Arc::new(WeightExpr::parameter(format!("{shape:?}"), TensorType::f32(shape))))
            .into();
        let sum = Add::default().to_weight(&weights).expect("an expression");
        assert_eq!(sum.ty(), &TensorType::f32([4, 3]));
        let relu = Add { epilogue: Epilogue::activation(Activation::Relu) };
        assert_eq!(relu.to_weight(&weights), None);
        assert_eq!(Add::default().to_weight(&weights[..1]), None);
    }
}
