//! Numbers at random, each of which follows from a seed.

use crate::synthetic;

/// Numbers that follow from a seed: SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The numbers of this seed.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The numbers that a seed has for one use of that name, at one step; those of other uses and steps do not depend on
    /// how many are taken.
    #[must_use]
    pub fn of(seed: u64, name: &str, step: u64) -> Self {
        let parts = [seed, synthetic::fnv1a64(name), step];
        Self(
            parts
                .into_iter()
                .fold(0, |state, part| synthetic::splitmix64((state ^ part).wrapping_add(synthetic::STEP))),
        )
    }

    /// Uniform in 0 .. 1.
    pub fn uniform(&mut self) -> f32 {
        self.0 = self.0.wrapping_add(synthetic::STEP);
        synthetic::unit(self.0)
    }

    /// A whole number below `end`, which is not 0; all as probable, but for `end / 2⁶⁴`.
    pub fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(synthetic::STEP);
        ((u128::from(synthetic::splitmix64(self.0)) * end as u128) >> 64) as usize
    }

    /// Of the standard normal distribution (Box and Muller 1958).
    pub fn normal(&mut self) -> f32 {
        let (radius, angle) = (1.0 - self.uniform(), self.uniform());
        (-2.0 * radius.ln()).sqrt() * (std::f32::consts::TAU * angle).cos()
    }

    /// Brings `items` in an order of which all are as probable (Fisher and Yates; Knuth, TAOCP 3.4.2, algorithm P).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.below(last + 1));
        }
    }
}
