//! Softmax, `yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along one axis.
//!
//! Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990, equation 8.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLAG};
use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Constructor, Derived, Operator, TypeError,
    check, reshape,
};
use crate::TensorType;
use crate::lir::{Binary, math};
use crate::lower::nest::{Elements, Lines, Walk};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Work};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along `axis`, or its logarithm; X of any shape, Y of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Counted from the last dimension where it is negative; the last unless given.
    pub axis: i64,
    /// Whether the result is the logarithm of that; false unless given.
    pub log: bool,
}

impl Softmax {
    fn read_axis(arguments: &mut Arguments, log: bool) -> Result<Self, CallError> {
        Ok(Self { axis: arguments.read("axis", &AXIS)?.unwrap_or(-1), log })
    }
}

fn call(log: bool, call: &mut Call<'_>) -> Result<Construction, CallError> {
    let mut arguments = call.arguments(&[])?;
    let op = Softmax::read_axis(&mut arguments, log)?;
    arguments.finish()?;
    Ok(op.into())
}

impl Operator for Softmax {
    const NAME: &'static str = "softmax";

    const CALLS: &'static [(&'static str, Constructor)] =
        &[("softmax", |made| call(false, made)), ("log_softmax", |made| call(true, made))];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis).with_unless("log", self.log, false)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let log = arguments.read("log", &FLAG)?.unwrap_or(false);
        Self::read_axis(arguments, log)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x"])?;
        check::axis(self.axis, operands[0].rank())?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let x = operands[0];
        let shape = x.shape();
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        let stride: usize = shape[axis + 1..].iter().product();
        let len = shape[axis];
        let mut result = Tensor::zeros(shape);
        for start in (0..x.data().len()).filter(|flat| (flat / stride).is_multiple_of(len)) {
            let line = || (0..len).map(|i| start + i * stride);
            let largest = line().map(|i| x.data()[i]).fold(f32::NEG_INFINITY, f32::max);
            // A common factor changes nothing, and keeps exp in range.
            let exp = |i: usize| (f64::from(x.data()[i]) - f64::from(largest)).exp();
            let sum: f64 = line().map(exp).sum();
            for i in line() {
                let difference = f64::from(x.data()[i]) - f64::from(largest);
                result.data_mut()[i] = if self.log { difference - sum.ln() } else { exp(i) / sum } as f32;
            }
        }
        vec![result]
    }

    /// `x̄ = y · (ȳ − Σ ȳ·y)`; of the logarithm `x̄ = ȳ − softmax(x) · Σ ȳ`.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (cotangent, x, y) = (a.cotangent()?, a.operand(0), a.result(0));
        let axis = check::axis(self.axis, a.shape(y).len()).expect("the graph is verified");
        a.give(0, |a| {
            if self.log {
                let (share, sum) = (a.op(Self { log: false, ..*self }, &[x])?, a.sum(cotangent, &[axis])?);
                let share = a.mul(share, sum)?;
                return a.sub(cotangent, share);
            }
            let product = a.mul(cotangent, y)?;
            let sum = a.sum(product, &[axis])?;
            let difference = a.sub(cotangent, sum)?;
            a.mul(difference, y)
        })
    }

    const ONNX: &'static [Rule] = &[
        Rule { operator: "Softmax", import: |node| import(node, false) },
        Rule { operator: "LogSoftmax", import: |node| import(node, true) },
    ];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole(if self.log { "LogSoftmax" } else { "Softmax" }, &[("axis", self.axis.into())])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[LOOPS];

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[usize]); 13] = [
            (-1, &[1, 10]),
            (-1, &[2, 16]),
            (-1, &[3, 17]),
            (-1, &[1, 1000]),
            (-1, &[5, 1]),
            (0, &[5, 3]),
            (0, &[7]),
            (1, &[2, 17, 3, 3]),
            (1, &[1, 16, 4, 4]),
            (2, &[2, 3, 5, 4]),
            (3, &[1, 3, 5, 15]),
            (-4, &[2, 3, 2, 2]),
            (1, &[2, 3, 4]),
        ];
        let case = |(axis, shape): (i64, &[usize])| {
            let op = Self { axis, log: false };
            Case::new(format!("axis {axis} of {shape:?}"), op).input(shape).within(-10.0, 10.0)
        };
        let log = [(-1, vec![3, 17]), (1, vec![2, 5, 3, 3])].map(|(axis, shape)| {
            let op = Self { axis, log: true };
            Case::new(format!("log, axis {axis} of {shape:?}"), op).input(shape).within(-10.0, 10.0)
        });
        TABLE.map(case).into_iter().chain(log).collect()
    }
}

