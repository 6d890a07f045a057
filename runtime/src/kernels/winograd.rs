//! Winograd's minimal filtering F(*m*, 3) in one dimension: the transforms of which [`WinogradInput`],
//! [`WinogradOutput`] and [`WeightOp::PackWinograd`] are made.
//!
//! A 3×3 convolution of stride 1 computes tiles of *m* × *m* outputs from *α* × *α* inputs, *α* = *m* + 2:
//!
//! `Y = Aᵀ [Σ (G g Gᵀ) ⊙ (Bᵀ d B)] A`
//!
//! the sum running over input channels. The *α²* products of an input and an output channel take the place of 9 · *m²*:
//! 4 times fewer for F(4, 3), 2.25 times for F(2, 3). Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks* (CVPR 2016), section 4.
//!
//! # Error
//!
//! F(*m*, 3) interpolates polynomials at *m* + 1 points and at infinity, and its rounding errors grow with the
//! spread of the points' powers. F(2, 3) takes 0, ±1, as Lavin and Gray do. F(4, 3) takes 0, ±√½, ±√2 instead of their
//! 0, ±1, ±2: the two pairs are reciprocal, so that powers up and down are alike. Of 256 channels of normally distributed
//! data, rectified, the root mean square error of a result, in parts of the results' standard deviation, is 0.7 · 10⁻⁶
//! summed directly, 0.5 · 10⁻⁶ with F(2, 3), 1.5 · 10⁻⁶ with F(4, 3), 3.4 · 10⁻⁶ with F(4, 3) at ±1, ±2, and 6 · 10⁻⁶ with
//! F(6, 3), which is why there is none: it saves less than a fifth more of the products. `tests` bounds these errors.
//!
//! [`WinogradInput`]: super::WinogradInput
//! [`WinogradOutput`]: super::WinogradOutput
//! [`WeightOp::PackWinograd`]: crate::weights::WeightOp::PackWinograd

use std::f32::consts::{FRAC_1_SQRT_2 as P, SQRT_2 as Q};

use crate::simd::Simd;

/// *α* for F(*m*, 3): the side of a tile of the input, and of its transformed; `None` where there is no such transform.
#[must_use]
pub const fn alpha(m: u32) -> Option<u32> {
    match m {
        2 | 4 => Some(m + 2),
        _ => None,
    }
}

/// `x · a + b`. No closure: the compiler inlines those too late to use the instruction set that the caller has enabled.
#[inline(always)]
fn fma<S: Simd>(s: S, x: f32, a: S::V, b: S::V) -> S::V {
    s.fma(s.splat(x), a, b)
}

/// `Bᵀ d` for *α* = `A`.
#[inline(always)]
pub(super) fn input<S: Simd, const A: usize>(s: S, d: [S::V; A]) -> [S::V; A] {
    let mut v = d;
    if A == 4 {
        v[0] = s.sub(d[0], d[2]);
        v[1] = s.add(d[1], d[2]);
        v[2] = s.sub(d[2], d[1]);
        v[3] = s.sub(d[1], d[3]);
        return v;
    }
    v[0] = fma(s, -2.5, d[2], s.add(d[0], d[4]));
    let (even, odd) = (fma(s, -2.0, d[2], d[4]), fma(s, -2.0, d[1], d[3]));
    v[1] = fma(s, P, odd, even);
    v[2] = fma(s, -P, odd, even);
    let (even, odd) = (fma(s, -0.5, d[2], d[4]), fma(s, -0.5, d[1], d[3]));
    v[3] = fma(s, Q, odd, even);
    v[4] = fma(s, -Q, odd, even);
    v[5] = fma(s, -2.5, d[3], s.add(d[1], d[5]));
    v
}

/// `Aᵀ x` for *α* = `A` and *m* = `M` = `A` − 2.
#[inline(always)]
pub(super) fn output<S: Simd, const A: usize, const M: usize>(s: S, x: [S::V; A]) -> [S::V; M] {
    let mut y = [x[0]; M];
    let (even, odd) = (s.add(x[1], x[2]), s.sub(x[1], x[2]));
    if A == 4 {
        y[0] = s.add(x[0], even);
        y[1] = s.sub(odd, x[3]);
        return y;
    }
    let (far_even, far_odd) = (s.add(x[3], x[4]), s.sub(x[3], x[4]));
    y[0] = s.add(x[0], s.add(even, far_even));
    y[1] = fma(s, Q, far_odd, s.mul(s.splat(P), odd));
    y[2] = fma(s, 2.0, far_even, s.mul(s.splat(0.5), even));
    y[3] = fma(s, 2.0 * Q, far_odd, fma(s, 0.5 * P, odd, x[5]));
    y
}

