//! The derivative of an activation function along a direction, `yᵢ = gᵢ · f′(xᵢ)`: how gradients pass [`Elementwise`]
//! operators. V and G of one shape, Y of the same.
//!
//! V is the function's result `f(x)` where that says what the slope is (ReLU, sigmoid, tanh …; see
//! [`Slope::of_result`]): then nothing but the result has to be kept, and the function still rides in an epilogue. It is
//! the operand x elsewhere (SiLU, GELU …).
//!
//! [`Elementwise`]: super::elementwise::Elementwise

use convoke_runtime::{Activation, Tensor};

use super::activations::slope;
use super::epilogue::{ACTIVATION, attribute, each_activation};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check};
use crate::TensorType;
use crate::lir::{Binary, Compare, FunctionBuilder, Reg, math};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};

/// `yᵢ = gᵢ · f′(xᵢ)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Slope {
    /// f.
    pub function: Activation,
}

impl Slope {
    /// Whether operand V is `f(x)`; it is x otherwise.
    #[must_use]
    pub fn of_result(function: Activation) -> bool {
        match function {
            Activation::LeakyRelu { alpha } => alpha >= 0.0,
            Activation::Identity
            | Activation::Relu
            | Activation::Clip { .. }
            | Activation::Sigmoid
            | Activation::Tanh
            | Activation::HardSigmoid { .. } => true,
            Activation::Silu | Activation::HardSwish | Activation::Gelu | Activation::GeluTanh => false,
        }
    }

    /// The cotangent of an activation's operand.
    pub(super) fn derive(function: Activation, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        let of = if Self::of_result(function) { a.result(0) } else { a.operand(0) };
        a.give(0, |a| a.op(Self { function }, &[of, y]))
    }
}

impl Operator for Slope {
    const NAME: &'static str = "slope";
    const POSITIONAL: &'static [&'static str] = &["function"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("function", attribute(self.function))
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { function: arguments.need("function", &ACTIVATION)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["v", "g"])?;
        check::shape(operands, 1, "g", &operands[0].shape)?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut result = Tensor::zeros(operands[0].shape());
        let pairs = operands[0].data().iter().zip(operands[1].data());
        for (y, (&v, &g)) in result.data_mut().iter_mut().zip(pairs) {
            *y = (f64::from(g) * slope(self.function, v.into())) as f32;
        }
        vec![result]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for second derivatives"))
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    fn cases() -> Vec<Case> {
        const SHAPES: [&[usize]; 4] = [&[1, 17, 3, 5], &[2, 16, 2, 2], &[3, 9], &[]];
        let mut cases = Vec::new();
        for (name, function) in each_activation() {
            // Results of the logistic function and its kind lie in 0 .. 1.
            let (low, high) = if Self::of_result(function) { (-1.0, 2.0) } else { (-6.0, 6.0) };
            for shape in SHAPES {
                let case = Case::new(format!("{name} of {shape:?}"), Self { function });
                cases.push(case.input(shape).within(low, high).input(shape).tolerance(2e-6));
            }
        }
        cases
    }
}

impl Pointwise for Slope {
    /// An exponential and some arithmetic, at most.
    const COST: usize = 8;

    fn finite(&self) -> bool {
        true
    }

