//! What convolution and linear layer share: sums of products of X with a weight, then a bias and a residual, each of
//! which may be absent. The operands are X, weight, and those of the other two that there are, in this order.

use convoke_runtime::Tensor;

use crate::TensorType;

/// The operands' names.
pub(super) fn operands(bias: bool, residual: bool) -> Vec<&'static str> {
    let optional = [(bias, "bias"), (residual, "residual")];
    ["x", "weight"].into_iter().chain(optional.into_iter().filter(|named| named.0).map(|named| named.1)).collect()
}

/// What is added to the sums: to element `element` of the result, of output channel `channel`.
pub(super) fn added<'a>(operands: &[&'a Tensor], bias: bool, residual: bool) -> impl Fn(usize, usize) -> f64 + use<'a> {
    let mut rest = operands[2..].iter().map(|operand| operand.data());
    let [bias, residual] = [bias, residual].map(|given| if given { rest.next() } else { None });
    let at = |values: Option<&[f32]>, index: usize| values.map_or(0.0, |values| f64::from(values[index]));
    move |element, channel| at(bias, channel) + at(residual, element)
}

/// Multiply-accumulates: each element of the result sums over all dimensions of the weight but the first.
pub(super) fn macs(operands: &[&TensorType], results: &[TensorType]) -> u64 {
    let product = |dims: &[usize]| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim as u64));
    match (operands.get(1), results.first()) {
        (Some(weight), Some(result)) => {
            product(&result.shape).saturating_mul(product(weight.shape.get(1..).unwrap_or_default()))
        }
        _ => 0,
    }
}
