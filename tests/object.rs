//! C programs that run networks from object files. Needs gcc and cargo; says so where there is none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use convoke::compiler::lower::Target;
use convoke::compiler::onnx::export;
use convoke::runtime::Isa;
use convoke::synthetic::{self, Constants};
use convoke::{Graph, Model, Parameters, Tensor, jit, zoo};

/// Reads the input from standard input and writes the output; before, is refused all that is wrong to ask for.
const MAIN: &str = r#"
#include <stdio.h>
#include <string.h>
#include "network.h"

static int refused(int failed, const char *why) {
    int told = failed && strstr(convoke_error(), why);
    if (!told) fprintf(stderr, "expected an error with `%s`, found `%s`\n", why, convoke_error());
    return told;
}

int main(int count, char **arguments) {
    static float in[NETWORK_input_0], out[NETWORK_output_0];
    const float *inputs[] = {in}, *no_inputs[] = {NULL};
    float *outputs[] = {out}, *no_outputs[] = {NULL};
    if (count != 2 || *convoke_error()) return 1;
    convoke_free(NULL);
    if (!refused(!convoke_load(NULL, arguments[1], 1), "network is null")) return 2;
    if (!refused(!convoke_load(&NETWORK, NULL, 1), "path of the parameters is null")) return 2;
    if (!refused(!convoke_load(&NETWORK, "missing.safetensors", 1), "missing.safetensors")) return 2;
    if (!refused(!convoke_load_bytes(&NETWORK, (const unsigned char *)"no", 2, 1), "2 bytes")) return 2;
    struct convoke_model *model = convoke_load(&NETWORK, arguments[1], 0);
    if (!model) return fprintf(stderr, "%s\n", convoke_error()), 3;
    if (fread(in, sizeof in, 1, stdin) != 1) return 4;
    if (!refused(convoke_run(NULL, inputs, outputs), "model is null")) return 2;
    if (!refused(convoke_run(model, NULL, outputs), "`inputs` is null")) return 2;
    if (!refused(convoke_run(model, no_inputs, outputs), "`inputs[0]` is null")) return 2;
    if (!refused(convoke_run(model, inputs, no_outputs), "`outputs[0]` is null")) return 2;
    if (convoke_run(model, inputs, outputs)) return fprintf(stderr, "%s\n", convoke_error()), 5;
    fwrite(out, sizeof out, 1, stdout);
    convoke_free(model);
    return 0;
}
"#;

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("object").join(name);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The runtime's static library, where there is a compiler of C to link it.
fn library() -> Option<&'static Path> {
    static LIBRARY: LazyLock<PathBuf> = LazyLock::new(|| {
        let target = folder("target");
        run(Command::new(env!("CARGO"))
            .args(["rustc", "--release", "-p", "convoke-runtime", "--features", "object", "--crate-type", "staticlib"])
            .arg("--target-dir")
            .arg(&target)
            .current_dir(env!("CARGO_MANIFEST_DIR")));
        target.join("release/libconvoke_runtime.a")
    });
    if Command::new("gcc").arg("--version").output().is_err() {
        println!("skipped: there is no gcc");
        return None;
    }
    Some(&LIBRARY)
}

/// What C gets from `network`, as `convoke build` reads it, on the input; its parameters are in the file `weights`.
fn c_gives(
    folder: &Path,
    library: &Path,
    symbol: &str,
    network: &str,
    isa: Isa,
    weights: &Path,
    input: &Tensor,
) -> Vec<u32> {
    run(Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["build", network, "--isa", isa.name(), "--emit", "object", "--out"])
        .arg(folder.join("network.o")));
    fs::write(folder.join("main.c"), MAIN.replace("NETWORK", symbol)).unwrap();
    run(Command::new("gcc")
        .args(["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror", "-Wl,--fatal-warnings"])
        .args(["-o", "main", "main.c", "network.o"])
        .arg(library)
        .args(["-lm", "-lpthread", "-ldl"])
        .current_dir(folder));
    let bytes = input.data().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>();
    fs::write(folder.join("input"), bytes).unwrap();
    let stdin = fs::File::open(folder.join("input")).unwrap();
    let bytes = run(Command::new(folder.join("main")).arg(weights).stdin(stdin));
    bytes.chunks_exact(4).map(|bytes| u32::from_le_bytes(bytes.try_into().unwrap())).collect()
}

fn bits(tensor: &Tensor) -> Vec<u32> {
    tensor.data().iter().map(|value| value.to_bits()).collect()
}

/// The parameters of a graph, by the formula.
fn parameters(graph: &Graph) -> Parameters {
    let shapes = graph.parameters();
    synthetic::parameters(shapes.iter().map(|(name, ty)| (name.as_str(), ty.shape.as_slice())), Constants::default())
}

#[test]
fn c_gets_the_bits_of_the_jit() {
    let Some(library) = library() else { return };
    for isa in Isa::ALL.into_iter().filter(|isa| isa.available() && *isa <= Isa::detect()) {
        let folder = folder(isa.name());
        let graph = zoo::find("lenet5").unwrap().graph().unwrap();
        let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
        let image = synthetic::input(&[1, 1, 32, 32]);
        let found = c_gives(&folder, library, "convoke_LeNet5", "lenet5", isa, Path::new(weights), &image);
        let program = convoke::compiler::compile(&graph, &Target { isa, ..Target::host() }).unwrap();
        let code = convoke::compiler::backend::jit::compile(&program).unwrap();
        let mut model = Model::load(code.network().clone(), weights).unwrap();
        assert_eq!(found, bits(&model.run(&[&image]).unwrap()[0]), "{isa}");
    }
}

/// The parameters of an ONNX file are written beside the object file.
#[test]
fn c_runs_onnx_files() {
    let Some(library) = library() else { return };
    let folder = folder("onnx");
    let text = "network Small(x: f32[1, 3, 9, 9]) -> y {
        x -> conv: conv(8, kernel: 3, padding: 1) -> silu -> max_pool(2) -> flatten -> fc: linear(5)
    }";
    let graph = convoke::lang::Module::parse(text).unwrap().graph("Small").unwrap();
    let parameters = parameters(&graph);
    let path = folder.join("small.onnx");
    fs::write(&path, export::export(&graph, &parameters).unwrap()).unwrap();
    let input = synthetic::input(&[1, 3, 9, 9]);
    let weights = folder.join("network.safetensors");
    let isa = Isa::detect();
    let found = c_gives(&folder, library, "convoke_Small", path.to_str().unwrap(), isa, &weights, &input);
    let mut model = jit::onnx(&convoke::onnx::File::open(&path).unwrap(), &convoke::onnx::Binding::new()).unwrap();
    assert_eq!(found, bits(&model.run(&[&input]).unwrap()[0]));
}
