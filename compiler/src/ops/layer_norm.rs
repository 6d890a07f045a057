//! Layer normalisation: each group of the dimensions from `axis` on by its own mean and variance.
//!
//! Ba, Kiros and Hinton, "Layer Normalization", arXiv:1607.06450, equation 4.

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLAG, FLOAT};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Operator, ParameterSpec, TypeError,
    check, normalization,
};
use crate::TensorType;
use crate::lower::nest::{Lines, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use super::add::Add;
use super::binary::{self, Binary};
use super::expand::Expand;
use super::mul::Mul;
use super::reduce::{self, Reduce};
use super::unary::{self, Unary};

/// `y = (x − mean) / √(variance + eps) · scale + bias`; operands X and, where there are any, the scale and the bias, of
/// the shape that X has from `axis` on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LayerNorm {
    /// The first dimension of a group, counted from the last where it is negative; the last unless given.
    pub axis: i64,
    /// Added to the variance; 1e-5 unless given.
    pub eps: f32,
}

impl Operator for LayerNorm {
    const NAME: &'static str = "layer_norm";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis).with("eps", self.eps)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let axis = arguments.read("axis", &AXIS)?.unwrap_or(-1);
        Ok(Self { axis, eps: arguments.read("eps", &FLOAT)?.unwrap_or(1e-5) })
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(&[])?;
        let op = Self::read(&mut arguments)?;
        let affine = arguments.read("affine", &FLAG)?.unwrap_or(true);
        arguments.finish()?;
        let types = call.types();
        op.infer(&types)?;
        let shape = &types[0].shape[check::axis(op.axis, types[0].rank())?..];
        let names = ["weight", "bias"].into_iter().filter(|_| affine);
        Ok(Construction { op: op.into(), parameters: names.map(|name| ParameterSpec::new(name, shape)).collect() })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        normalization::operands(operands)?;
        let shape = &operands[0].shape;
        let axis = check::axis(self.axis, shape.len())?;
        for (operand, name) in (1..operands.len()).zip(["scale", "bias"]) {
            check::shape(operands, operand, name, &shape[axis..])?;
        }
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let shape = operands[0].shape();
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        let group: usize = shape[axis..].iter().product();
        normalization::evaluate(operands, self.eps, |flat| [flat / group, flat % group])
    }

    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let shape = a.shape(a.operand(0));
        let axis = check::axis(self.axis, shape.len()).expect("the graph is verified");
        let [outer, group] = [&shape[..axis], &shape[axis..]].map(|dims| dims.iter().product());
        normalization::derive(a, self.eps, &[outer, group], &[1], &[1, group])
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "LayerNormalization", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[LINES];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], i64, usize); 5] = [
            (&[3, 17], -1, 3),
            (&[2, 3, 4, 5], 1, 3),
            (&[2, 3, 5], 2, 2),
            (&[2, 96], 1, 1),
            (&[5, 4], 0, 3),
        ];
        let case = |(shape, axis, operands): (&[usize], i64, usize)| {
            let op = Self { axis, eps: 1e-3 };
            let own = &shape[check::axis(axis, shape.len()).expect("of the table")..];
            let case = Case::new(format!("{operands} operands, {} of {shape:?}", op.attributes()), op);
            (1..operands).fold(case.input(shape).tolerance(1e-5), |case, _| case.weight(own))
        };
        TABLE.map(case).into()
    }
}

/// Scale and bias may broadcast. Mean and inverse deviation are for training.
fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let axis = node.int("axis")?.unwrap_or(-1);
    let eps = node.float("epsilon")?.unwrap_or(1e-5);
    node.ignore("stash_type");
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let first = check::axis(axis, shape.len()).map_err(|error| Unsupported::new(error.to_string()))?;
    let mut operands = vec![x.clone()];
    for index in 1..node.len() {
        let operand = node.operand(index)?;
        let whole = shape[first..].to_vec();
        operands.push(if node.ty(&operand).shape == whole { operand } else { node.apply(Expand { shape: whole }, &[operand])? });
    }
    let y = node.apply(LayerNorm { axis, eps }, &operands)?;
    if node.results() == 1 {
        return Ok(vec![y]);
    }
    let axes: Vec<i64> = (first..shape.len()).map(|dim| dim as i64).collect();
    let reduce = Reduce { function: reduce::Function::Mean, axes, keepdims: true };
    let mean = node.apply(reduce.clone(), std::slice::from_ref(&x))?;
    let sub = Binary { function: binary::Function::Sub };
    let centered = node.apply(sub, &[x, mean.clone()])?;
    let squared = node.apply(Mul::default(), &[centered.clone(), centered])?;
    let variance = node.apply(reduce, &[squared])?;
    let stable = node.apply(Add::default(), &[variance, Constant::scalar(eps).into()])?;
    let deviation = node.apply(Unary::new(unary::Function::Sqrt), &[stable])?;
    let inverse = node.apply(Unary::new(unary::Function::Reciprocal), &[deviation])?;
    Ok(vec![y, mean, inverse])
}

const LINES: Algorithm<LayerNorm> = Algorithm {
    name: "lines",
    choose: |_, site| {
        let operands = vec![Need::tensor(Layout::Plain); site.operands.len()];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule: |_, work| Schedule::of_elements(3 * work.storages[0].len()),
    emit: |op, work, _, e| {
        let shape = &work.results[0].shape;
        let axis = check::axis(op.axis, shape.len()).expect("the graph is verified");
        let mut walks = vec![Walk::plain(&e.result(0), shape, shape.len())];
        for (index, operand) in work.operands.iter().enumerate() {
            walks.push(Walk::plain(&e.operand(index), &operand.ty().shape, shape.len()));
        }
        let lines = Lines::new(shape, &walks, |dim| dim >= axis);
        let count = shape[axis..].iter().product();
        normalization::emit(e, &lines, count, op.eps, work.operands.len());
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = LayerNorm { axis: 1, eps: 1e-5 };
        assert_eq!(inferred(op, &[&[2, 3, 4]]), "f32[2, 3, 4]");
        assert_eq!(inferred(op, &[&[2, 3, 4], &[3, 4], &[3, 4]]), "f32[2, 3, 4]");
        assert_eq!(inferred(op, &[&[2, 3, 4], &[4]]), "operand 1 expects scale of shape [3, 4], gets [4]");
        assert_eq!(inferred(op, &[&[2]]), "expects an axis in -1 ..= 0, gets 1");
    }

    #[test]
    fn normalises() {
        let op = LayerNorm { axis: -1, eps: 0.0 };
        let found = evaluated(op, &[(&[2, 2], &[1.0, 3.0, 5.0, -5.0]), (&[2], &[1.0, 2.0]), (&[2], &[0.0, 0.5])]);
        assert_eq!(found, [-1.0, 2.5, 1.0, -1.5]);
    }

    #[test]
    fn calls() {
        assert_eq!(
            called("layer_norm", &[&[1, 8]], &[], &[]),
            "layer_norm {axis = -1, eps = 1e-5}, weight f32[8], bias f32[8]"
        );
        assert_eq!(
            called("layer_norm", &[&[1, 8]], &[], &[("affine", false.into())]),
            "layer_norm {axis = -1, eps = 1e-5}"
        );
    }
}
