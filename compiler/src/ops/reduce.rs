//! Reductions: one number of all elements along some dimensions, which stay as 1 or disappear.

use convoke_runtime::Tensor;

use super::arguments::{AXES, FLAG, Reader};
use super::{
    Adjoint, Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Constructor, Derived, NotDerived,
    Operator, TypeError, compare, unary,
};
use super::check;
use super::compare::Compare;
use crate::{DType, TensorType};
use crate::lir::{self, Reg, Unary, math};
use crate::lower::nest::{Line, Lines, Walk, blocked_extents};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Work};
use crate::onnx::{Item, Node, Rule, Unsupported};
use super::cast::Cast;
use super::reshape;

/// A reduction along dimensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reduce {
    /// What becomes of the elements.
    pub function: Function,
    /// The dimensions, counted from the last where they are negative; all where there is none.
    pub axes: Vec<i64>,
    /// Whether they stay, as 1; true unless given.
    pub keepdims: bool,
}

/// What a reduction makes of numbers x.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `Σ x`.
    Sum,
    /// `1/n Σ x`.
    Mean,
    /// The largest.
    Max,
    /// The smallest.
    Min,
    /// `Π x`.
    Prod,
    /// `Σ |x|`.
    L1,
    /// `√(Σ x²)`.
    L2,
    /// `Σ x²`.
    SumSquare,
    /// `ln Σ x`.
    LogSum,
    /// `ln Σ eˣ`.
    LogSumExp,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 10] = [
        Self::Sum,
        Self::Mean,
        Self::Max,
        Self::Min,
        Self::Prod,
        Self::L1,
        Self::L2,
        Self::SumSquare,
        Self::LogSum,
        Self::LogSumExp,
    ];

    /// Its name in graphs; in `cnn!` it is called `reduce_` and this.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::Mean => "mean",
            Self::Max => "max",
            Self::Min => "min",
            Self::Prod => "prod",
            Self::L1 => "l1",
            Self::L2 => "l2",
            Self::SumSquare => "sum_square",
            Self::LogSum => "log_sum",
            Self::LogSumExp => "log_sum_exp",
        }
    }

    fn define(self, x: impl Iterator<Item = f64> + Clone) -> f64 {
        let largest = || x.clone().fold(f64::NEG_INFINITY, f64::max);
        match self {
            Self::Sum => x.sum(),
            Self::Mean => x.clone().sum::<f64>() / x.count() as f64,
            Self::Max => largest(),
            Self::Min => x.fold(f64::INFINITY, f64::min),
            Self::Prod => x.product(),
            Self::L1 => x.map(f64::abs).sum(),
            Self::L2 => x.map(|x| x * x).sum::<f64>().sqrt(),
            Self::SumSquare => x.map(|x| x * x).sum(),
            Self::LogSum => x.sum::<f64>().ln(),
            // A common factor comes out of the sum, and keeps exp in range.
            Self::LogSumExp => largest() + x.clone().map(|x| (x - largest()).exp()).sum::<f64>().ln(),
        }
    }

    /// Its expansion: of one line, or in each lane of one.
    fn expand(self, e: &mut Emitter<'_>, line: &Line<'_>, count: usize) -> Reg {
        use lir::Binary::{Add, Max, Min, Mul};
        let x = |e: &mut Emitter<'_>, at: &crate::lower::nest::Elements<'_>| at.load(e, 1);
        let sum_of = |e: &mut Emitter<'_>, term: fn(&mut lir::FunctionBuilder, Reg) -> Reg| {
            line.fold(e, 0.0, Add, &|e, at| {
                let x = at.load(e, 1);
                term(&mut e.code, x)
            })
        };
        match self {
            Self::Sum => line.fold(e, 0.0, Add, &x),
            Self::Mean => {
                let sum = line.fold(e, 0.0, Add, &x);
                let share = e.code.constant(e.code.lanes(sum), 1.0 / count as f32);
                e.code.binary(Mul, sum, share)
            }
            Self::Max => line.fold(e, f32::NEG_INFINITY, Max, &x),
            Self::Min => line.fold(e, f32::INFINITY, Min, &x),
            Self::Prod => line.fold(e, 1.0, Mul, &x),
            Self::L1 => sum_of(e, |f, x| f.unary(Unary::Abs, x)),
            Self::L2 => {
                let sum = sum_of(e, |f, x| f.binary(Mul, x, x));
                e.code.unary(Unary::Sqrt, sum)
            }
            Self::SumSquare => sum_of(e, |f, x| f.binary(Mul, x, x)),
            Self::LogSum => {
                let sum = line.fold(e, 0.0, Add, &x);
                math::log(&mut e.code, sum)
            }
            Self::LogSumExp => {
                let largest = line.fold(e, f32::NEG_INFINITY, Max, &x);
                let sum = line.fold(e, 0.0, Add, &|e, at| {
                    let (x, largest) = (at.load(e, 1), at.widen(e, largest));
                    let difference = e.code.binary(lir::Binary::Sub, x, largest);
                    math::exp(&mut e.code, difference)
                });
                let log = math::log(&mut e.code, sum);
                e.code.binary(Add, largest, log)
            }
        }
    }
}

