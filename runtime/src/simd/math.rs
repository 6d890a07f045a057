//! exp, tanh and erf as polynomials, and the activations made of them: the same operations in the same order for
//! every width, so that all widths agree bit for bit.
//!
//! The constants are public so that compiled code can expand the same functions. Errors are the largest found over
//! all float32 arguments (exp, tanh, erf) against float64, in units of the result's last place (ULP).
//!
//! | function | method | largest error |
//! | --- | --- | --- |
//! | [exp](EXP_POLY) | Cody and Waite, *Software Manual for the Elementary Functions* (1980), chapter 6: reduction by ln 2, polynomial of degree 6 | 1.0 ULP; below 2⁻¹²⁶ it is 0 |
//! | [1 / (1 + e⁻ˣ)](LOGISTIC_POLY) | as exp, with a polynomial of degree 5 | 3.5 ULP; below 2⁻¹²⁶ it is about that |
//! | [tanh](TANH_P) | odd rational minimax approximation of degrees 9 and 8 | 5.3 ULP |
//! | [erf](ERF_P) | odd rational minimax approximation of degrees 11 and 10 | 5.9 ULP |
//!
//! Minimax approximations minimise the largest relative error. These were fitted in 40 digits, the polynomial by
//! Remez's algorithm, the rational ones by iteratively reweighted least squares (Lawson's algorithm), and then rounded.
//! All coefficients of the rational ones are positive: nothing cancels.

use std::f32::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::Simd;
use crate::activation::{Activation, ActivationCode};

/// Below this exp is 0: the smallest argument whose exponential is a normal number.
pub const EXP_MIN: f32 = -87.336_54;
/// Above this exp is +∞.
pub const EXP_MAX: f32 = 88.722_83;
/// 1 / ln 2.
pub const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 rounded to float32.
pub const LN_2_HIGH: f32 = std::f32::consts::LN_2;
/// What [`LN_2_HIGH`] lacks.
pub const LN_2_LOW: f32 = -1.904_654_3e-9;
/// Coefficients of `p(r) ≈ eʳ` for |r| ≤ ln 2 / 2, highest power first (r⁶ … r⁰).
///
/// In order: `n = nearest(x · LOG2_E)`, `r = fma(n, −LN_2_HIGH, x)`, `r = fma(n, −LN_2_LOW, r)`,
/// `p = EXP_POLY[0]`, then `p = fma(p, r, c)` for each further coefficient; `y = p · 2ⁿ`, which is exact;
/// `y = if x < EXP_MIN { 0 } else { y }`, `y = if EXP_MAX < x { +∞ } else { y }`.
pub const EXP_POLY: [f32; 7] = [0.001_381_461_2, 0.008_368_71, 0.041_668_39, 0.166_665_21, 0.499_999_94, 1.0, 1.0];

/// From this magnitude on the logistic function `1 / (1 + e⁻ˣ)` is constant: the largest whose exponential, on either
/// side of 0, is a normal number.
pub const LOGISTIC_MAX: f32 = -EXP_MIN;
/// Coefficients of `p(r) ≈ e⁻ʳ` for |r| ≤ ln 2 / 2, highest power first (r⁵ … r⁰).
///
/// In order: `x = min(LOGISTIC_MAX, max(−LOGISTIC_MAX, x))`, `n = nearest(x · −LOG2_E)`, `r = fma(n, LN_2_HIGH, x)`,
/// `r = fma(n, LN_2_LOW, r)`, `p` by Horner's rule in FMAs as for [`EXP_POLY`], `y = 1 / (1 + p · 2ⁿ)`.
pub const LOGISTIC_POLY: [f32; 6] = [-0.008_290_272, 0.041_898_16, -0.166_676_39, 0.499_991_48, -0.999_999_7, 1.0];

