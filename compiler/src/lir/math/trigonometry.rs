//! sin, cos, tan and their inverses. Reductions and polynomials are those of Moshier's Cephes library (`sinf.c`,
//! `atanf.c`, `asinf.c`); [`FunctionBuilder::fma`] makes the reduction by π/2 exact for longer.

use std::f32::consts::{FRAC_2_PI, FRAC_PI_2, FRAC_PI_4, PI};

use super::{horner, sign_of, square};
use crate::lir::{Binary, Compare, FunctionBuilder, Reg, Unary};

/// −π/2 as a sum of three: the float32 nearest to it, to what is left, and to what is left then.
const MINUS_HALF_PI: [f32; 3] = [-1.570_796_4, 4.371_139e-8, 1.715_124e-15];

/// `(sin r − r) / r³` for |r| ≤ π/4 in powers of r², highest first.
const SIN_POLY: [f32; 3] = [-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1];

/// `(cos r − 1 + r²/2) / r⁴` for |r| ≤ π/4 in powers of r², highest first.
const COS_POLY: [f32; 3] = [2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2];

/// sin x, with an error below 1.5 ULP for |x| ≤ 1000; beyond, the error grows as x does. NaN for infinities.
pub fn sin(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let (sin, cos, quadrant) = quadrant(f, x);
    turned(f, quadrant, sin, cos)
}

/// cos x, with the error of [`sin`].
pub fn cos(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let (sin, cos, quadrant) = quadrant(f, x);
    let minus = f.unary(Unary::Neg, sin);
    turned(f, quadrant, cos, minus)
}

/// tan x, with an error below 3 ULP for |x| ≤ 1000.
pub fn tan(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let (sin, cos, quadrant) = quadrant(f, x);
    let minus = f.unary(Unary::Neg, sin);
    let y = turned(f, quadrant, sin, cos);
    let x = turned(f, quadrant, cos, minus);
    f.binary(Binary::Div, y, x)
}

/// sin r and cos r, and n modulo 4, where `x = r + n · π/2` and |r| ≤ π/4.
fn quadrant(f: &mut FunctionBuilder, x: Reg) -> (Reg, Reg, Reg) {
    let lanes = f.lanes(x);
    let scale = f.constant(lanes, FRAC_2_PI);
    let n = f.binary(Binary::Mul, x, scale);
    let n = f.unary(Unary::Nearest, n);
    let mut r = x;
    for part in MINUS_HALF_PI {
        let part = f.constant(lanes, part);
        r = f.fma(n, part, r);
    }
    let z = square(f, r);
    let poly = horner(f, &SIN_POLY, z);
    let cube = f.binary(Binary::Mul, z, r);
    let sin = f.fma(poly, cube, r);
    let poly = horner(f, &COS_POLY, z);
    let fourth = square(f, z);
    let [one, minus_half] = [1.0, -0.5].map(|constant| f.constant(lanes, constant));
    let cos = f.fma(minus_half, z, one);
    let cos = f.fma(poly, fourth, cos);
    let [quarter, minus_four] = [0.25, -4.0].map(|constant| f.constant(lanes, constant));
    let turns = f.binary(Binary::Mul, n, quarter);
    let turns = f.unary(Unary::Floor, turns);
    (sin, cos, f.fma(turns, minus_four, n))
}

/// `first`, `second`, `−first` or `−second` in quadrant 0, 1, 2 or 3.
fn turned(f: &mut FunctionBuilder, quadrant: Reg, first: Reg, second: Reg) -> Reg {
    let lanes = f.lanes(quadrant);
    let [one, two, three] = [1.0, 2.0, 3.0].map(|constant| f.constant(lanes, constant));
    let y = f.select(Compare::Eq, quadrant, one, second, first);
    let y = f.select(Compare::Eq, quadrant, three, second, y);
    let minus = f.unary(Unary::Neg, y);
    f.select(Compare::Le, two, quadrant, minus, y)
}

/// `(atan u − u) / u³` for |u| ≤ tan π/8 in powers of u², highest first.
const ATAN_POLY: [f32; 4] = [8.053_745e-2, -1.387_768_6e-1, 1.997_771e-1, -3.333_295e-1];

