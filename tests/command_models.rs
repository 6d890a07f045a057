//! The subcommands of `convoke` that run networks, and those that write files.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use convoke::graph::evaluate;
use convoke::synthetic::{self, Constants};
use convoke::{Graph, Parameters, Tensor, zoo};
use serde_json::Value;

#[path = "../src/bin/convoke/npz.rs"]
#[expect(dead_code, reason = "only writing is needed here")]
mod npz;

/// Exit status, output and messages; `input` on standard input.
fn convoke(arguments: &[&str], input: &str) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_convoke"));
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut process = command.spawn().unwrap();
    process.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = process.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// The object that a command prints.
fn json(arguments: &[&str]) -> Value {
    let (status, out, log) = convoke(arguments, "");
    assert_eq!((status, log.as_str()), (Some(0), ""), "{out}");
    serde_json::from_str(&out).unwrap()
}

fn file(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("command");
    fs::create_dir_all(&folder).unwrap();
    folder.join(name)
}

/// LeNet-5 with the parameters that the command makes, and an input.
fn lenet5() -> (Graph, Parameters, Tensor) {
    let graph = zoo::find("lenet5").unwrap().graph().unwrap();
    let expected = graph.parameters();
    let expected = expected.iter().map(|(name, ty)| (name.as_str(), ty.shape.as_slice()));
    let parameters = synthetic::parameters(expected, Constants::default());
    (graph, parameters, synthetic::input(&[1, 1, 32, 32]))
}

#[test]
fn bench_measures_and_answers() {
    for backend in ["jit", "rust"] {
        let report = json(&["bench", "lenet5", "--seconds", "0.01", "--backend", backend, "--json"]);
        assert_eq!((&report["network"], &report["backend"]), (&"LeNet5".into(), &backend.into()));
        assert_eq!((&report["macs"], &report["threads"]), (&416_520.into(), &1.into()));
        for positive in ["runs", "median_ms", "minimum_ms", "gflops", "peak_gflops", "percent_of_peak"] {
            assert!(report[positive].as_f64().unwrap() > 0.0, "{positive}: {report}");
        }
    }
    let (status, out, _) = convoke(&["bench", "lenet5", "--seconds", "0.01", "--on-request"], "\n\n");
    let answers: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!((status, answers.len()), (Some(0), 2));
    assert!(answers.iter().all(|answer| answer["median_ms"].as_f64().unwrap() > 0.0));
    let (status, _, log) = convoke(&["bench", "lenet5", "--seconds", "nan"], "");
    assert_eq!((status, log.as_str()), (Some(1), "convoke: --seconds: expected more than 0 and at most 3600\n"));
}

#[test]
fn profile_accounts_for_all_work() {
    let report = json(&["profile", "lenet5", "--isa", "scalar", "--seconds", "0.01", "--json"]);
    let steps = report["steps"].as_array().unwrap();
    assert_eq!(steps.iter().map(|step| step["macs"].as_u64().unwrap()).sum::<u64>(), 416_520);
    let conv = steps.iter().find(|step| step["name"] == "conv2 + tanh_2").unwrap();
    assert_eq!(conv["op"], "conv");
    for reason in conv["refused"].as_array().unwrap() {
        assert!(reason["algorithm"].is_string() && reason["reason"].is_string(), "{reason}");
    }
    let (_, text, _) = convoke(&["profile", "lenet5", "--isa", "scalar", "--seconds", "0.01", "--why"], "");
    assert!(text.contains("conv `conv2 + tanh_2` by ") && text.contains("not "), "{text}");
}

#[test]
fn plan_times_each_stage() {
    let report = json(&["plan", "lenet5", "--time", "--json"]);
    let stages: Vec<_> =
        report["stages"].as_array().unwrap().iter().map(|stage| stage["stage"].as_str().unwrap()).collect();
    let expected =
        ["read", "passes", "plan", "program", "verify", "code", "parameters", "prepare", "input", "first run"];
    assert_eq!(stages, expected);
}

#[test]
fn check_names_the_first_node_that_differs() {
    let (graph, parameters, input) = lenet5();
    let trace = evaluate::trace(&graph, std::slice::from_ref(&input), &parameters).unwrap();
    let output = trace.outputs().unwrap().remove(0);
    let npz = file("lenet5.npz");
    npz::write(&npz, &[("in:image".to_owned(), &input), ("out:logits".to_owned(), &output)]).unwrap();
    let npz_path = npz.to_str().unwrap();
    let report = json(&["check", "lenet5", "--npz", npz_path, "--json"]);
    assert_eq!((&report["agrees"], &report["outputs"][0]["name"]), (&true.into(), &"logits".into()));

    // Another engine, whose second convolution is wrong, and so all that follows.
    let wrong = |tensor: &Tensor| {
        Tensor::from_vec(tensor.shape(), tensor.data().iter().map(|value| value + 0.1).collect()).unwrap()
    };
    let late = ["conv2", "conv3", "fc1", "fc2"];
    let values: Vec<_> = ["conv1"]
        .iter()
        .chain(&late)
        .map(|name| {
            let value = &trace.find(name).unwrap()[0];
            ((*name).to_owned(), if late.contains(name) { wrong(value) } else { value.clone() })
        })
        .collect();
    let values: Vec<_> = values.iter().map(|(name, tensor)| (name.clone(), tensor)).collect();
    let (reference, different) = (file("reference.npz"), file("different.npz"));
    npz::write(&reference, &values).unwrap();
    npz::write(&different, &[("in:x".to_owned(), &input), ("out:y".to_owned(), &wrong(&output))]).unwrap();
    let [reference, different] = [reference.to_str().unwrap(), different.to_str().unwrap()];
    let (status, out, log) = convoke(&["check", "lenet5", "--npz", different, "--reference", reference], "");
    assert_eq!((status, log.as_str()), (Some(1), "convoke: the outputs differ by more than 1e-4\n"));
    assert!(out.contains("first to differ: `conv2`") && out.contains("; 1 nodes before it agree"), "{out}");

    let (status, _, log) = convoke(&["check", "lenet5", "--npz", reference], "");
    assert_eq!(status, Some(1));
    assert!(log.ends_with("reference.npz: there is no array `in:image`\n"), "{log}");
}

