//! Digits as samples.

use std::error::Error;
use std::io::Write;
use std::path::{Path, PathBuf};

use convoke::Tensor;
use convoke::train::Samples;

use crate::Split;
use crate::digits::Digits;

/// The 8,000 digits to train on lie beside this repository.
const SHARED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/digits");
/// What is in it: the 2,000 test digits.
const SHIPPED: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
/// Those of the 2,000 that are trained on where there are no others.
const KEPT: usize = 1600;

/// Digits to train on, and digits to test.
pub(crate) fn digits(folder: Option<&Path>, out: &mut impl Write) -> Result<Split, Box<dyn Error>> {
    let folder: PathBuf = folder.map_or_else(|| SHARED.into(), Path::to_owned);
    if folder.join("train-images-idx3-ubyte.gz").exists() {
        let sets = ["train", "t10k"].map(|set| Digits::load(&folder, set));
        let [train, test] = sets;
        return Ok((all(&train?)?, all(&test?)?));
    }
    let test = all(&Digits::load(Path::new(SHIPPED), "t10k")?)?;
    writeln!(
        out,
        "{} has no train-images-idx3-ubyte.gz: {KEPT} of the {} digits in this repository are trained on, the others test. \
         MNIST's own files, of 60,000 digits, are at https://storage.googleapis.com/cvdf-datasets/mnist; --data names \
         their folder.",
        folder.display(),
        test.len()
    )?;
    Ok((part(&test, 0..KEPT)?, part(&test, KEPT..test.len())?))
}

fn all(digits: &Digits) -> Result<Samples, Box<dyn Error>> {
    let mut pixels = Vec::new();
    for index in 0..digits.len() {
        pixels.extend_from_slice(digits.tensor(index).data());
    }
    let labels = (0..digits.len()).map(|index| digits.label(index)).collect();
    Ok(Samples::new(Tensor::from_vec(&[digits.len(), 1, 32, 32], pixels)?, labels)?)
}

fn part(samples: &Samples, range: std::ops::Range<usize>) -> Result<Samples, Box<dyn Error>> {
    let mut images = Tensor::zeros(&[range.len(), 1, 32, 32]);
    samples.gather(&range.clone().collect::<Vec<_>>(), &mut images);
    Ok(Samples::new(images, samples.labels()[range].to_vec())?)
}
