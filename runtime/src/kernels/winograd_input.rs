//! Tiles of the input, transformed; see [`WinogradInput`].
//!
//! A tile of F(4, 3) is 36 vectors: a few more than AVX-512 has registers, so that some of the first half of the
//! transform pass through L1.

use super::WinogradInput;
use super::rows::{scalar_row, vector_rows};
use super::winograd::input;
use crate::simd::{Scalar, Simd};

/// Elements of the largest tile.
const MAX_PATCH: usize = 6 * 6 * 16;

scalar_row!(WinogradInput, "winograd_input", definition);
vector_rows!(WinogradInput, "winograd_input", vectors, block: true);

/// The formula of [`WinogradInput`].
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
unsafe fn definition(args: *const *mut f32, params: *const ()) {
    // SAFETY: the caller's promises; single lanes are vectors of `Scalar`.
    unsafe { vectors(Scalar, args, params) }
}

/// All tiles, lanes by vectors.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family.
#[inline(always)]
unsafe fn vectors<S: Simd>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a WinogradInput and `args` its pointers.
    unsafe {
        match (*params.cast::<WinogradInput>()).m {
            2 => tiles::<S, 4>(s, args, params),
            _ => tiles::<S, 6>(s, args, params),
        }
    }
}

/// All tiles of side `A`.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family, whose `m` is `A` − 2.
#[inline(always)]
unsafe fn tiles<S: Simd, const A: usize>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a WinogradInput and `args` its pointers.
    let (p, [dst, src]) = unsafe { (&*params.cast::<WinogradInput>(), args.cast::<[*mut f32; 2]>().read()) };
    let [block, pitch, point] = [p.block, p.src_pitch, p.dst_point].map(|x| x as usize);
    let (rows, cols) = (p.rows as usize + 2, p.cols as usize + 2);
    debug_assert!(p.m as usize + 2 == A && rows <= A && block.is_multiple_of(S::LANES));
    for tile in 0..p.tiles() as usize {
        let left = tile * (A - 2);
        let (src, dst) = (src.wrapping_add(left * block), dst.wrapping_add(tile * block));
        let inside = A.min(cols - left);
        for lane in (0..block).step_by(S::LANES) {
            let (mut from, mut row, mut column) = (src.wrapping_add(lane).cast_const(), pitch, block);
            let mut patch;
            if rows < A || inside < A {
                // With zeros where the image has ended.
                patch = [0.0_f32; MAX_PATCH];
                for (y, x) in (0..rows).flat_map(|y| (0..inside).map(move |x| (y, x))) {
                    // SAFETY: column `left + x < cols` of row `y < rows` is an access of the call; `patch` has `A` · `A`
                    // vectors.
                    unsafe {
                        let v = s.load(from.wrapping_add(y * row + x * column));
                        s.store(patch.as_mut_ptr().add((y * A + x) * S::LANES), v);
                    }
                }
                (from, row, column) = (patch.as_ptr(), A * S::LANES, S::LANES);
            }
            // Columns, loaded as they are needed; then rows.
            let mut half = [[s.splat(0.0); A]; A];
            for x in 0..A {
                let mut d = half[0];
                for y in 0..A {
                    // SAFETY: all `A` rows and columns are accesses of the call, or `from` is `patch`.
                    d[y] = unsafe { s.load(from.wrapping_add(y * row + x * column)) };
                }
                let v = input(s, d);
                for y in 0..A {
                    half[y][x] = v[y];
                }
            }
            for y in 0..A {
                let v = input(s, half[y]);
                for x in 0..A {
                    // SAFETY: this point of the tile is an access of the call.
                    unsafe { s.store(dst.wrapping_add((y * A + x) * point + lane), v[x]) };
                }
            }
        }
    }
}
