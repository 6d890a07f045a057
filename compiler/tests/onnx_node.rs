//! The node tests of the ONNX project, in the interpreter and as machine code, against `tests/onnx_node/cases.txt`, which
//! says of each case whether it passes. `tests/onnx_node/dump.py target/onnx_node` writes them; without them, this test
//! is skipped. `CONVOKE_BLESS=1` writes what is found to the list.

#![cfg(all(feature = "onnx", feature = "jit"))]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic;
use std::path::{Path, PathBuf};
use std::thread;

use convoke_compiler::backend::{interp, jit};
use convoke_compiler::lower::Target;
use convoke_compiler::onnx::{Binding, Constant, Elements, Error, File, Imported};
use convoke_compiler::{compile, lir};
use convoke_runtime::Tensor;

/// More rounds than any model has inputs that shapes depend on.
const ROUNDS: usize = 8;

/// The tensors of a case, `KIND_0.pb` and so on.
fn tensors(case: &Path, kind: &str) -> Result<Vec<Constant>, String> {
    let mut tensors = Vec::new();
    while let Ok(bytes) = fs::read(case.join(format!("{kind}_{}.pb", tensors.len()))) {
        if bytes.is_empty() {
            return Err(format!("{kind} {} is no tensor", tensors.len()));
        }
        tensors.push(Constant::decode(&bytes).map_err(|error| format!("{kind} {}: {error}", tensors.len()))?);
    }
    Ok(tensors)
}

/// The tensor as a run takes it.
fn run_time(constant: &Constant) -> Result<Tensor, String> {
    match &constant.elements {
        Elements::F32(floats) => Ok(Tensor::clone(floats)),
        Elements::I64(tensor) => tensor.to_f32().map_err(|error| error.to_string()),
        Elements::Bool(tensor) => Ok(tensor.to_f32()),
    }
}

/// Imports the model; inputs that its structure depends on become constants.
fn import(file: &File, inputs: &[Constant]) -> Result<(Imported, Vec<String>), String> {
    let mut binding = Binding::new();
    let mut bound: Vec<String> = Vec::new();
    for (input, constant) in file.inputs().iter().zip(inputs) {
        binding = binding.shape(&input.name, constant.shape());
    }
    for _ in 0..ROUNDS {
        let error = match file.import(&binding) {
            Ok(imported) => return Ok((imported, bound)),
            Err(error) => error,
        };
        let needs: Vec<String> = error.needs().into_iter().map(str::to_owned).collect();
        if needs.is_empty() {
            return Err(reason(&error));
        }
        for name in needs {
            let place = file.inputs().iter().position(|input| input.name == name).ok_or("it is no input")?;
            binding = binding.constant(&name, inputs[place].clone());
            bound.push(name);
        }
    }
    Err("needs more and more constants".to_owned())
}

/// Why the first of its nodes is not supported, in a line.
fn reason(error: &Error) -> String {
    match error {
        Error::Unsupported { nodes, .. } => format!("{}: {}", nodes[0].operator, nodes[0].why.reason),
        Error::Invalid { place, message, .. } => format!("{place}: {message}"),
        other => other.to_string(),
    }
}

/// Runs a case; why it does not pass.
fn run(case: &Path) -> Result<(), String> {
    let file = fs::read(case.join("model.onnx")).map_err(|error| error.to_string())?;
    let file = File::from_bytes(file, []).map_err(|error| reason(&error))?;
    let (inputs, expected) = (tensors(case, "input")?, tensors(case, "output")?);
    let (Imported { graph, parameters }, bound) = import(&file, &inputs)?;
    let program = compile(&graph, &Target::host()).map_err(|error| error.to_string())?;
    lir::verify(&program).map_err(|error| error.to_string())?;
    let free = file.inputs().iter().zip(&inputs).filter(|(input, _)| !bound.contains(&input.name));
    let inputs: Vec<Tensor> = free.map(|(_, constant)| run_time(constant)).collect::<Result<_, _>>()?;
    let inputs: Vec<&Tensor> = inputs.iter().collect();
    let found = interp::run(&program, &inputs, &parameters).map_err(|error| error.to_string())?;
    let compiled = jit::compile(&program).map_err(|error| error.to_string())?;
    let mut model = compiled.model(&parameters).map_err(|error| error.to_string())?;
    let machine = model.run(&inputs).map_err(|error| error.to_string())?;
    let same = |(a, b): (&f32, &f32)| a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan());
    if !machine.iter().zip(&found).all(|(a, b)| a.data().iter().zip(b.data()).all(same)) {
        return Err("machine code and interpreter disagree".to_owned());
    }
    compare(case, &found, &expected)
}

