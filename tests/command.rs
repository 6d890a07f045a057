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
    assert_eq!(names, ["efficientnet_lite0", "lenet5", "mobilenet_v1", "mobilenet_v2"]);
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

#[test]
fn says_what_it_does_not_know() {
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let table: [(&[&str], &str); 3] = [
        (&["plan", "lenet6"], "`lenet6` is neither a network of the zoo (`convoke zoo`) nor a file"),
        (&["plan", "Cargo.toml"], "Cargo.toml has mistakes"),
        (&["plan", "lenet5", "--isa", foreign], "there are no kernels for "),
    ];
    for (arguments, expected) in table {
        let (status, out, log) = convoke(arguments);
        assert_eq!((status, out.as_str()), (Some(1), ""), "{log}");
        assert!(log.starts_with("convoke: ") && log.contains(expected), "{log}");
    }
    assert_eq!(convoke(&["plan", "lenet5", "--isa", "mmx"]).0, Some(2));
}
