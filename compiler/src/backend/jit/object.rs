//! Machine code in an object file, with a C header: a network that C links with the runtime's static library.
//!
//! The file defines one symbol, the network, and refers to none but `libm`'s functions for arithmetic that the
//! processor lacks. Kernels are called through trampolines, each of which takes its kernel's address from a table that
//! the runtime fills; see [`convoke_runtime::object`].

use std::fmt::Write as _;

use convoke_runtime::DType;
use convoke_runtime::network::StepFn;
use convoke_runtime::object::{Description, ObjectNetwork, VERSION};
use cranelift_codegen::ir::{InstBuilder, MemFlagsData};
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext};
use cranelift_module::{DataDescription, DataId, FuncId, Linkage, Module, ModuleError, default_libcall_names};
use cranelift_object::{ObjectBuilder, ObjectModule};

use super::calls::{kernel_symbol, signature};
use super::emit::Emitter;
use super::{Effort, Home, JitError, kernels, memory, parts, target};
use crate::lir::{Kernel, Program, verify};

/// A network as an object file.
#[derive(Clone, Debug)]
pub struct Object {
    /// The file.
    pub bytes: Vec<u8>,
    /// The C header that belongs to it.
    pub header: String,
}

/// Bytes of one word, and of a pointer: Cranelift knows no machine where they are others.
const WORD: usize = size_of::<u64>();
const _: () = assert!(size_of::<ObjectNetwork>() == 7 * WORD && size_of::<StepFn>() == WORD);

/// Compiles `program`, having verified it, as position-independent code for every processor of this architecture that has
/// the program's instruction set; this one need not.
///
/// # Errors
/// If the program has faults, or its instruction set is of another architecture.
pub fn object(program: &Program) -> Result<Object, JitError> {
    verify(program)?;
    let failed = |error: &dyn ToString| memory(program, error.to_string());
    let isa = target(program, Effort::Full, Home::Object)?;
    let quick = target(program, Effort::Quick, Home::Object)?;
    let builder = ObjectBuilder::new(isa, program.name.as_bytes(), default_libcall_names());
    let mut module = ObjectModule::new(builder.map_err(|error| failed(&error))?);
    let kernels = kernels(program);
    let table = trampolines(&mut module, &kernels).map_err(|error| failed(&error))?;
    let mut emitter = Emitter::new(&mut module, quick, &kernels).map_err(|error| failed(&error))?;
    let functions = program.functions.iter().map(|function| emitter.define(function)).collect::<Result<Vec<_>, _>>();
    let functions = functions.map_err(|error| failed(&error))?;
    emitter.finish().map_err(|error| failed(&error))?;
    let steps: Vec<u32> = program.steps.iter().map(|step| step.function).collect();
    let names = kernels.iter().map(|kernel| kernel.0.name.to_owned()).collect();
    let description = Description::new(&parts(program, &vec![nothing as StepFn; functions.len()]), &steps, names);
    let description = description.encode().map_err(|error| failed(&error))?;
    let symbol = symbol(program);
    define(&mut module, &symbol, description, &functions, (table, kernels.len())).map_err(|error| failed(&error))?;
    let bytes = module.finish().emit().map_err(|error| failed(&error))?;
    Ok(Object { bytes, header: header(program, &symbol) })
}

/// In the place of a step's function, whose address only the linker knows.
extern "C" fn nothing(_: *const *mut f32, _: u32, _: u32) {}

/// The table of kernels, and a function for each that calls what the table says.
fn trampolines(module: &mut ObjectModule, kernels: &[Kernel]) -> Result<DataId, Box<ModuleError>> {
    let table = module.declare_data("kernels", Linkage::Local, true, false)?;
    let mut data = DataDescription::new();
    data.define_zeroinit(WORD * kernels.len().max(1));
    data.set_align(WORD as u64);
    module.define_data(table, &data)?;
    let (mut context, mut builder) = (module.make_context(), FunctionBuilderContext::new());
    let config = module.target_config();
    let pointer = config.pointer_type();
    let signature = signature(module, &[pointer; 2]);
    for (kernel, place) in kernels.iter().zip((0..).step_by(WORD)) {
        let id = module.declare_function(&kernel_symbol(*kernel), Linkage::Local, &signature)?;
        context.func.signature = signature.clone();
        let data = module.declare_data_in_func(table, &mut context.func);
        let mut builder = FunctionBuilder::new(&mut context.func, &mut builder);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let args = builder.block_params(entry).to_vec();
        let base = builder.ins().symbol_value(pointer, data);
        let callee = builder.ins().load(pointer, MemFlagsData::new().with_notrap(), base, place);
        let signature = builder.import_signature(signature.clone());
        builder.ins().call_indirect(signature, callee, &args);
        builder.ins().return_(&[]);
        builder.finalize(config);
        module.define_function(id, &mut context)?;
        module.clear_context(&mut context);
    }
    Ok(table)
}

