//! LeNet-5 learns to read handwritten digits, from nothing; or the last block of EfficientNet-Lite0 learns new classes from
//! a folder of photos.
//!
//! ```text
//! cargo run --release --example train -- [--data DIR] [--epochs N] [--steps N] [--resume] [--monitor] [--out FOLDER]
//! cargo run --release --example train -- --photos DIR --weights FILE.safetensors [--epochs N] [--steps N] [--out FOLDER]
//! ```
//!
//! Digits lie under MNIST's own file names. In DIR of photos each class has a folder, whose name is the class's.
//! FOLDER (target/train) gets the weights, a checkpoint after each epoch, from which `--resume` goes on, and the curve of
//! the loss.

#[path = "../digits/art.rs"]
#[allow(dead_code, reason = "digits are not drawn here")]
mod art;
mod chart;
#[path = "../digits/digits.rs"]
mod digits;
mod fine_tune;
#[path = "../digits/idx.rs"]
mod idx;
#[path = "../photos/photo.rs"]
mod photo;
#[path = "../photos/resize.rs"]
mod resize;
mod samples;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use clap::Parser;
use convoke::train::{
    Adam, Augment, Decay, Init, Layer, Learner, Optimizer, Recipe, Samples, Schedule, Trainer, warnings,
};
use convoke::zoo;
use indicatif::{ProgressBar, ProgressStyle};

use crate::chart::Curve;

/// Images of a step.
const BATCH: usize = 64;

/// Trains LeNet-5 on digits, or the last block of EfficientNet-Lite0 on photos.
#[derive(Debug, Parser)]
struct Arguments {
    /// The folder of the digits; ../shared/data/digits unless given.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A folder of photos, one folder a class, to train EfficientNet-Lite0 on.
    #[arg(long, value_name = "DIR", requires = "weights")]
    photos: Option<PathBuf>,
    /// EfficientNet-Lite0's weights, safetensors.
    #[arg(long, value_name = "FILE", requires = "photos")]
    weights: Option<PathBuf>,
    /// How often every image is seen.
    #[arg(long, value_name = "N", default_value_t = 16)]
    epochs: u64,
    /// Ends after so many steps, though the schedule is that of all epochs.
    #[arg(long, value_name = "N")]
    steps: Option<u64>,
    /// What everything at random follows from.
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Threads; as many as there are cores unless given.
    #[arg(long, value_name = "N", default_value_t = 0)]
    threads: usize,
    /// Goes on from the checkpoint.
    #[arg(long)]
    resume: bool,
    /// Measures the norms of activations and gradients, and warns of layers that they do not reach.
    #[arg(long)]
    monitor: bool,
    /// Where weights, checkpoint and curve are written.
    #[arg(long, value_name = "FOLDER", default_value = "target/train")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("train: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    std::fs::create_dir_all(&arguments.out).map_err(|error| format!("{}: {error}", arguments.out.display()))?;
    match (&arguments.photos, &arguments.weights) {
        (Some(photos), Some(weights)) => fine_tune::run(arguments, photos, weights, out),
        _ => digits(arguments, out),
    }
}

/// LeNet-5 on digits.
fn digits(arguments: &Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (samples, test) = samples::digits(arguments.data.as_deref(), out)?;
    let graph = zoo::find("lenet5")?.graph()?.batched(BATCH)?;
    let steps = arguments.epochs * (samples.len() / BATCH).max(1) as u64;
    let schedule = Schedule { rate: 4e-3, warm_up: 50, decay: Decay::Cosine { steps } };
    let optimizer = Optimizer::AdamW(Adam { decay: 0.05, ..Adam::default() });
    let recipe = Recipe { seed: arguments.seed, monitor: arguments.monitor, ..Recipe::new(optimizer, schedule) };
    let parameters = Init::GlorotUniform.parameters(&graph, arguments.seed);
    let learner = Learner::new(&graph, parameters, recipe, |_| true)?.threads(arguments.threads);
    let augment = Augment { padding: 2, margin: 0.0, flip: false };
    let mut trainer = Trainer::new(learner, samples, Some(augment))?;
    let start = Instant::now();
    train(&mut trainer, arguments, out)?;
    let correct = trainer.correct(&test)?;
    let percent = 100.0 * correct as f64 / test.len() as f64;
    let seconds = start.elapsed().as_secs_f64();
    writeln!(out, "{correct} of {} ({percent:.2} %) after {seconds:.1} s", test.len())?;
    let weights = arguments.out.join("lenet5.safetensors");
    trainer.learner.parameters().save(&weights)?;
    writeln!(out, "cargo run --release --example digits -- --weights {} reads with them", weights.display())?;
    Ok(())
}

