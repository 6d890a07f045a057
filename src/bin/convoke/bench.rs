//! `convoke bench`

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::time::Instant;

use convoke::compiler::cost::Time;
use convoke::runtime::machine;
use convoke::{Model, RunError, Tensor};
use serde::Serialize;

use crate::Outcome;
use crate::model::{self, Runnable};

/// Loops of FMAs to find the peak: some 20 ms.
const PEAK_ROUNDS: usize = 400;

/// Times runs of a network on one image or batch, as its input says.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    runnable: Runnable,
    /// How long to measure, after a tenth of that to warm up.
    #[arg(long, default_value_t = 1.0, value_name = "S")]
    seconds: f64,
    /// Print an object.
    #[arg(long)]
    json: bool,
    /// Measure whenever a line arrives on standard input, and answer with a line of JSON: for measurements that
    /// alternate with those of another program.
    #[arg(long)]
    on_request: bool,
}

/// What a measurement found. Times are in milliseconds, a GFLOP/s is 2 · MAC / ns of the median run.
#[derive(Debug, Serialize)]
struct Report {
    network: String,
    backend: &'static str,
    isa: &'static str,
    threads: usize,
    runs: usize,
    median_ms: f64,
    minimum_ms: f64,
    macs: u64,
    gflops: f64,
    /// Of one core, times the threads.
    peak_gflops: f64,
    percent_of_peak: f64,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        if !(self.seconds > 0.0 && self.seconds <= 3600.0) {
            return Err("--seconds: expected more than 0 and at most 3600".into());
        }
        let (graph, parameters) = self.runnable.read()?;
        let mut model = self.runnable.model(&graph, &parameters)?;
        let inputs = model::inputs(&model);
        measure(&mut model, &inputs, self.seconds / 10.0)?;
        let peak = machine::peak(model.network().isa, PEAK_ROUNDS).ok_or("this processor's peak cannot be measured")?;
        let peak_gflops = 1e-9 * peak * model.thread_count() as f64;
        let mut report = || -> Result<Report, Box<dyn Error>> {
            let time = measure(&mut model, &inputs, self.seconds)?;
            let network = model.network();
            let gflops = 2e-9 * graph.macs() as f64 / time.median;
            Ok(Report {
                network: network.name.clone().into_owned(),
                backend: self.runnable.backend.name(),
                isa: network.isa.name(),
                threads: model.thread_count(),
                runs: time.runs,
                median_ms: 1e3 * time.median,
                minimum_ms: 1e3 * time.minimum,
                macs: graph.macs(),
                gflops,
                peak_gflops,
                percent_of_peak: 100.0 * gflops / peak_gflops,
            })
        };
        if self.on_request {
            for line in io::stdin().lock().lines() {
                line?;
                writeln!(out, "{}", serde_json::to_string(&report()?)?)?;
                out.flush()?;
            }
            return Ok(());
        }
        let report = report()?;
        if self.json {
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            let Report { network, backend, isa, threads, runs, .. } = &report;
            writeln!(out, "{network} by {backend} for {isa}, {threads} threads, {runs} runs")?;
            writeln!(out, "  median   {:.4} ms", report.median_ms)?;
            writeln!(out, "  minimum  {:.4} ms", report.minimum_ms)?;
            let Report { gflops, percent_of_peak, peak_gflops, .. } = &report;
            writeln!(out, "  GFLOP/s  {gflops:.1}, {percent_of_peak:.1} % of {peak_gflops:.1}")?;
        }
        Ok(())
    }
}

/// The time of runs for so many seconds; of one at least.
fn measure(model: &mut Model, inputs: &[Tensor], seconds: f64) -> Result<Time, RunError> {
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let start = Instant::now();
    let mut times = Vec::new();
    while times.is_empty() || start.elapsed().as_secs_f64() < seconds {
        let begin = Instant::now();
        model.run(&inputs)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    Ok(Time::of(times))
}
