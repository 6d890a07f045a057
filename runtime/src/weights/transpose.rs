//! Transposition, in tiles that stay in the first cache.

/// Columns of a tile: long runs of each row of the source, for the prefetcher's sake, and with the usual 32 rows a
/// result of 16 KiB, which stays in the first cache until its lines are full.
const TILE: usize = 128;

/// Rows and columns of what registers transpose.
const QUAD: usize = 4;

/// `dst[place(c) + r] = src[r · pitch + c]` for `r < rows`, `c < columns`.
pub(super) fn transpose_matrix(
    src: &[f32],
    pitch: usize,
    (rows, columns): (usize, usize),
    dst: &mut [f32],
    place: impl Fn(usize) -> usize,
) {
    for column in (0..columns).step_by(TILE) {
        let width = TILE.min(columns - column);
        for row in (0..rows).step_by(QUAD) {
            let height = QUAD.min(rows - row);
            let line = |r: usize| &src[(row + r) * pitch + column..][..width];
            let mut done = 0;
            if height == QUAD {
                let quads = [line(0), line(1), line(2), line(3)].map(|line| line.as_chunks::<QUAD>().0);
                for (((a, b), c), d) in quads[0].iter().zip(quads[1]).zip(quads[2]).zip(quads[3]) {
                    for quad in transpose_quad([a, b, c, d]) {
                        dst[place(column + done) + row..][..QUAD].copy_from_slice(&quad);
                        done += 1;
                    }
                }
            }
            for r in 0..height {
                for (c, element) in line(r).iter().enumerate().skip(done) {
                    dst[place(column + c) + row + r] = *element;
                }
            }
        }
    }
}

/// Four rows of four as four columns.
#[cfg(target_arch = "x86_64")]
fn transpose_quad(rows: [&[f32; QUAD]; QUAD]) -> [[f32; QUAD]; QUAD] {
    use std::arch::x86_64::{_mm_loadu_ps, _mm_movehl_ps, _mm_movelh_ps, _mm_unpackhi_ps, _mm_unpacklo_ps};

    // SAFETY: every x86-64 processor has SSE; each pointer leads to four elements, and a register holds four, in the
    // order of an array.
    unsafe {
        let [a, b, c, d] = rows.map(|row| _mm_loadu_ps(row.as_ptr()));
        let (ab, cd) = (_mm_unpacklo_ps(a, b), _mm_unpacklo_ps(c, d));
        let (ab_high, cd_high) = (_mm_unpackhi_ps(a, b), _mm_unpackhi_ps(c, d));
        std::mem::transmute([
            _mm_movelh_ps(ab, cd),
            _mm_movehl_ps(cd, ab),
            _mm_movelh_ps(ab_high, cd_high),
            _mm_movehl_ps(cd_high, ab_high),
        ])
    }
}

/// Four rows of four as four columns.
#[cfg(not(target_arch = "x86_64"))]
fn transpose_quad(rows: [&[f32; QUAD]; QUAD]) -> [[f32; QUAD]; QUAD] {
    std::array::from_fn(|column| rows.map(|row| row[column]))
}

/// A dimension of the result, and how far source and result move along it.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Dim {
    len: usize,
    src: usize,
    dst: usize,
}

