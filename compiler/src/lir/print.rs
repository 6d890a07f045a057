//! Programs as text; [`parse`](super::parse) reads it back.
//!
//! ```text
//! program tiny : avx512
//! input image : f32[1, 1, 4, 4]
//! output result : f32[1, 16]
//! parameter scale.weight : f32[16]
//! arena 16
//! weights 16
//!
//! buffer image : 16 = input 0
//! buffer scale : 16 = weights + 0 [@scale.weight, rsqrt(0.001)]
//! buffer result : 16 = output 0
//!
//! fn multiply(mut dst: 16, src: 16, scale: 16) {
//!     for i0 in 0..4 parallel {
//!         %r0:4 = load src[4*i0]
//!         %r1:4 = load scale[4*i0]
//!         %r2:4 = mul %r0 %r1
//!         store dst[4*i0] = %r2
//!     }
//! }
//!
//! step "scale" = multiply(result, image, scale) threads 1
//! ```
//!
//! Floats print with the fewest digits that read back as the same number. A name that is no word prints in quotes. A
//! reference to something that is not there prints as `?` with its index; only such a program does not parse again.

use std::fmt::{self, Display, Formatter, Write as _};

use convoke_runtime::kernels::Field;
use convoke_runtime::network::ValueInfo;
use convoke_runtime::weights::WeightOp;

use super::{
    Address, Affine, Arg, Binary, Buffer, Compare, Expr, Function, Place, Program, Reg, Row, Step, Stmt, Unary,
};

/// Whether `name` prints without quotes: a letter or `_`, then letters, digits, `_` and `.`.
fn is_word(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '.')
}

/// A name: as it is if it is a word, else in quotes with `"`, `\` and control characters escaped.
pub(super) struct Name<'a>(pub(super) &'a str);

impl Display for Name<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if is_word(self.0) {
            return f.write_str(self.0);
        }
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' | '\\' => write!(f, "\\{c}")?,
                c if c.is_control() => write!(f, "\\u{{{:x}}}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// A number that reads back as the same bits; any NaN as `nan`.
struct Float(f32);

impl Display for Float {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() { f.write_str("nan") } else { write!(f, "{:?}", self.0) }
    }
}

/// Items with `, ` between them.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for (i, item) in self.0.iter().enumerate() {
            write!(f, "{}{item}", if i == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

impl Display for Program {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "program {} : {}", Name(&self.name), self.isa)?;
        for (kind, values) in [("input", &self.inputs), ("output", &self.outputs), ("parameter", &self.parameters)] {
            for ValueInfo { name, dtype, shape } in values {
                writeln!(f, "{kind} {} : {dtype}[{}]", Name(name), List(shape))?;
            }
        }
        writeln!(f, "arena {}\nweights {}\n", self.arena_len, self.weights_len)?;
        for buffer in &self.buffers {
            self.print_buffer(f, buffer)?;
        }
        for function in &self.functions {
            write!(f, "\n{function}")?;
        }
        writeln!(f)?;
        self.steps.iter().try_for_each(|step| self.print_step(f, step))
    }
}

impl Program {
    fn print_buffer(&self, f: &mut Formatter<'_>, buffer: &Buffer) -> fmt::Result {
        write!(f, "buffer {} : {} = ", Name(&buffer.name), buffer.len)?;
        match &buffer.place {
            Place::Arena(offset) => writeln!(f, "arena + {offset}"),
            Place::Weights { offset, expression } => {
                write!(f, "weights + {offset} [")?;
                for (i, op) in expression.iter().enumerate() {
                    f.write_str(if i == 0 { "" } else { ", " })?;
                    self.print_weight_op(f, op)?;
                }
                writeln!(f, "]")
            }
            Place::Input(index) => writeln!(f, "input {index}"),
            Place::Output(index) => writeln!(f, "output {index}"),
        }
    }

