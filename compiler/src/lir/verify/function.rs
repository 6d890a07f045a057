//! A function is well-formed: every index refers to something, loops nest, registers are set before they are read and
//! have the lanes that operations ask for, calls pass what kernels accept.

use std::collections::HashSet;

use convoke_runtime::Isa;
use convoke_runtime::kernels::Params;

use super::fault::{Fault, FaultKind, Site};
use super::{MAX_LANES, summary};
use crate::lir::parse::MAX_DEPTH;
use crate::lir::{Address, Binary, Expr, Function, Kernel, LoopVar, Program, Reg, Stmt};

/// Checks a function; whether it has a parallel loop.
pub(super) fn check(program: &Program, function: &Function, faults: &mut Vec<Fault>) -> bool {
    for (register, &lanes) in (0..).zip(&function.registers) {
        if !lanes.is_power_of_two() || lanes > MAX_LANES {
            let kind = FaultKind::Lanes { register, lanes, max: MAX_LANES };
            faults.push(Fault { site: summary::site(function), kind });
        }
    }
    let mut checker = Checker {
        isa: program.isa,
        function,
        faults,
        path: Vec::new(),
        nest: Vec::new(),
        bound: HashSet::new(),
        set: HashSet::new(),
        private: HashSet::new(),
        parallel: false,
    };
    checker.body(&function.body);
    checker.parallel
}

struct Checker<'a> {
    isa: Isa,
    function: &'a Function,
    faults: &'a mut Vec<Fault>,
    path: Vec<usize>,
    /// The loops around the statement: variable, and whether it is parallel.
    nest: Vec<(LoopVar, bool)>,
    /// The variables of all loops so far.
    bound: HashSet<LoopVar>,
    /// The registers that are set, whichever way led here.
    set: HashSet<Reg>,
    /// The registers that parallel loops set: beyond one iteration they hold whatever this thread's last one has left.
    private: HashSet<Reg>,
    /// Whether there has been a parallel loop.
    parallel: bool,
}

impl<'a> Checker<'a> {
    fn fault(&mut self, stmt: &Stmt, kind: FaultKind) {
        let text = self.function.line(stmt).to_string();
        let site = Site::Statement { function: self.function.name.clone(), path: self.path.clone(), text };
        let fault = Fault { site, kind };
        // A statement may have the same operand twice.
        if self.faults.last() != Some(&fault) {
            self.faults.push(fault);
        }
    }

    fn body(&mut self, body: &'a [Stmt]) {
        for (at, stmt) in body.iter().enumerate() {
            self.path.push(at);
            match stmt {
                Stmt::For { var, extent, parallel, body } => self.repeat(stmt, *var, *extent, *parallel, body),
                Stmt::Set { reg, value } => self.assign(stmt, *reg, value),
                Stmt::Store { to, from } => {
                    self.read(stmt, *from);
                    self.address(stmt, to);
                }
                Stmt::Call { kernel, params, args } => self.call(stmt, *kernel, params, args),
            }
            self.path.pop();
        }
    }

    fn repeat(&mut self, stmt: &Stmt, var: LoopVar, extent: u32, parallel: bool, body: &'a [Stmt]) {
        if self.nest.len() == MAX_DEPTH {
            return self.fault(stmt, FaultKind::TooDeep { max: MAX_DEPTH });
        }
        if var.0 >= self.function.loops {
            self.fault(stmt, FaultKind::NoSuchLoop { var: var.0, count: self.function.loops });
        }
        if !self.bound.insert(var) {
            self.fault(stmt, FaultKind::VarBoundTwice { var: var.0 });
        }
        if extent == 0 {
            self.fault(stmt, FaultKind::EmptyLoop);
        }
        if parallel && self.nest.iter().any(|&(_, parallel)| parallel) {
            self.fault(stmt, FaultKind::NestedParallel);
        }
        self.parallel |= parallel;
        // What holds at the start of every iteration, the first and later ones.
        let mut private = HashSet::new();
        assigned(body, parallel, &mut private);
        self.set.retain(|reg| !private.contains(reg));
        self.private.extend(private);
        let before = self.set.clone();
        self.nest.push((var, parallel));
        self.body(body);
        self.nest.pop();
        if parallel {
            self.set = before;
        }
    }

