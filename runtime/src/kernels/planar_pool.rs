//! Pooling of rows, lanes over results; see [`PlanarPool`].

use super::pool::Mean;
use super::rows::{scalar_row, vector_rows};
use super::{PlanarPool, PoolKind};
use crate::simd::{MAX_SQUARE, Scalar, Simd};

scalar_row!(PlanarPool, "planar_pool", definition);
vector_rows!(PlanarPool, "planar_pool", vectors, block: false);

/// The formula of [`PlanarPool`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a PlanarPool and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<PlanarPool>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for y in 0..p.rows {
            for x in 0..p.len {
                let mut result = if p.kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 };
                for i in 0..p.kh {
                    for j in 0..p.kw {
                        let place = at(y, p.row_stride) + at(i, p.kh_stride) + at(x, p.stride) + at(j, p.kw_stride);
                        let element = *src.add(place);
                        result = if p.kind == PoolKind::Max { Scalar.max(result, element) } else { result + element };
                    }
                }
                let result = if p.kind == PoolKind::Max { result } else { result / (p.kh * p.kw) as f32 };
                *dst.add(at(y, p.dst_pitch) + x as usize) = result;
            }
        }
    }
}

/// All rows, with loops for maxima and for sums.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a PlanarPool and `args` its pointers, valid for its accesses.
    unsafe {
        let p = &*params.cast::<PlanarPool>();
        let args = args.cast::<[*mut f32; 2]>().read();
        match p.kind {
            PoolKind::Max => rows::<S, true>(s, p, args),
            PoolKind::Average | PoolKind::AverageIncludePad => rows::<S, false>(s, p, args),
        }
    }
}

/// All rows, of maxima if `MAX`, else of means.
///
/// # Safety
/// The pointers are valid for the accesses of `p`.
#[inline(always)]
unsafe fn rows<S: Simd, const MAX: bool>(s: S, p: &PlanarPool, [dst, src]: [*mut f32; 2]) {
    let len = p.len as usize;
    let mean = Mean::of(p.kh * p.kw);
    // Where the elements between those of a window's column belong to the next column, they may be read along.
    let pairs = p.stride == 2 && p.kw > 1 && p.kw_stride == 1;
    for row in 0..p.rows as usize {
        let dst = dst.wrapping_add(row * p.dst_pitch as usize);
        let src = src.wrapping_add(row * p.row_stride as usize).cast_const();
        for x in (0..len).step_by(S::LANES) {
            let n = len - x;
            let mut result = s.splat(if MAX { f32::NEG_INFINITY } else { 0.0 });
            for i in 0..p.kh as usize {
                for j in 0..p.kw as usize {
                    let place = i * p.kh_stride as usize + j * p.kw_stride as usize + x * p.stride as usize;
                    // SAFETY: the element of the first of `n` windows at this place; the next ones lie `stride` apart.
                    let v = unsafe { spread(s, src.add(place), n, p.stride as usize, pairs) };
                    result = if MAX { s.max(result, v) } else { s.add(result, v) };
                }
            }
            let result = if MAX { result } else { mean.apply(s, result) };
            // SAFETY: `n` results from `x` on.
            unsafe { s.store_up_to(dst.add(x), result, n) };
        }
    }
}

/// A vector of elements `stride` apart, of which there are `n`, and what it likes beyond them.
///
/// # Safety
/// `from` is valid for reading the first `min(n, LANES)` elements that lie `stride` apart, and with `pairs`, which asks
/// for a stride of 2, also for those between them.
#[inline(always)]
unsafe fn spread<S: Simd>(s: S, from: *const f32, n: usize, stride: usize, pairs: bool) -> S::V {
    let n = n.min(S::LANES);
    // SAFETY: the caller's promise; `lanes` has a whole vector.
    unsafe {
        if stride == 1 {
            s.load_up_to(from, n)
        } else if pairs {
            let len = 2 * n - 1;
            let (low, rest) = (s.load_up_to(from, len), len.saturating_sub(S::LANES));
            s.evens(low, if rest > 0 { s.load_up_to(from.add(S::LANES), rest) } else { low })
        } else {
            let mut lanes = [0.0; MAX_SQUARE.isqrt()];
            for i in 0..n {
                lanes[i] = *from.add(i * stride);
            }
            s.load(lanes.as_ptr())
        }
    }
}
