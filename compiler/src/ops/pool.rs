//! What the poolings share: one operand X of shape N C H W, one result, channel by channel.

use convoke_runtime::Tensor;

use super::arguments::{FLAG, PAIR};
use super::export::Exporter;
use super::{Arguments, Call, CallError, Case, Op, TypeError, Window, check};
use crate::TensorType;

/// The window of a pooling without dilation, from `kernel`, `stride` (by default as wide as the kernel), `padding` and
/// `ceil_mode`.
pub(super) fn read(arguments: &mut Arguments) -> Result<Window, CallError> {
    let kernel = arguments.need("kernel", &PAIR)?;
    let stride = arguments.read("stride", &PAIR)?.unwrap_or(kernel);
    let ceil = arguments.read("ceil_mode", &FLAG)?.unwrap_or(false);
    Ok(Window { kernel, stride, dilation: [1, 1], padding: [0; 4], ceil })
}

/// Height and width of a call's only tensor.
pub(super) fn size(call: &Call<'_>) -> Result<[usize; 2], CallError> {
    let types = call.types();
    check::operands(&types, &["x"])?;
    let [_, _, height, width] = check::four(&types, 0, "N C H W")?;
    Ok([height, width])
}

/// Height and width of the image that is exported.
pub(super) fn pixels(e: &Exporter<'_>) -> [usize; 2] {
    [2, 3].map(|dim| e.shape(0)[dim])
}

pub(super) fn infer(operands: &[&TensorType], window: Window) -> Result<Vec<TensorType>, TypeError> {
    check::operands(operands, &["x"])?;
    let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
    let [oh, ow] = window.count([h, w])?;
    window.meets_image([h, w])?;
    check::result([n, c, oh, ow])
}

/// Pools with `pool`, which is given the pixels of one window that lie on the image, row-major, and where the window
/// stands.
pub(super) fn evaluate(x: &Tensor, window: Window, pool: impl Fn(&[f32], [usize; 2]) -> f64) -> Vec<Tensor> {
    let [n, c, h, w] = [0, 1, 2, 3].map(|dim| x.shape()[dim]);
    let [oh, ow] = window.count([h, w]).expect("the operand has a type that the operator accepts");
    let mut result = Tensor::zeros(&[n, c, oh, ow]);
    for (i, y) in result.data_mut().iter_mut().enumerate() {
        let (plane, row, column) = (i / (oh * ow), i / ow % oh, i % ow);
        let mut pixels = Vec::new();
        for (_, iy) in window.taps(0, row, h) {
            pixels.extend(window.taps(1, column, w).map(|(_, ix)| x.data()[(plane * h + iy) * w + ix]));
        }
        *y = pool(&pixels, [row, column]) as f32;
    }
    vec![result]
}

pub(super) fn infer_global(operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
    check::operands(operands, &["x"])?;
    let [n, c, _, _] = check::four(operands, 0, "N C H W")?;
    check::result([n, c, 1, 1])
}

/// Pools each plane with `pool`.
pub(super) fn evaluate_global(x: &Tensor, pool: impl Fn(&[f32]) -> f64) -> Vec<Tensor> {
    let [n, c, h, w] = [0, 1, 2, 3].map(|dim| x.shape()[dim]);
    let mut result = Tensor::zeros(&[n, c, 1, 1]);
    for (y, plane) in result.data_mut().iter_mut().zip(x.data().chunks(h * w)) {
        *y = pool(plane) as f32;
    }
    vec![result]
}

pub(super) fn global_cases(op: impl Into<Op> + Copy) -> Vec<Case> {
    const SHAPES: [[usize; 4]; 9] = [
        [1, 16, 7, 7],
        [1, 3, 5, 5],
        [2, 17, 4, 6],
        [1, 32, 1, 1],
        [1, 8, 14, 14],
        [2, 31, 1, 9],
        [1, 33, 9, 1],
        [1, 1, 2, 3],
        [3, 48, 2, 2],
    ];
    SHAPES.map(|shape| Case::new(format!("{shape:?}"), op).input(shape)).into()
}

/// Images, and windows that each pooling must slide over them.
pub(super) fn windows() -> Vec<([usize; 4], Window)> {
    let window = |kernel, stride, padding, ceil| Window { kernel, stride, dilation: [1, 1], padding, ceil };
    vec![
        ([1, 3, 6, 6], window([2, 2], [2, 2], [0; 4], false)),
        ([1, 16, 7, 7], window([3, 3], [2, 2], [1; 4], false)),
        ([2, 17, 9, 8], window([3, 3], [2, 2], [1; 4], false)),
        ([1, 8, 5, 5], window([3, 3], [1, 1], [1; 4], false)),
        ([1, 32, 4, 4], window([2, 2], [2, 2], [0; 4], false)),
        ([1, 15, 4, 15], window([1, 1], [1, 1], [0; 4], false)),
        ([1, 6, 28, 28], window([2, 2], [2, 2], [0; 4], false)),
        ([1, 4, 14, 30], window([3, 2], [1, 3], [0, 1, 2, 0], false)),
        ([1, 20, 5, 5], window([5, 5], [5, 5], [0; 4], false)),
        ([1, 16, 6, 6], window([3, 3], [2, 2], [0, 0, 1, 1], false)),
        ([1, 12, 7, 7], window([3, 3], [1, 1], [2; 4], false)),
        ([1, 16, 3, 3], window([1, 1], [2, 2], [0; 4], false)),
        ([1, 31, 1, 9], window([1, 3], [1, 2], [0, 1, 0, 1], false)),
        ([1, 16, 6, 6], window([3, 3], [2, 2], [0; 4], true)),
        ([1, 18, 7, 8], window([2, 2], [2, 2], [0; 4], true)),
        ([2, 5, 6, 7], window([3, 3], [2, 2], [1; 4], true)),
        ([1, 16, 2, 2], window([3, 3], [2, 2], [0; 4], true)),
        ([1, 16, 5, 5], window([2, 2], [3, 3], [0, 1, 0, 1], true)),
    ]
}
