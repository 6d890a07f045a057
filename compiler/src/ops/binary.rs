//! Functions of two numbers, `y = f(a, b)`, of operands whose shapes broadcast as numpy's, that have no kernel of their
//! own.

use convoke_runtime::Tensor;

use super::arguments::Reader;
use super::{
    Adjoint, Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Constructor, Derived, Epilogue,
    NotDerived, Operator, TypeError, check, commutative, compare,
};
use super::select::Select;
use crate::{DType, TensorType};
use crate::lir::{self, Compare, FunctionBuilder, Reg, math};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};
use crate::onnx::{Item, Node, Rule, Unsupported};
use super::cast::Cast;
use super::mul::Mul;
use super::unary::{self, Unary};

/// `y = f(a, b)`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binary {
    /// Which function.
    pub function: Function,
}

/// A function of two numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `a − b`.
    Sub,
    /// `a / b`.
    Div,
    /// `a / b` without its fraction: the quotient of whole numbers.
    DivTrunc,
    /// The smaller.
    Min,
    /// The larger.
    Max,
    /// `aᵇ`; see [`math::pow`].
    Pow,
    /// `a − b · trunc(a / b)`, of the sign of a, as C's `fmod`.
    Fmod,
    /// `a − b · ⌊a / b⌋`, of the sign of b, as Python's `%`.
    Mod,
    /// `a` where it is not negative, elsewhere `a · b` (He et al. 2015, arXiv:1502.01852, equation 1).
    Prelu,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 9] =
        [Self::Sub, Self::Div, Self::DivTrunc, Self::Min, Self::Max, Self::Pow, Self::Fmod, Self::Mod, Self::Prelu];

    /// Its name in graphs and in `cnn!`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sub => "sub",
            Self::Div => "div",
            Self::DivTrunc => "div_trunc",
            Self::Min => "min",
            Self::Max => "max",
            Self::Pow => "pow",
            Self::Fmod => "fmod",
            Self::Mod => "mod",
            Self::Prelu => "prelu",
        }
    }

    fn define(self, a: f64, b: f64) -> f64 {
        match self {
            Self::Sub => a - b,
            Self::Div => a / b,
            Self::DivTrunc => (a / b).trunc(),
            Self::Min => a.min(b),
            Self::Max => a.max(b),
            Self::Pow => a.powf(b),
            Self::Fmod => a % b,
            Self::Mod => a - b * (a / b).floor(),
            Self::Prelu if a < 0.0 => a * b,
            Self::Prelu => a,
        }
    }
}

/// The name of a function.
const FUNCTION: Reader<Function> = Reader {
    expects: "the name of a function, such as sub",
    read: |value| match value {
        Attribute::Text(name) => Function::ALL.into_iter().find(|function| function.name() == name),
        _ => None,
    },
};

fn call(function: Function, call: &mut Call<'_>) -> Result<Construction, CallError> {
    call.arguments(&[])?.finish()?;
    Ok(Binary { function }.into())
}

impl Operator for Binary {
    const NAME: &'static str = "binary";

