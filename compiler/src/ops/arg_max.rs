//! The place of the largest or smallest element along one dimension.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLAG};
use super::{Arguments, Attributes, Call, CallError, Case, Construction, Constructor, Operator, TypeError, check};
use crate::lir::{Binary, Compare, FunctionBuilder, Reg};
use crate::lower::nest::{Lines, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// `argmaxᵢ x[…, i, …]`, or argmin: whole numbers. Of equal elements the first, or the last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArgMax {
    /// Counted from the last dimension where it is negative; the last unless given.
    pub axis: i64,
    /// Whether the dimension stays, as 1; false unless given, as PyTorch's.
    pub keepdims: bool,
    /// Whether the smallest is meant; false unless given.
    pub smallest: bool,
    /// Whether of equal elements the last is meant; false unless given.
    pub last: bool,
}

impl ArgMax {
    fn read_rest(arguments: &mut Arguments, smallest: bool) -> Result<Self, CallError> {
        let axis = arguments.read("axis", &AXIS)?.unwrap_or(-1);
        let mut flag = |name| Ok::<bool, CallError>(arguments.read(name, &FLAG)?.unwrap_or(false));
        Ok(Self { axis, keepdims: flag("keepdims")?, smallest, last: flag("last")? })
    }

    fn shape(self, shape: &[usize]) -> Result<Vec<usize>, TypeError> {
        let axis = check::axis(self.axis, shape.len())?;
        let mut result = shape.to_vec();
        if self.keepdims {
            result[axis] = 1;
        } else {
            result.remove(axis);
        }
        Ok(result)
    }
}

fn call(smallest: bool, call: &mut Call<'_>) -> Result<Construction, CallError> {
    let mut arguments = call.arguments(&[])?;
    let op = ArgMax::read_rest(&mut arguments, smallest)?;
    arguments.finish()?;
    Ok(op.into())
}

impl Operator for ArgMax {
    const NAME: &'static str = "arg_max";

    const CALLS: &'static [(&'static str, Constructor)] =
        &[("arg_max", |made| call(false, made)), ("arg_min", |made| call(true, made))];

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("axis", self.axis)
            .with_unless("keepdims", self.keepdims, false)
            .with_unless("smallest", self.smallest, false)
            .with_unless("last", self.last, false)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let smallest = arguments.read("smallest", &FLAG)?.unwrap_or(false);
        Self::read_rest(arguments, smallest)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::numbers(operands, &["x"])?;
        check::result_of(DType::I64, self.shape(&operands[0].shape)?)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, shape) = (operands[0].data(), operands[0].shape());
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut result = Tensor::zeros(&self.shape(shape).expect("the graph is verified"));
        for (line, y) in result.data_mut().iter_mut().enumerate() {
            let start = line / inner * extent * inner + line % inner;
            let at = |index: usize| if self.smallest { -x[start + index * inner] } else { x[start + index * inner] };
            let better = |best: usize, index: usize| at(index) > at(best) || (self.last && at(index) == at(best));
            *y = (1..extent).fold(0, |best, index| if better(best, index) { index } else { best }) as f32;
        }
        vec![result]
    }

    const ONNX: &'static [Rule] = &[
        Rule { operator: "ArgMax", import: |node| import(node, false) },
        Rule { operator: "ArgMin", import: |node| import(node, true) },
    ];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[LINES];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], i64, bool); 5] =
            [(&[3, 17], -1, false), (&[2, 5, 9], 1, true), (&[130], 0, false), (&[2, 1], 1, false), (&[6, 20], 0, true)];
        let mut cases = Vec::new();
        for (shape, axis, keepdims) in TABLE {
            for (smallest, last) in [(false, false), (true, false), (false, true)] {
                let op = Self { axis, keepdims, smallest, last };
                let case = Case::new(format!("{} of {shape:?}", op.attributes()), op).tolerance(0.0);
                // Whole numbers, of which many are equal.
                cases.push(case.input(shape).within(-3.0, 3.0).of(DType::I64));
            }
        }
        cases
    }
}

