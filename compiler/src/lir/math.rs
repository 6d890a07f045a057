//! Functions that programs compute themselves, expanded to arithmetic, lane by lane.
//!
//! [`exp`], [`tanh`], [`erf`] and [`sigmoid`] are the same operations in the same order as in the runtime's vector kernels, with
//! the same constants; so they give the same bits, and their errors are stated [there](convoke_runtime::simd::math).

use std::f32::consts::SQRT_2;

use convoke_runtime::simd::math::{
    ERF_MAX, ERF_P, ERF_Q, EXP_MAX, EXP_MIN, EXP_POLY, LN_2_HIGH, LN_2_LOW, LOG2_E, LOGISTIC_MAX, LOGISTIC_POLY,
    TANH_MAX, TANH_P, TANH_Q,
};

use super::{Binary, Compare, FunctionBuilder, Reg, Unary};

mod hyperbolic;
mod trigonometry;

pub use hyperbolic::{acosh, asinh, atanh, cosh, sinh};
pub use trigonometry::{acos, asin, atan, cos, sin, tan};

/// Horner's rule in FMAs, highest power first.
fn horner(f: &mut FunctionBuilder, coefficients: &[f32], x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let (&first, rest) = coefficients.split_first().expect("a polynomial has coefficients");
    let mut sum = f.constant(lanes, first);
    for &coefficient in rest {
        let term = f.constant(lanes, coefficient);
        sum = f.fma(sum, x, term);
    }
    sum
}

/// eˣ; see [`EXP_POLY`]. Below [`EXP_MIN`] 0, above [`EXP_MAX`] ∞.
pub fn exp(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let [log2_e, high, low] = [LOG2_E, -LN_2_HIGH, -LN_2_LOW].map(|constant| f.constant(lanes, constant));
    let scaled = f.binary(Binary::Mul, x, log2_e);
    let n = f.unary(Unary::Nearest, scaled);
    let r = f.fma(n, high, x);
    let r = f.fma(n, low, r);
    let y = horner(f, &EXP_POLY, r);
    let y = scale(f, y, n);
    let [zero, infinity, least, most] =
        [0.0, f32::INFINITY, EXP_MIN, EXP_MAX].map(|constant| f.constant(lanes, constant));
    let y = f.select(Compare::Lt, x, least, zero, y);
    f.select(Compare::Lt, most, x, infinity, y)
}

/// `y · 2ⁿ` for whole `n`, in two factors, since 2¹²⁸ is beyond float32 where the product is not.
fn scale(f: &mut FunctionBuilder, y: Reg, n: Reg) -> Reg {
    let half = f.constant(f.lanes(n), 0.5);
    let halved = f.binary(Binary::Mul, n, half);
    let first = f.unary(Unary::Floor, halved);
    let second = f.binary(Binary::Sub, n, first);
    let [first, second] = [first, second].map(|power| f.unary(Unary::Exp2Int, power));
    let y = f.binary(Binary::Mul, y, first);
    f.binary(Binary::Mul, y, second)
}

/// tanh x; see [`TANH_P`].
pub fn tanh(f: &mut FunctionBuilder, x: Reg) -> Reg {
    odd_rational(f, &TANH_P, &TANH_Q, TANH_MAX, x)
}

/// erf x; see [`ERF_P`].
pub fn erf(f: &mut FunctionBuilder, x: Reg) -> Reg {
    odd_rational(f, &ERF_P, &ERF_Q, ERF_MAX, x)
}

/// An odd function that reaches ±1 at ±`max`; see [`TANH_P`].
fn odd_rational(f: &mut FunctionBuilder, p: &[f32], q: &[f32], max: f32, x: Reg) -> Reg {
    let x = clamp(f, max, x);
    let t = square(f, x);
    let p = horner(f, p, t);
    let q = horner(f, q, t);
    let y = f.binary(Binary::Mul, x, p);
    let y = f.binary(Binary::Div, y, q);
    clamp(f, 1.0, y)
}

/// x².
fn square(f: &mut FunctionBuilder, x: Reg) -> Reg {
    f.binary(Binary::Mul, x, x)
}

/// `y`, which is not negative, with the sign of `x`. `x` itself where that is zero.
fn sign_of(f: &mut FunctionBuilder, x: Reg, y: Reg) -> Reg {
    let zero = f.constant(f.lanes(x), 0.0);
    let minus = f.unary(Unary::Neg, y);
    let y = f.select(Compare::Lt, x, zero, minus, y);
    f.select(Compare::Eq, x, zero, x, y)
}

