//! Splitting along one dimension into consecutive parts, one result each: the inverse of concatenation.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, SHAPE};
use super::slice::{Range, region};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, check, moved,
};
use super::concat::Concat;
use crate::graph::Value;
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, Movement, Region};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// Consecutive parts along `axis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Split {
    /// Counted from the last dimension where it is negative; 1, the channels, unless given.
    pub axis: i64,
    /// The extent of each part; they add up to that of the dimension.
    pub sizes: Vec<usize>,
}

impl Split {
    /// For each dimension the elements of part `part` of a tensor of this shape.
    fn ranges(&self, shape: &[usize], part: usize) -> Vec<Range> {
        let axis = check::axis(self.axis, shape.len()).expect("the graph is verified");
        let mut ranges: Vec<Range> = shape.iter().map(|&count| Range { first: 0, step: 1, count }).collect();
        ranges[axis] = Range { first: self.sizes[..part].iter().sum(), step: 1, count: self.sizes[part] };
        ranges
    }
}

impl Operator for Split {
    const NAME: &'static str = "split";
    const POSITIONAL: &'static [&'static str] = &["sizes"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis).with("sizes", self.sizes.as_slice())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let sizes = arguments.need("sizes", &SHAPE)?;
        Ok(Self { axis: arguments.read("axis", &AXIS)?.unwrap_or(1), sizes })
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(Self::POSITIONAL)?;
        let op = Self::read(&mut arguments)?;
        arguments.finish()?;
        Ok(op.into())
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let shape = &operands[0].shape;
        let axis = check::axis(self.axis, shape.len())?;
        let sum = self.sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size));
        if self.sizes.is_empty() || sum != Some(shape[axis]) || self.sizes.len() > usize::from(u16::MAX) {
            let expected = format!("sizes that add up to {}, dimension {axis}", shape[axis]);
            return Err(TypeError::whole(expected, format!("{:?}", self.sizes)));
        }
        let mut results = Vec::new();
        for &size in &self.sizes {
            let mut part = shape.clone();
            part[axis] = size;
            results.extend(check::result_of(operands[0].dtype, part)?);
        }
        Ok(results)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let parts = (0..self.sizes.len()).map(|part| {
            let ranges = self.ranges(operands[0].shape(), part);
            let shape: Vec<usize> = ranges.iter().map(|range| range.count).collect();
            let source = |(index, range): (&usize, &Range)| range.first + index;
            moved::evaluate(operands[0], &shape, |index| Ok(index.iter().zip(&ranges).map(source).collect()))
        });
        parts.collect()
    }

    /// `x̄` is all ȳ, one after the other; zeros where one does not matter.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let cotangents = a.cotangents();
        a.give(0, |a| {
            let part = |(index, cotangent): (usize, &Option<Value>)| match cotangent {
                Some(cotangent) => *cotangent,
                None => {
                    let shape = a.shape(a.result(index as u16));
                    a.constant(&shape, &[0.0])
                }
            };
            let parts: Vec<Value> = cotangents.iter().enumerate().map(part).collect();
            a.op(Concat { axis: self.axis }, &parts)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Split", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[usize], &[usize]); 5] = [
            (1, &[16, 16], &[2, 32, 3, 3]),
            (1, &[5, 12], &[1, 17, 3, 3]),
            (-1, &[1, 20, 2], &[2, 23]),
            (0, &[2, 1], &[3, 5]),
            (0, &[7], &[7]),
        ];
        TABLE.map(|(axis, sizes, shape)| moved::case(Self { axis, sizes: sizes.to_vec() }, shape)).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let axis = node.int("axis")?.unwrap_or(0);
    let shape = node.shape(0)?;
    let along = shape[check::axis(axis, shape.len()).map_err(|error| Unsupported::new(error.to_string()))?];
    let (given, parts) = (node.ints_of("split", 1)?, node.int("num_outputs")?);
    let sizes: Option<Vec<usize>> = match given {
        Some(sizes) => sizes.into_iter().map(|size| usize::try_from(size).ok()).collect(),
        None => {
            // Equal parts, but for the last.
            let parts = parts.and_then(|parts| usize::try_from(parts).ok()).unwrap_or(node.results()).max(1);
            let size = along.div_ceil(parts);
            Some((0..parts).map(|part| size.min(along.saturating_sub(part * size))).collect())
        }
    };
    let sizes = sizes.ok_or_else(|| Unsupported::new("a part has a negative size"))?;
    let x = node.operand(0)?;
    node.apply_all(Split { axis, sizes }, &[x])
}

impl Movement for Split {
    fn regions(&self, operand: &TensorType, _: &[TensorType], result: usize) -> Vec<Region> {
        vec![region(&self.ranges(&operand.shape, result))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, inferred};

    #[test]
    fn shapes() {
        let op = |axis, sizes: &[usize]| Split { axis, sizes: sizes.to_vec() };
        assert_eq!(inferred(op(1, &[2, 6]), &[&[1, 8, 3]]), "f32[1, 2, 3], f32[1, 6, 3]");
        assert_eq!(
            inferred(op(1, &[2, 5]), &[&[1, 8, 3]]),
            "expects sizes that add up to 8, dimension 1, gets [2, 5]"
        );
        assert_eq!(inferred(op(3, &[8]), &[&[1, 8, 3]]), "expects an axis in -3 ..= 2, gets 3");
    }

    #[test]
    fn calls() {
        assert_eq!(called("split", &[&[1, 8]], &[[4_i64, 4].into()], &[]), "split {axis = 1, sizes = [4, 4]}");
    }
}
