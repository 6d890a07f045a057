//! Whether gradients reach the first layers of deep networks: plain, residual and dense ones of growing depth, with and
//! without batch normalisation, from good first weights and from bad ones.
//!
//! ```text
//! cargo run --release --example depth [-- --steps N] [--out FILE.png]
//! ```
//!
//! Every network is given the same 64 images of noise and a wave, whose direction is the class; a layer is a 3×3 convolution
//! with ReLU. The table has, of the first step, the norm of the gradient by the first layer's results and the activations of
//! the last, as multiples of those at the other end; the warning; and the loss after the last step.

#[path = "../train/chart.rs"]
mod chart;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use chart::Curve;
use clap::Parser;
use convoke::random::Random;
use convoke::train::{Error as TrainError, Init, Layer, Learner, Optimizer, Recipe, Schedule, warnings};
use convoke::{Graph, Tensor, lang};

/// One description of all: `kind` is 0 for plain, 1 for residual, 2 for dense networks.
const SOURCE: &str = "
block unit(x, width, norm) {
    x -> conv: conv(width, kernel: 3, padding: 1, bias: !norm) -> if norm { bn: batch_norm } -> relu
}
block residual(x, norm) {
    x + (x -> 0: unit(x.channels, norm) -> 1: conv(x.channels, kernel: 3, padding: 1, bias: !norm)
           -> if norm { bn: batch_norm }) -> relu
}
network Deep(image: f32[1, 3, 16, 16]; kind = 0, depth = 8, norm = false) -> logits {
    let x = image -> stem: unit(16, norm);
    if kind == 0 {
        for i in 0..depth - 2 { x = x -> plain{i}: unit(16, norm); }
    } else {
        if kind == 1 {
            for i in 0..(depth - 2) / 2 { x = x -> residual{i}: residual(norm); }
        } else {
            let parts = [x];
            for i in 0..depth - 2 { parts = parts + [concat(parts) -> dense{i}: unit(4, norm)]; }
            x = concat(parts);
        }
    }
    x -> global_avg_pool -> flatten -> fc: linear(4)
}";

const KINDS: [&str; 3] = ["plain", "residual", "dense"];
const DEPTHS: [i64; 3] = [10, 30, 50];
/// Images of a step.
const BATCH: usize = 64;

/// Shows how gradients vanish and explode.
#[derive(Debug, Parser)]
struct Arguments {
    /// Steps of training.
    #[arg(long, value_name = "N", default_value_t = 30)]
    steps: u64,
    /// Where the gradients of the deepest networks are drawn, layer by layer.
    #[arg(long, value_name = "FILE", default_value = "target/depth.png")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("depth: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let (images, classes) = samples()?;
    let mut curves = Vec::new();
    let steps = arguments.steps;
    writeln!(
        out,
        "| network | layers | weights | norm | first gradient | last activation | loss after {steps} steps | warning |"
    )?;
    writeln!(out, "| --- | ---: | --- | --- | ---: | ---: | --- | --- |")?;
    for (kind, name) in (0_i64..).zip(KINDS) {
        for (init, weights) in [(Init::Normal { deviation: 0.05 }, "0.05"), (Init::HeNormal, "He")] {
            for (norm, normed) in [(false, "none"), (true, "batch")] {
                for depth in DEPTHS {
                    let constants = [("kind", kind.into()), ("depth", depth.into()), ("norm", norm.into())];
                    let graph = lang::Module::parse(SOURCE)?.graph_with("Deep", &constants)?.batched(BATCH)?;
                    let (layers, loss) = learn(&graph, init, &images, &classes, steps)?;
                    let [Some(first), Some(last)] = [layers.first(), layers.last()] else { continue };
                    let (gradient, activation) = (first.gradient / last.gradient, last.activation / first.activation);
                    let warning = warnings(&layers).first().map_or("none".to_owned(), ToString::to_string);
                    writeln!(
                        out,
                        "| {name} | {depth} | {weights} | {normed} | {gradient:.1e} | {activation:.1e} | {loss} | {warning} |"
                    )?;
                    if depth == DEPTHS[DEPTHS.len() - 1] && matches!((weights, norm), ("0.05", false) | ("He", true)) {
                        curves.push(curve(format!("{name}, {weights}, norm {normed}"), &layers));
                    }
                }
            }
        }
    }
    chart::draw(&arguments.out, "norm of the gradient by a layer's results, of the last layer's", "layer", &curves)?;
    writeln!(out, "\n{} is drawn", arguments.out.display())?;
    Ok(())
}

/// The gradient of each layer, relative to that of the last.
fn curve(name: String, layers: &[Layer]) -> Curve {
    let last = layers.last().map_or(1.0, |layer| layer.gradient);
    let point = |(index, layer): (usize, &Layer)| (index as f64, f64::from(layer.gradient / last));
    Curve { name, points: layers.iter().enumerate().map(point).collect() }
}

/// What the first step saw of each layer, and the loss after the last; or where it ceased to be a number.
fn learn(
    graph: &Graph,
    init: Init,
    images: &Tensor,
    classes: &[usize],
    steps: u64,
) -> Result<(Vec<Layer>, String), Box<dyn Error>> {
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false, decay: 0.0 };
    let recipe = Recipe { monitor: true, ..Recipe::new(optimizer, Schedule::constant(0.02)) };
    let mut learner = Learner::new(graph, init.parameters(graph, 1), recipe, |_| true)?;
    let (mut first, mut last) = (Vec::new(), f32::NAN);
    for step in 0..steps {
        match learner.learn(images, classes) {
            Ok(loss) => last = loss,
            Err(TrainError::NotFinite { step, .. }) => return Ok((first, format!("not finite in step {step}"))),
            Err(error) => return Err(error.into()),
        }
        if step == 0 {
            first = learner.layers().to_vec();
        }
    }
    Ok((first, format!("{last:.3}")))
}

/// Noise in four classes, each with a pattern of its own.
fn samples() -> Result<(Tensor, Vec<usize>), Box<dyn Error>> {
    let mut random = Random::new(7);
    let classes: Vec<usize> = (0..BATCH).map(|image| image % 4).collect();
    let mut pixels = Vec::with_capacity(BATCH * 3 * 256);
    for &class in &classes {
        for place in 0..3 * 256 {
            let [row, column] = [place / 16 % 16, place % 16].map(|at| at as f32);
            let wave = [row, column, row + column, row - column][class];
            pixels.push(random.normal() + wave.sin());
        }
    }
    Ok((Tensor::from_vec(&[BATCH, 3, 16, 16], pixels)?, classes))
}