/// `min(bound, max(−bound, x))`; NaN stays NaN.
fn clamp(f: &mut FunctionBuilder, bound: f32, x: Reg) -> Reg {
    let [low, high] = [-bound, bound].map(|bound| f.constant(f.lanes(x), bound));
    let x = f.binary(Binary::Max, low, x);
    f.binary(Binary::Min, high, x)
}

/// `1 / (1 + e⁻ˣ)`; see [`LOGISTIC_POLY`].
pub fn sigmoid(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let x = clamp(f, LOGISTIC_MAX, x);
    let [one, log2_e, high, low] = [1.0, -LOG2_E, LN_2_HIGH, LN_2_LOW].map(|constant| f.constant(f.lanes(x), constant));
    let scaled = f.binary(Binary::Mul, x, log2_e);
    let n = f.unary(Unary::Nearest, scaled);
    let r = f.fma(n, high, x);
    let r = f.fma(n, low, r);
    let y = horner(f, &LOGISTIC_POLY, r);
    let y = scale(f, y, n);
    let y = f.binary(Binary::Add, one, y);
    f.binary(Binary::Div, one, y)
}

/// Coefficients of `r(z) ≈ (2 atanh(s) − 2s) / s` for z = s², highest power first (z⁴ … z¹; there is no z⁰): those of
/// FreeBSD's `e_logf.c`, good for |s| ≤ 0.1716.
const LOG_POLY: [f32; 4] = [0.242_790_79, 0.284_987_87, 0.400_009_72, 0.666_666_6];

/// ln x, with an error below 0.8 ULP. −∞ for zeros and denormals, NaN below.
///
/// `x = m · 2ᵉ`, √½ ≤ m < √2, without a look at x's bits: seven selections halve the range of exponents from above, and
/// seven from below. With `f = m − 1`, `s = f / (2 + f)` it is `ln m = 2 atanh(s) = f − s · (f − r(s²))`.
pub fn log(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let (m, e) = split(f, x);
    let [one, two] = [1.0, 2.0].map(|constant| f.constant(lanes, constant));
    let fraction = f.binary(Binary::Sub, m, one);
    let denominator = f.binary(Binary::Add, two, fraction);
    let s = f.binary(Binary::Div, fraction, denominator);
    let z = f.binary(Binary::Mul, s, s);
    let r = horner(f, &LOG_POLY, z);
    let r = f.binary(Binary::Mul, r, z);
    // ln m = f − (f²/2 − s · (f²/2 + r)): the large parts cancel exactly.
    let half = f.constant(lanes, 0.5);
    let square = f.binary(Binary::Mul, fraction, fraction);
    let square = f.binary(Binary::Mul, square, half);
    let sum = f.binary(Binary::Add, square, r);
    let product = f.binary(Binary::Mul, s, sum);
    let [high, low] = [LN_2_HIGH, LN_2_LOW].map(|constant| f.constant(lanes, constant));
    let product = f.fma(e, low, product);
    let y = f.binary(Binary::Sub, square, product);
    let y = f.binary(Binary::Sub, fraction, y);
    let y = f.fma(e, high, y);
    let [zero, infinity, nothing, nan] =
        [0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN].map(|constant| f.constant(lanes, constant));
    let y = f.select(Compare::Eq, x, infinity, infinity, y);
    let y = f.select(Compare::Eq, x, zero, nothing, y);
    f.select(Compare::Le, zero, x, y, nan)
}

/// `m` and `e` with `x = m · 2ᵉ` and √½ ≤ m < √2, for a positive normal x.
fn split(f: &mut FunctionBuilder, x: Reg) -> (Reg, Reg) {
    const POWERS: [i32; 7] = [64, 32, 16, 8, 4, 2, 1];
    let mut parts = (x, f.constant(f.lanes(x), 0.0));
    for power in POWERS {
        parts = shift(f, parts, Bound::AtLeast(2.0_f32.powi(power)), power);
    }
    for power in POWERS {
        parts = shift(f, parts, Bound::Below(2.0_f32.powi(1 - power)), -power);
    }
    shift(f, parts, Bound::AtLeast(SQRT_2), 1)
}

