//! Images sampled at places that are computed.

use super::composite::made;
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::ops::add::Add;
use crate::ops::concat::Concat;
use crate::ops::conv::Conv;
use crate::ops::grid_sample::{GridSample, Mode, Padding};
use crate::ops::matmul::MatMul;
use crate::ops::mul::Mul;
use crate::ops::slice::Slice;
use crate::ops::transpose::Transpose;
use crate::ops::{image, reshape};

pub(super) const RULES: &[Rule] =
    &[Rule { operator: "AffineGrid", import: affine_grid }, Rule { operator: "DeformConv", import: deform_conv }];

/// `grid[n, i, j] = θ[n] · (xⱼ, yᵢ, 1)`, over one dimension or more, the last one first.
///
/// Jaderberg, Simonyan, Zisserman and Kavukcuoglu, "Spatial Transformer Networks", arXiv:1506.02025, section 3.2.
fn affine_grid(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let corners = node.flag("align_corners")?;
    let (theta, size) = (node.operand(0)?, node.need_ints(1)?);
    let sizes: Option<Vec<usize>> = size.iter().map(|&size| usize::try_from(size).ok()).collect();
    let ty = node.ty(&theta);
    let fail = || Unsupported::new(format!("operand 0 is {ty} for an image of {size:?}"));
    let Some([n, _, spatial @ ..]) = sizes.as_deref() else { return Err(fail()) };
    let dims = spatial.len();
    if ty.shape != [*n, dims, dims + 1] {
        return Err(fail());
    }
    let base = made(&[spatial, &[dims + 1]].concat(), |place| {
        let Some(axis) = (dims - 1).checked_sub(place[dims]) else { return 1.0 };
        let (index, extent) = (place[axis] as f32, spatial[axis] as f32);
        match corners {
            true if extent == 1.0 => 0.0,
            true => 2.0 * index / (extent - 1.0) - 1.0,
            false => (2.0 * index + 1.0) / extent - 1.0,
        }
    })?;
    let points = spatial.iter().product();
    let base = reshape::to(node, Constant::from(base).into(), &[points, dims + 1])?;
    let theta = node.apply(Transpose { order: vec![0, 2, 1] }, &[theta])?;
    let grid = node.apply(MatMul, &[base, theta])?;
    Ok(vec![reshape::to(node, grid, &[&[*n], spatial, &[dims]].concat())?])
}

/// A convolution whose taps are moved by offsets that are computed for each pixel, and weighed by a mask: the image is
/// sampled at the place of each tap, and those samples are channels of a convolution of one tap.
///
/// Dai et al., "Deformable Convolutional Networks", arXiv:1703.06211, section 2.1; Zhu et al., "Deformable ConvNets v2",
/// arXiv:1811.11168, section 3.2.
fn deform_conv(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (x, weight, offset) = (image::operand(node, 0)?, image::operand(node, 1)?, image::operand(node, 2)?);
    let (bias, mask) = (node.optional(3), node.optional(4));
    let [of_x, of_weight, of_offset] = [&x, &weight, &offset].map(|item| node.ty(item).shape);
    let (&[n, c, h, w], &[outputs, inputs, kh, kw], &[_, _, rows, columns]) =
        (&of_x[..], &of_weight[..], &of_offset[..])
    else {
        return Err(Unsupported::new("its operands have other dimensions than N C H W"));
    };
    let window = image::window(node, [kh, kw], [h, w])?;
    let count = |value: Option<i64>| usize::try_from(value.unwrap_or(1)).unwrap_or(0);
    let (groups, parts) = (count(node.int("group")?), count(node.int("offset_group")?));
    let taps = kh * kw;
    let expected = parts.checked_mul(2 * taps).map(|channels| [n, channels, rows, columns]);
    if parts == 0 || c % parts != 0 || expected.is_none_or(|expected| expected[..] != of_offset) {
        return Err(Unsupported::new(format!("operand 2 is {of_offset:?} for {taps} taps, offset_group {parts}")));
    }
    // Columns before rows, from −1 to 1 across the image: ((2 (place + offset) + 1) / extent − 1.
    let order = vec![0, 1, 2, 4, 5, 3];
    let offset = reshape::to(node, offset, &[n, parts, taps, 2, rows, columns])?;
    let offset = node.apply(Transpose { order }, &[offset])?;
    let backwards = Slice { axes: vec![-1], starts: vec![1], ends: vec![i64::MIN], steps: vec![-1] };
    let offset = node.apply(backwards, &[offset])?;
    let extents = [w, h].map(|extent| extent as f32);
    let scale = made(&[2], |place| 2.0 / extents[place[0]])?;
    let base = made(&[taps, rows, columns, 2], |place| {
        let (tap, axis) = ([place[0] / kw, place[0] % kw], 1 - place[3]);
        let place = place[1 + axis] * window.stride[axis] + tap[axis] * window.dilation[axis];
        (2.0 * (place as f32 - window.padding[axis] as f32) + 1.0) / extents[1 - axis] - 1.0
    })?;
    let moved = node.apply(Mul::default(), &[offset, Constant::from(scale).into()])?;
    let grid = node.apply(Add::default(), &[moved, Constant::from(base).into()])?;
    let mask = mask.map(|mask| reshape::to(node, mask, &[n, parts, taps, rows, columns])).transpose()?;
    let mut samples = Vec::with_capacity(parts);
    for part in 0..parts {
        let of_part = |node: &mut Node<'_, '_>, item: &Item, first: usize, len: usize| {
            let (starts, ends) = (vec![first as i64], vec![(first + len) as i64]);
            node.apply(Slice { axes: vec![1], starts, ends, steps: vec![1] }, std::slice::from_ref(item))
        };
        let channels = c / parts;
        let image = of_part(node, &x, part * channels, channels)?;
        let grid = of_part(node, &grid, part, 1)?;
        let grid = reshape::to(node, grid, &[n, taps * rows, columns, 2])?;
        let sampling = GridSample { mode: Mode::Linear, padding: Padding::Zeros, align_corners: false };
        let mut sample = node.apply(sampling, &[image, grid])?;
        sample = reshape::to(node, sample, &[n, channels, taps, rows, columns])?;
        if let Some(mask) = &mask {
            let mask = of_part(node, mask, part, 1)?;
            sample = node.apply(Mul::default(), &[sample, mask])?;
        }
        samples.push(reshape::to(node, sample, &[n, channels * taps, rows, columns])?);
    }
    let samples = node.apply(Concat { axis: 1 }, &samples)?;
    let shape = vec![outputs, inputs * taps, 1, 1];
    let weight = node.decode(reshape::Reshape { shape }, &[weight])?;
    let conv = Conv { groups, bias: bias.is_some(), ..Conv::default() };
    let operands: Vec<_> = [samples, weight].into_iter().chain(bias).collect();
    Ok(vec![node.apply(conv, &operands)?])
}
