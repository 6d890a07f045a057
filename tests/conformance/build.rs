//! Writes the Rust of every case, for the tests to compile and run.

use std::fmt::Write as _;
use std::path::Path;
use std::{env, fs};

use convoke_compiler::backend::rust::{self, RustOptions};

fn main() {
    // The cases are a dependency: cargo runs this again where they change, but for the programs that they read.
    println!("cargo::rerun-if-changed=cases/programs");
    println!("cargo::rerun-if-env-changed=CONVOKE_ISA");
    let (mut modules, mut table) = (String::new(), String::new());
    for (index, case) in convoke_conformance_cases::all().iter().enumerate() {
        let body =
            rust::emit(&case.program, &RustOptions::default()).unwrap_or_else(|error| panic!("{}: {error}", case.name));
        writeln!(modules, "mod case_{index} {{ {body} }}").expect("a string takes all");
        writeln!(table, "({:?}, case_{index}::network),", case.name).expect("a string takes all");
    }
    let table = format!("pub(crate) static NETWORKS: &[NamedNetwork] = &[\n{table}];\n");
    let path = Path::new(&env::var_os("OUT_DIR").expect("cargo sets it")).join("generated.rs");
    fs::write(path, modules + &table).expect("cargo made the folder");
}
