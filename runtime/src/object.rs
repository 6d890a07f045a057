//! Networks in object files, and the interface by which C runs them.
//!
//! An object file of the compiler holds the code of a network's steps and one [`ObjectNetwork`], which C passes to
//! [`convoke_load`]. All that is no code lies in it as bytes, a [`Description`]. Kernels are called through a table of
//! pointers, which is filled when a network is loaded: so the object file refers to no symbol of the runtime, and the
//! runtime's table of kernels stays the only list of them.
//!
//! The header beside an object file declares the three functions and says what inputs and outputs are.

use std::cell::RefCell;
use std::ffi::{CStr, CString, c_char, c_int};
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicPtr, Ordering};

use serde::{Deserialize, Serialize};

use crate::kernels::ukernels;
use crate::network::{Arg, Network, NetworkParts, Step, StepFn, ValueInfo, WeightBuffer};
use crate::{Isa, Model, Parameters, Tensor};

/// The version of [`ObjectNetwork`] and [`Description`]. An object file of another one is refused.
pub const VERSION: u64 = 1;

/// What an object file defines: seven words.
#[derive(Debug)]
#[repr(C)]
pub struct ObjectNetwork {
    /// [`VERSION`].
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
    inputs: Vec<Tensor>,
}

thread_local! {
    static ERROR: RefCell<CString> = RefCell::default();
}

/// Keeps a message for [`convoke_error`].
fn fail(message: &str) {
    let text = CString::new(message.replace('\0', " ")).unwrap_or_default();
    ERROR.with(|error| error.replace(text));
}

/// Loads a network with the parameters in a safetensors file, to run on so many threads; 0 means as many as the machine
/// allows. Null where that fails; [`convoke_error`] says why.
///
/// # Safety
/// `network` is that of an object file which the compiler wrote, for this version; `weights` ends with a zero.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_load(
    network: *const ObjectNetwork,
    weights: *const c_char,
    threads: usize,
) -> *mut ObjectModel {
    // SAFETY: as the caller promises.
    match unsafe { load(&*network, CStr::from_ptr(weights), threads) } {
        Ok(model) => Box::into_raw(Box::new(model)),
        Err(message) => {
            fail(&message);
            ptr::null_mut()
        }
    }
}

/// # Safety
/// As for [`convoke_load`].
unsafe fn load(network: &ObjectNetwork, weights: &CStr, threads: usize) -> Result<ObjectModel, String> {
    if network.version != VERSION {
        return Err(format!("the object file is of version {}, the runtime reads {VERSION}", network.version));
    }
    // SAFETY: the object file has as many elements as it says.
    let (bytes, functions, table) = unsafe {
        (
            std::slice::from_raw_parts(network.description, network.description_len as usize),
            std::slice::from_raw_parts(network.functions, network.function_count as usize),
            std::slice::from_raw_parts(network.kernels, network.kernel_count as usize),
        )
    };
    let description: Description = postcard::from_bytes(bytes).map_err(|error| format!("the object file: {error}"))?;
    for (place, name) in table.iter().zip(&description.kernels) {
        let kernel = ukernels().iter().find(|kernel| kernel.name == name);
        let kernel = kernel.ok_or_else(|| format!("this runtime has no kernel `{name}`"))?;
        // Whoever else loads the network writes the same.
        place.store(kernel.entry as *mut (), Ordering::Release);
    }
    let parts = description.parts(functions)?;
    // SAFETY: the compiler verified the program before it wrote the file: as for code that it makes in a process.
    let network = unsafe { Network::new(parts) };
    let path = weights.to_str().map_err(|error| format!("the path of the parameters: {error}"))?;
    let parameters = Parameters::load(Path::new(path)).map_err(|error| error.to_string())?;
    let model = Model::new(network, &parameters).map_err(|error| error.to_string())?.threads(threads);
    let inputs = model.network().inputs.iter().map(|input| Tensor::zeros(&input.shape)).collect();
    Ok(ObjectModel { model, inputs })
}

/// Runs a model: reads `inputs[i]` and writes `outputs[i]`, each row-major and as long as the header says. 0 where that
/// succeeds; else [`convoke_error`] says why.
///
/// # Safety
/// `model` comes from [`convoke_load`] and nobody else uses it meanwhile; the tensors are as long as the header says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_run(
    model: *mut ObjectModel,
    inputs: *const *const f32,
    outputs: *const *mut f32,
) -> c_int {
    // SAFETY: as the caller promises.
    let ObjectModel { model, inputs: tensors } = unsafe { &mut *model };
    for (index, tensor) in tensors.iter_mut().enumerate() {
        let to = tensor.data_mut();
        // SAFETY: there are as many inputs, each as long as its tensor.
        unsafe { ptr::copy_nonoverlapping(*inputs.add(index), to.as_mut_ptr(), to.len()) };
    }
    match model.run(&tensors.iter().collect::<Vec<_>>()) {
        Ok(results) => {
            for (index, result) in results.iter().enumerate() {
                let from = result.data();
                // SAFETY: there are as many outputs, each as long as its tensor.
                unsafe { ptr::copy_nonoverlapping(from.as_ptr(), *outputs.add(index), from.len()) };
            }
            0
        }
        Err(error) => {
            fail(&error.to_string());
            1
        }
    }
}

/// Frees a model; null is none.
///
/// # Safety
/// `model` comes from [`convoke_load`] and is not used again.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn convoke_free(model: *mut ObjectModel) {
    if !model.is_null() {
        // SAFETY: `convoke_load` made it by `Box::into_raw`.
        drop(unsafe { Box::from_raw(model) });
    }
}

/// Why the last call of this thread failed; holds until the next one that does.
#[unsafe(no_mangle)]
pub extern "C" fn convoke_error() -> *const c_char {
    ERROR.with(|error| error.borrow().as_ptr())
}
