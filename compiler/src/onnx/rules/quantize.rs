//! Numbers of few bits: whole ones that stand for `(whole − zero) · scale`. They are computed as float32 what they stand
//! for, or what they are where that is exact: sums of their products, up to 2²⁴. Weights are decoded when the model is
//! imported, and are parameters then.
//!
//! Jacob et al., "Quantization and Training of Neural Networks for Efficient Integer-Arithmetic-Only Inference",
//! arXiv:1712.05877, sections 2.1 and 2.2.

use convoke_runtime::DType;

use super::composite::dimension;
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::ops::add::Add;
use crate::ops::binary::{Binary, Function};
use crate::ops::cast::Cast;
use crate::ops::clip::Clip;
use crate::ops::expand::Expand;
use crate::ops::matmul::MatMul;
use crate::ops::mul::Mul;
use crate::ops::reduce::{self, Reduce};
use crate::ops::unary::{self, Unary};
use crate::ops::{broadcast, conv, reshape};

pub(super) const RULES: &[Rule] = &[
    Rule { operator: "QuantizeLinear", import: quantize_linear },
    Rule { operator: "DequantizeLinear", import: dequantize_linear },
    Rule { operator: "DynamicQuantizeLinear", import: dynamic_quantize_linear },
    Rule { operator: "ConvInteger", import: conv_integer },
    Rule { operator: "MatMulInteger", import: matmul_integer },
    Rule { operator: "QLinearConv", import: qlinear_conv },
    Rule { operator: "QLinearMatMul", import: qlinear_matmul },
];

/// How scales and zeros that are lists lie along a tensor.
#[derive(Clone, Copy)]
struct Along {
    /// The dimension that a list is along.
    axis: i64,
    /// Elements that share one of a tensor of scales, if it is for blocks.
    block: Option<usize>,
}

impl Along {
    const fn axis(axis: i64) -> Self {
        Self { axis, block: None }
    }

    fn read(node: &mut Node<'_, '_>) -> Result<Self, Unsupported> {
        let axis = node.int("axis")?.unwrap_or(1);
        let block = node.int("block_size")?.and_then(|block| usize::try_from(block).ok());
        Ok(Self { axis, block: block.filter(|&block| block > 0) })
    }
}

fn sub(node: &mut Node<'_, '_>, a: Item, b: Item) -> Result<Item, Unsupported> {
    node.decode(Binary { function: Function::Sub }, &[a, b])
}

fn mul(node: &mut Node<'_, '_>, a: Item, b: Item) -> Result<Item, Unsupported> {
    node.decode(Mul::default(), &[a, b])
}

/// Operand `index`, scales or zeros, as float32 that broadcasts to a tensor of this shape.
fn spread(node: &mut Node<'_, '_>, index: usize, shape: &[usize], along: Along) -> Result<Option<Item>, Unsupported> {
    let Some(item) = node.optional(index) else { return Ok(None) };
    let item = node.decode(Cast { to: DType::F32 }, &[item])?;
    let mut own = node.ty(&item).shape;
    let fail = |own: &[usize]| Unsupported::new(format!("operand {index} is {own:?}, which does not fit {shape:?}"));
    if let ([len], true) = (&own[..], own != [1] && along.block.is_none()) {
        let len = *len;
        own = vec![1; shape.len()];
        own[dimension(along.axis, shape.len())?] = len;
    }
    let item = match along.block.filter(|_| own.len() == shape.len() && own != shape) {
        None => node.decode(reshape::Reshape { shape: own.clone() }, &[item])?,
        Some(block) => {
            // Each stands for a block: a dimension of its own, repeated, and joined again.
            let axis = dimension(along.axis, shape.len())?;
            if own[axis].checked_mul(block) != Some(shape[axis]) {
                return Err(fail(&own));
            }
            own.insert(axis + 1, 1);
            let item = node.decode(reshape::Reshape { shape: own.clone() }, &[item])?;
            own[axis + 1] = block;
            let item = node.decode(Expand { shape: own.clone() }, &[item])?;
            own[axis] *= block;
            own.remove(axis + 1);
            node.decode(reshape::Reshape { shape: own.clone() }, &[item])?
        }
    };
    if broadcast::shape(&own, shape).as_deref() == Some(shape) { Ok(Some(item)) } else { Err(fail(&own)) }
}

/// [`spread`] of an operand that must be there.
fn scale(node: &mut Node<'_, '_>, index: usize, shape: &[usize], along: Along) -> Result<Item, Unsupported> {
    spread(node, index, shape, along)?.ok_or_else(|| Unsupported::new(format!("operand {index} is left out")))
}

/// `x − zero`, of operands `index` and `zero`; whole numbers as float32.
fn shifted(node: &mut Node<'_, '_>, index: usize, zero: usize, along: Along) -> Result<Item, Unsupported> {
    let x = node.operand(index)?;
    let shape = node.ty(&x).shape;
    let x = node.decode(Cast { to: DType::F32 }, &[x])?;
    match spread(node, zero, &shape, along)? {
        Some(zero) => sub(node, x, zero),
        None => Ok(x),
    }
}

/// `(x − zero) · scale`.
fn dequantize_linear(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    node.ignore("output_dtype");
    let along = Along::read(node)?;
    let shape = node.shape(0)?;
    let (x, scale) = (shifted(node, 0, 2, along)?, scale(node, 1, &shape, along)?);
    Ok(vec![mul(node, x, scale)?])
}

