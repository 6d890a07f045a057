//! File tests of the LIR's text and verifier.

use convoke_compiler::lir::{Program, verify};

#[path = "support/files.rs"]
mod files;

fn parse(text: &str) -> Program {
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// What is read prints the same whenever it is read again.
#[test]
fn print() {
    files::run("lir/print", |text| {
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
    files::run("lir/verify", |text| {
        verify(&parse(text)).map_or_else(|faults| faults.to_string(), |()| "no faults".to_owned())
    });
}
