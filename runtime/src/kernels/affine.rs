//! A scale and a shift for each channel; see [`Affine`].

use super::Affine;
use super::rows::scalar_row;

scalar_row!(Affine, "affine", definition);

/// The formula of [`Affine`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is an Affine and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Affine>();
        let [dst, src, scale, shift] = args.cast::<[*mut f32; 4]>().read();
        let activation = p.activation.decode().unwrap_or_default();
        for y in 0..p.rows as usize {
            for x in 0..p.len as usize {
                let lane = x % p.block as usize;
                let value = (*src.add(y * p.src_pitch as usize + x)).mul_add(*scale.add(lane), *shift.add(lane));
                *dst.add(y * p.dst_pitch as usize + x) = activation.apply(value);
            }
        }
    }
}
