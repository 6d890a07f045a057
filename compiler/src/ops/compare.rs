//! Comparisons and logic of two operands whose shapes broadcast as numpy's: truth values, 1 or 0.

use convoke_runtime::Tensor;

use super::arguments::Reader;
use super::{
    Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Constructor, Operator, TypeError, broadcast,
    check,
};
use crate::lir::{self, FunctionBuilder, Reg};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// `y = a ⋄ b`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compare {
    /// Which relation.
    pub function: Function,
}

/// A relation of two numbers, or of two truth values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// `a = b`.
    Equal,
    /// `a < b`.
    Less,
    /// `a ≤ b`.
    LessOrEqual,
    /// Both.
    And,
    /// At least one.
    Or,
    /// Exactly one.
    Xor,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 6] = [Self::Equal, Self::Less, Self::LessOrEqual, Self::And, Self::Or, Self::Xor];

    /// Its name in graphs and in `cnn!`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Less => "less",
            Self::LessOrEqual => "less_or_equal",
            Self::And => "and",
            Self::Or => "or",
            Self::Xor => "xor",
        }
    }

    fn of_truth_values(self) -> bool {
        matches!(self, Self::And | Self::Or | Self::Xor)
    }

    fn define(self, a: f32, b: f32) -> bool {
        match self {
            Self::Equal => a == b,
            Self::Less => a < b,
            Self::LessOrEqual => a <= b,
            Self::And => a != 0.0 && b != 0.0,
            Self::Or => a != 0.0 || b != 0.0,
            Self::Xor => (a != 0.0) != (b != 0.0),
        }
    }
}

/// The name of a function.
const FUNCTION: Reader<Function> = Reader {
    expects: "the name of a comparison, such as less",
    read: |value| match value {
        Attribute::Text(name) => Function::ALL.into_iter().find(|function| function.name() == name),
        _ => None,
    },
};

fn call(function: Function, call: &mut Call<'_>) -> Result<Construction, CallError> {
    call.arguments(&[])?.finish()?;
    Ok(Compare { function }.into())
}

impl Operator for Compare {
    const NAME: &'static str = "compare";

    const CALLS: &'static [(&'static str, Constructor)] = &[
        ("equal", |made| call(Function::Equal, made)),
        ("less", |made| call(Function::Less, made)),
        ("less_or_equal", |made| call(Function::LessOrEqual, made)),
        ("and", |made| call(Function::And, made)),
        ("or", |made| call(Function::Or, made)),
        ("xor", |made| call(Function::Xor, made)),
    ];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("function", self.function.name())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { function: arguments.need("function", &FUNCTION)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["a", "b"])?;
        check::one_dtype(operands)?;
        if self.function.of_truth_values() {
            check::dtype(operands, 0, &[DType::Bool])?;
        }
        let [a, b] = [&operands[0].shape, &operands[1].shape];
        match broadcast::shape(a, b) {
            Some(shape) => check::result_of(DType::Bool, shape),
            None => Err(TypeError::operand(1, format!("a shape that broadcasts with {a:?}"), format!("{b:?}"))),
        }
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [a, b] = [operands[0], operands[1]];
        let shape = broadcast::shape(a.shape(), b.shape()).expect("the operands have types that the operator accepts");
        let mut result = Tensor::zeros(&shape);
        let pairs = broadcast::repeated(a, &shape).zip(broadcast::repeated(b, &shape));
        for (y, (a, b)) in result.data_mut().iter_mut().zip(pairs) {
            *y = f32::from(u8::from(self.function.define(a, b)));
        }
        vec![result]
    }

    const ONNX: &'static [Rule] = &[
        Rule { operator: "Equal", import: |node| node.binary(Self { function: Function::Equal }) },
        Rule { operator: "Less", import: |node| node.binary(Self { function: Function::Less }) },
        Rule { operator: "LessOrEqual", import: |node| node.binary(Self { function: Function::LessOrEqual }) },
        Rule { operator: "Greater", import: |node| reversed(node, Function::Less) },
        Rule { operator: "GreaterOrEqual", import: |node| reversed(node, Function::LessOrEqual) },
        Rule { operator: "And", import: |node| node.binary(Self { function: Function::And }) },
        Rule { operator: "Or", import: |node| node.binary(Self { function: Function::Or }) },
        Rule { operator: "Xor", import: |node| node.binary(Self { function: Function::Xor }) },
    ];

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    fn cases() -> Vec<Case> {
        const SHAPES: [(&[usize], &[usize]); 4] =
            [(&[2, 17, 3, 3], &[1, 17, 1, 1]), (&[3, 1, 5], &[4, 1]), (&[19], &[5, 1]), (&[2, 16, 3, 3], &[2, 16, 3, 3])];
        let mut cases = Vec::new();
        for function in Function::ALL {
            for (a, b) in SHAPES {
                let (dtype, high) = if function.of_truth_values() { (DType::Bool, 1.0) } else { (DType::I64, 2.0) };
                let case = Case::new(format!("{} of {a:?} and {b:?}", function.name()), Self { function });
                let case = case.input(a).within(0.0, high).of(dtype).input(b).within(0.0, high).of(dtype);
                cases.push(case.tolerance(0.0));
            }
        }
        let less = Case::new("of floats", Self { function: Function::Less });
        cases.push(less.input([3, 7]).input([3, 7]).tolerance(0.0));
        cases
    }
}

