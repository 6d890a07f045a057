//! Machine code in this process, through Cranelift.
//!
//! ```text
//! lir::Program ─► emit: Cranelift IR ─► exec: code in memory, a Network ─► Model
//! ```
//!
//! Convolution's inner loops are the runtime's microkernels, which the code calls; what has no kernel becomes 128-bit
//! vector code, Cranelift's full width. The verifier of the LIR runs first: that all accesses are in bounds, which it
//! proves, is what makes the code safe to run.

mod arith;
mod calls;
mod emit;
mod exec;
#[cfg(feature = "object")]
mod object;

use std::collections::BTreeMap;
use std::sync::Arc;

use convoke_runtime::network::{Arg, Network, NetworkParts, Space, Step, StepFn, WeightBuffer};
use convoke_runtime::{Isa, LoadError, Model, Parameters};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_codegen::settings::{self, Configurable};
use cranelift_module::ModuleError;

use self::emit::Emitter;
use self::exec::Code;
#[cfg(feature = "object")]
pub use self::object::{Object, object};
use crate::lir::{self, Faults, Kernel, Place, Program, Stmt, verify};

/// Why a program could not be compiled to machine code.
#[derive(Debug, thiserror::Error)]
pub enum JitError {
    /// The program has faults.
    #[error(transparent)]
    Faults(#[from] Faults),
    /// The program is for another machine.
    #[error("machine code for `{program}` needs {needs}, which this processor does not have; it has {has}")]
    Isa {
        /// The program.
        program: String,
        /// The instruction set of its kernels.
        needs: Isa,
        /// The most capable set of this machine.
        has: Isa,
    },
    /// Cranelift does not support this machine.
    #[error("machine code for `{program}`: {message}")]
    Host {
        /// The program.
        program: String,
        /// What is missing.
        message: String,
    },
    /// Cranelift refused a function: a fault of Convoke.
    #[error("machine code for function `{function}` of `{program}`: {message}")]
    Function {
        /// The program.
        program: String,
        /// The function.
        function: String,
        /// What Cranelift says.
        message: String,
    },
    /// There is no memory for the code.
    #[error("machine code for `{program}`: no executable memory: {message}")]
    Memory {
        /// The program.
        program: String,
        /// What the operating system says.
        message: String,
    },
}

/// A program as machine code. Models made of it share the code, which lives as long as one of them.
#[derive(Clone, Debug)]
pub struct Compiled {
    network: Arc<Network>,
}

impl Compiled {
    /// The network, which owns the code.
    #[must_use]
    pub const fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// A model with these parameters; see [`Model::new`].
    ///
    /// # Errors
    /// If the parameters are not those of the network.
    pub fn model(&self, parameters: &Parameters) -> Result<Model, LoadError> {
        Model::new(Arc::clone(&self.network), parameters)
    }
}

/// Compiles `program`, having verified it.
///
/// # Errors
/// If the program has faults, this machine lacks what its kernels need, or there is no memory for the code.
pub fn compile(program: &Program) -> Result<Compiled, JitError> {
    verify(program)?;
    let kernels = kernels(program);
    let mut code = reserve(program, &kernels)?;
    let memory = |error: Box<ModuleError>| memory(program, error.to_string());
    let mut emitter =
        Emitter::new(code.module(), target(program, Effort::Quick, Home::Process)?, &kernels).map_err(memory)?;
    let mut functions = Vec::with_capacity(program.functions.len());
    for function in &program.functions {
        functions.push(emitter.define(function).map_err(|error| JitError::Function {
            program: program.name.clone(),
            function: function.name.clone(),
            message: error.to_string(),
        })?);
    }
    emitter.finish().map_err(memory)?;
    let network = code.finish(program, &functions).map_err(memory)?;
    Ok(Compiled { network: Arc::new(network) })
}

/// Cranelift's IR of all functions of `program`, before Cranelift's passes.
///
/// # Errors
/// Those of [`compile`].
pub fn clif(program: &Program) -> Result<String, JitError> {
    verify(program)?;
    let kernels = kernels(program);
    let mut code = reserve(program, &kernels)?;
    let mut emitter = Emitter::new(code.module(), target(program, Effort::Quick, Home::Process)?, &kernels)
        .map_err(|error| memory(program, error.to_string()))?;
    Ok(program.functions.iter().map(|function| emitter.print(function)).collect::<Vec<_>>().join("\n"))
}

/// Reserves memory for the code of `program`.
fn reserve(program: &Program, kernels: &[Kernel]) -> Result<Code, JitError> {
    if !program.isa.available() {
        return Err(JitError::Isa { program: program.name.clone(), needs: program.isa, has: Isa::detect() });
    }
    let isa = target(program, Effort::Full, Home::Process)?;
    Code::reserve(isa, kernels).map_err(|message| memory(program, message))
}

/// How hard Cranelift tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Effort {
    /// For arithmetic.
    Full,
    /// For addresses of kernel calls, whose time does not matter: in half the time of [`Full`](Self::Full).
    Quick,
}

