//! Operators of ONNX that are several of ours.

use convoke_runtime::{DType, Tensor};

use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::ops::add::Add;
use crate::ops::arg_max::ArgMax;
use crate::ops::avg_pool::AvgPool;
use crate::ops::binary::{Binary, Function};
use crate::ops::cast::Cast;
use crate::ops::mul::Mul;
use crate::ops::one_hot::OneHot;
use crate::ops::reduce::{self, Reduce};
use crate::ops::reshape;
use crate::ops::select::Select;
use crate::ops::unary::{self, Unary};

pub(super) const RULES: &[Rule] = &[
    Rule { operator: "Mean", import: mean },
    Rule { operator: "LpNormalization", import: lp_normalization },
    Rule { operator: "MeanVarianceNormalization", import: mean_variance_normalization },
    Rule { operator: "RMSNormalization", import: rms_normalization },
    Rule { operator: "BitShift", import: bit_shift },
    Rule { operator: "Trilu", import: trilu },
    Rule { operator: "GlobalLpPool", import: global_lp_pool },
    Rule { operator: "Hardmax", import: hardmax },
    Rule { operator: "LRN", import: lrn },
];

fn div() -> Binary {
    Binary { function: Function::Div }
}

/// The dimension that `axis` names among `rank`.
pub(super) fn dimension(axis: i64, rank: usize) -> Result<usize, Unsupported> {
    let from_first = if axis < 0 { axis.saturating_add(rank as i64) } else { axis };
    let dim = usize::try_from(from_first).ok().filter(|&dim| dim < rank);
    dim.ok_or_else(|| Unsupported::new(format!("axis {axis} of {rank} dimensions")))
}

/// A tensor made now of its elements' places.
pub(super) fn made(shape: &[usize], element: impl Fn(&[usize]) -> f32) -> Result<Tensor, Unsupported> {
    let mut tensor = Tensor::try_zeros(shape).map_err(|error| Unsupported::new(error.to_string()))?;
    let mut index = vec![0; shape.len()];
    for value in tensor.data_mut() {
        *value = element(&index);
        for dim in (0..shape.len()).rev() {
            index[dim] += 1;
            if index[dim] < shape[dim] {
                break;
            }
            index[dim] = 0;
        }
    }
    Ok(tensor)
}

fn mean(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let sum = node.variadic(Add::default())?.swap_remove(0);
    let count = Constant::scalar(node.len() as f32).into();
    Ok(vec![node.apply(div(), &[sum, count])?])
}

/// `x / ‖x‖ₚ` along one dimension; 0 where that is 0.
fn lp_normalization(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let function = match node.int("p")?.unwrap_or(2) {
        1 => reduce::Function::L1,
        2 => reduce::Function::L2,
        p => return Err(Unsupported::new(format!("attribute `p` is {p}, only 1 and 2 are supported"))),
    };
    let axes = vec![node.int("axis")?.unwrap_or(-1)];
    let x = node.operand(0)?;
    let norm = node.apply(Reduce { function, axes, keepdims: true }, std::slice::from_ref(&x))?;
    // A line of zeros stays one.
    let tiny: Item = Constant::scalar(f32::MIN_POSITIVE).into();
    let norm = node.apply(Binary { function: Function::Max }, &[norm, tiny])?;
    Ok(vec![node.apply(div(), &[x, norm])?])
}

/// `(x − E x) / (√(E x² − (E x)²) + 10⁻⁹)` over some dimensions.
fn mean_variance_normalization(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let axes = node.ints("axes")?.map_or_else(|| vec![0, 2, 3], <[i64]>::to_vec);
    let mean_of = Reduce { function: reduce::Function::Mean, axes, keepdims: true };
    let x = node.operand(0)?;
    let mean = node.apply(mean_of.clone(), std::slice::from_ref(&x))?;
    let centered = node.apply(Binary { function: Function::Sub }, &[x, mean])?;
    let squares = node.apply(Mul::default(), &[centered.clone(), centered.clone()])?;
    let variance = node.apply(mean_of, &[squares])?;
    let deviation = node.apply(Unary::new(unary::Function::Sqrt), &[variance])?;
    let deviation = node.apply(Add::default(), &[deviation, Constant::scalar(1e-9).into()])?;
    Ok(vec![node.apply(div(), &[centered, deviation])?])
}

/// `x / √(E x² + ε) · scale` over the dimensions from `axis` on.
fn rms_normalization(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    node.ignore("stash_type");
    let (x, scale) = (node.operand(0)?, node.operand(1)?);
    let rank = node.ty(&x).rank();
    let first = dimension(node.int("axis")?.unwrap_or(-1), rank)?;
    let eps = node.float("epsilon")?.unwrap_or(1e-5);
    let axes = (first..rank).map(|dim| dim as i64).collect();
    let squares = node.apply(Mul::default(), &[x.clone(), x.clone()])?;
    let mean = node.apply(Reduce { function: reduce::Function::Mean, axes, keepdims: true }, &[squares])?;
    let mean = node.apply(Add::default(), &[mean, Constant::scalar(eps).into()])?;
    let root = node.apply(Unary::new(unary::Function::Sqrt), &[mean])?;
    let y = node.apply(div(), &[x, root])?;
    Ok(vec![node.apply(Mul::default(), &[y, scale])?])
}