const FUNCTION: Reader<Function> = Reader {
    expects: "the name of a reduction, such as sum",
    read: |value| match value {
        Attribute::Text(name) => Function::ALL.into_iter().find(|function| function.name() == name),
        _ => None,
    },
};

fn call(function: Function, call: &mut Call<'_>) -> Result<Construction, CallError> {
    let mut arguments = call.arguments(&["axes"])?;
    let op = Reduce::read_rest(function, &mut arguments)?;
    arguments.finish()?;
    Ok(op.into())
}

impl Reduce {
    fn read_rest(function: Function, arguments: &mut Arguments) -> Result<Self, CallError> {
        let axes = arguments.read("axes", &AXES)?.unwrap_or_default();
        Ok(Self { function, axes, keepdims: arguments.read("keepdims", &FLAG)?.unwrap_or(true) })
    }

    /// For each dimension whether it is reduced.
    fn reduced(&self, rank: usize) -> Result<Vec<bool>, TypeError> {
        let mut reduced = vec![self.axes.is_empty(); rank];
        for &axis in &self.axes {
            reduced[check::axis(axis, rank)?] = true;
        }
        Ok(reduced)
    }

    /// The shape of the result with and without the reduced dimensions.
    fn shapes(shape: &[usize], reduced: &[bool]) -> [Vec<usize>; 2] {
        let dims = || shape.iter().zip(reduced);
        let kept = dims().map(|(&extent, &reduced)| if reduced { 1 } else { extent }).collect();
        [kept, dims().filter(|(_, reduced)| !**reduced).map(|(&extent, _)| extent).collect()]
    }
}

impl Operator for Reduce {
    const NAME: &'static str = "reduce";

