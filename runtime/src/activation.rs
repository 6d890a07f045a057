//! Activation functions: the elementwise functions that ride in a kernel's epilogue.

use crate::simd::{Scalar, math};

/// An elementwise function `y = f(x)`. NaN gives NaN, for all of them.
///
/// The definitions, with the paper each comes from, stand at the operators of the compiler; the polynomials for
/// exp, tanh and erf, with their error in ULP, at [`simd::math`](crate::simd::math).
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Activation {
    /// `x`.
    #[default]
    Identity,
    /// `if x < 0 { 0 } else { x }`.
    Relu,
    /// `x` if `x > 0`, else `alpha · x`.
    LeakyRelu {
        /// Slope for negative `x`.
        alpha: f32,
    },
    /// `x` raised to `low` where it is less, then lowered to `high` where it is more.
    Clip {
        /// Lower bound.
        low: f32,
        /// Upper bound.
        high: f32,
    },
    /// `1 / (1 + exp(−x))`.
    Sigmoid,
    /// `tanh x`.
    Tanh,
    /// `x · sigmoid(x)`.
    Silu,
    /// `alpha · x + beta`, with one rounding, clipped to 0 and 1 as by [`Clip`](Self::Clip).
    HardSigmoid {
        /// Slope.
        alpha: f32,
        /// Offset.
        beta: f32,
    },
    /// `x ·` [`HardSigmoid`](Self::HardSigmoid) with `alpha` = 1/6 and `beta` = 1/2.
    HardSwish,
    /// `x/2 · (1 + erf(x / √2))`.
    Gelu,
    /// `x/2 · (1 + tanh(√(2/π) (x + 0.044715 x³)))`.
    GeluTanh,
}

impl Activation {
    /// f(x), with the bits that every kernel computes.
    #[must_use]
    pub fn apply(self, x: f32) -> f32 {
        math::activate(Scalar, self, x)
    }
}

/// An [`Activation`] as three machine words, the form in which kernels' parameters carry it: no padding, so that the
/// parameters of a call are plain bytes in an object file.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub struct ActivationCode {
    /// Which function; see [`ActivationCode::new`].
    pub kind: u32,
    /// First constant of the function, or 0.
    pub alpha: f32,
    /// Second constant of the function, or 0.
    pub beta: f32,
}

impl ActivationCode {
    /// The code of `activation`.
    #[must_use]
    pub const fn new(activation: Activation) -> Self {
        let (kind, alpha, beta) = match activation {
            Activation::Identity => (0, 0.0, 0.0),
            Activation::Relu => (1, 0.0, 0.0),
            Activation::LeakyRelu { alpha } => (2, alpha, 0.0),
            Activation::Clip { low, high } => (3, low, high),
            Activation::Sigmoid => (4, 0.0, 0.0),
            Activation::Tanh => (5, 0.0, 0.0),
            Activation::Silu => (6, 0.0, 0.0),
            Activation::HardSigmoid { alpha, beta } => (7, alpha, beta),
            Activation::HardSwish => (8, 0.0, 0.0),
            Activation::Gelu => (9, 0.0, 0.0),
            Activation::GeluTanh => (10, 0.0, 0.0),
        };
        Self { kind, alpha, beta }
    }

    /// The activation of this code, or `None` where `kind` is not one.
    #[must_use]
    pub const fn decode(self) -> Option<Activation> {
        Some(match self.kind {
            0 => Activation::Identity,
            1 => Activation::Relu,
            2 => Activation::LeakyRelu { alpha: self.alpha },
            3 => Activation::Clip { low: self.alpha, high: self.beta },
            4 => Activation::Sigmoid,
            5 => Activation::Tanh,
            6 => Activation::Silu,
            7 => Activation::HardSigmoid { alpha: self.alpha, beta: self.beta },
            8 => Activation::HardSwish,
            9 => Activation::Gelu,
            10 => Activation::GeluTanh,
            _ => return None,
        })
    }
}

impl From<Activation> for ActivationCode {
    fn from(activation: Activation) -> Self {
        Self::new(activation)
    }
}
