//! The k largest or smallest elements along one dimension, best first, and their places.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLAG, SIZE};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check};
use super::indexed::Reduction;
use super::scatter_elements::ScatterElements;
use crate::lir::{Binary, Compare, Expr, Reg};
use crate::lower::nest::{Elements, Lines, Walk};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// Two results: the elements, best first, and their places along `axis`, whole numbers. Of equal elements the first is
/// better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopK {
    /// How many.
    pub k: usize,
    /// Counted from the last dimension where it is negative; the last unless given.
    pub axis: i64,
    /// Whether the smallest are meant; false unless given.
    pub smallest: bool,
}

impl TopK {
    fn shape(self, shape: &[usize]) -> Result<Vec<usize>, TypeError> {
        let axis = check::axis(self.axis, shape.len())?;
        if self.k > shape[axis] {
            return Err(TypeError::operand(0, format!("at least {} elements along dimension {axis}", self.k), shape[axis]));
        }
        let mut result = shape.to_vec();
        result[axis] = self.k;
        Ok(result)
    }
}

impl Operator for TopK {
    const NAME: &'static str = "top_k";
    const POSITIONAL: &'static [&'static str] = &["k"];

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::default().with("k", self.k).with("axis", self.axis);
        attributes.with_unless("smallest", self.smallest, false)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let (k, axis) = (arguments.need("k", &SIZE)?, arguments.read("axis", &AXIS)?.unwrap_or(-1));
        Ok(Self { k, axis, smallest: arguments.read("smallest", &FLAG)?.unwrap_or(false) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        let dtype = check::numbers(operands, &["x"])?;
        let shape = self.shape(&operands[0].shape)?;
        Ok([check::result_of(dtype, shape.clone())?, check::result_of(DType::I64, shape)?].concat())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, shape) = (operands[0].data(), operands[0].shape());
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let to = self.shape(shape).expect("the graph is verified");
        let [mut values, mut places] = [Tensor::zeros(&to), Tensor::zeros(&to)];
        for line in 0..x.len() / extent {
            let start = |extent: usize| line / inner * extent * inner + line % inner;
            let at = |place: usize| x[start(extent) + place * inner];
            let mut order: Vec<usize> = (0..extent).collect();
            order.sort_by(|&a, &b| if self.smallest { at(a).total_cmp(&at(b)) } else { at(b).total_cmp(&at(a)) });
            for (rank, &place) in order[..self.k].iter().enumerate() {
                values.data_mut()[start(self.k) + rank * inner] = at(place);
                places.data_mut()[start(self.k) + rank * inner] = place as f32;
            }
        }
        vec![values, places]
    }

    /// `x̄` is ȳ of the values where they came from.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, indices, shape) = (a.cotangent()?, a.result(1), a.shape(a.operand(0)));
        a.give(0, |a| {
            let zeros = a.constant(&shape, &[0.0]);
            a.op(ScatterElements { axis: self.axis, reduction: Reduction::Add }, &[zeros, indices, y])
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "TopK", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[LINES];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], usize, i64, bool); 5] = [
            (&[3, 17], 5, -1, false),
            (&[2, 5, 9], 3, 1, true),
            (&[130], 130, 0, false),
            (&[1, 4], 1, 1, false),
            (&[6, 20], 2, 0, true),
        ];
        let case = |(shape, k, axis, smallest): (&[usize], usize, i64, bool)| {
            let op = Self { k, axis, smallest };
            let case = Case::new(format!("{} of {shape:?}", op.attributes()), op).tolerance(0.0);
            // Whole numbers, of which many are equal.
            case.input(shape).within(1.0, 9.0).of(DType::I64)
        };
        TABLE.map(case).into()
    }
}

/// `k` is an attribute before opset 10, an operand since; sorted is one of the orders that a caller gets who wants none.
fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let k = match node.int("k")? {
        Some(k) => k,
        None => node.need_ints(1)?.first().copied().unwrap_or(0),
    };
    let k = usize::try_from(k).map_err(|_| Unsupported::new(format!("k is {k}")))?;
    let axis = node.int("axis")?.unwrap_or(-1);
    let smallest = node.int("largest")? == Some(0);
    node.ignore("sorted");
    let x = node.operand(0)?;
    node.apply_all(TopK { k, axis, smallest }, &[x])
}

