//! Where a network departs from its reference first, and whether float32 determines it so far.
//!
//! Some networks with synthetic parameters are chaotic: their blocks multiply every difference, and the reference's own
//! roundings with it. What an output is good for is therefore measured: parameters and image are changed by a unit in
//! the last place, which no reference can tell from its own roundings, and what follows differs from it by as much.

use std::collections::HashMap;
use std::error::Error;
use std::fmt;

use convoke::graph::{Graph, Value, evaluate};
use convoke::{Model, Parameters, Tensor, jit, synthetic};

use crate::TOLERANCE;
use crate::reference::Checkpoint;

/// The relative change of a number that shows what float32 determines: a unit in its last place.
const CHANGE: f32 = f32::EPSILON;

/// How much farther the reference may be than that change: both have roundings, and a change is a sample of theirs.
const SLACK: f64 = 4.0;

/// Changes tried, the largest effect of which counts: of a chaotic network, one says little.
const CHANGES: usize = 4;

/// What the checkpoints say.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// All checkpoints agree, and the output as far as float32 determines it: it changes as much with the last places of
    /// parameters and image.
    Undetermined { change: f32, compared: usize },
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

/// Finds the first checkpoint that differs, of a network whose output has this error.
pub(crate) fn locate(
    graph: &Graph,
    checkpoints: &[Checkpoint],
    parameters: &Parameters,
    image: &Tensor,
    error: f32,
) -> Result<Verdict, Box<dyn Error>> {
    let marks = marks(graph, checkpoints);
    let mut marked = graph.clone();
    for (i, (_, value)) in marks.iter().enumerate() {
        marked.edit().output(format!("checkpoint{i}"), *value);
    }
    let network = jit::compile(&marked)?;
    let mut model = Model::new(network.clone(), parameters)?;
    let computed = model.run(&[image])?.to_vec();
    let first = graph.outputs().len();
    let mut changes = vec![0.0_f64; computed.len()];
    for sample in 0..CHANGES {
        let parameters =
            parameters.iter().map(|(name, view)| (name.to_owned(), shaken(name, sample, &view.to_tensor())));
        let mut model = Model::new(network.clone(), &Parameters::from_tensors(parameters))?;
        let changed = model.run(&[&shaken("image", sample, image)])?;
        for (change, (computed, changed)) in changes.iter_mut().zip(computed.iter().zip(changed)) {
            *change = change.max(largest_difference(computed, changed));
        }
    }
    let values = marks.iter().zip(&computed[first..]).zip(&changes[first..]);
    let values =
        values.map(|(((checkpoint, _), value), change)| (*checkpoint, value, SLACK * change / scale(checkpoint)));
    if first_difference(values).is_none() {
        let largest = computed[0].data().iter().fold(0.0, |largest: f64, value| largest.max(f64::from(value.abs())));
        let change = (changes[0] / largest) as f32;
        let compared = marks.len();
        let undetermined = f64::from(error) <= SLACK * f64::from(change);
        return Ok(if undetermined { Verdict::Undetermined { change, compared } } else { Verdict::Agree { compared } });
    }
    let trace = evaluate::trace(graph, std::slice::from_ref(image), parameters)?;
    let defined = marks.iter().filter_map(|(checkpoint, value)| Some((*checkpoint, trace.value(*value)?, 0.0)));
    if let Some(difference) = first_difference(defined) {
        return Ok(Verdict::Network(difference));
    }
    let computed = marks.iter().zip(&computed[first..]).map(|((checkpoint, _), value)| (*checkpoint, value, 0.0));
    Ok(first_difference(computed).map_or(Verdict::Agree { compared: marks.len() }, Verdict::Code))
}

/// The tensor with every element changed by [`CHANGE`], up or down, differently for each sample.
fn shaken(name: &str, sample: usize, tensor: &Tensor) -> Tensor {
    let mut shaken = tensor.clone();
    for (element, u) in shaken.data_mut().iter_mut().zip(synthetic::uniform(&format!("{name} shaken {sample}"))) {
        *element *= if u < 0.5 { 1.0 - CHANGE } else { 1.0 + CHANGE };
    }
    shaken
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    a.data().iter().zip(b.data()).map(|(a, b)| f64::from((a - b).abs())).fold(0.0, f64::max)
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

/// The first value that differs from its checkpoint by more than the tolerance and what float32 leaves undetermined.
fn first_difference<'a>(values: impl Iterator<Item = (&'a Checkpoint, &'a Tensor, f64)>) -> Option<Difference> {
    values.enumerate().find_map(|(before, (checkpoint, value, undetermined))| {
        let error = error(checkpoint, value);
        (error > TOLERANCE.max(undetermined as f32)).then(|| Difference {
            module: checkpoint.module.clone(),
            error,
            before,
        })
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
    if worst == 0.0 { 0.0 } else { (worst / scale(checkpoint)) as f32 }
}

/// The size of a checkpoint's values.
fn scale(checkpoint: &Checkpoint) -> f64 {
    let scale = checkpoint.first.iter().map(|value| f64::from(value.abs())).fold(checkpoint.mean.abs(), f64::max);
    scale.max(checkpoint.std)
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undetermined { change, compared } => write!(
                f,
                "  float32 determines no more: the last places of parameters and image change the output by {change:.2e}; all \
                 {compared} checkpoints agree as far as they are determined"
            ),
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
