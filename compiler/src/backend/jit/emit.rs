//! LIR functions as Cranelift IR: one function for one function, one loop for one loop.
//!
//! A register becomes pieces of four lanes, Cranelift's full width, and single lanes for what is left of it. Kernel
//! calls go to imported symbols, their constants lie in one read-only data object; so the same code serves this process
//! and an object file.

use std::collections::HashMap;

use convoke_runtime::kernels::Params;
use cranelift_codegen::Context;
use cranelift_codegen::control::ControlPlane;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::types::{I32, I64};
use cranelift_codegen::ir::{
    FuncRef, GlobalValue, InstBuilder, MemFlagsData, StackSlot, StackSlotData, StackSlotKind, Value,
};
use cranelift_codegen::isa::OwnedTargetIsa;
use cranelift_frontend::{FunctionBuilder, FunctionBuilderContext, Variable};
use cranelift_module::{FuncId, Linkage, Module, ModuleError, ModuleReloc};

use super::arith::{self, Piece, pieces};
use super::calls::{Calls, signature};
use crate::lir::{Address, Expr, Function, Kernel, LoopVar, Reg, Stmt};

/// Accesses that the verifier proved to be in bounds: they cannot trap, and are aligned for `f32` only.
const ELEMENTS: MemFlagsData = MemFlagsData::new().with_notrap();
/// Bytes of one element.
const ELEMENT: i64 = size_of::<f32>() as i64;
/// Bytes of one pointer.
const POINTER: i32 = size_of::<usize>() as i32;

/// Emits the functions of one program into a module.
pub(super) struct Emitter<'m, M: Module> {
    /// For functions that only call kernels.
    quick: OwnedTargetIsa,
    context: Context,
    builder: FunctionBuilderContext,
    calls: Calls<'m, M>,
}

impl<'m, M: Module> Emitter<'m, M> {
    /// An emitter into `module` of functions that call `kernels`. Those that do nothing else are compiled for `quick`,
    /// which differs from the module's own ISA in nothing but how hard Cranelift tries.
    pub(super) fn new(module: &'m mut M, quick: OwnedTargetIsa, kernels: &[Kernel]) -> Result<Self, Box<ModuleError>> {
        let (context, builder) = (module.make_context(), FunctionBuilderContext::new());
        Ok(Self { quick, context, builder, calls: Calls::new(module, kernels)? })
    }

    /// Compiles one function, which [`lir::verify`](crate::lir::verify) has accepted.
    pub(super) fn define(&mut self, function: &Function) -> Result<FuncId, Box<ModuleError>> {
        self.build(function);
        let module = &mut *self.calls.module;
        let id = module.declare_function(&function.name, Linkage::Local, &self.context.func.signature)?;
        let isa = if function.registers.is_empty() { &*self.quick } else { module.isa() };
        self.context.compile(isa, &mut ControlPlane::default()).map_err(ModuleError::from)?;
        let (code, function) = (self.context.compiled_code().expect("it has just been compiled"), &self.context.func);
        let relocations = code.buffer.relocs().iter();
        let relocations: Vec<_> = relocations.map(|each| ModuleReloc::from_mach_reloc(each, function, id)).collect();
        module.define_function_bytes(id, u64::from(code.buffer.alignment), code.code_buffer(), &relocations)?;
        module.clear_context(&mut self.context);
        Ok(id)
    }

    /// One function as text, before Cranelift's passes.
    pub(super) fn print(&mut self, function: &Function) -> String {
        self.build(function);
        let text = format!("; {}\n{}", function.name, self.context.func.display());
        self.calls.module.clear_context(&mut self.context);
        text
    }

    /// Defines what all functions share; to be called once, after the last function.
    pub(super) fn finish(self) -> Result<(), Box<ModuleError>> {
        self.calls.finish()
    }

    fn build(&mut self, function: &Function) {
        let pointer = self.calls.pointer;
        let config = self.calls.module.target_config();
        self.context.func.signature = signature(self.calls.module, &[pointer, I32, I32]);
        let mut builder = FunctionBuilder::new(&mut self.context.func, &mut self.builder);
        let entry = builder.create_block();
        builder.append_block_params_for_function_params(entry);
        builder.switch_to_block(entry);
        builder.seal_block(entry);
        let [args, thread, threads] = *builder.block_params(entry) else { unreachable!("the signature has three") };
        let flags = ELEMENTS.with_aligned().with_readonly();
        let places = (0..).step_by(POINTER as usize).take(function.params.len());
        let params = places.map(|place| builder.ins().load(pointer, flags, args, place)).collect();
        let variables = |lanes| pieces(lanes).map(|piece| builder.declare_var(piece.ty)).collect();
        let registers = function.registers.iter().copied().map(variables).collect();
        let mut body = Body {
            builder,
            function,
            params,
            registers,
            variables: vec![args; function.loops as usize],
            thread,
            threads,
            arguments: None,
            callees: HashMap::new(),
            constants: None,
            calls: &mut self.calls,
        };
        body.statements(&function.body);
        body.builder.ins().return_(&[]);
        body.builder.finalize(config);
    }
}