/// Where [`shift`] applies.
enum Bound {
    AtLeast(f32),
    Below(f32),
}

/// `(m · 2⁻ᵖ, e + p)` where m is within the bound, `(m, e)` elsewhere.
fn shift(f: &mut FunctionBuilder, (m, e): (Reg, Reg), bound: Bound, power: i32) -> (Reg, Reg) {
    let lanes = f.lanes(m);
    let [factor, step] = [2.0_f32.powi(-power), power as f32].map(|constant| f.constant(lanes, constant));
    let scaled = f.binary(Binary::Mul, m, factor);
    let moved = f.binary(Binary::Add, e, step);
    let (compare, a, b) = match bound {
        Bound::AtLeast(bound) => (Compare::Le, f.constant(lanes, bound), m),
        Bound::Below(bound) => (Compare::Lt, m, f.constant(lanes, bound)),
    };
    (f.select(compare, a, b, scaled, m), f.select(compare, a, b, moved, e))
}

/// ln(1 + e⁻ᵃ) for a ≥ 0, with an error below 3 ULP: `u = 1 + e⁻ᵃ` rounds, and `ln u · e⁻ᵃ / (u − 1)` makes up for it
/// (Kahan; theorem 4 of Goldberg, *What Every Computer Scientist Should Know About Floating-Point Arithmetic*, 1991).
pub fn log1p_exp(f: &mut FunctionBuilder, a: Reg) -> Reg {
    let one = f.constant(f.lanes(a), 1.0);
    let minus = f.unary(Unary::Neg, a);
    let power = exp(f, minus);
    let u = f.binary(Binary::Add, one, power);
    let fraction = f.binary(Binary::Sub, u, one);
    let ln = log(f, u);
    let ln = f.binary(Binary::Mul, ln, power);
    let y = f.binary(Binary::Div, ln, fraction);
    f.select(Compare::Eq, u, one, power, y)
}

/// `ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|)`.
pub fn softplus(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let zero = f.constant(f.lanes(x), 0.0);
    let magnitude = f.unary(Unary::Abs, x);
    let rest = log1p_exp(f, magnitude);
    let positive = f.binary(Binary::Max, zero, x);
    f.binary(Binary::Add, positive, rest)
}

/// `aᵇ = e^(b · ln |a|)`, negative where a is and b is odd; 1 where b is 0, NaN where a is negative and b no whole
/// number. Its relative error is that of the exponent, about 10⁻⁷ · |b · ln a|.
pub fn pow(f: &mut FunctionBuilder, a: Reg, b: Reg) -> Reg {
    let lanes = f.lanes(a);
    let magnitude = f.unary(Unary::Abs, a);
    let exponent = log(f, magnitude);
    let exponent = f.binary(Binary::Mul, b, exponent);
    let power = exp(f, exponent);
    let [zero, half, one, nan] = [0.0, 0.5, 1.0, f32::NAN].map(|constant| f.constant(lanes, constant));
    let halved = f.binary(Binary::Mul, b, half);
    let [whole, even] = [b, halved].map(|x| f.unary(Unary::Trunc, x));
    let minus = f.unary(Unary::Neg, power);
    let signed = f.select(Compare::Eq, halved, even, power, minus);
    let signed = f.select(Compare::Eq, b, whole, signed, nan);
    let y = f.select(Compare::Lt, a, zero, signed, power);
    // 1 to any power, where ∞ · 0 would be NaN.
    let y = f.select(Compare::Eq, a, one, one, y);
    f.select(Compare::Eq, b, zero, one, y)
}

/// `a − b · trunc(a / b)`, of the sign of a. Exact while the quotient is below 2²⁴.
pub fn remainder(f: &mut FunctionBuilder, a: Reg, b: Reg) -> Reg {
    let zero = f.constant(f.lanes(a), 0.0);
    let [a_size, b_size] = [a, b].map(|x| f.unary(Unary::Abs, x));
    let quotient = f.binary(Binary::Div, a_size, b_size);
    let quotient = f.unary(Unary::Trunc, quotient);
    let minus = f.unary(Unary::Neg, quotient);
    let rest = f.fma(minus, b_size, a_size);
    // The quotient may have been rounded up to a whole number.
    let more = f.binary(Binary::Add, rest, b_size);
    let rest = f.select(Compare::Lt, rest, zero, more, rest);
    sign_of(f, a, rest)
}

#[cfg(test)]
mod tests;
