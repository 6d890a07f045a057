//! Questions about each element, X of any shape, Y of the same: truth values, 1 or 0.

use convoke_runtime::Tensor;

use super::arguments::Reader;
use super::{
    Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Constructor, Operator, TypeError, check,
};
use crate::lir::{Compare, FunctionBuilder, Reg};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// Whether something holds of each element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Predicate {
    /// What.
    pub function: Function,
}

/// What may hold of an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    /// It is false.
    Not,
    /// It is not a number.
    IsNan,
    /// It is `+∞`.
    IsPositiveInfinity,
    /// It is `−∞`.
    IsNegativeInfinity,
}

impl Function {
    /// All functions.
    pub const ALL: [Self; 4] = [Self::Not, Self::IsNan, Self::IsPositiveInfinity, Self::IsNegativeInfinity];

    /// Its name in graphs and in `cnn!`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Not => "not",
            Self::IsNan => "is_nan",
            Self::IsPositiveInfinity => "is_positive_infinity",
            Self::IsNegativeInfinity => "is_negative_infinity",
        }
    }
}

/// The name of a function.
const FUNCTION: Reader<Function> = Reader {
    expects: "the name of a predicate, such as not",
    read: |value| match value {
        Attribute::Text(name) => Function::ALL.into_iter().find(|function| function.name() == name),
        _ => None,
    },
};

fn call(function: Function, call: &mut Call<'_>) -> Result<Construction, CallError> {
    call.arguments(&[])?.finish()?;
    Ok(Predicate { function }.into())
}

impl Operator for Predicate {
    const NAME: &'static str = "predicate";

    const CALLS: &'static [(&'static str, Constructor)] = &[
        ("not", |made| call(Function::Not, made)),
        ("is_nan", |made| call(Function::IsNan, made)),
        ("is_positive_infinity", |made| call(Function::IsPositiveInfinity, made)),
        ("is_negative_infinity", |made| call(Function::IsNegativeInfinity, made)),
    ];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("function", self.function.name())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { function: arguments.need("function", &FUNCTION)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let expected = if self.function == Function::Not { DType::Bool } else { DType::F32 };
        check::dtype(operands, 0, &[expected])?;
        check::result_of(DType::Bool, operands[0].shape.as_slice())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let holds = |x: f32| match self.function {
            Function::Not => x == 0.0,
            Function::IsNan => x.is_nan(),
            Function::IsPositiveInfinity => x == f32::INFINITY,
            Function::IsNegativeInfinity => x == f32::NEG_INFINITY,
        };
        let mut result = Tensor::zeros(operands[0].shape());
        for (y, &x) in result.data_mut().iter_mut().zip(operands[0].data()) {
            *y = f32::from(u8::from(holds(x)));
        }
        vec![result]
    }

    const ONNX: &'static [Rule] = &[
        Rule { operator: "Not", import: |node| node.unary(Self { function: Function::Not }) },
        Rule { operator: "IsNaN", import: |node| node.unary(Self { function: Function::IsNan }) },
        Rule { operator: "IsInf", import: infinite },
    ];

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    fn cases() -> Vec<Case> {
        const SHAPES: [&[usize]; 3] = [&[2, 17, 3, 3], &[19], &[]];
        let not = |shape: &[usize]| {
            let case = Case::new(format!("not of {shape:?}"), Self { function: Function::Not });
            case.input(shape).within(0.0, 1.0).of(DType::Bool).tolerance(0.0)
        };
        let other = |function: Function| {
            // Conformance's values are finite: of one element, nothing holds.
            Case::new(function.name(), Self { function }).input([1]).tolerance(0.0)
        };
        SHAPES.into_iter().map(not).chain(Function::ALL[1..].iter().copied().map(other)).collect()
    }
}

fn infinite(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let detect = |node: &mut Node<'_, '_>, name| Ok::<_, Unsupported>(node.int(name)?.unwrap_or(1) != 0);
    let (positive, negative) = (detect(node, "detect_positive")?, detect(node, "detect_negative")?);
    let x = node.operand(0)?;
    let mut is = |function, x: &Item| node.apply(Predicate { function }, std::slice::from_ref(x));
    Ok(vec![match (positive, negative) {
        (true, false) => is(Function::IsPositiveInfinity, &x)?,
        (false, true) => is(Function::IsNegativeInfinity, &x)?,
        (true, true) => {
            let magnitude = node.apply(super::unary::Unary::new(super::unary::Function::Abs), &[x])?;
            node.apply(Predicate { function: Function::IsPositiveInfinity }, &[magnitude])?
        }
        (false, false) => {
            let shape = node.ty(&x).shape;
            let zeros = Tensor::try_zeros(&shape).map_err(|error| Unsupported::new(error.to_string()))?;
            Constant::from(zeros.to_bool()).into()
        }
    }])
}

impl Pointwise for Predicate {
    fn finite(&self) -> bool {
        true
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        let x = operands[0];
        let [no, yes] = [0.0, 1.0].map(|value| f.constant(f.lanes(x), value));
        let equal = |f: &mut FunctionBuilder, value: f32| {
            let value = f.constant(f.lanes(x), value);
            f.select(Compare::Eq, x, value, yes, no)
        };
        match self.function {
            Function::Not => equal(f, 0.0),
            Function::IsNan => f.select(Compare::Ne, x, x, yes, no),
            Function::IsPositiveInfinity => equal(f, f32::INFINITY),
            Function::IsNegativeInfinity => equal(f, f32::NEG_INFINITY),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        assert_eq!(inferred(Predicate { function: Function::IsNan }, &[&[2, 3]]), "bool[2, 3]");
        let not = inferred(Predicate { function: Function::Not }, &[&[2, 3]]);
        assert_eq!(not, "operand 0 expects elements of type bool, gets f32");
    }

    #[test]
    fn values() {
        let x: &[f32] = &[0.0, 1.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY];
        let table = [
            (Function::Not, [1.0, 0.0, 0.0, 0.0, 0.0]),
            (Function::IsNan, [0.0, 0.0, 1.0, 0.0, 0.0]),
            (Function::IsPositiveInfinity, [0.0, 0.0, 0.0, 1.0, 0.0]),
            (Function::IsNegativeInfinity, [0.0, 0.0, 0.0, 0.0, 1.0]),
        ];
        for (function, expected) in table {
            assert_eq!(evaluated(Predicate { function }, &[(&[5], x)]), expected, "{}", function.name());
        }
    }

    #[test]
    fn calls() {
        assert_eq!(called("not", &[&[1]], &[], &[]), "predicate {function = not}");
    }
}
