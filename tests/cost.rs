//! What networks cost, and the command that says so.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use convoke::compiler::cost::{Cost, layers};
use convoke::compiler::{lower::Target, plan};
use convoke::runtime::Isa;
use convoke::{Graph, zoo};
use serde_json::{Value, json};

/// Exit status, output and messages of `convoke cost`.
fn cost(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke")).arg("cost").args(arguments).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A file of this name and content.
fn file(name: &str, content: &str) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, content).unwrap();
    path
}

/// Layers of the graph as it is described have the totals that PyTorch counts, exactly. As it runs, it has the same
/// parameters, and no more MACs; an exact one the same.
#[test]
fn totals_are_those_of_the_references() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/goldens");
    let Ok(files) = fs::read_dir(&folder) else {
        println!("skipped: there are no references at {}", folder.display());
        return;
    };
    let totals = |graph: &Graph| {
        let total: Cost = layers(graph).iter().map(|layer| layer.cost).sum();
        (total.macs, total.parameters)
    };
    for path in files.map(|file| file.unwrap().path()).filter(|path| path.extension().is_some_and(|end| end == "json"))
    {
        let reference: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        let model = reference["model"].as_str().unwrap();
        let entry = zoo::find(model).unwrap_or_else(|error| panic!("{error}"));
        let expected = (reference["macs"].as_u64().unwrap(), reference["parameters"].as_u64().unwrap());
        let graph = entry.graph().unwrap();
        assert_eq!(totals(&graph), expected, "{model}");
        let after_passes = |graph: &Graph| totals(&plan(graph, &Target::new(Isa::Scalar)).unwrap().0);
        let (macs, parameters) = after_passes(&graph);
        assert!(macs <= expected.0 && parameters == expected.1, "{model} after passes: {macs}, {parameters}");
        assert_eq!(after_passes(&graph.exact()), expected, "{model} after passes, exact");
    }
}

