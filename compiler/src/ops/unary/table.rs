//! The functions: for each its formula in f64, its expansion to arithmetic, whether finite arguments make finite results,
//! and the arguments that tests give it.

use super::call;
use crate::lir::{Binary, Compare, FunctionBuilder, Reg, Unary as Lir, math};
use crate::ops::activations::erfc;
use crate::ops::Constructor;

macro_rules! functions {
    ($($(#[$doc:meta])* $Name:ident $name:literal ($($constant:literal: $usual:expr),*) $finite:literal $within:expr;
        |$x:ident, $c:pat_param| $define:expr; |$f:ident, $r:ident, $k:pat_param| $expand:expr;)+) => {
        /// A function of one number; `a` and `b` are its constants.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Function {
            $($(#[$doc])* $Name),+
        }

        /// Each function by its name.
        pub(super) const CALLS: &[(&str, Constructor)] = &[$(($name, |made| call(Function::$Name, made))),+];

        impl Function {
            /// All functions.
            pub const ALL: &'static [Self] = &[$(Self::$Name),+];

            /// Its name in graphs and in `cnn!`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$Name => $name),+ }
            }

            /// The names and usual values of its constants.
            #[must_use]
            pub fn constants(self) -> &'static [(&'static str, f32)] {
                match self { $(Self::$Name => &[$(($constant, $usual)),*]),+ }
            }

            /// Whether it makes finite numbers of finite ones.
            pub(super) fn finite(self) -> bool {
                match self { $(Self::$Name => $finite),+ }
            }

            /// The arguments it is tested with.
            pub(super) fn within(self) -> (f32, f32) {
                match self { $(Self::$Name => $within),+ }
            }

            /// Its formula.
            pub(super) fn define(self, x: f64, constants: [f64; 2]) -> f64 {
                match self { $(Self::$Name => { let ($x, $c) = (x, constants); $define }),+ }
            }

            /// Its expansion to arithmetic.
            pub(super) fn expand(self, f: &mut FunctionBuilder, x: Reg, constants: [f32; 2]) -> Reg {
                match self { $(Self::$Name => { let ($f, $r, $k) = (f, x, constants); $expand }),+ }
            }
        }
    };
}