/// tan π/8 and tan 3π/8.
const ATAN_BOUNDS: [f32; 2] = [0.414_213_57, 2.414_213_7];

/// atan x, with an error below 3 ULP.
pub fn atan(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let lanes = f.lanes(x);
    let magnitude = f.unary(Unary::Abs, x);
    let [near, far] = ATAN_BOUNDS.map(|constant| f.constant(lanes, constant));
    let [zero, one, minus_one, eighth, quarter] =
        [0.0, 1.0, -1.0, FRAC_PI_4, FRAC_PI_2].map(|constant| f.constant(lanes, constant));
    // atan a = π/4 + atan((a − 1) / (a + 1)) = π/2 + atan(−1 / a)
    let below = f.binary(Binary::Sub, magnitude, one);
    let above = f.binary(Binary::Add, magnitude, one);
    let numerator = f.select(Compare::Lt, near, magnitude, below, magnitude);
    let denominator = f.select(Compare::Lt, near, magnitude, above, one);
    let offset = f.select(Compare::Lt, near, magnitude, eighth, zero);
    let numerator = f.select(Compare::Lt, far, magnitude, minus_one, numerator);
    let denominator = f.select(Compare::Lt, far, magnitude, magnitude, denominator);
    let offset = f.select(Compare::Lt, far, magnitude, quarter, offset);
    let u = f.binary(Binary::Div, numerator, denominator);
    let z = square(f, u);
    let poly = horner(f, &ATAN_POLY, z);
    let cube = f.binary(Binary::Mul, z, u);
    let y = f.fma(poly, cube, u);
    let y = f.binary(Binary::Add, offset, y);
    sign_of(f, x, y)
}

/// `(asin u − u) / u³` for |u| ≤ ½ in powers of u², highest first.
const ASIN_POLY: [f32; 5] = [4.216_32e-2, 2.418_131e-2, 4.547_002_6e-2, 7.495_3e-2, 1.666_675_2e-1];

/// asin x, with an error below 3 ULP; NaN beyond ±1.
pub fn asin(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let (small, large, is_large) = halves(f, x);
    let lanes = f.lanes(x);
    let [minus_two, right] = [-2.0, FRAC_PI_2].map(|constant| f.constant(lanes, constant));
    let large = f.fma(minus_two, large, right);
    let y = select_large(f, is_large, large, small);
    sign_of(f, x, y)
}

/// acos x, with an error below 3 ULP; NaN beyond ±1.
pub fn acos(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let (small, large, is_large) = halves(f, x);
    let lanes = f.lanes(x);
    let small = sign_of(f, x, small);
    let [zero, two, right, straight] = [0.0, 2.0, FRAC_PI_2, PI].map(|constant| f.constant(lanes, constant));
    let small = f.binary(Binary::Sub, right, small);
    let large = f.binary(Binary::Mul, two, large);
    let obtuse = f.binary(Binary::Sub, straight, large);
    let large = f.select(Compare::Lt, x, zero, obtuse, large);
    select_large(f, is_large, large, small)
}

/// For a = |x|: asin a where a ≤ ½, `asin √((1 − a) / 2)` where it is larger, and a itself to tell.
fn halves(f: &mut FunctionBuilder, x: Reg) -> (Reg, Reg, Reg) {
    let lanes = f.lanes(x);
    let magnitude = f.unary(Unary::Abs, x);
    let [half, minus_half] = [0.5, -0.5].map(|constant| f.constant(lanes, constant));
    let rest = f.fma(magnitude, minus_half, half);
    let root = f.unary(Unary::Sqrt, rest);
    let asin = |f: &mut FunctionBuilder, u: Reg| {
        let z = square(f, u);
        let poly = horner(f, &ASIN_POLY, z);
        let cube = f.binary(Binary::Mul, z, u);
        f.fma(poly, cube, u)
    };
    (asin(f, magnitude), asin(f, root), magnitude)
}

fn select_large(f: &mut FunctionBuilder, magnitude: Reg, large: Reg, small: Reg) -> Reg {
    let half = f.constant(f.lanes(magnitude), 0.5);
    f.select(Compare::Lt, half, magnitude, large, small)
}
