//! File tests: a file holds an input, a line `----`, and what is expected of it. `CONVOKE_BLESS=1` writes what is found
//! into the files instead of comparing.

use std::fs;
use std::path::{Path, PathBuf};

const SEPARATOR: &str = "----\n";

/// Runs `found` on the input of each file of `tests/filetests/` *folder* and compares.
pub(crate) fn run(folder: &str, found: impl Fn(&str) -> String) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/filetests").join(folder);
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
