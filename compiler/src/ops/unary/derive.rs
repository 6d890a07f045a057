//! The functions' derivatives, written as operators.

use super::{Function, Unary};
use crate::graph::Value;
use crate::ops::compare::{self, Compare};
use crate::ops::select::Select;
use crate::ops::{Adjoint, Derived, NotDerived};

/// `x̄ = ȳ · f′(x)`.
pub(super) fn derive(op: &Unary, a: &mut Adjoint<'_, '_>) -> Derived {
    let (cotangent, x, y) = (a.cotangent()?, a.operand(0), a.result(0));
    let [alpha, beta] = op.constants;
    a.give(0, |a| {
        let mut rule = Rule(a);
        let slope = match op.function {
            Function::Neg => return rule.0.scaled(cotangent, -1.0),
            Function::Abs => rule.of(Function::Sign, x)?,
            Function::Sqrt => {
                let double = rule.affine(y, 2.0, 0.0)?;
                return rule.0.div(cotangent, double);
            }
            Function::Log => return rule.0.div(cotangent, x),
            Function::Reciprocal => {
                let square = rule.0.mul(y, y)?;
                rule.affine(square, -1.0, 0.0)?
            }
            Function::Exp => y,
            Function::Erf => {
                let square = rule.0.mul(x, x)?;
                let exponent = rule.affine(square, -1.0, 0.0)?;
                let power = rule.of(Function::Exp, exponent)?;
                rule.affine(power, std::f32::consts::FRAC_2_SQRT_PI, 0.0)?
            }
            Function::Sin => rule.of(Function::Cos, x)?,
            Function::Cos => {
                let sine = rule.of(Function::Sin, x)?;
                rule.affine(sine, -1.0, 0.0)?
            }
            Function::Tan => {
                let square = rule.0.mul(y, y)?;
                rule.affine(square, 1.0, 1.0)?
            }
            Function::Asin => rule.power(x, [-1.0, 1.0], true, 1.0)?,
            Function::Acos => rule.power(x, [-1.0, 1.0], true, -1.0)?,
            Function::Atan => rule.power(x, [1.0, 1.0], false, 1.0)?,
            Function::Sinh => rule.of(Function::Cosh, x)?,
            Function::Cosh => rule.of(Function::Sinh, x)?,
            Function::Asinh => rule.power(x, [1.0, 1.0], true, 1.0)?,
            Function::Acosh => rule.power(x, [1.0, -1.0], true, 1.0)?,
            Function::Atanh => rule.power(x, [-1.0, 1.0], false, 1.0)?,
            Function::Softplus => rule.0.op(crate::ops::sigmoid::Sigmoid, &[x])?,
            Function::Softsign => {
                let magnitude = rule.of(Function::Abs, x)?;
                let below = rule.affine(magnitude, 1.0, 1.0)?;
                let square = rule.0.mul(below, below)?;
                rule.of(Function::Reciprocal, square)?
            }
            Function::Mish => {
                // tanh(s) + x · (1 − tanh² s) · σ(x), with s = softplus(x).
                let softplus = rule.of(Function::Softplus, x)?;
                let tanh = rule.0.op(crate::ops::tanh::Tanh, &[softplus])?;
                let square = rule.0.mul(tanh, tanh)?;
                let rest = rule.affine(square, -1.0, 1.0)?;
                let gate = rule.0.op(crate::ops::sigmoid::Sigmoid, &[x])?;
                let gate = rule.0.mul(x, gate)?;
                let product = rule.0.mul(rest, gate)?;
                rule.0.add(tanh, product)?
            }
            // Where x is not positive, the slope is y and what was taken off it.
            Function::Elu => rule.piecewise(x, y, [1.0, 1.0], alpha)?,
            Function::Selu => rule.piecewise(x, y, [beta, 1.0], alpha * beta)?,
            Function::Celu => rule.piecewise(x, y, [1.0, 1.0 / alpha], 1.0)?,
            Function::ThresholdedRelu => rule.above(x, alpha)?,
            Function::Shrink => {
                let magnitude = rule.of(Function::Abs, x)?;
                rule.above(magnitude, alpha)?
            }
            Function::Sign | Function::Floor | Function::Ceil | Function::Round => {
                return Err(NotDerived::because(format!("`{}` is constant between its jumps", op.function.name())));
            }
        };
        rule.0.mul(cotangent, slope)
    })
}

/// The operators of a rule.
struct Rule<'r, 'a, 'g>(&'r mut Adjoint<'a, 'g>);

impl Rule<'_, '_, '_> {
    fn of(&mut self, function: Function, x: Value) -> Result<Value, NotDerived> {
        self.0.op(Unary::new(function), &[x])
    }

    /// `scale · x + shift`.
    fn affine(&mut self, x: Value, scale: f32, shift: f32) -> Result<Value, NotDerived> {
        let scaled = if scale == 1.0 { x } else { self.0.scaled(x, scale)? };
        if shift == 0.0 {
            return Ok(scaled);
        }
        let shift = self.0.constant(&[], &[shift]);
        self.0.add(scaled, shift)
    }

    /// `sign / (scale · x² + shift)`, or with the root of that.
    fn power(&mut self, x: Value, [scale, shift]: [f32; 2], root: bool, sign: f32) -> Result<Value, NotDerived> {
        let square = self.0.mul(x, x)?;
        let mut below = self.affine(square, scale, shift)?;
        if root {
            below = self.of(Function::Sqrt, below)?;
        }
        let quotient = self.of(Function::Reciprocal, below)?;
        self.affine(quotient, sign, 0.0)
    }

    /// 1 where x is above `bound`, 0 elsewhere.
    fn above(&mut self, x: Value, bound: f32) -> Result<Value, NotDerived> {
        let [bound, one, zero] = [bound, 1.0, 0.0].map(|value| self.0.constant(&[], &[value]));
        let above = self.0.op(Compare { function: compare::Function::Less }, &[bound, x])?;
        self.0.op(Select, &[above, one, zero])
    }

    /// `slopes[0]` where x is positive, elsewhere `slopes[1] · y + shift`.
    fn piecewise(&mut self, x: Value, y: Value, slopes: [f32; 2], shift: f32) -> Result<Value, NotDerived> {
        let [zero, slope] = [0.0, slopes[0]].map(|value| self.0.constant(&[], &[value]));
        let positive = self.0.op(Compare { function: compare::Function::Less }, &[zero, x])?;
        let below = self.affine(y, slopes[1], shift)?;
        self.0.op(Select, &[positive, slope, below])
    }
}
