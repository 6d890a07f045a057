//! Pooling of one plane; see [`Pool`].

use super::rows::scalar_row;
use super::{Pool, PoolKind};
use crate::simd::{Scalar, Simd};

scalar_row!(Pool, "pool", definition);

/// The formula of [`Pool`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Pool and `args` its pointers, each valid for its accesses: the loads lie inside the source.
    unsafe {
        let p = &*params.cast::<Pool>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for (oy, ox) in (0..p.out_h).flat_map(|oy| (0..p.out_w).map(move |ox| (oy, ox))) {
            for lane in 0..p.block as usize {
                let mut result = if p.kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 };
                let (mut count, mut padded) = (0, 0);
                for (ky, kx) in (0..p.kh).flat_map(|ky| (0..p.kw).map(move |kx| (ky, kx))) {
                    // Counted from the first pixel of the padding.
                    let (row, column) = (oy * p.stride_h + ky * p.dilation_h, ox * p.stride_w + kx * p.dilation_w);
                    if row < p.pad_top + p.in_h + p.pad_bottom && column < p.pad_left + p.in_w + p.pad_right {
                        padded += 1;
                    }
                    let (y, x) = (row.wrapping_sub(p.pad_top), column.wrapping_sub(p.pad_left));
                    if y < p.in_h && x < p.in_w {
                        let element = *src.add(at(y, p.src_pitch) + at(x, p.block) + lane);
                        result = if p.kind == PoolKind::Max { Scalar.max(result, element) } else { result + element };
                        count += 1;
                    }
                }
                *dst.add(at(oy, p.dst_pitch) + at(ox, p.block) + lane) = match p.kind {
                    PoolKind::Max => result,
                    PoolKind::Average => result / count as f32,
                    PoolKind::AverageIncludePad => result / padded as f32,
                };
            }
        }
    }
}
