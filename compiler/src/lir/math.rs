//! Functions that programs compute themselves, expanded to arithmetic: the same operations in the same order as the
//! runtime's vector kernels, with the same constants.

use convoke_runtime::simd::math::{EXP_MAX, EXP_MIN, EXP_POLY, LN_2_HIGH, LN_2_LOW, LOG2_E};

use super::{Binary, Compare, FunctionBuilder, Reg, Unary};

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

/// eˣ, lane by lane; the error is stated at the runtime's [`EXP_POLY`]. Below [`EXP_MIN`] 0, above [`EXP_MAX`] ∞.
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
