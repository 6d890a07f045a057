//! [`Model`]: a network with its weights, ready to run.

mod prepare;

use std::borrow::Borrow;
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use crate::network::{Arg, MAX_STEP_ARGS, NetworkParts, Space, StepFn};
use crate::parameters::{FileError, FormatError, ParameterErrors};
use crate::tensor::count;
use crate::weights::WeightError;
use crate::{AlignedVec, DType, FlushToZero, Isa, Network, Parameters, Tensor, ThreadPool, available_threads};

/// A network with its weights, ready to run: prepared weights, one arena, the outputs, and the threads.
///
/// A run allocates nothing, and takes no lock where it has one thread. Weights and threads are shared with the models
/// that [`Model::fork`] makes.
pub struct Model {
    network: Arc<Network>,
    weights: Arc<AlignedVec<f32>>,
    /// Only the steps access it, through `pointers`.
    _arena: AlignedVec<f32>,
    outputs: Vec<Tensor>,
    calls: Vec<Call>,
    /// The pointers of all calls, one call's after the other's.
    pointers: Vec<*mut f32>,
    /// Which of them point into inputs, and are set at each run.
    patches: Vec<Patch>,
    /// None where one thread runs all.
    pool: Option<Arc<ThreadPool>>,
}

/// A step, resolved.
struct Call {
    function: StepFn,
    /// The most threads that it wants.
    threads: u32,
    /// Its first pointer.
    first: usize,
}

/// A pointer into an input.
struct Patch {
    /// Which pointer.
    pointer: usize,
    input: usize,
    /// Element of the input.
    offset: usize,
}

// SAFETY: the pointers lead into weights, arena and outputs, which this model owns or shares, wherever it is; those
// into inputs are only used during the run that set them. Everything else is `Send`.
unsafe impl Send for Model {}
// SAFETY: through `&Model` nothing is written and no step runs; what it reads is `Sync`.
unsafe impl Sync for Model {}

impl Model {
    /// The network with these parameters. Its weights are prepared now; the parameters are no longer needed then.
    ///
    /// It runs on [`available_threads`] threads, or as many as its steps can use; see [`Model::threads`].
    ///
    /// # Errors
    /// [`LoadError`] where the parameters are not those of the network, or this processor cannot run it.
    pub fn new(network: impl Into<Arc<Network>>, parameters: &Parameters) -> Result<Self, LoadError> {
        load(network.into(), parameters)
    }

    /// As [`Model::new`], with the parameters in a file; see [`Parameters::load`].
    ///
    /// # Errors
    /// [`LoadError`], also where the file cannot be read.
    pub fn load(network: impl Into<Arc<Network>>, path: impl AsRef<Path>) -> Result<Self, LoadError> {
        load(network.into(), &Parameters::load(path)?)
    }

    /// As [`Model::new`], with the parameters in a file in memory; see [`Parameters::from_bytes`].
    ///
    /// # Errors
    /// [`LoadError`], also where the bytes are not such a file.
    pub fn from_bytes(network: impl Into<Arc<Network>>, bytes: &[u8]) -> Result<Self, LoadError> {
        load(network.into(), &Parameters::from_bytes(bytes)?)
    }

    /// The same model, running on this many threads, the calling one among them; 0 means [`available_threads`]. No
    /// more are started than its steps can use.
    #[must_use]
    pub fn threads(mut self, threads: usize) -> Self {
        let threads = if threads == 0 { available_threads() } else { threads };
        let useful = self.calls.iter().map(|call| call.threads).max().unwrap_or(1);
        let threads = threads.min(useful as usize);
        self.pool = (threads > 1).then(|| Arc::new(ThreadPool::new(threads)));
        self
    }

    /// The threads that its runs use, the calling one included.
    #[must_use]
    pub fn thread_count(&self) -> usize {
        self.pool.as_ref().map_or(1, |pool| pool.threads() as usize)
    }

