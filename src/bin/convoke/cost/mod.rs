//! `convoke cost`

mod error;
mod format;
mod html;
mod measure;
mod plots;
mod report;
mod text;

use std::fs::File;
use std::io::{BufWriter, IsTerminal, Write};
use std::path::PathBuf;

use convoke::compiler::factorize::{Kind, Selection, structural};

use self::error::Weights;
use self::measure::Clock;
use self::report::Report;
use crate::Outcome;
use crate::source::Source;

/// Shows what a network costs, layer by layer, and what its convolutions would cost in other forms.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    /// Show the network with its convolutions in this form, too: depthwise, separable, pointwise or depthwise_separable.
    #[arg(long, value_name = "KIND")]
    factorize: Option<Kind>,
    /// Trained parameters, in a file, to say how far each form is from them; unless given, those of the ONNX file.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// Measure nothing: show what follows from the network alone.
    #[arg(long)]
    no_time: bool,
    /// Print an object.
    #[arg(long)]
    json: bool,
    /// Write a page with plots to this file instead.
    #[arg(long, value_name = "FILE", conflicts_with = "json")]
    html: Option<PathBuf>,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let ((graph, parameters), target) = (self.source.read()?, self.source.target()?);
        let factorized = self.factorize.map(|kind| structural(&graph, kind, &Selection::all()).map(|to| (kind, to)));
        let factorized = factorized.transpose()?;
        let weights = match (&self.weights, parameters) {
            (Some(path), _) => Some(Weights::load(path, &graph)?),
            (None, parameters) => parameters.map(Weights::of_the_network),
        };
        let mut clock = if self.no_time { Clock::stopped(target) } else { Clock::start(target)? };
        let report = Report::new(&graph, factorized.as_ref(), weights.as_ref(), &mut clock)?;
        clock.finish();
        if let Some(path) = &self.html {
            let page = html::page(&report)?;
            let describe = |error| format!("{}: {error}", path.display());
            let mut file = BufWriter::new(File::create(path).map_err(describe)?);
            file.write_all(page.as_bytes()).and_then(|()| file.flush()).map_err(describe)?;
            writeln!(out, "{}", path.display())?;
        } else if self.json {
            serde_json::to_writer_pretty(&mut *out, &report)?;
            writeln!(out)?;
        } else {
            text::write(out, &report, std::io::stdout().is_terminal())?;
        }
        Ok(())
    }
}
