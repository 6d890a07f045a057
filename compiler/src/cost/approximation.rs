//! How far a convolution's weight is from the nearest one that a form can express.
//!
//! The error is ‖W − W′‖ / ‖W‖ (Frobenius), where W′ is the best weight of the form:
//!
//! ```text
//! depthwise            W′[o, c] = 0 where o ≠ c
//! pointwise            W′[·, ·, u, v] = 0 at all taps but the one over the pixel itself
//! separable            W′[o, c, u, v] = Σ_m V[m, c, u] · U[o, m, v], m < H
//! depthwise separable  W′[o, c, u, v] = P[o, c] · D[c, u, v]
//! ```
//!
//! The first two leave out what the form lacks. The others are matrices of rank H and 1: the best is a truncated
//! singular value decomposition (Eckart and Young, Psychometrika 1936), and what is left are the other singular values.

use faer::{Mat, Side};

use super::{Comparison, Form};

impl Comparison {
    /// The error of the nearest `form` to a weight of this convolution (H C/groups Kh Kw, row-major); `None` where the
    /// form makes another number of channels, has no tap over the pixel, or the weight is of another size or not
    /// finite.
    #[must_use]
    pub fn error(&self, form: Form, weight: &[f32]) -> Option<f64> {
        let view = View { shape: self.weight, data: weight };
        if weight.len() != self.weight.iter().product::<usize>() {
            return None;
        }
        let energy: f64 = weight.iter().map(|&value| square(value)).sum();
        let rest = match form {
            Form::Normal => 0.0,
            Form::Depthwise => energy - self.diagonal(&view)?,
            Form::Pointwise => energy - self.center(&view)?,
            Form::Separable => self.beyond_separable(&view)?,
            Form::DepthwiseSeparable => self.beyond_depthwise_separable(&view)?,
        };
        match energy {
            0.0 => Some(0.0),
            energy => Some((rest.max(0.0) / energy).sqrt()).filter(|error| error.is_finite()),
        }
    }

    /// Σ W[c, c, ·, ·]².
    fn diagonal(&self, weight: &View<'_>) -> Option<f64> {
        let [outputs, per_group, kh, kw] = self.weight;
        let taps = kh * kw;
        let filter = |c: usize| &weight.data[(c * per_group + c) * taps..][..taps];
        let squares = |c: usize| filter(c).iter().map(|&value| square(value)).sum::<f64>();
        (self.conv.groups == 1 && outputs == per_group).then(|| (0..outputs).map(squares).sum())
    }

    /// Σ W[·, ·, u, v]² of the tap that lies over the pixel that a window of one pixel would see.
    fn center(&self, weight: &View<'_>) -> Option<f64> {
        let [outputs, per_group, kh, kw] = self.weight;
        let ([dh, dw], [top, left, ..]) = (self.conv.dilation, self.conv.padding);
        let (u, v) = (top / dh, left / dw);
        let is_tap = (u * dh, v * dw) == (top, left) && u < kh && v < kw;
        let squares = (0..outputs * per_group).map(|filter| square(weight.data[(filter * kh + u) * kw + v]));
        is_tap.then(|| squares.sum())
    }

    /// What rank H leaves of the matrix (c, u) × (o, v), of each group.
    fn beyond_separable(&self, weight: &View<'_>) -> Option<f64> {
        let [outputs, per_group, kh, kw] = self.weight;
        let share = outputs / self.conv.groups;
        let group = |g: usize| {
            let value =
                |row: usize, column: usize| weight.at([g * share + column / kw, row / kh, row % kh, column % kw]);
            energy_beyond(share, per_group * kh, share * kw, value)
        };
        (0..self.conv.groups).map(group).sum()
    }

    /// What rank 1 leaves of the matrices o × (u, v), of each input channel.
    fn beyond_depthwise_separable(&self, weight: &View<'_>) -> Option<f64> {
        let [outputs, per_group, kh, kw] = self.weight;
        let share = outputs / self.conv.groups;
        let channel = |c: usize| {
            let first = c / per_group * share;
            let value = |row: usize, column: usize| weight.at([first + column, c % per_group, row / kw, row % kw]);
            energy_beyond(1, kh * kw, share, value)
        };
        (0..self.conv.groups * per_group).map(channel).sum()
    }
}

/// A weight.
struct View<'a> {
    shape: [usize; 4],
    data: &'a [f32],
}

impl View<'_> {
    fn at(&self, [o, c, u, v]: [usize; 4]) -> f64 {
        let [_, channels, kh, kw] = self.shape;
        f64::from(self.data[((o * channels + c) * kh + u) * kw + v])
    }
}

fn square(value: f32) -> f64 {
    f64::from(value) * f64::from(value)
}

