//! Activations over rows; see [`Map`].

use super::Map;
use super::rows::{scalar_row, vector_rows};
use crate::simd::Simd;
use crate::simd::math::{activate_kind, with_kind};

scalar_row!(Map, "map", definition);
vector_rows!(Map, "map", vectors, block: false);

/// The formula of [`Map`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
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
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Map.
    let p = unsafe { &*params.cast::<Map>() };
    // SAFETY: the call's pointers are the caller's promise.
    with_kind!(p.activation, KIND => unsafe { rows::<S, KIND>(s, args.cast::<[*mut f32; 2]>().read(), p) });
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
        let mut at = 0;
        // SAFETY: `at + LANES ≤ len`, then `at + (len − at) = len`, and both rows hold `len` elements.
        unsafe {
            while at + S::LANES <= len {
                s.store(dst.add(at), activate_kind::<S, KIND>(s, p.activation, s.load(src.add(at))));
                at += S::LANES;
            }
            if at < len {
                let x = s.load_partial(src.add(at), len - at);
                s.store_partial(dst.add(at), activate_kind::<S, KIND>(s, p.activation, x), len - at);
            }
        }
    }
}
