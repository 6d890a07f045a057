//! Concatenation of one or more operands along one axis; along any other, their sizes agree.
//!
//! Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, section 4; Huang et al., "Densely Connected
//! Convolutional Networks", arXiv:1608.06993, section 3.

use convoke_runtime::Tensor;
use convoke_runtime::kernels::{Copy, Params};

use super::arguments::AXIS;
use super::export::{Exported, Exporter};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check};
use super::slice::Slice;
use crate::TensorType;
use crate::lower::elementwise::by_elements;
use crate::lower::nest::{Nest, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// All operands, one after the other along `axis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// Counted from the last dimension where it is negative; 1, the channels, unless given.
    pub axis: i64,
}

impl Operator for Concat {
    const NAME: &'static str = "concat";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { axis: arguments.read("axis", &AXIS)?.unwrap_or(1) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        let Some(first) = operands.first() else { return Err(TypeError::whole("at least 1 operand", 0)) };
        check::any_operands(operands, &vec!["x"; operands.len()])?;
        let dtype = check::one_dtype(operands)?;
        let axis = check::axis(self.axis, first.rank())?;
        let mut shape = first.shape.clone();
        for (i, operand) in operands.iter().enumerate().skip(1) {
            let agrees = |dim: usize| dim == axis || operand.shape[dim] == first.shape[dim];
            if operand.rank() != first.rank() || !(0..first.rank()).all(agrees) {
                let expected = format!("the shape {:?} but for dimension {axis}", first.shape);
                return Err(TypeError::operand(i, expected, format!("{:?}", operand.shape)));
            }
            shape[axis] = shape[axis].saturating_add(operand.shape[axis]);
        }
        check::result_of(dtype, shape)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut shape = operands[0].shape().to_vec();
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        shape[axis] = operands.iter().map(|operand| operand.shape()[axis]).sum();
        let run: usize = shape[axis..].iter().product();
        let mut result = Tensor::zeros(&shape);
        let mut first = 0;
        for operand in operands {
            let part: usize = operand.shape()[axis..].iter().product();
            for (to, from) in result.data_mut().chunks_mut(run).zip(operand.data().chunks(part)) {
                to[first..first + part].copy_from_slice(from);
            }
            first += part;
        }
        vec![result]
    }

    /// Each operand its part of ȳ.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        let axis = check::axis(self.axis, a.shape(y).len()).expect("the graph is verified");
        let mut first = 0;
        for index in 0..a.operands() {
            let end = first + a.shape(a.operand(index))[axis] as i64;
            let part = Slice { axes: vec![axis as i64], starts: vec![first], ends: vec![end], steps: vec![1] };
            a.give(index, |a| a.op(part, &[y]))?;
            first = end;
        }
        Ok(())
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Concat", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("Concat", &[("axis", self.axis.into())])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[IN_PLACE, BLOCKS, ROWS];

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[&[usize]]); 13] = [
            (1, &[&[1, 3, 4, 5], &[1, 5, 4, 5]]),
            (1, &[&[1, 16, 3, 3], &[1, 16, 3, 3]]),
            (1, &[&[2, 16, 3, 3], &[2, 8, 3, 3], &[2, 24, 3, 3]]),
            (1, &[&[2, 17, 3, 3], &[2, 15, 3, 3]]),
            (1, &[&[1, 32, 2, 7], &[1, 1, 2, 7], &[1, 33, 2, 7], &[1, 16, 2, 7], &[1, 4, 2, 7]]),
            (1, &[&[1, 6, 3, 3]]),
            (0, &[&[1, 6, 3, 3], &[2, 6, 3, 3]]),
            (2, &[&[1, 18, 3, 5], &[1, 18, 2, 5]]),
            (3, &[&[1, 16, 3, 5], &[1, 16, 3, 1]]),
            (-1, &[&[2, 3, 3, 5], &[2, 3, 3, 2]]),
            (1, &[&[2, 7], &[2, 30]]),
            (0, &[&[3], &[4]]),
            (1, &[&[2, 3, 4], &[2, 1, 4]]),
        ];
        let case = |(axis, shapes): (i64, &[&[usize]])| {
            let case = Case::new(format!("axis {axis} of {shapes:?}"), Self { axis }).tolerance(0.0);
            shapes.iter().fold(case, |case, &shape| case.input(shape))
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let axis = node.int("axis")?.unwrap_or(1);
    // Lists of sizes may be empty.
    let mut operands = node.operands()?;
    if operands.iter().any(|item| !node.ty(item).shape.contains(&0)) {
        operands.retain(|item| !node.ty(item).shape.contains(&0));
    }
    if operands.len() == 1 {
        return Ok(operands);
    }
    Ok(vec![node.apply(Concat { axis }, &operands)?])
}

/// Operands that lie one after the other: each is written where the result has it, if nothing else asks for another
/// place, and copied there otherwise.
const IN_PLACE: Algorithm<Concat> = Algorithm {
    name: "in_place",
    choose: |op, site| {
        let [first, _, ..] = site.operands[..] else { return Err("it has a single operand".to_owned()) };
        let axis = check::axis(op.axis, first.rank()).expect("the graph is verified");
        // Of tensors with rows and columns, only images and channels lie one after the other with their halos.
        let last = if matches!(first.rank(), 2 | 4) { 1 } else { axis };
        if axis > last || first.shape[..axis].iter().any(|&extent| extent > 1) {
            return Err("operands alternate in memory".to_owned());
        }
        let (block, (_, before)) = (site.target.block(), site.operands.split_last().expect("it has operands"));
        let whole = || axis == 0 || before.iter().all(|ty| ty.shape[1] % block == 0);
        let blocked = site.layouts.contains(&Some(Layout::Blocked)) && matches!(first.rank(), 2 | 4) && whole();
        let layout = if blocked { Layout::Blocked } else { Layout::Plain };
        let operands = vec![Need::tensor(layout); site.operands.len()];
        Ok(Choice { operands, results: vec![layout], alias: true })
    },
    schedule: |_, _| Schedule::serial(),
    emit: |_, _, _, _| unreachable!("what is in place has no step"),
};