/// Where code will live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// In this process.
    Process,
    /// In an object file.
    Object,
}

/// What Cranelift may use on every processor that has `isa`, as [`Isa::available`] asks for it.
fn features(isa: Isa) -> &'static [&'static str] {
    const AVX512: &[&str] = &[
        "has_sse3",
        "has_ssse3",
        "has_sse41",
        "has_sse42",
        "has_avx",
        "has_avx2",
        "has_fma",
        "has_avx512f",
        "has_avx512vl",
        "has_avx512dq",
    ];
    match isa {
        Isa::Scalar | Isa::Neon => &[],
        Isa::Avx2 => AVX512.split_at(7).0,
        Isa::Avx512 => AVX512,
    }
}

/// The machine to compile for: in this process this one, in object files the least that has the program's instruction
/// set; for portable programs the least of its architecture.
fn target(program: &Program, effort: Effort, home: Home) -> Result<OwnedTargetIsa, JitError> {
    let host = |message: &dyn ToString| JitError::Host { program: program.name.clone(), message: message.to_string() };
    let (opt_level, regalloc_algorithm) = match effort {
        Effort::Full => ("speed", "backtracking"),
        Effort::Quick => ("none", "single_pass"),
    };
    let mut flags = settings::builder();
    for (name, value) in [
        ("opt_level", opt_level),
        ("regalloc_algorithm", regalloc_algorithm),
        ("enable_verifier", if cfg!(debug_assertions) { "true" } else { "false" }),
        ("probestack_strategy", "inline"),
        ("unwind_info", "false"),
        ("use_colocated_libcalls", "false"),
        ("is_pic", if home == Home::Object { "true" } else { "false" }),
    ] {
        flags.set(name, value).map_err(|error| host(&error))?;
    }
    let infer = home == Home::Process && program.isa != Isa::Scalar;
    let mut builder = cranelift_native::builder_with_options(infer).map_err(|error| host(&error))?;
    if home == Home::Object {
        for feature in features(program.isa) {
            builder.enable(feature).map_err(|error| host(&error))?;
        }
    }
    builder.finish(settings::Flags::new(flags)).map_err(|error| host(&error))
}

/// The kernels that `program` calls, each once.
fn kernels(program: &Program) -> Vec<Kernel> {
    let mut kernels = BTreeMap::new();
    program.functions.iter().for_each(|function| collect_kernels(&function.body, &mut kernels));
    kernels.into_values().collect()
}

/// Adds the kernels that `statements` call, by name.
fn collect_kernels(statements: &[Stmt], kernels: &mut BTreeMap<&'static str, Kernel>) {
    for statement in statements {
        match statement {
            Stmt::For { body, .. } => collect_kernels(body, kernels),
            Stmt::Call { kernel, .. } => {
                kernels.insert(kernel.0.name, *kernel);
            }
            Stmt::Set { .. } | Stmt::Store { .. } => {}
        }
    }
}

/// `program` with `functions` as the code of its functions.
fn parts(program: &Program, functions: &[StepFn]) -> NetworkParts {
    let weights = program.buffers.iter().filter_map(|buffer| match &buffer.place {
        Place::Weights { offset, expression } => {
            Some(WeightBuffer { offset: *offset, len: buffer.len, expression: expression.clone().into() })
        }
        Place::Arena(_) | Place::Input(_) | Place::Output(_) => None,
    });
    let arg = |arg: &lir::Arg| {
        let (space, start) = match program.buffers[arg.buffer.0 as usize].place {
            Place::Arena(offset) => (Space::Arena, offset),
            Place::Weights { offset, .. } => (Space::Weights, offset),
            Place::Input(index) => (Space::Input(index), 0),
            Place::Output(index) => (Space::Output(index), 0),
        };
        Arg { space, offset: start + arg.offset }
    };
    let step = |step: &lir::Step| Step {
        name: step.name.clone().into(),
        function: functions[step.function as usize],
        args: step.args.iter().map(arg).collect(),
        threads: step.threads,
    };
    NetworkParts {
        name: program.name.clone().into(),
        isa: program.isa,
        inputs: program.inputs.clone().into(),
        outputs: program.outputs.clone().into(),
        parameters: program.parameters.clone().into(),
        weights: weights.collect(),
        weights_len: program.weights_len,
        arena_len: program.arena_len,
        steps: program.steps.iter().map(step).collect(),
    }
}

fn memory(program: &Program, message: String) -> JitError {
    JitError::Memory { program: program.name.clone(), message }
}
