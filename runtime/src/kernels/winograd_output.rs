//! Tiles of sums, transformed back; see [`WinogradOutput`].

use super::WinogradOutput;
use super::epilogue::{Place, finish};
use super::map::WithMap;
use super::rows::{scalar_row, vector_rows};
use super::winograd::output;
use crate::simd::Scalar;

scalar_row!(WinogradOutput, "winograd_output", definition);
vector_rows!(WinogradOutput, "winograd_output", vectors, block: true);

/// The formula of [`WinogradOutput`].
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
unsafe fn vectors<S: WithMap>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a WinogradOutput and `args` its pointers.
    unsafe {
        match (*params.cast::<WinogradOutput>()).m {
            2 => tiles::<S, 4, 2>(s, args, params),
            _ => tiles::<S, 6, 4>(s, args, params),
        }
    }
}

/// All tiles of `M` × `M` pixels.
///
/// # Safety
/// That of [`Entry`](super::Entry) for this family, whose `m` is `M` = `A` − 2.
#[inline(always)]
unsafe fn tiles<S: WithMap, const A: usize, const M: usize>(s: S, args: *const *mut f32, params: *const ()) {
    // SAFETY: `params` is a WinogradOutput and `args` its pointers, at least three.
    let (p, [dst, src, bias]) = unsafe { (&*params.cast::<WinogradOutput>(), args.cast::<[*mut f32; 3]>().read()) };
    // SAFETY: the call has a fourth pointer where `residual` is 1.
    let residual = (p.residual == 1).then(|| unsafe { args.add(3).read() }.cast_const());
    let [block, pitch, residual_pitch, point] =
        [p.block, p.dst_pitch, p.residual_pitch, p.src_point].map(|x| x as usize);
    let (rows, cols) = (p.rows as usize, p.cols as usize);
    debug_assert!(p.m as usize == M && rows <= M && block.is_multiple_of(S::LANES));
    for t in 0..p.tiles() as usize {
        let inside = M.min(cols - t * M);
        for lane in (0..block).step_by(S::LANES) {
            let src = src.wrapping_add(t * block + lane);
            // SAFETY: `bias` has a vector for each vector of the block.
            let b = unsafe { s.load(bias.add(lane)) };
            // Columns, loaded as they are needed; then rows.
            let mut half = [[b; A]; M];
            for j in 0..A {
                let mut x = [b; A];
                for i in 0..A {
                    // SAFETY: this point of the tile is an access of the call.
                    x[i] = unsafe { s.load(src.wrapping_add((i * A + j) * point)) };
                }
                let column: [S::V; M] = output(s, x);
                for i in 0..M {
                    half[i][j] = column[i];
                }
            }
            // As `finish` takes them: the vectors of a row are pixels, rows are its blocks.
            let mut tile = [[b; M]; M];
            for i in 0..M {
                let row: [S::V; M] = output(s, half[i]);
                for j in 0..M {
                    tile[j][i] = s.add(row[j], b);
                }
            }
            let first = t * M * block + lane;
            let dst = |i: usize, j: usize| dst.wrapping_add(first + i * pitch + j * block);
            let residual = |i: usize, j: usize| {
                residual.map(|at| Place {
                    px: S::LANES,
                    at: at.wrapping_add(first + i * residual_pitch + j * block),
                    pitch: residual_pitch,
                })
            };
            if rows == M && inside == M && block == S::LANES {
                // SAFETY: all `M` rows and columns of the tile, whose pixels are neighbours, are accesses of the call.
                unsafe { finish(s, tile, Place { at: dst(0, 0), pitch, px: S::LANES }, residual(0, 0), p.activation) };
                continue;
            }
            for (i, j) in (0..rows).flat_map(|i| (0..inside).map(move |j| (i, j))) {
                // SAFETY: pixel `j < inside` of row `i < rows` of the tile is an access of the call.
                unsafe {
                    finish(
                        s,
                        [[tile[j][i]]],
                        Place { at: dst(i, j), pitch, px: S::LANES },
                        residual(i, j),
                        p.activation,
                    )
                };
            }
        }
    }
}