    fn assign(&mut self, stmt: &Stmt, reg: Reg, value: &Expr) {
        let lanes = self.function.registers.get(reg.0 as usize).copied();
        if lanes.is_none() {
            self.fault(stmt, FaultKind::NoSuchRegister { register: reg.0, count: self.function.registers.len() });
        }
        // The registers it reads, and how many lanes each must have; `None` for any number.
        let reads: &[(Reg, Option<u32>)] = match value {
            Expr::Const(_) => &[],
            Expr::Load(from) => {
                self.address(stmt, from);
                &[]
            }
            Expr::Copy(a) | Expr::Unary(_, a) => &[(*a, lanes)],
            Expr::Splat(a) => &[(*a, Some(1))],
            Expr::Binary(_, a, b) => &[(*a, lanes), (*b, lanes)],
            Expr::Fma(a, b, c) => &[(*a, lanes), (*b, lanes), (*c, lanes)],
            Expr::Select { compare: _, a, b, then, otherwise } => {
                &[(*a, lanes), (*b, lanes), (*then, lanes), (*otherwise, lanes)]
            }
            Expr::Reduce(op, a) => {
                if !matches!(op, Binary::Add | Binary::Mul | Binary::Min | Binary::Max) {
                    self.fault(stmt, FaultKind::NoReduction { op: op.name() });
                }
                if let Some(found) = lanes.filter(|&lanes| lanes != 1) {
                    self.fault(stmt, FaultKind::LanesDiffer { register: reg.0, found, expected: 1 });
                }
                &[(*a, None)]
            }
        };
        for &(read, expected) in reads {
            let found = self.read(stmt, read);
            if let (Some(found), Some(expected)) = (found, expected)
                && found != expected
            {
                self.fault(stmt, FaultKind::LanesDiffer { register: read.0, found, expected });
            }
        }
        self.set.insert(reg);
    }

    /// Checks a register that is read; its lanes.
    fn read(&mut self, stmt: &Stmt, reg: Reg) -> Option<u32> {
        let lanes = self.function.registers.get(reg.0 as usize).copied();
        if lanes.is_none() {
            self.fault(stmt, FaultKind::NoSuchRegister { register: reg.0, count: self.function.registers.len() });
        } else if !self.set.contains(&reg) {
            let hint = if self.private.contains(&reg) {
                "a parallel loop sets it, of which each iteration has its own"
            } else {
                "nothing before sets it"
            };
            self.fault(stmt, FaultKind::Unset { register: reg.0, hint });
        }
        lanes
    }

    fn address(&mut self, stmt: &Stmt, address: &Address) {
        let count = self.function.params.len();
        if address.param.0 as usize >= count {
            self.fault(stmt, FaultKind::NoSuchParam { index: address.param.0, count });
        }
        let terms = &address.index.terms;
        for (i, &(var, _)) in terms.iter().enumerate() {
            if terms[..i].iter().any(|&(other, _)| other == var) {
                self.fault(stmt, FaultKind::RepeatedVar { var: var.0 });
            } else if self.nest.iter().all(|&(other, _)| other != var) {
                self.fault(stmt, FaultKind::VarOutOfScope { var: var.0 });
            }
        }
        if let Some(row) = address.row {
            if let Some(found) = self.read(stmt, row.index).filter(|&found| found != 1) {
                self.fault(stmt, FaultKind::LanesDiffer { register: row.index.0, found, expected: 1 });
            }
            if row.count == 0 {
                self.fault(stmt, FaultKind::NoRow);
            }
        }
    }

    fn call(&mut self, stmt: &Stmt, Kernel(kernel): Kernel, params: &Params, args: &[Address]) {
        if let Err(reason) = kernel.accepts(params) {
            self.fault(stmt, FaultKind::KernelRefuses { reason });
        }
        if !runs(kernel.isa, self.isa) {
            let kind = FaultKind::KernelIsa { kernel: kernel.name, needs: kernel.isa, program: self.isa };
            self.fault(stmt, kind);
        }
        let expected = params.accesses().len();
        if args.len() != expected {
            let callee = kernel.name.to_owned();
            self.fault(stmt, FaultKind::OperandCount { callee, expected, found: args.len() });
        }
        for address in args {
            self.address(stmt, address);
        }
    }
}

/// Whether a machine of instruction set `isa` runs a kernel that needs `needs`.
fn runs(needs: Isa, isa: Isa) -> bool {
    match needs {
        Isa::Scalar => true,
        Isa::Neon => isa == Isa::Neon,
        Isa::Avx2 | Isa::Avx512 => needs <= isa,
    }
}

/// The registers that are set in parallel loops of `body`, or anywhere in it if `all`.
fn assigned(body: &[Stmt], all: bool, registers: &mut HashSet<Reg>) {
    for stmt in body {
        match stmt {
            Stmt::For { parallel, body, .. } => assigned(body, all || *parallel, registers),
            Stmt::Set { reg, .. } if all => {
                registers.insert(*reg);
            }
            Stmt::Set { .. } | Stmt::Store { .. } | Stmt::Call { .. } => {}
        }
    }
}
