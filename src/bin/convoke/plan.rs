//! `convoke plan`

use std::io::Write;
use std::time::{Duration, Instant};

use convoke::Model;
use convoke::compiler::{self, backend::jit, lir, lower, passes};
use serde_json::json;

use crate::Outcome;
use crate::model::Weights;
use crate::source::Source;

/// Shows how a network runs: algorithm, layout, place and threads of each step.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Show how long each stage from the description to a model takes instead.
    #[arg(long)]
    time: bool,
    #[command(flatten)]
    weights: Weights,
    /// With `--time`, print an object.
    #[arg(long, requires = "time")]
    json: bool,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        if !self.time {
            let (graph, target) = (self.source.graph()?, self.source.target()?);
            write!(out, "{}", compiler::plan(&graph, &target)?.1)?;
            return Ok(());
        }
        let stages = self.stages()?;
        let total: Duration = stages.iter().map(|(_, time)| *time).sum();
        let milliseconds = |time: Duration| 1e3 * time.as_secs_f64();
        if self.json {
            let stages: Vec<_> =
                stages.iter().map(|(stage, time)| json!({"stage": stage, "ms": milliseconds(*time)})).collect();
            let report = json!({"stages": stages, "total_ms": milliseconds(total)});
            writeln!(out, "{}", serde_json::to_string_pretty(&report)?)?;
        } else {
            for (stage, time) in stages.into_iter().chain([("total", total)]) {
                writeln!(out, "{stage:<10} {:9.3} ms", milliseconds(time))?;
            }
        }
        Ok(())
    }

    /// The stages with their times.
    fn stages(&self) -> Result<Vec<(&'static str, Duration)>, Box<dyn std::error::Error>> {
        let mut stages = Vec::new();
        let mut last = Instant::now();
        let mut end = |stage| {
            stages.push((stage, last.elapsed()));
            last = Instant::now();
        };
        let target = self.source.target()?;
        let (graph, own) = self.source.read()?;
        end("read");
        let mut optimized = graph.clone();
        passes::run_pipeline(&mut optimized, false)?;
        end("passes");
        let plan = lower::plan(&optimized, &target)?;
        end("plan");
        let program = lower::program(&optimized, &plan, &graph.parameters())?;
        end("program");
        lir::verify(&program)?;
        end("verify");
        // It verifies once more, which is not to count twice.
        let compiled = jit::compile(&program)?;
        end("code");
        let parameters = self.weights.parameters(&graph, own)?;
        end("parameters");
        let mut model = Model::new(compiled.network().clone(), &parameters)?;
        end("prepare");
        let inputs = crate::model::inputs(&model);
        end("input");
        model.run(&inputs.iter().collect::<Vec<_>>())?;
        end("first run");
        let verify = stages.iter().find(|(stage, _)| *stage == "verify").map_or(Duration::ZERO, |(_, time)| *time);
        let code = stages.iter_mut().filter(|(stage, _)| *stage == "code");
        code.for_each(|(_, time)| *time = time.saturating_sub(verify));
        Ok(stages)
    }
}
