//! The naive definitions of activation functions, in f64: what the polynomials of kernels and LIR are tested against,
//! and therefore independent of them.

use std::f64::consts::{PI, SQRT_2};

use convoke_runtime::Activation;

use super::export::Exporter;

/// `f(x)`, written as the formula at [`Activation`] says it.
#[must_use]
pub fn define(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Identity => x,
        Activation::Relu => x.max(0.0),
        Activation::LeakyRelu { alpha } => {
            if x > 0.0 {
                x
            } else {
                f64::from(alpha) * x
            }
        }
        Activation::Clip { low, high } => x.max(f64::from(low)).min(f64::from(high)),
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
        Activation::Silu => x * sigmoid(x),
        Activation::HardSigmoid { alpha, beta } => (f64::from(alpha) * x + f64::from(beta)).clamp(0.0, 1.0),
        Activation::HardSwish => x * (x / 6.0 + 0.5).clamp(0.0, 1.0),
        Activation::Gelu => 0.5 * x * erfc(-x / SQRT_2),
        Activation::GeluTanh => 0.5 * x * (1.0 + ((2.0 / PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh()),
    }
}

/// `f′`, of `f(x)` where [`Slope`](super::slope::Slope) says so, of x otherwise; 0 at the bounds of a clip.
#[must_use]
pub fn slope(activation: Activation, v: f64) -> f64 {
    let inside = |low: f64, high: f64| if low < v && v < high { 1.0 } else { 0.0 };
    match activation {
        Activation::Identity => 1.0,
        Activation::Relu => inside(0.0, f64::INFINITY),
        Activation::LeakyRelu { alpha } => {
            if v > 0.0 {
                1.0
            } else {
                alpha.into()
            }
        }
        Activation::Clip { low, high } => inside(low.into(), high.into()),
        Activation::Sigmoid => v * (1.0 - v),
        Activation::Tanh => 1.0 - v * v,
        Activation::Silu => sigmoid(v) * (1.0 + v * (1.0 - sigmoid(v))),
        Activation::HardSigmoid { alpha, .. } => f64::from(alpha) * inside(0.0, 1.0),
        Activation::HardSwish if v <= -3.0 => 0.0,
        Activation::HardSwish if v >= 3.0 => 1.0,
        Activation::HardSwish => v / 3.0 + 0.5,
        Activation::Gelu => 0.5 * erfc(-v / SQRT_2) + v * (-0.5 * v * v).exp() / (2.0 * PI).sqrt(),
        Activation::GeluTanh => {
            let root = (2.0 / PI).sqrt();
            let tanh = (root * (v + 0.044_715 * v * v * v)).tanh();
            0.5 * (1.0 + tanh + v * (1.0 - tanh * tanh) * root * (1.0 + 3.0 * 0.044_715 * v * v))
        }
    }
}

/// The nodes of ONNX that apply an activation to the value `x`, and the value that they make.
pub fn export(activation: Activation, x: String, e: &mut Exporter<'_>) -> String {
    match activation {
        Activation::Identity => x,
        Activation::Relu => e.node("Relu", vec![x], &[]),
        Activation::LeakyRelu { alpha } => e.node("LeakyRelu", vec![x], &[("alpha", alpha.into())]),
        Activation::Clip { low, high } => {
            let bounds = [e.number("low", low), e.number("high", high)];
            e.node("Clip", [vec![x], bounds.into()].concat(), &[])
        }
        Activation::Sigmoid => e.node("Sigmoid", vec![x], &[]),
        Activation::Tanh => e.node("Tanh", vec![x], &[]),
        Activation::Silu => {
            let gate = e.node("Sigmoid", vec![x.clone()], &[]);
            e.node("Mul", vec![x, gate], &[])
        }
        Activation::HardSigmoid { alpha, beta } => {
            e.node("HardSigmoid", vec![x], &[("alpha", alpha.into()), ("beta", beta.into())])
        }
        Activation::HardSwish => e.node("HardSwish", vec![x], &[]),
        Activation::Gelu => {
            let scale = e.number("scale", std::f32::consts::FRAC_1_SQRT_2);
            let scaled = e.node("Mul", vec![x.clone(), scale], &[]);
            let erf = e.node("Erf", vec![scaled], &[]);
            gelu(x, erf, e)
        }
        Activation::GeluTanh => {
            let constants = [e.number("cubic", 0.044_715), e.number("scale", (2.0 / PI).sqrt() as f32)];
            let [cubic, scale] = constants;
            let square = e.node("Mul", vec![x.clone(), x.clone()], &[]);
            let scaled = e.node("Mul", vec![square, cubic], &[]);
            let cubed = e.node("Mul", vec![scaled, x.clone()], &[]);
            let sum = e.node("Add", vec![x.clone(), cubed], &[]);
            let inner = e.node("Mul", vec![sum, scale], &[]);
            let tanh = e.node("Tanh", vec![inner], &[]);
            gelu(x, tanh, e)
        }
    }
}

/// `x/2 · (1 + inner)`.
fn gelu(x: String, inner: String, e: &mut Exporter<'_>) -> String {
    let [one, half] = [e.number("one", 1.0), e.number("half", 0.5)];
    let sum = e.node("Add", vec![inner, one], &[]);
    let product = e.node("Mul", vec![x, sum], &[]);
    e.node("Mul", vec![product, half], &[])
}

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

/// `1 − erf(x)`, where `erf(x) = 2/√π ∫₀ˣ exp(−t²) dt`, to a relative error of about 10⁻¹⁴ wherever it is not
/// denormal.
///
/// Below 1 the series of positive terms, DLMF 7.6.2; above, where `1 − erf` would cancel, the continued fraction,
/// DLMF 7.9.1.
pub(super) fn erfc(x: f64) -> f64 {
    if x < -1.0 {
        return 2.0 - erfc(-x);
    }
    if x > 1.0 {
        let fraction = (1..=300).rev().fold(x, |tail, k| x + f64::from(k) / 2.0 / tail);
        return (-x * x).exp() / (PI.sqrt() * fraction);
    }
    let (mut term, mut sum) = (x, x);
    for n in 1..40 {
        term *= 2.0 * x * x / f64::from(2 * n + 1);
        sum += term;
    }
    1.0 - 2.0 / PI.sqrt() * (-x * x).exp() * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    /// From mpmath, at 30 digits.
    #[test]
    fn erfc_is_precise() {
        let table = [
            (0.0, 1.0),
            (0.5, 0.479_500_122_186_953_5),
            (1.0, 0.157_299_207_050_285_13),
            (-1.0, 1.842_700_792_949_715),
            (2.0, 0.004_677_734_981_047_266),
            (3.0, 2.209_049_699_858_544e-5),
            (-3.0, 1.999_977_909_503_001_4),
            (5.0, 1.537_459_794_428_034_8e-12),
            (10.0, 2.088_487_583_762_545e-45),
        ];
        for (x, expected) in table {
            assert!((erfc(x) / expected - 1.0).abs() < 5e-14, "erfc({x}) = {:e}", erfc(x));
        }
    }

    #[test]
    fn the_two_forms_of_erfc_meet() {
        let (below, above) = (erfc(1.0), erfc(1.0 + f64::EPSILON));
        assert!((below / above - 1.0).abs() < 1e-14, "{below:e} and {above:e}");
    }

    /// The transcendental ones from mpmath, at 30 digits.
    #[test]
    fn values() {
        use Activation as A;
        let table = [
            (A::Identity, -1.5, -1.5),
            (A::Relu, -1.5, 0.0),
            (A::Relu, 1.5, 1.5),
            (A::LeakyRelu { alpha: 0.25 }, -2.0, -0.5),
            (A::Clip { low: 0.0, high: 6.0 }, 7.0, 6.0),
            (A::Clip { low: 0.0, high: 6.0 }, -7.0, 0.0),
            (A::Sigmoid, 1.0, 0.731_058_578_630_004_9),
            (A::Sigmoid, -800.0, 0.0),
            (A::Tanh, 1.0, 0.761_594_155_955_764_9),
            (A::Silu, 1.0, 0.731_058_578_630_004_9),
            (A::HardSigmoid { alpha: 0.25, beta: 0.5 }, 1.0, 0.75),
            (A::HardSwish, 1.0, 2.0 / 3.0),
            (A::HardSwish, -3.0, 0.0),
            (A::HardSwish, 4.0, 4.0),
            (A::Gelu, 1.0, 0.841_344_746_068_542_9),
            (A::Gelu, -1.0, -0.158_655_253_931_457_05),
            (A::GeluTanh, 1.0, 0.841_191_990_608_276_7),
        ];
        for (activation, x, expected) in table {
            let y = define(activation, x);
            assert!((y - expected).abs() < 1e-14, "{activation:?} of {x} is {y}");
        }
    }
}
