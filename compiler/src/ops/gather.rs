//! Elements along one dimension, chosen by an index tensor: `y[o, j…, i] = x[o, index[j…], i]`.
//!
//! Indices count from the end where they are negative. One that is out of range is an error that a run does not look
//! for: it takes the nearest that is not.

use convoke_runtime::Tensor;
use convoke_runtime::kernels::{Copy, Params};

use super::arguments::AXIS;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check};
use super::indexed::Reduction;
use super::scatter_nd::ScatterNd;
use super::transpose::Transpose;
use crate::lir::{Binary, Compare, Reg};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// Slices of X along `axis`: operands X and the indices, of any shape, which takes the place of that dimension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gather {
    /// Counted from the last dimension where it is negative; 0 unless given.
    pub axis: i64,
}

/// Elements of a row from which on a call that copies it costs less than their loads.
const LANES: usize = 16;

/// Of a shape and an axis: the slices before, along and within it.
fn extents(shape: &[usize], axis: usize) -> [usize; 3] {
    [shape[..axis].iter().product(), shape[axis], shape[axis + 1..].iter().product()]
}

impl Operator for Gather {
    const NAME: &'static str = "gather";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { axis: arguments.read("axis", &AXIS)?.unwrap_or(0) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x", "indices"])?;
        check::dtype(operands, 1, &[DType::I64])?;
        let shape = &operands[0].shape;
        let axis = check::axis(self.axis, shape.len())?;
        if shape[axis] > convoke_runtime::MAX_WHOLE as usize {
            return Err(TypeError::operand(0, "a dimension that indices reach, of at most 2²⁴", shape[axis]));
        }
        check::result_of(operands[0].dtype, [&shape[..axis], &operands[1].shape, &shape[axis + 1..]].concat())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, indices) = (operands[0], operands[1]);
        let axis = check::axis(self.axis, x.shape().len()).expect("the operands have types that the operator accepts");
        let [outer, along, inner] = extents(x.shape(), axis);
        let shape = [&x.shape()[..axis], indices.shape(), &x.shape()[axis + 1..]].concat();
        let mut result = Tensor::zeros(&shape);
        let mut to = result.data_mut().chunks_mut(inner);
        for o in 0..outer {
            for &index in indices.data() {
                let index = index as i64;
                let index = if index < 0 { index + along as i64 } else { index };
                let row = o * along + index.clamp(0, along as i64 - 1) as usize;
                let to = to.next().expect("as many rows as the result has");
                to.copy_from_slice(&x.data()[row * inner..][..inner]);
            }
        }
        vec![result]
    }

    /// `x̄` is the sum of what was taken of each slice; rows of x are brought in front, and back.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, [x, indices]) = (a.cotangent()?, [0, 1].map(|index| a.operand(index)));
        let (shape, lists, rank) = (a.shape(x), a.shape(indices), a.shape(y).len());
        let axis = check::axis(self.axis, shape.len()).expect("the graph is verified");
        let front: Vec<usize> = (axis..axis + lists.len()).chain(0..axis).chain(axis + lists.len()..rank).collect();
        let back: Vec<usize> = (1..=axis).chain([0]).chain(axis + 1..shape.len()).collect();
        let zeros: Vec<usize> = [axis].into_iter().chain(0..axis).chain(axis + 1..shape.len()).collect();
        let zeros: Vec<usize> = zeros.into_iter().map(|dim| shape[dim]).collect();
        a.give(0, |a| {
            let zeros = a.constant(&zeros, &[0.0]);
            let indices = a.reshape(indices, &[lists.as_slice(), &[1]].concat())?;
            let new = a.op(Transpose { order: front }, &[y])?;
            let sums = a.op(ScatterNd { reduction: Reduction::Add }, &[zeros, indices, new])?;
            a.op(Transpose { order: back }, &[sums])
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Gather", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ROWS];

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[usize], &[usize]); 7] = [
            (0, &[7, 33], &[3]),
            (1, &[2, 5, 3, 3], &[4]),
            (-1, &[3, 9], &[2, 2]),
            (0, &[6], &[]),
            (2, &[1, 3, 5, 16], &[8]),
            (0, &[5, 2], &[17]),
            (1, &[4, 3, 40], &[1, 2]),
        ];
        let case = |(axis, shape, indices): (i64, &[usize], &[usize])| {
            let case = Case::new(format!("{indices:?} of {shape:?} along {axis}"), Self { axis }).input(shape);
            case.input(indices).within(-3.0, 2.0).of(DType::I64).tolerance(0.0)
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let axis = node.int("axis")?.unwrap_or(0);
    node.binary(Gather { axis })
}

