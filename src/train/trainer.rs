//! [`Trainer`]: a learner and what it learns from.

use super::{Augment, Batches, Error, Learner, Samples};
use crate::Tensor;
use crate::random::Random;

/// A learner with its samples: every step takes the next batch of them.
///
/// Which samples a step takes, and how they are changed, follows from the learner's seed and the number of the step, so
/// that a learner that was [restored](Learner::restore) sees what it would have seen.
#[derive(Debug)]
pub struct Trainer {
    /// The learner.
    pub learner: Learner,
    samples: Samples,
    batches: Batches,
    augment: Option<Augment>,
    images: Tensor,
}

impl Trainer {
    /// Trains `learner` on `samples`, at least as many as it takes at once.
    ///
    /// # Errors
    /// [`Error::Samples`]: there are fewer than a step takes, or images of another shape than the network's.
    pub fn new(learner: Learner, samples: Samples, augment: Option<Augment>) -> Result<Self, Error> {
        let images = Tensor::zeros(learner.input_shape());
        if samples.len() < learner.batch() || samples.images().shape()[1..] != images.shape()[1..] {
            return Err(Error::Samples { shape: samples.images().shape().to_vec(), labels: samples.len() });
        }
        let batches = Batches::new(samples.len(), learner.batch());
        Ok(Self { learner, samples, batches, augment, images })
    }

    /// Steps of an epoch.
    #[must_use]
    pub fn per_epoch(&self) -> u64 {
        self.batches.per_epoch()
    }

    /// One step; the loss before it.
    ///
    /// # Errors
    /// As for [`Learner::learn_towards`].
    pub fn step(&mut self) -> Result<f32, Error> {
        let (seed, step) = (self.learner.recipe().seed, self.learner.steps());
        let indices = self.batches.at(seed, step);
        self.samples.gather(indices, &mut self.images);
        let classes: Vec<usize> = indices.iter().map(|&index| self.samples.labels()[index]).collect();
        if let Some(augment) = self.augment {
            augment.apply(&mut self.images, &mut Random::of(seed, "augment", step));
        }
        self.learner.learn(&self.images, &classes)
    }

    /// How many of these samples the network takes for what they are, as it is used.
    ///
    /// # Errors
    /// As for [`Learner::predict`].
    pub fn correct(&mut self, samples: &Samples) -> Result<usize, Error> {
        let indices: Vec<usize> = (0..samples.len()).collect();
        let mut correct = 0;
        for batch in indices.chunks(self.learner.batch()) {
            // The last batch is filled up with what was there before.
            samples.gather(batch, &mut self.images);
            let logits = self.learner.predict(&self.images)?;
            let rows = logits.data().chunks(logits.data().len() / logits.shape()[0]);
            correct += rows.zip(batch).filter(|(row, index)| largest(row) == Some(samples.labels()[**index])).count();
        }
        Ok(correct)
    }
}

/// The index of the largest, of several the first; none where all are NaN.
fn largest(row: &[f32]) -> Option<usize> {
    let numbers = row.iter().enumerate().filter(|(_, value)| !value.is_nan());
    numbers.rev().max_by(|a, b| a.1.total_cmp(b.1)).map(|(index, _)| index)
}
