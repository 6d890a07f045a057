//! Trained networks factorised within bounds on the error of each layer: what they still know, against FLOP and time.
//!
//! ```text
//! cargo run --release --example factorize -- [--train DIR] [--photos DIR --weights FILE] [--layers]
//! ```
//!
//! LeNet-5 reads the 2,000 digits of examples/data/digits; EfficientNet-Lite0 names photos where `--photos` and
//! `--weights` say which. The table is that of docs/factorization.md.

#[path = "../digits/art.rs"]
#[allow(dead_code, reason = "digits are not drawn here")]
mod art;
#[path = "../digits/digits.rs"]
mod digits;
#[path = "../digits/idx.rs"]
mod idx;
#[path = "../photos/photo.rs"]
mod photo;
#[path = "../photos/resize.rs"]
mod resize;
mod row;
mod subject;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use convoke::compiler::cost::{Effort, Stopwatch};
use convoke::compiler::lower::Target;

use crate::row::{HEAD, Row};
use crate::subject::Subject;

/// Factorises trained networks and shows what they still know.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder with the digits to read, and LeNet-5's weights.
    #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits"))]
    digits: PathBuf,
    /// A folder with MNIST's training images: bounds are then on LeNet-5's outputs for 200 of them.
    #[arg(long, value_name = "DIR")]
    train: Option<PathBuf>,
    /// A folder with photos: EfficientNet-Lite0 names them, and bounds are on its outputs for the photos mirrored.
    #[arg(long, value_name = "DIR", requires = "weights")]
    photos: Option<PathBuf>,
    /// EfficientNet-Lite0's weights, safetensors.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// The bounds on the relative error of each layer.
    #[arg(long, value_delimiter = ',', default_values_t = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3])]
    bounds: Vec<f64>,
    /// Tells of each layer what became of it.
    #[arg(long)]
    layers: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("factorize: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let Arguments { digits, train, photos, weights, bounds, layers } = arguments;
    let mut subjects = vec![Subject::digits(digits, train.as_deref())?];
    if let (Some(photos), Some(weights)) = (photos, weights) {
        subjects.push(Subject::photos(photos, weights)?);
    }
    // Short runs: a layer takes microseconds, and the least time is what counts.
    let mut stopwatch = Stopwatch::new(Target::host(), Effort { runs: 30, duration: Duration::from_millis(10) });
    writeln!(out, "{HEAD}")?;
    let mut outcomes = String::new();
    for subject in &subjects {
        writeln!(out, "{}", Row::original(subject)?)?;
        for &bound in bounds {
            let (row, trained) = Row::factorized(subject, bound, &mut stopwatch)?;
            writeln!(out, "{row}")?;
            out.flush()?;
            outcomes += &format!("\n{}, bound {bound}\n", subject.name);
            trained.layers.iter().for_each(|layer| outcomes += &format!("  {layer}\n"));
        }
    }
    if *layers {
        out.write_all(outcomes.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