    const CALLS: &'static [(&'static str, Constructor)] = &[
        ("reduce_sum", |made| call(Function::Sum, made)),
        ("reduce_mean", |made| call(Function::Mean, made)),
        ("reduce_max", |made| call(Function::Max, made)),
        ("reduce_min", |made| call(Function::Min, made)),
        ("reduce_prod", |made| call(Function::Prod, made)),
        ("reduce_l1", |made| call(Function::L1, made)),
        ("reduce_l2", |made| call(Function::L2, made)),
        ("reduce_sum_square", |made| call(Function::SumSquare, made)),
        ("reduce_log_sum", |made| call(Function::LogSum, made)),
        ("reduce_log_sum_exp", |made| call(Function::LogSumExp, made)),
    ];

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::default().with("function", self.function.name());
        attributes.with("axes", self.axes.as_slice()).with_unless("keepdims", self.keepdims, true)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let function = arguments.need("function", &FUNCTION)?;
        Self::read_rest(function, arguments)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        use Function::{L1, Max, Min, Prod, Sum, SumSquare};
        let dtype = check::numbers(operands, &["x"])?;
        if !matches!(self.function, Sum | Max | Min | Prod | L1 | SumSquare) {
            check::dtype(operands, 0, &[DType::F32])?;
        }
        let reduced = self.reduced(operands[0].rank())?;
        let [kept, without] = Self::shapes(&operands[0].shape, &reduced);
        check::result_of(dtype, if self.keepdims { kept } else { without })
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, shape) = (operands[0].data(), operands[0].shape());
        let reduced = self.reduced(shape.len()).expect("the operands have types that the operator accepts");
        let [kept, without] = Self::shapes(shape, &reduced);
        // The flat index of an element's line in the result.
        let line = |flat: usize| {
            let (mut rest, mut place, mut stride) = (flat, 0, 1);
            for dim in (0..shape.len()).rev() {
                if !reduced[dim] {
                    place += rest % shape[dim] * stride;
                    stride *= shape[dim];
                }
                rest /= shape[dim];
            }
            place
        };
        let mut lines = vec![Vec::new(); kept.iter().product()];
        for (flat, &value) in x.iter().enumerate() {
            lines[line(flat)].push(f64::from(value));
        }
        let mut result = Tensor::zeros(if self.keepdims { &kept } else { &without });
        for (y, line) in result.data_mut().iter_mut().zip(lines) {
            *y = self.function.define(line.into_iter()) as f32;
        }
        vec![result]
    }

    /// Each element gets its line's ȳ times the slope of the function: 1 of a sum, `1/n` of a mean, `sign x` of L1, `x / y`
    /// of L2, `2x` of a sum of squares, `1 / Σ x` of its logarithm, `exp(x − y)` of log-sum-exp. Elements that are the
    /// maximum or minimum share it evenly.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let shape = a.shape(a.operand(0));
        let reduced = self.reduced(shape.len()).expect("the graph is verified");
        let [kept, _] = Self::shapes(&shape, &reduced);
        let (cotangent, x) = (a.cotangent()?, a.operand(0));
        let cotangent = a.reshape(cotangent, &kept)?;
        let y = a.reshape(a.result(0), &kept)?;
        let along: Vec<usize> = (0..shape.len()).filter(|&dim| reduced[dim]).collect();
        let count: usize = along.iter().map(|&dim| shape[dim]).product();
        a.give(0, |a| {
            let slope = match self.function {
                Function::Sum => return a.broadcast(cotangent, &shape),
                Function::Mean => {
                    let share = a.scaled(cotangent, 1.0 / count as f32)?;
                    return a.broadcast(share, &shape);
                }
                Function::Max | Function::Min => {
                    let equal = a.op(Compare { function: compare::Function::Equal }, &[x, y])?;
                    let equal = a.op(Cast { to: DType::F32 }, &[equal])?;
                    let ties = a.sum(equal, &along)?;
                    a.div(equal, ties)?
                }
                Function::L1 => a.op(unary::Unary::new(unary::Function::Sign), &[x])?,
                Function::L2 => a.div(x, y)?,
                Function::SumSquare => a.scaled(x, 2.0)?,
                Function::LogSum => {
                    let sum = a.sum(x, &along)?;
                    let one = a.constant(&shape, &[1.0]);
                    a.div(one, sum)?
                }
                Function::LogSumExp => {
                    let difference = a.sub(x, y)?;
                    a.op(unary::Unary::new(unary::Function::Exp), &[difference])?
                }
                Function::Prod => return Err(NotDerived::because("there is no rule for products along a dimension")),
            };
            a.mul(cotangent, slope)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "ReduceSum", import: |node| import(node, Function::Sum) },
        Rule { operator: "ReduceMean", import: |node| import(node, Function::Mean) },
        Rule { operator: "ReduceMax", import: |node| import(node, Function::Max) },
        Rule { operator: "ReduceMin", import: |node| import(node, Function::Min) },
        Rule { operator: "ReduceProd", import: |node| import(node, Function::Prod) },
        Rule { operator: "ReduceL1", import: |node| import(node, Function::L1) },
        Rule { operator: "ReduceL2", import: |node| import(node, Function::L2) },
        Rule { operator: "ReduceSumSquare", import: |node| import(node, Function::SumSquare) },
        Rule { operator: "ReduceLogSum", import: |node| import(node, Function::LogSum) },
        Rule { operator: "ReduceLogSumExp", import: |node| import(node, Function::LogSumExp) },];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKS, ROWS];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[i64], bool); 13] = [
            (&[2, 17, 3, 3], &[2, 3], true),
            (&[2, 17, 3, 3], &[-1, -2], false),
            (&[2, 17, 3, 3], &[1], true),
            (&[2, 17, 3, 3], &[0, 2, 3], true),
            (&[2, 17, 3, 3], &[0, 2], true),
            (&[2, 3, 5], &[0], false),
            (&[2, 3, 5], &[1], true),
            (&[3, 4, 67], &[1, 2], true),
            (&[3, 4, 9], &[0, 2], false),
            (&[130], &[], true),
            (&[7], &[0], false),
            (&[3, 1], &[1], true),
            (&[], &[], true),
        ];
        let mut cases = Vec::new();
        for function in Function::ALL {
            let op = Self { function, axes: vec![1], keepdims: true };
            let low = if function == Function::LogSum { 0.5 } else { -2.0 };
            cases.push(Case::new(function.name(), op).input([2, 11, 9]).within(low, 2.0).tolerance(2e-6));
        }
        let sum = Self { function: Function::Sum, axes: vec![0], keepdims: true };
        cases.push(Case::new("of whole numbers", sum).input([3, 5]).within(-9.0, 9.0).of(DType::I64).tolerance(0.0));
        for (shape, axes, keepdims) in TABLE {
            for function in [Function::Max, Function::Mean] {
                let op = Self { function, axes: axes.to_vec(), keepdims };
                let name = format!("{} of {shape:?} along {axes:?}, {keepdims}", function.name());
                cases.push(Case::new(name, op).input(shape));
            }
        }
        cases
    }
}

