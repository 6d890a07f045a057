//! Runs a case everywhere and compares.

use std::sync::Arc;

use convoke_compiler::backend::{interp, jit};
use convoke_conformance_cases::Case;
use convoke_runtime::{Model, Network, Tensor};

use crate::generated;

/// Numbers of threads that every network runs with.
const THREADS: [usize; 2] = [1, 2];

/// A backend that is compared with the interpreter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Cranelift's machine code.
    Jit,
    /// Generated Rust; only for the cases of [`all`](convoke_conformance_cases::all).
    Rust,
}

/// Runs a case by the interpreter and by `backends`, twice in the same memory for each number of threads.
///
/// # Errors
/// Says which backend failed, or where its result first differs from the interpreter's.
pub fn check(case: &Case, backends: &[Backend]) -> Result<(), String> {
    let Case { name, program, inputs, parameters } = case;
    let inputs: Vec<_> = inputs.iter().collect();
    let expected = interp::run(program, &inputs, parameters).map_err(|error| format!("{name}: {error}"))?;
    for backend in backends {
        let fail = |error: &dyn std::fmt::Display| format!("{name}, {backend:?}: {error}");
        let network = network(case, *backend).map_err(|error| fail(&error))?;
        let model = Model::new(network, parameters).map_err(|error| fail(&error))?;
        for threads in THREADS {
            let mut model = model.fork().threads(threads);
            for _ in 0..2 {
                let found = model.run(&inputs).map_err(|error| fail(&error))?;
                for (info, (expected, found)) in program.outputs.iter().zip(expected.iter().zip(found)) {
                    compare(expected, found)
                        .map_err(|error| fail(&format!("{threads} threads: `{}`{error}", info.name)))?;
                }
            }
        }
    }
    Ok(())
}

fn network(case: &Case, backend: Backend) -> Result<Arc<Network>, String> {
    match backend {
        Backend::Jit => {
            let compiled = jit::compile(&case.program).map_err(|error| error.to_string())?;
            Ok(Arc::clone(compiled.network()))
        }
        Backend::Rust => {
            let (_, network) = generated::NETWORKS
                .iter()
                .find(|(name, _)| *name == case.name)
                .ok_or("no generated Rust: not a case of `convoke_conformance_cases::all`")?;
            Ok(Arc::new(network()))
        }
    }
}

/// That two tensors have equal bits. All NaNs are equal, and a denormal is the zero of its sign.
fn compare(expected: &Tensor, found: &Tensor) -> Result<(), String> {
    for (index, (&expected, &found)) in expected.data().iter().zip(found.data()).enumerate() {
        if canonical(expected) != canonical(found) {
            let bits = (expected.to_bits(), found.to_bits());
            return Err(format!("[{index}] is {expected} ({:#010x}), found {found} ({:#010x})", bits.0, bits.1));
        }
    }
    Ok(())
}

fn canonical(x: f32) -> u32 {
    match x {
        x if x.is_nan() => f32::NAN.to_bits(),
        x if x.is_subnormal() => 0.0_f32.copysign(x).to_bits(),
        x => x.to_bits(),
    }
}
