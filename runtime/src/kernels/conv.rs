//! Direct convolution of a register tile; see [`Conv`].
//!
//! Each step of the reduction loads `NR` vectors of weights, broadcasts `MR` source elements and does `MR · NR` FMAs
//! on accumulators that stay in registers throughout. Weights are read once in order, and asked for ahead: the hardware
//! does not prefetch across pages. The layout is that of Georganas et al., *Anatomy of
//! High-Performance Deep Learning Convolutions on SIMD Architectures* (SC 2018), section II.

use super::Conv;
use super::epilogue::{Place, finish};
use super::map::WithMap;
use super::rows::{scalar_row, tile_rows};
use crate::simd::Simd;

scalar_row!(Conv, "conv", definition);
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx512, Avx512, Conv, "conv";
    [p1 1 p2 2 p4 4 p16 16 p32 32] * [
        n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n2 2: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n3 3: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9;
        n4 4: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6;
        n8 8: m1 1;
    ]
}
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx2, Avx2, Conv, "conv";
    [p1 1 p2 2 p4 4 p8 8 p16 16] * [
        n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12;
        n2 2: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6;
        n3 3: m1 1 m2 2 m3 3 m4 4;
        n4 4: m1 1 m2 2;
        n8 8: m1 1;
    ]
}
#[cfg(target_arch = "aarch64")]
tile_rows! {
    neon, Neon, Conv, "conv";
    [p1 1 p2 2 p4 4 p8 8] * [
        n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n2 2: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n3 3: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9;
        n4 4: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6;
        n8 8: m1 1;
    ]
}
// Emulated: some of each kind.
#[cfg(all(test, not(target_arch = "aarch64")))]
tile_rows! {
    neon, Neon, Conv, "conv";
    [p1 1 p4 4 p8 8] * [n1 1: m1 1 m14 14; n2 2: m1 1 m3 3; n8 8: m1 1;]
}

/// The formula of [`Conv`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Conv and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Conv>();
        let [dst, src, weights, bias] = args.cast::<[*mut f32; 4]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for n in 0..p.nr {
            for m in 0..p.mr {
                for lane in at(n, p.block)..at(n + 1, p.block) {
                    let mut sum = *bias.add(lane);
                    let mut weight = weights.wrapping_add(lane);
                    for o in 0..p.outer {
                        for y in 0..p.kh {
                            for x in 0..p.kw {
                                let spot =
                                    at(o, p.outer_stride) + at(y, p.kh_stride) + at(x, p.kw_stride) + at(m, p.px);
                                let inner = if o + 1 == p.outer { p.tail } else { p.inner };
                                for i in 0..inner as usize {
                                    sum = (*src.add(spot + i)).mul_add(*weight, sum);
                                    weight = weight.wrapping_add(at(p.nr, p.block));
                                }
                            }
                        }
                    }
                    let place = at(m, p.dst_px) + lane - at(n, p.block);
                    if p.residual == 1 {
                        sum += *(*args.add(4)).add(at(n, p.residual_block) + place);
                    }
                    *dst.add(at(n, p.dst_block) + place) = activation.apply(sum);
                }
            }
        }
    }
}

/// One register tile.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn tile<S: WithMap, const MR: usize, const NR: usize, const PX: usize>(
    s: S,
    args: *const *mut f32,
    params: *const (),
) {
    // SAFETY: `params` is a Conv.
    let p = unsafe { &*params.cast::<Conv>() };
    debug_assert!([p.mr, p.nr, p.block, p.px] == [MR as u32, NR as u32, S::LANES as u32, PX as u32]);
    // SAFETY: the call has at least four pointers.
    let [dst, src, mut weights, bias] = unsafe { args.cast::<[*mut f32; 4]>().read() };

    let mut sums = [[s.splat(0.0); NR]; MR];
    for n in 0..NR {
        // SAFETY: `bias` has `NR` vectors.
        let b = unsafe { s.load(bias.add(n * S::LANES)) };
        for m in 0..MR {
            sums[m][n] = b;
        }
    }

    let (kw, kw_stride) = (p.kw as usize, p.kw_stride as usize);
    for o in 0..p.outer as usize {
        // A row of the window is `runs` runs of `steps` steps. Where its elements are evenly spaced, it is a single run.
        let inner = if o + 1 == p.outer as usize { p.tail } else { p.inner } as usize;
        let (runs, run_stride, steps, step_stride) = if inner == 1 {
            (1, 0, kw, kw_stride)
        } else if inner == kw_stride {
            (1, 0, kw * inner, 1)
        } else {
            (kw, kw_stride, inner, 1)
        };
        for y in 0..p.kh as usize {
            let row = src.wrapping_add(o * p.outer_stride as usize + y * p.kh_stride as usize);
            for run in 0..runs {
                let mut spot = row.wrapping_add(run * run_stride);
                for _ in 0..steps {
                    // SAFETY: `spot` is an element of the window of the first pixel, and `weights` its `NR` vectors.
                    unsafe { step::<S, MR, NR, PX>(s, &mut sums, spot, weights) };
                    spot = spot.wrapping_add(step_stride);
                    weights = weights.wrapping_add(NR * S::LANES);
                }
            }
        }
    }

    let residual = (p.residual == 1).then(|| {
        // SAFETY: the call has a fifth pointer where `residual` is 1.
        let at = unsafe { args.add(4).read() }.cast_const();
        Place { at, pitch: p.residual_block as usize, px: p.dst_px as usize }
    });
    // SAFETY: `dst` and `residual` are valid for the tile.
    unsafe {
        let dst = Place { at: dst, pitch: p.dst_block as usize, px: p.dst_px as usize };
        finish(s, sums, dst, residual, p.activation);
    }
}

/// Steps from a weight that is read to the one that is asked for: more cycles than the third-level cache takes.
const AHEAD: usize = 16;

/// One step of the reduction: `sums[m][n] = src[m · PX] · weights[n] + sums[m][n]`.
///
/// # Safety
/// `src` is valid for reading element `m · PX` for each pixel `m`, `weights` for `NR` vectors.
#[inline(always)]
unsafe fn step<S: Simd, const MR: usize, const NR: usize, const PX: usize>(
    s: S,
    sums: &mut [[S::V; NR]; MR],
    src: *const f32,
    weights: *const f32,
) {
    let mut w = [s.splat(0.0); NR];
    for n in 0..NR {
        s.prefetch(weights.wrapping_add((AHEAD * NR + n) * S::LANES));
        // SAFETY: vector `n` of `weights`.
        w[n] = unsafe { s.load(weights.add(n * S::LANES)) };
    }
    for m in 0..MR {
        // SAFETY: the element of pixel `m`.
        let x = s.splat(unsafe { *src.add(m * PX) });
        for n in 0..NR {
            sums[m][n] = s.fma(x, w[n], sums[m][n]);
        }
    }
}
