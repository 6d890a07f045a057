//! Attacks against torchattacks' results, which `tests/adversarial/make.py` writes; and what holds of every attack.

use std::collections::BTreeMap;
use std::path::Path;

use convoke::adversarial::{DeepFool, Error, Goal, Steps, Victim};
use convoke::{Graph, Parameters, Tensor, agreement, lang, zoo};
use serde::Deserialize;

#[derive(Deserialize)]
struct Reference {
    /// 28 × 28 bytes each.
    digits: Vec<Vec<u8>>,
    labels: Vec<usize>,
    attacks: BTreeMap<String, Vec<Row>>,
}

#[derive(Deserialize)]
struct Row {
    /// Every sixteenth pixel from the eighth on.
    pixels: Vec<f32>,
    norm: f32,
    logits: Vec<f32>,
}

const STEPS: Steps = Steps { epsilon: 0.1, alpha: 0.02, count: 8 };
const LONG: Steps = Steps { epsilon: 1.5, alpha: 0.3, count: 8 };

fn lenet() -> (Graph, Parameters) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/digits/lenet5.safetensors");
    (zoo::find("lenet5").unwrap().graph().unwrap(), Parameters::load(path).unwrap())
}

fn reference() -> Reference {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adversarial/lenet5.json");
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// A digit in the middle of 32 × 32 pixels, 0 to 1.
fn image(digit: &[u8]) -> Tensor {
    let mut image = Tensor::zeros(&[1, 1, 32, 32]);
    for (row, bytes) in digit.chunks(28).enumerate() {
        let start = (row + 2) * 32 + 2;
        for (pixel, &byte) in image.data_mut()[start..start + 28].iter_mut().zip(bytes) {
            *pixel = f32::from(byte) / 255.0;
        }
    }
    image
}

fn distances(a: &Tensor, b: &Tensor) -> [f32; 2] {
    let differences = || a.data().iter().zip(b.data()).map(|(a, b)| a - b);
    [differences().map(f32::abs).fold(0.0, f32::max), differences().map(|x| x * x).sum::<f32>().sqrt()]
}

#[test]
fn attacks_are_torchattacks() {
    let (graph, parameters) = lenet();
    let mut victim = Victim::new(&graph, &parameters).unwrap();
    let mut deepfool = DeepFool::new(&graph, &parameters).unwrap();
    let Reference { digits, labels, attacks } = reference();
    assert_eq!(attacks.len(), 7);
    for (index, (digit, &label)) in digits.iter().zip(&labels).enumerate() {
        let (image, other) = (image(digit), [(label + 1) % 10]);
        let (away, towards) = (Goal::Away(std::slice::from_ref(&labels[index])), Goal::Towards(&other));
        for (name, rows) in &attacks {
            let moved = match name.as_str() {
                "fgsm" => victim.fgsm(&image, away, 0.1),
                "fgsm towards" => victim.fgsm(&image, towards, 0.1),
                "bim" => victim.bim(&image, away, STEPS),
                "pgd" => victim.pgd(&image, away, STEPS, None),
                "pgd towards" => victim.pgd(&image, towards, STEPS, None),
                "pgd_l2" => victim.pgd_l2(&image, away, LONG, None),
                "deepfool" => deepfool.attack(&image, label),
                _ => panic!("{name} is unknown"),
            };
            let (moved, row) = (moved.unwrap(), &rows[index]);
            let pixels: Vec<f32> = moved.data().iter().skip(7).step_by(16).copied().collect();
            let logits = victim.logits(&moved).unwrap();
            for (found, expected) in [(&pixels[..], &row.pixels), (logits.data(), &row.logits)] {
                assert_eq!(found.len(), expected.len());
                let error = agreement::error(found, expected);
                assert!(error < 1e-4, "{name} of digit {index}: {error:e} of the largest of {expected:?}");
            }
            let [_, norm] = distances(&moved, &image);
            assert!((norm - row.norm).abs() < 1e-4, "{name} of digit {index}: {norm}, expected {}", row.norm);
        }
    }
}

#[test]
fn random_starts_repeat_and_stay_in_the_ball() {
    let (graph, parameters) = lenet();
    let mut victim = Victim::new(&graph, &parameters).unwrap();
    let Reference { digits, labels, .. } = reference();
    let (image, goal) = (image(&digits[0]), Goal::Away(&labels[..1]));
    for steps in [Steps { count: 0, ..STEPS }, STEPS] {
        let mut found = [1, 1, 2].map(|seed| victim.pgd(&image, goal, steps, Some(seed)).unwrap());
        assert_eq!(found[0], found[1]);
        assert_ne!(found[0], found[2]);
        assert!(found.iter().all(|moved| distances(moved, &image)[0] <= steps.epsilon * 1.000_001));
        found = [1, 1, 2]
            .map(|seed| victim.pgd_l2(&image, goal, Steps { count: steps.count, ..LONG }, Some(seed)).unwrap());
        assert_eq!(found[0], found[1]);
        assert_ne!(found[0], found[2]);
        assert!(found.iter().all(|moved| distances(moved, &image)[1] <= LONG.epsilon * 1.000_01));
        let all = found.iter().flat_map(|moved| moved.data());
        assert!(all.copied().all(|pixel| (0.0..=1.0).contains(&pixel)));
    }
}

#[test]
fn says_what_does_not_fit() {
    let (graph, parameters) = lenet();
    let mut victim = Victim::new(&graph, &parameters).unwrap();
    let image = Tensor::zeros(&[1, 1, 32, 32]);
    let message = |result: Result<Tensor, Error>| result.unwrap_err().to_string();
    assert_eq!(
        message(victim.fgsm(&image, Goal::Away(&[10]), 0.1)),
        "adversarial: expected 1 classes below 10, found [10]"
    );
    assert_eq!(
        message(victim.fgsm(&image, Goal::Away(&[1]), f32::NAN)),
        "adversarial: `epsilon` expects a finite number of at least 0, found NaN"
    );
    assert!(message(victim.fgsm(&Tensor::zeros(&[1, 1, 28, 28]), Goal::Away(&[1]), 0.1)).contains("[1, 1, 32, 32]"));
    let text = "network Grey(image: f32[1, 3, 4, 4]) -> y { image -> global_avg_pool }";
    let graph = lang::Module::parse(text).unwrap().graph("Grey").unwrap();
    assert_eq!(
        Victim::new(&graph, &Parameters::default()).unwrap_err().to_string(),
        "adversarial: `Grey` expects one input N C H W and one output N classes, has f32[1, 3, 4, 4] and f32[1, 3, 1, 1]"
    );
}
