//! The patches that layers see.

use convoke_runtime::Tensor;
use faer::Mat;

use super::Calibration;
use super::metric::Moments;
use crate::factorize::layer::Layer;
use crate::ops::Op;
use crate::ops::conv::Conv;

/// The most patches of which moments are taken, evenly spread over images and pixels.
const PATCHES: usize = 8192;

impl Calibration {
    /// Mean and covariance of the patches that group `group` of the layer sees.
    pub(super) fn moments(&self, layer: &Layer, group: usize) -> Option<Moments> {
        let inputs = self.inputs.get(&layer.name)?;
        let [_, weight, result] = &layer.types;
        let conv = match layer.op {
            Op::Conv(conv) => conv,
            _ => return rows(inputs, weight.shape[1]),
        };
        let &[_, per_group, kh, kw] = &weight.shape[..] else { return None };
        let &[n, _, oh, ow] = &result.shape[..] else { return None };
        let windows = n * oh * ow;
        let step = (inputs.len() * windows).div_ceil(PATCHES).max(1);
        let places: Vec<usize> = (0..inputs.len() * windows).step_by(step).collect();
        let mut patches = Mat::zeros(places.len(), per_group * kh * kw);
        for (row, place) in places.into_iter().enumerate() {
            let (image, window) = (&inputs[place / windows], place % windows);
            let at = [window / ow / oh, window / ow % oh, window % ow];
            patch(&conv, image, group * per_group, [per_group, kh, kw], at, |column, value| {
                patches[(row, column)] = f64::from(value);
            });
        }
        Some(Moments::new(patches))
    }
}

/// Of a linear layer: its input's rows.
fn rows(inputs: &[Tensor], features: usize) -> Option<Moments> {
    let all: usize = inputs.iter().map(|input| input.data().len() / features).sum();
    let step = all.div_ceil(PATCHES).max(1);
    let rows: Vec<&[f32]> = inputs.iter().flat_map(|input| input.data().chunks_exact(features)).step_by(step).collect();
    Some(Moments::new(Mat::from_fn(rows.len(), features, |row, column| f64::from(rows[row][column]))))
}

/// Gives the elements of a window that lie on the image to `set`, each with its place among channels and taps.
fn patch(
    conv: &Conv,
    image: &Tensor,
    first: usize,
    [channels, kh, kw]: [usize; 3],
    [n, row, column]: [usize; 3],
    mut set: impl FnMut(usize, f32),
) {
    let [_, all, height, width] = [0, 1, 2, 3].map(|dim| image.shape()[dim]);
    let window = conv.window([kh, kw]);
    for channel in 0..channels {
        for (u, y) in window.taps(0, row, height) {
            for (v, x) in window.taps(1, column, width) {
                let value = image.data()[((n * all + first + channel) * height + y) * width + x];
                set((channel * kh + u) * kw + v, value);
            }
        }
    }
}