fn import(node: &mut Node<'_, '_>, smallest: bool) -> Result<Vec<Item>, Unsupported> {
    let axis = node.int("axis")?.unwrap_or(0);
    let keepdims = node.int("keepdims")?.unwrap_or(1) != 0;
    let last = node.flag("select_last_index")?;
    node.unary(ArgMax { axis, keepdims, smallest, last })
}

/// The extreme of each line, then the least or greatest place of what equals it.
const LINES: Algorithm<ArgMax> = Algorithm {
    name: "lines",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    schedule: |_, work| Schedule::of_elements(2 * work.storage(0).len()),
    emit: |op, work, _, e| {
        let shape = &work.operands[0].ty().shape;
        let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
        let (source, result) = (e.operand(0), e.result(0));
        let missing: Vec<bool> = (0..shape.len()).map(|dim| dim == axis).collect();
        let to = if op.keepdims {
            Walk::plain(&result, &work.results[0].shape, shape.len())
        } else {
            Walk::reduced(&result, &work.results[0].shape, &missing)
        };
        let places = Walk::count(e, shape.len(), axis, shape[axis]);
        let walks = [to, Walk::plain(&source, shape, shape.len()), places];
        let (largest, first) = (if op.smallest { Binary::Min } else { Binary::Max }, !op.last);
        let (combine, none) = if first { (Binary::Min, f32::INFINITY) } else { (Binary::Max, -1.0) };
        let start = if op.smallest { f32::INFINITY } else { f32::NEG_INFINITY };
        Lines::new(shape, &walks, |dim| dim == axis).each(e, |e, line| {
            let extreme = line.fold(e, start, largest, &|e, at| at.load(e, 1));
            let place = line.fold(e, none, combine, &|e, at| {
                let (x, place, extreme) = (at.load(e, 1), at.load(e, 2), at.widen(e, extreme));
                let none = e.code.constant(e.code.lanes(x), none);
                e.code.select(Compare::Eq, x, extreme, place, none)
            });
            // No element equals the extreme of NaNs.
            let place = within(&mut e.code, place, shape[axis]);
            line.store(e, place);
        });
    },
};

/// `place`, or the nearest of so many places.
fn within(f: &mut FunctionBuilder, place: Reg, count: usize) -> Reg {
    let [low, high] = [0.0, (count - 1) as f32].map(|bound| f.constant(f.lanes(place), bound));
    let place = f.binary(Binary::Max, low, place);
    f.binary(Binary::Min, high, place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    fn op(keepdims: bool, smallest: bool, last: bool) -> ArgMax {
        ArgMax { axis: 1, keepdims, smallest, last }
    }

    #[test]
    fn shapes() {
        assert_eq!(inferred(op(true, false, false), &[&[2, 3, 4]]), "i64[2, 1, 4]");
        assert_eq!(inferred(op(false, false, false), &[&[2, 3, 4]]), "i64[2, 4]");
        assert_eq!(inferred(op(false, false, false), &[&[2]]), "expects an axis in -1 ..= 0, gets 1");
    }

    #[test]
    fn finds() {
        let x: &[f32] = &[1.0, 5.0, 5.0, 2.0, 0.0, 0.0];
        let of = |op| evaluated(op, &[(&[2, 3], x)]);
        assert_eq!(of(op(false, false, false)), [1.0, 0.0]);
        assert_eq!(of(op(false, false, true)), [2.0, 0.0]);
        assert_eq!(of(op(false, true, false)), [0.0, 1.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("arg_max", &[&[1, 8]], &[], &[]), "arg_max {axis = -1}");
        assert_eq!(called("arg_min", &[&[1, 8]], &[], &[]), "arg_max {axis = -1, smallest = true}");
    }
}
