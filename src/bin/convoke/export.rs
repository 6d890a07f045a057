//! `convoke export`

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use convoke::compiler::onnx::export;

use crate::Outcome;
use crate::model::Weights;
use crate::source::Source;

/// Writes a network with its parameters as an ONNX file.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    source: Source,
    #[command(flatten)]
    weights: Weights,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    onnx: PathBuf,
}

impl Arguments {
    pub(crate) fn run(&self, out: &mut dyn Write) -> Outcome {
        let (graph, own) = self.source.read()?;
        let bytes = export::export(&graph, &self.weights.parameters(&graph, own)?)?;
        fs::write(&self.onnx, &bytes).map_err(|error| format!("cannot write {}: {error}", self.onnx.display()))?;
        writeln!(out, "{}: {} bytes", self.onnx.display(), bytes.len())?;
        Ok(())
    }
}
