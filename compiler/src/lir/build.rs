//! [`FunctionBuilder`]: functions written as the loops they are.
//!
//! ```
//! use convoke_compiler::lir::{Binary, FunctionBuilder};
//!
//! // dst = src · src for 4 rows of 16 elements, rows divided among the threads.
//! let mut f = FunctionBuilder::new("square");
//! let (dst, src) = (f.written("dst", 64), f.read("src", 64));
//! f.parallel(4, |f, row| {
//!     f.serial(2, |f, half| {
//!         let at = row * 16 + half * 8;
//!         let x = f.load(8, src.at(&at));
//!         let square = f.binary(Binary::Mul, x, x);
//!         f.store(dst.at(at), square);
//!     });
//! });
//! assert_eq!(
//!     f.finish().to_string(),
//!     "fn square(mut dst: 64, src: 64) {
//!     for i0 in 0..4 parallel {
//!         for i1 in 0..2 {
//!             %r0:8 = load src[16*i0 + 8*i1]
//!             %r1:8 = mul %r0 %r0
//!             store dst[16*i0 + 8*i1] = %r1
//!         }
//!     }
//! }
//! "
//! );
//! ```

use convoke_runtime::kernels::{Params, Ukernel};

use super::{Address, Affine, Binary, Compare, Expr, Function, Kernel, LoopVar, Param, ParamId, Reg, Row, Stmt, Unary};

/// Builds a [`Function`], statement after statement. It checks nothing: that is what [`verify`](super::verify) is for.
#[derive(Debug)]
pub struct FunctionBuilder {
    function: Function,
    /// The bodies of the loops that are open around `function.body`'s end, outermost first.
    open: Vec<Vec<Stmt>>,
}

impl ParamId {
    /// An element of the parameter.
    #[must_use]
    pub fn at(self, index: impl Into<Affine>) -> Address {
        Address { param: self, index: index.into(), row: None }
    }
}

impl Address {
    /// The same element of a row that `index` chooses among `count`, each `stride` elements after the one before.
    #[must_use]
    pub fn row(self, index: Reg, count: u32, stride: i64) -> Self {
        Self { row: Some(Row { index, count, stride }), ..self }
    }
}

impl FunctionBuilder {
    /// An empty function.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        let (params, registers, body) = (Vec::new(), Vec::new(), Vec::new());
        Self { function: Function { name: name.into(), params, registers, loops: 0, body }, open: Vec::new() }
    }

    /// The finished function.
    #[must_use]
    pub fn finish(self) -> Function {
        self.function
    }

    /// A parameter of `len` elements that is read.
    pub fn read(&mut self, name: impl Into<String>, len: usize) -> ParamId {
        self.param(name.into(), len, false)
    }

    /// A parameter of `len` elements that is written, and may be read.
    pub fn written(&mut self, name: impl Into<String>, len: usize) -> ParamId {
        self.param(name.into(), len, true)
    }

    fn param(&mut self, name: String, len: usize, written: bool) -> ParamId {
        let id = ParamId(self.function.params.len() as u32);
        self.function.params.push(Param { name, len, written });
        id
    }

    /// A loop that each thread runs as a whole. No loop for one iteration, nothing for none.
    pub fn serial(&mut self, extent: u32, body: impl FnOnce(&mut Self, &Affine)) {
        match extent {
            0 => {}
            1 => body(self, &Affine::default()),
            _ => self.repeat(extent, false, body),
        }
    }

    /// A loop that threads divide among them; nothing for no iteration.
    pub fn parallel(&mut self, extent: u32, body: impl FnOnce(&mut Self, &Affine)) {
        if extent > 0 {
            self.repeat(extent, true, body);
        }
    }

    fn repeat(&mut self, extent: u32, parallel: bool, body: impl FnOnce(&mut Self, &Affine)) {
        let var = self.begin();
        body(self, &var.into());
        self.end(var, extent, parallel);
    }

    /// Opens a loop: what is added from here on is its body, until [`end`](Self::end).
    pub(crate) fn begin(&mut self) -> LoopVar {
        let var = LoopVar(self.function.loops);
        self.function.loops += 1;
        self.open.push(std::mem::take(&mut self.function.body));
        var
    }

    /// Closes the loop that was opened last.
    pub(crate) fn end(&mut self, var: LoopVar, extent: u32, parallel: bool) {
        let outer = self.open.pop().unwrap_or_default();
        let body = std::mem::replace(&mut self.function.body, outer);
        self.push(Stmt::For { var, extent, parallel, body });
    }

    /// Adds a statement.
    pub fn push(&mut self, stmt: Stmt) {
        self.function.body.push(stmt);
    }

    /// Calls a microkernel; operands in the order of [`Params::accesses`].
    pub fn call(&mut self, kernel: &'static Ukernel, params: Params, args: impl Into<Vec<Address>>) {
        self.push(Stmt::Call { kernel: Kernel(kernel), params, args: args.into() });
    }

    /// Stores a register's lanes.
    pub fn store(&mut self, to: Address, from: Reg) {
        self.push(Stmt::Store { to, from });
    }

    /// A new register, which nothing has set.
    pub fn register(&mut self, lanes: u32) -> Reg {
        let reg = Reg(self.function.registers.len() as u32);
        self.function.registers.push(lanes);
        reg
    }

    /// The lanes of a register of this function.
    #[must_use]
    pub fn lanes(&self, reg: Reg) -> u32 {
        self.function.registers[reg.0 as usize]
    }

    /// Sets a register, which may have been set before: the way to carry a value through a loop.
    pub fn set(&mut self, reg: Reg, value: Expr) {
        self.push(Stmt::Set { reg, value });
    }

    /// A new register with this value.
    pub fn value(&mut self, lanes: u32, value: Expr) -> Reg {
        let reg = self.register(lanes);
        self.set(reg, value);
        reg
    }

    /// The constant in every lane.
    pub fn constant(&mut self, lanes: u32, value: f32) -> Reg {
        self.value(lanes, Expr::Const(value))
    }

    /// Consecutive elements.
    pub fn load(&mut self, lanes: u32, from: Address) -> Reg {
        self.value(lanes, Expr::Load(from))
    }

    /// The element of a register of one lane, in every lane.
    pub fn splat(&mut self, lanes: u32, from: Reg) -> Reg {
        self.value(lanes, Expr::Splat(from))
    }

    /// A copy, for a value that is to be set again.
    pub fn copy(&mut self, from: Reg) -> Reg {
        self.value(self.lanes(from), Expr::Copy(from))
    }

    /// An operation of one operand.
    pub fn unary(&mut self, op: Unary, a: Reg) -> Reg {
        self.value(self.lanes(a), Expr::Unary(op, a))
    }

    /// An operation of two operands.
    pub fn binary(&mut self, op: Binary, a: Reg, b: Reg) -> Reg {
        self.value(self.lanes(a), Expr::Binary(op, a, b))
    }

    /// `a · b + c` with one rounding.
    pub fn fma(&mut self, a: Reg, b: Reg, c: Reg) -> Reg {
        self.value(self.lanes(a), Expr::Fma(a, b, c))
    }

    /// `if a ⋄ b { then } else { otherwise }`.
    pub fn select(&mut self, compare: Compare, a: Reg, b: Reg, then: Reg, otherwise: Reg) -> Reg {
        self.value(self.lanes(a), Expr::Select { compare, a, b, then, otherwise })
    }

    /// All lanes to one, by halving.
    pub fn reduce(&mut self, op: Binary, from: Reg) -> Reg {
        self.value(1, Expr::Reduce(op, from))
    }
}
