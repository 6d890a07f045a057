//! `convoke profile`

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use convoke::compiler::cost::{self, Cost, Effort, Machine, Stopwatch};
use convoke::compiler::lower::{Refusal, StepKind};
use serde::Serialize;

use crate::Outcome;
use crate::source::Source;

/// Shows what each step of a run takes, on one thread, and why it is computed as it is.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// How long to measure.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
    /// Show for each step the algorithms that refused, with their reasons.
    #[arg(long)]
    why: bool,
    /// Print an object.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    network: String,
    isa: &'static str,
    /// Of one core: GFLOP/s in registers, GB/s from memory.
    peak_gflops: f64,
    memory_gbs: f64,
    median_ms: f64,
    minimum_ms: f64,
    gflops: f64,
    percent_of_peak: f64,
    steps: Vec<Step>,
}

/// A step of the plan. Steps that move data have no MACs.
#[derive(Debug, Serialize)]
struct Step {
    /// The nodes that it computes, or the tensor that it writes.
    name: String,
    /// Its operator, `convert` or `halo`.
    op: &'static str,
    algorithm: &'static str,
    /// The median.
    us: f64,
    percent_of_time: f64,
    macs: u64,
    /// Compulsory traffic: operands read once, results written once.
    bytes: u64,
    gflops: f64,
    percent_of_peak: f64,
    gbs: f64,
    /// Algorithms of higher preference, and why they refused.
    refused: Vec<Reason>,
}

#[derive(Debug, Serialize)]
struct Reason {
    algorithm: &'static str,
    reason: String,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let report = self.report()?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            report.print(out, self.why)?;
        }
        Ok(())
    }

    fn report(&self) -> Result<Report, Box<dyn std::error::Error>> {
        if !(self.seconds > 0.0 && self.seconds <= 3600.0) {
            return Err("--seconds: expected more than 0 and at most 3600".into());
        }
        let (graph, mut target) = (self.source.graph()?, self.source.target()?);
        target.threads = 1;
        let machine = Machine::measure(target.isa).ok_or_else(|| format!("this processor lacks {}", target.isa))?;
        let effort = Effort { duration: Duration::from_secs_f64(self.seconds), ..Effort::default() };
        let profile = Stopwatch::new(target, effort).profile(&graph)?;
        let costs: HashMap<_, _> =
            cost::layers(&profile.graph).into_iter().map(|layer| (layer.node, layer.cost)).collect();
        let rate = |flops: u64, seconds: f64| 1e-9 * flops as f64 / seconds;
        let percent = |gflops: f64| 1e11 * gflops / machine.peak;
        let steps = profile.plan.steps.iter().zip(&profile.steps).map(|(step, time)| {
            let slots = step.reads.iter().flatten().chain(&step.writes);
            let elements: usize = slots.map(|slot| profile.plan.slots[slot.0].storage.len()).sum();
            let moved = Cost { input_bytes: 4 * elements as u64, ..Cost::default() };
            let written = || profile.plan.slots[step.writes[0].0].name.clone();
            let (name, op, algorithm, cost, refused) = match &step.kind {
                StepKind::Node(node) => {
                    let cost = costs.get(&node.node).copied().unwrap_or_default();
                    let made_from = &profile.graph.node(node.node).origin;
                    let name = if made_from.is_empty() { node.name.clone() } else { made_from.join(" + ") };
                    (name, node.op, node.algorithm_name, cost, &node.refusals[..])
                }
                StepKind::Convert => (written(), "convert", "", moved, &[][..]),
                StepKind::Halo => (written(), "halo", "", Cost::default(), &[][..]),
            };
            let gflops = rate(cost.flops(), time.median);
            let reason = |Refusal { algorithm, reason }: &Refusal| Reason { algorithm, reason: reason.clone() };
            Step {
                name,
                op,
                algorithm,
                us: 1e6 * time.median,
                percent_of_time: 100.0 * time.median / profile.total.median,
                macs: cost.macs,
                bytes: cost.bytes(),
                gflops,
                percent_of_peak: percent(gflops),
                gbs: rate(cost.bytes(), time.median),
                refused: refused.iter().map(reason).collect(),
            }
        });
        let gflops = rate(2 * graph.macs(), profile.total.median);
        Ok(Report {
            network: graph.name().to_owned(),
            isa: machine.isa.name(),
            peak_gflops: 1e-9 * machine.peak,
            memory_gbs: 1e-9 * machine.memory,
            median_ms: 1e3 * profile.total.median,
            minimum_ms: 1e3 * profile.total.minimum,
            gflops,
            percent_of_peak: percent(gflops),
            steps: steps.collect(),
        })
    }
}

impl Report {
    fn print(&self, out: &mut dyn Write, why: bool) -> Outcome {
        writeln!(out, "{:>9} {:>5} {:>8} {:>6} {:>7}  step", "us", "%", "GFLOP/s", "% peak", "GB/s")?;
        for step in &self.steps {
            let (gflops, percent) = match step.macs {
                0 => ("-".to_owned(), "-".to_owned()),
                _ => (format!("{:.1}", step.gflops), format!("{:.1}", step.percent_of_peak)),
            };
            let Step { us, percent_of_time, gbs, op, name, .. } = step;
            let by = if step.algorithm.is_empty() { String::new() } else { format!(" by {}", step.algorithm) };
            writeln!(out, "{us:9.2} {percent_of_time:5.1} {gflops:>8} {percent:>6} {gbs:7.1}  {op} `{name}`{by}")?;
            for Reason { algorithm, reason } in step.refused.iter().filter(|_| why) {
                writeln!(out, "{:42}not {algorithm}: {reason}", "")?;
            }
        }
        let Self { network, isa, median_ms, minimum_ms, gflops, percent_of_peak, .. } = self;
        writeln!(out, "{network} for {isa}, 1 thread: median {median_ms:.4} ms, minimum {minimum_ms:.4} ms")?;
        let Self { peak_gflops, memory_gbs, .. } = self;
        writeln!(out, "{gflops:.1} GFLOP/s, {percent_of_peak:.1} % of {peak_gflops:.1}; memory {memory_gbs:.1} GB/s")?;
        Ok(())
    }
}
