//! What the verifier finds: a fault is a place and what is wrong there.

use std::fmt;

use convoke_runtime::Isa;

/// Every fault of a program; at least one.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub struct Faults(pub Vec<Fault>);

/// One rule that does not hold at one place.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// Where.
    pub site: Site,
    /// What is wrong.
    pub kind: FaultKind,
}

/// A place in a program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Site {
    /// An input, output or parameter (which of these, its name).
    Value(&'static str, String),
    /// A buffer, by name.
    Buffer(String),
    /// A function as a whole, by name.
    Function(String),
    /// A statement.
    Statement {
        /// The function's name.
        function: String,
        /// The index of the statement in its body, after those of the loops around it.
        path: Vec<usize>,
        /// Its text; of a loop only its head.
        text: String,
    },
    /// A step, by its index and name.
    Step(usize, String),
}

/// How different iterations of a parallel loop, or different loops, meet in an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    /// Iterations 0 and this one meet, and none that are closer.
    Distance(u32),
    /// They meet, at iterations that are not told.
    Somewhere,
    /// The search was given up: whether they meet is not known.
    Unknown,
}

/// A rule that does not hold.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum FaultKind {
    /// Names are unique.
    #[error("there is more than one {what} of this name")]
    DuplicateName {
        /// What is named.
        what: &'static str,
    },
    /// Names of functions and of their parameters are identifiers.
    #[error("`{name}` is no identifier: a letter or `_`, then letters, digits and `_`")]
    NotIdentifier {
        /// The name.
        name: String,
    },
    /// Elements are counted in 64 bits.
    #[error("shape {shape:?} has more elements than can be counted")]
    ShapeTooLarge {
        /// The shape.
        shape: Vec<usize>,
    },
    /// Buffers lie within their space.
    #[error("elements {offset} .. {offset} + {len} lie beyond the {space_len} of the {space}")]
    BeyondSpace {
        /// The arena or the space of weights.
        space: &'static str,
        /// First element.
        offset: usize,
        /// Elements.
        len: usize,
        /// Elements of the space.
        space_len: usize,
    },
    /// Buffers begin on cache lines.
    #[error("begins at element {offset}, which is no multiple of {align}")]
    Misaligned {
        /// First element.
        offset: usize,
        /// What it has to be a multiple of.
        align: usize,
    },
    /// A buffer in an input or output names one that exists.
    #[error("{kind} {index} does not exist: there are {count}")]
    NoSuchValue {
        /// `input` or `output`.
        kind: &'static str,
        /// Its index.
        index: u16,
        /// How many there are.
        count: usize,
    },
    /// A buffer has as many elements as what it holds.
    #[error("has {found} elements, and what it holds has {expected}")]
    BufferLen {
        /// Elements of the input, the output or the value of the expression.
        expected: usize,
        /// Elements of the buffer.
        found: usize,
    },
    /// An input and an output have one buffer.
    #[error("holds the same {kind} as buffer `{other}`")]
    SecondBuffer {
        /// `input` or `output`.
        kind: &'static str,
        /// The first buffer that holds it.
        other: String,
    },
    /// Prepared weights are written once.
    #[error("overlaps the weights of buffer `{other}`")]
    WeightsOverlap {
        /// The other buffer.
        other: String,
    },
    /// Weight expressions are well-formed.
    #[error("weight expression, operation {operation} (`{name}`): {reason}")]
    WeightOp {
        /// Its index in the expression.
        operation: usize,
        /// Its name.
        name: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// A weight expression leaves one tensor.
    #[error("the weight expression leaves {found} tensors, not 1")]
    WeightResult {
        /// How many it leaves.
        found: usize,
    },

    /// Registers have a power of two of lanes.
    #[error("%r{register} has {lanes} lanes, not a power of two up to {max}")]
    Lanes {
        /// The register.
        register: u32,
        /// Its lanes.
        lanes: u32,
        /// The most.
        max: u32,
    },
    /// Registers exist.
    #[error("%r{register} does not exist: there are {count}")]
    NoSuchRegister {
        /// The register.
        register: u32,
        /// How many there are.
        count: usize,
    },
    /// Operands have the lanes that the operation asks for.
    #[error("%r{register} has {found} lanes, and has to have {expected}")]
    LanesDiffer {
        /// The operand.
        register: u32,
        /// Its lanes.
        found: u32,
        /// The lanes that the result and the operation ask for.
        expected: u32,
    },
    /// Reductions are of operations that have an order-free meaning.
    #[error("`{op}` is no reduction: add, mul, min and max are")]
    NoReduction {
        /// The operation.
        op: &'static str,
    },
    /// Registers are set before they are read, on every path, and in the same iteration of a parallel loop.
    #[error("%r{register} is read and may not have been set: {hint}")]
    Unset {
        /// The register.
        register: u32,
        /// Why it may not have been.
        hint: &'static str,
    },
    /// Loop variables are numbered below the function's count.
    #[error("i{var} does not exist: the function has {count} loop variables")]
    NoSuchLoop {
        /// The variable.
        var: u32,
        /// How many there are.
        count: u32,
    },
    /// Each loop has a variable of its own.
    #[error("i{var} is the variable of another loop too")]
    VarBoundTwice {
        /// The variable.
        var: u32,
    },
    /// Loops run at least once.
    #[error("the loop never runs")]
    EmptyLoop,
    /// A row is chosen among none.
    #[error("a row is chosen among none")]
    NoRow,
    /// Parallel loops do not nest.
    #[error("a parallel loop stands in a parallel loop")]
    NestedParallel,
    /// Loops do not nest too deep.
    #[error("more than {max} loops nest")]
    TooDeep {
        /// The most.
        max: usize,
    },
    /// Indices use variables of the loops around them.
    #[error("i{var} is not the variable of a loop around this statement")]
    VarOutOfScope {
        /// The variable.
        var: u32,
    },
    /// An index has one stride for each variable.
    #[error("i{var} appears twice in one index")]
    RepeatedVar {
        /// The variable.
        var: u32,
    },
    /// Parameters exist.
    #[error("parameter {index} does not exist: the function has {count}")]
    NoSuchParam {
        /// Its index.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// Accesses are in bounds.
    #[error("{operand} reaches elements {low} ..= {high} of `{param}`, which has {len}")]
    OutOfBounds {
        /// The operand's text.
        operand: String,
        /// The parameter.
        param: String,
        /// The lowest element.
        low: i128,
        /// The highest element.
        high: i128,
        /// Elements of the parameter.
        len: usize,
    },
    /// Only parameters that say so are written.
    #[error("writes `{param}`, which is not `mut`")]
    NotWritten {
        /// The parameter.
        param: String,
    },
    /// Kernels get parameters that they accept.
    #[error("{reason}")]
    KernelRefuses {
        /// Its reason.
        reason: String,
    },
    /// Kernels run on the program's instruction set.
    #[error("kernel `{kernel}` needs {needs}, and the program is for {program}")]
    KernelIsa {
        /// The kernel.
        kernel: &'static str,
        /// What it needs.
        needs: Isa,
        /// What the program is for.
        program: Isa,
    },
    /// Calls pass every operand of the kernel, steps every parameter of the function.
    #[error("passes {found} operands to `{callee}`, which takes {expected}")]
    OperandCount {
        /// The kernel or function.
        callee: String,
        /// How many it takes.
        expected: usize,
        /// How many it gets.
        found: usize,
    },
    /// A call writes each element once.
    #[error("operand `{operand}` of one call writes elements more than once")]
    OverlapsItself {
        /// The operand.
        operand: &'static str,
    },
    /// A call reads what it writes only in place.
    #[error("operand `{operand}` shares elements with the destination of the call, and not in place")]
    OverlapsDestination {
        /// The operand.
        operand: &'static str,
    },
    /// Nothing touches what another iteration of a parallel loop writes.
    #[error("{}", race(.param, .other, .meeting))]
    Race {
        /// The parameter.
        param: String,
        /// The path of the other statement, which may be the same.
        other: Vec<usize>,
        /// Which iterations meet.
        meeting: Meeting,
    },
    /// Functions with parallel loops write in these only.
    #[error("writes outside of the function's parallel loops, where every thread passes")]
    WriteOutsideParallel,
    /// Elements are followed in so many ranges at most.
    #[error("{operand} touches more separate ranges of elements than can be followed ({max})")]
    Fragmented {
        /// The operand's text.
        operand: String,
        /// The most.
        max: usize,
    },

    /// Functions exist.
    #[error("function {index} does not exist: there are {count}")]
    NoSuchFunction {
        /// Its index.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// Buffers exist.
    #[error("buffer {index} does not exist: there are {count}")]
    NoSuchBuffer {
        /// Its index.
        index: u32,
        /// How many there are.
        count: usize,
    },
    /// Steps pass few enough buffers for the runtime.
    #[error("passes {found} buffers; a step takes {max} at most")]
    TooManyArgs {
        /// How many it passes.
        found: usize,
        /// The most.
        max: usize,
    },
    /// Steps run on at least one thread.
    #[error("runs on no thread")]
    NoThread,
    /// Steps of more threads have a parallel loop.
    #[error("asks for {threads} threads, and `{function}` has no parallel loop")]
    NothingParallel {
        /// The threads.
        threads: u32,
        /// The function.
        function: String,
    },
    /// Arguments lie within their buffers.
    #[error("gives `{param}` elements {offset} .. {offset} + {len} of buffer `{buffer}`, which has {buffer_len}")]
    BeyondBuffer {
        /// The parameter.
        param: String,
        /// The buffer.
        buffer: String,
        /// First element.
        offset: usize,
        /// Elements of the parameter.
        len: usize,
        /// Elements of the buffer.
        buffer_len: usize,
    },
    /// Inputs and weights are only read.
    #[error("writes buffer `{buffer}`, which is {kind} and only read")]
    WritesConstant {
        /// The buffer.
        buffer: String,
        /// `an input` or `a weight`.
        kind: &'static str,
    },
    /// A written range is shared in place or not at all.
    #[error("gives `{a}` and `{b}` elements in common, and {reason}")]
    Alias {
        /// The written parameter.
        a: String,
        /// The other parameter.
        b: String,
        /// What rule that breaks.
        reason: String,
    },
    /// Elements are written, through the same buffer, before they are read.
    #[error("reads element {element} of buffer `{buffer}` (as `{param}`), {}", written(.by))]
    Unwritten {
        /// The parameter.
        param: String,
        /// The buffer.
        buffer: String,
        /// The element of the buffer.
        element: u64,
        /// The buffer and the step through which it was written last.
        by: Option<(String, usize)>,
    },
    /// Outputs are complete when the program ends.
    #[error("element {element} is never written")]
    OutputUnwritten {
        /// The first such element.
        element: u64,
    },
    /// Outputs have a buffer.
    #[error("no buffer holds this output")]
    OutputWithoutBuffer,
}

fn race(param: &str, other: &[usize], meeting: &Meeting) -> String {
    let other = Path(other);
    match meeting {
        Meeting::Distance(distance) => {
            format!("iterations 0 and {distance} of the parallel loop meet in `{param}`, with statement {other}")
        }
        Meeting::Somewhere => format!("meets statement {other} in `{param}` while other threads are there"),
        Meeting::Unknown => format!("cannot be shown to keep off statement {other} in `{param}` across iterations"),
    }
}

fn written(by: &Option<(String, usize)>) -> String {
    match by {
        None => "which no step has written".to_owned(),
        Some((buffer, step)) => format!("which step {step} has overwritten through buffer `{buffer}`"),
    }
}

/// A path such as `0.2.1`.
pub(super) struct Path<'a>(pub(super) &'a [usize]);

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().enumerate().try_for_each(|(i, at)| write!(f, "{}{at}", if i == 0 { "" } else { "." }))
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(kind, name) => write!(f, "{kind} `{name}`"),
            Self::Buffer(name) => write!(f, "buffer `{name}`"),
            Self::Function(name) => write!(f, "function `{name}`"),
            Self::Statement { function, path, text } => {
                write!(f, "function `{function}`, statement {} (`{text}`)", Path(path))
            }
            Self::Step(index, name) => write!(f, "step {index} (`{name}`)"),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.site, self.kind)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.0.len();
        write!(f, "LIR verifier: {count} fault{}", if count == 1 { "" } else { "s" })?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}
