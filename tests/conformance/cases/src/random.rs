//! Random programs: straight lines of random expressions on registers of all widths, in and around loops that carry
//! values.

use convoke_compiler::lir::{Affine, Binary, Compare, Expr, FunctionBuilder, ParamId, Reg, Unary};
use convoke_runtime::Isa;

use crate::{Case, Random, Values, program};

/// Elements of each input.
const INPUT: usize = 1024;
/// Widths of registers.
const LANES: [u32; 5] = [1, 2, 4, 8, 16];

/// The program with this number.
#[must_use]
pub fn case(isa: Isa, seed: u32) -> Case {
    let mut random = Random::new(&format!("program {seed}"));
    let mut f = FunctionBuilder::new("random");
    let inputs = ["a", "b"].map(|name| f.read(name, INPUT));
    // Its length is known only when all registers are.
    let dst = f.written("dst", 0);
    let rows = 1 + random.below(7);
    let mut row = 0;
    f.parallel(rows, |f, i| {
        let mut body = Body { f, random: &mut random, inputs, set: Vec::new(), loops: vec![i.clone()] };
        for lanes in LANES {
            let load = body.load();
            body.add(lanes, load);
        }
        body.statements(24);
        body.repeat();
        body.statements(8);
        let set = body.set;
        row = set.iter().map(|reg| f.lanes(*reg) as usize).sum();
        let mut to = i * row;
        for reg in set {
            f.store(dst.at(&to), reg);
            to = to + f.lanes(reg) as usize;
        }
    });
    let mut function = f.finish();
    function.params[dst.0 as usize].len = rows as usize * row;
    let values = if seed.is_multiple_of(2) { Values::Ordinary } else { Values::Special };
    Case::new(format!("random/{seed}/{isa}"), program(isa, function), values)
}

/// The statements under construction.
struct Body<'a> {
    f: &'a mut FunctionBuilder,
    random: &'a mut Random,
    inputs: [ParamId; 2],
    /// The registers that are set, whichever way led here.
    set: Vec<Reg>,
    /// The variables of the loops around.
    loops: Vec<Affine>,
}

impl Body<'_> {
    fn statements(&mut self, count: u32) {
        for _ in 0..count {
            let lanes = self.random.pick(&LANES);
            let value = self.value(lanes);
            let (reuse, reg) = (self.random.below(4) == 0, self.register(lanes));
            if reuse {
                self.f.set(reg, value);
            } else {
                self.add(lanes, value);
            }
        }
    }

    /// A loop of random statements that set registers set before.
    fn repeat(&mut self) {
        let extent = 1 + self.random.below(4);
        let Body { f, random, inputs, set, loops } = self;
        f.serial(extent, |f, i| {
            let mut loops = loops.clone();
            loops.push(i.clone());
            let mut inner = Body { f, random, inputs: *inputs, set: set.clone(), loops };
            inner.statements(12);
            // Carry what the body made to the next iteration.
            for lanes in LANES {
                let (from, to) = (inner.register(lanes), set[inner.random.below(set.len() as u32) as usize]);
                if inner.f.lanes(to) == lanes {
                    inner.f.set(to, Expr::Copy(from));
                }
            }
        });
    }

    fn add(&mut self, lanes: u32, value: Expr) {
        let reg = self.f.value(lanes, value);
        self.set.push(reg);
    }

    /// A register of `lanes` lanes that is set.
    fn register(&mut self, lanes: u32) -> Reg {
        let choices: Vec<_> = self.set.iter().copied().filter(|reg| self.f.lanes(*reg) == lanes).collect();
        self.random.pick(&choices)
    }

    fn value(&mut self, lanes: u32) -> Expr {
        let [a, b, c, d] = [(); 4].map(|()| self.register(lanes));
        match self.random.below(if lanes == 1 { 9 } else { 8 }) {
            0 => Expr::Const(self.random.value(Values::Special)),
            1 => self.load(),
            2 => Expr::Splat(self.register(1)),
            3 => Expr::Unary(self.random.pick(Unary::ALL), a),
            4 | 5 => Expr::Binary(self.random.pick(Binary::ALL), a, b),
            6 => Expr::Fma(a, b, c),
            7 => Expr::Select { compare: self.random.pick(Compare::ALL), a, b, then: c, otherwise: d },
            _ => {
                let op = self.random.pick(&[Binary::Add, Binary::Mul, Binary::Min, Binary::Max]);
                let lanes = self.random.pick(&LANES);
                Expr::Reduce(op, self.register(lanes))
            }
        }
    }

    /// A load of any width, at an index of all loops around.
    fn load(&mut self) -> Expr {
        let input = self.random.pick(&self.inputs);
        let mut index = Affine::from(self.random.below(256) as usize);
        for variable in &self.loops {
            index = index + variable * self.random.below(64) as usize;
        }
        Expr::Load(input.at(index))
    }
}