#[test]
fn an_exported_network_runs_as_the_network_does() {
    let (_, _, input) = lenet5();
    let npz = file("input.npz");
    npz::write(&npz, &[("in:image".to_owned(), &input)]).unwrap();
    let onnx = file("lenet5.onnx");
    let [npz, onnx] = [npz.to_str().unwrap(), onnx.to_str().unwrap()];
    let (status, out, log) = convoke(&["export", "lenet5", "--onnx", onnx], "");
    assert_eq!((status, log.as_str()), (Some(0), ""), "{out}");
    let run = |model: &str| json(&["run", model, "--npz", npz, "--top", "10", "--json"])["outputs"]["logits"].clone();
    let output = run("lenet5");
    assert_eq!(output["shape"], serde_json::json!([1, 10]));
    assert_eq!(output["top"].as_array().unwrap().len(), 10);
    assert_eq!(run(onnx), output);
}

#[test]
fn run_reads_pictures() {
    let picture = file("digit.png");
    image::GrayImage::from_fn(40, 32, |x, _| image::Luma([if x == 20 { 255 } else { 0 }])).save(&picture).unwrap();
    let labels = file("labels.txt");
    fs::write(&labels, (0..10).map(|digit| format!("digit {digit}\n")).collect::<String>()).unwrap();
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
    let [picture, labels] = [picture.to_str().unwrap(), labels.to_str().unwrap()];
    let arguments = ["run", "lenet5", "--weights", weights, "--image", picture, "--labels", labels, "--top", "1"];
    let (status, out, log) = convoke(&arguments, "");
    assert_eq!((status, log.as_str()), (Some(0), ""));
    assert!(out.starts_with("logits f32[1, 10]\n") && out.ends_with("digit 1\n"), "{out}");
    assert_eq!(convoke(&["run", "lenet5"], "").0, Some(2));
}

#[test]
fn a_page_shows_both_graphs() {
    let page = file("lenet5.html");
    let (status, out, _) = convoke(&["graph", "lenet5", "--html", page.to_str().unwrap()], "");
    assert_eq!(status, Some(0));
    assert!(out.contains("nodes before"), "{out}");
    let text = fs::read_to_string(&page).unwrap();
    for other in ["src=", "href=", "import", "fetch", "https:"] {
        assert!(!text.contains(other), "the page needs no other: {other}");
    }

    let chromium = std::env::var("CONVOKE_CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !Path::new(&chromium).exists() {
        println!("skipped: there is no {chromium}; install Debian's chromium, or set CONVOKE_CHROMIUM");
        return;
    }
    let profile = file("chromium");
    let output = Command::new(chromium)
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"])
        .args(["--disable-component-update", "--disable-sync", "--dump-dom"])
        .arg(format!("--user-data-dir={}", profile.display()))
        .arg(format!("file://{}#before/conv2", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8(output.stdout).unwrap();
    let (before, after) = dom.split_once("id=\"after\"").expect("both sides are there");
    // The node of the address is selected on both sides; the activation after it rides in its epilogue there.
    for (side, name) in [(before, "conv2"), (after, "tanh_2")] {
        let selected: Vec<_> = side.split("<article").filter(|part| part.contains("class=\"selected\"")).collect();
        assert_eq!(selected.len(), 1, "{side}");
        assert!(selected[0].contains(&format!("<b>conv</b> {name} ")), "{}", selected[0]);
    }
    assert!(after.contains("activation = tanh") && before.contains("<b>tanh</b>"), "{after}");
    assert!(before.contains("<path"), "operands are drawn");
}

/// `docs/command.md` shows what `--help` prints; `CONVOKE_BLESS=1` writes it there.
#[test]
fn the_manual_is_what_help_prints() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/command.md");
    let text = fs::read_to_string(&path).unwrap();
    let mut expected = String::new();
    let mut blocks = text.split_inclusive("```text\n$ convoke ");
    expected.push_str(blocks.next().unwrap_or_default());
    let mut commands = Vec::new();
    for block in blocks {
        let (command, rest) = block.split_once('\n').unwrap();
        let (_, after) = rest.split_once("```\n").unwrap();
        let (status, out, _) = convoke(&command.split(' ').collect::<Vec<_>>(), "");
        assert_eq!(status, Some(0), "{command}");
        let help: String = out.lines().map(|line| format!("{}\n", line.trim_end())).collect();
        expected.push_str(&format!("{command}\n{help}```\n{after}"));
        commands.push(command.to_owned());
    }
    if std::env::var_os("CONVOKE_BLESS").is_some() {
        fs::write(&path, &expected).unwrap();
    } else {
        assert!(text == expected, "docs/command.md is not what --help prints; CONVOKE_BLESS=1 writes it");
    }
    let (_, help, _) = convoke(&["--help"], "");
    let listed = help.split_once("Commands:\n").unwrap().1.lines().map_while(|line| line.split_whitespace().next());
    for name in listed.filter(|name| *name != "help") {
        assert!(commands.contains(&format!("{name} --help")), "docs/command.md does not show `convoke {name} --help`");
    }
}
