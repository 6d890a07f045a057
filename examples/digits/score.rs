//! How well and how fast a network reads digits.

use std::time::{Duration, Instant};

use convoke::Model;
use convoke::runtime::RunError;

use crate::digits::Digits;

/// What a network achieves.
pub(crate) struct Score {
    /// Images that it reads correctly.
    pub(crate) correct: usize,
    /// All images.
    pub(crate) of: usize,
    /// What one image takes, the median of all.
    pub(crate) median: Duration,
}

impl Score {
    /// Reads all digits, one after the other.
    pub(crate) fn of(model: &mut Model, digits: &Digits) -> Result<Self, RunError> {
        let (mut correct, mut durations) = (0, Vec::with_capacity(digits.len()));
        for index in 0..digits.len() {
            let image = digits.tensor(index);
            let start = Instant::now();
            let outputs = model.run(&[&image])?;
            durations.push(start.elapsed());
            correct += usize::from(outputs[0].argmax() == Some(digits.label(index)));
        }
        durations.sort();
        let median = durations.get(durations.len() / 2).copied().unwrap_or_default();
        Ok(Self { correct, of: digits.len(), median })
    }
}

/// The digit that the network sees in the image at `index`; `None` where its output is not a number.
pub(crate) fn predict(model: &mut Model, digits: &Digits, index: usize) -> Result<Option<usize>, RunError> {
    Ok(model.run(&[&digits.tensor(index)])?[0].argmax())
}