    /// The formulas of [`slope`].
    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        let [v, g] = [operands[0], operands[1]];
        let number = |f: &mut FunctionBuilder, value: f32| f.constant(f.lanes(v), value);
        let between = |f: &mut FunctionBuilder, low: f32, high: f32, inside: Reg, outside: Reg| {
            let [low, high] = [number(f, low), number(f, high)];
            let above = f.select(Compare::Lt, low, v, inside, outside);
            f.select(Compare::Lt, v, high, above, outside)
        };
        let [zero, one] = [number(f, 0.0), number(f, 1.0)];
        match self.function {
            Activation::Identity => g,
            Activation::Relu => f.select(Compare::Lt, zero, v, g, zero),
            Activation::LeakyRelu { alpha } => {
                let alpha = number(f, alpha);
                let below = f.binary(Binary::Mul, alpha, g);
                f.select(Compare::Lt, zero, v, g, below)
            }
            Activation::Clip { low, high } => between(f, low, high, g, zero),
            Activation::Sigmoid => {
                let rest = f.binary(Binary::Sub, one, v);
                let slope = f.binary(Binary::Mul, v, rest);
                f.binary(Binary::Mul, g, slope)
            }
            Activation::Tanh => {
                let square = f.binary(Binary::Mul, v, v);
                let slope = f.binary(Binary::Sub, one, square);
                f.binary(Binary::Mul, g, slope)
            }
            Activation::Silu => {
                let gate = math::sigmoid(f, v);
                let rest = f.binary(Binary::Sub, one, gate);
                let rest = f.fma(v, rest, one);
                let slope = f.binary(Binary::Mul, gate, rest);
                f.binary(Binary::Mul, g, slope)
            }
            Activation::HardSigmoid { alpha, .. } => {
                let alpha = number(f, alpha);
                let inside = f.binary(Binary::Mul, alpha, g);
                between(f, 0.0, 1.0, inside, zero)
            }
            Activation::HardSwish => {
                let [third, half] = [number(f, 1.0 / 3.0), number(f, 0.5)];
                let slope = f.fma(v, third, half);
                let inside = f.binary(Binary::Mul, g, slope);
                let three = number(f, 3.0);
                let beyond = f.select(Compare::Lt, v, zero, zero, g);
                let inside = f.select(Compare::Lt, v, three, inside, beyond);
                let minus = number(f, -3.0);
                f.select(Compare::Lt, minus, v, inside, beyond)
            }
            Activation::Gelu => {
                let [scale, half] = [number(f, std::f32::consts::FRAC_1_SQRT_2), number(f, 0.5)];
                let scaled = f.binary(Binary::Mul, v, scale);
                let erf = math::erf(f, scaled);
                let probability = f.fma(half, erf, half);
                let density = density(f, v);
                let slope = f.fma(v, density, probability);
                f.binary(Binary::Mul, g, slope)
            }
            Activation::GeluTanh => {
                // With u = √(2/π) (x + c x³): ½ (1 + tanh u) + ½ x (1 − tanh² u) u′.
                let root = (2.0 / std::f64::consts::PI).sqrt();
                let [root, cubic, slope, half] =
                    [root, root * 0.044_715, root * 3.0 * 0.044_715, 0.5].map(|value| number(f, value as f32));
                let square = f.binary(Binary::Mul, v, v);
                let factor = f.fma(square, cubic, root);
                let inner = f.binary(Binary::Mul, v, factor);
                let tanh = math::tanh(f, inner);
                let inner_slope = f.fma(square, slope, root);
                let squared = f.binary(Binary::Mul, tanh, tanh);
                let rest = f.binary(Binary::Sub, one, squared);
                let rest = f.binary(Binary::Mul, rest, inner_slope);
                let sum = f.binary(Binary::Add, one, tanh);
                let sum = f.fma(v, rest, sum);
                let slope = f.binary(Binary::Mul, half, sum);
                f.binary(Binary::Mul, g, slope)
            }
        }
    }
}

/// The normal distribution's density, `1/√(2π) · exp(−x²/2)`.
fn density(f: &mut FunctionBuilder, x: Reg) -> Reg {
    let [half, scale] = [-0.5, 1.0 / std::f32::consts::TAU.sqrt()].map(|value| f.constant(f.lanes(x), value));
    let square = f.binary(Binary::Mul, x, x);
    let exponent = f.binary(Binary::Mul, half, square);
    let power = math::exp(f, exponent);
    f.binary(Binary::Mul, scale, power)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::activations::define;
    use crate::ops::testing::{called, inferred};

    #[test]
    fn shapes() {
        let op = Slope { function: Activation::Relu };
        assert_eq!(inferred(op, &[&[2, 3], &[2, 3]]), "f32[2, 3]");
        assert_eq!(inferred(op, &[&[2, 3], &[3]]), "operand 1 expects g of shape [2, 3], gets [3]");
    }

    #[test]
    fn calls() {
        assert_eq!(called("slope", &[&[2], &[2]], &["relu".into()], &[]), "slope {function = relu}");
    }

    /// Central differences in float64, away from kinks.
    #[test]
    fn is_the_slope_of_the_definition() {
        for (name, function) in each_activation() {
            for x in [-4.1, -2.3, -0.7, -0.21, 0.13, 0.4, 1.1, 1.7, 2.9, 5.2, 7.3] {
                let h = 1e-5;
                let difference = (define(function, x + h) - define(function, x - h)) / (2.0 * h);
                let v = if Slope::of_result(function) { define(function, x) } else { x };
                let found = slope(function, v);
                assert!((found - difference).abs() < 1e-8, "{name} at {x}: {found}, differences {difference}");
            }
        }
    }
}