    /// Another model of the same network that shares the weights, with an arena and outputs of its own: to run at the
    /// same time on another thread.
    ///
    /// They share the threads, too: while one model uses them, the runs of the others stay on their callers' threads.
    /// [`Model::threads`] gives a model threads of its own.
    #[must_use]
    pub fn fork(&self) -> Self {
        build(Arc::clone(&self.network), Arc::clone(&self.weights), self.pool.clone())
    }

    /// Prepares anew what depends on the parameters for whose names `changed` holds, which have other values now. A model
    /// that shares its weights with others leaves theirs as they are, and has its own from then on.
    ///
    /// # Errors
    /// [`LoadError`] where the parameters are not those of the network; nothing has changed then.
    pub fn update(&mut self, parameters: &Parameters, changed: impl Fn(&str) -> bool) -> Result<(), LoadError> {
        if Arc::get_mut(&mut self.weights).is_none() {
            let mut own = AlignedVec::zeroed(self.weights.len());
            own.copy_from_slice(&self.weights);
            *self = build(Arc::clone(&self.network), Arc::new(own), self.pool.take());
        }
        let weights = Arc::get_mut(&mut self.weights).expect("nobody else has them");
        prepare::again(&self.network, parameters, weights, changed)
    }

    /// The network.
    #[must_use]
    pub const fn network(&self) -> &Arc<Network> {
        &self.network
    }

    /// Computes the outputs for these inputs, in the order of [`NetworkParts::inputs`]; they hold until the next run.
    ///
    /// Integers and truth values come and go as float32 of the same value: [`Tensor::to_f32`] and [`Tensor::to_i64`]
    /// or [`Tensor::to_bool`] convert what [`ValueInfo::dtype`](crate::network::ValueInfo::dtype) says is one.
    ///
    /// # Errors
    /// [`RunError`] where the inputs are not those of the network, or an integer is none that float32 holds.
    pub fn run(&mut self, inputs: &[&Tensor]) -> Result<&[Tensor], RunError> {
        self.run_on(inputs)
    }

    /// As [`Model::run`], also with tensors that stand side by side.
    pub(crate) fn run_on(&mut self, inputs: &[impl Borrow<Tensor>]) -> Result<&[Tensor], RunError> {
        self.bind(inputs)?;
        self.execute(|_| {});
        Ok(&self.outputs)
    }

    /// Runs as [`Model::run`] does, and returns what each step took.
    ///
    /// # Errors
    /// As [`Model::run`].
    pub fn profile(&mut self, inputs: &[&Tensor]) -> Result<Vec<StepTime<'_>>, RunError> {
        self.bind(inputs)?;
        let mut ends = Vec::with_capacity(self.calls.len());
        let mut last = Instant::now();
        self.execute(|_| {
            let now = Instant::now();
            ends.push(now.duration_since(last));
            last = now;
        });
        let steps = self.network.steps.iter().zip(ends);
        let time = |duration: std::time::Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Ok(steps.map(|(step, duration)| StepTime { name: &step.name, nanoseconds: time(duration) }).collect())
    }

    /// The outputs of the last run; zeros before the first.
    #[must_use]
    pub fn outputs(&self) -> &[Tensor] {
        &self.outputs
    }

    /// Checks the inputs and points the steps to them.
    fn bind(&mut self, inputs: &[impl Borrow<Tensor>]) -> Result<(), RunError> {
        let expected = &self.network.inputs;
        if inputs.len() != expected.len() {
            return Err(RunError::Count { expected: expected.len(), found: inputs.len() });
        }
        for (info, input) in expected.iter().zip(inputs) {
            let input = input.borrow();
            if *info.shape != *input.shape() {
                let (expected, found) = (info.shape.to_vec(), input.shape().to_vec());
                return Err(RunError::Shape { input: info.name.clone().into_owned(), expected, found });
            }
            if let Some(index) = input.data().iter().position(|&element| !info.dtype.holds(element)) {
                let (dtype, found) = (info.dtype, input.data()[index]);
                return Err(RunError::Element { input: info.name.clone().into_owned(), index, dtype, found });
            }
        }
        for patch in &self.patches {
            let start = inputs[patch.input].borrow().data().as_ptr().cast_mut();
            self.pointers[patch.pointer] = start.wrapping_add(patch.offset);
        }
        Ok(())
    }

    /// Runs the steps, whose pointers into inputs were set for inputs that are still borrowed; calls `after` with the
    /// index of each step that has ended.
    fn execute(&mut self, mut after: impl FnMut(usize)) {
        let _flush = FlushToZero::enter();
        let mut team = self.pool.as_ref().and_then(|pool| pool.team());
        if let Some(team) = &team {
            team.rouse();
        }
        for (index, call) in self.calls.iter().enumerate() {
            let args = Args(self.pointers[call.first..].as_ptr());
            match &mut team {
                Some(team) if call.threads > 1 => {
                    // SAFETY: as below, and the shares of the threads are disjoint, by the same promise.
                    team.run(call.threads, &|thread, threads| unsafe { (call.function)(args.get(), thread, threads) });
                }
                _ => {
                    // SAFETY: the pointers lead to the step's places in spaces that are as large and aligned as
                    // `Network::new` asks for (`check` and `build`): arena and outputs, which nobody else accesses
                    // while `self` is borrowed exclusively, weights, which nobody writes, and inputs, which `bind`
                    // has set. The processor has the network's instruction set (`check`).
                    unsafe { (call.function)(args.get(), 0, 1) };
                }
            }
            after(index);
        }
    }
}

