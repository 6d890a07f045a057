//! File tests of the LIR's text and verifier: `tests/filetests/lir/*/*.lir` hold a program, a line `----`, and what is
//! expected of it. `CONVOKE_BLESS=1` writes what is found into the files instead of comparing.

use std::fs;
use std::path::{Path, PathBuf};

use convoke_compiler::lir::{Program, verify};

const SEPARATOR: &str = "----\n";

/// Runs `found` on the program of each file in a folder and compares.
fn run(folder: &str, found: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests/lir").join(folder);
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(!files.is_empty());
    let mut failures = String::new();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let (input, expected) = text.split_once(SEPARATOR).unwrap_or((&text, ""));
        let found = found(input);
        if found.trim_end() == expected.trim_end() {
            continue;
        }
        if std::env::var_os("CONVOKE_BLESS").is_some() {
            fs::write(&file, format!("{input}{SEPARATOR}{}\n", found.trim_end())).unwrap();
        } else {
            failures += &format!("{}\nexpected:\n{expected}\nfound:\n{found}\n\n", file.display());
        }
    }
    assert!(failures.is_empty(), "{failures}to accept what was found: CONVOKE_BLESS=1\n");
}

fn parse(text: &str) -> Program {
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What is read prints the same whenever it is read again.
#[test]
fn print() {
    run("print", |text| {
        let program = parse(text);
        let printed = program.to_string();
        assert_eq!(parse(&printed).to_string(), printed);
        assert!(parse(&printed) == program || printed.contains("nan"));
        printed
    });
}

/// All faults of a program, or that it has none.
#[test]
fn verifier() {
    run("verify", |text| verify(&parse(text)).map_or_else(|faults| faults.to_string(), |()| "no faults".to_owned()));
}
