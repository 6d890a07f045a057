//! The taps of a strided convolution, sorted by the pixels of its input that they meet.

/// Writes to `dst` what [`WeightOp::Phases`](super::WeightOp::Phases) makes of planes of `kernel` taps.
pub(super) fn phases(src: &[f32], kernel: [usize; 2], [stride, first, taps]: [[u32; 2]; 3], dst: &mut [f32]) {
    let [stride, first, taps] = [stride, first, taps].map(|pair| pair.map(|size| size as usize));
    let len = stride[0] * stride[1] * taps[0] * taps[1];
    if len == 0 || src.is_empty() {
        return dst.fill(0.0);
    }
    let tap = |axis: usize, phase: usize, place: usize| {
        let tap = (first[axis] + phase).checked_sub(stride[axis] * place);
        tap.filter(|&tap| tap < kernel[axis])
    };
    // Where each element comes from, the same for all planes.
    let mut sources = Vec::with_capacity(len);
    for (row, column) in (0..stride[0]).flat_map(|row| (0..stride[1]).map(move |column| (row, column))) {
        for (y, x) in (0..taps[0]).flat_map(|y| (0..taps[1]).map(move |x| (y, x))) {
            sources.push(tap(0, row, y).zip(tap(1, column, x)).map(|(y, x)| y * kernel[1] + x));
        }
    }
    for (src, dst) in src.chunks_exact(kernel[0] * kernel[1]).zip(dst.chunks_exact_mut(len)) {
        for (to, source) in dst.iter_mut().zip(&sources) {
            *to = source.map_or(0.0, |source| src[source]);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(kernel: [usize; 2], constants: [[u32; 2]; 3]) -> Vec<f32> {
        let src: Vec<f32> = (1..=2 * kernel[0] * kernel[1]).map(|tap| tap as f32).collect();
        let mut dst = vec![f32::NAN; 2 * constants[0].iter().chain(&constants[2]).product::<u32>() as usize];
        phases(&src, kernel, constants, &mut dst);
        dst
    }

    #[test]
    fn turns_planes() {
        let turned = made([2, 3], [[1, 1], [1, 2], [2, 3]]);
        assert_eq!(turned, [6.0, 5.0, 4.0, 3.0, 2.0, 1.0, 12.0, 11.0, 10.0, 9.0, 8.0, 7.0]);
    }

    /// Three taps in a row of stride 2, padding 1: even pixels meet the middle one, odd ones the last and the first.
    #[test]
    fn sorts_by_phase() {
        assert_eq!(made([1, 3], [[1, 2], [0, 1], [1, 2]]), [2.0, 0.0, 3.0, 1.0, 5.0, 0.0, 6.0, 4.0]);
    }
}