/// From this magnitude on tanh is ±1.
pub const TANH_MAX: f32 = 9.02;
/// Coefficients of the numerator of tanh, highest power first (t⁴ … t⁰) in t = x².
///
/// In order: `x = min(TANH_MAX, max(−TANH_MAX, x))`, `t = x · x`, `p` and `q` by Horner's rule in FMAs as for
/// [`EXP_POLY`], `y = (x · p) / q`, `y = min(1, max(−1, y))`. [`Max`](crate::kernels::BinaryOp::Max) and `Min` return
/// their second operand where one is NaN, so NaN stays NaN.
pub const TANH_P: [f32; 5] = [1.331_780_3e-8, 2.058_269_1e-5, 0.003_493_992_6, 0.133_796_84, 1.0];
/// Coefficients of the denominator of tanh, highest power first.
pub const TANH_Q: [f32; 5] = [7.761_536e-7, 0.000_328_301_98, 0.025_870_92, 0.467_13, 1.0];

/// From this magnitude on erf is ±1.
pub const ERF_MAX: f32 = 3.93;
/// Coefficients of the numerator of erf, highest power first (t⁵ … t⁰) in t = x²; the order of operations is that of
/// [`TANH_P`], with [`ERF_MAX`].
pub const ERF_P: [f32; 6] =
    [2.041_646_2e-6, 0.000_284_777_84, 0.003_779_391, 0.052_789_524, 0.190_782_32, FRAC_2_SQRT_PI];
/// Coefficients of the denominator of erf, highest power first.
pub const ERF_Q: [f32; 6] = [3.799_909_2e-5, 0.001_165_111_4, 0.014_997_02, 0.114_256_39, 0.502_409_16, 1.0];

/// √(2/π), the linear coefficient in [`Activation::GeluTanh`].
pub const GELU_TANH_1: f32 = 0.797_884_6;
/// 0.044715 · √(2/π), the cubic coefficient in [`Activation::GeluTanh`].
pub const GELU_TANH_3: f32 = 0.035_677_408;

/// Horner's rule in FMAs, highest power first.
#[inline(always)]
fn horner<S: Simd, const N: usize>(s: S, coefficients: [f32; N], x: S::V) -> S::V {
    let mut sum = s.splat(coefficients[0]);
    for i in 1..N {
        sum = s.fma(sum, x, s.splat(coefficients[i]));
    }
    sum
}

/// `min(high, max(low, x))`; NaN stays NaN.
#[inline(always)]
pub(crate) fn clamp<S: Simd>(s: S, low: f32, high: f32, x: S::V) -> S::V {
    s.min(s.splat(high), s.max(s.splat(low), x))
}

/// eˣ; see [`EXP_POLY`]: what programs compute.
#[cfg(test)]
pub(crate) fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    let n = s.nearest(s.mul(x, s.splat(LOG2_E)));
    let r = s.fma(n, s.splat(-LN_2_HIGH), x);
    let r = s.fma(n, s.splat(-LN_2_LOW), r);
    let y = s.scale(horner(s, EXP_POLY, r), n);
    let y = s.select_lt(x, s.splat(EXP_MIN), s.splat(0.0), y);
    s.select_lt(s.splat(EXP_MAX), x, s.splat(f32::INFINITY), y)
}

/// An odd function that reaches ±1 at ±`max`; see [`TANH_P`].
#[inline(always)]
fn odd_rational<S: Simd, const N: usize>(s: S, p: [f32; N], q: [f32; N], max: f32, x: S::V) -> S::V {
    let x = clamp(s, -max, max, x);
    let t = s.mul(x, x);
    let y = s.div(s.mul(x, horner(s, p, t)), horner(s, q, t));
    clamp(s, -1.0, 1.0, y)
}

/// tanh x; see [`TANH_P`].
#[inline(always)]
pub(crate) fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    odd_rational(s, TANH_P, TANH_Q, TANH_MAX, x)
}

/// erf x; see [`ERF_P`].
#[inline(always)]
pub(crate) fn erf<S: Simd>(s: S, x: S::V) -> S::V {
    odd_rational(s, ERF_P, ERF_Q, ERF_MAX, x)
}

/// `max(−LOGISTIC_MAX, x)`; see [`logistic`].
#[inline(always)]
fn bounded<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(s.splat(-LOGISTIC_MAX), x)
}

