//! The machine as a roofline sees it.

use convoke_runtime::{Isa, machine};

/// The roofs of one core.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Machine {
    /// The instruction set that they hold for.
    pub isa: Isa,
    /// FLOP per second where all operands are in registers.
    pub peak: f64,
    /// Bytes per second read from memory.
    pub memory: f64,
    /// Bytes per second read from the second-level cache.
    pub cache: f64,
}

/// Bytes that no cache holds.
const BEYOND_CACHES: usize = 128 << 20;

/// Bytes that the second-level cache holds and the first does not.
const WITHIN_L2: usize = 256 << 10;

impl Machine {
    /// Measures one core of this machine, in some 0.2 s; `None` where it lacks the instruction set.
    #[must_use]
    pub fn measure(isa: Isa) -> Option<Self> {
        Some(Self {
            isa,
            peak: machine::peak(isa, 400)?,
            memory: machine::read_bandwidth(isa, BEYOND_CACHES, 8)?,
            cache: machine::read_bandwidth(isa, WITHIN_L2, 100)?,
        })
    }

    /// The most FLOP per second that work of this arithmetic intensity (FLOP per byte) can do with its operands in
    /// memory: min(peak, intensity × bandwidth).
    #[must_use]
    pub fn roof(&self, intensity: f64) -> f64 {
        self.peak.min(intensity * self.memory)
    }

    /// The intensity (FLOP per byte) from which on memory no longer limits: the roofline's ridge.
    #[must_use]
    pub fn ridge(&self) -> f64 {
        self.peak / self.memory
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roofs_meet_at_the_ridge() {
        let machine = Machine { isa: Isa::Scalar, peak: 100e9, memory: 10e9, cache: 50e9 };
        assert_eq!(machine.ridge(), 10.0);
        assert_eq!([1.0, 10.0, 40.0].map(|intensity| machine.roof(intensity)), [10e9, 100e9, 100e9]);
    }
}
