//! One-hot vectors: along a new dimension one value where it is counted to an index, another elsewhere.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLOAT, SIZE};
use super::{Arguments, Attributes, CallError, Case, Operator, TypeError, check};
use crate::lir::{Binary, Compare};
use crate::lower::elementwise::by_elements;
use crate::lower::nest::{Nest, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// `y[…, d, …] = on` where d is the index, else `off`; an index counts from the end where it is negative, and one beyond
/// `depth` has no place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OneHot {
    /// The extent of the new dimension.
    pub depth: usize,
    /// Its place in the result, counted from the last where it is negative; the last unless given.
    pub axis: i64,
    /// 1 unless given.
    pub on: f32,
    /// 0 unless given.
    pub off: f32,
}

impl OneHot {
    fn shape(self, indices: &[usize]) -> Result<(Vec<usize>, usize), TypeError> {
        let axis = check::axis(self.axis, indices.len() + 1)?;
        let mut shape = indices.to_vec();
        shape.insert(axis, self.depth);
        Ok((shape, axis))
    }
}

impl Operator for OneHot {
    const NAME: &'static str = "one_hot";
    const POSITIONAL: &'static [&'static str] = &["depth"];

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::default().with("depth", self.depth).with("axis", self.axis);
        attributes.with_unless("on", self.on, 1.0).with_unless("off", self.off, 0.0)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let (depth, axis) = (arguments.need("depth", &SIZE)?, arguments.read("axis", &AXIS)?.unwrap_or(-1));
        let on = arguments.read("on", &FLOAT)?.unwrap_or(1.0);
        Ok(Self { depth, axis, on, off: arguments.read("off", &FLOAT)?.unwrap_or(0.0) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::numbers(operands, &["indices"])?;
        check::result(self.shape(&operands[0].shape)?.0)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (shape, axis) = self.shape(operands[0].shape()).expect("the graph is verified");
        let inner: usize = shape[axis + 1..].iter().product();
        let mut result = Tensor::zeros(&shape);
        for (flat, y) in result.data_mut().iter_mut().enumerate() {
            let place = (flat / inner % self.depth) as f32;
            let index = operands[0].data()[flat / (inner * self.depth) * inner + flat % inner];
            let index = if index < 0.0 { index + self.depth as f32 } else { index };
            *y = if index == place { self.on } else { self.off };
        }
        vec![result]
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "OneHot", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[LOOPS];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], usize, i64); 4] = [(&[5], 11, -1), (&[2, 9], 3, 1), (&[7], 2, 0), (&[], 4, -1)];
        let case = |(shape, depth, axis): (&[usize], usize, i64)| {
            let op = Self { depth, axis, on: 2.0, off: 0.5 };
            let case = Case::new(format!("{} of {shape:?}", op.attributes()), op).tolerance(0.0);
            case.input(shape).within(-4.0, 12.0).of(DType::I64)
        };
        TABLE.map(case).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let missing = |what| Unsupported::new(format!("{what} must be known when the model is imported"));
    let numbers = |node: &Node<'_, '_>, index: usize| -> Result<Option<Vec<f32>>, Unsupported> {
        let constant = node.constant(index)?;
        Ok(constant.and_then(|constant| constant.run_time().ok()).map(|values| values.data().to_vec()))
    };
    let depth = numbers(node, 1)?.and_then(|depth| depth.first().copied()).ok_or_else(|| missing("the depth"))?;
    let values = numbers(node, 2)?.ok_or_else(|| missing("the values"))?;
    let [off, on] = values[..] else { return Err(Unsupported::new("there are not two values")) };
    let axis = node.int("axis")?.unwrap_or(-1);
    let indices = node.operand(0)?;
    Ok(vec![node.apply(OneHot { depth: depth as usize, axis, on, off }, &[indices])?])
}

const LOOPS: Algorithm<OneHot> = Algorithm {
    name: "loops",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::dense(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    schedule: by_elements,
    emit: |op, work, _, e| {
        let own = &work.operands[0].ty().shape;
        let (shape, axis) = op.shape(own).expect("the graph is verified");
        let (indices, result) = (e.operand(0), e.result(0));
        let missing: Vec<bool> = (0..shape.len()).map(|dim| dim == axis).collect();
        let count = Walk::count(e, shape.len(), axis, op.depth);
        let walks =
            [Walk::plain(&result, &shape, shape.len()), Walk::reduced(&indices, own, &missing), count];
        Nest::new(&shape, &walks).map(e, Default::default(), |e, values| {
            let (index, place) = (values[0], values[1]);
            let lanes = e.code.lanes(index);
            let [zero, depth, on, off] =
                [0.0, op.depth as f32, op.on, op.off].map(|value| e.code.constant(lanes, value));
            let from_end = e.code.binary(Binary::Add, index, depth);
            let index = e.code.select(Compare::Lt, index, zero, from_end, index);
            e.code.select(Compare::Eq, index, place, on, off)
        });
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = OneHot { depth: 3, axis: 1, on: 1.0, off: 0.0 };
        assert_eq!(inferred(op, &[&[2, 4]]), "f32[2, 3, 4]");
        assert_eq!(inferred(op, &[&[]]), "expects an axis in -1 ..= 0, gets 1");
    }

    #[test]
    fn marks() {
        let op = OneHot { depth: 3, axis: -1, on: 1.0, off: 0.0 };
        assert_eq!(evaluated(op, &[(&[2], &[1.0, -1.0])]), [0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("one_hot", &[&[4]], &[3_i64.into()], &[]), "one_hot {depth = 3, axis = -1}");
    }
}
