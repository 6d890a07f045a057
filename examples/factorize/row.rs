//! Rows of the table: a network within a bound.

use std::error::Error;
use std::fmt;
use std::time::{Duration, Instant};

use convoke::compiler::factorize::{Options, TimeModel, Trained, trained};
use convoke::runtime::RunError;
use convoke::{Graph, Model, Parameters, jit};

use crate::subject::Subject;

/// What stands above the rows.
pub(crate) const HEAD: &str = "\
| network | bound | on | layers rewritten | parameters | MFLOP | one image | of the original's time | result |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |";

/// How long two networks run by turns.
const DURATION: Duration = Duration::from_secs(3);

/// A row of the table.
pub(crate) struct Row {
    name: &'static str,
    bound: Option<f64>,
    outputs: bool,
    /// Layers rewritten, and all.
    layers: [usize; 2],
    parameters: u64,
    macs: u64,
    /// What an image takes, the least of all runs, and what it takes with the original.
    seconds: [f64; 2],
    result: String,
}

impl Row {
    /// The network as it was trained.
    pub(crate) fn original(subject: &Subject) -> Result<Self, Box<dyn Error>> {
        Self::new(subject, None, &subject.graph, &subject.parameters, [0, 0])
    }

    /// The network factorised.
    pub(crate) fn factorized(
        subject: &Subject,
        bound: f64,
        time: &mut dyn TimeModel,
    ) -> Result<(Self, Trained), Box<dyn Error>> {
        let options = Options { bound, calibration: subject.calibration.as_ref(), ..Options::default() };
        let result = trained(&subject.graph, &subject.parameters, &options, time)?;
        let rewritten = result.layers.iter().filter(|layer| layer.outcome.is_ok()).count();
        let layers = [rewritten, result.layers.len()];
        Ok((Self::new(subject, Some(bound), &result.graph, &result.parameters, layers)?, result))
    }

    fn new(
        subject: &Subject,
        bound: Option<f64>,
        graph: &Graph,
        parameters: &Parameters,
        layers: [usize; 2],
    ) -> Result<Self, Box<dyn Error>> {
        let mut model = Model::new(jit::compile(graph)?, parameters)?.threads(1);
        let mut original = Model::new(jit::compile(&subject.graph)?, &subject.parameters)?.threads(1);
        Ok(Self {
            name: subject.name,
            bound,
            outputs: subject.calibration.is_some(),
            layers,
            parameters: graph.trainable_count(),
            macs: graph.macs(),
            result: subject.judge(&mut model)?,
            seconds: by_turns([&mut model, &mut original], subject)?,
        })
    }
}

/// The least time of an image with each model; they run by turns, so that what disturbs one disturbs the other.
fn by_turns(mut models: [&mut Model; 2], subject: &Subject) -> Result<[f64; 2], RunError> {
    let mut least = [f64::INFINITY; 2];
    let begin = Instant::now();
    for image in subject.images.iter().cycle() {
        for (model, least) in models.iter_mut().zip(&mut least) {
            let start = Instant::now();
            model.run(&[image])?;
            *least = least.min(start.elapsed().as_secs_f64());
        }
        if begin.elapsed() > DURATION {
            break;
        }
    }
    Ok(least)
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            name, bound, outputs, layers: [rewritten, layers], parameters, macs, seconds: [own, original], ..
        } = self;
        write!(f, "| {name} | ")?;
        match bound {
            None => f.write_str("original | | |")?,
            Some(bound) => {
                write!(f, "{bound} | {} | {rewritten} of {layers} |", if *outputs { "outputs" } else { "weights" })?;
            }
        }
        write!(f, " {parameters} | {:.2} | {:.1} µs |", 2e-6 * *macs as f64, 1e6 * own)?;
        match bound {
            None => f.write_str(" |")?,
            Some(_) => write!(f, " {:.0} % |", 100.0 * own / original)?,
        }
        write!(f, " {} |", self.result)
    }
}