/// `a > b` is `b < a`.
fn reversed(node: &mut Node<'_, '_>, function: Function) -> Result<Vec<Item>, Unsupported> {
    let operands = [node.operand(1)?, node.operand(0)?];
    Ok(vec![node.apply(Compare { function }, &operands)?])
}

impl Pointwise for Compare {
    fn finite(&self) -> bool {
        true
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        let [a, b] = [operands[0], operands[1]];
        let compare = match self.function {
            Function::Equal => lir::Compare::Eq,
            Function::Less => lir::Compare::Lt,
            Function::LessOrEqual => lir::Compare::Le,
            Function::And => return f.binary(lir::Binary::Min, a, b),
            Function::Or => return f.binary(lir::Binary::Max, a, b),
            Function::Xor => lir::Compare::Ne,
        };
        let [no, yes] = [0.0, 1.0].map(|value| f.constant(f.lanes(a), value));
        f.select(compare, a, b, yes, no)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let less = Compare { function: Function::Less };
        assert_eq!(inferred(less, &[&[2, 3], &[3]]), "bool[2, 3]");
        assert_eq!(inferred(less, &[&[2, 3], &[4]]), "operand 1 expects a shape that broadcasts with [2, 3], gets [4]");
        let and = Compare { function: Function::And };
        assert_eq!(inferred(and, &[&[2], &[2]]), "operand 0 expects elements of type bool, gets f32");
    }

    #[test]
    fn values() {
        let (a, b): (&[f32], &[f32]) = (&[0.0, 1.0, f32::NAN, 1.0], &[1.0, 1.0, 1.0, 0.0]);
        let table = [
            (Function::Equal, [0.0, 1.0, 0.0, 0.0]),
            (Function::Less, [1.0, 0.0, 0.0, 0.0]),
            (Function::LessOrEqual, [1.0, 1.0, 0.0, 0.0]),
            (Function::And, [0.0, 1.0, 1.0, 0.0]),
            (Function::Or, [1.0, 1.0, 1.0, 1.0]),
            (Function::Xor, [1.0, 0.0, 0.0, 1.0]),
        ];
        for (function, expected) in table {
            assert_eq!(evaluated(Compare { function }, &[(&[4], a), (&[4], b)]), expected, "{}", function.name());
        }
    }

    #[test]
    fn calls() {
        assert_eq!(called("less", &[&[1], &[1]], &[], &[]), "compare {function = less}");
    }
}
