//! Networks in object files, and the interface by which C runs them.
//!
//! An object file of the compiler holds the code of a network's steps and one [`ObjectNetwork`], which C passes to
//! [`convoke_load`]. All that is no code lies in it as bytes, a [`Description`]. Kernels are called through a table of
//! pointers, which is filled when a network is loaded: so the object file refers to no symbol of the runtime, and the
//! runtime's table of kernels stays the only list of them.
//!
//! The header beside an object file declares the functions and says what inputs and outputs are. None of them lets a
//! panic out: whatever fails is a null pointer or a status, and [`convoke_error`] says why.

use std::any::Any;
use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::{ptr, slice};

use serde::{Deserialize, Serialize};

use crate::kernels::ukernels;
use crate::network::{Arg, Network, NetworkParts, Step, StepFn, ValueInfo, WeightBuffer};
use crate::{Isa, Model, Parameters, Tensor};

/// The version of this crate, sixteen bits for each of its three numbers. Code in object files hands constants to
/// kernels in the layout of its own version, so that one of another version is refused.
pub const VERSION: u64 = {
    const fn number(text: &str) -> u64 {
        match u64::from_str_radix(text, 10) {
            Ok(number) if number >> 16 == 0 => number,
            _ => panic!("a part of the version takes sixteen bits"),
        }
    }
    number(env!("CARGO_PKG_VERSION_MAJOR")) << 32
        | number(env!("CARGO_PKG_VERSION_MINOR")) << 16
        | number(env!("CARGO_PKG_VERSION_PATCH"))
};

/// What an object file defines: seven words of eight bytes.
#[derive(Debug)]
#[repr(C)]
pub struct ObjectNetwork {
    /// [`VERSION`]; first in every version.
    pub version: u64,
    /// A [`Description`], encoded.
    pub description: *const u8,
    /// Its bytes.
    pub description_len: u64,
    /// The functions of its steps.
    pub functions: *const StepFn,
    /// How many there are.
    pub function_count: u64,
    /// Room for the addresses of the kernels that it names.
    pub kernels: *const AtomicPtr<()>,
    /// How many there are.
    pub kernel_count: u64,
}

/// A network without its code: [`NetworkParts`] whose steps refer to functions by index.
#[derive(Debug, Serialize, Deserialize)]
pub struct Description {
    name: String,
    isa: Isa,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
    parameters: Vec<ValueInfo>,
    weights: Vec<WeightBuffer>,
    weights_len: usize,
    arena_len: usize,
    steps: Vec<StepDescription>,
    kernels: Vec<String>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StepDescription {
    name: String,
    function: u32,
    args: Vec<Arg>,
    threads: u32,
}

impl Description {
    /// The description of a network whose step `i` runs function `functions[i]` of the object file, which calls
    /// `kernels`. The functions in `parts` do not matter.
    #[must_use]
    pub fn new(parts: &NetworkParts, functions: &[u32], kernels: Vec<String>) -> Self {
        let step = |(step, function): (&Step, &u32)| {
            let (name, args) = (step.name.clone().into_owned(), step.args.to_vec());
            StepDescription { name, function: *function, args, threads: step.threads }
        };
        Self {
            name: parts.name.clone().into_owned(),
            isa: parts.isa,
            inputs: parts.inputs.to_vec(),
            outputs: parts.outputs.to_vec(),
            parameters: parts.parameters.to_vec(),
            weights: parts.weights.to_vec(),
            weights_len: parts.weights_len,
            arena_len: parts.arena_len,
            steps: parts.steps.iter().zip(functions).map(step).collect(),
            kernels,
        }
    }

    /// Its bytes.
    ///
    /// # Errors
    /// None that depends on a description.
    pub fn encode(&self) -> Result<Vec<u8>, String> {
        postcard::to_allocvec(self).map_err(|error| error.to_string())
    }

