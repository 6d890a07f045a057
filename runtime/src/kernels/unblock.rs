//! nChw*B*c to NCHW; see [`Unblock`].

use super::Unblock;
use super::rows::{scalar_row, vector_rows};
use crate::simd::{MAX_SQUARE, Simd};

scalar_row!(Unblock, "unblock", definition);
vector_rows!(Unblock, "unblock", vectors, block: true);

/// The formula of [`Unblock`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is an Unblock and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Unblock>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for c in 0..p.channels {
            for y in 0..p.h {
                for x in 0..p.w {
                    *dst.add(at(c, p.dst_plane) + at(y, p.dst_pitch) + x as usize) =
                        *src.add(at(y, p.src_pitch) + at(x, p.block) + c as usize);
                }
            }
        }
    }
}

/// All rows, by squares of `LANES` columns × `LANES` channels.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is an Unblock and `args` its pointers.
    let (p, [dst, src]) = unsafe { (&*params.cast::<Unblock>(), args.cast::<[*mut f32; 2]>().read()) };
    debug_assert!(p.block as usize == S::LANES && p.channels <= p.block);
    let [w, dst_pitch, src_pitch] = [p.w, p.dst_pitch, p.src_pitch].map(|x| x as usize);
    // Planes without gaps are one long row.
    let (h, w) = if dst_pitch == w && src_pitch == w * S::LANES { (1, w * p.h as usize) } else { (p.h as usize, w) };
    let (plane, channels) = (p.dst_plane as usize, p.channels as usize);
    // Rows past the last column hold what an earlier square left there, which is not stored.
    let mut square = [0.0f32; MAX_SQUARE];
    let mut transposed = [0.0f32; MAX_SQUARE];
    for y in 0..h {
        for x in (0..w).step_by(S::LANES) {
            let columns = S::LANES.min(w - x);
            let src = src.wrapping_add(y * src_pitch + x * S::LANES).cast_const();
            let dst = dst.wrapping_add(y * dst_pitch + x);
            // SAFETY: `columns` vectors from `src` on, and `columns` columns of `channels` rows from `dst` on, are
            // accesses of the call; both squares hold `LANES` vectors.
            unsafe {
                if columns == S::LANES && channels == S::LANES {
                    s.transpose(src, S::LANES, dst, plane);
                    continue;
                }
                for i in 0..columns {
                    s.store(square.as_mut_ptr().add(i * S::LANES), s.load(src.add(i * S::LANES)));
                }
                s.transpose(square.as_ptr(), S::LANES, transposed.as_mut_ptr(), S::LANES);
                for c in 0..channels {
                    let row = s.load(transposed.as_ptr().add(c * S::LANES));
                    s.store_up_to(dst.add(c * plane), row, columns);
                }
            }
        }
    }
}
