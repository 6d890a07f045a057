//! The verifier: proves what backends and the runtime rely on, or lists every fault.
//!
//! | file | what it proves |
//! | --- | --- |
//! | `program` | names, buffers and the spaces they lie in |
//! | `weights` | weight expressions are well-formed and fill their buffers |
//! | `function` | loops, registers, calls; every index refers to something |
//! | `bounds` | every access is in bounds for all values of the loop variables |
//! | `race` | iterations of parallel loops keep off each other's elements |
//! | `step` | arguments fit; what is shared between them is shared in place |
//! | `flow` | every element that is read was written before, through the same buffer |
//!
//! What a statement accesses is a lattice: an affine index over loops of constant extent, and constant dimensions of a
//! kernel's operand. All proofs are about such lattices and have no approximation but where they say so; then they
//! refuse what they cannot prove. Arithmetic has 128 bits or is checked, so that no number can make it overflow.
//!
//! A proof builds upon those before it: functions with faults are not asked about races, and a program with faults is
//! not asked about its flow.

mod access;
mod bounds;
mod fault;
mod flow;
mod function;
mod program;
mod race;
mod region;
mod solve;
mod step;
mod summary;
mod weights;

pub use fault::{Fault, FaultKind, Faults, Meeting, Site};

use super::Program;

/// The most lanes of a register.
pub const MAX_LANES: u32 = 64;

/// Arena buffers and weights begin at a multiple of this many elements: 64 bytes, a cache line and a whole vector.
pub const ALIGN: usize = 16;

/// Proves that a program means something, means the same on any number of threads, and stays in its memory.
///
/// # Errors
/// Lists every fault with its place.
pub fn verify(program: &Program) -> Result<(), Faults> {
    let mut faults = Vec::new();
    program::check(program, &mut faults);
    let summaries: Vec<_> =
        program.functions.iter().map(|function| summary::summarize(program, function, &mut faults)).collect();
    let complete = summaries.iter().all(Option::is_some);
    let before = faults.len();
    step::check(program, &summaries, &mut faults);
    if complete && before == 0 && faults.is_empty() {
        let summaries: Vec<_> = summaries.into_iter().flatten().collect();
        flow::check(program, &summaries, &mut faults);
    }
    if faults.is_empty() { Ok(()) } else { Err(Faults(faults)) }
}

#[cfg(test)]
mod tests;
