//! LeNet-5 reads handwritten digits: once as Rust that `cnn!` generated when this example was built, once as machine
//! code that is made now, from the same text.
//!
//! ```text
//! cargo run --release --example digits [-- --weights FILE.safetensors]
//! ```
//!
//! The network is `convoke::zoo::LeNet5` (src/zoo/lenet5.rs); weights and digits lie in examples/data/digits. Other weights
//! are those that the example `train` writes.

mod art;
mod digits;
mod idx;
mod score;

use std::error::Error;
use std::io::{self, IsTerminal as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use convoke::zoo::LeNet5;
use convoke::{Model, Parameters, jit};

use crate::art::Style;
use crate::digits::Digits;
use crate::score::Score;

/// Where weights and digits lie.
const DATA: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits");
/// Digits that are drawn.
const SHOWN: usize = 4;

/// Reads handwritten digits with LeNet-5.
#[derive(Debug, Parser)]
struct Arguments {
    /// Its weights, safetensors; those in examples/data/digits unless given.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
}

impl Arguments {
    fn weights(&self) -> PathBuf {
        self.weights.clone().unwrap_or_else(|| Path::new(DATA).join("lenet5.safetensors"))
    }
}

fn main() -> ExitCode {
    let weights = Arguments::parse().weights();
    let stdout = io::stdout();
    let style = if stdout.is_terminal() { Style::Shades } else { Style::Plain };
    match run(&weights, &mut stdout.lock(), style) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("digits: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(weights: &Path, out: &mut impl Write, style: Style) -> Result<(), Box<dyn Error>> {
    let (digits, [mut rust, mut jit]) = load(weights)?;
    writeln!(out, "{}", drawing(&mut rust, &digits, style)?)?;
    for (backend, model) in [("generated Rust", &mut rust), ("JIT", &mut jit)] {
        let Score { correct, of, median } = Score::of(model, &digits)?;
        let percent = 100.0 * correct as f64 / of as f64;
        let microseconds = median.as_secs_f64() * 1e6;
        writeln!(out, "{backend:<14}  {correct} of {of} ({percent:.2} %), one image in {microseconds:.1} µs")?;
    }
    Ok(())
}

/// The digits, and the network through either backend.
fn load(weights: &Path) -> Result<(Digits, [Model; 2]), Box<dyn Error>> {
    let digits = Digits::load(Path::new(DATA), "t10k")?;
    let parameters = Parameters::load(weights)?;
    let rust = Model::new(LeNet5::network().clone(), &parameters)?;
    let jit = Model::new(jit::network(LeNet5::SOURCE, LeNet5::NAME)?, &parameters)?;
    Ok((digits, [rust, jit]))
}

/// The first digits with what the network sees in them.
fn drawing(model: &mut Model, digits: &Digits, style: Style) -> Result<String, Box<dyn Error>> {
    let mut images = Vec::new();
    for index in 0..SHOWN.min(digits.len()) {
        let label = digits.label(index);
        let caption = match score::predict(model, digits, index)? {
            Some(digit) if digit == label => format!("a {digit}"),
            Some(digit) => format!("a {digit}, it says; it is a {label}"),
            None => "no number".to_owned(),
        };
        images.push((digits.image(index), caption));
    }
    Ok(art::row(&images, style))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_backends_read_1935_of_2000() {
        let mut out = Vec::new();
        run(&Arguments { weights: None }.weights(), &mut out, Style::Plain).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text.matches("1935 of 2000 (96.75 %)").count(), 2, "{text}");
        assert!(text.contains("a 3"), "{text}");
    }

    /// PyTorch's logits of the first digits, rounded to five decimals.
    #[test]
    fn logits_are_pytorchs() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/digits/expected.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            println!("skipped: there are no expected logits at {}", path.display());
            return;
        };
        let expected: serde_json::Value = serde_json::from_str(&text).unwrap();
        let expected: Vec<Vec<f32>> = serde_json::from_value(expected["first_logits"].clone()).unwrap();
        assert!(!expected.is_empty());
        let (digits, models) = load(&Arguments { weights: None }.weights()).unwrap();
        for mut model in models {
            for (index, expected) in expected.iter().enumerate() {
                let outputs = model.run(&[&digits.tensor(index)]).unwrap();
                assert_eq!(outputs[0].shape(), [1, expected.len()]);
                for (found, expected) in outputs[0].data().iter().zip(expected) {
                    assert!((found - expected).abs() < 2e-5, "digit {index}: {:?}", outputs[0]);
                }
            }
        }
    }
}