/// The tensor `src` of shape `shape` with its dimensions in another order: result dimension `i` is source dimension
/// `order[i]`, a permutation.
pub(super) fn transpose(src: &[f32], shape: &[usize], order: &[usize], dst: &mut [f32]) {
    if dst.is_empty() {
        return;
    }
    let mut dims = merged(shape, order);
    // One dimension in which the source is contiguous and one in which the result is span a matrix; the others count
    // matrices. Where both are the same dimension, or there is none, the matrix is a row.
    let mut take = |contiguous: fn(&Dim) -> bool| {
        dims.iter().position(contiguous).map_or(Dim { len: 1, src: 1, dst: 1 }, |index| dims.remove(index))
    };
    let columns = take(|dim| dim.src == 1);
    let rows = if columns.dst == 1 { Dim { len: 1, src: columns.len, dst: 1 } } else { take(|dim| dim.dst == 1) };

    let mut index = vec![0; dims.len()];
    let (mut from, mut to) = (0, 0);
    loop {
        if columns.dst == 1 {
            dst[to..to + columns.len].copy_from_slice(&src[from..from + columns.len]);
        } else {
            let place = |column| column * columns.dst;
            transpose_matrix(&src[from..], rows.src, (rows.len, columns.len), &mut dst[to..], place);
        }
        let mut counting = index.iter_mut().zip(&dims).rev();
        loop {
            let Some((at, dim)) = counting.next() else { return };
            *at += 1;
            from += dim.src;
            to += dim.dst;
            if *at < dim.len {
                break;
            }
            *at = 0;
            from -= dim.len * dim.src;
            to -= dim.len * dim.dst;
        }
    }
}

/// The dimensions of the result, outermost first, without those of length 1 and with neighbours that stay neighbours
/// merged.
fn merged(shape: &[usize], order: &[usize]) -> Vec<Dim> {
    let stride = |dim: usize| shape[dim + 1..].iter().product::<usize>();
    let mut dims: Vec<Dim> = Vec::new();
    let mut dst = 1;
    // From the innermost out; `dims` is in that order until the end.
    for &source in order.iter().rev() {
        let dim = Dim { len: shape[source], src: stride(source), dst };
        dst *= dim.len;
        match dims.last_mut() {
            _ if dim.len == 1 => {}
            Some(last) if dim.src == last.len * last.src => last.len *= dim.len,
            _ => dims.push(dim),
        }
    }
    dims.reverse();
    dims
}

#[cfg(test)]
mod tests {
    use super::*;

    fn naive(src: &[f32], shape: &[usize], order: &[usize]) -> Vec<f32> {
        let result: Vec<usize> = order.iter().map(|dim| shape[*dim]).collect();
        let element = |mut flat: usize| {
            let mut index = vec![0; shape.len()];
            for (position, len) in result.iter().enumerate().rev() {
                index[order[position]] = flat % len;
                flat /= len;
            }
            src[index.iter().zip(shape).fold(0, |at, (index, len)| at * len + index)]
        };
        (0..src.len()).map(element).collect()
    }

    #[test]
    fn permutes_dimensions() {
        let cases: &[(&[usize], &[usize])] = &[
            (&[], &[]),
            (&[5], &[0]),
            (&[3, 5], &[0, 1]),
            (&[3, 5], &[1, 0]),
            (&[16, 32], &[1, 0]),
            (&[37, 19], &[1, 0]),
            (&[1, 7], &[1, 0]),
            (&[0, 7], &[1, 0]),
            (&[2, 3, 4], &[2, 0, 1]),
            (&[2, 3, 4], &[0, 2, 1]),
            (&[2, 3, 4], &[1, 0, 2]),
            (&[2, 3, 4], &[2, 1, 0]),
            (&[4, 1, 5, 1], &[3, 2, 1, 0]),
            (&[3, 4, 5, 6], &[2, 3, 1, 0]),
            (&[3, 4, 5, 6], &[1, 3, 0, 2]),
            (&[20, 17, 3, 3], &[2, 3, 1, 0]),
            (&[20, 17, 3, 3], &[0, 2, 3, 1]),
        ];
        for &(shape, order) in cases {
            let src: Vec<f32> = (0..shape.iter().product()).map(|i| i as f32).collect();
            let mut dst = vec![f32::NAN; src.len()];
            transpose(&src, shape, order, &mut dst);
            assert_eq!(dst, naive(&src, shape, order), "{shape:?} {order:?}");
        }
    }

    #[test]
    fn merges_neighbours() {
        assert_eq!(merged(&[2, 3, 4], &[0, 1, 2]), [Dim { len: 24, src: 1, dst: 1 }]);
        assert_eq!(merged(&[2, 3, 4], &[2, 0, 1]), [Dim { len: 4, src: 1, dst: 6 }, Dim { len: 6, src: 4, dst: 1 }]);
    }
}
