//! A constant in every element; see [`Fill`].

use super::Fill;
use super::rows::{scalar_row, vector_rows};
use crate::simd::Simd;

scalar_row!(Fill, "fill", definition);
vector_rows!(Fill, "fill", vectors, block: false);

/// The formula of [`Fill`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Fill and `args` its pointer, valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Fill>();
        let dst = args.read();
        for y in 0..p.rows as usize {
            for x in 0..p.len as usize {
                *dst.add(y * p.dst_pitch as usize + x) = p.value;
            }
        }
    }
}

/// All rows.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Fill and `args` its pointer.
    let (p, dst) = unsafe { (&*params.cast::<Fill>(), args.read()) };
    let (value, len) = (s.splat(p.value), p.len as usize);
    for y in 0..p.rows as usize {
        let dst = dst.wrapping_add(y * p.dst_pitch as usize);
        for x in (0..len).step_by(S::LANES) {
            // SAFETY: `len − x` elements of the row, from `x` on.
            unsafe { s.store_up_to(dst.add(x), value, len - x) };
        }
    }
}
