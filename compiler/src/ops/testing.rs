//! What the operators' unit tests share: shape rules, calls and naive definitions as rows of text and numbers.

use convoke_runtime::Tensor;

use super::{Attribute, Call, CallError, Op};
use crate::TensorType;

/// What `op` infers of operands of these shapes: `f32[1, 2]`, or `operand 0 expects 64 input channels, gets 32`.
pub(super) fn inferred(op: impl Into<Op>, shapes: &[&[usize]]) -> String {
    let types: Vec<TensorType> = shapes.iter().map(|&shape| TensorType::f32(shape)).collect();
    match op.into().infer(&types.iter().collect::<Vec<_>>()) {
        Ok(results) => results.iter().map(TensorType::to_string).collect::<Vec<_>>().join(", "),
        Err(error) => match error.operand {
            Some(operand) => format!("operand {operand} {error}"),
            None => error.to_string(),
        },
    }
}

/// What the call `name(tensors, positional, named)` makes: `conv {stride = [1, 1]}, weight f32[8, 3, 3, 3]`; or where
/// and what is wrong with it: `stride: …`, `argument 1: …`, `tensor 0: …`, `call: …`.
pub(super) fn called(name: &str, shapes: &[&[usize]], positional: &[Attribute], named: &[(&str, Attribute)]) -> String {
    let operands: Vec<TensorType> = shapes.iter().map(|&shape| TensorType::f32(shape)).collect();
    let named = named.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
    let mut call = Call { operands: &operands, positional: positional.to_vec(), named };
    match Op::call(name, &mut call).expect("a name that can be called") {
        Ok(made) => {
            let mut text = format!("{} {}", made.op.name(), made.op.attributes());
            for parameter in made.parameters {
                text.push_str(&format!(", {} {}", parameter.suffix, parameter.ty));
            }
            text
        }
        Err(error) => match &error {
            CallError::Positional(place, message) => format!("argument {place}: {message}"),
            CallError::Named(argument, message) => format!("{argument}: {message}"),
            CallError::Operand(place, message) => format!("tensor {place}: {message}"),
            CallError::Call(message) => format!("call: {message}"),
        },
    }
}

/// The elements of the result of `op` on these operands.
pub(super) fn evaluated(op: impl Into<Op>, operands: &[(&[usize], &[f32])]) -> Vec<f32> {
    let tensors: Vec<Tensor> = operands
        .iter()
        .map(|(shape, elements)| Tensor::from_slice(shape, elements).expect("as many elements as the shape has"))
        .collect();
    let results = op.into().evaluate(&tensors.iter().collect::<Vec<_>>());
    results[0].data().to_vec()
}
