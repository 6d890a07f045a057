//! What kernel calls refer to: imported symbols, and one read-only data object with the constants of all calls.

use std::collections::HashMap;

use convoke_runtime::kernels::{Field, Params};
use cranelift_codegen::ir::{self, AbiParam, FuncRef, GlobalValue, Signature, Type};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, ModuleError};

use crate::lir::Kernel;

/// What kernel calls refer to: imported symbols, and the data object of their constants.
pub(super) struct Calls<'m, M> {
    pub(super) module: &'m mut M,
    pub(super) pointer: Type,
    kernels: HashMap<&'static str, FuncId>,
    data: DataId,
    bytes: Vec<u8>,
}

impl<'m, M: Module> Calls<'m, M> {
    /// Declares the kernels and the data object.
    pub(super) fn new(module: &'m mut M, kernels: &[Kernel]) -> Result<Self, Box<ModuleError>> {
        let data = module.declare_anonymous_data(false, false)?;
        let pointer = module.target_config().pointer_type();
        let signature = signature(module, &[pointer; 2]);
        let declare = |kernel: &Kernel| {
            let id = module.declare_function(&kernel_symbol(*kernel), Linkage::Import, &signature)?;
            Ok((kernel.0.name, id))
        };
        let kernels = kernels.iter().map(declare).collect::<Result<_, Box<ModuleError>>>()?;
        Ok(Self { module, pointer, kernels, data, bytes: Vec::new() })
    }

    /// Defines the data object.
    pub(super) fn finish(self) -> Result<(), Box<ModuleError>> {
        let mut data = DataDescription::new();
        data.define(self.bytes.into_boxed_slice());
        data.set_align(align_of::<u32>() as u64);
        Ok(self.module.define_data(self.data, &data)?)
    }

    /// A kernel, as something that `function` can call.
    pub(super) fn callee(&mut self, kernel: Kernel, function: &mut ir::Function) -> FuncRef {
        self.module.declare_func_in_func(self.kernels[kernel.0.name], function)
    }

    /// The data object, as something that `function` can refer to.
    pub(super) fn constants(&self, function: &mut ir::Function) -> GlobalValue {
        self.module.declare_data_in_func(self.data, function)
    }

    /// Adds the constants of a call; gives their place in the data object, in bytes.
    pub(super) fn constant(&mut self, params: &Params) -> i64 {
        let place = self.bytes.len();
        for (_, field) in params.fields() {
            self.bytes.extend(match field {
                Field::U32(value) => value.to_ne_bytes(),
                Field::F32(value) => value.to_ne_bytes(),
            });
        }
        place as i64
    }
}

/// The symbol of a kernel; no name of a LIR function has a dot.
pub(super) fn kernel_symbol(kernel: Kernel) -> String {
    format!("kernel.{}", kernel.0.name)
}

/// A signature with these parameters and no result.
pub(super) fn signature(module: &impl Module, params: &[Type]) -> Signature {
    let mut signature = module.make_signature();
    signature.params.extend(params.iter().map(|&ty| AbiParam::new(ty)));
    signature
}
