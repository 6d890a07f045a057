//! What the statements of a function access, and whether two accesses can meet.

use convoke_runtime::kernels::{self, Role};

use super::fault::{Meeting, Site};
use super::region::Region;
use super::solve::{Answer, Term, solve};
use crate::lir::{Address, Expr, Function, LoopVar, Reg, Stmt};

/// A loop around a statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Loop {
    pub(super) var: LoopVar,
    pub(super) extent: u32,
    pub(super) parallel: bool,
}

/// What one operand of one statement touches.
#[derive(Debug)]
pub(super) struct Access<'f> {
    pub(super) stmt: &'f Stmt,
    pub(super) address: &'f Address,
    /// Which operand of the statement.
    pub(super) operand: usize,
    pub(super) write: bool,
    /// Where the statement stands; its loops have the prefixes of this path.
    pub(super) path: Vec<usize>,
    /// The loops around the statement, outermost first.
    pub(super) nest: Vec<Loop>,
    /// What may be touched beyond the index: dimensions as count and stride, the run of consecutive elements last.
    pub(super) dims: Vec<(u64, i128)>,
}

/// How the iterations of two statements relate.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relation {
    /// Any iterations of both.
    Any,
    /// The same iteration of the first so many loops, which are around both.
    Same(usize),
    /// Different iterations of these two loops (by depth, of the first and of the second statement) of equal extent.
    Differ(usize, usize),
}

/// The accesses of all statements of a well-formed function, in the order in which they stand.
pub(super) fn collect(function: &Function) -> Vec<Access<'_>> {
    let mut collector = Collector { function, path: Vec::new(), nest: Vec::new(), accesses: Vec::new() };
    collector.body(&function.body);
    collector.accesses
}

struct Collector<'f> {
    function: &'f Function,
    path: Vec<usize>,
    nest: Vec<Loop>,
    accesses: Vec<Access<'f>>,
}

impl<'f> Collector<'f> {
    fn body(&mut self, body: &'f [Stmt]) {
        for (at, stmt) in body.iter().enumerate() {
            self.path.push(at);
            match stmt {
                Stmt::For { var, extent, parallel, body } => {
                    self.nest.push(Loop { var: *var, extent: *extent, parallel: *parallel });
                    self.body(body);
                    self.nest.pop();
                }
                Stmt::Set { reg, value } => match value {
                    Expr::Load(from) => self.lanes(stmt, from, *reg, false),
                    Expr::Const(_)
                    | Expr::Copy(_)
                    | Expr::Splat(_)
                    | Expr::Unary(..)
                    | Expr::Binary(..)
                    | Expr::Fma(..)
                    | Expr::Select { .. }
                    | Expr::Reduce(..) => {}
                },
                Stmt::Store { to, from } => self.lanes(stmt, to, *from, true),
                Stmt::Call { kernel: _, params, args } => {
                    for (operand, (access, address)) in params.accesses().iter().zip(args).enumerate() {
                        if access.span() > 0 {
                            self.add(stmt, address, operand, access.role == Role::Write, dims(access));
                        }
                    }
                }
            }
            self.path.pop();
        }
    }

    fn lanes(&mut self, stmt: &'f Stmt, address: &'f Address, reg: Reg, write: bool) {
        let lanes = self.function.registers[reg.0 as usize];
        self.add(stmt, address, 0, write, vec![(u64::from(lanes), 1)]);
    }

    fn add(&mut self, stmt: &'f Stmt, address: &'f Address, operand: usize, write: bool, mut dims: Vec<(u64, i128)>) {
        if let Some(row) = address.row {
            dims.insert(0, (u64::from(row.count), i128::from(row.stride)));
            if write {
                // What it does not write stays as it is, and must be something.
                self.push(stmt, address, operand, false, dims.clone());
            }
        }
        self.push(stmt, address, operand, write, dims);
    }

    fn push(&mut self, stmt: &'f Stmt, address: &'f Address, operand: usize, write: bool, dims: Vec<(u64, i128)>) {
        let (path, nest) = (self.path.clone(), self.nest.clone());
        self.accesses.push(Access { stmt, address, operand, write, path, nest, dims });
    }
}

/// The dimensions of a kernel's operand that touches something, the run last.
pub(super) fn dims(access: &kernels::Access) -> Vec<(u64, i128)> {
    let outer = access.dims.iter().map(|dim| (u64::from(dim.count), i128::from(dim.stride)));
    // A run too long for 32 bits is longer than any buffer.
    let run = if access.len == u32::MAX { u64::MAX } else { u64::from(access.len) };
    outer.chain([(run, 1)]).collect()
}

