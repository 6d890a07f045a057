//! From the network's input to names with probabilities.

use std::error::Error;
use std::fs;
use std::io::{self, Write};
use std::path::Path;

use convoke::runtime::RunError;
use convoke::zoo::EfficientNetLite0;
use convoke::{Model, Parameters, Tensor, jit};
use serde::Serialize;

use crate::Backend;

/// Classes that are printed.
const TOP: usize = 5;

/// The names of the network's classes.
#[derive(Debug)]
pub(crate) struct Classes(Vec<String>);

impl Classes {
    /// The classes that the network tells apart.
    pub(crate) const COUNT: usize = 1000;

    /// Reads them from a file, one a line.
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
        Self::new(text.lines().map(|line| line.trim().to_owned()).collect())
            .map_err(|error| format!("{}: {error}", path.display()))
    }

    pub(crate) fn new(names: Vec<String>) -> Result<Self, String> {
        let (expected, found) = (Self::COUNT, names.len());
        let fits = found == expected;
        fits.then_some(Self(names))
            .ok_or_else(|| format!("expected {expected} lines, one for each class, found {found}"))
    }
}

/// The network with its weights.
#[derive(Debug)]
pub(crate) struct Classifier(Model);

impl Classifier {
    pub(crate) fn new(backend: Backend, weights: &Parameters) -> Result<Self, Box<dyn Error>> {
        Ok(Self(match backend {
            Backend::Rust => Model::new(EfficientNetLite0::network().clone(), weights)?,
            Backend::Jit => Model::new(jit::network(EfficientNetLite0::SOURCE, EfficientNetLite0::NAME)?, weights)?,
        }))
    }

    /// The logits of an image, one for each class.
    pub(crate) fn logits(&mut self, image: &Tensor) -> Result<&Tensor, RunError> {
        Ok(&self.0.run(&[image])?[0])
    }
}

/// What the network sees on a photo.
#[derive(Debug, Serialize)]
pub(crate) struct Guess<'a> {
    file: String,
    top5: Vec<Class<'a>>,
    logits: &'a [f32],
}

/// A class and how probable it is.
#[derive(Debug, Serialize)]
struct Class<'a> {
    index: usize,
    label: &'a str,
    probability: f64,
}

impl<'a> Guess<'a> {
    pub(crate) fn new(file: String, logits: &'a Tensor, classes: &'a Classes) -> Self {
        // The softmax, with the largest logit subtracted so that no exponential overflows.
        let largest = logits.data().iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponential = |logit: f32| f64::from(logit - largest).exp();
        let sum: f64 = logits.data().iter().copied().map(exponential).sum();
        let class = |(index, logit): (usize, f32)| Class {
            index,
            label: &classes.0[index],
            probability: exponential(logit) / sum,
        };
        Self { file, top5: logits.top(TOP).into_iter().map(class).collect(), logits: logits.data() }
    }

    /// The file's name, and a line for each class.
    pub(crate) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "{}", self.file)?;
        self.top5
            .iter()
            .try_for_each(|Class { label, probability, .. }| writeln!(out, "  {:5.1} %  {label}", 100.0 * probability))
    }

    /// One line of JSON.
    pub(crate) fn write_json(&self, out: &mut impl Write) -> io::Result<()> {
        serde_json::to_writer(&mut *out, self)?;
        writeln!(out)
    }
}
