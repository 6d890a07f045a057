//! The example as a whole.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use convoke::runtime::network::ValueInfo;
use convoke::zoo::EfficientNetLite0;
use convoke::{Parameters, Tensor};
use serde::Deserialize;
use serde_json::Value;

use super::*;

/// A photo's line in the file of expected results.
#[derive(Deserialize)]
struct Expected {
    top5: Vec<Value>,
    logits: Vec<f32>,
}

/// Trained weights, photos, and what PyTorch computes from them.
#[test]
fn logits_are_pytorchs() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/data/efficientnet_lite0");
    let Ok(text) = fs::read_to_string(data.join("expected.json")) else {
        println!("skipped: there are no weights in {}", data.display());
        return;
    };
    let expected: BTreeMap<String, Expected> = serde_json::from_str(&text).unwrap();
    for backend in [Backend::Rust, Backend::Jit] {
        let arguments = Arguments {
            folder: data.join("photos"),
            weights: data.join("efficientnet_lite0.safetensors"),
            labels: data.join("imagenet_labels.txt"),
            json: true,
            backend,
        };
        let (mut out, mut log) = (Vec::new(), Vec::new());
        assert_eq!(run(&arguments, &mut out, &mut log).unwrap(), 0);
        let lines: Vec<Value> = serde_json::Deserializer::from_slice(&out).into_iter().map(Result::unwrap).collect();
        assert_eq!(lines.len(), expected.len());
        for line in lines {
            let expected = &expected[line["file"].as_str().unwrap()];
            let logits: Vec<f32> = serde_json::from_value(line["logits"].clone()).unwrap();
            assert_eq!(logits.len(), expected.logits.len());
            let largest = expected.logits.iter().fold(0.0_f32, |largest, logit| largest.max(logit.abs()));
            for (found, expected) in logits.iter().zip(&expected.logits) {
                assert!((found - expected).abs() <= 1e-4 * largest, "{backend:?}: {found} is not {expected}");
            }
            for (found, expected) in line["top5"].as_array().unwrap().iter().zip(&expected.top5) {
                assert_eq!((&found["index"], &found["label"]), (&expected["index"], &expected["label"]));
                let [found, expected] = [found, expected].map(|class| class["probability"].as_f64().unwrap());
                assert!((found - expected).abs() < 1e-4, "{found} is not {expected}");
            }
        }
    }
}

/// A network of zeros, for which all classes are alike.
fn zeros() -> Classifier {
    let zeros = |ValueInfo { name, shape, .. }: &ValueInfo| (name.to_string(), Tensor::zeros(shape));
    let network = EfficientNetLite0::network();
    let parameters = Parameters::from_tensors(network.parameters.iter().map(zeros));
    Classifier::new(Backend::Rust, &parameters).unwrap()
}

#[test]
fn a_broken_photo_stops_no_other() {
    let folder = std::env::temp_dir().join(format!("convoke-photos-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    image::RgbImage::new(30, 20).save(folder.join("a.png")).unwrap();
    fs::write(folder.join("b.jpg"), b"no photo at all").unwrap();
    let mut truncated = fs::read(folder.join("a.png")).unwrap();
    truncated.truncate(truncated.len() / 2);
    fs::write(folder.join("c.PNG"), truncated).unwrap();
    image::RgbImage::new(224, 224).save(folder.join("d.jpeg")).unwrap();
    fs::write(folder.join("notes.txt"), b"not looked at").unwrap();

    let classes = Classes::new((0..Classes::COUNT).map(|index| format!("class {index}")).collect()).unwrap();
    let (mut out, mut log) = (Vec::new(), Vec::new());
    let files = photo::files(&folder).unwrap();
    let broken = name_all(&files, &mut zeros(), &classes, false, &mut out, &mut log).unwrap();
    fs::remove_dir_all(&folder).unwrap();

    assert_eq!(broken, 2);
    let out = String::from_utf8(out).unwrap();
    let guess = (0..5).map(|index| format!("    0.1 %  class {index}\n")).collect::<String>();
    assert_eq!(out, format!("a.png\n{guess}d.jpeg\n{guess}"));
    let log = String::from_utf8(log).unwrap();
    for part in ["b.jpg: ", "c.PNG: ", "2 of 4 photos could not be read"] {
        assert!(log.contains(part), "{log:?} lacks {part:?}");
    }
}

#[test]
fn files_that_do_not_fit_are_named() {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml");
    let arguments = |labels: &Path, weights: &Path| Arguments {
        folder: manifest.clone(),
        weights: weights.to_owned(),
        labels: labels.to_owned(),
        json: false,
        backend: Backend::Rust,
    };
    let message = |arguments: &Arguments| run(arguments, &mut Vec::new(), &mut Vec::new()).unwrap_err().to_string();
    let error = message(&arguments(Path::new("no/labels.txt"), &manifest));
    assert!(error.starts_with("no/labels.txt: "), "{error}");
    let error = message(&arguments(&manifest, &manifest));
    assert!(error.contains("Cargo.toml: expected 1000 lines, one for each class, found "), "{error}");
}