/// Σ σᵢ² for i > `rank`, of the matrix with these elements: the eigenvalues of its Gram matrix. `None` where they do
/// not converge.
fn energy_beyond(rank: usize, rows: usize, columns: usize, value: impl Fn(usize, usize) -> f64) -> Option<f64> {
    if rank >= rows.min(columns) {
        return Some(0.0);
    }
    let matrix = Mat::from_fn(rows, columns, value);
    let gram = if rows <= columns { &matrix * matrix.transpose() } else { matrix.transpose() * &matrix };
    let mut values = gram.self_adjoint_eigenvalues(Side::Lower).ok()?;
    values.sort_by(f64::total_cmp);
    Some(values[..values.len() - rank].iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::comparisons;
    use crate::lang::Module;

    fn comparison(conv: &str) -> Comparison {
        let text = format!("network N(image: f32[1, 4, 9, 9]) -> y {{ image -> a: conv({conv}) }}");
        let graph =
            Module::parse(&text).and_then(|module| module.graph("N")).unwrap_or_else(|errors| panic!("{errors}"));
        comparisons(&graph).unwrap_or_else(|error| panic!("{error}")).remove(0)
    }

    /// Some weight whose element at [o, c, u, v] is `value` of these.
    fn weight(comparison: &Comparison, value: impl Fn([usize; 4]) -> f32) -> Vec<f32> {
        let [outputs, channels, kh, kw] = comparison.weight;
        let index = |i: usize| [i / kw / kh / channels, i / kw / kh % channels, i / kw % kh, i % kw];
        (0..outputs * channels * kh * kw).map(|i| value(index(i))).collect()
    }

    /// Pseudo-random, different for each argument.
    fn noise(values: [usize; 3]) -> f32 {
        let mixed =
            values.iter().fold(17_u32, |hash, &value| (hash ^ value as u32).wrapping_mul(0x9e37_79b1).rotate_left(13));
        (mixed >> 8) as f32 / 16_777_216.0 - 0.5
    }

    /// What a form expresses is at no distance from it, and far from the others.
    #[test]
    fn each_form_expresses_itself() {
        let same = comparison("4, kernel: 3, padding: 1");
        let of = [
            (Form::Depthwise, weight(&same, |[o, c, u, v]| if o == c { noise([c, u, v]) } else { 0.0 })),
            (Form::Pointwise, weight(&same, |[o, c, u, v]| if (u, v) == (1, 1) { noise([o, c, 0]) } else { 0.0 })),
            (
                Form::Separable,
                weight(&same, |[o, c, u, v]| (0..4).map(|m| noise([m, c, u]) * noise([o, m + 9, v])).sum()),
            ),
            (Form::DepthwiseSeparable, weight(&same, |[o, c, u, v]| noise([o, c, 7]) * noise([c, u, v]))),
        ];
        for (form, weight) in &of {
            let error = same.error(*form, weight).unwrap();
            assert!(error < 1e-6, "{form:?}: {error}");
        }
        let dense = weight(&same, |[o, c, u, v]| noise([o * 4 + c, u, v]));
        for form in Form::ALL {
            let error = same.error(form, &dense).unwrap();
            let expected = if form == Form::Normal { 0.0..=0.0 } else { 0.05..=1.0 };
            assert!(expected.contains(&error), "{form:?}: {error}");
        }
    }

    #[test]
    fn by_hand() {
        // The diagonal holds 4 of 16 filters, the middle 1 of 9 taps.
        let same = comparison("4, kernel: 3, padding: 1");
        let ones = vec![1.0; 4 * 4 * 9];
        assert_eq!(same.error(Form::Depthwise, &ones), Some(0.75_f64.sqrt()));
        assert_eq!(same.error(Form::Pointwise, &ones), Some((8.0_f64 / 9.0).sqrt()));
        assert!(same.error(Form::Separable, &ones).unwrap() < 1e-6);
        assert_eq!(same.error(Form::Normal, &ones[1..]), None);
        assert_eq!(same.error(Form::Depthwise, &vec![0.0; ones.len()]), Some(0.0));
        assert_eq!(same.error(Form::Depthwise, &vec![f32::NAN; ones.len()]), None);
        // Another number of channels; no tap over the pixel.
        let other = comparison("8, kernel: 3");
        let ones = vec![1.0; 8 * 4 * 9];
        assert_eq!(other.error(Form::Depthwise, &ones), None);
        assert_eq!(other.error(Form::Pointwise, &ones), Some((8.0_f64 / 9.0).sqrt()));
        assert_eq!(comparison("8, kernel: 3, padding: 3").error(Form::Pointwise, &ones), None);
    }

    /// Groups are matrices of their own.
    #[test]
    fn groups_do_not_mix() {
        let grouped = comparison("8, kernel: 3, padding: 1, groups: 2");
        let weight = weight(&grouped, |[o, c, u, v]| noise([o, c, 7]) * noise([o / 4 * 2 + c, u, v]));
        assert!(grouped.error(Form::DepthwiseSeparable, &weight).unwrap() < 1e-6);
        assert_eq!(grouped.error(Form::Depthwise, &weight), None);
    }
}