/// The row that a register's value chooses among `count`: from the end where it is negative.
pub(super) fn from_end(e: &mut Emitter<'_>, index: Reg, count: usize) -> Reg {
    let f = &mut e.code;
    let [zero, count] = [0.0, count as f32].map(|value| f.constant(1, value));
    let from_end = f.binary(Binary::Add, index, count);
    f.select(Compare::Lt, index, zero, from_end, index)
}

/// Row after row, each found at run time.
const ROWS: Algorithm<Gather> = Algorithm {
    name: "rows",
    choose: |_, _| Ok(Choice { operands: vec![Need::dense(Layout::Plain); 2], results: vec![Layout::Plain], alias: false }),
    schedule: |_, work| Schedule::of_elements(work.storages[0].len()),
    emit: |op, work, _, e| {
        let shape = &work.operands[0].ty().shape;
        let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
        let [outer, along, inner] = extents(shape, axis);
        let count = work.operands[1].ty().elements();
        emit(e, [outer, along, inner, count]);
    },
};

fn emit(e: &mut Emitter<'_>, [outer, along, inner, count]: [usize; 4]) {
    let (x, indices, result) = (e.operand(0), e.operand(1), e.result(0));
    // The longer of the two loops is divided among the threads.
    let across = outer >= count;
    e.divide(outer, across, |e, o| {
        e.divide(count, !across, |e, j| {
            let index = e.code.load(1, indices.element(j));
            let index = from_end(e, index, along);
            let to = |i: usize| result.element(o * (count * inner) + j * inner + i);
            let from = |i: usize| x.element(o * (along * inner) + i).row(index, along as u32, inner as i64);
            if inner < LANES {
                for i in 0..inner {
                    let element = e.code.load(1, from(i));
                    e.code.store(to(i), element);
                }
            } else {
                let len = inner as u32;
                let copy = Copy { rows: 1, len, dst_pitch: len, src_pitch: len };
                e.call(Params::Copy(copy), vec![to(0), from(0)]);
            }
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::evaluated;

    #[test]
    fn shapes() {
        let table: [(i64, &[usize], &[usize], &str); 5] = [
            (1, &[2, 5, 3], &[4, 4], "f32[2, 4, 4, 3]"),
            (-1, &[2, 5], &[], "f32[2]"),
            (0, &[5], &[1], "f32[1]"),
            (2, &[2, 5], &[1], "expects an axis in -2 ..= 1, gets 2"),
            (0, &[1 << 25], &[1], "expects a dimension that indices reach, of at most 2²⁴, gets 33554432"),
        ];
        for (axis, shape, indices, expected) in table {
            let indices = TensorType { dtype: DType::I64, shape: indices.to_vec() };
            let found = Gather { axis }.infer(&[&TensorType::f32(shape), &indices]);
            let found = found.map_or_else(|error| error.to_string(), |types| types[0].to_string());
            assert_eq!(found, expected);
        }
        let floats = Gather { axis: 0 }.infer(&[&TensorType::f32([2]), &TensorType::f32([2])]);
        assert_eq!(floats, Err(TypeError::operand(1, "elements of type i64", "f32")));
    }

    #[test]
    fn negative_indices_count_from_the_end() {
        let (x, indices): (&[f32], &[f32]) = (&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &[-1.0, 0.0, 7.0, -9.0]);
        let op = Gather { axis: 0 };
        assert_eq!(evaluated(op, &[(&[3, 2], x), (&[4], indices)]), [5.0, 6.0, 1.0, 2.0, 5.0, 6.0, 1.0, 2.0]);
    }
}
