//! Gradients compared with PyTorch's: files of `tests/gradients`, whose script says how they are made.

use std::collections::BTreeMap;
use std::error::Error;
use std::io::Write;

use convoke::graph::Value;
use convoke::synthetic::{self, Constants};
use convoke::{Model, Tensor, agreement, jit, zoo};
use serde::Deserialize;

/// The error up to which gradients agree. Where no ReLU is near its kink it is about 1e-6; a pixel whose ReLU is open in
/// float32 and closed in float64 counts in full, and PyTorch's own float32 misses DenseNet-121's file by 1.7e-2.
const TOLERANCE: f32 = 1e-2;

/// One file.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Gradients {
    /// The network's name.
    model: String,
    /// The image's shape, N C H W.
    input: [usize; 4],
    gain: f64,
    gamma: f64,
    /// By the image, and by parameters.
    gradients: BTreeMap<String, Summary>,
}

/// What is known of one gradient.
#[derive(Clone, Debug, Deserialize)]
struct Summary {
    shape: Vec<usize>,
    norm: f64,
    /// The largest absolute value.
    largest: f32,
    /// The elements at `(2k + 1) · size / 16`.
    samples: Vec<f32>,
}

impl Summary {
    /// The largest difference of a sample or of the norm, relative to the gradient's largest value or norm.
    fn error(&self, found: &Tensor) -> f32 {
        if found.shape() != self.shape {
            return f32::INFINITY;
        }
        let size = found.data().len();
        // The largest value scales the errors of samples.
        let samples = (0..self.samples.len()).map(|k| found.data()[(2 * k + 1) * size / 16]);
        let samples: Vec<f32> = samples.chain([self.largest]).collect();
        let expected = [self.samples.as_slice(), &[self.largest]].concat();
        let norm = found.data().iter().map(|&value| f64::from(value).powi(2)).sum::<f64>().sqrt();
        agreement::error(&samples, &expected).max(((norm - self.norm).abs() / self.norm) as f32)
    }
}

/// Compares a network's gradients; whether all agree.
pub(crate) fn check(reference: &Gradients, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
    let graph = zoo::find(&reference.model)?.graph()?;
    let logits = graph.outputs()[0].1;
    let by: Vec<(&String, Value)> =
        reference.gradients.keys().map(|name| Ok((name, value(&graph, name)?))).collect::<Result<_, String>>()?;
    let values: Vec<Value> = by.iter().map(|(_, value)| *value).collect();
    let written = graph.gradient(&[logits], &values)?;
    let constants = Constants { gain: reference.gain, gamma: reference.gamma };
    let parameters = graph.parameters();
    let parameters = parameters.iter().map(|(name, ty)| (name.as_str(), ty.shape.as_slice()));
    let mut model = Model::new(jit::compile(&written)?, &synthetic::parameters(parameters, constants))?;
    let mut cotangent = Tensor::zeros(&graph.type_of(logits).shape);
    for (value, u) in cotangent.data_mut().iter_mut().zip(synthetic::uniform("cotangent")) {
        *value = 2.0 * u - 1.0;
    }
    let found = model.run(&[&synthetic::input(&reference.input), &cotangent])?;
    let errors = by.iter().zip(&found[1..]).map(|((name, _), found)| (*name, reference.gradients[*name].error(found)));
    let worst = errors.max_by(|(_, a), (_, b)| a.total_cmp(b));
    let (name, error) = worst.ok_or("the file has no gradients")?;
    writeln!(out, "{} gradients {error:.2e} ({name})", reference.model)?;
    Ok(error <= TOLERANCE)
}

/// The only input, or the parameter of this name.
fn value(graph: &convoke::Graph, name: &str) -> Result<Value, String> {
    let node = if name == "image" { graph.inputs().first().copied() } else { graph.find(name) };
    node.map(Value::from).ok_or_else(|| format!("the network has no parameter `{name}`"))
}
