//! Flattening: the dimensions from one on become a single one. N C H W with `start_dim` 1 becomes N C·H·W.

use std::sync::Arc;

use convoke_runtime::Tensor;
use convoke_runtime::weights::WeightOp;

use super::arguments::LENGTH;
use super::export::{Exported, Exporter};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check, reshape};
use crate::TensorType;
use crate::lower::{self, Algorithm, Choice, Layout, Need};
use crate::graph::WeightExpr;
use crate::onnx::{Item, Node, Rule, Unsupported};

/// The elements of the operand, with the dimensions from `start_dim` on as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flatten {
    /// The first dimension of those that become one; 1 unless given.
    pub start_dim: usize,
}

impl Flatten {
    fn shape(self, shape: &[usize]) -> Vec<usize> {
        let (kept, flat) = shape.split_at(self.start_dim);
        kept.iter().copied().chain([flat.iter().product()]).collect()
    }
}

impl Operator for Flatten {
    const NAME: &'static str = "flatten";

    fn attributes(&self) -> Attributes {
        Attributes::default().with_unless("start_dim", self.start_dim, 1)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { start_dim: arguments.read("start_dim", &LENGTH)?.unwrap_or(1) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        if self.start_dim >= operands[0].rank() {
            let expected = format!("more than {} dimensions (start_dim)", self.start_dim);
            return Err(TypeError::operand(0, expected, operands[0].rank()));
        }
        check::result_of(operands[0].dtype, self.shape(&operands[0].shape))
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut result = Tensor::zeros(&self.shape(operands[0].shape()));
        result.data_mut().copy_from_slice(operands[0].data());
        vec![result]
    }

    fn to_weight(&self, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
        let [x] = operands else { return None };
        let shape = self.infer(&[x.ty()]).ok()?.remove(0).shape;
        WeightExpr::apply(WeightOp::Reshape(shape.into()), operands.to_vec()).ok()
    }

    /// `x̄` is ȳ in the shape of x.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape) = (a.cotangent()?, a.shape(a.operand(0)));
        a.give(0, |a| a.reshape(y, &shape))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Flatten", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        match self.start_dim {
            1 => e.whole("Flatten", &[("axis", 1_i64.into())]),
            // ONNX's operator makes two dimensions of all.
            _ => e.reshape(),
        }
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKED, lower::alias()];

    fn cases() -> Vec<Case> {
        const TABLE: [(usize, &[usize]); 8] = [
            (1, &[1, 16, 5, 5]),
            (1, &[2, 17, 3, 3]),
            (1, &[2, 32, 1, 1]),
            (1, &[3, 7]),
            (1, &[2, 3, 4]),
            (0, &[2, 3, 4]),
            (2, &[2, 8, 3, 3]),
            (3, &[1, 18, 3, 3]),
        ];
        let case = |(start_dim, shape): (usize, &[usize])| {
            Case::new(format!("from {start_dim} of {shape:?}"), Self { start_dim }).input(shape).tolerance(0.0)
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let shape = node.shape(0)?;
    let axis = node.int("axis")?.unwrap_or(1);
    // Unlike other axes, this one may be the rank.
    let from_first = if axis < 0 { axis.saturating_add(shape.len() as i64) } else { axis };
    let Some(axis) = usize::try_from(from_first).ok().filter(|&axis| axis <= shape.len()) else {
        return Err(Unsupported::new(format!("attribute `axis` is {axis}, for {} dimensions", shape.len())));
    };
    let (outer, inner) = shape.split_at(axis);
    let x = node.operand(0)?;
    if axis == 1 && shape.len() > 1 {
        return Ok(vec![node.apply(Flatten { start_dim: 1 }, &[x])?]);
    }
    Ok(vec![reshape::to(node, x, &[outer.iter().product(), inner.iter().product()])?])
}

/// N C 1 1 to N C: blocks of channels stay where they are.
const BLOCKED: Algorithm<Flatten> = Algorithm {
    name: "alias_blocked",
    choose: |_, site| {
        let (from, to) = (&site.operands[0].shape, &site.results[0].shape);
        if site.layouts[0] != Some(Layout::Blocked) {
            return Err("the source is not blocked".to_owned());
        }
        if from.len() != 4 || to[..] != from[..2] {
            return Err(format!("{from:?} to {to:?} does not just drop two dimensions of 1"));
        }
        Ok(Choice { operands: vec![Need::dense(Layout::Blocked)], results: vec![Layout::Blocked], alias: true })
    },
    ..lower::alias()
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, inferred};

    #[test]
    fn shapes() {
        let table: [(usize, &[usize], &str); 6] = [
            (1, &[2, 16, 5, 5], "f32[2, 400]"),
            (1, &[2, 16], "f32[2, 16]"),
            (0, &[2, 16, 5], "f32[160]"),
            (2, &[2, 16, 5, 5], "f32[2, 16, 25]"),
            (1, &[2], "operand 0 expects more than 1 dimensions (start_dim), gets 1"),
            (usize::MAX, &[2], "operand 0 expects more than 18446744073709551615 dimensions (start_dim), gets 1"),
        ];
        for (start_dim, shape, expected) in table {
            assert_eq!(inferred(Flatten { start_dim }, &[shape]), expected);
        }
    }

    #[test]
    fn calls() {
        assert_eq!(called("flatten", &[&[1, 2, 3]], &[], &[]), "flatten {}");
        assert_eq!(called("flatten", &[&[1, 2, 3]], &[], &[("start_dim", 0_i64.into())]), "flatten {start_dim = 0}");
    }

    #[test]
    fn of_weights() {
        let weight = Arc::new(WeightExpr::parameter("w", TensorType::f32([4, 3, 2])));
        let flat = Flatten { start_dim: 1 }.to_weight(std::slice::from_ref(&weight)).expect("an expression");
        assert_eq!(flat.ty(), &TensorType::f32([4, 6]));
        assert_eq!(Flatten { start_dim: 3 }.to_weight(&[weight]), None);
    }
}