impl fmt::Debug for Model {
    /// The network's name and the number of threads.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut model = f.debug_struct("Model");
        model.field("network", &self.network.name).field("threads", &self.thread_count()).finish_non_exhaustive()
    }
}

/// The pointers of a call, for other threads.
#[derive(Clone, Copy)]
struct Args(*const *mut f32);

// SAFETY: the pointer is only handed to the step's function, which may be called from any thread.
unsafe impl Sync for Args {}

impl Args {
    const fn get(&self) -> *const *mut f32 {
        self.0
    }
}

fn load(network: Arc<Network>, parameters: &Parameters) -> Result<Model, LoadError> {
    check(&network).map_err(|reason| LoadError::Network { network: network.name.clone().into_owned(), reason })?;
    if !network.isa.available() {
        let network_name = network.name.clone().into_owned();
        return Err(LoadError::Isa { network: network_name, needed: network.isa, detected: Isa::detect() });
    }
    let weights = prepare::weights(&network, parameters)?;
    Ok(build(network, Arc::new(weights), None).threads(0))
}

/// That every place that the network names exists.
fn check(network: &NetworkParts) -> Result<(), String> {
    for value in network.inputs.iter().chain(&*network.outputs) {
        if count(&value.shape, size_of::<f32>()).is_none() {
            return Err(format!("`{}` of shape {:?} exceeds the address space", value.name, value.shape));
        }
    }
    for (index, weight) in network.weights.iter().enumerate() {
        if weight.offset.checked_add(weight.len).is_none_or(|end| end > network.weights_len) {
            return Err(format!("weight buffer {index} lies outside the {} prepared weights", network.weights_len));
        }
    }
    for step in network.steps.iter() {
        if step.args.len() > MAX_STEP_ARGS {
            return Err(format!("step `{}` has {} buffers, {MAX_STEP_ARGS} at most", step.name, step.args.len()));
        }
        if let Some(arg) = step.args.iter().find(|arg| space_len(network, arg.space).is_none_or(|len| arg.offset > len))
        {
            return Err(format!("step `{}` has a buffer outside its space: {arg:?}", step.name));
        }
    }
    Ok(())
}

