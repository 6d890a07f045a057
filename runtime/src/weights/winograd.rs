//! Weights of 3×3 convolutions, transformed and packed for Winograd's algorithm.

use super::shape::WinogradPacking;
use super::transpose::transpose_matrix;
use crate::kernels::winograd::weight;

/// Output channels that are transformed at once: the compiler makes vectors of them.
const LANES: usize = 8;

/// Weights O I 3 3 to the layout of [`WeightOp::PackWinograd`](super::WeightOp::PackWinograd), of which `dst` has the
/// elements.
pub(super) fn pack_winograd(packing: &WinogradPacking, src: &[f32], dst: &mut [f32]) {
    match packing.alpha {
        4 => pack::<4>(packing, src, dst),
        _ => pack::<6>(packing, src, dst),
    }
}

/// As [`pack_winograd`] for transformed tiles of side `A`: by groups of output channels and blocks of input channels,
/// whose taps are first brought to the order in which output channels are neighbours.
fn pack<const A: usize>(packing: &WinogradPacking, src: &[f32], dst: &mut [f32]) {
    let point = &packing.point;
    let (o, i, inner) = (point.o, point.i, point.inner);
    let mut taps = Vec::new();
    for first in (0..point.blocks).step_by(point.nr) {
        let width = point.nr.min(point.blocks - first) * point.block;
        let rows = width.min(o - first * point.block);
        // A group begins where those before it, of the same depth, end.
        let group = first * point.block * i;
        for outer in 0..i.div_ceil(inner) {
            let channels = inner.min(i - outer * inner);
            taps.clear();
            let stride = width.next_multiple_of(LANES);
            taps.resize(channels * 9 * stride, 0.0);
            let from = &src[(first * point.block * i + outer * inner) * 9..];
            transpose_matrix(from, i * 9, (rows, channels * 9), &mut taps, |column| column * stride);
            for (channel, taps) in taps.chunks_exact(9 * stride).enumerate() {
                let to = group + (outer * inner + channel) * width;
                for lane in (0..width).step_by(LANES) {
                    let count = LANES.min(width - lane);
                    for (index, values) in transform::<A>(taps, stride, lane).as_flattened().iter().enumerate() {
                        dst[index * point.len + to + lane..][..count].copy_from_slice(&values[..count]);
                    }
                }
            }
        }
    }
}

/// `G g Gᵀ` for [`LANES`] output channels from `lane` on; tap *t* of a channel is `taps[t · stride + channel]`.
fn transform<const A: usize>(taps: &[f32], stride: usize, lane: usize) -> [[[f32; LANES]; A]; A] {
    let tap =
        |t: usize| -> &[f32; LANES] { taps[t * stride + lane..].first_chunk().expect("rows are padded to LANES") };
    let g: [&[f32; LANES]; 9] = std::array::from_fn(tap);
    let mut u = [[[0.0; LANES]; A]; A];
    for l in 0..LANES {
        let rows: [[f64; A]; 3] = [0, 3, 6].map(|t| weight([g[t][l], g[t + 1][l], g[t + 2][l]].map(f64::from)));
        for j in 0..A {
            for (i, value) in weight::<A>([rows[0][j], rows[1][j], rows[2][j]]).into_iter().enumerate() {
                u[i][j][l] = value as f32;
            }
        }
    }
    u
}

#[cfg(test)]
mod tests {
    use super::super::pack::pack_conv;
    use super::*;

    /// Each point, transformed one weight at a time, is packed as a 1×1 convolution.
    fn naive<const A: usize>(packing: &WinogradPacking, src: &[f32]) -> Vec<f32> {
        let mut points = vec![vec![0.0; packing.point.o * packing.point.i]; A * A];
        for (channel, g) in src.as_chunks::<9>().0.iter().enumerate() {
            for (index, point) in points.iter_mut().enumerate() {
                let (y, x) = (index / A, index % A);
                let row = |r: usize| weight::<A>([g[3 * r], g[3 * r + 1], g[3 * r + 2]].map(f64::from))[x];
                point[channel] = weight::<A>([row(0), row(1), row(2)])[y] as f32;
            }
        }
        let mut dst = vec![f32::NAN; packing.len()];
        for (point, dst) in points.iter().zip(dst.chunks_exact_mut(packing.point.len.max(1))) {
            pack_conv(&packing.point, point, dst);
        }
        dst
    }

    #[test]
    fn points_are_packed_convolutions() {
        // O I, block, nr, inner: multiples, remainders, narrow last groups, blocks below LANES.
        for ([o, i], block, nr, inner) in [
            ([32, 16], 16, 2, 16),
            ([48, 32], 16, 2, 16),
            ([40, 17], 16, 2, 16),
            ([40, 17], 8, 4, 8),
            ([7, 5], 4, 1, 4),
            ([13, 9], 3, 2, 5),
            ([0, 4], 16, 2, 16),
            ([4, 0], 16, 2, 16),
        ] {
            let src: Vec<f32> = (0..o * i * 9).map(|i| (i * 7919 % 1000) as f32 / 500.0 - 1.0).collect();
            for m in [2, 4] {
                let packing = WinogradPacking::new(&[o, i, 3, 3], m, block, nr, inner).unwrap();
                let expected = if m == 2 { naive::<4>(&packing, &src) } else { naive::<6>(&packing, &src) };
                let mut dst = vec![f32::NAN; packing.len()];
                pack_winograd(&packing, &src, &mut dst);
                assert_eq!(dst, expected, "{o} {i} {block} {nr} {inner} F({m}, 3)");
            }
        }
    }
}