/// The dimensions are an attribute in older versions, an operand in newer ones; where there is none they are all, or
/// none, as another attribute says.
fn import(node: &mut Node<'_, '_>, function: Function) -> Result<Vec<Item>, Unsupported> {
    let keepdims = node.int("keepdims")?.unwrap_or(1) != 0;
    let nothing = node.flag("noop_with_empty_axes")?;
    let axes = node.ints_of("axes", 1)?.unwrap_or_default();
    let mut x = node.operand(0)?;
    if axes.is_empty() && nothing {
        // What becomes of each element by itself still does.
        let shape = node.ty(&x).shape;
        let line = reshape::to(node, x, &[&[1], shape.as_slice()].concat())?;
        return Ok(vec![node.apply(Reduce { function, axes: vec![0], keepdims: false }, &[line])?]);
    }
    // The largest of truth values is one.
    let truth = node.ty(&x).dtype == DType::Bool;
    if truth {
        x = node.apply(Cast { to: DType::I64 }, &[x])?;
    }
    let mut y = node.apply(Reduce { function, axes, keepdims }, &[x])?;
    if truth {
        y = node.apply(Cast { to: DType::Bool }, &[y])?;
    }
    Ok(vec![y])
}

/// Lines within blocks of channels, each lane a channel.
const BLOCKS: Algorithm<Reduce> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        if site.layouts[0] != Some(Layout::Blocked) {
            return Err("the operand is not blocked".to_owned());
        }
        let rank = site.operands[0].rank();
        match op.reduced(rank).map_err(|error| error.to_string())?[..] {
            [_, false, _, _] if op.keepdims => {}
            [false, false, true, true] => {}
            _ => return Err("the result has no channels where the operand has them".to_owned()),
        }
        if matches!(op.function, Function::LogSum) {
            return Err("of finite operands it may make what is not finite".to_owned());
        }
        Ok(Choice { operands: vec![Need::tensor(Layout::Blocked)], results: vec![Layout::Blocked], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let (source, result) = (e.operand(0), e.result(0));
        let walks = [Walk::blocked(&result), Walk::blocked(&source)];
        let reduced = op.reduced(4).expect("the graph is verified");
        let along = |dim: usize| dim < 4 && reduced[dim];
        emit(op, work, &Lines::new(&blocked_extents(&source), &walks, along), e);
    },
};

