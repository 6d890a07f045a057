//! Running sums along one dimension, `y[i] = Σ x[j]` over j up to i.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLAG};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check};
use crate::TensorType;
use crate::lower::nest::{Lines, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// Running sums along `axis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cumsum {
    /// Counted from the last dimension where it is negative.
    pub axis: i64,
    /// Whether an element is left out of its own sum; false unless given.
    pub exclusive: bool,
    /// Whether sums run from the last element to the first; false unless given.
    pub reverse: bool,
}

impl Operator for Cumsum {
    const NAME: &'static str = "cumsum";
    const POSITIONAL: &'static [&'static str] = &["axis"];

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::default().with("axis", self.axis);
        attributes.with_unless("exclusive", self.exclusive, false).with_unless("reverse", self.reverse, false)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let axis = arguments.need("axis", &AXIS)?;
        let exclusive = arguments.read("exclusive", &FLAG)?.unwrap_or(false);
        Ok(Self { axis, exclusive, reverse: arguments.read("reverse", &FLAG)?.unwrap_or(false) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::numbers(operands, &["x"])?;
        check::axis(self.axis, operands[0].rank())?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, shape) = (operands[0].data(), operands[0].shape());
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
        let mut result = Tensor::zeros(shape);
        for (flat, y) in result.data_mut().iter_mut().enumerate() {
            let own = flat / inner % extent;
            let first = flat - own * inner;
            let counts = |other: usize| match (self.reverse, self.exclusive) {
                (false, false) => other <= own,
                (false, true) => other < own,
                (true, false) => other >= own,
                (true, true) => other > own,
            };
            let terms = (0..extent).filter(|&other| counts(other));
            *y = terms.map(|other| f64::from(x[first + other * inner])).sum::<f64>() as f32;
        }
        vec![result]
    }

    /// `x̄` is the running sum of ȳ from the other end.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        a.give(0, |a| a.op(Self { reverse: !self.reverse, ..*self }, &[y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "CumSum", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[LINES];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], i64, bool, bool); 5] = [
            (&[3, 17], -1, false, false),
            (&[2, 5, 9], 1, true, false),
            (&[2, 5, 3], 0, false, true),
            (&[20], 0, true, true),
            (&[4, 1], 1, false, false),
        ];
        let case = |(shape, axis, exclusive, reverse): (&[usize], i64, bool, bool)| {
            let op = Self { axis, exclusive, reverse };
            Case::new(format!("{} of {shape:?}", op.attributes()), op).input(shape)
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let axis = node.need_ints(1)?.first().copied().unwrap_or(0);
    let (exclusive, reverse) = (node.flag("exclusive")?, node.flag("reverse")?);
    let x = node.operand(0)?;
    Ok(vec![node.apply(Cumsum { axis, exclusive, reverse }, &[x])?])
}

const LINES: Algorithm<Cumsum> = Algorithm {
    name: "lines",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    schedule: |_, work| Schedule::of_elements(work.storage(0).len()),
    emit: |op, work, _, e| {
        let shape = &work.results[0].shape;
        let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
        let walks = [e.result(0), e.operand(0)].map(|view| {
            let walk = Walk::plain(&view, shape, shape.len());
            if op.reverse { walk.reversed(axis, shape[axis]) } else { walk }
        });
        Lines::new(shape, &walks, |dim| dim == axis).each(e, |e, line| line.running_sum(e, op.exclusive));
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = Cumsum { axis: 1, exclusive: false, reverse: false };
        assert_eq!(inferred(op, &[&[3, 4]]), "f32[3, 4]");
        assert_eq!(inferred(op, &[&[3]]), "expects an axis in -1 ..= 0, gets 1");
    }

    #[test]
    fn sums() {
        let of = |exclusive, reverse| {
            evaluated(Cumsum { axis: 0, exclusive, reverse }, &[(&[3], &[1.0, 2.0, 4.0])])
        };
        assert_eq!(of(false, false), [1.0, 3.0, 7.0]);
        assert_eq!(of(true, false), [0.0, 1.0, 3.0]);
        assert_eq!(of(false, true), [7.0, 6.0, 4.0]);
        assert_eq!(of(true, true), [6.0, 4.0, 0.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("cumsum", &[&[1, 8]], &[1_i64.into()], &[]), "cumsum {axis = 1}");
    }
}
