//! The linear layer, `y[…, o] = Σᵢ x[…, i] · weight[o, i] + bias[o]`.
//!
//! Operands: X of shape N … I, weight O I, bias O where there is one, residual of the result's shape where there is
//! one. The result has the shape N … O.

mod lower;

use convoke_runtime::Tensor;

use super::arguments::{FLAG, SIZE};
use super::epilogue::each_activation;
use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Epilogue, Op, Operator, ParameterSpec,
    TypeError, check, weighted,
};
use crate::TensorType;
use crate::lower::Algorithm;
use super::add::Add;
use super::matmul::MatMul;
use super::mul::Mul;
use super::transpose::Transpose;
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};

/// `y = act(x · weightᵀ + bias + residual)`, along the last axis.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Linear {
    /// Whether there is a bias.
    pub bias: bool,
    /// What rides at its end.
    pub epilogue: Epilogue,
}

impl Operator for Linear {
    const NAME: &'static str = "linear";

    fn attributes(&self) -> Attributes {
        self.epilogue.attributes(Attributes::default().with_unless("bias", self.bias, true))
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let bias = arguments.read("bias", &FLAG)?.unwrap_or(true);
        Ok(Self { bias, epilogue: Epilogue::read(arguments)? })
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(&["features"])?;
        let outputs = arguments.need("features", &SIZE)?;
        let bias = arguments.read("bias", &FLAG)?.unwrap_or(true);
        let expected = arguments.read("in_features", &SIZE)?;
        arguments.finish()?;
        check::operands(&call.types(), &["x"])?;
        let inputs = features(&call.operands[0])?;
        if let Some(expected) = expected.filter(|expected| *expected != inputs) {
            return Err(TypeError::operand(0, format!("{expected} input features"), inputs).into());
        }
        let mut parameters = vec![ParameterSpec::new("weight", [outputs, inputs])];
        if bias {
            parameters.push(ParameterSpec::new("bias", [outputs]));
        }
        Ok(Construction { op: Self { bias, epilogue: Epilogue::default() }.into(), parameters })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &weighted::operands(self.bias, self.epilogue.residual))?;
        let found = features(operands[0])?;
        let [outputs, inputs] = operands[1].shape[..] else {
            return Err(TypeError::operand(1, "a weight of 2 dimensions (O I)", operands[1].rank()));
        };
        if found != inputs {
            return Err(TypeError::operand(0, format!("{inputs} input features"), found));
        }
        if self.bias {
            check::shape(operands, 2, "bias", &[outputs])?;
        }
        let mut shape = operands[0].shape.clone();
        shape.pop();
        shape.push(outputs);
        if self.epilogue.residual {
            check::shape(operands, operands.len() - 1, "residual", &shape)?;
        }
        check::result(shape)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, weight) = (operands[0], operands[1].data());
        let [outputs, inputs] = [0, 1].map(|dim| operands[1].shape()[dim]);
        let added = weighted::added(operands, self.bias, self.epilogue.residual);
        let mut shape = x.shape().to_vec();
        shape[x.shape().len() - 1] = outputs;
        let mut result = Tensor::zeros(&shape);
        for (i, y) in result.data_mut().iter_mut().enumerate() {
            let (row, o) = (i / outputs, i % outputs);
            let x = &x.data()[row * inputs..(row + 1) * inputs];
            let weight = &weight[o * inputs..(o + 1) * inputs];
            let product: f64 = x.iter().zip(weight).map(|(&x, &w)| f64::from(x) * f64::from(w)).sum();
            *y = self.epilogue.finish(product + added(i, o));
        }
        vec![result]
    }

    fn macs(&self, operands: &[&TensorType], results: &[TensorType]) -> u64 {
        weighted::macs(operands, results)
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(self.epilogue)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Op> {
        Some(Self { epilogue, ..*self }.into())
    }

    /// `x̄ = ȳ · weight`, `w̄eight = ȳᵀ · x` and `b̄ias = Σ ȳ` over rows.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        a.without(self.epilogue)?;
        let (y, [x, weight]) = (a.cotangent()?, [0, 1].map(|index| a.operand(index)));
        let [outputs, inputs] = [0, 1].map(|dim| a.shape(weight)[dim]);
        let rows = a.shape(y).iter().product::<usize>() / outputs;
        let transpose = Transpose { order: vec![1, 0] };
        a.give(0, |a| {
            let transposed = a.op(transpose.clone(), &[weight])?;
            a.op(Self { bias: false, ..*self }, &[y, transposed])
        })?;
        let y = a.reshape(y, &[rows, outputs])?;
        a.give(1, |a| {
            let (x, transposed) = (a.reshape(x, &[rows, inputs])?, a.op(transpose, &[y])?);
            a.op(MatMul, &[transposed, x])
        })?;
        if self.bias { a.give(2, |_| Ok(y)) } else { Ok(()) }
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Gemm", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        if e.shape(0).len() == 2 {
            return Ok(vec![e.node("Gemm", e.first(2 + usize::from(self.bias)), &[("transB", 1_i64.into())])]);
        }
        let transposed = e.node("Transpose", vec![e.operand(1)], &[("perm", [1_i64, 0].into())]);
        let product = e.node("MatMul", vec![e.operand(0), transposed], &[]);
        Ok(vec![if self.bias { e.node("Add", vec![product, e.operand(2)], &[]) } else { product }])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = lower::ALGORITHMS;

    fn cases() -> Vec<Case> {
        let case = |name: String, op: Self, x: &[usize], outputs: usize| {
            let inputs = x[x.len() - 1];
            let mut case = Case::new(name, op).input(x).weight([outputs, inputs]).tolerance(1e-5);
            if op.bias {
                case = case.weight([outputs]);
            }
            if op.epilogue.residual {
                let mut shape = x.to_vec();
                shape[x.len() - 1] = outputs;
                case = case.input(shape);
            }
            case
        };
        const SHAPES: [(&[usize], usize); 14] = [
            (&[1, 5], 3),
            (&[1, 1], 1),
            (&[1, 16], 16),
            (&[1, 64], 32),
            (&[1, 17], 15),
            (&[1, 63], 33),
            (&[1, 120], 84),
            (&[1, 400], 10),
            (&[2, 16], 17),
            (&[3, 8], 4),
            (&[14, 20], 48),
            (&[15, 12], 31),
            (&[2, 3, 8], 5),
            (&[2, 7, 3, 16], 16),
        ];
        let plain = Self { bias: true, epilogue: Epilogue::default() };
        let mut cases = Vec::new();
        for (x, outputs) in SHAPES {
            cases.push(case(format!("{x:?} to {outputs}"), plain, x, outputs));
            let unbiased = Self { bias: false, ..plain };
            cases.push(case(format!("{x:?} to {outputs} without bias"), unbiased, x, outputs));
        }
        for (name, activation) in each_activation() {
            for residual in [false, true] {
                let op = Self { epilogue: Epilogue { residual, activation }, ..plain };
                let prefix = if residual { "residual, " } else { "" };
                cases.push(case(format!("{prefix}then {name}"), op, &[2, 19], 35));
            }
        }
        cases
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (a, b) = (node.operand(0)?, node.operand(1)?);
    let [alpha, beta] = [node.float("alpha")?.unwrap_or(1.0), node.float("beta")?.unwrap_or(1.0)];
    let [trans_a, trans_b] = [node.flag("transA")?, node.flag("transB")?];
    let transposed = |node: &mut Node<'_, '_>, item: Item| node.apply(Transpose { order: vec![1, 0] }, &[item]);
    let a = if trans_a { transposed(node, a)? } else { a };
    let bias = node.optional(2);
    let rows = node.ty(&b).shape;
    let outputs = rows.get(usize::from(!trans_b)).copied().unwrap_or_default();
    if alpha != 1.0 || bias.as_ref().is_some_and(|bias| beta != 1.0 || node.ty(bias).shape != [outputs]) {
        let b = if trans_b { transposed(node, b)? } else { b };
        let mut y = node.apply(MatMul, &[a, b])?;
        let scaled = |node: &mut Node<'_, '_>, item: Item, factor: f32| match factor {
            1.0 => Ok(item),
            factor => node.apply(Mul::default(), &[item, Constant::scalar(factor).into()]),
        };
        y = scaled(node, y, alpha)?;
        if let Some(bias) = bias {
            let bias = scaled(node, bias, beta)?;
            y = node.apply(Add::default(), &[y, bias])?;
        }
        return Ok(vec![y]);
    }
    let b = if trans_b { b } else { transposed(node, b)? };
    let operands: Vec<_> = [a, b].into_iter().chain(bias.clone()).collect();
    Ok(vec![node.apply(Linear { bias: bias.is_some(), epilogue: Epilogue::default() }, &operands)?])
}

