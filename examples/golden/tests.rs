//! The example as a whole.

use std::fs;
use std::path::Path;

use convoke::graph::evaluate;

use super::*;
use crate::checkpoints::Difference;
use crate::reference::Checkpoint;

/// The networks of the zoo that have a reference output.
const MODELS: [&str; 3] = ["lenet5", "mobilenet_v1", "mobilenet_v2"];

#[test]
fn networks_agree_with_pytorch() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/goldens");
    for model in MODELS {
        let path = folder.join(model).with_extension("json");
        if !path.exists() {
            println!("skipped: there is no {}", path.display());
            continue;
        }
        let mut out = Vec::new();
        let agrees = check(&path, &mut out).unwrap_or_else(|error| panic!("{model}: {error}"));
        let out = String::from_utf8(out).unwrap();
        assert!(agrees, "{out}");
        let lines: Vec<_> = out.lines().map(|line| line.split(' ').collect::<Vec<_>>()).collect();
        let found: Vec<_> = lines.iter().map(|line| (line[0], line[1])).collect();
        assert_eq!(found, [(model, "rust"), (model, "jit")]);
        assert!(lines.iter().all(|line| line[2].parse::<f32>().unwrap() <= TOLERANCE), "{out}");
    }
}

/// LeNet-5 with the formula's parameters: graph, parameters, image.
fn lenet5() -> (convoke::Graph, Parameters, Tensor) {
    let entry = zoo::find("lenet5").unwrap();
    let constants = Constants { gain: 1.0, gamma: 1.0 };
    let parameters = (entry.network)().parameters.iter().map(|info| (&*info.name, &*info.shape));
    let parameters = synthetic::parameters(parameters, constants);
    (entry.graph().unwrap(), parameters, synthetic::input(&[1, 1, 32, 32]))
}

/// The checkpoint that this tensor passes.
fn checkpoint(module: &str, value: &Tensor) -> Checkpoint {
    let data = value.data();
    let (mean, squares) = data.iter().fold((0.0, 0.0), |(sum, squares), &value| {
        let value = f64::from(value);
        (sum + value / data.len() as f64, squares + value * value)
    });
    let variance = (squares - data.len() as f64 * mean * mean) / (data.len() - 1) as f64;
    let first = data.iter().take(8).copied().collect();
    Checkpoint { module: module.to_owned(), shape: value.shape().to_vec(), mean, std: variance.sqrt(), first }
}

#[test]
fn the_first_checkpoint_that_differs_is_named() {
    let (graph, parameters, image) = lenet5();
    let trace = evaluate::trace(&graph, std::slice::from_ref(&image), &parameters).unwrap();
    let modules = ["conv1", "conv2", "conv3", "fc1", "fc2"];
    let values = modules.map(|module| checkpoint(module, &trace.find(module).unwrap()[0]));
    // Modules that run twice, or have no node, are not compared.
    let mut checkpoints: Vec<Checkpoint> =
        ["act", "act", "drop"].map(|module| checkpoint(module, &Tensor::zeros(&[1, 2]))).into();
    checkpoints.extend(values);
    let locate =
        |checkpoints: &[Checkpoint]| checkpoints::locate(&graph, checkpoints, &parameters, &image, 1.0).unwrap();
    assert_eq!(locate(&checkpoints), Verdict::Agree { compared: 5 });

    let changes: [fn(&mut Checkpoint); 4] = [
        |checkpoint| checkpoint.first[3] += 0.01,
        |checkpoint| checkpoint.mean -= 0.01,
        |checkpoint| checkpoint.std *= 1.01,
        |checkpoint| checkpoint.shape = vec![120],
    ];
    for change in changes {
        let [.., conv3, _, fc2] = &mut checkpoints[..] else { panic!("there are eight") };
        let before = (conv3.clone(), fc2.clone());
        change(conv3);
        change(fc2);
        let verdict = locate(&checkpoints);
        let [.., conv3, _, fc2] = &mut checkpoints[..] else { panic!("there are eight") };
        (*conv3, *fc2) = before;
        match verdict {
            Verdict::Network(Difference { module, before: 2, .. }) => assert_eq!(module, "conv3"),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_network_that_is_another_is_refused() {
    let entry = zoo::find("lenet5").unwrap();
    let folder = std::env::temp_dir().join(format!("convoke-golden-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let path = folder.join("reference.json");
    let message = |model: &str, macs: u64, tensors: &str| {
        let text = format!(
            r#"{{"model": "{model}", "input": [1, 1, 32, 32], "gain": 1.0, "gamma": 1.0, "macs": {macs},
            "parameters": 61706, "output_shape": [1, 1], "output": [0.0], "checkpoints": [], "tensors": {tensors}}}"#
        );
        fs::write(&path, text).unwrap();
        check(&path, &mut Vec::new()).unwrap_err().to_string()
    };
    let unknown = message("lenet6", 1, "{}");
    let counts = message("lenet5", entry.macs + 1, "{}");
    fs::remove_dir_all(&folder).unwrap();
    assert!(unknown == "there is no network `lenet6` in the zoo; the nearest are lenet5", "{unknown}");
    for part in [
        "outputs: expected [[1, 1]], found [[1, 10]]",
        "multiply-accumulates of the type: expected 416521, found 416520",
        "multiply-accumulates of the graph: expected 416521, found 416520",
    ] {
        assert!(counts.contains(part), "{counts:?} lacks {part:?}");
    }
    assert!(!counts.contains("trained parameters"), "{counts}");
}
