//! Times of graphs on this machine, as machine code on one thread.

use std::collections::HashMap;
use std::time::Duration;

use convoke_runtime::network::ValueInfo;
use convoke_runtime::{LoadError, Model, Parameters, RunError, Tensor};

use crate::backend::jit::{self, JitError};
use crate::lower::{self, LowerError, Plan, SlotPlace, StepKind, StepPlan, Target};
use crate::{CompileError, Graph};

/// A measured time, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Time {
    /// The median of all runs.
    pub median: f64,
    /// The least: what disturbs a run only adds to it.
    pub minimum: f64,
    /// How many runs there were.
    pub runs: usize,
}

impl Time {
    /// That of runs that took so many seconds each.
    ///
    /// # Panics
    /// Without a run.
    #[must_use]
    pub fn of(mut seconds: Vec<f64>) -> Self {
        seconds.sort_by(f64::total_cmp);
        let (runs, middle) = (seconds.len(), seconds.len() / 2);
        let median = if runs % 2 == 1 { seconds[middle] } else { (seconds[middle - 1] + seconds[middle]) / 2.0 };
        Self { median, minimum: seconds[0], runs }
    }
}

/// How long to measure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// At least so many runs of each graph.
    pub runs: usize,
    /// And until they have taken this long together.
    pub duration: Duration,
}

impl Default for Effort {
    /// 15 runs and 60 ms.
    fn default() -> Self {
        Self { runs: 15, duration: Duration::from_millis(60) }
    }
}

/// The most runs of one graph.
const MOST_RUNS: usize = 2000;

/// Measures graphs, each distinct one once.
#[derive(Debug)]
pub struct Stopwatch {
    target: Target,
    effort: Effort,
    /// By the text of the graph.
    known: HashMap<String, Time>,
}

impl Stopwatch {
    /// A stopwatch that compiles for `target`, which must be able to run here.
    #[must_use]
    pub fn new(target: Target, effort: Effort) -> Self {
        Self { target, effort, known: HashMap::new() }
    }

    /// The time of each graph's steps, on tensors just written.
    ///
    /// In a network, neighbours hand a layer its input in the layout that it asks for. So conversions of the graph's
    /// own inputs and outputs are left out, while those between its nodes, and the zeros of halos, count.
    ///
    /// Graphs that have been measured before are not measured again. The others run by turns, so that what disturbs
    /// the machine disturbs all of them. Parameters have fresh values: times do not depend on them.
    ///
    /// # Errors
    /// [`MeasureError`] where a graph does not compile or run here.
    pub fn compare(&mut self, graphs: &[&Graph]) -> Result<Vec<Time>, MeasureError> {
        let texts: Vec<String> = graphs.iter().map(ToString::to_string).collect();
        let mut subjects: Vec<(&str, Subject)> = Vec::new();
        for (text, graph) in texts.iter().zip(graphs) {
            if !self.known.contains_key(text) && subjects.iter().all(|(other, _)| other != text) {
                subjects.push((text, Subject::new(graph, &self.target)?));
            }
        }
        let mut times: Vec<Vec<f64>> = vec![Vec::new(); subjects.len()];
        let mut open = true;
        while std::mem::take(&mut open) {
            for ((_, subject), times) in subjects.iter_mut().zip(&mut times) {
                if !self.is_enough(times) {
                    times.push(subject.run()?);
                    open = true;
                }
            }
        }
        for ((text, _), times) in subjects.iter().zip(times) {
            self.known.insert((*text).to_owned(), Time::of(times));
        }
        Ok(texts.iter().map(|text| self.known[text]).collect())
    }