    /// The parts of the network with these functions.
    fn parts(self, functions: &[StepFn]) -> Result<NetworkParts, String> {
        let step = |step: StepDescription| {
            let function = functions.get(step.function as usize).copied();
            let function = function.ok_or_else(|| format!("step `{}` has no function", step.name))?;
            Ok(Step { name: step.name.into(), function, args: step.args.into(), threads: step.threads })
        };
        Ok(NetworkParts {
            name: self.name.into(),
            isa: self.isa,
            inputs: self.inputs.into(),
            outputs: self.outputs.into(),
            parameters: self.parameters.into(),
            weights: self.weights.into(),
            weights_len: self.weights_len,
            arena_len: self.arena_len,
            steps: self.steps.into_iter().map(step).collect::<Result<_, String>>()?,
        })
    }
}

/// A model as C holds it.
#[derive(Debug)]
pub struct ObjectModel {
    model: Model,
    /// Where inputs are copied to: C promises no alignment but that of `float`.
    inputs: Vec<Tensor>,
}

thread_local! {
    static ERROR: RefCell<CString> = RefCell::default();
}

/// What `call` gives, or `failed` where it fails or panics; then keeps the message for [`convoke_error`].
fn guard<T>(failed: T, call: impl FnOnce() -> Result<T, String>) -> T {
    // After a panic nothing of `call` is used again but a model, whose next run writes all that it reads.
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| Err(described(&*panic)));
    result.unwrap_or_else(|message| {
        let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
        ERROR.with(|error| error.replace(text));
        failed
    })
}

/// What a panic says.
fn described(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a fault of the runtime: {}", text.unwrap_or("a panic"))
}

/// Loads a network with the parameters in a file, safetensors or PyTorch's, to run on so many threads; 0 means as many
/// as the machine allows. Null where that fails; [`convoke_error`] says why.
///
/// # Safety
/// `network` is null or that of an object file which the compiler wrote; `path` is null or ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_load(
    network: *const ObjectNetwork,
    path: *const c_char,
    threads: usize,
) -> *mut ObjectModel {
    guard(ptr::null_mut(), || {
        if path.is_null() {
            return Err("the path of the parameters is null".to_owned());
        }
        // SAFETY: it ends with a zero, as the caller promises.
        let path = unsafe { CStr::from_ptr(path) }.to_str();
        let path = path.map_err(|error| format!("the path of the parameters: {error}"))?;
        // SAFETY: as the caller promises.
        unsafe { load(network, threads, || Parameters::load(Path::new(path)).map_err(|error| error.to_string())) }
    })
}

/// As [`convoke_load`], with the content of such a file in memory, which is no longer needed then.
///
/// # Safety
/// `network` is as for [`convoke_load`]; `bytes` is null or has `len` of them.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_load_bytes(
    network: *const ObjectNetwork,
    bytes: *const u8,
    len: usize,
    threads: usize,
) -> *mut ObjectModel {
    guard(ptr::null_mut(), || {
        if bytes.is_null() {
            return Err("the bytes of the parameters are null".to_owned());
        }
        // SAFETY: there are `len` bytes, as the caller promises.
        let bytes = unsafe { slice::from_raw_parts(bytes, len) };
        // SAFETY: as the caller promises.
        unsafe { load(network, threads, || Parameters::from_bytes(bytes).map_err(|error| error.to_string())) }
    })
}

