//! Every case, by every backend.

use convoke_conformance::{Backend, check};
use convoke_conformance_cases::{self as cases, Case, random};
use convoke_runtime::Isa;

const BOTH: [Backend; 2] = [Backend::Jit, Backend::Rust];

/// Runs cases and reports all that fail.
fn check_all(cases: impl IntoIterator<Item = Case>, backends: &[Backend]) {
    let (mut count, mut failures) = (0, Vec::new());
    for case in cases {
        count += 1;
        failures.extend(check(&case, backends).err());
    }
    assert!(failures.is_empty(), "{} of {count} cases fail:\n{}", failures.len(), failures.join("\n"));
    assert!(count > 0, "there are no cases");
}

fn named(prefix: &str) -> impl Iterator<Item = Case> {
    cases::all().into_iter().filter(move |case| case.name.starts_with(prefix))
}

#[test]
fn arithmetic() {
    check_all(named("arithmetic/"), &BOTH);
}

#[test]
fn kernel_calls() {
    check_all(named("kernels/"), &BOTH);
}

#[test]
fn texts() {
    check_all(named("texts/"), &BOTH);
}

#[test]
fn random_programs() {
    check_all(named("random/"), &BOTH);
}

#[test]
fn more_random_programs_as_machine_code() {
    let isas = Isa::ALL.into_iter().filter(|isa| isa.available());
    check_all(isas.flat_map(|isa| (1000..1100).map(move |seed| random::case(isa, seed))), &[Backend::Jit]);
}

#[test]
fn operators() {
    check_all(named("operators/"), &BOTH);
}
