//! The gradient of a convolution by a tile of its weights; see [`WeightGradient`].
//!
//! Accumulators are weights, and stay in registers while pixels pass: each loads the vectors of G that its groups do not
//! share and broadcasts the elements of X that they do not share.

use super::WeightGradient;
use super::map::WithMap;
use super::rows::{scalar_row, tile_rows};
use crate::simd::Simd;

scalar_row!(WeightGradient, "weight_gradient", definition);
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx512, Avx512, WeightGradient, "weight_gradient";
    [p1 1] * [
        n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14 m15 15 m16 16;
        n2 2: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n3 3: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9;
        n4 4: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6;
        n5 5: m1 1 m2 2 m3 3 m4 4 m5 5;
    ]
}
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx2, Avx2, WeightGradient, "weight_gradient";
    [p1 1] * [
        n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12;
        n2 2: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6;
        n3 3: m1 1 m2 2 m3 3 m4 4;
        n4 4: m1 1 m2 2;
        n5 5: m1 1 m2 2;
    ]
}
#[cfg(target_arch = "aarch64")]
tile_rows! {
    neon, Neon, WeightGradient, "weight_gradient";
    [p1 1] * [
        n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n2 2: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;
        n3 3: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9;
        n4 4: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6;
        n5 5: m1 1 m2 2 m3 3 m4 4 m5 5;
    ]
}
// Emulated: some of each kind.
#[cfg(all(test, not(target_arch = "aarch64")))]
tile_rows! {
    neon, Neon, WeightGradient, "weight_gradient";
    [p1 1] * [n1 1: m1 1 m14 14; n3 3: m2 2 m4 4;]
}

/// The formula of [`WeightGradient`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a WeightGradient and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<WeightGradient>();
        let [dst, src, g] = args.cast::<[*mut f32; 3]>().read();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for n in 0..p.nr {
            for m in 0..p.mr {
                for lane in 0..p.block as usize {
                    let mut sum = 0.0;
                    for i in 0..p.images {
                        for y in 0..p.rows {
                            for x in 0..p.cols {
                                let spot = at(i, p.src_image) + at(y, p.src_row) + at(x, p.src_px);
                                let source = *src.add(spot + at(n, p.src_group) + m as usize);
                                let spot = at(i, p.g_image) + at(y, p.g_row) + at(x, p.g_px);
                                sum = source.mul_add(*g.add(spot + at(n, p.g_group) + lane), sum);
                            }
                        }
                    }
                    let place = at(n, p.dst_group) + at(m, p.dst_step) + lane;
                    if p.residual == 1 {
                        sum += *(*args.add(3)).add(place);
                    }
                    *dst.add(place) = sum;
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
    // SAFETY: `params` is a WeightGradient.
    let p = unsafe { &*params.cast::<WeightGradient>() };
    debug_assert!([p.mr, p.nr, p.block] == [MR as u32, NR as u32, S::LANES as u32]);
    // SAFETY: the call has at least three pointers, valid for its accesses.
    let sums = unsafe {
        let [_, src, g] = args.cast::<[*const f32; 3]>().read();
        if p.src_group == 0 { sums::<S, MR, NR, true>(s, p, src, g) } else { sums::<S, MR, NR, false>(s, p, src, g) }
    };
    // SAFETY: the call has a fourth pointer where `residual` is 1, valid as `dst` is for `NR` groups of `MR` vectors.
    unsafe {
        let dst = args.read();
        let residual = (p.residual == 1).then(|| args.add(3).read());
        for n in 0..NR {
            for m in 0..MR {
                let place = n * p.dst_group as usize + m * p.dst_step as usize;
                let sum = residual.map_or(sums[n][m], |residual| s.add(sums[n][m], s.load(residual.add(place))));
                s.store(dst.add(place), sum);
            }
        }
    }
}

/// The sums over all pixels. Groups share X and differ in G if `BLOCKS`; else they share G and differ in X.
///
/// # Safety
/// `src` and `g` are valid for the accesses of a call of `MR` × `NR`.
#[inline(always)]
unsafe fn sums<S: Simd, const MR: usize, const NR: usize, const BLOCKS: bool>(
    s: S,
    p: &WeightGradient,
    src: *const f32,
    g: *const f32,
) -> [[S::V; MR]; NR] {
    let mut sums = [[s.splat(0.0); MR]; NR];
    let (src_group, g_group) = (p.src_group as usize, p.g_group as usize);
    for i in 0..p.images as usize {
        for y in 0..p.rows as usize {
            let mut src = src.wrapping_add(i * p.src_image as usize + y * p.src_row as usize);
            let mut g = g.wrapping_add(i * p.g_image as usize + y * p.g_row as usize);
            for _ in 0..p.cols {
                let mut vectors = [s.splat(0.0); NR];
                for n in 0..if BLOCKS { NR } else { 1 } {
                    // SAFETY: the vector of this pixel and of group `n`, or of all groups.
                    vectors[n] = unsafe { s.load(g.add(n * g_group)) };
                }
                if BLOCKS {
                    for m in 0..MR {
                        // SAFETY: element `m` of this pixel, of all groups.
                        let x = s.splat(unsafe { *src.add(m) });
                        for n in 0..NR {
                            sums[n][m] = s.fma(x, vectors[n], sums[n][m]);
                        }
                    }
                } else {
                    for n in 0..NR {
                        for m in 0..MR {
                            // SAFETY: element `m` of this pixel and of group `n`.
                            let x = s.splat(unsafe { *src.add(n * src_group + m) });
                            sums[n][m] = s.fma(x, vectors[0], sums[n][m]);
                        }
                    }
                }
                src = src.wrapping_add(p.src_px as usize);
                g = g.wrapping_add(p.g_px as usize);
            }
        }
    }
    sums
}
