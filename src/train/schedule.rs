//! Learning rates that change.

/// The learning rate of each step: a rise, then a fall.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Schedule {
    /// The largest rate.
    pub rate: f32,
    /// Steps in which the rate rises evenly, from `rate / warm_up` in the first to `rate` in the last of them; 0 for none.
    ///
    /// Goyal et al., "Accurate, Large Minibatch SGD", arXiv:1706.02677, section 2.2.
    pub warm_up: u64,
    /// What becomes of it then.
    pub decay: Decay,
}

/// How a rate falls.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Decay {
    /// It does not.
    Constant,
    /// It is multiplied by `factor` after every `every` steps (He et al., arXiv:1512.03385, section 3.4).
    Step {
        /// Steps; at least 1.
        every: u64,
        /// The factor.
        factor: f32,
    },
    /// It follows half a cosine, to 0 in step `steps`, where it stays (Loshchilov and Hutter, "SGDR", arXiv:1608.03983,
    /// equation 5, without restarts).
    Cosine {
        /// Steps, those of the warm-up included.
        steps: u64,
    },
}

impl Schedule {
    /// The same rate in every step.
    #[must_use]
    pub const fn constant(rate: f32) -> Self {
        Self { rate, warm_up: 0, decay: Decay::Constant }
    }

    /// The rate of step `step`, counted from 0.
    #[must_use]
    pub fn at(&self, step: u64) -> f32 {
        if step < self.warm_up {
            return self.rate * ((step + 1) as f64 / self.warm_up as f64) as f32;
        }
        let step = step - self.warm_up;
        let factor = match self.decay {
            Decay::Constant => 1.0,
            Decay::Step { every, factor } => f64::from(factor).powf((step / every.max(1)) as f64),
            Decay::Cosine { steps } => {
                let share = step as f64 / steps.saturating_sub(self.warm_up).max(1) as f64;
                0.5 * (1.0 + (std::f64::consts::PI * share.min(1.0)).cos())
            }
        };
        (f64::from(self.rate) * factor) as f32
    }
}
