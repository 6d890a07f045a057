//! Training against PyTorch's, which `tests/train/make.py` writes; and what holds of every learner.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use convoke::random::Random;
use convoke::train::{
    Adam, Augment, Batches, Decay, Error, Init, Layer, Learner, Loss, Optimizer, Origin, Recipe, Samples, Schedule,
    Trainer, WarningKind, warnings,
};
use convoke::{Graph, Parameters, Tensor, agreement, lang, synthetic};
use serde::Deserialize;

const SMALL: &str = "network Small(image: f32[1, 3, 8, 8]; dropped = 0.0) -> logits {
    image -> conv1: conv(6, kernel: 3, padding: 1, bias: false) -> bn1: batch_norm -> relu
          -> conv2: conv(10, kernel: 3, stride: 2, padding: 1, bias: false) -> bn2: batch_norm -> tanh
          -> global_avg_pool -> flatten -> fc1: linear(7, bias: false) -> bn3: batch_norm -> relu
          -> if dropped > 0.0 { dropout(dropped) } -> fc2: linear(3)
}";
const BATCH: usize = 4;

fn small(dropped: f32) -> Graph {
    let module = lang::Module::parse(SMALL).unwrap();
    module.graph_with("Small", &[("dropped", dropped.into())]).unwrap().batched(BATCH).unwrap()
}

/// The parameters that make.py begins with.
fn parameters(graph: &Graph) -> Parameters {
    Parameters::from_tensors(graph.parameters().into_iter().map(|(name, ty)| {
        let positive = ty.shape.len() == 1 && (name.ends_with("weight") || name.ends_with("var"));
        let values = synthetic::uniform(&name).map(|u| if positive { u + 0.5 } else { u - 0.5 });
        let tensor = Tensor::from_vec(&ty.shape, values.take(ty.elements()).collect()).unwrap();
        (name, tensor)
    }))
}

fn images(step: u64) -> Tensor {
    let values = synthetic::uniform(&format!("images.{step}")).map(|u| u - 0.5);
    Tensor::from_vec(&[BATCH, 3, 8, 8], values.take(BATCH * 3 * 64).collect()).unwrap()
}

fn classes(step: u64) -> [usize; BATCH] {
    [0, 1, 2, 3].map(|image| (step as usize + image) % 3)
}

fn recipe(loss: Loss, optimizer: Optimizer, rate: f32) -> Recipe {
    Recipe { loss, ..Recipe::new(optimizer, Schedule::constant(rate)) }
}

fn scratch(name: &str) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[derive(Deserialize)]
struct Reference {
    losses: Vec<f32>,
    parameters: BTreeMap<String, Vec<f32>>,
}

#[test]
fn optimisers_losses_and_statistics_are_pytorchs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/train/torch.json");
    let references: BTreeMap<String, Reference> = serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap();
    assert_eq!(references.len(), 5);
    let entropy = Loss::CrossEntropy { smoothing: 0.1 };
    for (run, reference) in references {
        let adam = |beta, second| Adam { betas: [beta, second], eps: 1e-6, decay: 0.1 };
        let sgd = |momentum, nesterov, decay| Optimizer::Sgd { momentum, nesterov, decay };
        let recipe = match &*run {
            "sgd" => recipe(entropy, sgd(0.0, false, 0.01), 0.1),
            "momentum" => recipe(Loss::SquaredError, sgd(0.9, false, 0.01), 0.05),
            "nesterov" => recipe(Loss::BinaryCrossEntropy, sgd(0.9, true, 0.0), 0.05),
            "adam" => recipe(entropy, Optimizer::Adam(adam(0.8, 0.99)), 0.01),
            "adamw" => recipe(entropy, Optimizer::AdamW(adam(0.9, 0.999)), 0.01),
            _ => panic!("{run} is unknown"),
        };
        let graph = small(0.0);
        let mut learner = Learner::new(&graph, parameters(&graph), recipe, |_| true).unwrap();
        let losses: Vec<f32> = (0..5).map(|step| learner.learn(&images(step), &classes(step)).unwrap()).collect();
        let error = agreement::error(&losses, &reference.losses);
        assert!(error < 1e-5, "{run}: losses {losses:?}, expected {:?}", reference.losses);
        for (name, expected) in reference.parameters {
            let found = learner.parameters().get(&name).unwrap().data();
            let error = agreement::error(found, &expected);
            assert!(error < 1e-4, "{run}: {name} is {error:e} of the largest off: {found:?}, expected {expected:?}");
        }
    }
}

