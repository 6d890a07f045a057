//! Every expression on registers of every width, on ordinary and on special numbers.

use convoke_compiler::lir::{Binary, Compare, Expr, FunctionBuilder, Reg, Unary};
use convoke_runtime::Isa;

use crate::{Case, Values, program};

/// Iterations, each on other numbers.
const ROWS: u32 = 96;
/// The registers that hold the operands: the first that are made.
const A: Reg = Reg(0);
const B: Reg = Reg(1);
const C: Reg = Reg(2);

/// One case for each width and kind of numbers.
pub(crate) fn cases(isa: Isa) -> Vec<Case> {
    let kinds = [(Values::Ordinary, "ordinary"), (Values::Special, "special")];
    [1, 2, 4, 8, 16, 32]
        .into_iter()
        .flat_map(|lanes| kinds.map(|(values, kind)| case(isa, lanes, values, kind)))
        .collect()
}

fn case(isa: Isa, lanes: u32, values: Values, kind: &str) -> Case {
    let unary = Unary::ALL.iter().map(|op| Expr::Unary(*op, A));
    let binary = Binary::ALL.iter().map(|op| Expr::Binary(*op, A, B));
    let select = Compare::ALL.iter().map(|op| Expr::Select { compare: *op, a: A, b: B, then: B, otherwise: C });
    // The operands of a minimum and a maximum in all orders: compilers like to make those of them.
    let order = Compare::ALL.iter().flat_map(|op| {
        [(A, B), (B, A)].map(|(then, otherwise)| Expr::Select { compare: *op, a: A, b: B, then, otherwise })
    });
    let others = [Expr::Fma(A, B, C), Expr::Copy(A), Expr::Const(-0.1), Expr::Const(f32::INFINITY)];
    let wide: Vec<Expr> = unary.chain(binary).chain(select).chain(order).chain(others).collect();
    let reductions = [Binary::Add, Binary::Mul, Binary::Min, Binary::Max];

    let mut f = FunctionBuilder::new("arithmetic");
    let width = lanes as usize;
    let row = (wide.len() + 1) * width + reductions.len();
    let dst = f.written("dst", ROWS as usize * row);
    let [a, b, c] = ["a", "b", "c"].map(|name| f.read(name, ROWS as usize * width));
    f.parallel(ROWS, |f, i| {
        for from in [a, b, c] {
            f.load(lanes, from.at(i * width));
        }
        let mut to = i * row;
        for expr in wide {
            let value = f.value(lanes, expr);
            f.store(dst.at(&to), value);
            to = to + width;
        }
        for op in reductions {
            let value = f.reduce(op, A);
            f.store(dst.at(&to), value);
            to = to + 1_usize;
            if op == Binary::Add {
                let value = f.splat(lanes, value);
                f.store(dst.at(&to), value);
                to = to + width;
            }
        }
    });
    Case::new(format!("arithmetic/{lanes}/{kind}/{isa}"), program(isa, f.finish()), values)
}
