//! Softmax, `yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along one axis.
//!
//! Bridle, "Probabilistic Interpretation of Feedforward Classification Network Outputs", 1990, equation 8.

use convoke_runtime::Tensor;

use super::arguments::AXIS;
use super::export::{Exported, Exporter};
use super::{Arguments, Attributes, CallError, Case, Operator, TypeError, check, reshape};
use crate::TensorType;
use crate::lir::{Affine, Binary, Expr, math};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Work};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `yᵢ = exp(xᵢ) / Σⱼ exp(xⱼ)` along `axis`; X of any shape, Y of the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Softmax {
    /// Counted from the last dimension where it is negative; the last unless given.
    pub axis: i64,
}

impl Operator for Softmax {
    const NAME: &'static str = "softmax";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { axis: arguments.read("axis", &AXIS)?.unwrap_or(-1) })
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
                result.data_mut()[i] = (exp(i) / sum) as f32;
            }
        }
        vec![result]
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Softmax", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("Softmax", &[("axis", self.axis.into())])
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
            Case::new(format!("axis {axis} of {shape:?}"), Self { axis }).input(shape).within(-10.0, 10.0)
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    if node.opset() >= 13 {
        let axis = node.int("axis")?.unwrap_or(-1);
        return node.unary(Softmax { axis });
    }
    // All dimensions from the axis on are one.
    let axis = node.int("axis")?.unwrap_or(1);
    let axis = check::axis(axis, shape.len()).map_err(|error| Unsupported::new(error.to_string()))?;
    let (outer, inner) = shape.split_at(axis);
    let rows = reshape::to(node, x, &[outer.iter().product(), inner.iter().product()])?;
    let result = node.apply(Softmax { axis: -1 }, &[rows])?;
    Ok(vec![reshape::to(node, result, &shape)?])
}

const LOOPS: Algorithm<Softmax> = Algorithm {
    name: "loops",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::dense(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    // An exponential costs about as much as moving 16 elements.
    schedule: |_, work| Schedule::of_elements(16 * work.storages[0].len()),
    emit,
};

/// For each row along the axis: its maximum, exp(x − maximum) and their sum in order, the quotients.
fn emit(op: &Softmax, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let shape = &work.results[0].shape;
    let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
    let (extent, inner) = (shape[axis], shape[axis + 1..].iter().product::<usize>());
    let outer: usize = shape[..axis].iter().product();
    let (source, result) = (e.operand(0), e.result(0));
    let row = |e: &mut Emitter<'_>, start: Affine| {
        let largest = e.code.constant(1, f32::NEG_INFINITY);
        e.serial(extent, |e, i| {
            let x = e.code.load(1, source.element(&start + i * inner));
            e.code.set(largest, Expr::Binary(Binary::Max, x, largest));
        });
        let sum = e.code.constant(1, 0.0);
        e.serial(extent, |e, i| {
            let x = e.code.load(1, source.element(&start + i * inner));
            let difference = e.code.binary(Binary::Sub, x, largest);
            let power = math::exp(&mut e.code, difference);
            e.code.set(sum, Expr::Binary(Binary::Add, sum, power));
            e.code.store(result.element(&start + i * inner), power);
        });
        e.serial(extent, |e, i| {
            let power = e.code.load(1, result.element(&start + i * inner));
            let quotient = e.code.binary(Binary::Div, power, sum);
            e.code.store(result.element(&start + i * inner), quotient);
        });
    };
    let by_outer = outer >= inner;
    e.divide(outer, by_outer, |e, o| e.divide(inner, !by_outer, |e, i| row(e, o * (extent * inner) + i)));
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
            assert_eq!(inferred(Softmax { axis }, &[shape]), expected);
        }
    }

    #[test]
    fn sums_to_one_along_its_axis() {
        let x: &[f32] = &[0.0, 100.0, 0.0, 100.0 + 3.0_f32.ln()];
        let columns = evaluated(Softmax { axis: 0 }, &[(&[2, 2], x)]);
        for (found, expected) in columns.into_iter().zip([0.5, 0.25, 0.5, 0.75]) {
            assert!((found - expected).abs() < 1e-6, "{found} for {expected}");
        }
        let rows = evaluated(Softmax { axis: 1 }, &[(&[2, 2], x)]);
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