/// Row-major lines.
const ROWS: Algorithm<Reduce> = Algorithm {
    name: "rows",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results: vec![Layout::Plain], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let shape = &work.operands[0].ty().shape;
        let reduced = op.reduced(shape.len()).expect("the graph is verified");
        let [kept, without] = Reduce::shapes(shape, &reduced);
        let (source, result) = (e.operand(0), e.result(0));
        let to = if op.keepdims {
            Walk::plain(&result, &kept, kept.len())
        } else {
            Walk::reduced(&result, &without, &reduced)
        };
        let walks = [to, Walk::plain(&source, shape, shape.len())];
        emit(op, work, &Lines::new(shape, &walks, |dim| reduced[dim]), e);
    },
};

fn schedule(_: &Reduce, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(work.storage(0).len())
}

fn emit(op: &Reduce, work: &Work<'_>, lines: &Lines, e: &mut Emitter<'_>) {
    let count = work.operands[0].ty().elements() / work.results[0].elements();
    lines.each(e, |e, line| {
        let value = op.function.expand(e, line, count);
        line.store(e, value);
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    fn mean(axes: &[i64], keepdims: bool) -> Reduce {
        Reduce { function: Function::Mean, axes: axes.to_vec(), keepdims }
    }

    #[test]
    fn shapes() {
        let table: [(Reduce, &[usize], &str); 6] = [
            (mean(&[2, 3], true), &[1, 8, 4, 4], "f32[1, 8, 1, 1]"),
            (mean(&[2, -1], false), &[1, 8, 4, 4], "f32[1, 8]"),
            (mean(&[], true), &[2, 3], "f32[1, 1]"),
            (mean(&[], false), &[2, 3], "f32[]"),
            (mean(&[], true), &[], "f32[]"),
            (mean(&[2], true), &[2, 3], "expects an axis in -2 ..= 1, gets 2"),
        ];
        for (op, shape, expected) in table {
            assert_eq!(inferred(op, &[shape]), expected);
        }
    }

    #[test]
    fn values() {
        let x: &[f32] = &[1.0, -2.0, 3.0, 4.0, 5.0, -6.0];
        let table: [(Function, &[f32]); 8] = [
            (Function::Sum, &[2.0, 3.0]),
            (Function::Mean, &[2.0 / 3.0, 1.0]),
            (Function::Max, &[3.0, 5.0]),
            (Function::Min, &[-2.0, -6.0]),
            (Function::Prod, &[-6.0, -120.0]),
            (Function::L1, &[6.0, 15.0]),
            (Function::SumSquare, &[14.0, 77.0]),
            (Function::L2, &[3.741_657_5, 8.774_964]),
        ];
        for (function, expected) in table {
            let op = Reduce { function, axes: vec![1], keepdims: false };
            assert_eq!(evaluated(op, &[(&[2, 3], x)]), expected, "{}", function.name());
        }
    }

    #[test]
    fn calls() {
        let x: &[&[usize]] = &[&[1, 8, 4, 4]];
        assert_eq!(
            called("reduce_mean", x, &[[2_i64, 3].into()], &[("keepdims", false.into())]),
            "reduce {function = mean, axes = [2, 3], keepdims = false}"
        );
        assert_eq!(called("reduce_max", x, &[], &[]), "reduce {function = max, axes = []}");
    }
}
