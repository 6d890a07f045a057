//! A C program that runs a network from an object file. Needs gcc and cargo; says so where there is none.

use std::fs;
use std::path::Path;
use std::process::Command;

use convoke::{Model, Tensor, jit, synthetic, zoo};

/// Reads an image from standard input and writes the logits; complains of weights that are not there.
const MAIN: &str = r#"
#include <stdio.h>
#include <string.h>
#include "lenet5.h"

int main(int count, char **arguments) {
    static float image[convoke_LeNet5_input_0], logits[convoke_LeNet5_output_0];
    const float *inputs[] = {image};
    float *outputs[] = {logits};
    if (count != 2 || convoke_load(&convoke_LeNet5, "missing.safetensors", 1) || !strstr(convoke_error(), "missing")) return 1;
    struct convoke_model *model = convoke_load(&convoke_LeNet5, arguments[1], 1);
    if (!model) return fprintf(stderr, "%s\n", convoke_error()), 2;
    if (fread(image, sizeof image, 1, stdin) != 1) return 3;
    if (convoke_run(model, inputs, outputs)) return fprintf(stderr, "%s\n", convoke_error()), 4;
    fwrite(logits, sizeof logits, 1, stdout);
    convoke_free(model);
    return 0;
}
"#;

fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn a_c_program_links_and_runs_a_network() {
    if Command::new("gcc").arg("--version").output().is_err() {
        println!("skipped: there is no gcc");
        return;
    }
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("object");
    fs::create_dir_all(&folder).unwrap();
    let target = folder.join("target");
    run(Command::new(env!("CARGO"))
        .args(["rustc", "--release", "-p", "convoke-runtime", "--features", "object", "--crate-type", "staticlib"])
        .arg("--target-dir")
        .arg(&target)
        .current_dir(env!("CARGO_MANIFEST_DIR")));
    let object = folder.join("lenet5.o");
    run(Command::new(env!("CARGO_BIN_EXE_convoke"))
        .args(["build", "lenet5", "--emit", "object", "--out"])
        .arg(&object));
    fs::write(folder.join("main.c"), MAIN).unwrap();
    run(Command::new("gcc")
        .args(["-Wall", "-Werror", "-o", "main", "main.c", "lenet5.o"])
        .arg(target.join("release/libconvoke_runtime.a"))
        .args(["-lm", "-lpthread", "-ldl"])
        .current_dir(&folder));

    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
    let image = synthetic::input(&[1, 1, 32, 32]);
    fs::write(folder.join("image"), image.data().iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<_>>())
        .unwrap();
    let stdin = fs::File::open(folder.join("image")).unwrap();
    let bytes = run(Command::new(folder.join("main")).arg(weights).stdin(stdin));
    let logits: Vec<f32> = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();

    let graph = zoo::find("lenet5").unwrap().graph().unwrap();
    let mut model = Model::load(jit::compile(&graph).unwrap(), weights).unwrap();
    assert_eq!(model.run(&[&image]).unwrap()[0], Tensor::from_vec(&[1, 10], logits).unwrap());
}