fn trainer(seed: u64) -> Trainer {
    let graph = small(0.3);
    let optimizer = Optimizer::Adam(Adam::default());
    let schedule = Schedule { rate: 0.01, warm_up: 2, decay: Decay::Cosine { steps: 20 } };
    let recipe = Recipe { seed, ..Recipe::new(optimizer, schedule) };
    let learner = Learner::new(&graph, Init::HeNormal.parameters(&graph, 7), recipe, |_| true).unwrap();
    let pixels = (0..3).flat_map(|step| images(step).data().to_vec()).collect();
    let samples = Samples::new(Tensor::from_vec(&[12, 3, 8, 8], pixels).unwrap(), (0..12).map(|i| i % 3).collect());
    Trainer::new(learner, samples.unwrap(), Some(Augment { padding: 1, margin: 0.0, flip: true })).unwrap()
}

/// All bits of a learner: its checkpoint.
fn bits(learner: &Learner, name: &str) -> Vec<u8> {
    let path = scratch(name);
    learner.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

#[test]
fn a_checkpoint_goes_on_to_identical_bits() {
    let mut whole = trainer(3);
    let losses: Vec<u32> = (0..7).map(|_| whole.step().unwrap().to_bits()).collect();
    let mut first = trainer(3);
    for _ in 0..4 {
        first.step().unwrap();
    }
    let path = scratch("resume.safetensors");
    first.learner.save(&path).unwrap();
    drop(first);
    // Whatever the new learner began with, seed included, is the checkpoint's then.
    let mut second = trainer(4);
    second.step().unwrap();
    second.learner.restore(&path).unwrap();
    assert_eq!(second.learner.steps(), 4);
    let rest: Vec<u32> = (0..3).map(|_| second.step().unwrap().to_bits()).collect();
    assert_eq!(rest, losses[4..]);
    assert!(bits(&second.learner, "second") == bits(&whole.learner, "whole"));
    // Other seeds give others.
    let mut other = trainer(5);
    let others: Vec<u32> = (0..7).map(|_| other.step().unwrap().to_bits()).collect();
    assert_ne!(others, losses);
}

#[test]
fn broken_checkpoints_are_refused_and_old_ones_kept() {
    let mut trainer = trainer(3);
    let path = scratch("broken.safetensors");
    trainer.learner.save(&path).unwrap();
    let good = std::fs::read(&path).unwrap();
    let before = bits(&trainer.learner, "before");
    std::fs::write(&path, &good[..good.len() / 2]).unwrap();
    assert!(matches!(trainer.learner.restore(&path), Err(Error::File(_))));
    // A file of another network.
    Parameters::from_tensors([("parameters/conv1.weight".to_owned(), Tensor::zeros(&[1]))]).save(&path).unwrap();
    let message = trainer.learner.restore(&path).unwrap_err().to_string();
    assert!(message.contains("conv1.weight") && message.contains("state/step"), "{message}");
    assert!(bits(&trainer.learner, "after") == before);
    // What cannot be written leaves what was there.
    std::fs::write(&path, &good).unwrap();
    assert!(matches!(trainer.learner.save(path.join("no/folder")), Err(Error::File(_))));
    trainer.learner.restore(&path).unwrap();
}

#[test]
fn what_is_not_finite_stops_with_its_place() {
    let graph = small(0.0);
    let optimizer = Optimizer::Sgd { momentum: 0.9, nesterov: false, decay: 0.0 };
    let fresh =
        || Learner::new(&graph, parameters(&graph), recipe(Loss::SquaredError, optimizer, 0.05), |_| true).unwrap();
    let mut learner = fresh();
    learner.learn(&images(0), &classes(0)).unwrap();
    let path = scratch("finite.safetensors");
    learner.save(&path).unwrap();
    let before = std::fs::read(&path).unwrap();

    // An image.
    let mut bad = images(1);
    bad.data_mut()[5] = f32::NAN;
    let Err(Error::NotFinite { step: 1, origin: Origin::Input { name, .. }, .. }) = learner.learn(&bad, &classes(1))
    else {
        panic!("it learns from NaN");
    };
    assert_eq!(name, "image");
    assert!(bits(&learner, "unchanged") == before);

    // A layer that overflows: its operands are finite.
    let mut huge = images(1);
    huge.data_mut().fill(f32::MAX);
    let error = learner.learn(&huge, &classes(1)).unwrap_err();
    assert!(
        matches!(&error, Error::NotFinite { step: 1, origin: Origin::Node { name, .. }, .. } if name == "conv1"),
        "{error}"
    );
    assert!(
        error.to_string().starts_with("train: step 1: the loss is not finite; it began in conv `conv1`"),
        "{error}"
    );
    assert!(bits(&learner, "unchanged") == before);

    // A parameter, after a step that was too long; such a learner writes no checkpoint.
    let long = Recipe { schedule: Schedule::constant(f32::INFINITY), ..recipe(Loss::SquaredError, optimizer, 0.0) };
    let mut wild = Learner::new(&graph, parameters(&graph), long, |_| true).unwrap();
    wild.learn(&images(0), &classes(0)).unwrap();
    let error = wild.learn(&images(1), &classes(1)).unwrap_err();
    assert!(matches!(error, Error::NotFinite { step: 1, origin: Origin::Parameter { .. }, .. }), "{error}");
    assert!(matches!(wild.save(&path), Err(Error::NotFinite { .. })));
    assert!(std::fs::read(&path).unwrap() == before);
}

#[test]
fn what_is_not_trained_stays() {
    let graph = small(0.0);
    let before = parameters(&graph);
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, decay: 0.1 };
    let recipe = recipe(Loss::CrossEntropy { smoothing: 0.0 }, sgd, 0.1);
    let mut learner =
        Learner::new(&graph, before.clone(), recipe, |name| name.starts_with("bn2") || name == "fc2.bias").unwrap();
    // By running statistics, before and after.
    let first = learner.predict(&images(0)).unwrap().clone();
    for step in 0..3 {
        learner.learn(&images(step), &classes(step)).unwrap();
    }
    assert_ne!(learner.predict(&images(0)).unwrap(), &first);
    let changed: Vec<&str> = learner
        .parameters()
        .iter()
        .filter(|(name, tensor)| before.get(name).unwrap().data() != tensor.data())
        .map(|(name, _)| name)
        .collect();
    assert_eq!(changed, ["bn2.bias", "bn2.running_mean", "bn2.running_var", "bn2.weight", "fc2.bias"]);
    let nothing = Learner::new(&graph, before, recipe, |_| false).unwrap_err();
    assert_eq!(nothing.to_string(), "train: none of the 17 parameters of `Small` is to be trained");
}

