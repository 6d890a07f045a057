//! Direct convolution of a row of pixels, lanes over pixels; see [`Planar`].
//!
//! Each step of the reduction loads up to two vectors of neighbouring pixels and broadcasts one weight for each output
//! channel: twelve accumulators for six channels, as many FMAs as they need to overlap.

use super::Planar;
use super::epilogue::Epilogue;
use super::map::WithMap;
use super::rows::{scalar_row, vector_rows};

scalar_row!(Planar, "planar", definition);
vector_rows!(Planar, "planar", vectors, block: false);

/// The formula of [`Planar`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Planar and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Planar>();
        let [dst, src, weights, bias] = args.cast::<[*mut f32; 4]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for n in 0..p.nr as usize {
            for pixel in 0..p.len as usize {
                let mut sum = *bias.add(n);
                let mut weight = weights.wrapping_add(n);
                for o in 0..p.outer {
                    for y in 0..p.kh {
                        for x in 0..p.kw {
                            let spot = at(o, p.outer_stride) + at(y, p.kh_stride) + at(x, p.kw_stride);
                            sum = (*src.add(spot + pixel)).mul_add(*weight, sum);
                            weight = weight.wrapping_add(p.nr as usize);
                        }
                    }
                }
                *dst.add(n * p.dst_plane as usize + pixel) = activation.apply(sum);
            }
        }
    }
}

/// The whole row: channels by six, pixels by two vectors.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: WithMap>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Planar and `args` its pointers, valid for its accesses; `n` and `x` stay below their counts.
    unsafe {
        let p = &*params.cast::<Planar>();
        let [dst, src, weights, bias] = args.cast::<[*mut f32; 4]>().read();
        let (nr, len) = (p.nr as usize, p.len as usize);
        for n in (0..nr).step_by(6) {
            let (dst, weights, bias) = (dst.wrapping_add(n * p.dst_plane as usize), weights.add(n), bias.add(n));
            for x in (0..len).step_by(2 * S::LANES) {
                let (dst, src, rest) = (dst.wrapping_add(x), src.wrapping_add(x), len - x);
                match nr - n {
                    1 => tile::<S, 1>(s, p, [dst, src, weights, bias], rest),
                    2 => tile::<S, 2>(s, p, [dst, src, weights, bias], rest),
                    3 => tile::<S, 3>(s, p, [dst, src, weights, bias], rest),
                    4 => tile::<S, 4>(s, p, [dst, src, weights, bias], rest),
                    5 => tile::<S, 5>(s, p, [dst, src, weights, bias], rest),
                    _ => tile::<S, 6>(s, p, [dst, src, weights, bias], rest),
                }
            }
        }
    }
}

/// `NR` channels of the first two vectors of pixels, or of the `len` that there are.
///
/// # Safety
/// The pointers are valid for the accesses of `NR` channels and of `len` pixels, at most two vectors.
#[inline(always)]
unsafe fn tile<S: WithMap, const NR: usize>(s: S, p: &Planar, args: [*mut f32; 4], len: usize) {
    // SAFETY: the caller's promise; where `len` is between them, the last vector is partial.
    unsafe {
        if len >= 2 * S::LANES {
            sums::<S, NR, 2, false>(s, p, args, 2 * S::LANES);
        } else if len > S::LANES {
            sums::<S, NR, 2, true>(s, p, args, len);
        } else {
            sums::<S, NR, 1, true>(s, p, args, len);
        }
    }
}

/// `NR` channels of `V` vectors of pixels, `len` pixels in all; the last vector is partial if `PARTIAL`.
///
/// # Safety
/// The pointers are valid for the accesses of `NR` channels and `len` pixels, which end in the last vector.
#[inline(always)]
unsafe fn sums<S: WithMap, const NR: usize, const V: usize, const PARTIAL: bool>(
    s: S,
    p: &Planar,
    [dst, src, mut weights, bias]: [*mut f32; 4],
    len: usize,
) {
    let last = len - (V - 1) * S::LANES;
    let mut sums = [[s.splat(0.0); V]; NR];
    for n in 0..NR {
        // SAFETY: `bias` has `NR` elements.
        sums[n] = [s.splat(unsafe { *bias.add(n) }); V];
    }
    for o in 0..p.outer as usize {
        for y in 0..p.kh as usize {
            let mut spot = src.wrapping_add(o * p.outer_stride as usize + y * p.kh_stride as usize).cast_const();
            for _ in 0..p.kw {
                let mut pixels = [s.splat(0.0); V];
                for v in 0..V {
                    // SAFETY: vector `v` of the `len` pixels at this place of the window.
                    unsafe {
                        let at = spot.add(v * S::LANES);
                        pixels[v] = if PARTIAL && v + 1 == V { s.load_up_to(at, last) } else { s.load(at) };
                    }
                }
                for n in 0..NR {
                    // SAFETY: the weight of channel `n` at this place.
                    let weight = s.splat(unsafe { *weights.add(n) });
                    for v in 0..V {
                        sums[n][v] = s.fma(pixels[v], weight, sums[n][v]);
                    }
                }
                spot = spot.wrapping_add(p.kw_stride as usize);
                weights = weights.wrapping_add(p.nr as usize);
            }
        }
    }
    let epilogue = Epilogue::new(p.activation);
    for n in 0..NR {
        for v in 0..V {
            let rest = if v + 1 == V { last } else { S::LANES };
            // SAFETY: vector `v` of the `len` pixels of channel `n`.
            unsafe {
                let at = dst.add(n * p.dst_plane as usize + v * S::LANES);
                s.store_up_to(at, epilogue.in_registers(s, sums[n][v]), rest);
            }
        }
    }
    // SAFETY: `dst` holds `len` pixels of `NR` channels.
    unsafe { epilogue.in_memory(s, dst, NR, len, p.dst_plane as usize) };
}
