//! Handwritten digits with their labels.

use std::path::Path;

use convoke::Tensor;

use crate::art::Grey;
use crate::idx::{self, FileError, Idx};

/// The side of the network's image; digits are padded to it.
const PADDED: usize = 32;

/// Digits of MNIST: grey images with the digits that they show.
#[derive(Debug)]
pub(crate) struct Digits {
    images: Idx<3>,
    labels: Idx<1>,
}

/// Files that are not digits.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DigitsError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error("{images} images, but {labels} labels")]
    Count { images: usize, labels: usize },
    #[error("images of {height}×{width} pixels; expected at least 1×1, at most {PADDED}×{PADDED}")]
    Size { height: usize, width: usize },
    #[error("image {index} is labelled {label}; expected 0 to 9")]
    Label { index: usize, label: u8 },
}

impl Digits {
    /// The digits of a set in this folder, under MNIST's own file names: `t10k` for testing, `train` for training.
    pub(crate) fn load(folder: &Path, set: &str) -> Result<Self, DigitsError> {
        let images = idx::read(&folder.join(format!("{set}-images-idx3-ubyte.gz")))?;
        let labels = idx::read(&folder.join(format!("{set}-labels-idx1-ubyte.gz")))?;
        Self::new(images, labels)
    }

    fn new(images: Idx<3>, labels: Idx<1>) -> Result<Self, DigitsError> {
        let [count, height, width] = images.shape;
        if count != labels.bytes.len() {
            return Err(DigitsError::Count { images: count, labels: labels.bytes.len() });
        }
        let fits = 1..=PADDED;
        if !(fits.contains(&height) && fits.contains(&width)) {
            return Err(DigitsError::Size { height, width });
        }
        match labels.bytes.iter().position(|label| *label > 9) {
            Some(index) => Err(DigitsError::Label { index, label: labels.bytes[index] }),
            None => Ok(Self { images, labels }),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.labels.bytes.len()
    }

    /// What the image at `index` shows.
    pub(crate) fn label(&self, index: usize) -> usize {
        usize::from(self.labels.bytes[index])
    }

    /// The image at `index`, to look at.
    pub(crate) fn image(&self, index: usize) -> Grey<'_> {
        let [_, height, width] = self.images.shape;
        Grey { width, pixels: &self.images.bytes[index * height * width..][..height * width] }
    }

    /// The image at `index` as the network wants it, [1, 1, 32, 32]: pixels / 255, amidst zeros.
    pub(crate) fn tensor(&self, index: usize) -> Tensor {
        let Grey { width, pixels } = self.image(index);
        let top = (PADDED - pixels.len() / width) / 2;
        let left = (PADDED - width) / 2;
        let mut tensor = Tensor::zeros(&[1, 1, PADDED, PADDED]);
        for (line, pixels) in tensor.data_mut().chunks_exact_mut(PADDED).skip(top).zip(pixels.chunks_exact(width)) {
            for (value, pixel) in line[left..].iter_mut().zip(pixels) {
                *value = f32::from(*pixel) / 255.0;
            }
        }
        tensor
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn idx<const RANK: usize>(shape: [usize; RANK], byte: u8) -> Idx<RANK> {
        Idx { shape, bytes: vec![byte; shape.iter().product()] }
    }

    #[test]
    fn pads_with_zeros() {
        let digits = Digits::new(idx([2, 30, 28], 255), idx([2], 7)).unwrap();
        let tensor = digits.tensor(1);
        for (i, value) in tensor.data().iter().enumerate() {
            let inside = (1..31).contains(&(i / 32)) && (2..30).contains(&(i % 32));
            assert_eq!(*value, f32::from(u8::from(inside)), "{i}");
        }
        assert_eq!((digits.len(), digits.label(1)), (2, 7));
    }

    #[test]
    fn refuses_what_are_no_digits() {
        let message = |images, labels| Digits::new(images, labels).unwrap_err().to_string();
        assert_eq!(message(idx([2, 4, 4], 0), idx([3], 0)), "2 images, but 3 labels");
        assert!(message(idx([1, 33, 4], 0), idx([1], 0)).starts_with("images of 33×4 pixels; expected"));
        assert!(message(idx([1, 4, 0], 0), idx([1], 0)).starts_with("images of 4×0 pixels; expected"));
        assert_eq!(message(idx([1, 4, 4], 0), idx([1], 10)), "image 0 is labelled 10; expected 0 to 9");
    }
}
