//! `docs/architectures.md`: its descriptions are the zoo's, its numbers are what the command prints.
//!
//! What stands between `<!-- begin WHAT -->` and `<!-- end -->` is written by `CONVOKE_BLESS=1 cargo test --test
//! architectures`; without that variable the test fails where it is not what it should be.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The output of `convoke`.
fn convoke(arguments: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_convoke")).args(arguments.split(' ')).output().unwrap();
    assert!(output.status.success(), "convoke {arguments}");
    String::from_utf8(output.stdout).unwrap()
}

/// The description in a file of the zoo: what stands in its `cnn!`, without the indentation.
fn description(file: &str) -> String {
    let path = root().join("src/zoo").join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let lines = text.lines().skip_while(|line| !line.ends_with("cnn! {")).skip(1).take_while(|line| *line != "}");
    lines.map(|line| line.strip_prefix("    ").unwrap_or(line).to_owned() + "\n").collect()
}

/// What a section should hold.
fn content(what: &str) -> String {
    match what.split_once(' ') {
        Some(("description", file)) => format!("```cnn\n{}```\n", description(file)),
        Some(("convoke", arguments)) if arguments.contains("--table") => convoke(arguments),
        Some(("convoke", arguments)) => format!("```text\n{}```\n", convoke(arguments)),
        _ => panic!("`{what}` is neither a description nor a command"),
    }
}

/// The document with every section as it should be.
fn renewed(document: &str) -> String {
    let mut out = String::new();
    let mut lines = document.lines();
    while let Some(line) = lines.next() {
        out += &format!("{line}\n");
        if let Some(what) = line.strip_prefix("<!-- begin ").and_then(|rest| rest.strip_suffix(" -->")) {
            out += &content(what);
            assert!(lines.any(|line| line == "<!-- end -->"), "`{what}` has no end");
            out += "<!-- end -->\n";
        }
    }
    out
}

#[test]
fn tells_what_is() {
    let path: &Path = &root().join("docs/architectures.md");
    let document = fs::read_to_string(path).unwrap();
    let expected = renewed(&document);
    if std::env::var_os("CONVOKE_BLESS").is_some() {
        fs::write(path, &expected).unwrap();
        return;
    }
    let different = document.lines().zip(expected.lines()).enumerate().find(|(_, (found, expected))| found != expected);
    if let Some((line, (found, expected))) = different {
        panic!("docs/architectures.md:{}: expected\n{expected}\nfound\n{found}\nCONVOKE_BLESS=1 accepts it", line + 1);
    }
    assert_eq!(document.lines().count(), expected.lines().count());
}

#[test]
fn every_family_is_told_of() {
    let document = fs::read_to_string(root().join("docs/architectures.md")).unwrap();
    for entry in fs::read_dir(root().join("src/zoo")).unwrap() {
        let file = entry.unwrap().file_name().into_string().unwrap();
        let told = document.contains(&format!("<!-- begin description {file} -->"));
        assert!(told || file == "mod.rs", "docs/architectures.md has no section of {file}");
    }
}