/// `numerator / (1 + e⁻ˣ)` for an x of at least −[`LOGISTIC_MAX`]; see [`LOGISTIC_POLY`]. So that a numerator that grows
/// with x vanishes where the rest is constant, it has the same bound.
#[inline(always)]
fn logistic<S: Simd>(s: S, numerator: S::V, x: S::V) -> S::V {
    let x = s.min(s.splat(LOGISTIC_MAX), x);
    let n = s.nearest(s.mul(x, s.splat(-LOG2_E)));
    let r = s.fma(n, s.splat(LN_2_HIGH), x);
    let r = s.fma(n, s.splat(LN_2_LOW), r);
    s.div(numerator, s.add(s.splat(1.0), s.scale(horner(s, LOGISTIC_POLY, r), n)))
}

/// [`Activation::LeakyRelu`].
#[inline(always)]
pub(crate) fn leaky_relu<S: Simd>(s: S, alpha: f32, x: S::V) -> S::V {
    s.select_lt(s.splat(0.0), x, x, s.mul(s.splat(alpha), x))
}

/// [`Activation::HardSigmoid`].
#[inline(always)]
pub(crate) fn hard_sigmoid<S: Simd>(s: S, alpha: f32, beta: f32, x: S::V) -> S::V {
    clamp(s, 0.0, 1.0, s.fma(s.splat(alpha), x, s.splat(beta)))
}

/// [`Activation::HardSwish`].
#[inline(always)]
pub(crate) fn hard_swish<S: Simd>(s: S, x: S::V) -> S::V {
    s.mul(x, hard_sigmoid(s, 1.0 / 6.0, 0.5, x))
}

/// The activation, lane by lane.
#[inline(always)]
pub(crate) fn activate<S: Simd>(s: S, activation: Activation, x: S::V) -> S::V {
    match activation {
        Activation::Identity => x,
        Activation::Relu => s.max(s.splat(0.0), x),
        Activation::LeakyRelu { alpha } => leaky_relu(s, alpha, x),
        Activation::Clip { low, high } => clamp(s, low, high, x),
        Activation::Sigmoid => logistic(s, s.splat(1.0), bounded(s, x)),
        Activation::Tanh => tanh(s, x),
        Activation::Silu => {
            let x = bounded(s, x);
            logistic(s, x, x)
        }
        Activation::HardSigmoid { alpha, beta } => hard_sigmoid(s, alpha, beta, x),
        Activation::HardSwish => hard_swish(s, x),
        Activation::Gelu => {
            let h = s.mul(x, s.splat(0.5));
            s.fma(h, erf(s, s.mul(x, s.splat(FRAC_1_SQRT_2))), h)
        }
        Activation::GeluTanh => {
            // 1/2 · (1 + tanh u) = 1 / (1 + e⁻²ᵘ), which does not cancel.
            let slope = s.fma(s.mul(x, x), s.splat(2.0 * GELU_TANH_3), s.splat(2.0 * GELU_TANH_1));
            logistic(s, bounded(s, x), bounded(s, s.mul(x, slope)))
        }
    }
}

/// [`activate`] for a kind known at compile time, so that a loop over it holds that function only.
#[inline(always)]
pub(crate) fn activate_kind<S: Simd, const KIND: u32>(s: S, code: ActivationCode, x: S::V) -> S::V {
    activate(s, ActivationCode { kind: KIND, ..code }.decode().unwrap_or_default(), x)
}

/// Evaluates `$body` with the constant `$KIND` equal to the kind of an [`ActivationCode`].
macro_rules! with_kind {
    ($code:expr, $KIND:ident => $body:expr) => {
        with_kind!(@arms $code, $KIND, $body, 1 2 3 4 5 6 7 8 9 10)
    };
    (@arms $code:expr, $KIND:ident, $body:expr, $($kind:literal)+) => {
        match $code.kind {
            $($kind => { const $KIND: u32 = $kind; $body })+
            _ => { const $KIND: u32 = 0; $body }
        }
    };
}
pub(crate) use with_kind;
