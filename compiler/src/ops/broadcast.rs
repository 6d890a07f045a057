//! Broadcasting as numpy defines it: shapes align at their last dimensions, and a dimension of 1 repeats.

use convoke_runtime::{Element, Tensor};

/// The shape of the result of an elementwise operation on `a` and `b`, or `None` where they do not fit.
#[must_use]
pub fn shape(a: &[usize], b: &[usize]) -> Option<Vec<usize>> {
    let rank = a.len().max(b.len());
    (0..rank)
        .map(|dim| match (size(a, dim, rank), size(b, dim, rank)) {
            (a, b) if a == b => Some(a),
            (1, other) | (other, 1) => Some(other),
            _ => None,
        })
        .collect()
}

/// The size of dimension `dim` of `shape` when it is seen as one of `rank`.
fn size(shape: &[usize], dim: usize, rank: usize) -> usize {
    (dim + shape.len()).checked_sub(rank).map_or(1, |own| shape[own])
}

/// The elements of `tensor`, repeated to fill `shape`, row-major.
pub(crate) fn repeated<'a, T: Element>(tensor: &'a Tensor<T>, shape: &'a [usize]) -> impl Iterator<Item = T> + 'a {
    let rank = shape.len();
    let elements = shape.iter().product();
    (0..elements).map(move |mut flat: usize| {
        let (mut offset, mut stride) = (0, 1);
        for dim in (0..rank).rev() {
            let own = size(tensor.shape(), dim, rank);
            let index = flat % shape[dim];
            flat /= shape[dim];
            offset += if own == 1 { 0 } else { index * stride };
            stride *= own;
        }
        tensor.data()[offset]
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shapes() {
        type Row<'a> = (&'a [usize], &'a [usize], Option<&'a [usize]>);
        let table: [Row<'_>; 8] = [
            (&[2, 3], &[2, 3], Some(&[2, 3])),
            (&[2, 3], &[3], Some(&[2, 3])),
            (&[2, 3], &[], Some(&[2, 3])),
            (&[2, 1], &[1, 3], Some(&[2, 3])),
            (&[1, 8, 4, 4], &[8, 1, 1], Some(&[1, 8, 4, 4])),
            (&[2, 3], &[2], None),
            (&[2, 3], &[4, 3], None),
            (&[], &[], Some(&[])),
        ];
        for (a, b, expected) in table {
            assert_eq!(shape(a, b).as_deref(), expected, "{a:?} and {b:?}");
            assert_eq!(shape(b, a).as_deref(), expected, "{b:?} and {a:?}");
        }
    }

    #[test]
    fn repeats() {
        let tensor = Tensor::from_vec(&[2, 1], vec![1.0, 2.0]).expect("two elements");
        let values: Vec<f32> = repeated(&tensor, &[2, 2, 3]).collect();
        assert_eq!(values, [1., 1., 1., 2., 2., 2., 1., 1., 1., 2., 2., 2.]);
        let scalar = Tensor::from_vec(&[], vec![7.0]).expect("one element");
        assert_eq!(repeated(&scalar, &[2]).collect::<Vec<f32>>(), [7.0, 7.0]);
    }
}