/// Everything measured as a word.
fn redact(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "isa" | "peak" | "memory_bandwidth" | "cache_bandwidth" => *value = json!("[machine]"),
                    "median" | "minimum" if value.as_f64().is_some_and(|seconds| seconds > 0.0) => {
                        *value = json!("[time]")
                    }
                    "runs" if value.as_u64().is_some_and(|runs| runs >= 15) => *value = json!("[runs]"),
                    _ => redact(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn json() {
    let text = "network Tiny(image: f32[1, 8, 16, 16]) -> scores {
        image -> stem: conv(16, kernel: 3, stride: 2, padding: 1, bias: false) -> bn: batch_norm -> relu
              -> body: conv(16, kernel: 3, padding: 1) -> relu -> global_avg_pool -> flatten -> fc: linear(10)
    }";
    let path = file("tiny.cnn", text);
    let (status, out, log) = cost(&[path.to_str().unwrap(), "--json", "--factorize", "depthwise_separable"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    let mut report: Value = serde_json::from_str(&out).unwrap();
    redact(&mut report);
    insta::assert_snapshot!(serde_json::to_string_pretty(&report).unwrap());
}

#[test]
fn nothing_is_measured_unless_it_is_asked_for() {
    let (status, out, log) = cost(&["lenet5", "--json", "--no-time", "--isa", "scalar"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!((&report["machine"], &report["network"]["total"]["time"]), (&Value::Null, &Value::Null));
    assert_eq!(report["network"]["total"]["macs"], 416_520);
    assert_eq!(report["network"]["total"]["flops"], 2 * 416_520);
    assert_eq!(report["network"]["total"]["parameters"], 61_706);
    let layers: Vec<_> = report["network"]["layers"].as_array().unwrap().iter().map(|row| &row["name"]).collect();
    assert_eq!(layers, ["conv1", "avg_pool", "conv2", "avg_pool_2", "conv3", "fc1", "fc2"]);
}

#[test]
fn text() {
    let (status, out, log) = cost(&["lenet5", "--no-time", "--isa", "scalar"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    insta::assert_snapshot!(out);
    let (_, timed, _) = cost(&["lenet5"]);
    for part in [" GFLOP/s on one core", "GB/s from memory", "% of peak", "layouts and halos"] {
        assert!(timed.contains(part), "{timed} lacks {part}");
    }
    assert!(!timed.contains('\x1b'), "colours are for terminals");
}

/// The errors of trained weights: LeNet-5's, which this repository has.
#[test]
fn trained_weights() {
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
    let (status, out, log) = cost(&["lenet5", "--weights", weights, "--no-time", "--json"]);
    assert_eq!((status, log.as_str()), (Some(0), ""));
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(report["weights"], weights);
    for convolution in report["convolutions"].as_array().unwrap() {
        for form in convolution["forms"].as_array().unwrap() {
            let (name, channels) = (form["form"].as_str().unwrap(), &convolution["channels"]);
            let expected = match name {
                "normal" => Some(0.0..=0.0),
                // No 6 channels make 16.
                "depthwise" => None,
                _ if form["not_available"].is_string() => None,
                _ => Some(0.1..=1.0),
            };
            let error = form["error"].as_f64();
            assert_eq!(error.is_some(), expected.is_some(), "{name} of {channels}: {form}");
            assert!(error.is_none_or(|error| expected.is_some_and(|range| range.contains(&error))), "{form}");
        }
    }
    let (status, _, log) = cost(&["mobilenet_v1", "--weights", weights, "--no-time"]);
    assert_eq!(status, Some(1));
    assert!(log.contains("lenet5.safetensors: the parameters are not those of this network"), "{log}");
}

/// The page parses, holds nothing from elsewhere, and shows names as they are.
#[test]
fn page() {
    let weights = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/data/digits/lenet5.safetensors");
    let evil = Path::new(env!("CARGO_TARGET_TMPDIR")).join("<script>&\"weights\".safetensors");
    fs::copy(weights, &evil).unwrap();
    let html = file("lenet5.html", "");
    let arguments = ["lenet5", "--weights", evil.to_str().unwrap(), "--factorize", "separable", "--html"];
    let (status, out, log) = cost(&[&arguments[..], &[html.to_str().unwrap()]].concat());
    assert_eq!((status, log.as_str()), (Some(0), ""));
    assert_eq!(out.trim(), html.to_str().unwrap());
    let page = fs::read_to_string(&html).unwrap();

    let document = scraper::Html::parse_document(&page);
    assert_eq!(document.errors, Vec::<String>::new());
    let select = |selector: &str| document.select(&scraper::Selector::parse(selector).unwrap()).count();
    // Bars and roofline of the network and of the factorised one, bars of the forms.
    assert_eq!(select("svg[role=img][aria-label]"), 5);
    assert_eq!(select("svg > title"), 5);
    assert!(select("svg rect > title") > 7 && select("svg circle > title") > 5);
    assert_eq!((select("script"), select("link"), select("img"), select("[src]"), select("[href]")), (0, 0, 0, 0, 0));
    assert_eq!(page.matches("://").count(), page.matches("xmlns=\"http://www.w3.org/2000/svg\"").count());
    for outside in ["@import", "url("] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("&lt;script&gt;&amp;&quot;weights"), "names are escaped");
    assert!(page.contains("prefers-color-scheme: dark"));
    // Plots are drawn in the page's colours alone.
    for svg in page.split("<svg ").skip(1).filter_map(|rest| rest.split("</svg>").next()) {
        assert!(!svg.contains("=\"#"), "{}", &svg[svg.find("=\"#").unwrap()..][..20]);
    }
}

#[test]
fn says_what_is_wrong() {
    let foreign = if cfg!(target_arch = "aarch64") { "avx2" } else { "neon" };
    let table: [(&[&str], i32, &str); 4] = [
        (&["lenet5", "--factorize", "seperable"], 2, "did you mean `separable`?"),
        (&["lenet5", "--isa", foreign], 1, "there are no kernels for "),
        (&["lenet5", "--no-time", "--html", "/no/such/folder/page.html"], 1, "/no/such/folder/page.html: "),
        (&["lenet5", "--no-time", "--weights", "/no/such/file"], 1, "/no/such/file"),
    ];
    for (arguments, expected, message) in table {
        let (status, out, log) = cost(arguments);
        assert_eq!((status, out.as_str()), (Some(expected), ""), "{log}");
        assert!(log.contains(message), "{log}");
    }
}
