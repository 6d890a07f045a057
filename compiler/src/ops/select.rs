//! A choice for each element, `y = if c { a } else { b }`, of three operands whose shapes broadcast as numpy's.

use convoke_runtime::Tensor;

use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, broadcast, check};
use crate::lir::{Compare, FunctionBuilder, Reg};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// `y = if c { a } else { b }`: operands are the condition C, A and B.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Select;

fn shape(operands: [&[usize]; 3]) -> Option<Vec<usize>> {
    broadcast::shape(&broadcast::shape(operands[0], operands[1])?, operands[2])
}

impl Operator for Select {
    const NAME: &'static str = "select";

    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["condition", "a", "b"])?;
        check::dtype(operands, 0, &[DType::Bool])?;
        check::dtype(operands, 2, &[operands[1].dtype])?;
        let shapes = [0, 1, 2].map(|operand: usize| operands[operand].shape.as_slice());
        match shape(shapes) {
            Some(shape) => check::result_of(operands[1].dtype, shape),
            None => Err(TypeError::whole("shapes that broadcast", format!("{shapes:?}"))),
        }
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let shape = shape([0, 1, 2].map(|operand: usize| operands[operand].shape()));
        let shape = shape.expect("the operands have types that the operator accepts");
        let mut result = Tensor::zeros(&shape);
        let [c, a, b] = [0, 1, 2].map(|operand: usize| broadcast::repeated(operands[operand], &shape));
        for (y, (c, (a, b))) in result.data_mut().iter_mut().zip(c.zip(a.zip(b))) {
            *y = if c != 0.0 { a } else { b };
        }
        vec![result]
    }

    /// `ā` is ȳ where the condition holds, `b̄` elsewhere.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, condition) = (a.cotangent()?, a.operand(0));
        let zero = a.constant(&[], &[0.0]);
        a.give(1, |a| a.op(Self, &[condition, y, zero]))?;
        a.give(2, |a| a.op(Self, &[condition, zero, y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Where", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    fn cases() -> Vec<Case> {
        const SHAPES: [[&[usize]; 3]; 5] = [
            [&[2, 17, 3, 3], &[2, 17, 3, 3], &[2, 17, 3, 3]],
            [&[1, 16, 1, 1], &[2, 16, 3, 3], &[]],
            [&[3, 1, 5], &[4, 1], &[1]],
            [&[], &[19], &[19]],
            [&[7], &[], &[]],
        ];
        let case = |[c, a, b]: [&[usize]; 3]| {
            let case = Case::new(format!("{a:?} or {b:?} by {c:?}"), Self).input(c).within(0.0, 1.0).of(DType::Bool);
            case.input(a).input(b).tolerance(0.0)
        };
        SHAPES.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let operands = node.operands()?;
    Ok(vec![node.apply(Select, &operands)?])
}

impl Pointwise for Select {
    fn finite(&self) -> bool {
        true
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        let zero = f.constant(f.lanes(operands[0]), 0.0);
        f.select(Compare::Ne, operands[0], zero, operands[1], operands[2])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{evaluated, inferred};

    #[test]
    fn shapes() {
        let typed = |c: DType, shapes: [&[usize]; 3]| {
            let ty = |(dtype, shape): (DType, &[usize])| TensorType { dtype, shape: shape.to_vec() };
            let types = [(c, shapes[0]), (DType::F32, shapes[1]), (DType::F32, shapes[2])].map(ty);
            Select.infer(&types.iter().collect::<Vec<_>>()).map_err(|error| error.to_string())
        };
        assert_eq!(typed(DType::Bool, [&[2, 1], &[3], &[]]), Ok(vec![TensorType::f32([2, 3])]));
        let error = typed(DType::Bool, [&[2], &[3], &[]]).expect_err("they do not broadcast");
        assert_eq!(error, "expects shapes that broadcast, gets [[2], [3], []]");
        assert!(inferred(Select, &[&[2], &[2], &[2]]).starts_with("operand 0 expects elements of type bool"));
    }

    #[test]
    fn values() {
        let (c, a, b): (&[f32], &[f32], &[f32]) = (&[1.0, 0.0], &[2.0, 3.0], &[4.0]);
        assert_eq!(evaluated(Select, &[(&[2], c), (&[2], a), (&[1], b)]), [2.0, 4.0]);
    }
}
