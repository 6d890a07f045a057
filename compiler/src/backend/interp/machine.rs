//! Statements, one after the other.

use std::ops::Range;

use convoke_runtime::kernels::{Access, Params, Role};

use super::arith::{binary, compare, fma, reduce, unary};
use super::error::{InterpError, Place};
use super::memory::{Memory, is_unwritten};
use crate::lir::{Address, Expr, Function, Program, Reg, Stmt};

/// Runs the step with this index.
pub(super) fn run_step(program: &Program, index: usize, memory: &mut Memory) -> Result<(), InterpError> {
    let step = &program.steps[index];
    let function = &program.functions[step.function as usize];
    let args = function.params.iter().zip(&step.args).map(|(param, &arg)| memory.argument(arg, param.len)).collect();
    let registers = function.registers.iter().map(|&lanes| vec![f32::NAN; lanes as usize]).collect();
    let loops = vec![0; function.loops as usize];
    let mut frame = Frame { program, index, function, args, registers, loops, elements: &mut memory.elements };
    frame.run(&function.body)
}

/// A function that runs.
struct Frame<'a> {
    program: &'a Program,
    /// The index of the step.
    index: usize,
    function: &'a Function,
    /// Where the parameters lie in `elements`.
    args: Vec<Range<usize>>,
    /// The lanes of each register.
    registers: Vec<Vec<f32>>,
    /// The loop variables.
    loops: Vec<u32>,
    elements: &'a mut [f32],
}

impl<'a> Frame<'a> {
    fn run(&mut self, body: &'a [Stmt]) -> Result<(), InterpError> {
        for stmt in body {
            match stmt {
                Stmt::For { var, extent, parallel: _, body } => {
                    for i in 0..*extent {
                        self.loops[var.0 as usize] = i;
                        self.run(body)?;
                    }
                }
                Stmt::Set { reg, value } => {
                    let value = self.value(stmt, value, self.registers[reg.0 as usize].len())?;
                    self.registers[reg.0 as usize] = value;
                }
                Stmt::Store { to, from } => {
                    let range = self.range(stmt, to, self.registers[from.0 as usize].len())?;
                    self.elements[range].copy_from_slice(&self.registers[from.0 as usize]);
                }
                Stmt::Call { kernel: _, params, args } => self.call(stmt, params, args)?,
            }
        }
        Ok(())
    }

    fn place(&self, stmt: &Stmt) -> Place {
        let name = self.program.steps[self.index].name.clone();
        Place { step: self.index, name, statement: self.function.line(stmt).to_string() }
    }

    /// The element of its parameter that an address means.
    fn element(&self, address: &Address) -> i128 {
        let terms = address.index.terms.iter();
        let terms = terms.map(|&(var, stride)| i128::from(stride) * i128::from(self.loops[var.0 as usize]));
        let row = address.row.map_or(0, |row| {
            // Rounds toward zero, and NaN to 0.
            let index = self.registers[row.index.0 as usize][0] as i64;
            i128::from(row.stride) * i128::from(index.clamp(0, i64::from(row.count) - 1))
        });
        i128::from(address.index.base) + terms.sum::<i128>() + row
    }

    /// Where the elements from an address to the end of its parameter lie; at least `len` of them.
    fn rest(&self, stmt: &Stmt, address: &Address, len: usize) -> Result<Range<usize>, InterpError> {
        let arg = &self.args[address.param.0 as usize];
        let element = self.element(address);
        match usize::try_from(element) {
            Ok(first) if first <= arg.len() && len <= arg.len() - first => Ok(arg.start + first..arg.end),
            _ => Err(InterpError::OutOfBounds {
                place: self.place(stmt),
                operand: self.function.operand(address).to_string(),
                element: if element < 0 { element } else { element + len as i128 - 1 },
                len: arg.len(),
            }),
        }
    }

    /// Where `len` elements from an address on lie.
    fn range(&self, stmt: &Stmt, address: &Address, len: usize) -> Result<Range<usize>, InterpError> {
        let rest = self.rest(stmt, address, len)?;
        Ok(rest.start..rest.start + len)
    }

    /// Checks that elements, as they lie in memory, have been written.
    fn written(&self, stmt: &Stmt, address: &Address, range: Range<usize>) -> Result<(), InterpError> {
        match self.elements[range.clone()].iter().position(|&element| is_unwritten(element)) {
            None => Ok(()),
            Some(at) => Err(InterpError::Unwritten {
                place: self.place(stmt),
                operand: self.function.operand(address).to_string(),
                element: range.start + at - self.args[address.param.0 as usize].start,
            }),
        }
    }

    fn value(&self, stmt: &Stmt, value: &Expr, lanes: usize) -> Result<Vec<f32>, InterpError> {
        let reg = |reg: &Reg| &self.registers[reg.0 as usize];
        let lane_by_lane = |f: &dyn Fn(usize) -> f32| (0..lanes).map(f).collect();
        Ok(match value {
            Expr::Const(value) => vec![*value; lanes],
            Expr::Copy(from) => reg(from).clone(),
            Expr::Load(from) => {
                let range = self.range(stmt, from, lanes)?;
                self.written(stmt, from, range.clone())?;
                self.elements[range].to_vec()
            }
            Expr::Splat(from) => vec![reg(from)[0]; lanes],
            Expr::Unary(op, a) => lane_by_lane(&|i| unary(*op, reg(a)[i])),
            Expr::Binary(op, a, b) => lane_by_lane(&|i| binary(*op, reg(a)[i], reg(b)[i])),
            Expr::Fma(a, b, c) => lane_by_lane(&|i| fma(reg(a)[i], reg(b)[i], reg(c)[i])),
            Expr::Select { compare: op, a, b, then, otherwise } => {
                lane_by_lane(&|i| if compare(*op, reg(a)[i], reg(b)[i]) { reg(then)[i] } else { reg(otherwise)[i] })
            }
            Expr::Reduce(op, from) => vec![reduce(*op, reg(from))],
        })
    }

    fn call(&mut self, stmt: &Stmt, params: &Params, args: &[Address]) -> Result<(), InterpError> {
        let mut operands = Vec::with_capacity(args.len());
        for address in args {
            // An operand that touches nothing may begin anywhere.
            operands.push(self.rest(stmt, address, 0).unwrap_or(0..0));
        }
        let accesses = params.accesses();
        for ((access, address), operand) in accesses.iter().zip(args).zip(&operands) {
            if access.role == Role::Read && access.span() <= operand.len() as u64 {
                for start in starts(access) {
                    let start = operand.start + start;
                    self.written(stmt, address, start..start + access.len as usize)?;
                }
            }
        }
        params.evaluate(self.elements, &operands).map_err(|error| InterpError::Call { place: self.place(stmt), error })
    }
}

/// Where the runs of an access that touches something begin.
fn starts(access: &Access) -> Vec<usize> {
    let mut starts = if access.span() > 0 { vec![0] } else { Vec::new() };
    for dim in &access.dims {
        let places = |start| (0..dim.count as usize).map(move |i| start + i * dim.stride as usize);
        starts = starts.into_iter().flat_map(places).collect();
    }
    starts
}
