//! Tiling as numpy's `tile`: the operand, repeated along each dimension.

use convoke_runtime::Tensor;

use super::arguments::SHAPE;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check, moved};
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// The operand `repeats[d]` times along each dimension d.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tile {
    /// One number for each dimension.
    pub repeats: Vec<usize>,
}

impl Operator for Tile {
    const NAME: &'static str = "tile";
    const POSITIONAL: &'static [&'static str] = &["repeats"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("repeats", self.repeats.as_slice())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { repeats: arguments.need("repeats", &SHAPE)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let shape = &operands[0].shape;
        if shape.len() != self.repeats.len() {
            return Err(TypeError::operand(0, format!("{} dimensions (repeats)", self.repeats.len()), shape.len()));
        }
        check::result_of(operands[0].dtype, shape.iter().zip(&self.repeats).map(|(a, b)| a.saturating_mul(*b)).collect::<Vec<_>>())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let own = operands[0].shape();
        let shape: Vec<usize> = own.iter().zip(&self.repeats).map(|(a, b)| a * b).collect();
        let source = |(index, extent): (&usize, &usize)| index % extent;
        vec![moved::evaluate(operands[0], &shape, |index| Ok(index.iter().zip(own).map(source).collect()))]
    }

    /// `x̄` is the sum of the repetitions in ȳ.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape) = (a.cotangent()?, a.shape(a.operand(0)));
        let split: Vec<usize> = self.repeats.iter().zip(&shape).flat_map(|(&count, &extent)| [count, extent]).collect();
        let repeats: Vec<usize> = (0..shape.len()).map(|dim| 2 * dim).collect();
        a.give(0, |a| {
            let parts = a.reshape(y, &split)?;
            let sum = a.sum(parts, &repeats)?;
            a.reshape(sum, &shape)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Tile", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[usize]); 5] = [
            (&[1, 1, 2, 3], &[1, 17, 3, 4]),
            (&[1, 2, 1, 1], &[1, 16, 3, 4]),
            (&[2, 1, 3], &[2, 3, 1]),
            (&[4], &[9]),
            (&[], &[]),
        ];
        TABLE.map(|(repeats, shape)| moved::case(Self { repeats: repeats.to_vec() }, shape)).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let repeats: Option<Vec<usize>> = node.need_ints(1)?.into_iter().map(|count| usize::try_from(count).ok()).collect();
    let repeats = repeats.ok_or_else(|| Unsupported::new("a dimension repeats a negative number of times"))?;
    node.unary(Tile { repeats })
}

impl Movement for Tile {
    fn regions(&self, operand: &TensorType, _: &[TensorType], _: usize) -> Vec<Region> {
        let rank = operand.rank();
        let steps = operand.shape.iter().zip(&self.repeats).enumerate().flat_map(|(dim, (&extent, &repeats))| {
            [Step { extent: repeats, to: (dim, extent), from: None }, Step::along(extent, dim, dim, 1)]
        });
        vec![Region::whole(steps.collect(), rank, rank)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = |repeats: &[usize]| Tile { repeats: repeats.to_vec() };
        assert_eq!(inferred(op(&[2, 3]), &[&[3, 1]]), "f32[6, 3]");
        assert_eq!(inferred(op(&[2]), &[&[3, 1]]), "operand 0 expects 1 dimensions (repeats), gets 2");
    }

    #[test]
    fn repeats() {
        let op = Tile { repeats: vec![1, 2] };
        assert_eq!(evaluated(op, &[(&[2, 2], &[1.0, 2.0, 3.0, 4.0])]), [1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("tile", &[&[1, 2]], &[[4_i64, 2].into()], &[]), "tile {repeats = [4, 2]}");
    }
}
