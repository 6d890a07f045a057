//! The gradient of a depthwise convolution by the weights of one block of channels; see [`DepthwiseGradient`].
//!
//! One accumulator for each tap, so that a vector of G is loaded once for all of them.

use super::DepthwiseGradient;
use super::map::WithMap;
use super::rows::{scalar_row, tile_rows};

scalar_row!(DepthwiseGradient, "depthwise_gradient", definition);
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx512, Avx512, DepthwiseGradient, "depthwise_gradient";
    [p1 1] * [n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7; n3 3: m3 3; n5 5: m5 5;]
}
#[cfg(target_arch = "x86_64")]
tile_rows! {
    avx2, Avx2, DepthwiseGradient, "depthwise_gradient";
    [p1 1] * [n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7; n2 2: m5 5; n3 3: m3 3;]
}
#[cfg(target_arch = "aarch64")]
tile_rows! {
    neon, Neon, DepthwiseGradient, "depthwise_gradient";
    [p1 1] * [n1 1: m1 1 m2 2 m3 3 m4 4 m5 5 m6 6 m7 7; n3 3: m3 3; n5 5: m5 5;]
}
// Emulated: some of each kind.
#[cfg(all(test, not(target_arch = "aarch64")))]
tile_rows! {
    neon, Neon, DepthwiseGradient, "depthwise_gradient";
    [p1 1] * [n1 1: m1 1 m5 5; n3 3: m3 3;]
}

/// The formula of [`DepthwiseGradient`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a DepthwiseGradient and `args` its pointers, each valid for its accesses, of which all offsets
    // are.
    unsafe {
        let p = &*params.cast::<DepthwiseGradient>();
        let [dst, src, g] = args.cast::<[*mut f32; 3]>().read();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for (u, v) in (0..p.kh).flat_map(|u| (0..p.kw).map(move |v| (u, v))) {
            for lane in 0..p.block as usize {
                let mut sum = 0.0;
                for i in 0..p.images {
                    for y in 0..p.rows {
                        for x in 0..p.cols {
                            let spot = at(i, p.src_image) + at(y, p.src_row) + at(x, p.src_px);
                            let source = *src.add(spot + at(u, p.kh_stride) + at(v, p.kw_stride) + lane);
                            let spot = at(i, p.g_image) + at(y, p.g_row) + at(x, p.block);
                            sum = source.mul_add(*g.add(spot + lane), sum);
                        }
                    }
                }
                let place = at(u, p.dst_row) + at(v, p.block) + lane;
                if p.residual == 1 {
                    sum += *(*args.add(3)).add(place);
                }
                *dst.add(place) = sum;
            }
        }
    }
}

/// One register tile: `KH` × `KW` taps.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn tile<S: WithMap, const KW: usize, const KH: usize, const PX: usize>(
    s: S,
    args: *const *mut f32,
    params: *const (),
) {
    // SAFETY: `params` is a DepthwiseGradient.
    let p = unsafe { &*params.cast::<DepthwiseGradient>() };
    debug_assert!([p.kw, p.kh, p.block] == [KW as u32, KH as u32, S::LANES as u32]);
    // SAFETY: the call has at least three pointers.
    let [dst, src, g] = unsafe { args.cast::<[*mut f32; 3]>().read() };
    let (kh_stride, kw_stride) = (p.kh_stride as usize, p.kw_stride as usize);
    let mut sums = [[s.splat(0.0); KW]; KH];
    for i in 0..p.images as usize {
        for y in 0..p.rows as usize {
            let mut src = src.wrapping_add(i * p.src_image as usize + y * p.src_row as usize).cast_const();
            let mut g = g.wrapping_add(i * p.g_image as usize + y * p.g_row as usize).cast_const();
            for _ in 0..p.cols {
                // SAFETY: the vector of this pixel.
                let vector = unsafe { s.load(g) };
                for u in 0..KH {
                    for v in 0..KW {
                        // SAFETY: the vector that tap u, v meets for this pixel.
                        let x = unsafe { s.load(src.add(u * kh_stride + v * kw_stride)) };
                        sums[u][v] = s.fma(x, vector, sums[u][v]);
                    }
                }
                src = src.wrapping_add(p.src_px as usize);
                g = g.wrapping_add(S::LANES);
            }
        }
    }
    // SAFETY: the call has a fourth pointer where `residual` is 1, valid as `dst` is for `KH` rows of `KW` vectors.
    unsafe {
        let residual = (p.residual == 1).then(|| args.add(3).read());
        for u in 0..KH {
            for v in 0..KW {
                let place = u * p.dst_row as usize + v * S::LANES;
                let sum = residual.map_or(sums[u][v], |residual| s.add(sums[u][v], s.load(residual.add(place))));
                s.store(dst.add(place), sum);
            }
        }
    }
}
