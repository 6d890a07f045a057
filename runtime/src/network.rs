//! [`Network`]: what every backend that makes code hands to the runtime.

use std::any::Any;
use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;

use crate::weights::WeightOp;
use crate::{DType, Isa};

/// A compiled network without its weights: [`NetworkParts`] whose functions are known to keep to their buffers.
///
/// The steps of a network are functions that are given bare pointers. That a [`Model`](crate::Model) may call them
/// is a promise made once, where the network is made ([`Network::new`]): by the compiler, whose verifier proves every
/// access in bounds. From there on all is safe code.
#[derive(Clone, Debug)]
pub struct Network {
    parts: NetworkParts,
    /// What the functions' code lives in, where it is not the program itself.
    _keep_alive: Option<Arc<dyn Any + Send + Sync>>,
}

impl Network {
    /// A network of these parts.
    ///
    /// # Safety
    /// Let the spaces be an arena of `arena_len` elements, weights of `weights_len`, and inputs and outputs of their
    /// shapes' elements, all float32, the first two beginning on boundaries of 64 bytes and the others on those of
    /// `f32`. For each step, for every `threads` ≥ 1, and on a processor that has `isa`:
    ///
    /// - `function`, called with pointers to the places that `args` name, accesses nothing but elements of the spaces
    ///   that those places lie in, and does not write to weights or inputs;
    /// - calls for different `thread` < `threads` may run at the same time: none writes an element that another one
    ///   accesses;
    /// - it does not unwind, and it may be called from any thread as long as this network or a clone of it lives,
    ///   given that what [`Network::keep_alive`] took is alive.
    #[must_use]
    pub const unsafe fn new(parts: NetworkParts) -> Self {
        Self { parts, _keep_alive: None }
    }

    /// The same network, keeping `owner` alive: the memory that the functions' code lies in.
    #[must_use]
    pub fn keep_alive(self, owner: Arc<dyn Any + Send + Sync>) -> Self {
        Self { _keep_alive: Some(owner), ..self }
    }
}

impl Deref for Network {
    type Target = NetworkParts;

    fn deref(&self) -> &NetworkParts {
        &self.parts
    }
}

/// What a [`Network`] consists of: plain data and functions. Generated Rust makes it as a constant, the JIT at run
/// time.
#[derive(Clone, Debug)]
pub struct NetworkParts {
    /// The network's name.
    pub name: Cow<'static, str>,
    /// The instruction set that its steps need.
    pub isa: Isa,
    /// Inputs in order: name and shape.
    pub inputs: Cow<'static, [ValueInfo]>,
    /// Outputs in order: name and shape.
    pub outputs: Cow<'static, [ValueInfo]>,
    /// Parameters in order: name in PyTorch's `state_dict` and shape.
    pub parameters: Cow<'static, [ValueInfo]>,
    /// Prepared weight buffers; each lies in the space of weights at its offset.
    pub weights: Cow<'static, [WeightBuffer]>,
    /// Elements of the space of weights.
    pub weights_len: usize,
    /// Elements of the arena.
    pub arena_len: usize,
    /// The steps of a run, in order.
    pub steps: Cow<'static, [Step]>,
}

/// Name and type of an input, output or parameter; parameters are float32.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub struct ValueInfo {
    /// Its name.
    pub name: Cow<'static, str>,
    /// The type of its elements, as the caller sees them.
    pub dtype: DType,
    /// Its shape.
    pub shape: Cow<'static, [usize]>,
}

impl ValueInfo {
    /// A float32 value.
    pub fn f32(name: impl Into<Cow<'static, str>>, shape: impl Into<Cow<'static, [usize]>>) -> Self {
        Self { name: name.into(), dtype: DType::F32, shape: shape.into() }
    }
}

/// One buffer of prepared weights.
#[derive(Clone, Debug)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub struct WeightBuffer {
    /// First element in the space of weights.
    pub offset: usize,
    /// Elements.
    pub len: usize,
    /// The expression that gives its content, in postfix form.
    pub expression: Cow<'static, [WeightOp]>,
}

/// The code of a step. Thread `thread` of `threads` does its share; the shares write disjoint elements.
///
/// `args` points to the step's pointers, in the order of [`Step::args`].
pub type StepFn = unsafe extern "C" fn(args: *const *mut f32, thread: u32, threads: u32);

/// One step of a run: a function and its buffers. A step starts when all threads have ended the one before.
#[derive(Clone, Debug)]
pub struct Step {
    /// What it computes: the names of the nodes, for profiles.
    pub name: Cow<'static, str>,
    /// Its code.
    pub function: StepFn,
    /// Its buffers; at most [`MAX_STEP_ARGS`].
    pub args: Cow<'static, [Arg]>,
    /// The most threads that are worth waking for it; 1 for small work.
    pub threads: u32,
}

/// The most buffers a step takes: enough for the concatenations of DenseNet-264, which join 65 tensors.
pub const MAX_STEP_ARGS: usize = 128;

/// A buffer of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub struct Arg {
    /// Where it lies.
    pub space: Space,
    /// First element in that space.
    pub offset: usize,
}

/// The spaces that buffers lie in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub enum Space {
    /// The arena: planned offsets, reused within a run.
    Arena,
    /// Prepared weights.
    Weights,
    /// The input with this index, as the caller gave it.
    Input(u16),
    /// The output with this index.
    Output(u16),
}
