//! Copies of rows; see [`struct@Copy`]. `memmove` is as wide as the machine, so there is one row for all instruction sets.

use super::Copy;
use super::rows::scalar_row;

scalar_row!(Copy, "copy", definition);

/// The formula of [`struct@Copy`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Copy and `args` its pointers, each valid for its accesses, of which all rows are.
    unsafe {
        let p = &*params.cast::<Copy>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        for y in 0..p.rows as usize {
            let src = src.add(y * p.src_pitch as usize);
            dst.add(y * p.dst_pitch as usize).copy_from(src, p.len as usize);
        }
    }
}
