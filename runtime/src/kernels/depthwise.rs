//! Depthwise convolution of a register tile; see [`Depthwise`].
//!
//! One accumulator for each pixel; the weights of a place of the window are loaded once for all of them. A source vector
//! for each FMA would be more than L1 delivers, so in windows 3 and 5 wide, neighbouring pixels share what they can.

use super::Depthwise;
use super::epilogue::{Place, finish};
use super::map::WithMap;
use super::rows::{scalar_row, tile_rows};
use crate::simd::Simd;

scalar_row!(Depthwise, "depthwise", definition);
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx512, Avx512, Depthwise, "depthwise";
    [p16 16 p32 32] * [n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;]
}
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx2, Avx2, Depthwise, "depthwise";
    [p8 8 p16 16] * [n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;]
}
#[cfg(target_arch = "aarch64")]
tile_rows! {
    neon, Neon, Depthwise, "depthwise";
    [p4 4 p8 8] * [n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7 m8 8 m9 9 m10 10 m11 11 m12 12 m13 13 m14 14;]
}
// Emulated: some of each kind.
#[cfg(all(test, not(target_arch = "aarch64")))]
tile_rows! {
    neon, Neon, Depthwise, "depthwise";
    [p4 4 p8 8] * [n1 1: m1 1 m3 3 m14 14;]
}

/// The formula of [`Depthwise`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Depthwise and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Depthwise>();
        let [dst, src, weights, bias] = args.cast::<[*mut f32; 4]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for m in 0..p.mr {
            for lane in 0..p.block as usize {
                let mut sum = *bias.add(lane);
                for y in 0..p.kh {
                    for x in 0..p.kw {
                        let source = *src.add(at(y, p.kh_stride) + at(x, p.kw_stride) + at(m, p.px) + lane);
                        sum = source.mul_add(*weights.add(at(y * p.kw + x, p.block) + lane), sum);
                    }
                }
                let place = at(m, p.dst_px) + lane;
                if p.residual == 1 {
                    sum += *(*args.add(4)).add(place);
                }
                *dst.add(place) = activation.apply(sum);
            }
        }
    }
}

/// One register tile. A tile of this family has one block.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn tile<S: WithMap, const MR: usize, const NR: usize, const PX: usize>(
    s: S,
    args: *const *mut f32,
    params: *const (),
) {
    // SAFETY: `params` is a Depthwise.
    let p = unsafe { &*params.cast::<Depthwise>() };
    debug_assert!(NR == 1 && [p.mr, p.block, p.px] == [MR as u32, S::LANES as u32, PX as u32]);
    // SAFETY: the call has at least four pointers.
    let [dst, src, mut weights, bias] = unsafe { args.cast::<[*mut f32; 4]>().read() };

    // SAFETY: `bias` has one vector.
    let mut sums = [[unsafe { s.load(bias) }; 1]; MR];
    let (kw, kw_stride) = (p.kw as usize, p.kw_stride as usize);
    for y in 0..p.kh as usize {
        let row = src.wrapping_add(y * p.kh_stride as usize);
        // Rows that the tiles above have not read yet come from L2 or beyond: ask for what the tile after next will read.
        if y + PX / S::LANES >= p.kh as usize {
            for v in 0..MR * PX / S::LANES {
                s.prefetch(row.wrapping_add(2 * MR * PX + v * S::LANES));
            }
        }
        // SAFETY: the places of a row of the window, and their weights.
        unsafe {
            match kw {
                3 if kw_stride == S::LANES => places::<S, MR, PX, 3>(s, &mut sums, row, weights),
                5 if kw_stride == S::LANES => places::<S, MR, PX, 5>(s, &mut sums, row, weights),
                _ => {
                    for x in 0..kw {
                        let weights = weights.wrapping_add(x * S::LANES);
                        places::<S, MR, PX, 1>(s, &mut sums, row.wrapping_add(x * kw_stride), weights);
                    }
                }
            }
        }
        weights = weights.wrapping_add(kw * S::LANES);
    }

    let residual = (p.residual == 1).then(|| {
        // SAFETY: the call has a fifth pointer where `residual` is 1.
        let at = unsafe { args.add(4).read() }.cast_const();
        Place { at, pitch: 0, px: p.dst_px as usize }
    });
    // SAFETY: `dst` and `residual` are valid for the tile.
    unsafe { finish(s, sums, Place { at: dst, pitch: 0, px: p.dst_px as usize }, residual, p.activation) };
}

/// `KW` neighbouring places of the window: `sums[m] = src[m · PX + x] · weights[x] + sums[m]` for each. Written pixel by
/// pixel, so that the compiler sees which source vectors neighbours share; the processor finds the independent FMAs.
///
/// # Safety
/// `src` is valid for reading `KW` vectors at each pixel, `weights` for `KW` vectors.
#[inline(always)]
unsafe fn places<S: Simd, const MR: usize, const PX: usize, const KW: usize>(
    s: S,
    sums: &mut [[S::V; 1]; MR],
    src: *const f32,
    weights: *const f32,
) {
    let mut w = [s.splat(0.0); KW];
    for x in 0..KW {
        // SAFETY: vector `x` of `weights`.
        w[x] = unsafe { s.load(weights.add(x * S::LANES)) };
    }
    for m in 0..MR {
        for x in 0..KW {
            // SAFETY: vector `x` at pixel `m`.
            let v = unsafe { s.load(src.add(m * PX + x * S::LANES)) };
            sums[m][0] = s.fma(v, w[x], sums[m][0]);
        }
    }
}