fn import(node: &mut Node<'_, '_>, log: bool) -> Result<Vec<Item>, Unsupported> {
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    if node.opset() >= 13 {
        let axis = node.int("axis")?.unwrap_or(-1);
        return node.unary(Softmax { axis, log });
    }
    // All dimensions from the axis on are one.
    let axis = node.int("axis")?.unwrap_or(1);
    let axis = check::axis(axis, shape.len()).map_err(|error| Unsupported::new(error.to_string()))?;
    let (outer, inner) = shape.split_at(axis);
    let rows = reshape::to(node, x, &[outer.iter().product(), inner.iter().product()])?;
    let result = node.apply(Softmax { axis: -1, log }, &[rows])?;
    Ok(vec![reshape::to(node, result, &shape)?])
}

const LOOPS: Algorithm<Softmax> = Algorithm {
    name: "loops",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    // An exponential costs about as much as moving 16 elements.
    schedule: |_, work| Schedule::of_elements(16 * work.storages[0].len()),
    emit,
};

/// For each line along the axis: its maximum, the sum of exp(x − maximum), and the quotients; or with logarithms
/// x − maximum − ln(sum).
fn emit(op: &Softmax, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let shape = &work.results[0].shape;
    let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
    let (source, result) = (e.operand(0), e.result(0));
    let walks = [result, source].map(|view| Walk::plain(&view, shape, shape.len()));
    Lines::new(shape, &walks, |dim| dim == axis).each(e, |e, line| {
        let largest = line.fold(e, f32::NEG_INFINITY, Binary::Max, &|e, at| at.load(e, 1));
        let difference = |e: &mut Emitter<'_>, at: &Elements<'_>| {
            let (x, largest) = (at.load(e, 1), at.widen(e, largest));
            e.code.binary(Binary::Sub, x, largest)
        };
        if op.log {
            let sum = line.fold(e, 0.0, Binary::Add, &|e, at| {
                let difference = difference(e, at);
                math::exp(&mut e.code, difference)
            });
            let log = math::log(&mut e.code, sum);
            line.map(e, &|e, at| {
                let (difference, log) = (difference(e, at), at.widen(e, log));
                e.code.binary(Binary::Sub, difference, log)
            });
        } else {
            line.map(e, &|e, at| {
                let difference = difference(e, at);
                math::exp(&mut e.code, difference)
            });
            let sum = line.fold(e, 0.0, Binary::Add, &|e, at| at.load(e, 0));
            line.map(e, &|e, at| {
                let (power, sum) = (at.load(e, 0), at.widen(e, sum));
                e.code.binary(Binary::Div, power, sum)
            });
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let table: [(i64, &[usize], &str); 5] = [
            (-1, &[1, 10], "f32[1, 10]"),
            (1, &[1, 8, 4, 4], "f32[1, 8, 4, 4]"),
            (2, &[1, 10], "expects an axis in -2 ..= 1, gets 2"),
            (i64::MIN, &[1, 10], "expects an axis in -2 ..= 1, gets -9223372036854775808"),
            (-1, &[], "operand 0 expects at least 1 dimension, gets 0"),
        ];
        for (axis, shape, expected) in table {
            assert_eq!(inferred(Softmax { axis, log: false }, &[shape]), expected);
        }
    }

    #[test]
    fn sums_to_one_along_its_axis() {
        let x: &[f32] = &[0.0, 100.0, 0.0, 100.0 + 3.0_f32.ln()];
        let columns = evaluated(Softmax { axis: 0, log: false }, &[(&[2, 2], x)]);
        for (found, expected) in columns.into_iter().zip([0.5, 0.25, 0.5, 0.75]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        let rows = evaluated(Softmax { axis: 1, log: false }, &[(&[2, 2], x)]);
        assert!(rows[0] > 0.0 && rows[0] < 1e-40 && rows[1] == 1.0, "{rows:?}");
    }

    #[test]
    fn calls() {
        assert_eq!(called("softmax", &[&[1, 10]], &[], &[]), "softmax {axis = -1}");
        assert_eq!(
            called("softmax", &[&[1, 10]], &[], &[("axis", 0.5_f32.into())]),
            "axis: `axis` expects a whole number, found 0.5"
        );
    }
}