functions! {
    /// `|x|`.
    Abs "abs" () true (-2.0, 2.0); |x, _| x.abs(); |f, x, _| f.unary(Lir::Abs, x);
    /// `−x`.
    Neg "neg" () true (-2.0, 2.0); |x, _| -x; |f, x, _| f.unary(Lir::Neg, x);
    /// `−1`, `0` or `1`.
    Sign "sign" () true (-2.0, 2.0);
        |x, _| if x > 0.0 { 1.0 } else if x < 0.0 { -1.0 } else { x };
        |f, x, _| {
            let [zero, one, minus] = [0.0, 1.0, -1.0].map(|value| f.constant(f.lanes(x), value));
            let y = f.select(Compare::Lt, x, zero, minus, x);
            f.select(Compare::Lt, zero, x, one, y)
        };
    /// `1 / x`.
    Reciprocal "reciprocal" () false (0.1, 4.0); |x, _| 1.0 / x; |f, x, _| {
        let one = f.constant(f.lanes(x), 1.0);
        f.binary(Binary::Div, one, x)
    };
    /// `√x`.
    Sqrt "sqrt" () false (0.0, 4.0); |x, _| x.sqrt(); |f, x, _| f.unary(Lir::Sqrt, x);
    /// `eˣ`.
    Exp "exp" () false (-4.0, 4.0); |x, _| x.exp(); |f, x, _| math::exp(f, x);
    /// `ln x`.
    Log "log" () false (0.01, 8.0); |x, _| x.ln(); |f, x, _| math::log(f, x);
    /// The largest whole number not above x.
    Floor "floor" () true (-3.0, 3.0); |x, _| x.floor(); |f, x, _| f.unary(Lir::Floor, x);
    /// The smallest whole number not below x.
    Ceil "ceil" () true (-3.0, 3.0); |x, _| x.ceil(); |f, x, _| f.unary(Lir::Ceil, x);
    /// The nearest whole number, ties to even.
    Round "round" () true (-3.0, 3.0); |x, _| x.round_ties_even(); |f, x, _| f.unary(Lir::Nearest, x);
    /// `2/√π ∫₀ˣ exp(−t²) dt`.
    Erf "erf" () true (-3.0, 3.0); |x, _| 1.0 - erfc(x); |f, x, _| math::erf(f, x);
    /// `sin x`.
    Sin "sin" () false (-8.0, 8.0); |x, _| x.sin(); |f, x, _| math::sin(f, x);
    /// `cos x`.
    Cos "cos" () false (-8.0, 8.0); |x, _| x.cos(); |f, x, _| math::cos(f, x);
    /// `tan x`.
    Tan "tan" () false (-1.0, 1.0); |x, _| x.tan(); |f, x, _| math::tan(f, x);
    /// The angle in ±π/2 whose sine is x.
    Asin "asin" () false (-1.0, 1.0); |x, _| x.asin(); |f, x, _| math::asin(f, x);
    /// The angle in 0 ..= π whose cosine is x.
    Acos "acos" () false (-1.0, 1.0); |x, _| x.acos(); |f, x, _| math::acos(f, x);
    /// The angle in ±π/2 whose tangent is x.
    Atan "atan" () true (-4.0, 4.0); |x, _| x.atan(); |f, x, _| math::atan(f, x);
    /// `(eˣ − e⁻ˣ) / 2`.
    Sinh "sinh" () false (-4.0, 4.0); |x, _| x.sinh(); |f, x, _| math::sinh(f, x);
    /// `(eˣ + e⁻ˣ) / 2`.
    Cosh "cosh" () false (-4.0, 4.0); |x, _| x.cosh(); |f, x, _| math::cosh(f, x);
    /// The number whose sinh is x.
    Asinh "asinh" () true (-4.0, 4.0); |x, _| x.asinh(); |f, x, _| math::asinh(f, x);
    /// The number whose cosh is x.
    Acosh "acosh" () false (1.0, 8.0); |x, _| x.acosh(); |f, x, _| math::acosh(f, x);
    /// The number whose tanh is x.
    Atanh "atanh" () false (-0.9, 0.9); |x, _| x.atanh(); |f, x, _| math::atanh(f, x);
    /// `ln(1 + eˣ)`.
    Softplus "softplus" () true (-8.0, 8.0);
        |x, _| x.max(0.0) + (-x.abs()).exp().ln_1p(); |f, x, _| math::softplus(f, x);
    /// `x / (1 + |x|)`.
    Softsign "softsign" () true (-8.0, 8.0); |x, _| x / (1.0 + x.abs()); |f, x, _| {
        let one = f.constant(f.lanes(x), 1.0);
        let magnitude = f.unary(Lir::Abs, x);
        let below = f.binary(Binary::Add, one, magnitude);
        f.binary(Binary::Div, x, below)
    };
    /// `x · tanh(ln(1 + eˣ))` (Misra 2019, arXiv:1908.08681).
    Mish "mish" () true (-8.0, 8.0); |x, _| x * (x.max(0.0) + (-x.abs()).exp().ln_1p()).tanh(); |f, x, _| {
        // With u = eˣ it is x · (u² + 2u) / (u² + 2u + 2), of which the quotient is 1 from 20 on.
        let [two, most] = [2.0, 20.0].map(|value| f.constant(f.lanes(x), value));
        let bounded = f.binary(Binary::Min, most, x);
        let u = math::exp(f, bounded);
        let sum = f.binary(Binary::Add, u, two);
        let numerator = f.binary(Binary::Mul, u, sum);
        let denominator = f.binary(Binary::Add, numerator, two);
        let quotient = f.binary(Binary::Div, numerator, denominator);
        f.binary(Binary::Mul, x, quotient)
    };
    /// `x` where it is positive, elsewhere `a · (eˣ − 1)` (Clevert et al. 2015, arXiv:1511.07289).
    Elu "elu" ("alpha": 1.0) true (-8.0, 8.0);
        |x, [a, _]| if x > 0.0 { x } else { a * x.exp_m1() };
        |f, x, [a, _]| exponential(f, x, [1.0, a, 1.0]);
    /// `b · x` where x is positive, elsewhere `b · a · (eˣ − 1)` (Klambauer et al. 2017, arXiv:1706.02515).
    Selu "selu" ("alpha": 1.673_263_2, "gamma": 1.050_701) true (-8.0, 8.0);
        |x, [a, b]| b * if x > 0.0 { x } else { a * x.exp_m1() };
        |f, x, [a, b]| exponential(f, x, [b, a * b, 1.0]);
    /// `x` where it is positive, elsewhere `a · (e^(x/a) − 1)` (Barron 2017, arXiv:1704.07483).
    Celu "celu" ("alpha": 1.0) true (-8.0, 8.0);
        |x, [a, _]| if x > 0.0 { x } else { a * (x / a).exp_m1() };
        |f, x, [a, _]| exponential(f, x, [1.0, a, 1.0 / a]);
    /// `x` above a, elsewhere 0.
    ThresholdedRelu "thresholded_relu" ("alpha": 1.0) true (-4.0, 4.0);
        |x, [a, _]| if x > a { x } else { 0.0 };
        |f, x, [a, _]| {
            let [zero, bound] = [0.0, a].map(|value| f.constant(f.lanes(x), value));
            f.select(Compare::Lt, bound, x, x, zero)
        };
    /// `x + b` below −a, `x − b` above a, elsewhere 0.
    Shrink "shrink" ("lambda": 0.5, "bias": 0.0) true (-2.0, 2.0);
        |x, [a, b]| if x < -a { x + b } else if x > a { x - b } else { 0.0 };
        |f, x, [a, b]| {
            let [zero, low, high, bias] = [0.0, -a, a, b].map(|value| f.constant(f.lanes(x), value));
            let above = f.binary(Binary::Sub, x, bias);
            let below = f.binary(Binary::Add, x, bias);
            let y = f.select(Compare::Lt, high, x, above, zero);
            f.select(Compare::Lt, x, low, below, y)
        };
}

/// `scale · x` where x is positive, elsewhere `alpha · (e^(rate · x) − 1)`, whose error is one of 1: 10⁻⁷ · alpha.
fn exponential(f: &mut FunctionBuilder, x: Reg, [scale, alpha, rate]: [f32; 3]) -> Reg {
    let [zero, one, scale, alpha, rate] = [0.0, 1.0, scale, alpha, rate].map(|value| f.constant(f.lanes(x), value));
    let below = f.binary(Binary::Min, zero, x);
    let below = f.binary(Binary::Mul, rate, below);
    let power = math::exp(f, below);
    let below = f.binary(Binary::Sub, power, one);
    let below = f.binary(Binary::Mul, alpha, below);
    let above = f.binary(Binary::Mul, scale, x);
    f.select(Compare::Lt, zero, x, above, below)
}
