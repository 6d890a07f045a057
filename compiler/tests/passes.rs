//! Filetests of the passes: `filetests/passes/NAME/*.txt`, and `filetests/passes/pipeline` for all of them in turn.
//!
//! A file holds a graph, and below the line `; after` what the pass makes of it, or the line `; unchanged` where it
//! declines. `CONVOKE_BLESS=1` writes what stands below. Both graphs are evaluated on the same pseudo-random tensors.

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use convoke_compiler::Graph;
use convoke_compiler::factorize::{Options, TimeModel, trained};
use convoke_compiler::passes::{Pass, passes, run_pass, run_pipeline};
use convoke_runtime::Parameters;
use support::compare;

#[test]
fn each_pass_does_what_its_files_say() {
    let mut failures = Vec::new();
    for pass in passes() {
        let outcomes: Vec<_> = files(pass.name).iter().map(|file| check(file, &run_twice(pass))).collect();
        for (changes, words) in [(true, "applies"), (false, "declines")] {
            if !outcomes.contains(&Ok(changes)) {
                failures.push(format!("no filetest shows where {} {words}", pass.name));
            }
        }
        failures.extend(outcomes.into_iter().filter_map(Result::err));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

#[test]
fn the_pipeline_does_what_its_files_say() {
    let run = |graph: &mut Graph| {
        let before = graph.to_string();
        run_pipeline(graph, true).map_err(|error| error.to_string())?;
        Ok(graph.to_string() != before)
    };
    let files = files("pipeline");
    assert!(!files.is_empty(), "no files");
    let failures: Vec<_> = files.iter().filter_map(|file| check(file, &run).err()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
}

/// As much time as there are multiply-accumulates.
struct Macs;

impl TimeModel for Macs {
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String> {
        Ok(graphs.iter().map(|graph| graph.macs() as f64).collect())
    }
}

/// Factorising without loss keeps what the graph computes, as passes do; here the weights are literals.
#[test]
fn factorising_does_what_its_files_say() {
    let run = |graph: &mut Graph| {
        let before = graph.to_string();
        let result = trained(graph, &Parameters::default(), &Options::default(), &mut Macs);
        *graph = result.map_err(|error| error.to_string())?.graph;
        graph.verify().map_err(|faults| faults.to_string())?;
        Ok(graph.to_string() != before)
    };
    let outcomes: Vec<_> = files("factorize").iter().map(|file| check(file, &run)).collect();
    let failures: Vec<_> = outcomes.iter().filter_map(|outcome| outcome.as_ref().err().cloned()).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n\n"));
    assert!(outcomes.contains(&Ok(true)) && outcomes.contains(&Ok(false)));
}

/// Runs the pass, and again, which must change nothing.
fn run_twice(pass: Pass) -> impl Fn(&mut Graph) -> Result<bool, String> {
    move |graph| {
        let mut run = || run_pass(&pass, graph, true).map_err(|error| error.to_string());
        let changed = run()?;
        if run()? { Err("a second run changes the graph again".to_owned()) } else { Ok(changed) }
    }
}

fn files(name: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests/passes").join(name);
    let entries = fs::read_dir(&folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<_> = entries.filter(|path| path.extension().is_some_and(|kind| kind == "txt")).collect();
    files.sort();
    files
}

/// Runs one filetest; says whether the graph changed.
fn check(file: &Path, run: &dyn Fn(&mut Graph) -> Result<bool, String>) -> Result<bool, String> {
    let fail = |message: String| format!("{}: {message}", file.display());
    let text = fs::read_to_string(file).map_err(|error| fail(error.to_string()))?;
    let end = ["\n; after", "\n; unchanged"].iter().find_map(|line| text.find(line));
    let input = text[..end.unwrap_or(text.len())].trim_end();
    let before: Graph = input.parse().map_err(|error| fail(format!("{error}")))?;
    let mut after = before.clone();
    let changed = run(&mut after).map_err(fail)?;
    if changed != (after.to_string() != before.to_string()) {
        return Err(fail(format!("the pass says that it changes {}", if changed { "something" } else { "nothing" })));
    }
    if !compare(&before, &after).map_err(fail)? {
        return Err(fail("a result is not finite, and shows nothing".to_owned()));
    }
    let reparsed: Graph = after.to_string().parse().map_err(|error| fail(format!("{error}")))?;
    if reparsed.to_string() != after.to_string() {
        return Err(fail(format!("the result\n{after}\nparses as\n{reparsed}")));
    }
    let outcome = if changed { format!("after\n{after}") } else { "unchanged\n".to_owned() };
    let expected = format!("{input}\n\n; {outcome}");
    if std::env::var_os("CONVOKE_BLESS").is_some() {
        fs::write(file, &expected).map_err(|error| fail(error.to_string()))?;
    } else if text != expected {
        return Err(fail(format!("expected\n{text}\nfound\n{expected}\nCONVOKE_BLESS=1 accepts it")));
    }
    Ok(changed)
}
