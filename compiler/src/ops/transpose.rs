//! Transposition: dimensions in another order.

use std::sync::Arc;

use convoke_runtime::Tensor;
use convoke_runtime::weights::WeightOp;

use super::arguments::LENGTHS;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check, moved};
use crate::TensorType;
use crate::graph::WeightExpr;
use crate::lower::Algorithm;
use crate::lower::regions::{self, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// Dimension `i` of the result is dimension `order[i]` of the operand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transpose {
    /// Each dimension once.
    pub order: Vec<usize>,
}

impl Operator for Transpose {
    const NAME: &'static str = "transpose";
    const POSITIONAL: &'static [&'static str] = &["order"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("order", self.order.as_slice())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { order: arguments.need("order", &LENGTHS)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let shape = &operands[0].shape;
        if self.order.len() != shape.len() || !(0..shape.len()).all(|dim| self.order.contains(&dim)) {
            let expected = format!("an order of {} dimensions", shape.len());
            return Err(TypeError::whole(expected, format!("{:?}", self.order)));
        }
        check::result_of(operands[0].dtype, self.order.iter().map(|&dim| shape[dim]).collect::<Vec<_>>())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let shape: Vec<usize> = self.order.iter().map(|&dim| operands[0].shape()[dim]).collect();
        vec![moved::evaluate(operands[0], &shape, |index| {
            let mut source = vec![0; index.len()];
            for (&dim, &index) in self.order.iter().zip(index) {
                source[dim] = index;
            }
            Ok(source)
        })]
    }

    fn to_weight(&self, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
        WeightExpr::apply(WeightOp::Transpose(self.order.clone().into()), operands.to_vec()).ok()
    }

    /// `x̄` is ȳ in the inverse order.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        let mut order = vec![0; self.order.len()];
        self.order.iter().enumerate().for_each(|(to, &from)| order[from] = to);
        a.give(0, |a| a.op(Self { order }, &[y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Transpose", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[usize]); 7] = [
            (&[0, 2, 3, 1], &[2, 17, 3, 5]),
            (&[0, 3, 1, 2], &[1, 3, 5, 18]),
            (&[0, 1, 3, 2], &[1, 16, 3, 4]),
            (&[1, 0], &[5, 33]),
            (&[0, 2, 1, 4, 3], &[1, 2, 3, 2, 4]),
            (&[2, 0, 1], &[2, 3, 4]),
            (&[], &[]),
        ];
        TABLE.map(|(order, shape)| moved::case(Self { order: order.to_vec() }, shape)).into()
    }
}

/// Reverses the dimensions unless an order is given.
fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let rank = node.shape(0)?.len();
    let order: Option<Vec<usize>> = match node.ints("perm")? {
        None => Some((0..rank).rev().collect()),
        Some(order) => order.iter().map(|&dim| usize::try_from(dim).ok()).collect(),
    };
    let order = order.ok_or_else(|| Unsupported::new("attribute `perm` has a negative dimension"))?;
    node.unary(Transpose { order })
}

impl Movement for Transpose {
    fn regions(&self, operand: &TensorType, _: &[TensorType], _: usize) -> Vec<Region> {
        let rank = self.order.len();
        let steps = self.order.iter().enumerate().map(|(to, &from)| Step::along(operand.shape[from], to, from, 1));
        vec![Region::whole(steps.collect(), rank, rank)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = |order: &[usize]| Transpose { order: order.to_vec() };
        assert_eq!(inferred(op(&[0, 2, 3, 1]), &[&[1, 3, 4, 5]]), "f32[1, 4, 5, 3]");
        assert_eq!(inferred(op(&[0, 0]), &[&[2, 3]]), "expects an order of 2 dimensions, gets [0, 0]");
        assert_eq!(inferred(op(&[0]), &[&[2, 3]]), "expects an order of 2 dimensions, gets [0]");
    }

    #[test]
    fn moves() {
        let op = Transpose { order: vec![1, 0] };
        let x: &[f32] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        assert_eq!(evaluated(op, &[(&[2, 3], x)]), [1.0, 4.0, 2.0, 5.0, 3.0, 6.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("transpose", &[&[1, 2]], &[[1_i64, 0].into()], &[]), "transpose {order = [1, 0]}");
    }
}