/// `G g` for *α* = `A`, in float64: weights are transformed once, and rounded once.
#[inline(always)]
pub(crate) fn weight<const A: usize>(g: [f64; 3]) -> [f64; A] {
    let mut u = [g[0]; A];
    u[A - 1] = g[2];
    let mut pair = |first: usize, scale: f64, point: f64| {
        let (even, odd) = (scale * (g[0] + point * point * g[2]), scale * point * g[1]);
        u[first] = even + odd;
        u[first + 1] = even - odd;
    };
    if A == 4 {
        pair(1, 0.5, 1.0);
    } else {
        // Of the points as the other transforms round them.
        pair(1, -2.0 / 3.0, f64::from(P));
        pair(3, 1.0 / 6.0, f64::from(Q));
    }
    u
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::Scalar;

    fn transposed<const R: usize, const C: usize>(x: [[f32; C]; R]) -> [[f32; R]; C] {
        std::array::from_fn(|c| std::array::from_fn(|r| x[r][c]))
    }

    /// One tile by F(m, 3), and the same by the definition in float64.
    fn tile<const A: usize, const M: usize>(
        d: &[[[f32; A]; A]],
        g: &[[[f32; 3]; 3]],
    ) -> ([[f32; M]; M], [[f64; M]; M]) {
        let (mut sums, mut exact) = ([[0.0_f32; A]; A], [[0.0_f64; M]; M]);
        for (d, g) in d.iter().zip(g) {
            let columns: [[f32; A]; A] = transposed(*d).map(|column| input(Scalar, column));
            let v: [[f32; A]; A] = transposed(columns).map(|row| input(Scalar, row));
            let g = g.map(|row| row.map(f64::from));
            let rows: [[f64; A]; 3] = g.map(weight);
            for j in 0..A {
                let column: [f64; A] = weight([rows[0][j], rows[1][j], rows[2][j]]);
                for i in 0..A {
                    sums[i][j] = v[i][j].mul_add(column[i] as f32, sums[i][j]);
                }
            }
            for (y, x) in (0..M).flat_map(|y| (0..M).map(move |x| (y, x))) {
                for (i, j) in (0..3).flat_map(|i| (0..3).map(move |j| (i, j))) {
                    exact[y][x] += f64::from(d[y + i][x + j]) * g[i][j];
                }
            }
        }
        let columns: [[f32; M]; A] = transposed(sums).map(|column| output(Scalar, column));
        (transposed(columns).map(|row: [f32; A]| output(Scalar, row)), exact)
    }

    /// The root mean square error over many tiles, in parts of the root mean square of the results.
    fn error<const A: usize, const M: usize>(channels: usize) -> f64 {
        let mut state = 1_u64;
        // The sum of four uniform numbers, near enough to a normal one.
        let mut next = || -> f32 {
            let mut uniform = || {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 40) as f32 / (1 << 24) as f32 - 0.5
            };
            (0..4).map(|_| uniform()).sum()
        };
        let (mut squares, mut errors) = (0.0, 0.0);
        for _ in 0..100 {
            let d: Vec<_> = (0..channels).map(|_| [[0.0; A]; A].map(|row| row.map(|_: f32| next().max(0.0)))).collect();
            let g: Vec<_> = (0..channels).map(|_| [[0.0; 3]; 3].map(|row| row.map(|_: f32| next()))).collect();
            let (found, exact) = tile::<A, M>(&d, &g);
            for (found, exact) in found.iter().flatten().zip(exact.iter().flatten()) {
                squares += exact * exact;
                errors += (f64::from(*found) - exact).powi(2);
            }
        }
        (errors / squares).sqrt()
    }

    #[test]
    fn errors_are_as_stated() {
        let (two, four) = (error::<4, 2>(256), error::<6, 4>(256));
        assert!((0.2e-6..0.8e-6).contains(&two), "{two:e}");
        assert!((0.8e-6..2e-6).contains(&four), "{four:e}");
    }
}
