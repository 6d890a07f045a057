//! Slices and diagonals of weights.

/// Writes to `dst`, of shape `shape`, the elements of `src` at the sums of index times stride.
pub(super) fn view(src: &[f32], strides: &[usize], shape: &[usize], dst: &mut [f32]) {
    let dims = shape.iter().copied().zip(strides.iter().copied());
    // Each of the others halves what is left to write, so that recursion ends soon, whatever the number of dimensions.
    let dims: Vec<(usize, usize)> = dims.filter(|(len, _)| *len != 1).collect();
    write(src, &dims, dst);
}

fn write(src: &[f32], dims: &[(usize, usize)], dst: &mut [f32]) {
    match dims {
        [] => dst[0] = src[0],
        &[(_, 1)] => dst.copy_from_slice(&src[..dst.len()]),
        &[(len, stride), ref inner @ ..] => {
            for (index, part) in dst.chunks_exact_mut(dst.len() / len).enumerate() {
                write(&src[index * stride..], inner, part);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_and_diagonals() {
        let src: Vec<f32> = (0_u8..36).map(f32::from).collect();
        let viewed = |start: usize, strides: &[usize], shape: &[usize]| {
            let mut dst = vec![f32::NAN; shape.iter().product()];
            view(&src[start..], strides, shape, &mut dst);
            dst
        };
        assert_eq!(viewed(7, &[], &[]), [7.0]);
        assert_eq!(viewed(0, &[7], &[6]), [0.0, 7.0, 14.0, 21.0, 28.0, 35.0]);
        // Of 2 2 3 3 the middle tap; of 6 6 two blocks of 2 3 on the diagonal, and a row twice.
        assert_eq!(viewed(4, &[18, 9, 3, 1], &[2, 2, 1, 1]), [4.0, 13.0, 22.0, 31.0]);
        assert_eq!(
            viewed(0, &[15, 6, 1], &[2, 2, 3]),
            [0.0, 1.0, 2.0, 6.0, 7.0, 8.0, 15.0, 16.0, 17.0, 21.0, 22.0, 23.0]
        );
        assert_eq!(viewed(6, &[0, 1], &[2, 2]), [6.0, 7.0, 6.0, 7.0]);
    }
}