/// The elements of a space; `None` where it does not exist.
fn space_len(network: &NetworkParts, space: Space) -> Option<usize> {
    let len = |values: &[crate::network::ValueInfo], index: u16| {
        values.get(usize::from(index)).and_then(|value| count(&value.shape, size_of::<f32>()))
    };
    match space {
        Space::Arena => Some(network.arena_len),
        Space::Weights => Some(network.weights_len),
        Space::Input(index) => len(&network.inputs, index),
        Space::Output(index) => len(&network.outputs, index),
    }
}

/// A model of a network that `check` accepts.
fn build(network: Arc<Network>, weights: Arc<AlignedVec<f32>>, pool: Option<Arc<ThreadPool>>) -> Model {
    let mut arena = AlignedVec::zeroed(network.arena_len);
    let mut outputs: Vec<Tensor> = network.outputs.iter().map(|output| Tensor::zeros(&output.shape)).collect();
    let (mut calls, mut pointers, mut patches) = (Vec::new(), Vec::new(), Vec::new());
    for step in network.steps.iter() {
        calls.push(Call { function: step.function, threads: step.threads, first: pointers.len() });
        for &Arg { space, offset } in step.args.iter() {
            let start = match space {
                Space::Arena => arena.as_mut_ptr(),
                // Steps do not write weights.
                Space::Weights => weights.as_ptr().cast_mut(),
                Space::Output(index) => outputs[usize::from(index)].as_mut_ptr(),
                Space::Input(index) => {
                    patches.push(Patch { pointer: pointers.len(), input: usize::from(index), offset });
                    std::ptr::null_mut()
                }
            };
            pointers.push(start.wrapping_add(offset));
        }
    }
    Model { network, weights, _arena: arena, outputs, calls, pointers, patches, pool }
}

/// What one step of a run took.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepTime<'m> {
    /// The names of the nodes that it computes.
    pub name: &'m str,
    /// From the end of the step before to its end.
    pub nanoseconds: u64,
}

/// A network that cannot be loaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LoadError {
    /// The file of its parameters cannot be read.
    #[error(transparent)]
    File(#[from] FileError),
    /// The bytes of its parameters cannot be read.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// The parameters are not those of the network.
    #[error("network `{network}`: {errors}")]
    Parameters {
        /// The network's name.
        network: String,
        /// All that is wrong with them.
        errors: ParameterErrors,
    },
    /// This processor lacks the instruction set that the network was compiled for.
    #[error("network `{network}` was compiled for {needed}, which this processor lacks; compile it for {detected}")]
    Isa {
        /// The network's name.
        network: String,
        /// The instruction set it needs.
        needed: Isa,
        /// The most capable one of this processor.
        detected: Isa,
    },
    /// A weight cannot be prepared: a fault of the compiler.
    #[error("network `{network}`, weight buffer {buffer}: {error} (this is a fault of the compiler)")]
    Weight {
        /// The network's name.
        network: String,
        /// Index in [`NetworkParts::weights`].
        buffer: usize,
        /// Why.
        error: WeightError,
    },
    /// The network is not consistent: a fault of the compiler.
    #[error("network `{network}`: {reason} (this is a fault of the compiler)")]
    Network {
        /// The network's name.
        network: String,
        /// What is wrong.
        reason: String,
    },
}

/// Inputs that are not those of the network.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Another number of inputs.
    #[error("the network has {expected} inputs, {found} are given")]
    Count {
        /// Inputs of the network.
        expected: usize,
        /// Inputs given.
        found: usize,
    },
    /// An input of another shape.
    #[error("input `{input}` has the shape {expected:?}, a tensor of shape {found:?} is given")]
    Shape {
        /// The input's name.
        input: String,
        /// Its shape.
        expected: Vec<usize>,
        /// The shape of what was given.
        found: Vec<usize>,
    },
    /// An input holds a number that its type does not have, or not within 2²⁴.
    #[error("input `{input}` expects elements of {dtype}, element {index} is {found}")]
    Element {
        /// The input's name.
        input: String,
        /// The first such element, row-major.
        index: usize,
        /// The input's type.
        dtype: DType,
        /// The element.
        found: f32,
    },
}
