//! The interpreter: the oracle that every other backend is tested against.
//!
//! It does what the [meaning](crate::lir) of each form says, one after the other and with one thread, and calls the
//! definition of a kernel's family where a program calls a kernel. Elements that nothing has written hold a pattern of
//! their own, and reading one is an error.

mod arith;
mod error;
mod machine;
mod memory;

pub use error::{InterpError, Place};

use convoke_runtime::{FlushToZero, Parameters, Tensor};

use crate::lir::{BufferId, Program, Step, verify};
use machine::run_step;
use memory::Memory;

/// What a step has done.
#[derive(Debug)]
pub struct StepTrace<'a> {
    /// Its index in [`Program::steps`].
    pub index: usize,
    /// The step.
    pub step: &'a Step,
    /// The buffers that it was given to write, and all of their elements now.
    pub written: Vec<(BufferId, &'a [f32])>,
}

/// Runs a program.
///
/// # Errors
/// [`InterpError`], where the program has faults, where inputs or parameters are not those of the program, and where
/// it reads what it has not written.
pub fn run(program: &Program, inputs: &[&Tensor], parameters: &Parameters) -> Result<Vec<Tensor>, InterpError> {
    run_traced(program, inputs, parameters, |_| {})
}

/// Runs a program and calls `trace` after each step.
///
/// # Errors
/// As [`run`].
pub fn run_traced(
    program: &Program,
    inputs: &[&Tensor],
    parameters: &Parameters,
    trace: impl FnMut(&StepTrace<'_>),
) -> Result<Vec<Tensor>, InterpError> {
    verify(program)?;
    execute(program, inputs, parameters, trace)
}

/// Runs a program that is well-formed, but for what the interpreter itself notices.
fn execute(
    program: &Program,
    inputs: &[&Tensor],
    parameters: &Parameters,
    mut trace: impl FnMut(&StepTrace<'_>),
) -> Result<Vec<Tensor>, InterpError> {
    let mut memory = Memory::new(program, inputs, parameters)?;
    let flush_to_zero = FlushToZero::enter();
    for (index, step) in program.steps.iter().enumerate() {
        run_step(program, index, &mut memory)?;
        let params = &program.functions[step.function as usize].params;
        let written = params.iter().zip(&step.args).filter(|(param, _)| param.written);
        let written = written.map(|(_, arg)| (arg.buffer, memory.buffer(arg.buffer))).collect();
        trace(&StepTrace { index, step, written });
    }
    drop(flush_to_zero);
    memory.outputs(program)
}

#[cfg(test)]
mod tests;
