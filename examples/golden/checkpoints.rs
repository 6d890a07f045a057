//! Where a network departs from its reference first.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use convoke::graph::{Graph, Value, evaluate};
use convoke::{Model, Parameters, Tensor, jit};

use crate::TOLERANCE;
use crate::reference::Checkpoint;

/// What the checkpoints say.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// The operators' definitions give something else: the network is another one.
    Network(Difference),
    /// The definitions agree, the machine code does not.
    Code(Difference),
    /// All that were compared agree.
    Agree { compared: usize },
}

/// The first checkpoint that differs.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    pub(crate) module: String,
    pub(crate) error: f32,
    /// Checkpoints before it, all of which agree.
    pub(crate) before: usize,
}

/// Finds the first checkpoint that differs.
pub(crate) fn locate(
    graph: &Graph,
    checkpoints: &[Checkpoint],
    parameters: &Parameters,
    image: &Tensor,
) -> Result<Verdict, Box<dyn Error>> {
    let marks = marks(graph, checkpoints);
    let trace = evaluate::trace(graph, std::slice::from_ref(image), parameters)?;
    let defined = marks.iter().filter_map(|(checkpoint, value)| Some((*checkpoint, trace.value(*value)?)));
    if let Some(difference) = first_difference(defined) {
        return Ok(Verdict::Network(difference));
    }
    let mut marked = graph.clone();
    for (i, (_, value)) in marks.iter().enumerate() {
        marked.edit().output(format!("checkpoint{i}"), *value);
    }
    let mut model = Model::new(jit::compile(&marked)?, parameters)?;
    let outputs = &model.run(&[image])?[graph.outputs().len()..];
    let computed = marks.iter().map(|(checkpoint, _)| *checkpoint).zip(outputs);
    Ok(match first_difference(computed) {
        Some(difference) => Verdict::Code(difference),
        None => Verdict::Agree { compared: marks.len() },
    })
}

/// The checkpoints whose module has nodes in the graph, with the last of its values. Modules that run more than once
/// are left out: their nodes do not bear their name.
fn marks<'r>(graph: &Graph, checkpoints: &'r [Checkpoint]) -> Vec<(&'r Checkpoint, Value)> {
    let mut runs = HashMap::new();
    for checkpoint in checkpoints {
        *runs.entry(&checkpoint.module).or_insert(0) += 1;
    }
    let order = graph.order();
    let last = |module: &str| {
        order.iter().rfind(|id| {
            let node = graph.node(**id);
            let inside = node.name.strip_prefix(module).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
            inside && node.op().is_some()
        })
    };
    checkpoints
        .iter()
        .filter(|checkpoint| runs[&checkpoint.module] == 1)
        .filter_map(|checkpoint| Some((checkpoint, Value::from(*last(&checkpoint.module)?))))
        .collect()
}

fn first_difference<'a>(values: impl Iterator<Item = (&'a Checkpoint, &'a Tensor)>) -> Option<Difference> {
    values.enumerate().find_map(|(before, (checkpoint, value))| {
        let error = error(checkpoint, value);
        (error > TOLERANCE).then(|| Difference { module: checkpoint.module.clone(), error, before })
    })
}

/// The largest difference of first elements, mean and standard deviation, relative to the size of such values.
fn error(checkpoint: &Checkpoint, value: &Tensor) -> f32 {
    let data = value.data();
    if value.shape() != checkpoint.shape || data.len() < checkpoint.first.len() {
        return f32::INFINITY;
    }
    let count = data.len() as f64;
    let mean = data.iter().copied().map(f64::from).sum::<f64>() / count;
    let squares: f64 = data.iter().map(|value| (f64::from(*value) - mean).powi(2)).sum();
    // PyTorch's `std` divides by one less than the count.
    let std = (squares / (count - 1.0).max(1.0)).sqrt();
    let first = checkpoint.first.iter().zip(data).map(|(expected, found)| f64::from((found - expected).abs()));
    let differences = first.chain([(mean - checkpoint.mean).abs(), (std - checkpoint.std).abs()]);
    // `f64::max` drops NaN, which is the largest difference there is.
    let worst = differences.fold(0.0, |worst: f64, one| if one.is_nan() { f64::INFINITY } else { worst.max(one) });
    let scale = checkpoint.first.iter().map(|value| f64::from(value.abs())).fold(checkpoint.mean.abs(), f64::max);
    let scale = scale.max(checkpoint.std);
    if worst == 0.0 { 0.0 } else { (worst / scale) as f32 }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(difference) => {
                write!(f, "  {difference}, by the operators' definitions: it is another network")
            }
            Self::Code(difference) => write!(f, "  {difference}, in machine code only: it is compiled wrongly"),
            Self::Agree { compared } => {
                write!(f, "  all {compared} checkpoints agree: the difference lies behind them")
            }
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { module, error, before } = self;
        write!(f, "the first checkpoint that differs is `{module}`, by {error:.2e}, after {before} that agree")
    }
}
