//! Invariants of ARCHITECTURE.md that are about the sources themselves.

use std::fs;
use std::path::{Path, PathBuf};

fn sources(folder: &str) -> Vec<(PathBuf, String)> {
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join(folder)];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = entry.expect("the folder lists").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("sources are text");
                files.push((path, text));
            }
        }
    }
    assert!(!files.is_empty(), "{folder} has sources");
    files
}

/// Lines of `text` that are code, not comments.
fn code(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.trim_start().starts_with("//"))
}

#[test]
fn backends_read_programs_and_nothing_above() {
    let above = ["graph", "lang", "lower", "ops", "passes"];
    for (path, text) in sources("src/backend") {
        for module in above {
            let name = format!("crate::{module}");
            assert!(!code(&text).any(|line| line.contains(&name)), "{} reads {name}", path.display());
        }
    }
}

#[test]
fn programs_know_nothing_of_graphs() {
    for (path, text) in sources("src/lir").into_iter().filter(|(path, _)| !path.ends_with("tests.rs")) {
        for module in ["backend", "graph", "lang", "lower", "ops", "passes"] {
            let name = format!("crate::{module}");
            assert!(!code(&text).any(|line| line.contains(&name)), "{} reads {name}", path.display());
        }
    }
}

#[test]
fn only_the_owner_of_machine_code_is_unsafe() {
    for folder in ["src", "../macros/src"] {
        for (path, text) in sources(folder) {
            let allows = code(&text).any(|line| line.contains("allow(unsafe_code)"));
            assert_eq!(allows, path.ends_with("src/backend/jit/exec.rs"), "{}", path.display());
            if path.ends_with("src/lib.rs") {
                assert!(text.contains("#![deny(unsafe_code)]"), "{}", path.display());
            }
        }
    }
}

/// Clippy denies wildcard arms over enums where these modules match the LIR's forms.
#[test]
fn new_forms_do_not_compile_until_they_are_handled() {
    for module in ["src/backend/mod.rs", "src/lir/mod.rs"] {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(module);
        let text = fs::read_to_string(path).expect("sources are text");
        assert!(text.contains("#![deny(clippy::wildcard_enum_match_arm)]"), "{module}");
    }
}
