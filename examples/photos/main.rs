//! EfficientNet-Lite0 names what is on photos.
//!
//! ```text
//! cargo run --release --example photos -- DIR --weights FILE.safetensors --labels FILE.txt [--json] [--backend jit]
//! ```
//!
//! The network is `convoke::zoo::EfficientNetLite0` (src/zoo/efficientnet_lite0.rs).

mod classify;
mod photo;
mod resize;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, ValueEnum};
use convoke::Parameters;

use crate::classify::{Classes, Classifier, Guess};

/// Names what is on photos, with EfficientNet-Lite0.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder with the photos, jpg or png.
    folder: PathBuf,
    /// The network's weights, safetensors.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// The names of the classes, one a line.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// Prints one JSON object a line: file, top5 (index, label, probability), logits.
    #[arg(long)]
    json: bool,
    /// What runs the network.
    #[arg(long, value_enum, default_value_t = Backend::Rust)]
    backend: Backend,
}

/// What runs the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Backend {
    /// Rust that `cnn!` generated when this example was built.
    Rust,
    /// Machine code that is made now.
    Jit,
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock(), &mut io::stderr().lock()) {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("photos: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Names what is on all photos; how many could not be read.
fn run(arguments: &Arguments, out: &mut impl Write, log: &mut impl Write) -> Result<usize, Box<dyn Error>> {
    let Arguments { folder, weights, labels, json, backend } = arguments;
    let classes = Classes::load(labels)?;
    let mut classifier = Classifier::new(*backend, &Parameters::load(weights)?)?;
    let files = photo::files(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    if files.is_empty() {
        return Err(format!("{}: there are no jpg or png files in this folder", folder.display()).into());
    }
    name_all(&files, &mut classifier, &classes, *json, out, log)
}

fn name_all(
    files: &[PathBuf],
    classifier: &mut Classifier,
    classes: &Classes,
    json: bool,
    out: &mut impl Write,
    log: &mut impl Write,
) -> Result<usize, Box<dyn Error>> {
    let mut broken = 0;
    for path in files {
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
        match photo::read(path) {
            Ok(image) => {
                let guess = Guess::new(name.into_owned(), classifier.logits(&image)?, classes);
                if json { guess.write_json(out) } else { guess.write(out) }?;
            }
            Err(error) => {
                broken += 1;
                writeln!(log, "photos: {}: {error}", path.display())?;
            }
        }
    }
    if broken > 0 {
        writeln!(log, "photos: {broken} of {} photos could not be read", files.len())?;
    }
    Ok(broken)
}

#[cfg(test)]
mod tests;
