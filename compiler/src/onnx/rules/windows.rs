//! Pixels that windows give back to the image they were taken from.

use convoke_runtime::{DType, Tensor};

use super::composite::made;
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::ops::conv_transpose::ConvTranspose;
use crate::ops::expand::Expand;
use crate::ops::indexed::Reduction;
use crate::ops::pad::{Mode, Pad};
use crate::ops::scatter_elements::ScatterElements;
use crate::ops::{Window, image, reshape};

pub(super) const RULES: &[Rule] =
    &[Rule { operator: "Col2Im", import: col_to_image }, Rule { operator: "MaxUnpool", import: max_unpool }];

/// The sum of what all windows hold of a pixel: a transposed convolution of one channel for each tap, whose weights are
/// 1 at that tap.
fn col_to_image(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let (size, kernel) = (node.need_ints(1)?, node.need_ints(2)?);
    let pair = |sizes: &[i64]| match *sizes {
        [h, w] => usize::try_from(h).ok().zip(usize::try_from(w).ok()).map(<[usize; 2]>::from),
        _ => None,
    };
    let (Some(size), Some(kernel), &[n, rows, len]) = (pair(&size), pair(&kernel), &shape[..]) else {
        let reason = format!("it makes an image of {size:?} of {shape:?} by windows of {kernel:?}");
        return Err(Unsupported::new(reason).advice("only images of two dimensions are supported"));
    };
    let window = image::window(node, kernel, size)?;
    let [down, across] = window.count(size).map_err(|error| Unsupported::new(error.to_string()))?;
    let taps = kernel[0].saturating_mul(kernel[1]);
    if down * across != len || rows % taps != 0 {
        return Err(Unsupported::new(format!("operand 0 is {shape:?} for {down}×{across} windows of {taps} taps")));
    }
    let weight = made(&[rows, 1, kernel[0], kernel[1]], |place| {
        f32::from(u8::from(place[0] % taps == place[2] * kernel[1] + place[3]))
    })?;
    let Window { stride, dilation, padding, .. } = window;
    let mut op = ConvTranspose { stride, dilation, padding, groups: rows / taps, bias: false, ..Default::default() };
    // Pixels behind the last window are in none.
    let reach = |axis: usize, count: usize| (count - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1;
    for (axis, count) in [(0, down), (1, across)] {
        op.output_padding[axis] = size[axis] + padding[axis] + padding[axis + 2] - reach(axis, count);
    }
    let x = reshape::to(node, x, &[n, rows, down, across])?;
    Ok(vec![node.apply(op, &[x, Constant::from(weight).into()])?])
}

/// Zeros but where the maxima were, which operand 1 says as places in the whole result. A larger result is the usual one
/// and zeros behind it.
fn max_unpool(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let x = image::operand(node, 0)?;
    let shape = node.ty(&x).shape;
    let kernel =
        image::pair(node, "kernel_shape")?.ok_or_else(|| Unsupported::new("attribute `kernel_shape` is missing"))?;
    let window = image::window(node, kernel, [shape[2], shape[3]])?;
    let wanted = node.ints_operand(2)?;
    let mut usual = shape.clone();
    for axis in 0..2 {
        let covered = (shape[2 + axis] - 1).saturating_mul(window.stride[axis]).saturating_add(kernel[axis]);
        usual[2 + axis] = covered.saturating_sub(window.padding[axis] + window.padding[axis + 2]);
    }
    let count = |shape: &[usize]| shape.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim));
    let (Some(from), Some(to)) = (count(&shape), count(&usual)) else {
        return Err(Unsupported::new(format!("its result has the shape {usual:?}")));
    };
    let x = reshape::to(node, x, &[from])?;
    let places = node.operand(1)?;
    let places = reshape::to(node, places, &[from])?;
    let zero: Item = Constant::from_run_time(DType::F32, Tensor::zeros(&[1])).into();
    let zeros = node.apply(Expand { shape: vec![to] }, &[zero])?;
    let y = node.apply(ScatterElements { axis: 0, reduction: Reduction::Replace }, &[zeros, places, x])?;
    let mut y = reshape::to(node, y, &usual)?;
    y = image::result(node, y)?;
    let own = node.ty(&y).shape;
    if let Some(wanted) = wanted.filter(|wanted| wanted.len() == own.len()) {
        let after: Vec<i64> = wanted.iter().zip(&own).map(|(wanted, &own)| wanted.saturating_sub(own as i64)).collect();
        if after.iter().any(|&more| more != 0) {
            let before = vec![0; own.len()];
            y = node.apply(Pad { before, after, mode: Mode::Constant, value: 0.0 }, &[y])?;
        }
    }
    Ok(vec![y])
}
