//! Networks that others have exported, against the results of their own frameworks: `../shared/data/onnx/NAME.onnx` with
//! `NAME.npz`, which holds arrays `in:INPUT` and `out:OUTPUT`.

#![cfg(all(feature = "onnx", feature = "jit"))]

use std::fs::File;
use std::path::Path;

use convoke_compiler::backend::jit;
use convoke_compiler::lower::Target;
use convoke_compiler::{compile, onnx};
use convoke_runtime::Tensor;
use npyz::{NpyFile, npz};
use zip::ZipArchive;

/// The largest difference, relative to the largest value of the output.
const TOLERANCE: f32 = 1e-4;

/// The arrays of a file whose names begin with `prefix`, without it.
fn arrays(path: &Path, prefix: &str) -> Vec<(String, Tensor)> {
    let file = File::open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut archive = ZipArchive::new(file).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut arrays = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).expect("it is listed");
        let file = entry.name().expect("it has a name").into_owned();
        let Some(name) = npz::array_name_from_file_name(&file).and_then(|name| name.strip_prefix(prefix)) else {
            continue;
        };
        let array = NpyFile::new(entry).unwrap_or_else(|error| panic!("{}, {name}: {error}", path.display()));
        let shape: Vec<usize> = array.shape().iter().map(|&size| size as usize).collect();
        let elements = array.into_vec::<f32>().unwrap_or_else(|error| panic!("{}, {name}: {error}", path.display()));
        let tensor = Tensor::from_vec(&shape, elements).expect("as many as the shape has");
        arrays.push((name.to_owned(), tensor));
    }
    arrays
}

/// Runs one model; its largest relative difference from what is expected.
fn run(model: &Path) -> Result<f32, String> {
    let npz = model.with_extension("npz");
    let (inputs, expected) = (arrays(&npz, "in:"), arrays(&npz, "out:"));
    let file = onnx::File::open(model).map_err(|error| error.to_string())?;
    let binding =
        inputs.iter().fold(onnx::Binding::new(), |binding, (name, tensor)| binding.shape(name, tensor.shape()));
    let onnx::Imported { graph, parameters } = file.import(&binding).map_err(|error| error.to_string())?;
    let program = compile(&graph, &Target::host()).map_err(|error| error.to_string())?;
    let compiled = jit::compile(&program).map_err(|error| error.to_string())?;
    let mut model = compiled.model(&parameters).map_err(|error| error.to_string())?;
    let inputs: Vec<&Tensor> = file
        .inputs()
        .iter()
        .map(|input| inputs.iter().find(|(name, _)| *name == input.name).map(|(_, tensor)| tensor))
        .collect::<Option<_>>()
        .ok_or("an input is not given")?;
    let found = model.run(&inputs).map_err(|error| error.to_string())?;
    let mut worst = 0.0_f32;
    for (name, expected) in &expected {
        let place = file.outputs().iter().position(|output| output == name).ok_or("there is no such output")?;
        if found[place].shape() != expected.shape() {
            return Err(format!("output `{name}` is {:?}, expected {:?}", found[place].shape(), expected.shape()));
        }
        let largest = expected.data().iter().fold(0.0_f32, |largest, x| largest.max(x.abs()));
        for (found, expected) in found[place].data().iter().zip(expected.data()) {
            let difference = (found - expected).abs() / largest;
            worst = if difference <= worst { worst } else { difference };
        }
    }
    Ok(worst)
}

#[test]
fn agree_with_their_frameworks() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/data/onnx");
    let Ok(entries) = std::fs::read_dir(&folder) else {
        println!("skipped: there is no {}", folder.display());
        return;
    };
    let mut models: Vec<_> = entries.map(|entry| entry.expect("the folder lists").path()).collect();
    models.retain(|path| path.extension().is_some_and(|extension| extension == "onnx"));
    models.sort();
    let mut failures = Vec::new();
    for model in &models {
        let name = model.file_stem().unwrap_or_default().display().to_string();
        match run(model) {
            Ok(worst) if worst <= TOLERANCE => println!("{name}: {worst:.1e}"),
            Ok(worst) => failures.push(format!("{name}: differs by {worst:.1e}")),
            Err(error) => failures.push(format!("{name}: {error}")),
        }
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), models.len(), failures.join("\n"));
    assert!(!models.is_empty(), "{} has no models", folder.display());
}