fn features(x: &TensorType) -> Result<usize, TypeError> {
    match x.shape[..] {
        [_, .., features] => Ok(features),
        _ => Err(TypeError::operand(0, "at least 2 dimensions (N … I)", x.rank())),
    }
}

#[cfg(test)]
mod tests {
    use convoke_runtime::Activation;

    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    const PLAIN: Linear = Linear { bias: true, epilogue: Epilogue { residual: false, activation: Activation::Identity } };

    #[test]
    fn shapes() {
        let table: [(&[&[usize]], &str); 7] = [
            (&[&[1, 120], &[84, 120], &[84]], "f32[1, 84]"),
            (&[&[2, 7, 7, 16], &[32, 16], &[32]], "f32[2, 7, 7, 32]"),
            (&[&[1, 121], &[84, 120], &[84]], "operand 0 expects 120 input features, gets 121"),
            (&[&[1, 120], &[84, 120], &[83]], "operand 2 expects bias of shape [84], gets [83]"),
            (&[&[1, 120], &[120], &[84]], "operand 1 expects a weight of 2 dimensions (O I), gets 1"),
            (&[&[120], &[84, 120], &[84]], "operand 0 expects at least 2 dimensions (N … I), gets 1"),
            (&[&[1, 120], &[84, 120]], "expects 3 operands (x, weight, bias), gets 2"),
        ];
        for (shapes, expected) in table {
            assert_eq!(inferred(PLAIN, shapes), expected);
        }
        let residual = Linear { bias: false, epilogue: Epilogue { residual: true, ..Epilogue::default() } };
        let table: [(&[&[usize]], &str); 3] = [
            (&[&[1, 120], &[84, 120], &[1, 84]], "f32[1, 84]"),
            (&[&[1, 120], &[84, 120], &[84]], "operand 2 expects residual of shape [1, 84], gets [84]"),
            (&[&[1, 120], &[84, 120]], "expects 3 operands (x, weight, residual), gets 2"),
        ];
        for (shapes, expected) in table {
            assert_eq!(inferred(residual, shapes), expected);
        }
    }

