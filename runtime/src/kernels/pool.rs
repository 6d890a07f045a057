//! Pooling of one plane; see [`Pool`].

use super::rows::{scalar_row, vector_rows};
use super::{Pool, PoolKind};
use crate::simd::{Scalar, Simd};

scalar_row!(Pool, "pool", definition);
vector_rows!(Pool, "pool", vectors, block: true);

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
        let places = |rows, columns| (0..rows).flat_map(move |y| (0..columns).map(move |x| (y, x)));
        // Rows and columns are counted from the first pixel of the padding.
        let rows = p.pad_top as usize..p.pad_top as usize + p.in_h as usize;
        let columns = p.pad_left as usize..p.pad_left as usize + p.in_w as usize;
        for (oy, ox) in places(p.out_h, p.out_w) {
            for lane in 0..p.block as usize {
                let mut result = if p.kind == PoolKind::Max { f32::NEG_INFINITY } else { 0.0 };
                let (mut count, mut padded) = (0, 0);
                for ky in 0..p.kh {
                    let y = at(oy, p.stride_h) + at(ky, p.dilation_h);
                    let mut row = 0.0;
                    for kx in 0..p.kw {
                        let x = at(ox, p.stride_w) + at(kx, p.dilation_w);
                        if y < rows.end + p.pad_bottom as usize && x < columns.end + p.pad_right as usize {
                            padded += 1;
                        }
                        if rows.contains(&y) && columns.contains(&x) {
                            let [dy, dx] = [y - rows.start, x - columns.start];
                            let element = *src.add(dy * p.src_pitch as usize + dx * p.block as usize + lane);
                            match p.kind {
                                PoolKind::Max => result = Scalar.max(result, element),
                                PoolKind::Average | PoolKind::AverageIncludePad => row += element,
                            }
                            count += 1;
                        }
                    }
                    if p.kind != PoolKind::Max {
                        result += row;
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

/// The whole plane, with loops for maxima and for sums.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Pool and `args` its pointers, valid for its accesses.
    unsafe {
        let p = &*params.cast::<Pool>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        debug_assert!(p.block as usize == S::LANES);
        match p.kind {
            PoolKind::Max => plane::<S, true>(s, p, dst, src),
            PoolKind::Average | PoolKind::AverageIncludePad => plane::<S, false>(s, p, dst, src),
        }
    }
}

/// One side of all windows.
struct Side {
    len: usize,
    before: usize,
    after: usize,
    kernel: usize,
    stride: usize,
    dilation: usize,
}

/// The places of one window along one side.
struct Taps {
    /// The source's row or column of the first that lies inside the source.
    at: usize,
    /// How many lie inside the source.
    count: usize,
    /// How many lie inside the source or its padding.
    padded: usize,
}

impl Side {
    /// The places of window `i`.
    #[inline(always)]
    fn taps(&self, i: usize) -> Taps {
        // Counted from the first pixel of the padding.
        let start = i * self.stride;
        let first = self.places(start, self.before);
        Taps {
            at: (start + first * self.dilation).wrapping_sub(self.before),
            count: self.places(start, self.before + self.len) - first,
            padded: self.places(start, self.before + self.len + self.after),
        }
    }

    /// How many places of a window from `start` on lie before `end`.
    #[inline(always)]
    fn places(&self, start: usize, end: usize) -> usize {
        end.saturating_sub(start).div_ceil(self.dilation).min(self.kernel)
    }
}

/// What makes the mean of a sum.
#[derive(Clone, Copy)]
pub(super) enum Mean {
    /// The reciprocal of the count, where that is a power of two: a product rounds as the quotient does, and takes a
    /// tenth of the time.
    Factor(f32),
    /// The count.
    Divisor(f32),
}

impl Mean {
    /// That of `count` elements.
    #[inline(always)]
    pub(super) fn of(count: u32) -> Self {
        if count.is_power_of_two() { Self::Factor(1.0 / count as f32) } else { Self::Divisor(count as f32) }
    }

    /// The mean of elements whose sum this is.
    #[inline(always)]
    pub(super) fn apply<S: Simd>(self, s: S, sum: S::V) -> S::V {
        match self {
            Self::Factor(factor) => s.mul(sum, s.splat(factor)),
            Self::Divisor(divisor) => s.div(sum, s.splat(divisor)),
        }
    }
}

/// Source elements between neighbours.
struct Steps {
    /// Rows of a window.
    row: usize,
    /// Columns of a window.
    column: usize,
    /// Windows.
    window: usize,
}

/// The whole plane: by four results at a time where columns of windows lie inside the source, else one by one.
///
/// # Safety
/// `dst` and `src` are valid for the accesses of `p`, whose block is `LANES`.
#[inline(always)]
unsafe fn plane<S: Simd, const MAX: bool>(s: S, p: &Pool, dst: *mut f32, src: *const f32) {
    let rows = Side {
        len: p.in_h as usize,
        before: p.pad_top as usize,
        after: p.pad_bottom as usize,
        kernel: p.kh as usize,
        stride: p.stride_h as usize,
        dilation: p.dilation_h as usize,
    };
    let columns = Side {
        len: p.in_w as usize,
        before: p.pad_left as usize,
        after: p.pad_right as usize,
        kernel: p.kw as usize,
        stride: p.stride_w as usize,
        dilation: p.dilation_w as usize,
    };
    let steps = Steps {
        row: rows.dilation * p.src_pitch as usize,
        column: columns.dilation * S::LANES,
        window: columns.stride * S::LANES,
    };
    for oy in 0..p.out_h as usize {
        let y = rows.taps(oy);
        let dst = dst.wrapping_add(oy * p.dst_pitch as usize);
        let src = src.wrapping_add(y.at.wrapping_mul(p.src_pitch as usize));
        let mut ox = 0;
        while ox < p.out_w as usize {
            let x = columns.taps(ox);
            let whole =
                x.count == columns.kernel && ox + 4 <= p.out_w as usize && columns.taps(ox + 3).count == columns.kernel;
            let count = if p.kind == PoolKind::Average { y.count * x.count } else { y.padded * x.padded };
            let mean = Mean::of(count as u32);
            let src = src.wrapping_add(x.at.wrapping_mul(S::LANES));
            // SAFETY: the places of `x` and `y` are inside the source, and so are those of the three windows to the
            // right if the first and the last of the four are whole; `dst` has a vector for each result.
            unsafe {
                let dst = dst.add(ox * S::LANES);
                if whole {
                    let results = windows::<S, MAX, 4>(s, src, [y.count, x.count], &steps);
                    for i in 0..4 {
                        let result = if MAX { results[i] } else { mean.apply(s, results[i]) };
                        s.store(dst.add(i * S::LANES), result);
                    }
                    ox += 4;
                } else {
                    let [result] = windows::<S, MAX, 1>(s, src, [y.count, x.count], &steps);
                    s.store(dst, if MAX { result } else { mean.apply(s, result) });
                    ox += 1;
                }
            }
        }
    }
}

/// The maxima or sums of `N` neighbouring windows.
///
/// # Safety
/// `src` is valid for reading a vector at each place of the windows.
#[inline(always)]
unsafe fn windows<S: Simd, const MAX: bool, const N: usize>(
    s: S,
    src: *const f32,
    [rows, columns]: [usize; 2],
    steps: &Steps,
) -> [S::V; N] {
    let mut results = [s.splat(if MAX { f32::NEG_INFINITY } else { 0.0 }); N];
    for y in 0..rows {
        let mut row = [s.splat(0.0); N];
        for x in 0..columns {
            for i in 0..N {
                // SAFETY: one of the places.
                let v = unsafe { s.load(src.add(y * steps.row + x * steps.column + i * steps.window)) };
                if MAX {
                    results[i] = s.max(results[i], v);
                } else {
                    row[i] = s.add(row[i], v);
                }
            }
        }
        if !MAX {
            for i in 0..N {
                results[i] = s.add(results[i], row[i]);
            }
        }
    }
    results
}
