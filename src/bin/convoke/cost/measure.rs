//! What is measured for a report, with a bar that shows how far it is.

use std::error::Error;

use convoke::Graph;
use convoke::compiler::cost::{Effort, Machine, Profile, Stopwatch, Time};
use convoke::compiler::lower::Target;
use indicatif::{ProgressBar, ProgressStyle};

/// Measures, or does not.
pub(crate) struct Clock {
    target: Target,
    running: Option<Running>,
}

struct Running {
    machine: Machine,
    stopwatch: Stopwatch,
    bar: ProgressBar,
}

impl Clock {
    /// A clock that measures nothing.
    pub(crate) fn stopped(target: Target) -> Self {
        Self { target, running: None }
    }

    /// A clock that has measured the machine. Its bar is only drawn on a terminal.
    pub(crate) fn start(target: Target) -> Result<Self, Box<dyn Error>> {
        let bar = ProgressBar::new(0).with_style(ProgressStyle::with_template("{bar:32} {pos}/{len} {msg}")?);
        bar.set_message("the machine");
        let Some(machine) = Machine::measure(target.isa) else {
            return Err(format!("this machine cannot run {}; --no-time measures nothing", target.isa).into());
        };
        let stopwatch = Stopwatch::new(target.clone(), Effort::default());
        Ok(Self { target, running: Some(Running { machine, stopwatch, bar }) })
    }

    pub(crate) fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn machine(&self) -> Option<&Machine> {
        self.running.as_ref().map(|running| &running.machine)
    }

    /// Says that so many measurements follow.
    pub(crate) fn expect(&self, measurements: usize) {
        if let Some(running) = &self.running {
            running.bar.inc_length(measurements as u64);
        }
    }

    /// The time of each step of a network.
    pub(crate) fn profile(&mut self, graph: &Graph) -> Result<Option<Profile>, Box<dyn Error>> {
        let Some(Running { stopwatch, bar, .. }) = &mut self.running else { return Ok(None) };
        bar.set_message(graph.name().to_owned());
        let profile = stopwatch.profile(graph)?;
        bar.inc(1);
        Ok(Some(profile))
    }

    /// The times of small graphs, measured by turns; `what` is shown meanwhile.
    pub(crate) fn compare(&mut self, what: &str, graphs: &[&Graph]) -> Result<Option<Vec<Time>>, Box<dyn Error>> {
        let Some(Running { stopwatch, bar, .. }) = &mut self.running else { return Ok(None) };
        bar.set_message(what.to_owned());
        let times = stopwatch.compare(graphs)?;
        bar.inc(1);
        Ok(Some(times))
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        if let Some(running) = &self.running {
            running.bar.finish_and_clear();
        }
    }
}
