//! How far results are from what is expected.

/// The largest absolute difference, divided by the largest absolute expected value.
///
/// NaN, which compares with nothing, is an infinite error, and so is a difference from an output of zeros.
#[must_use]
pub fn error(found: &[f32], expected: &[f32]) -> f32 {
    let difference = |(found, expected): (&f32, &f32)| {
        let difference = (found - expected).abs();
        if difference.is_nan() { f32::INFINITY } else { difference }
    };
    let largest = expected.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
    let worst = found.iter().zip(expected).map(difference).fold(0.0, f32::max);
    match (found.len() == expected.len(), worst) {
        (false, _) => f32::INFINITY,
        (true, 0.0) => 0.0,
        (true, worst) => worst / largest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn measures_the_error() {
        assert_eq!(error(&[1.0, -4.0], &[1.0, -4.0]), 0.0);
        assert_eq!(error(&[1.5, -4.0], &[1.0, -4.0]), 0.125);
        assert_eq!(error(&[0.0], &[0.0]), 0.0);
        for (found, expected) in
            [(&[f32::NAN][..], &[1.0][..]), (&[f32::INFINITY], &[1.0]), (&[1.0], &[0.0]), (&[1.0], &[])]
        {
            assert_eq!(error(found, expected), f32::INFINITY);
        }
    }
}