impl Access<'_> {
    /// Its place and text.
    pub(super) fn site(&self, function: &Function) -> Site {
        let text = function.line(self.stmt).to_string();
        Site::Statement { function: function.name.clone(), path: self.path.clone(), text }
    }

    /// What it touches while the first `fixed` loops stand at 0 and the others run.
    pub(super) fn region(&self, fixed: usize) -> Region {
        let loops = self.nest[fixed..].iter().map(|l| (u64::from(l.extent), self.stride(l.var)));
        Region { base: i128::from(self.address.index.base), dims: loops.chain(self.dims.iter().copied()).collect() }
    }

    /// Elements from one iteration of a loop to the next.
    pub(super) fn stride(&self, var: LoopVar) -> i128 {
        i128::from(self.address.index.stride(var))
    }

    /// The depth of the parallel loop around it.
    pub(super) fn parallel(&self) -> Option<usize> {
        self.nest.iter().position(|l| l.parallel)
    }

    /// The number of loops around both.
    pub(super) fn common_loops(&self, other: &Self) -> usize {
        let depth = self.nest.len().min(other.nest.len());
        self.path.iter().zip(&other.path).take(depth).take_while(|(a, b)| a == b).count()
    }

    /// Whether it writes all of its elements, not only some that are chosen at run time.
    pub(super) fn writes_all(&self) -> bool {
        self.write && self.address.row.is_none()
    }

    /// Whether both touch the same elements in the same order wherever their loops stand.
    pub(super) fn same_elements(&self, other: &Self) -> bool {
        let dims = |access: &Self| access.dims.iter().copied().filter(|&(count, _)| count > 1).collect::<Vec<_>>();
        if self.address.row.is_some() || other.address.row.is_some() {
            return false;
        }
        let strides = self.nest.iter().chain(&other.nest).all(|l| self.stride(l.var) == other.stride(l.var));
        self.address.index.base == other.address.index.base && strides && dims(self) == dims(other)
    }

    /// Whether the two touch a common element of what is taken for one parameter; `None` if they never do.
    pub(super) fn meets(&self, other: &Self, relation: Relation) -> Option<Meeting> {
        match relation {
            Relation::Any => self.solve(other, &[], &[], |_| {}),
            Relation::Same(depth) => {
                let common = &self.nest[..depth];
                self.solve(other, common, common, |terms| {
                    for l in common {
                        let stride = self.stride(l.var) - other.stride(l.var);
                        terms.push(Term { stride, low: 0, high: i128::from(l.extent) - 1 });
                    }
                })
            }
            Relation::Differ(a, b) => {
                let (mine, theirs) = (self.nest[a], other.nest[b]);
                let stride = self.stride(mine.var);
                if stride != other.stride(theirs.var) {
                    // The distance alone does not say what is touched: any two iterations may be meant.
                    return self.meets(other, Relation::Any);
                }
                let distance =
                    |low, high| self.solve(other, &[mine], &[theirs], |terms| terms.push(Term { stride, low, high }));
                let within = |last| distance(1, i128::from(last)).or_else(|| distance(-i128::from(last), -1));
                let (mut low, mut high) = (0, mine.extent - 1);
                if within(high)? == Meeting::Unknown {
                    return Some(Meeting::Unknown);
                }
                // None is within `low`, some are within `high`.
                while high - low > 1 {
                    let middle = low.midpoint(high);
                    if within(middle).is_some() { high = middle } else { low = middle }
                }
                Some(Meeting::Distance(high))
            }
        }
    }

    /// Solves `self's element = other's element`, where `terms` says how the loops in `mine` and `theirs` run and all
    /// others run freely.
    fn solve(&self, other: &Self, mine: &[Loop], theirs: &[Loop], terms: impl Fn(&mut Vec<Term>)) -> Option<Meeting> {
        let mut sum = Vec::new();
        for (access, given, sign) in [(self, mine, 1), (other, theirs, -1)] {
            let free = access.nest.iter().filter(|l| given.iter().all(|g| g.var != l.var));
            let loops = free.map(|l| (u64::from(l.extent), access.stride(l.var)));
            for (count, stride) in loops.chain(access.dims.iter().copied()) {
                sum.push(Term { stride: sign * stride, low: 0, high: i128::from(count) - 1 });
            }
        }
        terms(&mut sum);
        match solve(&sum, i128::from(other.address.index.base) - i128::from(self.address.index.base)) {
            Answer::Never => None,
            Answer::Solvable => Some(Meeting::Somewhere),
            Answer::Unknown => Some(Meeting::Unknown),
        }
    }
}
