//! `convoke plan`

use std::io::Write;

use convoke::compiler;

use crate::Outcome;
use crate::source::Source;

/// Shows how a network runs: algorithm, layout, place and threads of each step.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let (graph, target) = (self.source.graph()?, self.source.target()?);
        write!(out, "{}", compiler::plan(&graph, &target)?.1)?;
        Ok(())
    }
}