    fn print_weight_op(&self, f: &mut Formatter<'_>, op: &WeightOp) -> fmt::Result {
        match op {
            WeightOp::Parameter(index) => match self.parameters.get(*index as usize) {
                Some(parameter) => write!(f, "@{}", Name(&parameter.name)),
                None => write!(f, "@?{index}"),
            },
            WeightOp::Literal { shape, values } => {
                let values: Vec<_> = values.iter().map(|&value| Float(value)).collect();
                write!(f, "literal f32[{}] {{{}}}", List(shape), List(&values))
            }
            WeightOp::Add => f.write_str("add"),
            WeightOp::Sub => f.write_str("sub"),
            WeightOp::Mul => f.write_str("mul"),
            WeightOp::Div => f.write_str("div"),
            WeightOp::Rsqrt { epsilon } => write!(f, "rsqrt({})", Float(*epsilon)),
            WeightOp::Reshape(shape) => write!(f, "reshape[{}]", List(shape)),
            WeightOp::Transpose(order) => write!(f, "transpose[{}]", List(order)),
            WeightOp::View { start, strides, shape } => {
                write!(f, "view({start})[{}][{}]", List(strides), List(shape))
            }
            WeightOp::Phases { stride, first, taps } => {
                write!(f, "phases[{}][{}][{}]", List(stride), List(first), List(taps))
            }
            WeightOp::BlockDiagonal { outputs, groups } => {
                write!(f, "block_diagonal{{outputs = {outputs}, groups = {groups}}}")
            }
            WeightOp::PackConv { block, nr, inner } => {
                write!(f, "pack_conv{{block = {block}, nr = {nr}, inner = {inner}}}")
            }
            WeightOp::PackWinograd { m, block, nr, inner } => {
                write!(f, "pack_winograd{{m = {m}, block = {block}, nr = {nr}, inner = {inner}}}")
            }
            WeightOp::PackDepthwise { block } => write!(f, "pack_depthwise{{block = {block}}}"),
            WeightOp::PackVector { block } => write!(f, "pack_vector{{block = {block}}}"),
        }
    }

    fn print_step(&self, f: &mut Formatter<'_>, step: &Step) -> fmt::Result {
        write!(f, "step {} = ", Name(&step.name))?;
        match self.functions.get(step.function as usize) {
            Some(function) => write!(f, "{}(", Name(&function.name))?,
            None => write!(f, "?{}(", step.function)?,
        }
        for (i, &Arg { buffer, offset }) in step.args.iter().enumerate() {
            f.write_str(if i == 0 { "" } else { ", " })?;
            match self.buffers.get(buffer.0 as usize) {
                Some(buffer) => write!(f, "{}", Name(&buffer.name))?,
                None => write!(f, "?{}", buffer.0)?,
            }
            if offset != 0 {
                write!(f, " + {offset}")?;
            }
        }
        writeln!(f, ") threads {}", step.threads)
    }
}

impl Display for Function {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "fn {}(", Name(&self.name))?;
        for (i, param) in self.params.iter().enumerate() {
            let (comma, mutable) = (if i == 0 { "" } else { ", " }, if param.written { "mut " } else { "" });
            write!(f, "{comma}{mutable}{}: {}", Name(&param.name), param.len)?;
        }
        f.write_char(')')?;
        let mut used = Used { registers: vec![false; self.registers.len()], loops: 0 };
        used.scan(&self.body);
        if used.loops != self.loops {
            write!(f, " loops {}", self.loops)?;
        }
        writeln!(f, " {{")?;
        for (i, _) in used.registers.iter().enumerate().filter(|(_, set)| !**set) {
            writeln!(f, "    register %r{i}:{}", self.registers[i])?;
        }
        self.print_body(f, &self.body, 1)?;
        writeln!(f, "}}")
    }
}

/// What the statements of a function imply, so that it need not be printed.
struct Used {
    /// The registers that some statement sets.
    registers: Vec<bool>,
    /// One more than the largest loop variable, or 0.
    loops: u32,
}

impl Used {
    fn scan(&mut self, body: &[Stmt]) {
        for stmt in body {
            match stmt {
                Stmt::For { var, body, .. } => {
                    self.loops = self.loops.max(var.0.saturating_add(1));
                    self.scan(body);
                }
                Stmt::Set { reg, .. } => {
                    if let Some(set) = self.registers.get_mut(reg.0 as usize) {
                        *set = true;
                    }
                }
                Stmt::Store { .. } | Stmt::Call { .. } => {}
            }
        }
    }
}

impl Function {
    fn print_body(&self, f: &mut Formatter<'_>, body: &[Stmt], depth: usize) -> fmt::Result {
        for stmt in body {
            let indent = 4 * depth;
            write!(f, "{:indent$}{}", "", self.line(stmt))?;
            if let Stmt::For { body, .. } = stmt {
                writeln!(f, " {{")?;
                self.print_body(f, body, depth + 1)?;
                writeln!(f, "{:indent$}}}", "")?;
            } else {
                writeln!(f)?;
            }
        }
        Ok(())
    }

    /// The text of one statement of this function; of a loop only its head.
    pub(crate) fn line<'a>(&'a self, stmt: &'a Stmt) -> impl Display + 'a {
        Line { function: self, stmt }
    }