/// The zero of operand `index`, and the bounds of its type.
fn zero(
    node: &mut Node<'_, '_>,
    index: usize,
    shape: &[usize],
    along: Along,
) -> Result<(Option<Item>, [i64; 2]), Unsupported> {
    let bounds = match node.constant(index)? {
        None => [0, 255],
        Some(zero) => zero.bounds.ok_or_else(|| {
            Unsupported::new(format!("operand {index} is {}, expected integers of 8 or 16 bits", zero.ty()))
        })?,
    };
    Ok((spread(node, index, shape, along)?, bounds))
}

/// `round(x / scale) + zero` within bounds.
fn quantized(
    node: &mut Node<'_, '_>,
    x: Item,
    scale: Item,
    (zero, [low, high]): (Option<Item>, [i64; 2]),
) -> Result<Item, Unsupported> {
    let mut y = node.apply(Binary { function: Function::Div }, &[x, scale])?;
    y = node.apply(Unary::new(unary::Function::Round), &[y])?;
    if let Some(zero) = zero {
        y = node.apply(Add::default(), &[y, zero])?;
    }
    y = node.apply(Clip { low: low as f32, high: high as f32 }, &[y])?;
    node.apply(Cast { to: DType::I64 }, &[y])
}

fn quantize_linear(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    for name in ["saturate", "precision"] {
        node.ignore(name);
    }
    let along = Along::read(node)?;
    let wanted = node.bounds("output_dtype")?;
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let scale = scale(node, 1, &shape, along)?;
    let (zero, bounds) = zero(node, 2, &shape, along)?;
    let bounds = wanted.filter(|_| zero.is_none()).unwrap_or(bounds);
    Ok(vec![quantized(node, x, scale, (zero, bounds))?])
}

/// To 8 bits without a sign, by the range of X and zero: `scale = (max − min) / 255`, `zero = round(−min / scale)`.
fn dynamic_quantize_linear(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    const BITS: [i64; 2] = [0, 255];
    let x = node.operand(0)?;
    let nothing: Item = Constant::scalar(0.0).into();
    let [low, high] =
        [(reduce::Function::Min, Function::Min), (reduce::Function::Max, Function::Max)].map(|(of_all, of_two)| {
            let all = Reduce { function: of_all, axes: Vec::new(), keepdims: false };
            let found = node.apply(all, std::slice::from_ref(&x))?;
            node.apply(Binary { function: of_two }, &[found, nothing.clone()])
        });
    let low = low?;
    let range = sub(node, high?, low.clone())?;
    let scale = node.apply(Binary { function: Function::Div }, &[range, Constant::scalar(255.0).into()])?;
    let below = sub(node, nothing, low)?;
    let zero = quantized(node, below, scale.clone(), (None, BITS))?;
    let shift = node.apply(Cast { to: DType::F32 }, std::slice::from_ref(&zero))?;
    let y = quantized(node, x, scale.clone(), (Some(shift), BITS))?;
    Ok(vec![y, scale, zero])
}

/// A zero for each output channel is along the weight's first dimension.
fn conv_integer(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let operands = [shifted(node, 0, 2, Along::axis(1))?, shifted(node, 1, 3, Along::axis(0))?];
    let y = conv::imported(node, operands, 1, None)?;
    Ok(vec![node.apply(Cast { to: DType::I64 }, &[y])?])
}

/// A zero for each row of A, and for each column of B.
fn matmul_integer(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let factors = [shifted(node, 0, 2, Along::axis(-2))?, shifted(node, 1, 3, Along::axis(-1))?];
    let product = node.apply(MatMul, &factors)?;
    Ok(vec![node.apply(Cast { to: DType::I64 }, &[product])?])
}

fn qlinear_conv(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let operands = [shifted(node, 0, 2, Along::axis(1))?, shifted(node, 3, 5, Along::axis(0))?];
    let bias = node.optional(8).map(|bias| node.decode(Cast { to: DType::F32 }, &[bias])).transpose()?;
    let sum = conv::imported(node, operands, 3, bias)?;
    let shape = node.ty(&sum).shape;
    let [of_weight, of_x] = [4, 1].map(|index| scale(node, index, &shape, Along::axis(1)));
    requantized(node, sum, [of_weight?, of_x?], [6, 7])
}

fn qlinear_matmul(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let factors = [shifted(node, 0, 2, Along::axis(-2))?, shifted(node, 3, 5, Along::axis(-1))?];
    let product = node.apply(MatMul, &factors)?;
    let shape = node.ty(&product).shape;
    let [of_a, of_b] = [(1, -2), (4, -1)].map(|(index, axis)| scale(node, index, &shape, Along::axis(axis)));
    requantized(node, product, [of_a?, of_b?], [6, 7])
}

/// A sum of products of whole numbers of these scales, as whole numbers of those of operands `to`, scale and zero.
fn requantized(
    node: &mut Node<'_, '_>,
    sum: Item,
    [a, b]: [Item; 2],
    to: [usize; 2],
) -> Result<Vec<Item>, Unsupported> {
    let shape = node.ty(&sum).shape;
    let of_products = mul(node, a, b)?;
    let real = mul(node, sum, of_products)?;
    let scale = scale(node, to[0], &shape, Along::axis(1))?;
    let zero = zero(node, to[1], &shape, Along::axis(1))?;
    Ok(vec![quantized(node, real, scale, zero)?])
}
