//! The programs in `programs/`: loops, steps, buffers and weights in shapes that cases built by code do not have.

use std::fs;
use std::path::Path;

use convoke_compiler::lir::Program;
use convoke_runtime::Isa;

use crate::{Case, Values};

/// One case for each file, in order of their names. The instruction set in the file's text does not matter.
pub(crate) fn cases(isa: Isa) -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("programs");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("the folder lists").path()).collect();
    paths.sort();
    paths.iter().map(|path| case(isa, path)).collect()
}

fn case(isa: Isa, path: &Path) -> Case {
    let fail = |error: &dyn std::fmt::Display| -> ! { panic!("{}: {error}", path.display()) };
    let text = fs::read_to_string(path).unwrap_or_else(|error| fail(&error));
    let program: Program = text.parse().unwrap_or_else(|error| fail(&error));
    let name = format!("texts/{}/{isa}", program.name);
    Case::new(name, Program { isa, ..program }, Values::Ordinary)
}