/// Channels in whole blocks: planes are copied as they lie.
const BLOCKS: Algorithm<Concat> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        if check::axis(op.axis, site.operands[0].rank()) != Ok(1) || !matches!(site.operands[0].rank(), 2 | 4) {
            return Err("it does not join channels".to_owned());
        }
        if !site.layouts.contains(&Some(Layout::Blocked)) {
            return Err("no operand is blocked".to_owned());
        }
        let block = site.target.block();
        let (_, before) = site.operands.split_last().ok_or("it has no operand")?;
        if let Some(ty) = before.iter().find(|ty| ty.shape[1] % block != 0) {
            return Err(format!("{} channels of an operand, no multiple of {block}", ty.shape[1]));
        }
        let operands = vec![Need::tensor(Layout::Blocked); site.operands.len()];
        Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
    },
    schedule: by_elements,
    emit: |_, work, _, e| {
        let result = e.result(0);
        let mut first = 0;
        for index in 0..work.operands.len() {
            let source = e.operand(index);
            let (from, to) = (source.storage, result.storage);
            let dense = from.dense() && to.dense();
            let (rows, width) = if dense { (1, from.h * from.w) } else { (from.h, from.w) };
            let copy = Copy {
                rows: rows as u32,
                len: (width * from.block) as u32,
                dst_pitch: to.pitch() as u32,
                src_pitch: from.pitch() as u32,
            };
            e.serial(from.n, |e, n| {
                e.parallel(from.blocks(), |e, c| {
                    e.call(Params::Copy(copy), vec![result.at(n, c + first, 0, 0), source.at(n, c, 0, 0)])
                })
            });
            first += from.blocks();
        }
    },
};

/// Row-major: every operand is a run of consecutive elements in each row of the result, which may have a halo.
const ROWS: Algorithm<Concat> = Algorithm {
    name: "rows",
    choose: |_, site| {
        let operands = vec![Need::dense(Layout::Plain); site.operands.len()];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule: by_elements,
    emit: |op, work, _, e| {
        let shape = &work.results[0].shape;
        let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
        let result = e.result(0);
        let strides: Vec<i64> = result.storage.strides(shape).into_iter().map(|stride| stride as i64).collect();
        let mut first = result.storage.origin() as i64;
        for index in 0..work.operands.len() {
            let part = &work.operands[index].ty().shape;
            let source = e.operand(index);
            let walks = [Walk::new(result.param, first, strides.clone()), Walk::plain(&source, part, part.len())];
            Nest::new(part, &walks).copy(e);
            first += part[axis] as i64 * strides[axis];
        }
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let table: [(i64, &[&[usize]], &str); 8] = [
            (1, &[&[1, 3, 4, 4], &[1, 5, 4, 4]], "f32[1, 8, 4, 4]"),
            (-1, &[&[1, 3], &[1, 5], &[1, 1]], "f32[1, 9]"),
            (0, &[&[3]], "f32[3]"),
            (1, &[&[1, 3, 4, 4], &[1, 5, 4, 3]], "operand 1 expects the shape [1, 3, 4, 4] but for dimension 1, gets [1, 5, 4, 3]"),
            (1, &[&[1, 3], &[1, 5, 1]], "operand 1 expects the shape [1, 3] but for dimension 1, gets [1, 5, 1]"),
            (2, &[&[1, 3], &[1, 5]], "expects an axis in -2 ..= 1, gets 2"),
            (0, &[&[], &[]], "operand 0 expects at least 1 dimension, gets 0"),
            (1, &[], "expects at least 1 operand, gets 0"),
        ];
        for (axis, shapes, expected) in table {
            assert_eq!(inferred(Concat { axis }, shapes), expected);
        }
        let half = 1_usize << 60;
        let found = inferred(Concat { axis: 0 }, &[&[half], &[half], &[half]]);
        assert!(found.starts_with("expects a tensor that memory can hold"), "{found}");
    }

    #[test]
    fn interleaves() {
        let (a, b): (&[f32], &[f32]) = (&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0]);
        let op = Concat { axis: 1 };
        assert_eq!(evaluated(op, &[(&[2, 1], a), (&[2, 2], b)]), [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    }

    /// The padding of what reads it is a halo, around which rows are written.
    #[test]
    fn joins_within_a_halo() {
        let text = "graph g\n%a = input : f32[2, 3, 4, 4]\n%b = input : f32[2, 4, 4, 4]\n\
            %both = concat(%a, %b) {axis = 1}\n%w = parameter : f32[5, 7, 3, 3]\n\
            %conv = conv(%both, %w) {bias = false, padding = [1, 1, 1, 1]}\noutput y = %conv";
        let graph: crate::Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let program = crate::compile(&graph, &crate::lower::Target::host()).expect("it lowers");
        assert_eq!(crate::lir::verify(&program), Ok(()));
    }

    #[test]
    fn calls() {
        assert_eq!(called("concat", &[&[1, 2], &[1, 2]], &[], &[]), "concat {axis = 1}");
        assert_eq!(called("concat", &[&[1], &[1]], &[], &[("axis", (-1_i64).into())]), "concat {axis = -1}");
    }
}