    #[test]
    fn multiplies() {
        let epilogue = Epilogue { residual: true, activation: Activation::Relu };
        let op = Linear { bias: true, epilogue };
        let operands: [(&[usize], &[f32]); 4] = [
            (&[2, 2], &[1.0, 2.0, 3.0, 4.0]),
            (&[3, 2], &[1.0, 0.0, 0.0, 1.0, -1.0, -1.0]),
            (&[3], &[0.5, 0.0, 0.0]),
            (&[2, 3], &[0.0, 0.0, 5.0, 0.0, 10.0, 0.0]),
        ];
        assert_eq!(evaluated(op, &operands), [1.5, 2.0, 2.0, 3.5, 14.0, 0.0]);
    }

    #[test]
    fn counts_macs() {
        let types = [[2, 120], [84, 120]].map(TensorType::f32);
        assert_eq!(PLAIN.macs(&types.each_ref(), &[TensorType::f32([2, 84])]), 2 * 84 * 120);
    }

    #[test]
    fn calls() {
        let x: &[usize] = &[1, 120];
        assert_eq!(called("linear", &[x], &[84_i64.into()], &[]), "linear {}, weight f32[84, 120], bias f32[84]");
        assert_eq!(
            called("linear", &[x], &[], &[("features", 84_i64.into()), ("bias", false.into())]),
            "linear {bias = false}, weight f32[84, 120]"
        );
        assert_eq!(called("linear", &[x], &[], &[]), "call: `features` is missing: a whole number of at least 1");
        assert_eq!(
            called("linear", &[x], &[84_i64.into()], &[("bais", false.into())]),
            "bais: `bais` is unknown; did you mean `bias`?"
        );
    }
}
