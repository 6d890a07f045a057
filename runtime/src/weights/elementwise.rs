//! Arithmetic on weights, with numpy's broadcasting.

/// An operand: its shape, and as many elements.
#[derive(Clone, Copy)]
pub(super) struct Operand<'a> {
    pub(super) shape: &'a [usize],
    pub(super) data: &'a [f32],
}

/// A dimension of the result, and how far each operand moves along it: 0 where it is stretched.
#[derive(Clone, Copy)]
struct Dim {
    len: usize,
    a: usize,
    b: usize,
}

/// `dst = op(a, b)`, where `shape` is what the shapes of `a` and `b` broadcast to, and `dst` has its elements.
pub(super) fn binary(shape: &[usize], a: Operand<'_>, b: Operand<'_>, dst: &mut [f32], op: impl Fn(f32, f32) -> f32) {
    let mut rest = dst;
    rows(shape, a.shape, b.shape, |inner, at_a, at_b| {
        let (row, after) = std::mem::take(&mut rest).split_at_mut(inner.len);
        rest = after;
        // Both operands are contiguous, so that along the innermost dimension each one moves by 1 or not at all.
        match (inner.a, inner.b) {
            (0, _) => zip(row, &b.data[at_b..], |b| op(a.data[at_a], b)),
            (_, 0) => zip(row, &a.data[at_a..], |a| op(a, b.data[at_b])),
            _ => {
                for ((to, a), b) in row.iter_mut().zip(&a.data[at_a..]).zip(&b.data[at_b..]) {
                    *to = op(*a, *b);
                }
            }
        }
    });
}

/// `a = op(a, b)`, where `shape` is that of `a` and of the result.
pub(super) fn binary_in_place(shape: &[usize], a: &mut [f32], b: Operand<'_>, op: impl Fn(f32, f32) -> f32) {
    rows(shape, shape, b.shape, |inner, at_a, at_b| {
        let row = &mut a[at_a..at_a + inner.len];
        if inner.b == 0 {
            row.iter_mut().for_each(|a| *a = op(*a, b.data[at_b]));
        } else {
            row.iter_mut().zip(&b.data[at_b..]).for_each(|(a, b)| *a = op(*a, *b));
        }
    });
}

/// Calls `row` for each row of the result, with the innermost dimension and where the row begins in each operand.
fn rows(shape: &[usize], a: &[usize], b: &[usize], mut row: impl FnMut(Dim, usize, usize)) {
    if shape.contains(&0) {
        return;
    }
    let dims = merged(shape, a, b);
    let (outer, inner) = dims.split_at(dims.len() - 1);
    let (mut at_a, mut at_b) = (0, 0);
    let mut index = vec![0; outer.len()];
    for _ in 0..outer.iter().map(|dim| dim.len).product() {
        row(inner[0], at_a, at_b);
        // The next row: count up the outer dimensions, the last one first.
        for (at, dim) in index.iter_mut().zip(outer).rev() {
            *at += 1;
            at_a += dim.a;
            at_b += dim.b;
            if *at < dim.len {
                break;
            }
            *at = 0;
            at_a -= dim.len * dim.a;
            at_b -= dim.len * dim.b;
        }
    }
}

fn zip(row: &mut [f32], from: &[f32], op: impl Fn(f32) -> f32) {
    for (to, from) in row.iter_mut().zip(from) {
        *to = op(*from);
    }
}