fn compare(case: &Path, found: &[Tensor], expected: &[Constant]) -> Result<(), String> {
    let text = fs::read_to_string(case.join("tolerance.txt")).map_err(|error| error.to_string())?;
    let tolerances: Vec<f32> = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [relative, absolute] = tolerances[..] else { return Err("has no tolerance".to_owned()) };
    for (output, (found, expected)) in found.iter().zip(expected).enumerate() {
        if found.shape() != expected.shape() {
            return Err(format!("output {output} is {:?}, expected {:?}", found.shape(), expected.shape()));
        }
        let exact = !matches!(expected.elements, Elements::F32(_));
        let expected = run_time(expected)?;
        // As numpy's `assert_allclose`.
        let close = |(a, b): (&f32, &f32)| {
            a == b || (a.is_nan() && b.is_nan()) || (!exact && (a - b).abs() <= absolute + relative * b.abs())
        };
        if let Some(element) = found.data().iter().zip(expected.data()).position(|pair| !close(pair)) {
            return Err(format!(
                "output {output} is {} at {element}, expected {}",
                found.data()[element],
                expected.data()[element]
            ));
        }
    }
    Ok(())
}

/// What becomes of each case, by all cores.
fn run_all(cases: &[PathBuf]) -> BTreeMap<&Path, Result<(), String>> {
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let caught = |case| {
        let found = panic::catch_unwind(|| run(case)).unwrap_or_else(|_| Err("a panic".to_owned()));
        found.map_err(|reason| reason.lines().next().unwrap_or_default().to_owned())
    };
    let share =
        |first| cases.iter().skip(first).step_by(threads).map(|case| (&**case, caught(case))).collect::<Vec<_>>();
    thread::scope(|scope| {
        let shares: Vec<_> = (0..threads).map(|first| scope.spawn(move || share(first))).collect();
        shares.into_iter().flat_map(|share| share.join().expect("panics are caught")).collect()
    })
}

/// What the list says of each case: nothing, or why it is not supported.
fn listed(list: &str) -> BTreeMap<String, Option<String>> {
    let line = |line: &str| match line.split_once(" unsupported: ") {
        Some((name, reason)) => (name.to_owned(), Some(reason.to_owned())),
        None => (line.trim_end_matches(" pass").to_owned(), None),
    };
    list.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).map(line).collect()
}

#[test]
fn cases_pass_that_are_said_to() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let folder = root.join("target/onnx_node");
    let Ok(entries) = fs::read_dir(&folder) else {
        println!("skipped: there is no {}; tests/onnx_node/dump.py writes it", folder.display());
        return;
    };
    let mut cases: Vec<PathBuf> = entries.map(|entry| entry.expect("the folder lists").path()).collect();
    cases.sort();
    let name = |case: &Path| case.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let path = root.join("tests/onnx_node/cases.txt");
    let mut list = listed(&fs::read_to_string(&path).unwrap_or_default());
    let only = std::env::var("CONVOKE_CASE").ok();
    if let Some(only) = &only {
        cases.retain(|case| name(case).contains(only));
        list.retain(|name, _| name.contains(only));
    }
    let (mut failures, mut blessed, mut passed) = (String::new(), String::new(), 0);
    for (case, found) in run_all(&cases) {
        let name = name(case);
        passed += usize::from(found.is_ok());
        let line = match &found {
            Ok(()) => format!("{name} pass"),
            Err(reason) => format!("{name} unsupported: {reason}"),
        };
        let _ = writeln!(blessed, "{line}");
        match (list.remove(&name), found) {
            (Some(None), Ok(())) | (Some(Some(_)), Err(_)) => {}
            (Some(None), Err(_)) | (None, _) => _ = writeln!(failures, "{line}"),
            (Some(Some(_)), Ok(())) => _ = writeln!(failures, "{name} passes now"),
        }
    }
    failures.extend(list.keys().map(|name| format!("{name} is listed, and no case\n")));
    println!("{passed} of {} pass", cases.len());
    if only.is_none() && std::env::var_os("CONVOKE_BLESS").is_some() {
        fs::write(&path, blessed).expect("the list can be written");
    } else {
        assert!(failures.is_empty(), "{failures}CONVOKE_BLESS=1 writes {}\n", path.display());
    }
}