    /// The time of each step of a network.
    ///
    /// # Errors
    /// As for [`compare`](Self::compare).
    pub fn profile(&self, graph: &Graph) -> Result<Profile, MeasureError> {
        let mut subject = Subject::new(graph, &self.target)?;
        let (mut totals, mut steps) = (Vec::new(), vec![Vec::new(); subject.timed.len()]);
        while !self.is_enough(&totals) {
            let run = subject.steps()?;
            totals.push(run.iter().sum());
            steps.iter_mut().zip(run).for_each(|(times, time)| times.push(time));
        }
        let Subject { graph, plan, .. } = subject;
        Ok(Profile { graph, plan, steps: steps.into_iter().map(Time::of).collect(), total: Time::of(totals) })
    }

    fn is_enough(&self, seconds: &[f64]) -> bool {
        let long = seconds.iter().sum::<f64>() >= self.effort.duration.as_secs_f64();
        seconds.len() >= self.effort.runs.max(1) && (long || seconds.len() >= MOST_RUNS)
    }
}

/// What each step of a network takes.
#[derive(Clone, Debug)]
pub struct Profile {
    /// The graph that ran: after all passes.
    pub graph: Graph,
    /// Its plan.
    pub plan: Plan,
    /// The time of each step of the plan.
    pub steps: Vec<Time>,
    /// The time of all steps together.
    pub total: Time,
}

/// A compiled graph with parameters and inputs, ready to be timed.
#[derive(Debug)]
pub struct Subject {
    graph: Graph,
    plan: Plan,
    model: Model,
    inputs: Vec<Tensor>,
    /// Steps of the program for each step of the plan.
    counts: Vec<usize>,
    /// The steps whose time counts in [`run`](Self::run).
    timed: Vec<bool>,
}

impl Subject {
    /// Compiles `graph` for `target`, which must be able to run here, for one thread.
    ///
    /// # Errors
    /// [`MeasureError`] where it does not compile or run here.
    pub fn new(graph: &Graph, target: &Target) -> Result<Self, MeasureError> {
        let (graph, plan) = crate::plan(graph, target)?;
        let (program, counts) = lower::counted(&graph, &plan, &graph.parameters())?;
        let network = jit::compile(&program)?;
        let model = network.model(&fresh_parameters(&program.parameters))?.threads(1);
        let inputs = program.inputs.iter().map(|info| fresh(&info.shape)).collect();
        let timed = plan.steps.iter().map(|step| !at_the_boundary(&plan, step)).collect();
        let mut subject = Self { graph, plan, model, inputs, counts, timed };
        // The first runs meet cold caches and pages that are not there yet.
        for _ in 0..2 {
            subject.steps()?;
        }
        Ok(subject)
    }

    /// Runs once: the seconds of all steps but conversions of the graph's own inputs and outputs, as
    /// [`Stopwatch::compare`] counts them.
    ///
    /// # Errors
    /// None where it has run before.
    pub fn run(&mut self) -> Result<f64, MeasureError> {
        let steps = self.steps()?;
        Ok(steps.iter().zip(&self.timed).filter(|(_, timed)| **timed).map(|(seconds, _)| seconds).sum())
    }

    /// Runs once: the seconds of each step.
    fn steps(&mut self) -> Result<Vec<f64>, MeasureError> {
        let inputs: Vec<&Tensor> = self.inputs.iter().collect();
        let mut steps = self.model.profile(&inputs)?.into_iter();
        let seconds = |&count: &usize| steps.by_ref().take(count).map(|step| step.nanoseconds as f64 * 1e-9).sum();
        Ok(self.counts.iter().map(seconds).collect())
    }
}

/// Whether the step only brings an input, or takes an output, to or from the layout that the nodes work in.
fn at_the_boundary(plan: &Plan, step: &StepPlan) -> bool {
    let place = |slot| plan.slots[plan.root(slot).0.0].place;
    step.kind == StepKind::Convert
        && (step.reads.iter().flatten().any(|&slot| matches!(place(slot), SlotPlace::Input(_)))
            || step.writes.iter().any(|&slot| matches!(place(slot), SlotPlace::Output(_))))
}

