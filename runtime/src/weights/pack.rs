//! Weights in the layouts that kernels read.

use super::shape::ConvPacking;
use super::transpose::transpose_matrix;

/// Weights O I Kh Kw to the layout of [`WeightOp::PackConv`](super::WeightOp::PackConv), of which `dst` has the
/// elements.
///
/// Of one group of blocks, the weights are a matrix O × (I·Kh·Kw), and the packed ones its transposed, with the rows
/// of each block of input channels in another order: taps before channels.
pub(super) fn pack_conv(packing: &ConvPacking, src: &[f32], dst: &mut [f32]) {
    let ConvPacking { o, i, taps, block, nr, inner, .. } = *packing;
    if dst.is_empty() {
        return;
    }
    // Where there is one tap or one channel in a block, the order is the source's, as if all were one block.
    let in_order = taps == 1 || inner == 1;
    let channels = if in_order { i } else { inner.min(i) };
    let places = |channels: usize| -> Vec<usize> {
        (0..channels * taps).map(|column| column % taps * channels + column / taps).collect()
    };
    let [full, tail] = [channels, i % channels].map(places);
    for (group, dst) in dst.chunks_mut(nr * block * i * taps).enumerate() {
        let first = group * nr * block;
        let width = dst.len() / (i * taps);
        let rows = width.min(o - first);
        for (chunk, dst) in dst.chunks_mut(channels * taps * width).enumerate() {
            let columns = dst.len() / width;
            if rows < width {
                dst.fill(0.0);
            }
            let src = &src[first * i * taps + chunk * channels * taps..];
            let place = if columns < full.len() { &tail } else { &full };
            if in_order {
                transpose_matrix(src, i * taps, (rows, columns), dst, |column| column * width);
            } else {
                transpose_matrix(src, i * taps, (rows, columns), dst, |column| place[column] * width);
            }
        }
    }
}

/// Weights O I Kh Kw to those of [`WeightOp::BlockDiagonal`](super::WeightOp::BlockDiagonal), of which `dst` has the
/// elements.
pub(super) fn block_diagonal(shape: &[usize], src: &[f32], outputs: u32, groups: u32, dst: &mut [f32]) {
    dst.fill(0.0);
    let row: usize = shape[1..].iter().product();
    if row > 0 {
        let (outputs, groups) = (outputs as usize, groups as usize);
        for (o, (src, dst)) in src.chunks_exact(row).zip(dst.chunks_exact_mut(row * groups)).enumerate() {
            let group = o / outputs % groups;
            dst[group * row..][..row].copy_from_slice(src);
        }
    }
}

/// A vector to the layout of [`WeightOp::PackVector`](super::WeightOp::PackVector): zeros after it.
pub(super) fn pack_vector(src: &[f32], dst: &mut [f32]) {
    let (values, rest) = dst.split_at_mut(src.len());
    values.copy_from_slice(src);
    rest.fill(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition, by index: `[groups of nr blocks][⌈I/inner⌉][taps][inner][nr][block]`, the last `inner` being what
    /// remains of I.
    fn naive(packing: &ConvPacking, src: &[f32]) -> Vec<f32> {
        let ConvPacking { o, i, taps, block, blocks, nr, inner, .. } = *packing;
        let mut dst = Vec::new();
        for first in (0..blocks).step_by(nr) {
            for io in 0..i.div_ceil(inner) {
                for tap in 0..taps {
                    for ii in 0..inner.min(i - io * inner) {
                        for b in first..blocks.min(first + nr) {
                            for lane in 0..block {
                                let (row, channel) = (b * block + lane, io * inner + ii);
                                dst.push(if row < o { src[(row * i + channel) * taps + tap] } else { 0.0 });
                            }
                        }
                    }
                }
            }
        }
        dst
    }

    #[test]
    fn packs_convolutions() {
        // O I Kh Kw, block, nr, inner: multiples, remainders in each dimension, planar, narrow last group.
        for (shape, block, nr, inner) in [
            ([32, 16, 1, 1], 16, 2, 16),
            ([32, 16, 3, 3], 16, 2, 16),
            ([48, 32, 3, 3], 16, 2, 16),
            ([40, 17, 3, 3], 16, 2, 16),
            ([40, 17, 1, 1], 16, 4, 16),
            ([32, 3, 7, 7], 16, 2, 1),
            ([6, 1, 5, 5], 16, 1, 1),
            ([10, 84, 1, 1], 8, 3, 8),
            ([24, 20, 1, 3], 8, 3, 8),
            ([7, 5, 2, 2], 4, 1, 4),
            ([13, 9, 2, 3], 3, 2, 5),
            ([64, 1, 1, 1], 16, 2, 16),
            ([0, 4, 1, 1], 16, 2, 16),
            ([4, 0, 1, 1], 16, 2, 16),
        ] {
            let packing = ConvPacking::new(&shape, block, nr, inner).unwrap();
            let src: Vec<f32> = (1..=shape.iter().product()).map(|i| i as f32).collect();
            let mut dst = vec![f32::NAN; packing.len];
            pack_conv(&packing, &src, &mut dst);
            assert_eq!(dst, naive(&packing, &src), "{shape:?} {packing:?}");
        }
    }

    #[test]
    fn merges_groups() {
        // O I Kh Kw = 4 1 1 2 in groups of one output: two groups become one.
        let src = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let mut dst = [f32::NAN; 16];
        block_diagonal(&[4, 1, 1, 2], &src, 1, 2, &mut dst);
        assert_eq!(dst, [1.0, 2.0, 0.0, 0.0, 0.0, 0.0, 3.0, 4.0, 5.0, 6.0, 0.0, 0.0, 0.0, 0.0, 7.0, 8.0]);
    }

    #[test]
    fn pads_vectors() {
        let mut dst = [f32::NAN; 8];
        pack_vector(&[1.0, 2.0, 3.0, 4.0, 5.0], &mut dst);
        assert_eq!(dst, [1.0, 2.0, 3.0, 4.0, 5.0, 0.0, 0.0, 0.0]);
    }
}
