//! The lowered form: a [`Program`] of steps over planned buffers, which backends turn into code.
//!
//! A program says everything about *how*: loops with constant extents, buffers with constant offsets, affine indices,
//! vector arithmetic, calls of microkernels. Backends read it and nothing above it, and decide nothing.
//!
//! # Meaning
//!
//! - Elements are float32. Those of `i64` and `bool` tensors are, too: whole numbers up to 2²⁴, which float32 holds
//!   exactly, and 1 or 0. So integers and truth values need no arithmetic, register or kernel of their own; a model
//!   converts and checks its inputs and outputs, and what rounds or wraps says so by its operations. Arithmetic is IEEE 754 with round to nearest even; denormals are flushed to zero, on input
//!   and on output ("flush-to-zero"); any NaN equals any other. What only moves elements or changes their sign (copy,
//!   load, store, splat, the results of select, neg, abs) flushes denormals or does not: a denormal equals the zero of
//!   its sign.
//! - Nothing contracts and nothing reassociates: a multiply-add is fused where it says [`Expr::Fma`] and only there.
//! - A register holds `lanes` elements. Every operation works lane by lane, but for [`Expr::Splat`] and
//!   [`Expr::Reduce`]; so width is not meaning.
//! - A [`Stmt::For`] runs its body for `0..extent` in order, at least once. One that is `parallel` is divided among the
//!   threads of the step: thread *t* of *T* runs `⌊extent·t/T⌋ .. ⌊extent·(t+1)/T⌋`. The verifier proves that different
//!   iterations write different elements, and that nothing reads what another iteration writes.
//! - Every thread of a step runs all of its function but for that division, at its own pace and with registers of its
//!   own. So a function that has a parallel loop writes inside of parallel loops only, and one that has none runs on one
//!   thread.
//! - A [`Step`] begins when every thread has ended the step before. An element is read through the buffer through
//!   which it was written last.

// A new form must not compile until printer, parser and verifier handle it.
#![deny(clippy::wildcard_enum_match_arm)]

mod affine;
mod build;
pub mod math;
// The parser matches tokens, of which any other is a mistake.
#[allow(clippy::wildcard_enum_match_arm)]
mod parse;
mod print;
mod share;
mod verify;

pub use build::FunctionBuilder;
pub use parse::ParseError;
pub use share::share_functions;
pub use verify::{ALIGN, Fault, FaultKind, Faults, MAX_LANES, Meeting, Site, verify};

use convoke_runtime::Isa;
use convoke_runtime::kernels::{Params, Ukernel};
use convoke_runtime::network::ValueInfo;
use convoke_runtime::weights::WeightOp;

/// A lowered network: plain data, printable and parsable.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// The network's name.
    pub name: String,
    /// The instruction set of the kernels it calls.
    pub isa: Isa,
    /// Inputs in order.
    pub inputs: Vec<ValueInfo>,
    /// Outputs in order.
    pub outputs: Vec<ValueInfo>,
    /// Parameters in order; [`WeightOp::Parameter`] counts in this list.
    pub parameters: Vec<ValueInfo>,
    /// Everything that steps read and write.
    pub buffers: Vec<Buffer>,
    /// Elements of the arena.
    pub arena_len: usize,
    /// Elements of the space of prepared weights.
    pub weights_len: usize,
    /// The code. Steps of the same shape share a function.
    pub functions: Vec<Function>,
    /// What a run does, in order.
    pub steps: Vec<Step>,
}

/// The index of a buffer in [`Program::buffers`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BufferId(pub u32);

/// A range of memory that steps read and write.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// Unique; the value it holds.
    pub name: String,
    /// Elements.
    pub len: usize,
    /// Where it lies.
    pub place: Place,
}

/// Where a [`Buffer`] lies.
#[derive(Clone, Debug, PartialEq)]
pub enum Place {
    /// In the arena, from this element on. Buffers whose lives do not overlap may share elements.
    Arena(usize),
    /// In the space of prepared weights, from this element on, holding the value of a postfix expression.
    Weights {
        /// First element.
        offset: usize,
        /// The expression.
        expression: Vec<WeightOp>,
    },
    /// The input with this index, row-major.
    Input(u16),
    /// The output with this index, row-major.
    Output(u16),
}

/// One step of a run.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The names of the graph's nodes that it computes, for profiles.
    pub name: String,
    /// Its function, an index in [`Program::functions`].
    pub function: u32,
    /// Its buffers, one for each of the function's parameters.
    pub args: Vec<Arg>,
    /// The most threads worth waking for it; 1 where its function has no parallel loop.
    pub threads: u32,
}

/// A buffer from element `offset` on, given to a function's parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arg {
    /// The buffer.
    pub buffer: BufferId,
    /// Its first element.
    pub offset: usize,
}

/// The code of one or more steps.
#[derive(Clone, Debug, PartialEq)]
pub struct Function {
    /// Unique; a valid identifier.
    pub name: String,
    /// The buffers that it is given.
    pub params: Vec<Param>,
    /// Lanes of each register: powers of two up to [`MAX_LANES`].
    pub registers: Vec<u32>,
    /// The number of loops; each has a variable of its own.
    pub loops: u32,
    /// Its statements.
    pub body: Vec<Stmt>,
}