#[test]
fn says_what_does_not_fit() {
    let graph = small(0.0);
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 };
    let mut learner =
        Learner::new(&graph, parameters(&graph), Recipe::new(sgd, Schedule::constant(0.1)), |_| true).unwrap();
    let message = |result: Result<f32, Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(learner.learn(&images(0), &[0, 1, 2, 3])),
        "train: expected 4 classes below 3, found [0, 1, 2, 3]"
    );
    assert!(message(learner.learn(&Tensor::zeros(&[4, 3, 8, 9]), &[0; 4])).contains("[4, 3, 8, 8]"));
    let text = "network Map(image: f32[1, 3, 4, 4]) -> y { image -> c: conv(2, kernel: 1) }";
    let map = lang::Module::parse(text).unwrap().graph("Map").unwrap();
    let parameters = Init::HeNormal.parameters(&map, 0);
    let error = Learner::new(&map, parameters, Recipe::new(sgd, Schedule::constant(0.1)), |_| true).unwrap_err();
    assert_eq!(
        error.to_string(),
        "train: loss of `c`: cross-entropy expects N × classes, the output is f32[1, 2, 4, 4]"
    );
    let samples = Samples::new(Tensor::zeros(&[2, 3, 8, 8]), vec![0]);
    assert_eq!(
        samples.unwrap_err().to_string(),
        "train: images of shape [2, 3, 8, 8] with 1 labels; expected at least one, and a label for each"
    );
}

#[test]
fn rates_rise_and_fall() {
    let rates = |schedule: Schedule, steps: &[u64]| steps.iter().map(|&step| schedule.at(step)).collect::<Vec<_>>();
    let cosine = Schedule { rate: 1.0, warm_up: 4, decay: Decay::Cosine { steps: 12 } };
    assert_eq!(rates(cosine, &[0, 1, 3, 4, 8, 12, 100]), [0.25, 0.5, 1.0, 1.0, 0.5, 0.0, 0.0]);
    let step = Schedule { rate: 2.0, warm_up: 0, decay: Decay::Step { every: 10, factor: 0.5 } };
    assert_eq!(rates(step, &[0, 9, 10, 25]), [2.0, 2.0, 1.0, 0.5]);
    assert_eq!(rates(Schedule::constant(0.1), &[0, 1000]), [0.1, 0.1]);
}