/// Parameters that keep activations within bounds: vectors are ones, all else as [`fresh`] gives it.
fn fresh_parameters(infos: &[ValueInfo]) -> Parameters {
    Parameters::from_tensors(infos.iter().map(|info| {
        let mut tensor = fresh(&info.shape);
        if info.shape.len() < 2 {
            tensor.data_mut().fill(1.0);
        }
        (info.name.clone().into_owned(), tensor)
    }))
}

/// Values in ±√(6 / fan-in) (He et al. 2015, section 2.2), where the fan-in is the elements of one row; the same at
/// each call, from a linear congruential generator.
fn fresh(shape: &[usize]) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    let fan_in: usize = shape.iter().skip(1).product();
    let bound = (6.0 / fan_in.max(1) as f32).sqrt();
    let mut state = 1_u32;
    for value in tensor.data_mut() {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        *value = bound * ((state >> 8) as f32 / 8_388_608.0 - 1.0);
    }
    tensor
}

/// Why a graph cannot be measured.
#[derive(Debug, thiserror::Error)]
pub enum MeasureError {
    /// It does not compile.
    #[error(transparent)]
    Compile(#[from] CompileError),
    /// It has no program.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// There is no machine code of it here.
    #[error(transparent)]
    Code(#[from] JitError),
    /// Its weights cannot be prepared.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// It does not run.
    #[error(transparent)]
    Run(#[from] RunError),
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::extract;

    const QUICK: Effort = Effort { runs: 3, duration: Duration::ZERO };

    fn graph() -> Graph {
        let text = "graph g\n%x = input : f32[1, 16, 8, 8]\n%a.weight = parameter : f32[32, 16, 3, 3]\n\
            %a = conv(%x, %a.weight) {bias = false, padding = [1, 1, 1, 1]}\n%ra = relu(%a)\n\
            %b.weight = parameter : f32[16, 32, 1, 1]\n%b = conv(%ra, %b.weight) {bias = false}\noutput y = %b";
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn equal_graphs_are_measured_once() {
        let graph = graph();
        let parts = ["a", "b", "a"].map(|name| extract(&graph, &[graph.find(name).expect("it is there")]));
        let mut stopwatch = Stopwatch::new(Target::host(), QUICK);
        let parts = parts.each_ref();
        let first = stopwatch.compare(&parts).unwrap();
        assert_eq!(first[0], first[2]);
        assert!(first.iter().all(|time| time.runs >= 3 && time.minimum > 0.0 && time.minimum <= time.median));
        assert_eq!(stopwatch.known.len(), 2);
        assert_eq!(stopwatch.compare(&parts[..2]).unwrap(), first[..2]);
    }

    #[test]
    fn a_profile_has_a_time_for_each_step() {
        let profile = Stopwatch::new(Target::host(), QUICK).profile(&graph()).unwrap();
        assert_eq!(profile.steps.len(), profile.plan.steps.len());
        let least: f64 = profile.steps.iter().map(|time| time.minimum).sum();
        assert!(least <= profile.total.minimum * (1.0 + 1e-9), "{profile:?}");
        assert!(profile.graph.find("ra").is_some(), "relu rides in the convolution, which has its name");
    }

    /// A layer in a blocked layout, alone: its input and output are converted, and its own step is all that counts.
    #[test]
    fn conversions_at_the_boundary_do_not_count() {
        let subject = Subject::new(&graph(), &Target::host()).unwrap();
        let kinds = subject.plan.steps.iter().zip(&subject.timed);
        for (step, timed) in kinds {
            assert_eq!(*timed, !matches!(step.kind, StepKind::Convert), "{step:?}");
        }
        assert!(subject.timed.contains(&false) && subject.timed.contains(&true));
    }

    #[test]
    fn the_median_of_an_even_number_lies_between() {
        assert_eq!(Time::of(vec![4.0, 1.0, 3.0, 2.0]), Time { median: 2.5, minimum: 1.0, runs: 4 });
        assert_eq!(Time::of(vec![3.0, 1.0, 2.0]), Time { median: 2.0, minimum: 1.0, runs: 3 });
    }
}