/// The model, on the heap.
///
/// # Safety
/// `network` is as for [`convoke_load`].
unsafe fn load(
    network: *const ObjectNetwork,
    threads: usize,
    parameters: impl FnOnce() -> Result<Parameters, String>,
) -> Result<*mut ObjectModel, String> {
    // SAFETY: the caller promises that it is one if it is not null; object files never write it, and align it.
    let network = unsafe { network.as_ref() }.ok_or("the network is null")?;
    if network.version != VERSION {
        let name = |version: u64| format!("{}.{}.{}", version >> 32, version >> 16 & 0xffff, version & 0xffff);
        let (found, ours) = (name(network.version), name(VERSION));
        return Err(format!("the object file is for version {found} of the runtime, this is {ours}: compile it again"));
    }
    // SAFETY: an object file of this version has as many elements as it says, aligned; the compiler lets no list be
    // without an address.
    let (bytes, functions, table) = unsafe {
        (
            slice::from_raw_parts(network.description, network.description_len as usize),
            slice::from_raw_parts(network.functions, network.function_count as usize),
            slice::from_raw_parts(network.kernels, network.kernel_count as usize),
        )
    };
    let description: Description = postcard::from_bytes(bytes).map_err(|error| format!("the object file: {error}"))?;
    if description.kernels.len() != table.len() {
        return Err("the object file: its table of kernels is not of the length that it says".to_owned());
    }
    for (place, name) in table.iter().zip(&description.kernels) {
        let kernel = ukernels().iter().find(|kernel| kernel.name == name);
        let kernel = kernel.ok_or_else(|| format!("this runtime has no kernel `{name}`"))?;
        // Whoever else loads the network writes the same.
        place.store(kernel.entry as *mut (), Ordering::Release);
    }
    let parts = description.parts(functions)?;
    // SAFETY: the compiler verified the program before it wrote the file, as it does for code that it makes in a
    // process; its kernels are in the table, and the code lives as long as the program that it is linked to.
    let network = unsafe { Network::new(parts) };
    let model = Model::new(network, &parameters()?).map_err(|error| error.to_string())?.threads(threads);
    let inputs = model.network().inputs.iter().map(|input| Tensor::zeros(&input.shape)).collect();
    Ok(Box::into_raw(Box::new(ObjectModel { model, inputs })))
}

/// Runs a model: reads `inputs[i]` and writes `outputs[i]`, each row-major and as long as the header says; they may
/// overlap. 0 where that succeeds; else nothing is written, and [`convoke_error`] says why.
///
/// # Safety
/// `model` is null, or comes from [`convoke_load`] and nobody else uses it meanwhile; the lists are null or as long as
/// the header says, their tensors, too.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_run(
    model: *mut ObjectModel,
    inputs: *const *const f32,
    outputs: *const *mut f32,
) -> c_int {
    guard(1, || {
        // SAFETY: it comes from `convoke_load`, and nobody else uses it, as the caller promises.
        let ObjectModel { model, inputs: tensors } = unsafe { model.as_mut() }.ok_or("the model is null")?;
        for (index, tensor) in tensors.iter_mut().enumerate() {
            // SAFETY: there is a pointer for each input.
            let from = unsafe { pointer("inputs", inputs.cast(), index) }?;
            let to = tensor.data_mut();
            // SAFETY: each input is as long as its tensor, which this model owns.
            unsafe { ptr::copy_nonoverlapping(from, to.as_mut_ptr(), to.len()) };
        }
        for index in 0..model.outputs().len() {
            // SAFETY: there is a pointer for each output.
            unsafe { pointer("outputs", outputs, index) }?;
        }
        let results = model.run_on(tensors).map_err(|error| error.to_string())?;
        for (index, result) in results.iter().enumerate() {
            // SAFETY: there is a pointer for each output.
            let to = unsafe { pointer("outputs", outputs, index) }?;
            // SAFETY: each output is as long as its tensor, which this model owns.
            unsafe { ptr::copy_nonoverlapping(result.data().as_ptr(), to, result.data().len()) };
        }
        Ok(0)
    })
}

/// Element `index` of a list of pointers called `what`, if neither is null.
///
/// # Safety
/// `list` is null or has such an element.
unsafe fn pointer(what: &str, list: *const *mut f32, index: usize) -> Result<*mut f32, String> {
    if list.is_null() {
        return Err(format!("`{what}` is null"));
    }
    // SAFETY: the list has such an element.
    let pointer = unsafe { *list.add(index) };
    if pointer.is_null() { Err(format!("`{what}[{index}]` is null")) } else { Ok(pointer) }
}

/// Frees a model; null is none.
///
/// # Safety
/// `model` is null, or comes from [`convoke_load`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_free(model: *mut ObjectModel) {
    guard((), || {
        if !model.is_null() {
            // SAFETY: `convoke_load` made it by `Box::into_raw`, and it is not used again.
            drop(unsafe { Box::from_raw(model) });
        }
        Ok(())
    });
}

/// Why the last call of this thread that failed did; holds until the next one that does. Empty before the first.
#[unsafe(no_mangle)]
pub extern "C" fn convoke_error() -> *const c_char {
    ERROR.with(|error| error.borrow().as_ptr())
}