/// A function under construction.
struct Body<'a, 'm, M: Module> {
    builder: FunctionBuilder<'a>,
    function: &'a Function,
    /// The buffers' addresses.
    params: Vec<Value>,
    /// The pieces of each register.
    registers: Vec<Vec<Variable>>,
    /// The loop variables' values, as `I64`; meaningful inside of the loop only.
    variables: Vec<Value>,
    thread: Value,
    threads: Value,
    /// Where the pointers of kernel calls are put together.
    arguments: Option<StackSlot>,
    /// What the function has called so far.
    callees: HashMap<&'static str, FuncRef>,
    /// The constants of kernel calls, once one was made.
    constants: Option<GlobalValue>,
    calls: &'a mut Calls<'m, M>,
}

impl<M: Module> Body<'_, '_, M> {
    fn statements(&mut self, statements: &[Stmt]) {
        for statement in statements {
            match statement {
                Stmt::For { var, extent, parallel, body } => match (extent, parallel) {
                    (_, true) => {
                        let (first, end) = self.share(*extent);
                        self.repeat(*var, Some(first), end, body);
                    }
                    (0, false) => {}
                    (1, false) => {
                        self.variables[var.0 as usize] = self.builder.ins().iconst(I64, 0);
                        self.statements(body);
                    }
                    (_, false) => {
                        let end = self.builder.ins().iconst(I64, i64::from(*extent));
                        self.repeat(*var, None, end, body);
                    }
                },
                Stmt::Set { reg, value } => self.set(*reg, value),
                Stmt::Store { to, from } => {
                    let (base, offset) = self.address(to);
                    for (index, piece) in pieces(self.lanes(*from)).enumerate() {
                        let value = self.piece(*from, index);
                        self.builder.ins().store(ELEMENTS, value, base, offset + byte(piece));
                    }
                }
                Stmt::Call { kernel, params, args } => self.call(*kernel, params, args),
            }
        }
    }

    /// The iterations of this thread: `⌊extent·t/T⌋ .. ⌊extent·(t+1)/T⌋`, in 64 bits.
    fn share(&mut self, extent: u32) -> (Value, Value) {
        let thread = self.builder.ins().uextend(I64, self.thread);
        let threads = self.builder.ins().uextend(I64, self.threads);
        let first = self.builder.ins().imul_imm_s(thread, i64::from(extent));
        let end = self.builder.ins().iadd_imm_s(first, i64::from(extent));
        (self.builder.ins().udiv(first, threads), self.builder.ins().udiv(end, threads))
    }

    /// A loop that tests at its end: from `first`, which may be the end already, or from 0 and at least once.
    fn repeat(&mut self, var: LoopVar, first: Option<Value>, end: Value, body: &[Stmt]) {
        let header = self.builder.create_block();
        let exit = self.builder.create_block();
        let variable = self.builder.append_block_param(header, I64);
        if let Some(first) = first {
            let some = self.builder.ins().icmp(IntCC::UnsignedLessThan, first, end);
            self.builder.ins().brif(some, header, &[first.into()], exit, &[]);
        } else {
            let zero = self.builder.ins().iconst(I64, 0);
            self.builder.ins().jump(header, &[zero.into()]);
        }
        self.builder.switch_to_block(header);
        self.variables[var.0 as usize] = variable;
        self.statements(body);
        let next = self.builder.ins().iadd_imm_s(variable, 1);
        let again = self.builder.ins().icmp(IntCC::UnsignedLessThan, next, end);
        self.builder.ins().brif(again, header, &[next.into()], exit, &[]);
        self.builder.seal_block(header);
        self.builder.seal_block(exit);
        self.builder.switch_to_block(exit);
    }