/// One after the other: each line is searched for the best of what is worse than the one before, or as good and after
/// it; then for the place of that.
const LINES: Algorithm<TopK> = Algorithm {
    name: "lines",
    choose: |_, _| {
        let results = vec![Layout::Plain; 2];
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results, alias: false })
    },
    schedule: |op, work| Schedule::of_elements(work.storage(0).len().saturating_mul(2 * op.k)),
    emit: |op, work, _, e| {
        let shape = &work.operands[0].ty().shape;
        let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
        let (source, values, places) = (e.operand(0), e.result(0), e.result(1));
        // Results stand still along a line: they are filled one by one.
        let result = |view| Walk::plain(&view, &work.results[0].shape, shape.len()).still(axis);
        let ranks = values.storage.strides(&work.results[0].shape)[axis];
        let count = Walk::count(e, shape.len(), axis, shape[axis]);
        let walks = [result(values), Walk::plain(&source, shape, shape.len()), count, result(places)];
        let (best, worst) = if op.smallest { (Binary::Min, f32::INFINITY) } else { (Binary::Max, f32::NEG_INFINITY) };
        Lines::new(shape, &walks, |dim| dim == axis).each(e, |e, line| {
            let lanes = line.lanes() as u32;
            let before = e.code.constant(lanes, -worst);
            let before_place = e.code.constant(lanes, -1.0);
            // An element if it comes after the one before, else `otherwise`.
            let after = |e: &mut Emitter<'_>, at: &Elements<'_>, value: Reg, otherwise: f32| {
                let (x, place) = (at.load(e, 1), at.load(e, 2));
                let (before, before_place) = (at.widen(e, before), at.widen(e, before_place));
                let otherwise = e.code.constant(e.code.lanes(x), otherwise);
                let equal = e.code.select(Compare::Lt, before_place, place, value, otherwise);
                let equal = e.code.select(Compare::Eq, x, before, equal, otherwise);
                let (a, b) = if op.smallest { (before, x) } else { (x, before) };
                e.code.select(Compare::Lt, a, b, value, equal)
            };
            e.serial(op.k, |e, rank| {
                let value = line.fold(e, worst, best, &|e, at| {
                    let x = at.load(e, 1);
                    after(e, at, x, worst)
                });
                let place = line.fold(e, f32::INFINITY, Binary::Min, &|e, at| {
                    let (x, place, value) = (at.load(e, 1), at.load(e, 2), at.widen(e, value));
                    let none = e.code.constant(e.code.lanes(x), f32::INFINITY);
                    let place = after(e, at, place, f32::INFINITY);
                    e.code.select(Compare::Eq, x, value, place, none)
                });
                line.store_at(e, 0, rank * ranks, value);
                line.store_at(e, 3, rank * ranks, place);
                e.code.set(before, Expr::Copy(value));
                e.code.set(before_place, Expr::Copy(place));
            });
        });
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = TopK { k: 2, axis: -1, smallest: false };
        assert_eq!(inferred(op, &[&[3, 4]]), "f32[3, 2], i64[3, 2]");
        assert_eq!(inferred(op, &[&[3, 1]]), "operand 0 expects at least 2 elements along dimension 1, gets 1");
    }

    #[test]
    fn best_first() {
        let x: &[f32] = &[1.0, 5.0, 5.0, 2.0];
        let of = |smallest| evaluated(TopK { k: 3, axis: 0, smallest }, &[(&[4], x)]);
        assert_eq!(of(false), [5.0, 5.0, 2.0]);
        assert_eq!(of(true), [1.0, 2.0, 5.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("top_k", &[&[1, 8]], &[3_i64.into()], &[]), "top_k {k = 3, axis = -1}");
    }
}