    /// The text of one operand of this function.
    pub(crate) fn operand<'a>(&'a self, address: &'a Address) -> impl Display + 'a {
        Operand { function: self, address }
    }
}

/// One statement of a function.
struct Line<'a> {
    function: &'a Function,
    stmt: &'a Stmt,
}

impl Display for Line<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let operand = |address| Operand { function: self.function, address };
        match self.stmt {
            Stmt::For { var, extent, parallel, body: _ } => {
                write!(f, "for i{} in 0..{extent}{}", var.0, if *parallel { " parallel" } else { "" })
            }
            Stmt::Set { reg, value } => {
                match self.function.registers.get(reg.0 as usize) {
                    Some(lanes) => write!(f, "{reg}:{lanes} = ")?,
                    None => write!(f, "{reg}:? = ")?,
                }
                match value {
                    Expr::Const(value) => write!(f, "const {}", Float(*value)),
                    Expr::Copy(from) => write!(f, "copy {from}"),
                    Expr::Load(from) => write!(f, "load {}", operand(from)),
                    Expr::Splat(from) => write!(f, "splat {from}"),
                    Expr::Unary(op, a) => write!(f, "{} {a}", op.name()),
                    Expr::Binary(op, a, b) => write!(f, "{} {a} {b}", op.name()),
                    Expr::Fma(a, b, c) => write!(f, "fma {a} {b} {c}"),
                    Expr::Select { compare, a, b, then, otherwise } => {
                        write!(f, "select {} {a} {b} {then} {otherwise}", compare.name())
                    }
                    Expr::Reduce(op, from) => write!(f, "reduce {} {from}", op.name()),
                }
            }
            Stmt::Store { to, from } => write!(f, "store {} = {from}", operand(to)),
            Stmt::Call { kernel, params, args } => {
                let args: Vec<_> = args.iter().map(operand).collect();
                write!(f, "call {kernel:?}({}) {{", List(&args))?;
                for (i, (name, field)) in params.fields().into_iter().enumerate() {
                    write!(f, "{}{name} = ", if i == 0 { "" } else { ", " })?;
                    match field {
                        Field::U32(value) => write!(f, "{value}")?,
                        Field::F32(value) => write!(f, "{}", Float(value))?,
                    }
                }
                f.write_char('}')
            }
        }
    }
}

/// An address in a function.
struct Operand<'a> {
    function: &'a Function,
    address: &'a Address,
}

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Address { param, index, row } = self.address;
        match self.function.params.get(param.0 as usize) {
            Some(param) => write!(f, "{}[{index}", Name(&param.name))?,
            None => write!(f, "?{}[{index}", param.0)?,
        }
        if let Some(Row { index, count, stride }) = row {
            write!(f, "; {index} of {count} by {stride}")?;
        }
        f.write_char(']')
    }
}

impl Display for Affine {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let mut first = true;
        // Signs stand before the magnitude, which `unsigned_abs` takes without overflow.
        let mut sign = |f: &mut Formatter<'_>, negative: bool| {
            let text = match (first, negative) {
                (true, false) => "",
                (true, true) => "-",
                (false, false) => " + ",
                (false, true) => " - ",
            };
            first = false;
            f.write_str(text)
        };
        for &(var, stride) in &self.terms {
            sign(f, stride < 0)?;
            match stride.unsigned_abs() {
                1 => write!(f, "i{}", var.0)?,
                magnitude => write!(f, "{magnitude}*i{}", var.0)?,
            }
        }
        if self.base != 0 || self.terms.is_empty() {
            sign(f, self.base < 0)?;
            write!(f, "{}", self.base.unsigned_abs())?;
        }
        Ok(())
    }
}

impl Display for Reg {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "%r{}", self.0)
    }
}

macro_rules! names {
    ($($type:ident { $($variant:ident = $name:literal),+ $(,)? })+) => {$(
        impl $type {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// The name in LIR text.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name),+ }
            }
        }
    )+};
}

names! {
    Unary {
        Neg = "neg",
        Abs = "abs",
        Sqrt = "sqrt",
        Floor = "floor",
        Ceil = "ceil",
        Trunc = "trunc",
        Nearest = "nearest",
        Exp2Int = "exp2int",
    }
    Binary { Add = "add", Sub = "sub", Mul = "mul", Div = "div", Min = "min", Max = "max" }
    Compare { Eq = "eq", Ne = "ne", Lt = "lt", Le = "le" }
}
