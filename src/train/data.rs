//! What networks are trained on: labelled images, in an order that follows from a seed, and changed a little.

use super::Error;
use crate::Tensor;
use crate::random::Random;

/// Images with the classes that they show.
#[derive(Clone, Debug, PartialEq)]
pub struct Samples {
    images: Tensor,
    labels: Vec<usize>,
}

impl Samples {
    /// Images N C H W, and a class for each.
    ///
    /// # Errors
    /// [`Error::Samples`]: they are not as many.
    pub fn new(images: Tensor, labels: Vec<usize>) -> Result<Self, Error> {
        match images.shape() {
            [count, ..] if *count == labels.len() && *count > 0 => Ok(Self { images, labels }),
            found => Err(Error::Samples { shape: found.to_vec(), labels: labels.len() }),
        }
    }

    /// How many there are; at least one.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is at least one")]
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// The classes.
    #[must_use]
    pub fn labels(&self) -> &[usize] {
        &self.labels
    }

    /// The images, N C H W.
    #[must_use]
    pub const fn images(&self) -> &Tensor {
        &self.images
    }

    /// Copies the images at these indices to `batch`, which is of as many.
    pub fn gather(&self, indices: &[usize], batch: &mut Tensor) {
        let size = self.images.data().len() / self.len();
        for (to, &index) in batch.data_mut().chunks_exact_mut(size).zip(indices) {
            to.copy_from_slice(&self.images.data()[index * size..][..size]);
        }
    }
}

/// The indices of each step's samples: every epoch all of them, in another order; those that fill no batch at its end are
/// left out.
#[derive(Clone, Debug)]
pub struct Batches {
    size: usize,
    /// Seed and epoch of the order.
    current: Option<(u64, u64)>,
    order: Vec<usize>,
}

impl Batches {
    /// Of `count` samples, `size` at a time and at most as many as there are.
    #[must_use]
    pub fn new(count: usize, size: usize) -> Self {
        Self { size: size.min(count), current: None, order: (0..count).collect() }
    }

    /// Steps of an epoch.
    #[must_use]
    pub fn per_epoch(&self) -> u64 {
        (self.order.len() / self.size.max(1)).max(1) as u64
    }

    /// The samples of step `step`, counted from 0: a function of that and of `seed`.
    pub fn at(&mut self, seed: u64, step: u64) -> &[usize] {
        let (epoch, place) = (step / self.per_epoch(), (step % self.per_epoch()) as usize);
        if self.current != Some((seed, epoch)) {
            self.current = Some((seed, epoch));
            self.order.sort_unstable();
            Random::of(seed, "order", epoch).shuffle(&mut self.order);
        }
        &self.order[place * self.size..][..self.size]
    }
}

/// Images changed so that they still show the same.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Augment {
    /// How far an image is moved at most, up or down, left or right: it is cut out of itself within a margin so wide, at a
    /// place at random (He et al., arXiv:1512.03385, section 4.2).
    pub padding: usize,
    /// The value of the margin.
    pub margin: f32,
    /// Whether one of two is mirrored, left for right (Krizhevsky, Sutskever and Hinton, NIPS 2012, section 4.1).
    pub flip: bool,
}

impl Augment {
    /// Changes each of the images N C H W.
    pub fn apply(&self, images: &mut Tensor, random: &mut Random) {
        let &[_, channels, height, width] = images.shape() else { return };
        let mut before = vec![0.0; channels * height * width];
        for image in images.data_mut().chunks_exact_mut(before.len()) {
            let [down, right] = [0, 1].map(|_| random.below(2 * self.padding + 1));
            let flip = self.flip && random.below(2) == 1;
            before.copy_from_slice(image);
            for (row, line) in image.chunks_exact_mut(width).enumerate() {
                let source = (row % height + down).checked_sub(self.padding).filter(|&source| source < height);
                for (column, x) in line.iter_mut().enumerate() {
                    let column = if flip { width - 1 - column } else { column };
                    let column = (column + right).checked_sub(self.padding).filter(|&column| column < width);
                    *x = match (source, column) {
                        (Some(source), Some(column)) => before[(row / height * height + source) * width + column],
                        _ => self.margin,
                    };
                }
            }
        }
    }
}
