//! sinh, cosh and the inverses of the hyperbolic functions. Polynomials near zero, where logarithms and exponentials
//! cancel, are those of Moshier's Cephes library (`sinhf.c`, `asinhf.c`, `acoshf.c`, `atanhf.c`).

use std::f32::consts::{LN_2, SQRT_2};

use super::{exp, horner, log, sign_of, square};
use crate::lir::{Binary, Compare, FunctionBuilder, Reg, Unary};

/// `(sinh x − x) / x³` for |x| ≤ 1 in powers of x², highest first.
const SINH_POLY: [f32; 3] = [2.037_219_2e-4, 8.330_284e-3, 1.666_671_6e-1];

/// sinh x, with an error below 3 ULP; infinite from where eˣ is.
pub fn sinh(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let magnitude = f.unary(Unary::Abs, x);
    let (power, inverse) = exponentials(f, magnitude);
    let large = f.binary(Binary::Sub, power, inverse);
    let small = near_zero(f, &SINH_POLY, magnitude);
    let one = f.constant(f.lanes(x), 1.0);
    let y = f.select(Compare::Lt, one, magnitude, large, small);
    sign_of(f, x, y)
}

/// cosh x, with an error below 3 ULP; infinite from where eˣ is.
pub fn cosh(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let magnitude = f.unary(Unary::Abs, x);
    let (power, inverse) = exponentials(f, magnitude);
    f.binary(Binary::Add, power, inverse)
}

/// eˣ / 2 and e⁻ˣ / 2.
fn exponentials(f: &mut FunctionBuilder, x: Reg) -> (Reg, Reg) {
    let lanes = f.lanes(x);
    let power = exp(f, x);
    let [half, quarter] = [0.5, 0.25].map(|constant| f.constant(lanes, constant));
    let power = f.binary(Binary::Mul, power, half);
    (power, f.binary(Binary::Div, quarter, power))
}

/// `x + x³ · p(x²)`.
fn near_zero(f: &mut FunctionBuilder, poly: &[f32], x: Reg) -> Reg {
    let z = square(f, x);
    let poly = horner(f, poly, z);
    let cube = f.binary(Binary::Mul, z, x);
    f.fma(poly, cube, x)
}

/// `(asinh x − x) / x³` for |x| ≤ ½ in powers of x², highest first.
const ASINH_POLY: [f32; 4] = [2.012_200_3e-2, -4.269_993_4e-2, 7.484_759e-2, -1.666_628_8e-1];

/// asinh x, with an error below 4 ULP.
pub fn asinh(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let magnitude = f.unary(Unary::Abs, x);
    let [half, one, huge, ln_2] = [0.5, 1.0, 1e9, LN_2].map(|constant| f.constant(lanes, constant));
    let root = f.fma(magnitude, magnitude, one);
    let root = f.unary(Unary::Sqrt, root);
    let sum = f.binary(Binary::Add, magnitude, root);
    // Beyond 10⁹ the root is |x|, which a square would take beyond float32.
    let argument = f.select(Compare::Lt, huge, magnitude, magnitude, sum);
    let large = log(f, argument);
    let doubled = f.binary(Binary::Add, large, ln_2);
    let large = f.select(Compare::Lt, huge, magnitude, doubled, large);
    let small = near_zero(f, &ASINH_POLY, magnitude);
    let y = f.select(Compare::Lt, half, magnitude, large, small);
    sign_of(f, x, y)
}

/// `acosh(1 + z) / √z` for 0 ≤ z ≤ ½ in powers of z, highest first.
const ACOSH_POLY: [f32; 5] = [1.759_688_1e-3, -7.527_288_6e-3, 2.645_490_5e-2, -1.178_474_2e-1, SQRT_2];

/// acosh x, with an error below 4 ULP; NaN below 1.
pub fn acosh(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let [half, one, minus_one, huge, ln_2] = [0.5, 1.0, -1.0, 1e9, LN_2].map(|constant| f.constant(lanes, constant));
    let z = f.binary(Binary::Sub, x, one);
    let root = f.unary(Unary::Sqrt, z);
    let poly = horner(f, &ACOSH_POLY, z);
    let small = f.binary(Binary::Mul, root, poly);
    let rest = f.fma(x, x, minus_one);
    let rest = f.unary(Unary::Sqrt, rest);
    let sum = f.binary(Binary::Add, x, rest);
    let argument = f.select(Compare::Lt, huge, x, x, sum);
    let large = log(f, argument);
    let doubled = f.binary(Binary::Add, large, ln_2);
    let large = f.select(Compare::Lt, huge, x, doubled, large);
    f.select(Compare::Lt, half, z, large, small)
}

/// `(atanh x − x) / x³` for |x| ≤ ½ in powers of x², highest first.
const ATANH_POLY: [f32; 5] = [1.817_400_8e-1, 8.243_701e-2, 1.466_914_3e-1, 1.997_821_7e-1, 3.333_373e-1];

/// atanh x, with an error below 4 ULP; ±∞ at ±1, NaN beyond.
pub fn atanh(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let magnitude = f.unary(Unary::Abs, x);
    let [half, one] = [0.5, 1.0].map(|constant| f.constant(lanes, constant));
    let above = f.binary(Binary::Add, one, magnitude);
    let below = f.binary(Binary::Sub, one, magnitude);
    let ratio = f.binary(Binary::Div, above, below);
    let large = log(f, ratio);
    let large = f.binary(Binary::Mul, half, large);
    let small = near_zero(f, &ATANH_POLY, magnitude);
    let y = f.select(Compare::Lt, half, magnitude, large, small);
    sign_of(f, x, y)
}
