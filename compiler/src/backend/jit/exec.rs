//! The owner of code memory: reserves it, resolves what the code refers to, hands out functions, frees on drop.
//!
//! The only file of this crate with unsafe code.

#![allow(unsafe_code)]

use std::fmt;
use std::mem::ManuallyDrop;
use std::sync::{Arc, Mutex, PoisonError};

use convoke_runtime::lanes;
use convoke_runtime::network::{Network, StepFn};
use cranelift_codegen::ir::LibCall;
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_jit::{ArenaMemoryProvider, JITBuilder, JITModule};
use cranelift_module::{FuncId, ModuleError};

use super::calls::kernel_symbol;
use super::parts;
use crate::lir::{Kernel, Program};

/// Address space for the code of one program; only what is used becomes memory. One reservation keeps code and
/// constants within reach of each other's 32-bit offsets.
const RESERVED_BYTES: usize = 64 << 20;

/// Code in memory. The functions that it hands out stay valid until it is dropped.
pub(super) struct Code {
    /// Locked only to share it among threads: nothing reads the module once the code is finished.
    module: Mutex<ManuallyDrop<JITModule>>,
}

impl Code {
    /// Memory without code yet, for code that calls `kernels`.
    ///
    /// # Errors
    /// Says why the operating system reserves no memory.
    pub(super) fn reserve(isa: OwnedTargetIsa, kernels: &[Kernel]) -> Result<Self, String> {
        let memory = ArenaMemoryProvider::new_with_size(RESERVED_BYTES).map_err(|error| error.to_string())?;
        let mut builder = JITBuilder::with_isa(isa, Box::new(|call| call.to_string()));
        builder.memory_provider(Box::new(memory));
        builder.symbols(library().map(|(call, address)| (call.to_string(), address)));
        builder.symbols(kernels.iter().map(|kernel| (kernel_symbol(*kernel), kernel.0.entry as *const u8)));
        Ok(Self { module: Mutex::new(ManuallyDrop::new(JITModule::new(builder))) })
    }

    /// The module to define functions in.
    pub(super) fn module(&mut self) -> &mut JITModule {
        self.module.get_mut().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes the code executable: the network of `program`, whose functions are `functions`, in order.
    ///
    /// # Errors
    /// If the operating system does not make the memory executable.
    pub(super) fn finish(mut self, program: &Program, functions: &[FuncId]) -> Result<Network, Box<ModuleError>> {
        let module = self.module();
        module.finalize_definitions()?;
        let entry = |&id: &FuncId| {
            let address = module.get_finalized_function(id);
            // SAFETY: `address` is the entry of a function that `Emitter::define` compiled for this processor, with
            // the signature of `StepFn` in the C calling convention: a pointer and two 32-bit integers.
            unsafe { std::mem::transmute::<*const u8, StepFn>(address) }
        };
        let parts = parts(program, &functions.iter().map(entry).collect::<Vec<_>>());
        // SAFETY: The LIR's verifier accepted `program` before it was emitted: with buffers placed as `parts` places
        // them, each access lies in its buffer, no step writes weights or inputs, and threads write different
        // elements. The emitted code makes these accesses and no others, calls nothing that unwinds, and lives as
        // long as this `Code`, which the network keeps alive.
        let network = unsafe { Network::new(parts) };
        Ok(network.keep_alive(Arc::new(self)))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Code").finish_non_exhaustive()
    }
}

impl Drop for Code {
    fn drop(&mut self) {
        let module = self.module.get_mut().unwrap_or_else(PoisonError::into_inner);
        // SAFETY: `module` is not used again, as `self` is being dropped. Nothing runs its functions, nor will: they
        // left `finish` only in a network, which keeps this `Code` alive.
        unsafe { ManuallyDrop::take(module).free_memory() }
    }
}

/// What Cranelift calls for operations that the processor lacks: the same functions as generated Rust uses.
fn library() -> [(LibCall, *const u8); 5] {
    extern "C" fn fma(a: f32, b: f32, c: f32) -> f32 {
        lanes::fma([a], [b], [c])[0]
    }
    extern "C" fn floor(x: f32) -> f32 {
        lanes::floor([x])[0]
    }
    extern "C" fn ceil(x: f32) -> f32 {
        lanes::ceil([x])[0]
    }
    extern "C" fn trunc(x: f32) -> f32 {
        lanes::trunc([x])[0]
    }
    extern "C" fn nearest(x: f32) -> f32 {
        lanes::nearest([x])[0]
    }
    [
        (LibCall::FmaF32, fma as *const u8),
        (LibCall::FloorF32, floor as *const u8),
        (LibCall::CeilF32, ceil as *const u8),
        (LibCall::TruncF32, trunc as *const u8),
        (LibCall::NearestF32, nearest as *const u8),
    ]
}
