//! Slices as Python's: of some dimensions every so manyth element, forwards or backwards.

use convoke_runtime::Tensor;

use super::arguments::AXES;
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, check, moved,
};
use super::pad::{Mode, Pad};
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, From, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `x[…, start:end:step, …]` along each of `axes`; the lists have equal lengths.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// The dimensions, counted from the last where they are negative.
    pub axes: Vec<i64>,
    /// The first element along each; counted from the end where negative, and cut to the dimension.
    pub starts: Vec<i64>,
    /// One past the last, in the direction of the step; counted and cut likewise.
    pub ends: Vec<i64>,
    /// From one element to the next, backwards where negative.
    pub steps: Vec<i64>,
}

/// The elements of one dimension: the first, the step, and how many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) step: i64,
    pub(super) count: usize,
}

/// Python's `range(*slice(start, end, step).indices(extent))`.
fn range(extent: usize, start: i64, end: i64, step: i64) -> Range {
    let extent = i64::try_from(extent).unwrap_or(i64::MAX);
    // Backwards the last possible end is before the first element.
    let (low, high) = if step > 0 { (0, extent) } else { (-1, extent - 1) };
    let place = |index: i64| if index < 0 { index.saturating_add(extent).max(low) } else { index.min(high) };
    let (first, end) = (place(start), place(end));
    let length = if step > 0 { end - first } else { first - end };
    let count = if length > 0 { (length.unsigned_abs() - 1) / step.unsigned_abs() + 1 } else { 0 };
    Range { first: first.max(0) as usize, step, count: count as usize }
}

impl Slice {
    /// For each dimension its elements.
    fn ranges(&self, shape: &[usize]) -> Result<Vec<Range>, TypeError> {
        let mut ranges: Vec<Range> = shape.iter().map(|&count| Range { first: 0, step: 1, count }).collect();
        let lengths = [self.starts.len(), self.ends.len(), self.steps.len()];
        if lengths != [self.axes.len(); 3] {
            let expected = format!("a start, an end and a step for each of {} axes", self.axes.len());
            return Err(TypeError::whole(expected, format!("{lengths:?}")));
        }
        let bounds = self.starts.iter().zip(&self.ends).zip(&self.steps);
        for (&axis, ((&start, &end), &step)) in self.axes.iter().zip(bounds) {
            let dim = check::axis(axis, shape.len())?;
            if step == 0 {
                return Err(TypeError::whole("a step other than 0", 0));
            }
            ranges[dim] = range(shape[dim], start, end, step);
        }
        Ok(ranges)
    }
}