    fn set(&mut self, reg: Reg, value: &Expr) {
        match value {
            Expr::Const(value) => self.each(reg, |body, _, piece| arith::constant(&mut body.builder, piece.ty, *value)),
            Expr::Copy(a) => self.each(reg, |body, index, _| body.piece(*a, index)),
            Expr::Load(from) => {
                let (base, offset) = self.address(from);
                self.each(reg, |body, _, piece| {
                    body.builder.ins().load(piece.ty, ELEMENTS, base, offset + byte(piece))
                });
            }
            Expr::Splat(a) => {
                let value = self.piece(*a, 0);
                self.each(reg, |body, _, piece| arith::splat(&mut body.builder, piece.ty, value));
            }
            Expr::Unary(op, a) => self.each(reg, |body, index, _| {
                let a = body.piece(*a, index);
                arith::unary(&mut body.builder, *op, a)
            }),
            Expr::Binary(op, a, b) => self.each(reg, |body, index, _| {
                let [a, b] = [a, b].map(|operand| body.piece(*operand, index));
                arith::binary(&mut body.builder, *op, a, b)
            }),
            Expr::Fma(a, b, c) => self.each(reg, |body, index, _| {
                let [a, b, c] = [a, b, c].map(|operand| body.piece(*operand, index));
                body.builder.ins().fma(a, b, c)
            }),
            Expr::Select { compare, a, b, then, otherwise } => self.each(reg, |body, index, _| {
                let [a, b, then, otherwise] = [a, b, then, otherwise].map(|operand| body.piece(*operand, index));
                arith::select(&mut body.builder, *compare, [a, b], then, otherwise)
            }),
            Expr::Reduce(op, a) => {
                let all = (0..self.registers[a.0 as usize].len()).map(|index| self.piece(*a, index)).collect();
                let value = arith::reduce(&mut self.builder, *op, all);
                self.each(reg, |_, _, _| value);
            }
        }
    }

    /// Sets each piece of a register to what `value` makes of it.
    fn each(&mut self, reg: Reg, mut value: impl FnMut(&mut Self, usize, Piece) -> Value) {
        for (index, piece) in pieces(self.lanes(reg)).enumerate() {
            let value = value(self, index, piece);
            self.builder.def_var(self.registers[reg.0 as usize][index], value);
        }
    }

    fn piece(&mut self, reg: Reg, index: usize) -> Value {
        self.builder.use_var(self.registers[reg.0 as usize][index])
    }

    fn lanes(&self, reg: Reg) -> u32 {
        self.function.registers[reg.0 as usize]
    }

    /// An address as a value and a constant number of bytes.
    fn address(&mut self, address: &Address) -> (Value, i32) {
        let mut base = self.params[address.param.0 as usize];
        for &(var, stride) in &address.index.terms {
            let bytes = self.builder.ins().imul_imm_s(self.variables[var.0 as usize], stride * ELEMENT);
            base = self.builder.ins().iadd(base, bytes);
        }
        if let Some(row) = address.row {
            let index = self.piece(row.index, 0);
            let row_bytes = arith::row(&mut self.builder, index, row.count, row.stride * ELEMENT);
            base = self.builder.ins().iadd(base, row_bytes);
        }
        let offset = address.index.base * ELEMENT;
        // Room for the other pieces of the widest register.
        match i32::try_from(offset) {
            Ok(small) if small < i32::MAX / 2 => (base, small),
            _ => (self.builder.ins().iadd_imm_s(base, offset), 0),
        }
    }

    fn call(&mut self, kernel: Kernel, params: &Params, args: &[Address]) {
        let pointer = self.calls.pointer;
        let slot = *self.arguments.get_or_insert_with(|| {
            let bytes = largest_call(&self.function.body) as u32 * POINTER as u32;
            self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, bytes, 3))
        });
        for (address, place) in args.iter().zip((0..).step_by(POINTER as usize)) {
            let (base, offset) = self.address(address);
            let value = if offset == 0 { base } else { self.builder.ins().iadd_imm_s(base, i64::from(offset)) };
            self.builder.ins().stack_store(pointer, value, slot, place);
        }
        let callee = *self.callees.entry(kernel.0.name).or_insert_with(|| self.calls.callee(kernel, self.builder.func));
        let constants = *self.constants.get_or_insert_with(|| self.calls.constants(self.builder.func));
        let constants = self.builder.ins().symbol_value(pointer, constants);
        let offset = self.calls.constant(params);
        let constants = self.builder.ins().iadd_imm_s(constants, offset);
        let args = self.builder.ins().stack_addr(pointer, slot, 0);
        self.builder.ins().call(callee, &[args, constants]);
    }
}

fn byte(piece: Piece) -> i32 {
    piece.lane as i32 * ELEMENT as i32
}

/// The most operands of a kernel call among `statements`.
fn largest_call(statements: &[Stmt]) -> usize {
    let operands = |statement: &Stmt| match statement {
        Stmt::For { body, .. } => largest_call(body),
        Stmt::Call { args, .. } => args.len(),
        Stmt::Set { .. } | Stmt::Store { .. } => 0,
    };
    statements.iter().map(operands).max().unwrap_or(0)
}
