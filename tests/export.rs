//! Graphs written as ONNX, run by ONNX Runtime. Needs a Python with onnx and onnxruntime: `python3`, or what
//! `CONVOKE_PYTHON` names; without it these tests say so and pass.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use convoke::compiler::onnx::export::{self, ExportError};
use convoke::compiler::ops::{Case, Op};
use convoke::graph::{Graph, Value, evaluate};
use convoke::synthetic::{self, Constants};
use convoke::{Model, Parameters, Tensor, jit, zoo};

#[path = "../src/bin/convoke/npz.rs"]
#[expect(dead_code, reason = "only writing is needed here")]
mod npz;

/// The interpreter, where it has what the script needs.
fn python() -> Option<String> {
    let python = std::env::var("CONVOKE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let found = Command::new(&python).args(["-c", "import numpy, onnx, onnxruntime"]).output();
    match found {
        Ok(output) if output.status.success() => Some(python),
        _ => {
            println!("skipped: {python} has no onnx and onnxruntime; install them from PyPI, or set CONVOKE_PYTHON");
            None
        }
    }
}

/// An empty folder for the files of one test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("export").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Runs the script on the files of a folder.
fn check(python: &str, folder: &Path) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/export/check.py");
    let output = Command::new(python).arg(script).arg(folder).output().unwrap();
    let report = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
}

/// Writes a graph, the inputs, and what they are to give.
fn write(
    folder: &Path,
    name: &str,
    onnx: &[u8],
    inputs: &[(String, &Tensor)],
    outputs: &[(String, &Tensor)],
    tolerance: f32,
) {
    let tolerance = Tensor::from_vec(&[], vec![tolerance]).unwrap();
    let tensors = [inputs, outputs, &[("tolerance".to_owned(), &tolerance)]].concat();
    fs::write(folder.join(name).with_extension("onnx"), onnx).unwrap();
    npz::write(&folder.join(name).with_extension("npz"), &tensors).unwrap();
}

/// The graph of a case: its operands, the operator, an output for each result; inputs and parameters.
fn graph_of(case: &Case) -> (Graph, Vec<(String, Tensor)>, Parameters) {
    let mut graph = Graph::new("case");
    let mut edit = graph.edit();
    let (mut operands, mut inputs, mut parameters) = (Vec::new(), Vec::new(), Vec::new());
    for ((index, operand), tensor) in case.operands.iter().enumerate().zip(case.tensors()) {
        let (name, ty) = (format!("x{index}"), operand.ty.clone());
        if operand.weight {
            operands.push(edit.parameter(&name, ty));
            parameters.push((name, tensor));
        } else {
            operands.push(edit.input(&name, ty));
            inputs.push((name, tensor));
        }
    }
    let node = edit.op("node", case.op.clone(), &operands).unwrap();
    for output in 0..edit.graph().node(node).types.len() {
        edit.output(format!("y{output}"), Value { node, output: output as u16 });
    }
    (graph, inputs, Parameters::from_tensors(parameters))
}

#[test]
fn every_operator_means_the_same_in_onnx_runtime() {
    let Some(python) = python() else { return };
    let folder = folder("operators");
    let mut refused = BTreeSet::new();
    for (index, case) in Op::cases().iter().enumerate() {
        let (graph, inputs, parameters) = graph_of(case);
        let place = format!("{} `{}`", case.op.name(), case.name);
        let onnx = match export::export(&graph, &parameters) {
            Ok(onnx) => onnx,
            Err(ExportError::Unsupported(nodes)) => {
                refused.insert(nodes[0].operator);
                continue;
            }
            Err(error) => panic!("{place}: {error}"),
        };
        let tensors: Vec<_> = inputs.iter().map(|(_, tensor)| tensor.clone()).collect();
        let expected = evaluate::evaluate(&graph, &tensors, &parameters).unwrap();
        let inputs: Vec<_> = inputs.iter().map(|(name, tensor)| (format!("in:{name}"), tensor)).collect();
        let outputs = (0..).zip(&expected).map(|(index, tensor)| (format!("out:y{index}"), tensor)).collect::<Vec<_>>();
        // Where a case of ours is within 1e-6, other arithmetic may round otherwise.
        write(&folder, &format!("{} {index}", case.op.name()), &onnx, &inputs, &outputs, case.tolerance.max(1e-5));
    }
    check(&python, &folder);
    println!("ONNX has no form for {refused:?}");
    // Those that have had a form keep it.
    assert!(Op::NAMES.len() - refused.len() >= 23, "ONNX has no form for {refused:?}");
}

#[test]
fn networks_give_the_same_in_onnx_runtime() {
    let Some(python) = python() else { return };
    let folder = folder("networks");
    for name in ["efficientnet_lite0", "lenet5", "mobilenet_v1", "mobilenet_v2"] {
        let graph = zoo::find(name).unwrap().graph().unwrap();
        let shapes = graph.parameters();
        let shapes = shapes.iter().map(|(name, ty)| (name.as_str(), ty.shape.as_slice()));
        let parameters = synthetic::parameters(shapes, Constants::default());
        let onnx = export::export(&graph, &parameters).unwrap();
        let input = synthetic::input(&graph.type_of(graph.inputs()[0].into()).shape);
        let mut model = Model::new(jit::compile(&graph).unwrap(), &parameters).unwrap();
        let output = &model.run(&[&input]).unwrap()[0];
        write(&folder, name, &onnx, &[("in:image".to_owned(), &input)], &[("out:logits".to_owned(), output)], 1e-5);
    }
    check(&python, &folder);
}
