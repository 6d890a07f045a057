//! The command `convoke`.

use std::fs;
use std::process::Command;

/// Exit status, output and messages.
fn convoke(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke")).args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn lists_the_zoo() {
    let (status, out, _) = convoke(&["zoo"]);
    assert_eq!(status, Some(0));
    let names: Vec<_> = out.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(names, convoke::zoo::NETWORKS.iter().map(|entry| entry.name).collect::<Vec<_>>());
}

#[test]
fn prints_every_form() {
    let table = [
        ("ir", "graph LeNet5\n"),
        ("optimized", "graph LeNet5\n"),
        ("plan", "plan LeNet5 for scalar"),
        ("lir", "program LeNet5 : scalar\n"),
        ("clif", "function u0:0"),
        ("rust", "pub fn network() -> "),
    ];
    for (form, expected) in table {
        let (status, out, log) = convoke(&["build", "lenet5", "--isa", "scalar", "--emit", form]);
        assert_eq!((status, log.as_str()), (Some(0), ""), "{form}");
        assert!(out.contains(expected), "{form}: {out}");
    }
    let (_, plan, _) = convoke(&["plan", "lenet5", "--isa", "scalar"]);
    assert_eq!(plan, convoke(&["build", "lenet5", "--isa", "scalar", "--emit", "plan"]).1);
}

#[test]
fn inspects_a_file() {
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join("two.cnn");
    let text = "network A(x: f32[1, 2, 4, 4]) -> y { x -> fc: conv(3, kernel: 1) }\n\
        network B(x: f32[1, 2, 4, 4]) -> y { x -> fc: conv(3, kernel: 9) }";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let (status, out, _) = convoke(&["inspect", path, "--name", "A", "--isa", "scalar"]);
    assert_eq!(status, Some(0));
    for part in ["input       x f32[1, 2, 4, 4]", "parameters  9 in 2 tensors", "MAC         96"] {
        assert!(out.contains(part), "{out} lacks {part}");
    }
    let (status, out, log) = convoke(&["inspect", path]);
    assert_eq!((status, out.as_str()), (Some(1), ""));
    assert!(log.ends_with("two.cnn: say which with --name: A, B\n"), "{log}");
    let (status, _, log) = convoke(&["inspect", path, "--name", "B"]);
    assert_eq!(status, Some(1));
    assert!(log.contains("two.cnn:2:") && log.contains("conv `fc` expects"), "{log}");
}

/// Table 1 of Howard et al. 2017, arXiv:1704.04861.
const MOBILENET: &str = "\
Conv / s2 | 3 × 3 × 3 × 32 | 224 × 224 × 3
Conv dw / s1 | 3 × 3 × 32 dw | 112 × 112 × 32
Conv / s1 | 1 × 1 × 32 × 64 | 112 × 112 × 32
Conv dw / s2 | 3 × 3 × 64 dw | 112 × 112 × 64
Conv / s1 | 1 × 1 × 64 × 128 | 56 × 56 × 64
Conv dw / s1 | 3 × 3 × 128 dw | 56 × 56 × 128
Conv / s1 | 1 × 1 × 128 × 128 | 56 × 56 × 128
Conv dw / s2 | 3 × 3 × 128 dw | 56 × 56 × 128
Conv / s1 | 1 × 1 × 128 × 256 | 28 × 28 × 128
Conv dw / s1 | 3 × 3 × 256 dw | 28 × 28 × 256
Conv / s1 | 1 × 1 × 256 × 256 | 28 × 28 × 256
Conv dw / s2 | 3 × 3 × 256 dw | 28 × 28 × 256
Conv / s1 | 1 × 1 × 256 × 512 | 14 × 14 × 256
5× Conv dw / s1 | 3 × 3 × 512 dw | 14 × 14 × 512
5× Conv / s1 | 1 × 1 × 512 × 512 | 14 × 14 × 512
Conv dw / s2 | 3 × 3 × 512 dw | 14 × 14 × 512
Conv / s1 | 1 × 1 × 512 × 1024 | 7 × 7 × 512
Conv dw / s2 | 3 × 3 × 1024 dw | 7 × 7 × 1024
Conv / s1 | 1 × 1 × 1024 × 1024 | 7 × 7 × 1024
Avg Pool / s1 | Pool 7 × 7 | 7 × 7 × 1024
FC / s1 | 1024 × 1000 | 1 × 1 × 1024
Softmax / s1 | Classifier | 1 × 1 × 1000";

#[test]
fn prints_the_table_of_the_paper() {
    // Two rows are not as printed: a stride of 2 where the next row still has 7 × 7 is a slip of the paper, and the
    // network ends with logits, as timm's.
    let paper = MOBILENET.replace("Conv dw / s2 | 3 × 3 × 1024 dw", "Conv dw / s1 | 3 × 3 × 1024 dw");
    let expected: String =
        paper.lines().filter(|row| !row.starts_with("Softmax")).map(|row| format!("| {row} |\n")).collect();
    let (status, out, log) = convoke(&["inspect", "--table", "mobilenet_v1"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    assert_eq!(out, format!("| Type / Stride | Filter Shape | Input Size |\n| --- | --- | --- |\n{expected}"));
}

#[test]
fn says_what_it_does_not_know() {
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let table: [(&[&str], &str); 4] = [
        (&["plan", "lenet6"], "no file `lenet6`, and there is no network `lenet6` in the zoo; the nearest are lenet5"),
        (&["plan", "Cargo.toml"], "Cargo.toml has mistakes"),
        (&["plan", "mobilenet_v1", "--set", "widht=0.5"], "did you mean `width`?"),
        (&["plan", "lenet5", "--isa", foreign], "there are no kernels for "),
    ];
    for (arguments, expected) in table {
        let (status, out, log) = convoke(arguments);
        assert_eq!((status, out.as_str()), (Some(1), ""), "{log}");
        assert!(log.starts_with("convoke: ") && log.contains(expected), "{log}");
    }
    assert_eq!(convoke(&["plan", "lenet5", "--isa", "mmx"]).0, Some(2));
}
