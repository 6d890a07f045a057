//! Activations over rows; see [`Map`].

use super::rows::{scalar_row, vector_rows};
use super::{Entry, Map};
use crate::simd::Simd;
use crate::simd::math::{activate_kind, with_kind};

scalar_row!(Map, "map", definition);
vector_rows!(Map, "map", vectors, block: false);

/// Tokens for whose instruction set there is a row of this family.
pub(super) trait WithMap: Simd {
    /// The row, which may run where there is a token.
    const MAP: Entry;
}

impl WithMap for crate::simd::Scalar {
    const MAP: Entry = scalar;
}

#[cfg(target_arch = "x86_64")]
impl WithMap for crate::simd::Avx512 {
    const MAP: Entry = avx512;
}

#[cfg(target_arch = "x86_64")]
impl WithMap for crate::simd::Avx2 {
    const MAP: Entry = avx2;
}

#[cfg(any(test, target_arch = "aarch64"))]
impl WithMap for crate::simd::Neon {
    const MAP: Entry = neon;
}

/// The formula of [`Map`].
///
/// # Safety
/// That of [`Entry`] for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Map and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Map>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        for y in 0..p.rows as usize {
            for x in 0..p.len as usize {
                *dst.add(y * p.dst_pitch as usize + x) = activation.apply(*src.add(y * p.src_pitch as usize + x));
            }
        }
    }
}

/// All rows, with a loop for each activation.
///
/// # Safety
/// That of [`Entry`] for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Map and `args` its pointers.
    let (p, args) = unsafe { (&*params.cast::<Map>(), args.cast::<[*mut f32; 2]>().read()) };
    // SAFETY: the pointers are valid for the accesses of `p`.
    with_kind!(p.activation, KIND => unsafe { rows::<S, KIND>(s, args, p) });
}

/// All rows, for the activation of kind `KIND`.
///
/// # Safety
/// `dst` and `src` are valid for the accesses of `p`.
#[inline(always)]
unsafe fn rows<S: Simd, const KIND: u32>(s: S, [dst, src]: [*mut f32; 2], p: &Map) {
    let len = p.len as usize;
    for y in 0..p.rows as usize {
        let dst = dst.wrapping_add(y * p.dst_pitch as usize);
        let src = src.wrapping_add(y * p.src_pitch as usize);
        for x in (0..len).step_by(S::LANES) {
            // SAFETY: `len − x` elements of both rows, from `x` on.
            unsafe {
                let v = activate_kind::<S, KIND>(s, p.activation, s.load_up_to(src.add(x), len - x));
                s.store_up_to(dst.add(x), v, len - x);
            }
        }
    }
}