impl Operator for Slice {
    const NAME: &'static str = "slice";

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("axes", self.axes.as_slice())
            .with("starts", self.starts.as_slice())
            .with("ends", self.ends.as_slice())
            .with("steps", self.steps.as_slice())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let [axes, starts, ends] =
            [arguments.need("axes", &AXES)?, arguments.need("starts", &AXES)?, arguments.need("ends", &AXES)?];
        Ok(Self { axes, starts, ends, steps: arguments.need("steps", &AXES)? })
    }

    /// By default from the first element to the last, by one.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(&[])?;
        let axes = arguments.need("axes", &AXES)?;
        let mut read = |name, usual| -> Result<Vec<i64>, CallError> {
            Ok(arguments.read(name, &AXES)?.unwrap_or_else(|| vec![usual; axes.len()]))
        };
        let (starts, ends, steps) = (read("starts", 0)?, read("ends", i64::MAX)?, read("steps", 1)?);
        arguments.finish()?;
        Ok(Self { axes, starts, ends, steps }.into())
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let ranges = self.ranges(&operands[0].shape)?;
        check::result_of(operands[0].dtype, ranges.iter().map(|range| range.count).collect::<Vec<_>>())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let ranges = self.ranges(operands[0].shape()).expect("the operands have types that the operator accepts");
        let shape: Vec<usize> = ranges.iter().map(|range| range.count).collect();
        let source = |(&index, range): (&usize, &Range)| (range.first as i64 + index as i64 * range.step) as usize;
        vec![moved::evaluate(operands[0], &shape, |index| Ok(index.iter().zip(&ranges).map(source).collect()))]
    }

    /// `x̄` is ȳ with zeros where nothing was taken; of steps other than 1, each element where it came from.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape) = (a.cotangent()?, a.shape(a.operand(0)));
        let ranges = self.ranges(&shape).expect("the graph is verified");
        if ranges.iter().any(|range| range.step != 1) {
            return a.give(0, |a| a.moved(self.clone()));
        }
        let before: Vec<i64> = ranges.iter().map(|range| range.first as i64).collect();
        let after = |(range, &extent): (&Range, &usize)| (extent - range.first - range.count) as i64;
        let after = ranges.iter().zip(&shape).map(after).collect();
        a.give(0, |a| a.op(Pad { before, after, mode: Mode::Constant, value: 0.0 }, &[y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Slice", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        type Row<'a> = (&'a [usize], &'a [i64], &'a [i64], &'a [i64], &'a [i64]);
        const TABLE: [Row<'_>; 8] = [
            (&[1, 5, 7, 9], &[2, 3], &[1, 1], &[-1, i64::MAX], &[1, 1]),
            (&[2, 5, 4, 19], &[3], &[1], &[18], &[2]),
            (&[2, 32, 3, 4], &[1], &[16], &[32], &[1]),
            (&[2, 20, 3, 4], &[1], &[3], &[9], &[1]),
            (&[1, 4, 5], &[-1, 0], &[-1, 0], &[i64::MIN, 1], &[-1, 1]),
            (&[9], &[0], &[7], &[0], &[-3]),
            (&[3, 40], &[0], &[1], &[3], &[1]),
            (&[4], &[], &[], &[], &[]),
        ];
        let case = |(shape, axes, starts, ends, steps): Row<'_>| {
            let [axes, starts, ends, steps] = [axes, starts, ends, steps].map(<[i64]>::to_vec);
            moved::case(Self { axes, starts, ends, steps }, shape)
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let missing = |what: &str| Unsupported::new(format!("its {what} are missing"));
    let starts = node.ints_of("starts", 1)?.ok_or_else(|| missing("starts"))?;
    let ends = node.ints_of("ends", 2)?.ok_or_else(|| missing("ends"))?;
    let axes = node.ints_of("axes", 3)?.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let steps = node.ints_operand(4)?.unwrap_or_else(|| vec![1; starts.len()]);
    node.unary(Slice { axes, starts, ends, steps })
}

/// One region: `ranges` of each dimension.
pub(super) fn region(ranges: &[Range]) -> Region {
    let steps = ranges.iter().enumerate().map(|(dim, range)| Step::along(range.count, dim, dim, range.step));
    let from = From::Source(ranges.iter().map(|range| range.first).collect());
    Region { steps: steps.collect(), to: vec![0; ranges.len()], from }
}

impl Movement for Slice {
    fn regions(&self, operand: &TensorType, _: &[TensorType], _: usize) -> Vec<Region> {
        vec![region(&self.ranges(&operand.shape).expect("the graph is verified"))]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    fn slice(start: i64, end: i64, step: i64) -> Slice {
        Slice { axes: vec![0], starts: vec![start], ends: vec![end], steps: vec![step] }
    }

    #[test]
    fn shapes() {
        assert_eq!(inferred(slice(1, 3, 1), &[&[5, 2]]), "f32[2, 2]");
        assert_eq!(inferred(slice(3, 1, 1), &[&[5, 2]]), "expects dimensions of at least 1, gets f32[0, 2]");
        assert_eq!(inferred(slice(1, 3, 0), &[&[5, 2]]), "expects a step other than 0, gets 0");
        let uneven = Slice { ends: vec![], ..slice(0, 1, 1) };
        assert_eq!(
            inferred(uneven, &[&[5]]),
            "expects a start, an end and a step for each of 1 axes, gets [1, 0, 1]"
        );
    }

    #[test]
    fn as_pythons() {
        type Row<'a> = ((i64, i64, i64), &'a [f32]);
        let table: [Row<'_>; 8] = [
            ((1, 3, 1), &[1.0, 2.0]),
            ((-2, i64::MAX, 1), &[3.0, 4.0]),
            ((-100, -3, 1), &[0.0, 1.0]),
            ((0, 5, 2), &[0.0, 2.0, 4.0]),
            ((-1, i64::MIN, -1), &[4.0, 3.0, 2.0, 1.0, 0.0]),
            ((3, 0, -2), &[3.0, 1.0]),
            ((100, -6, -4), &[4.0, 0.0]),
            ((0, 5, i64::MAX), &[0.0]),
        ];
        for ((start, end, step), expected) in table {
            let found = evaluated(slice(start, end, step), &[(&[5], &[0.0, 1.0, 2.0, 3.0, 4.0])]);
            assert_eq!(found, expected, "{start}:{end}:{step}");
        }
    }

    #[test]
    fn calls() {
        assert_eq!(
            called("slice", &[&[1, 8]], &[], &[("axes", 1_i64.into()), ("ends", 4_i64.into())]),
            "slice {axes = [1], starts = [0], ends = [4], steps = [1]}"
        );
    }
}