#[test]
fn first_parameters_have_their_variance() {
    let text = "network Wide(image: f32[1, 64, 8, 8]) -> y { image -> c: conv(128, kernel: 3) -> b: batch_norm }";
    let graph = lang::Module::parse(text).unwrap().graph("Wide").unwrap();
    let (fan_in, fan_out) = (64.0 * 9.0, 128.0 * 9.0);
    for (init, variance) in [
        (Init::HeNormal, 2.0 / fan_in),
        (Init::HeUniform, 2.0 / fan_in),
        (Init::GlorotNormal, 2.0 / (fan_in + fan_out)),
        (Init::GlorotUniform, 2.0 / (fan_in + fan_out)),
        (Init::Normal { deviation: 0.1 }, 0.01),
    ] {
        let parameters = init.parameters(&graph, 5);
        let weight = parameters.get("c.weight").unwrap().data();
        let found = weight.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / weight.len() as f64;
        assert!((found / variance - 1.0).abs() < 0.02, "{init:?}: {found}, expected {variance}");
        let bound = (3.0 * variance).sqrt() as f32 * 1.000_01;
        let inside = weight.iter().all(|x| x.abs() <= bound);
        assert_eq!(inside, matches!(init, Init::HeUniform | Init::GlorotUniform), "{init:?}");
        for (name, value) in
            [("c.bias", 0.0), ("b.weight", 1.0), ("b.bias", 0.0), ("b.running_mean", 0.0), ("b.running_var", 1.0)]
        {
            assert!(parameters.get(name).unwrap().data().iter().all(|&x| x == value), "{name}");
        }
        assert_eq!(init.parameters(&graph, 5).get("c.weight").unwrap().data(), weight);
        assert_ne!(init.parameters(&graph, 6).get("c.weight").unwrap().data(), weight);
    }
}

#[test]
fn an_epoch_has_every_sample_once() {
    let mut batches = Batches::new(10, 3);
    assert_eq!(batches.per_epoch(), 3);
    let mut epoch =
        |epoch: u64| (0..3).flat_map(|step| batches.at(1, 3 * epoch + step).to_vec()).collect::<Vec<usize>>();
    let [first, second, again] = [0, 1, 0].map(&mut epoch);
    assert_eq!(first, again);
    assert_ne!(first, second);
    for epoch in [first, second] {
        let mut sorted = epoch.clone();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), 9, "{epoch:?}");
    }
}

#[test]
fn augmented_images_are_moved_or_mirrored() {
    let pixels: Vec<f32> = (1..=9).map(|pixel| pixel as f32).collect();
    let image = Tensor::from_slice(&[1, 1, 3, 3], &pixels).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..300 {
        let mut moved = image.clone();
        Augment { padding: 1, margin: -1.0, flip: true }.apply(&mut moved, &mut Random::new(seed));
        let text: Vec<i32> = moved.data().iter().map(|&x| x as i32).collect();
        // The middle comes from a neighbour of the middle, or from there.
        assert!((1..=9).contains(&text[4]));
        seen.insert(text);
    }
    assert_eq!(seen.len(), 18, "nine places, mirrored or not");
    assert!(seen.contains(&vec![3, 2, 1, 6, 5, 4, 9, 8, 7]) && seen.contains(&vec![-1, -1, -1, -1, 1, 2, -1, 4, 5]));
    let mut same = image.clone();
    Augment { padding: 0, margin: 0.0, flip: false }.apply(&mut same, &mut Random::new(1));
    assert_eq!(same, image);
}

#[test]
fn layers_are_measured_and_far_ones_named() {
    let graph = small(0.0);
    let sgd = Optimizer::Sgd { momentum: 0.0, nesterov: false, decay: 0.0 };
    let recipe = Recipe { monitor: true, ..Recipe::new(sgd, Schedule::constant(0.0)) };
    let mut learner = Learner::new(&graph, parameters(&graph), recipe, |_| true).unwrap();
    learner.learn(&images(0), &classes(0)).unwrap();
    let names: Vec<&str> = learner.layers().iter().map(|layer| layer.name.as_str()).collect();
    assert_eq!(names, ["conv1", "conv2", "fc1", "fc2"]);
    for layer in learner.layers() {
        let norms = [layer.activation, layer.gradient, layer.weight, layer.weight_gradient];
        assert!(norms.iter().all(|norm| *norm > 0.0 && norm.is_finite()), "{layer:?}");
    }
    assert_eq!(warnings(learner.layers()), []);
    let layer = |name: &str, activation, gradient| Layer {
        name: name.to_owned(),
        activation,
        gradient,
        weight: 1.0,
        weight_gradient: 1.0,
    };
    let found = warnings(&[layer("a", 1.0, 1e-6), layer("b", 5e3, 1e-5), layer("c", 2.0, 1.0)]);
    let found: Vec<_> = found.iter().map(|warning| (warning.layer.as_str(), warning.kind)).collect();
    assert_eq!(found, [("a", WarningKind::VanishingGradient), ("b", WarningKind::ExplodingActivation)]);
    let found = warnings(&[layer("a", 1.0, 2e4), layer("b", 1e-4, 1.0)]);
    assert_eq!(found[0].to_string(), "layer `a`: its gradient explodes: 2.0e4 of the last layer's");
    assert_eq!(found[1].kind, WarningKind::VanishingActivation);
}