    const CALLS: &'static [(&'static str, Constructor)] = &[
        ("sub", |made| call(Function::Sub, made)),
        ("div", |made| call(Function::Div, made)),
        ("div_trunc", |made| call(Function::DivTrunc, made)),
        ("min", |made| call(Function::Min, made)),
        ("max", |made| call(Function::Max, made)),
        ("pow", |made| call(Function::Pow, made)),
        ("fmod", |made| call(Function::Fmod, made)),
        ("mod", |made| call(Function::Mod, made)),
    ];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("function", self.function.name())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { function: arguments.need("function", &FUNCTION)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        let result = commutative::infer(operands, Epilogue::default())?;
        if matches!(self.function, Function::Div | Function::Prelu) {
            check::dtype(operands, 0, &[DType::F32])?;
        }
        Ok(result)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        commutative::evaluate(operands, Epilogue::default(), |a, b| self.function.define(a, b))
    }

    /// `ā` and `b̄` are ȳ times the slope: 1 and −1 of a difference, `1/b` and `−y/b` of a quotient, `b·aᵇ⁻¹` and `y·ln a` of
    /// a power. The smaller or larger takes ȳ, equal ones half each.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (cotangent, [left, right], y) = (a.cotangent()?, [0, 1].map(|index| a.operand(index)), a.result(0));
        let compared = |a: &mut Adjoint<'_, '_>, function, x, y| a.op(compare::Compare { function }, &[x, y]);
        match self.function {
            Function::Sub => {
                a.give(0, |_| Ok(cotangent))?;
                a.give(1, |a| a.scaled(cotangent, -1.0))
            }
            Function::Div => {
                a.give(0, |a| a.div(cotangent, right))?;
                a.give(1, |a| {
                    let product = a.mul(cotangent, y)?;
                    let quotient = a.div(product, right)?;
                    a.scaled(quotient, -1.0)
                })
            }
            Function::Pow => {
                a.give(0, |a| {
                    let one = a.constant(&[], &[1.0]);
                    let exponent = a.sub(right, one)?;
                    let power = a.op(*self, &[left, exponent])?;
                    let slope = a.mul(right, power)?;
                    a.mul(cotangent, slope)
                })?;
                a.give(1, |a| {
                    let log = a.op(Unary::new(unary::Function::Log), &[left])?;
                    let slope = a.mul(y, log)?;
                    a.mul(cotangent, slope)
                })
            }
            Function::Min | Function::Max => {
                let zero = a.constant(&[], &[0.0]);
                for (index, [own, other]) in [[left, right], [right, left]].into_iter().enumerate() {
                    let [small, large] = if self.function == Function::Min { [own, other] } else { [other, own] };
                    a.give(index, |a| {
                        let (half, equal) = (a.scaled(cotangent, 0.5)?, compared(a, compare::Function::Equal, own, other)?);
                        let rest = a.op(Select, &[equal, half, zero])?;
                        let chosen = compared(a, compare::Function::Less, small, large)?;
                        a.op(Select, &[chosen, cotangent, rest])
                    })?;
                }
                Ok(())
            }
            Function::Prelu => {
                let zero = a.constant(&[], &[0.0]);
                let below = compared(a, compare::Function::Less, left, zero)?;
                a.give(0, |a| {
                    let scaled = a.mul(cotangent, right)?;
                    a.op(Select, &[below, scaled, cotangent])
                })?;
                a.give(1, |a| {
                    let product = a.mul(cotangent, left)?;
                    a.op(Select, &[below, product, zero])
                })
            }
            Function::DivTrunc | Function::Fmod | Function::Mod => {
                Err(NotDerived::because(format!("`{}` is of whole numbers", self.function.name())))
            }
        }
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Sub", import: |node| node.binary(Self { function: Function::Sub }) },
        Rule { operator: "Div", import: quotient },
        Rule { operator: "Min", import: |node| node.variadic(Self { function: Function::Min }) },
        Rule { operator: "Max", import: |node| node.variadic(Self { function: Function::Max }) },
        Rule { operator: "Pow", import: power },
        Rule { operator: "Mod", import: remainder },
        Rule { operator: "PRelu", import: |node| node.binary(Self { function: Function::Prelu }) },];

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    fn cases() -> Vec<Case> {
        const SHAPES: [(&[usize], &[usize]); 5] =
            [(&[2, 17, 3, 3], &[1, 17, 1, 1]), (&[3, 1, 5], &[4, 1]), (&[19], &[]), (&[], &[9]), (&[], &[])];
        let mut cases = Vec::new();
        for function in Function::ALL {
            let op = Self { function };
            let positive = matches!(function, Function::Div | Function::DivTrunc | Function::Pow | Function::Fmod | Function::Mod);
            let (low, high) = if positive { (0.25, 3.0) } else { (-3.0, 3.0) };
            let case = Case::new(function.name(), op).input([2, 3, 5]).within(low, high);
            cases.push(case.input([3, 5]).within(low, high).tolerance(2e-6));
        }
        for (a, b) in SHAPES {
            let op = Self { function: Function::Sub };
            cases.push(Case::new(format!("{a:?} and {b:?}"), op).input(a).input(b));
        }
        for function in [Function::DivTrunc, Function::Mod, Function::Fmod, Function::Max] {
            let case = Case::new(format!("{} of whole numbers", function.name()), Self { function });
            let case = case.input([23]).within(-50.0, 50.0).of(DType::I64);
            cases.push(case.input([23]).within(1.0, 7.0).of(DType::I64).tolerance(0.0));
        }
        let slope = Case::new("a slope for each channel", Self { function: Function::Prelu });
        cases.push(slope.input([1, 17, 3, 3]).weight([17, 1, 1]));
        cases
    }
}