/// Takes all steps, with a checkpoint after each epoch and at the end, and the curves of what was seen.
fn train(trainer: &mut Trainer, arguments: &Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let checkpoint = arguments.out.join("checkpoint.safetensors");
    if arguments.resume {
        trainer.learner.restore(&checkpoint)?;
        writeln!(out, "goes on at step {} of {}", trainer.learner.steps(), checkpoint.display())?;
    }
    let per_epoch = trainer.per_epoch();
    let end = arguments.steps.unwrap_or(u64::MAX).min(arguments.epochs * per_epoch);
    let bar = ProgressBar::new(end).with_position(trainer.learner.steps());
    bar.set_style(ProgressStyle::with_template("{bar:40} {pos}/{len} steps  {msg}  {eta} left")?);
    let (mut losses, mut gradients, mut epoch) = (Vec::new(), Vec::new(), Vec::new());
    while trainer.learner.steps() < end {
        let step = trainer.learner.steps();
        let loss = trainer.step()?;
        losses.push((step as f64, f64::from(loss)));
        epoch.push(loss);
        gradients.extend(trainer.learner.layers().iter().map(|layer| (layer.name.clone(), step, layer.gradient)));
        bar.set_message(format!("loss {loss:.4}"));
        bar.inc(1);
        if (step + 1).is_multiple_of(per_epoch) || step + 1 == end {
            trainer.learner.save(&checkpoint)?;
            let mean = epoch.iter().sum::<f32>() / epoch.len() as f32;
            epoch.clear();
            let line = format!("epoch {:2}  step {:5}  mean loss {mean:.4}", step / per_epoch + 1, step + 1);
            bar.suspend(|| writeln!(out, "{line}"))?;
            for warning in warnings(trainer.learner.layers()) {
                bar.suspend(|| writeln!(out, "  warning: {warning}"))?;
            }
        }
    }
    bar.finish_and_clear();
    if losses.is_empty() {
        return Ok(());
    }
    if arguments.monitor {
        layers(trainer, out)?;
        let curve = |layer: &Layer| {
            let points = gradients.iter().filter(|(name, ..)| *name == layer.name);
            Curve { name: layer.name.clone(), points: points.map(|(_, x, y)| (*x as f64, f64::from(*y))).collect() }
        };
        let curves: Vec<Curve> = trainer.learner.layers().iter().map(curve).collect();
        let picture = arguments.out.join("gradients.png");
        chart::draw(&picture, "norm of the gradient by each layer's results", "step", &curves)?;
        writeln!(out, "{} is drawn", picture.display())?;
    }
    let picture = arguments.out.join("loss.png");
    let mean = Curve { name: "mean of 50 steps".to_owned(), points: smooth(&losses) };
    chart::draw(&picture, "loss", "step", &[Curve { name: "loss".to_owned(), points: losses }, mean])?;
    writeln!(out, "{} and {} are written", checkpoint.display(), picture.display())?;
    Ok(())
}

/// What the last step saw of each layer.
fn layers(trainer: &Trainer, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "{:<24} {:>10} {:>10} {:>10} {:>10}", "layer", "activation", "gradient", "weight", "by weight")?;
    for layer in trainer.learner.layers() {
        let [a, b, c, d] = [layer.activation, layer.gradient, layer.weight, layer.weight_gradient];
        writeln!(out, "{:<24} {a:>10.2e} {b:>10.2e} {c:>10.2e} {d:>10.2e}", layer.name)?;
    }
    Ok(())
}

/// The mean of the last 50 values at each.
fn smooth(curve: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mean = |end: usize| {
        let window = &curve[(end + 1).saturating_sub(50)..=end];
        (curve[end].0, window.iter().map(|(_, y)| y).sum::<f64>() / window.len() as f64)
    };
    (0..curve.len()).map(mean).collect()
}

/// A learner with the samples of a folder, and those to test it.
type Split = (Samples, Samples);