/// The dimensions of the result, outermost first, with neighbours merged where both operands allow it. Never empty,
/// and along the last one at least one operand moves by 1, unless its length is 1.
fn merged(shape: &[usize], a: &[usize], b: &[usize]) -> Vec<Dim> {
    let mut dims: Vec<Dim> = vec![Dim { len: 1, a: 1, b: 1 }];
    let (mut stride_a, mut stride_b) = (1, 1);
    // From the innermost out; `dims` is in that order until the end.
    for (position, &len) in shape.iter().rev().enumerate() {
        let stride = |operand: &[usize], stride: &mut usize| {
            let extent = operand.len().checked_sub(position + 1).map_or(1, |index| operand[index]);
            let moves = if extent == 1 { 0 } else { *stride };
            *stride *= extent;
            moves
        };
        let dim = Dim { len, a: stride(a, &mut stride_a), b: stride(b, &mut stride_b) };
        let last = dims.last_mut().expect("begins with one dimension and never loses it");
        if len == 1 {
            continue;
        }
        if last.len == 1 {
            *last = dim;
        } else if dim.a == last.len * last.a && dim.b == last.len * last.b {
            last.len *= len;
        } else {
            dims.push(dim);
        }
    }
    dims.reverse();
    dims
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition: every index of the result, by division.
    fn naive(shape: &[usize], a: Operand<'_>, b: Operand<'_>) -> Vec<f32> {
        let element = |operand: &Operand<'_>, mut flat: usize| {
            let (mut at, mut stride) = (0, 1);
            for (position, len) in shape.iter().rev().enumerate() {
                let index = flat % len;
                flat /= len;
                let extent = operand.shape.iter().rev().nth(position).copied().unwrap_or(1);
                at += if extent == 1 { 0 } else { index * stride };
                stride *= extent;
            }
            operand.data[at]
        };
        (0..shape.iter().product()).map(|flat| element(&a, flat) - element(&b, flat)).collect()
    }

    #[test]
    fn broadcasts_as_numpy_does() {
        let cases: &[(&[usize], &[usize], &[usize])] = &[
            (&[], &[], &[]),
            (&[5], &[5], &[5]),
            (&[5], &[], &[5]),
            (&[1], &[5], &[5]),
            (&[4, 3, 2, 2], &[4, 1, 1, 1], &[4, 3, 2, 2]),
            (&[4, 1, 1, 1], &[4, 3, 2, 2], &[4, 3, 2, 2]),
            (&[4, 3, 2, 2], &[3, 1, 1], &[4, 3, 2, 2]),
            (&[4, 3, 2, 2], &[2], &[4, 3, 2, 2]),
            (&[4, 1, 2, 1], &[1, 3, 1, 5], &[4, 3, 2, 5]),
            (&[1, 1, 1], &[1], &[1, 1, 1]),
            (&[3, 1], &[1, 4], &[3, 4]),
            (&[2, 1, 3], &[2, 4, 1], &[2, 4, 3]),
            (&[0, 3], &[3], &[0, 3]),
            (&[1, 3], &[0, 1], &[0, 3]),
        ];
        for &(a_shape, b_shape, shape) in cases {
            let a: Vec<f32> = (0..a_shape.iter().product()).map(|i| i as f32).collect();
            let b: Vec<f32> = (0..b_shape.iter().product()).map(|i| 100.0 + 3.0 * i as f32).collect();
            let (a, b) = (Operand { shape: a_shape, data: &a }, Operand { shape: b_shape, data: &b });
            let mut dst = vec![f32::NAN; shape.iter().product()];
            binary(shape, a, b, &mut dst, |a, b| a - b);
            assert_eq!(dst, naive(shape, a, b), "{a_shape:?} {b_shape:?}");
            if a_shape == shape {
                let mut a = a.data.to_vec();
                binary_in_place(shape, &mut a, b, |a, b| a - b);
                assert_eq!(a, dst, "{a_shape:?} {b_shape:?}");
            }
        }
    }

    #[test]
    fn merges_dimensions() {
        let lens = |shape: &[usize], a: &[usize], b: &[usize]| -> Vec<usize> {
            merged(shape, a, b).iter().map(|dim| dim.len).collect()
        };
        assert_eq!(lens(&[8, 4, 3, 3], &[8, 4, 3, 3], &[8, 4, 3, 3]), [288]);
        assert_eq!(lens(&[8, 4, 3, 3], &[8, 4, 3, 3], &[8, 1, 1, 1]), [8, 36]);
        assert_eq!(lens(&[8, 4, 3, 3], &[4, 1, 1], &[8, 4, 3, 3]), [8, 4, 9]);
        assert_eq!(lens(&[1, 1], &[1, 1], &[1]), [1]);
    }
}
