//! Networks compared with what PyTorch computes, with synthetic parameters.
//!
//! ```text
//! cargo run --release --example golden -- FILE.json...
//! ```
//!
//! For each file and backend one line: `model backend max_error`, the largest absolute difference of the output divided
//! by the largest absolute expected value. Where that exceeds 1e-4, the first checkpoint that differs is named, and the
//! exit status is 1; unless the output is so sensitive that float32 does not determine it any better, which is said.
//!
//! Files of `tests/gradients` are compared likewise, by machine code: `model gradients max_error (parameter)`.

mod checkpoints;
mod counts;
mod gradients;
mod reference;

use std::error::Error;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use convoke::synthetic::{self, Constants};
use convoke::{Model, Parameters, Tensor, agreement, jit, zoo};

use crate::checkpoints::Verdict;
use crate::reference::Reference;

/// The error up to which outputs agree.
const TOLERANCE: f32 = 1e-4;

/// Compares networks with reference outputs.
#[derive(Debug, Parser)]
struct Arguments {
    /// Reference outputs, JSON.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let mut agree = true;
    for path in &Arguments::parse().files {
        match check(path, &mut io::stdout().lock()) {
            Ok(agrees) => agree &= agrees,
            Err(error) => {
                eprintln!("golden: {}: {error}", path.display());
                agree = false;
            }
        }
    }
    if agree { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Compares one network in each backend; whether all agree.
fn check(path: &Path, out: &mut impl Write) -> Result<bool, Box<dyn Error>> {
    let bytes = std::fs::read(path)?;
    if let Ok(reference) = serde_json::from_slice(&bytes) {
        return gradients::check(&reference, out);
    }
    let reference = Reference::parse(&bytes)?;
    let entry = zoo::find(&reference.model)?;
    let graph = entry.graph()?;
    counts::compare(&reference, &graph, entry)?;
    let (parameters, image) = synthesize(&reference);
    let mut agree = true;
    let mut located: Option<(f32, Verdict)> = None;
    let rust = Model::new((entry.network)().clone(), &parameters)?;
    let jit = Model::new(jit::compile(&graph)?, &parameters)?;
    for (backend, mut model) in [("rust", rust), ("jit", jit)] {
        let output = &model.run(&[&image])?[0];
        let error = agreement::error(output.data(), &reference.output);
        writeln!(out, "{} {backend} {error:.2e}", reference.model)?;
        if error > TOLERANCE {
            // Backends that err alike have the same verdict, which takes many runs.
            let verdict = match located.take() {
                Some((of, verdict)) if of == error => verdict,
                _ => checkpoints::locate(&graph, &reference.checkpoints, &parameters, &image, error)?,
            };
            agree &= matches!(verdict, Verdict::Undetermined { .. });
            writeln!(out, "{verdict}")?;
            located = Some((error, verdict));
        }
    }
    Ok(agree)
}

/// The parameters and the image of the formula.
fn synthesize(reference: &Reference) -> (Parameters, Tensor) {
    let constants = Constants { gain: reference.gain, gamma: reference.gamma };
    let tensors = reference.tensors.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
    (synthetic::parameters(tensors, constants), synthetic::input(&reference.input))
}

#[cfg(test)]
mod tests;