/// The quotient of integers is one.
fn quotient(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let integer = node.ty(&node.operand(0)?).dtype == DType::I64;
    node.binary(Binary { function: if integer { Function::DivTrunc } else { Function::Div } })
}

/// The result has the base's type, whatever the exponent's.
fn power(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (base, exponent) = (node.operand(0)?, node.operand(1)?);
    let to = node.ty(&base).dtype;
    // Squares and roots are exact where others are rounded, and cost less.
    let number = match &exponent {
        Item::Constant(constant) if constant.len() == 1 => constant.run_time().ok().map(|value| value.data()[0]),
        _ => None,
    };
    let broadcasts = node.ty(&exponent).rank() > node.ty(&base).rank();
    match (number, to) {
        (Some(2.0), _) if !broadcasts => return Ok(vec![node.apply(Mul::default(), &[base.clone(), base])?]),
        (Some(0.5), DType::F32) if !broadcasts => {
            return Ok(vec![node.apply(Unary::new(unary::Function::Sqrt), &[base])?]);
        }
        _ => {}
    }
    let exponent = if node.ty(&exponent).dtype == to { exponent } else { node.apply(Cast { to }, &[exponent])? };
    let y = node.apply(Binary { function: Function::Pow }, &[base, exponent])?;
    if to == DType::F32 {
        return Ok(vec![y]);
    }
    // The power of integers is one.
    let floats = node.apply(Cast { to: DType::F32 }, &[y])?;
    let whole = node.apply(Unary::new(unary::Function::Round), &[floats])?;
    Ok(vec![node.apply(Cast { to }, &[whole])?])
}

fn remainder(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let function = if node.flag("fmod")? { Function::Fmod } else { Function::Mod };
    node.binary(Binary { function })
}

impl Pointwise for Binary {
    const COST: usize = 4;

    fn finite(&self) -> bool {
        matches!(self.function, Function::Sub | Function::Min | Function::Max | Function::Prelu)
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        let [a, b] = [operands[0], operands[1]];
        match self.function {
            Function::Sub => f.binary(lir::Binary::Sub, a, b),
            Function::Div => f.binary(lir::Binary::Div, a, b),
            Function::DivTrunc => {
                let quotient = f.binary(lir::Binary::Div, a, b);
                f.unary(lir::Unary::Trunc, quotient)
            }
            Function::Min => f.binary(lir::Binary::Min, a, b),
            Function::Max => f.binary(lir::Binary::Max, a, b),
            Function::Pow => math::pow(f, a, b),
            Function::Fmod => math::remainder(f, a, b),
            Function::Mod => {
                let zero = f.constant(f.lanes(a), 0.0);
                let rest = math::remainder(f, a, b);
                // Of the other sign than b: one b more.
                let product = f.binary(lir::Binary::Mul, rest, b);
                let more = f.binary(lir::Binary::Add, rest, b);
                f.select(Compare::Lt, product, zero, more, rest)
            }
            Function::Prelu => {
                let zero = f.constant(f.lanes(a), 0.0);
                let product = f.binary(lir::Binary::Mul, a, b);
                f.select(Compare::Lt, a, zero, product, a)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let sub = Binary { function: Function::Sub };
        assert_eq!(inferred(sub, &[&[2, 3], &[3]]), "f32[2, 3]");
        assert_eq!(
            inferred(sub, &[&[2, 3], &[4]]),
            "operand 1 expects a shape that broadcasts with [2, 3], gets [4]"
        );
    }

    #[test]
    fn values() {
        let table = [
            (Function::Sub, 1.0, 3.0, -2.0),
            (Function::Div, 1.0, 4.0, 0.25),
            (Function::Min, 1.0, -4.0, -4.0),
            (Function::Max, 1.0, -4.0, 1.0),
            (Function::Pow, -2.0, 3.0, -8.0),
            (Function::Fmod, -7.0, 3.0, -1.0),
            (Function::Mod, -7.0, 3.0, 2.0),
            (Function::Mod, 7.0, -3.0, -2.0),
            (Function::Prelu, -2.0, 0.25, -0.5),
            (Function::Prelu, 2.0, 0.25, 2.0),
        ];
        for (function, a, b, y) in table {
            let found = evaluated(Binary { function }, &[(&[1], &[a]), (&[1], &[b])]);
            assert_eq!(found, [y], "{} of {a} and {b}", function.name());
        }
    }

    #[test]
    fn calls() {
        assert_eq!(called("sub", &[&[1], &[1]], &[], &[]), "binary {function = sub}");
    }
}
