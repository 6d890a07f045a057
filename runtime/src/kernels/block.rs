//! NCHW to nChw*B*c; see [`Block`].

use super::Block;
use super::rows::{scalar_row, vector_rows};
use crate::simd::{MAX_SQUARE, Simd};

scalar_row!(Block, "block", definition);
vector_rows!(Block, "block", vectors, block: true);

/// The formula of [`Block`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Block and `args` its pointers, each valid for its accesses, of which all offsets are.
    unsafe {
        let p = &*params.cast::<Block>();
        let [dst, src] = args.cast::<[*mut f32; 2]>().read();
        let at = |index: u32, stride: u32| index as usize * stride as usize;
        for y in 0..p.h {
            for x in 0..p.w {
                for c in 0..p.block {
                    *dst.add(at(y, p.dst_pitch) + at(x, p.block) + c as usize) = if c < p.channels {
                        *src.add(at(c, p.src_plane) + at(y, p.src_pitch) + x as usize)
                    } else {
                        0.0
                    };
                }
            }
        }
    }
}

/// All rows, by squares of `LANES` channels × `LANES` columns.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a Block and `args` its pointers.
    let (p, [dst, src]) = unsafe { (&*params.cast::<Block>(), args.cast::<[*mut f32; 2]>().read()) };
    debug_assert!(p.block as usize == S::LANES && p.channels <= p.block);
    let [w, dst_pitch, src_pitch] = [p.w, p.dst_pitch, p.src_pitch].map(|x| x as usize);
    // Planes without gaps are one long row.
    let (h, w) = if src_pitch == w && dst_pitch == w * S::LANES { (1, w * p.h as usize) } else { (p.h as usize, w) };
    let (plane, channels) = (p.src_plane as usize, p.channels as usize);
    // Rows past the last channel stay zero.
    let mut square = [0.0f32; MAX_SQUARE];
    let mut transposed = [0.0f32; MAX_SQUARE];
    for y in 0..h {
        for x in (0..w).step_by(S::LANES) {
            let columns = S::LANES.min(w - x);
            let src = src.wrapping_add(y * src_pitch + x).cast_const();
            let dst = dst.wrapping_add(y * dst_pitch + x * S::LANES);
            // SAFETY: `columns` columns of `channels` rows from `src` on, and of vectors from `dst` on, are accesses
            // of the call; both squares hold `LANES` vectors.
            unsafe {
                if columns == S::LANES && channels == S::LANES {
                    s.transpose(src, plane, dst, S::LANES);
                    continue;
                }
                for c in 0..channels {
                    let row = square.as_mut_ptr().add(c * S::LANES);
                    s.store(row, s.load_up_to(src.add(c * plane), columns));
                }
                s.transpose(square.as_ptr(), S::LANES, transposed.as_mut_ptr(), S::LANES);
                for i in 0..columns {
                    s.store(dst.add(i * S::LANES), s.load(transposed.as_ptr().add(i * S::LANES)));
                }
            }
        }
    }
}
