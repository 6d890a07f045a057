//! The last block of EfficientNet-Lite0 learns new classes.

use std::error::Error;
use std::io::Write;
use std::path::Path;

use convoke::train::{Adam, Augment, Decay, Init, Learner, Optimizer, Recipe, Samples, Schedule, Trainer};
use convoke::{Parameters, Tensor, zoo};

use crate::{Arguments, photo};

/// Images of a step, where there are as many.
const BATCH: usize = 8;
/// What is trained: the last block, what follows it, and the new classifier.
const TRAINED: [&str; 4] = ["_blocks.15.", "_conv_head.", "_bn1.", "_fc."];

/// Trains on the photos in `folder`, one folder a class.
pub(crate) fn run(
    arguments: &Arguments,
    folder: &Path,
    weights: &Path,
    out: &mut impl Write,
) -> Result<(), Box<dyn Error>> {
    let (names, samples) = read(folder)?;
    writeln!(out, "{} photos of {}", samples.len(), names.join(", "))?;
    let batch = BATCH.min(samples.len());
    let classes = i64::try_from(names.len())?;
    let single = zoo::find("efficientnet_lite0")?.graph_with(&[("classes", classes.into())])?;
    let graph = single.batched(batch)?;
    let old = Parameters::load(weights)?;
    let new = Init::GlorotUniform.parameters(&graph, arguments.seed);
    let parameters = new.iter().map(|(name, tensor)| {
        let known = old.get(name).filter(|_| !name.starts_with("_fc."));
        (name.to_owned(), known.unwrap_or(tensor).to_tensor())
    });
    let steps = arguments.epochs * (samples.len() / batch) as u64;
    let schedule = Schedule { rate: 1e-3, warm_up: 5, decay: Decay::Cosine { steps } };
    let optimizer = Optimizer::AdamW(Adam { decay: 0.01, ..Adam::default() });
    let recipe = Recipe { seed: arguments.seed, monitor: arguments.monitor, ..Recipe::new(optimizer, schedule) };
    let trained = |name: &str| TRAINED.iter().any(|prefix| name.starts_with(prefix));
    let learner = Learner::new(&graph, Parameters::from_tensors(parameters), recipe, trained)?;
    let augment = Augment { padding: 16, margin: 0.0, flip: true };
    let mut trainer = Trainer::new(learner.threads(arguments.threads), samples.clone(), Some(augment))?;
    crate::train(&mut trainer, arguments, out)?;
    let correct = trainer.correct(&samples)?;
    writeln!(out, "{correct} of {} photos are named as their folders are", samples.len())?;
    let weights = arguments.out.join("efficientnet_lite0.safetensors");
    trainer.learner.parameters().save(&weights)?;
    let labels = arguments.out.join("labels.txt");
    std::fs::write(&labels, names.join("\n") + "\n").map_err(|error| format!("{}: {error}", labels.display()))?;
    writeln!(out, "{} and {} are written", weights.display(), labels.display())?;
    Ok(())
}

/// The names of the classes, sorted, and their photos.
fn read(folder: &Path) -> Result<(Vec<String>, Samples), Box<dyn Error>> {
    let place = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut folders = Vec::new();
    for entry in folder.read_dir().map_err(place)? {
        let path = entry.map_err(place)?.path();
        if path.is_dir() {
            folders.push(path);
        }
    }
    folders.sort();
    let (mut names, mut labels, mut pixels) = (Vec::new(), Vec::new(), Vec::new());
    for folder in folders {
        let files = photo::files(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for file in &files {
            let image = photo::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
            pixels.extend_from_slice(image.data());
            labels.push(names.len());
        }
        if !files.is_empty() {
            names.push(folder.file_name().unwrap_or_default().to_string_lossy().into_owned());
        }
    }
    if names.len() < 2 {
        let found = names.len();
        let folder = folder.display();
        return Err(format!(
            "{folder}: expected at least two folders with jpg or png files, one a class; found {found}"
        )
        .into());
    }
    let images = Tensor::from_vec(&[labels.len(), 3, 224, 224], pixels)?;
    Ok((names, Samples::new(images, labels)?))
}