/// A buffer that a [`Function`] is given.
#[derive(Clone, Debug, PartialEq)]
pub struct Param {
    /// Unique in the function; a valid identifier.
    pub name: String,
    /// Elements that may be accessed.
    pub len: usize,
    /// Whether the function writes it.
    pub written: bool,
}

/// The index of a parameter of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ParamId(pub u32);

/// The variable of a loop of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LoopVar(pub u32);

/// A register of a function; mutable, so that loops can carry values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Reg(pub u32);

/// `base + Σ stride · variable`: an element of a parameter.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Affine {
    /// The constant part.
    pub base: i64,
    /// Loop variables and their strides; each variable at most once.
    pub terms: Vec<(LoopVar, i64)>,
}

/// An element of a parameter: an operand of a load, a store or a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Address {
    /// The parameter.
    pub param: ParamId,
    /// The element.
    pub index: Affine,
    /// One of the rows that begin there, if the element is found at run time.
    pub row: Option<Row>,
}

/// A choice made at run time: `stride · r` elements further, where `r` is the register's value, rounded toward zero
/// and clamped to `0 ..= count − 1`; NaN counts as 0.
///
/// For the verifier, an access to one row is an access to any, and a store may or may not write it: all must have been
/// written before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// A register of one lane.
    pub index: Reg,
    /// The number of rows; at least 1.
    pub count: u32,
    /// Elements from one row to the next.
    pub stride: i64,
}

/// A statement. Matched exhaustively everywhere: a new form does not compile until every backend handles it.
#[derive(Clone, Debug, PartialEq)]
pub enum Stmt {
    /// A loop over `0..extent`.
    For {
        /// Its variable.
        var: LoopVar,
        /// How often it runs.
        extent: u32,
        /// Whether the threads divide it; parallel loops do not nest.
        parallel: bool,
        /// What it runs.
        body: Vec<Stmt>,
    },
    /// Sets a register.
    Set {
        /// The register.
        reg: Reg,
        /// Its new value; of as many lanes as the register.
        value: Expr,
    },
    /// Stores a register's lanes to consecutive elements.
    Store {
        /// The first element.
        to: Address,
        /// The register.
        from: Reg,
    },
    /// Calls a microkernel.
    Call {
        /// Which.
        kernel: Kernel,
        /// The constants of the call.
        params: Params,
        /// Its operands, in the order of [`Params::accesses`].
        args: Vec<Address>,
    },
}

/// A row of the kernel table; equal by name.
#[derive(Clone, Copy)]
pub struct Kernel(pub &'static Ukernel);

/// A value of one register.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// The same constant in every lane.
    Const(f32),
    /// A register's value.
    Copy(Reg),
    /// Consecutive elements.
    Load(Address),
    /// One element of a register of one lane, in every lane.
    Splat(Reg),
    /// Lane by lane.
    Unary(Unary, Reg),
    /// Lane by lane.
    Binary(Binary, Reg, Reg),
    /// `a · b + c` with one rounding.
    Fma(Reg, Reg, Reg),
    /// `if a ⋄ b { then } else { otherwise }`, lane by lane.
    Select {
        /// The comparison ⋄.
        compare: Compare,
        /// Left operand.
        a: Reg,
        /// Right operand.
        b: Reg,
        /// Where it holds.
        then: Reg,
        /// Where it does not hold.
        otherwise: Reg,
    },
    /// All lanes of a register to one, by halving: lane *i* with lane *i + n/2*, until one is left.
    /// Only with `Add`, `Mul`, `Min` and `Max`.
    Reduce(Binary, Reg),
}

/// Operations of one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Unary {
    /// `−x`: the sign bit flipped.
    Neg,
    /// `|x|`: the sign bit cleared.
    Abs,
    /// `√x`, correctly rounded.
    Sqrt,
    /// The largest whole number not above `x`.
    Floor,
    /// The smallest whole number not below `x`.
    Ceil,
    /// `x` without its fraction.
    Trunc,
    /// The nearest whole number, ties to even.
    Nearest,
    /// `2^x` for whole `x` in −126 ..= 127; anything else is clamped to that range first (NaN to −126), then rounded to
    /// the nearest whole number, ties to even.
    Exp2Int,
}

/// Operations of two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Binary {
    /// `a + b`.
    Add,
    /// `a − b`.
    Sub,
    /// `a · b`.
    Mul,
    /// `a / b`.
    Div,
    /// `if a < b { a } else { b }`: x86's `minps`.
    Min,
    /// `if b < a { a } else { b }`: x86's `maxps`.
    Max,
}

/// Comparisons; false where an operand is NaN, but for `Ne`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Compare {
    /// `a = b`.
    Eq,
    /// `a ≠ b`.
    Ne,
    /// `a < b`.
    Lt,
    /// `a ≤ b`.
    Le,
}

impl PartialEq for Kernel {
    fn eq(&self, other: &Self) -> bool {
        self.0.name == other.0.name
    }
}

impl std::fmt::Debug for Kernel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0.name)
    }
}
