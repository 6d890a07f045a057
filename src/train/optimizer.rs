//! Optimisers: how a parameter moves by its gradient.

/// How parameters move by their gradients: PyTorch's formulas, in float32. θ is a parameter, g its gradient, η the rate, λ
/// the decay, t the step counted from 1.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Optimizer {
    /// Stochastic gradient descent with momentum μ:
    ///
    /// ```text
    /// g ← g + λ θ    b ← μ b + g    θ ← θ − η b, with Nesterov's θ ← θ − η (g + μ b)
    /// ```
    ///
    /// Sutskever, Martens, Dahl and Hinton, "On the Importance of Initialization and Momentum in Deep Learning", ICML
    /// 2013, section 2, with the rate outside of b as PyTorch has it.
    Sgd {
        /// μ; 0 for none.
        momentum: f32,
        /// Whether the gradient is taken as if ahead.
        nesterov: bool,
        /// λ.
        decay: f32,
    },
    /// Adam:
    ///
    /// ```text
    /// g ← g + λ θ    m ← β₁ m + (1 − β₁) g    v ← β₂ v + (1 − β₂) g²
    /// θ ← θ − η / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + ε)
    /// ```
    ///
    /// Kingma and Ba, "Adam: a Method for Stochastic Optimization", arXiv:1412.6980, algorithm 1.
    Adam(Adam),
    /// Adam with decay apart from the gradient: `θ ← θ − η λ θ`, then Adam's step without λ.
    ///
    /// Loshchilov and Hutter, "Decoupled Weight Decay Regularization", arXiv:1711.05101, algorithm 2.
    AdamW(Adam),
}

/// The constants of Adam; β 0.9 and 0.999, ε 1e-8 and no decay unless given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Adam {
    /// β₁ and β₂.
    pub betas: [f32; 2],
    /// ε.
    pub eps: f32,
    /// λ.
    pub decay: f32,
}

impl Default for Adam {
    fn default() -> Self {
        Self { betas: [0.9, 0.999], eps: 1e-8, decay: 0.0 }
    }
}

impl Optimizer {
    /// Numbers that it keeps of each number of a parameter, all 0 at first.
    #[must_use]
    pub const fn slots(self) -> usize {
        match self {
            Self::Sgd { momentum, .. } => (momentum != 0.0) as usize,
            Self::Adam(_) | Self::AdamW(_) => 2,
        }
    }

    /// Moves `parameter` by `gradient`, of as many elements, at `rate`, in step `step` counted from 1. `slots` are as many
    /// as [`slots`](Self::slots) says, of as many elements.
    pub fn update(self, rate: f32, step: u64, parameter: &mut [f32], gradient: &[f32], slots: &mut [Vec<f32>]) {
        match (self, slots) {
            (Self::Sgd { momentum, nesterov, decay }, [buffer, ..]) => {
                for ((x, &g), b) in parameter.iter_mut().zip(gradient).zip(buffer) {
                    let g = g + decay * *x;
                    *b = momentum * *b + g;
                    *x -= rate * if nesterov { g + momentum * *b } else { *b };
                }
            }
            (Self::Sgd { decay, .. }, []) => {
                for (x, &g) in parameter.iter_mut().zip(gradient) {
                    *x -= rate * (g + decay * *x);
                }
            }
            (Self::Adam(adam), [m, v, ..]) => adam.update(rate, step, [1.0, adam.decay], parameter, gradient, [m, v]),
            (Self::AdamW(adam), [m, v, ..]) => {
                let kept = 1.0 - rate * adam.decay;
                adam.update(rate, step, [kept, 0.0], parameter, gradient, [m, v]);
            }
            (Self::Adam(_) | Self::AdamW(_), _) => unreachable!("Adam has two slots"),
        }
    }
}

impl Adam {
    /// The step, before which θ is multiplied by `kept`, and g gets `decay · θ`.
    fn update(
        self,
        rate: f32,
        step: u64,
        [kept, decay]: [f32; 2],
        parameter: &mut [f32],
        gradient: &[f32],
        [m, v]: [&mut Vec<f32>; 2],
    ) {
        let [first, second] = self.betas;
        let [bias, bias_of_squares] = self.betas.map(|beta| 1.0 - f64::from(beta).powf(step as f64));
        let (rate, root) = ((f64::from(rate) / bias) as f32, bias_of_squares.sqrt() as f32);
        for (((x, &g), m), v) in parameter.iter_mut().zip(gradient).zip(m).zip(v) {
            *x *= kept;
            let g = g + decay * *x;
            *m += (1.0 - first) * (g - *m);
            *v = second * *v + (1.0 - second) * g * g;
            *x -= rate * *m / (v.sqrt() / root + self.eps);
        }
    }
}
