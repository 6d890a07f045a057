//! Adversarial images: a photo that EfficientNet-Lite0 takes for something else, drawn as Goodfellow et al. 2015 drew their
//! panda, and how many digits LeNet-5 still reads under attack.
//!
//! ```text
//! cargo run --release --example adversarial -- PHOTO --weights FILE.safetensors --labels FILE.txt [--epsilon N]
//!     [--out FILE.png] [--no-digits]
//! ```
//!
//! `--epsilon` is in steps of a pixel's 256; without it, the smallest is taken that makes the network see another class.

#[path = "../digits/art.rs"]
#[allow(dead_code, reason = "digits are not drawn here")]
mod art;
#[path = "../digits/digits.rs"]
mod digits;
#[path = "../digits/idx.rs"]
mod idx;
#[path = "../photos/photo.rs"]
#[expect(dead_code, reason = "of the photos example, which reads folders")]
mod photo;
#[path = "../photos/resize.rs"]
mod resize;
mod robustness;

use std::error::Error;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::Parser;
use convoke::adversarial::{Goal, Victim};
use convoke::{Parameters, Tensor, zoo};
use image::{Rgb, RgbImage};

/// The largest ε that is tried, of 256.
const MOST: u32 = 16;
/// The side of the network's image, and the space between pictures.
const SIDE: u32 = 224;
const SPACE: u32 = 8;

/// Makes a photo that EfficientNet-Lite0 takes for something else, and attacks LeNet-5.
#[derive(Debug, Parser)]
struct Arguments {
    /// The photo, jpg or png.
    photo: PathBuf,
    /// EfficientNet-Lite0's weights, safetensors.
    #[arg(long, value_name = "FILE")]
    weights: PathBuf,
    /// The names of the classes, one a line.
    #[arg(long, value_name = "FILE")]
    labels: PathBuf,
    /// How far each value of a pixel moves, of 256; the smallest that changes the class unless given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=128))]
    epsilon: Option<u32>,
    /// Where the three pictures are written.
    #[arg(long, value_name = "FILE", default_value = "target/adversarial.png")]
    out: PathBuf,
    /// Leaves the digits out.
    #[arg(long)]
    no_digits: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), &mut io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("adversarial: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> Result<(), Box<dyn Error>> {
    let names = std::fs::read_to_string(&arguments.labels)
        .map_err(|error| format!("{}: {error}", arguments.labels.display()))?;
    let names: Vec<&str> = names.lines().collect();
    let mut victim = Victim::new(&zoo::find("efficientnet_lite0")?.graph()?, &Parameters::load(&arguments.weights)?)?;
    // (pixel − 127) / 128, as the photos example has it.
    victim.bounds = (-127.0 / 128.0, 1.0);
    let image = photo::read(&arguments.photo).map_err(|error| format!("{}: {error}", arguments.photo.display()))?;
    let (class, confidence) = seen(&victim.logits(&image)?)?;
    let name = |class: usize| names.get(class).copied().unwrap_or("a class without a name");
    writeln!(out, "{:<24} {:5.1} %  {}", "x", 100.0 * confidence, name(class))?;
    let tried = arguments.epsilon.map_or(1..=MOST, |epsilon| epsilon..=epsilon);
    for epsilon in tried.clone() {
        let moved = victim.fgsm(&image, Goal::Away(&[class]), epsilon as f32 / 128.0)?;
        let (other, confidence) = seen(&victim.logits(&moved)?)?;
        if other == class && epsilon < *tried.end() {
            continue;
        }
        let caption = format!("x + {epsilon}/256 · sign(∇J)");
        writeln!(out, "{caption:<24} {:5.1} %  {}", 100.0 * confidence, name(other))?;
        let (_, gradient) = victim.gradient(&image, &[class])?;
        draw(&image, &gradient, &moved)
            .save(&arguments.out)
            .map_err(|error| format!("{}: {error}", arguments.out.display()))?;
        writeln!(out, "x, sign(∇J) and x + ε · sign(∇J) are drawn in {}", arguments.out.display())?;
        break;
    }
    if arguments.no_digits { Ok(()) } else { robustness::table(out) }
}

/// The most probable class, and its probability.
fn seen(logits: &Tensor) -> Result<(usize, f64), &'static str> {
    let class = logits.argmax().ok_or("the network's output is not a number")?;
    let largest = logits.data()[class];
    let sum: f64 = logits.data().iter().map(|&logit| f64::from(logit - largest).exp()).sum();
    Ok((class, 1.0 / sum))
}

/// Photo, sign of the gradient, adversarial image, side by side.
fn draw(image: &Tensor, gradient: &Tensor, moved: &Tensor) -> RgbImage {
    let mut picture = RgbImage::from_pixel(3 * SIDE + 2 * SPACE, SIDE, Rgb([255; 3]));
    let plane = (SIDE * SIDE) as usize;
    let pixel = |x: f32| (128.0 * x + 127.0).round().clamp(0.0, 255.0) as u8;
    let sign = |g: f32| {
        if g > 0.0 {
            255
        } else if g < 0.0 {
            0
        } else {
            128
        }
    };
    for (panel, (tensor, shade)) in
        [(image, &pixel as &dyn Fn(f32) -> u8), (gradient, &sign), (moved, &pixel)].into_iter().enumerate()
    {
        for place in 0..plane as u32 {
            let colour = [0, 1, 2].map(|channel| shade(tensor.data()[channel * plane + place as usize]));
            picture.put_pixel(panel as u32 * (SIDE + SPACE) + place % SIDE, place / SIDE, Rgb(colour));
        }
    }
    picture
}