/// A shift multiplies or divides by a power of two. What an integer of few bits would lose at the left is not lost.
fn bit_shift(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let left = match node.text("direction")? {
        Some("LEFT") => true,
        Some("RIGHT") => false,
        other => return Err(Unsupported::new(format!("attribute `direction` is {other:?}"))),
    };
    let (x, by) = (node.operand(0)?, node.operand(1)?);
    // Powers of whole numbers are rounded to one.
    let by = node.apply(Cast { to: DType::F32 }, &[by])?;
    let power = node.apply(Binary { function: Function::Pow }, &[Constant::scalar(2.0).into(), by])?;
    let power = node.apply(Unary::new(unary::Function::Round), &[power])?;
    let power = node.apply(Cast { to: DType::I64 }, &[power])?;
    Ok(vec![if left {
        node.apply(Mul::default(), &[x, power])?
    } else {
        node.apply(Binary { function: Function::DivTrunc }, &[x, power])?
    }])
}

/// The elements of each matrix on one side of a diagonal, the others 0.
fn trilu(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let upper = node.int("upper")?.unwrap_or(1) != 0;
    let k = node.ints_operand(1)?.and_then(|k| k.first().copied()).unwrap_or(0);
    let x = node.operand(0)?;
    let ty = node.ty(&x);
    let [.., rows, columns] = ty.shape[..] else {
        return Err(Unsupported::new(format!("operand 0 is {ty}, expected matrices")));
    };
    let mask = made(&[rows, columns], |place| {
        let beyond = (place[1] as i64 - place[0] as i64).saturating_sub(k);
        f32::from(u8::from(if upper { beyond >= 0 } else { beyond <= 0 }))
    })?;
    let zero = Constant::from_run_time(ty.dtype, Tensor::zeros(&[]));
    Ok(vec![node.apply(Select, &[Constant::from(mask.to_bool()).into(), x, zero.into()])?])
}

/// `(Σ |x|ᵖ)^(1/p)` of each plane.
fn global_lp_pool(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let function = match node.int("p")?.unwrap_or(2) {
        1 => reduce::Function::L1,
        2 => reduce::Function::L2,
        p => return Err(Unsupported::new(format!("attribute `p` is {p}, only 1 and 2 are supported"))),
    };
    let axes = (2..node.shape(0)?.len() as i64).collect();
    node.unary(Reduce { function, axes, keepdims: true })
}

/// 1 at the first of the largest elements along one dimension, else 0. Before opset 13 along all from `axis` on.
fn hardmax(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let joins = node.opset() < 13;
    let axis = node.int("axis")?.unwrap_or(if joins { 1 } else { -1 });
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let axis = dimension(axis, shape.len())?;
    let outer: usize = shape[..axis].iter().product();
    let inner: usize = if joins { 1 } else { shape[axis + 1..].iter().product() };
    let depth = if joins { shape[axis..].iter().product() } else { shape[axis] };
    let x = reshape::to(node, x, &[outer, depth, inner])?;
    let place = node.apply(ArgMax { axis: 1, keepdims: false, smallest: false, last: false }, &[x])?;
    let y = node.apply(OneHot { depth, axis: 1, on: 1.0, off: 0.0 }, &[place])?;
    Ok(vec![reshape::to(node, y, &shape)?])
}

/// `x / (bias + alpha/size · Σ x²)^beta`, the sum over `size` channels around each: a mean of windows over channels.
///
/// Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012, section
/// 3.3.
fn lrn(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let size = node.size("size")?;
    let alpha = node.float("alpha")?.unwrap_or(1e-4);
    let beta = node.float("beta")?.unwrap_or(0.75);
    let bias = node.float("bias")?.unwrap_or(1.0);
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let [n, c, pixels @ ..] = &shape[..] else {
        return Err(Unsupported::new(format!("operand 0 has {} dimensions, expected N C and others", shape.len())));
    };
    let squares = node.apply(Mul::default(), &[x.clone(), x.clone()])?;
    let squares = reshape::to(node, squares, &[*n, 1, *c, pixels.iter().product()])?;
    let before = size.saturating_sub(1) / 2;
    let padding = [before, 0, size.saturating_sub(1) - before, 0];
    let window = AvgPool { kernel: [size, 1], stride: [1, 1], padding, ceil_mode: false, count_include_pad: true };
    let mean = node.apply(window, &[squares])?;
    let mean = reshape::to(node, mean, &shape)?;
    let scaled = node.apply(Mul::default(), &[mean, Constant::scalar(alpha).into()])?;
    let sum = node.apply(Add::default(), &[scaled, Constant::scalar(bias).into()])?;
    let power = node.apply(Binary { function: Function::Pow }, &[sum, Constant::scalar(beta).into()])?;
    Ok(vec![node.apply(div(), &[x, power])?])
}