/// Defines the network: [`ObjectNetwork`](convoke_runtime::object::ObjectNetwork), word by word.
fn define(
    module: &mut ObjectModule,
    symbol: &str,
    description: Vec<u8>,
    functions: &[FuncId],
    (table, kernels): (DataId, usize),
) -> Result<(), Box<ModuleError>> {
    let len = description.len();
    let description_data = module.declare_data("description", Linkage::Local, false, false)?;
    let mut data = DataDescription::new();
    data.define(description.into_boxed_slice());
    module.define_data(description_data, &data)?;

    let list = module.declare_data("functions", Linkage::Local, true, false)?;
    let mut data = DataDescription::new();
    data.define(vec![0; WORD * functions.len().max(1)].into_boxed_slice());
    data.set_align(WORD as u64);
    for (&function, place) in functions.iter().zip((0..).step_by(WORD)) {
        let function = module.declare_func_in_data(function, &mut data);
        data.write_function_addr(place, function);
    }
    module.define_data(list, &data)?;

    let network = module.declare_data(symbol, Linkage::Export, true, false)?;
    let mut data = DataDescription::new();
    // Zeros are where the addresses go.
    let words = [VERSION, 0, len as u64, 0, functions.len() as u64, 0, kernels as u64];
    data.define(words.iter().flat_map(|word| word.to_ne_bytes()).collect());
    data.set_align(WORD as u64);
    for (word, of) in [(1, description_data), (3, list), (5, table)] {
        let of = module.declare_data_in_data(of, &mut data);
        data.write_data_addr((WORD * word) as u32, of, 0);
    }
    Ok(module.define_data(network, &data)?)
}

/// `convoke_` and the network's name, as C spells names.
fn symbol(program: &Program) -> String {
    let name = program.name.chars().map(|char| if char.is_ascii_alphanumeric() { char } else { '_' });
    format!("convoke_{}", name.collect::<String>())
}

fn header(program: &Program, symbol: &str) -> String {
    let mut values = String::new();
    for (kind, infos) in [("input", &program.inputs), ("output", &program.outputs)] {
        for (index, info) in infos.iter().enumerate() {
            let (shape, len) = (&info.shape, info.shape.iter().product::<usize>());
            let whole = if info.dtype == DType::F32 { String::new() } else { format!(" of {} as float", info.dtype) };
            let _ = writeln!(values, "/* {kind}s[{index}]: {}, {shape:?}{whole} */", comment(&info.name));
            let _ = writeln!(values, "#define {symbol}_{kind}_{index} {len}");
        }
    }
    let (name, isa) = (comment(&program.name), program.isa);
    format!(
        "/* {name}, compiled by Convoke; needs a processor with {isa}.
   Link its object file with libconvoke_runtime.a, -lm, -lpthread and -ldl. */
#ifndef {symbol}_h
#define {symbol}_h
{RUNTIME}
#ifdef __cplusplus
extern \"C\" {{
#endif
extern const struct convoke_network {symbol};
#ifdef __cplusplus
}}
#endif

/* The lengths of inputs and outputs, in elements; their shapes stand above. */
{values}
#endif
"
    )
}

/// What the headers of all networks have.
const RUNTIME: &str = r#"
#ifndef convoke_runtime_h
#define convoke_runtime_h
#include <stddef.h>
#ifdef __cplusplus
extern "C" {
#endif
struct convoke_network;
struct convoke_model;

/* A model with the parameters in a file, safetensors or PyTorch's, that runs on so many threads; 0: as many as the
   machine allows. NULL on failure, also on a processor that the network is not for. */
struct convoke_model *convoke_load(const struct convoke_network *network, const char *path, size_t threads);

/* The same with the content of such a file, which is not needed after the call. */
struct convoke_model *convoke_load_bytes(const struct convoke_network *network, const unsigned char *bytes, size_t len,
                                         size_t threads);

/* Reads inputs[i] and writes outputs[i], row-major; they may overlap. 0 on success; else nothing is written. A model
   serves one thread at a time. */
int convoke_run(struct convoke_model *model, const float *const *inputs, float *const *outputs);

/* NULL is nothing to free. */
void convoke_free(struct convoke_model *model);

/* Why the last call of this thread that failed did, until the next one that does. */
const char *convoke_error(void);
#ifdef __cplusplus
}
#endif
#endif
"#;

/// A name in a comment of C.
fn comment(name: &str) -> String {
    name.replace("*/", "* /").replace(char::is_control, " ")
}
