//! Functions of one number, `yᵢ = f(xᵢ)`, that have no kernel of their own; X of any shape, Y of the same. Each is a row
//! of `table`.

mod derive;
mod table;

use convoke_runtime::Tensor;

use super::arguments::{FLOAT, Reader};
use super::{
    Adjoint, Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Constructor, Derived, Operator,
    TypeError,
};
use super::check;
use crate::{DType, TensorType};
use crate::lir::{FunctionBuilder, Reg};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};
use crate::onnx::{Item, Node, Rule, Unsupported};

pub use table::Function;

/// `yᵢ = f(xᵢ)`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unary {
    /// Which function.
    pub function: Function,
    /// Its constants, as many as it [has](Function::constants), then zeros.
    pub constants: [f32; 2],
}

impl Unary {
    /// The function with its usual constants.
    #[must_use]
    pub fn new(function: Function) -> Self {
        let mut constants = [0.0; 2];
        for (constant, (_, usual)) in constants.iter_mut().zip(function.constants()) {
            *constant = *usual;
        }
        Self { function, constants }
    }

    /// Whether it makes whole numbers of whole numbers, as a function of them.
    fn of_whole_numbers(function: Function) -> bool {
        matches!(function, Function::Abs | Function::Neg | Function::Sign)
    }

    fn read_constants(function: Function, arguments: &mut Arguments) -> Result<Self, CallError> {
        let mut op = Self::new(function);
        for (constant, &(name, _)) in op.constants.iter_mut().zip(function.constants()) {
            *constant = arguments.read(name, &FLOAT)?.unwrap_or(*constant);
        }
        Ok(op)
    }
}

/// The name of a function.
const FUNCTION: Reader<Function> = Reader {
    expects: "the name of a function, such as exp",
    read: |value| match value {
        Attribute::Text(name) => Function::ALL.iter().copied().find(|function| function.name() == name),
        _ => None,
    },
};

/// A call of `function` by its own name: its constants are the arguments.
fn call(function: Function, call: &mut Call<'_>) -> Result<Construction, CallError> {
    const NAMES: [&[&str]; 3] = [&[], &["alpha"], &["alpha", "beta"]];
    let mut arguments = call.arguments(NAMES[function.constants().len()])?;
    let op = Unary::read_constants(function, &mut arguments)?;
    arguments.finish()?;
    Ok(op.into())
}

impl Operator for Unary {
    const NAME: &'static str = "unary";

    const CALLS: &'static [(&'static str, Constructor)] = table::CALLS;

    fn attributes(&self) -> Attributes {
        let names = self.function.constants().iter().zip(self.constants);
        let attributes = Attributes::default().with("function", self.function.name());
        names.fold(attributes, |attributes, (&(name, _), value)| attributes.with(name, value))
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let function = arguments.need("function", &FUNCTION)?;
        Self::read_constants(function, arguments)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        if check::numbers(operands, &["x"])? == DType::I64 && !Self::of_whole_numbers(self.function) {
            check::dtype(operands, 0, &[DType::F32])?;
        }
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut result = Tensor::zeros(operands[0].shape());
        for (y, &x) in result.data_mut().iter_mut().zip(operands[0].data()) {
            *y = self.function.define(x.into(), self.constants.map(f64::from)) as f32;
        }
        vec![result]
    }

    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        derive::derive(self, a)
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Abs", import: |node| import(node, Function::Abs) },
        Rule { operator: "Neg", import: |node| import(node, Function::Neg) },
        Rule { operator: "Sign", import: |node| import(node, Function::Sign) },
        Rule { operator: "Reciprocal", import: |node| import(node, Function::Reciprocal) },
        Rule { operator: "Sqrt", import: |node| import(node, Function::Sqrt) },
        Rule { operator: "Exp", import: |node| import(node, Function::Exp) },
        Rule { operator: "Log", import: |node| import(node, Function::Log) },
        Rule { operator: "Floor", import: |node| import(node, Function::Floor) },
        Rule { operator: "Ceil", import: |node| import(node, Function::Ceil) },
        Rule { operator: "Round", import: |node| import(node, Function::Round) },
        Rule { operator: "Erf", import: |node| import(node, Function::Erf) },
        Rule { operator: "Sin", import: |node| import(node, Function::Sin) },
        Rule { operator: "Cos", import: |node| import(node, Function::Cos) },
        Rule { operator: "Tan", import: |node| import(node, Function::Tan) },
        Rule { operator: "Asin", import: |node| import(node, Function::Asin) },
        Rule { operator: "Acos", import: |node| import(node, Function::Acos) },
        Rule { operator: "Atan", import: |node| import(node, Function::Atan) },
        Rule { operator: "Sinh", import: |node| import(node, Function::Sinh) },
        Rule { operator: "Cosh", import: |node| import(node, Function::Cosh) },
        Rule { operator: "Asinh", import: |node| import(node, Function::Asinh) },
        Rule { operator: "Acosh", import: |node| import(node, Function::Acosh) },
        Rule { operator: "Atanh", import: |node| import(node, Function::Atanh) },
        Rule { operator: "Softplus", import: |node| import(node, Function::Softplus) },
        Rule { operator: "Softsign", import: |node| import(node, Function::Softsign) },
        Rule { operator: "Mish", import: |node| import(node, Function::Mish) },
        Rule { operator: "Elu", import: |node| import(node, Function::Elu) },
        Rule { operator: "Selu", import: |node| import(node, Function::Selu) },
        Rule { operator: "Celu", import: |node| import(node, Function::Celu) },
        Rule { operator: "ThresholdedRelu", import: |node| import(node, Function::ThresholdedRelu) },
        Rule { operator: "Shrink", import: shrink },];

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    /// Each function of a row that ends within a vector and of a blocked tensor's worth of channels.
    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for &function in Function::ALL {
            let (low, high) = function.within();
            let case = Case::new(function.name(), Self::new(function));
            cases.push(case.input([3, 7]).within(low, high).tolerance(2e-6));
        }
        cases.push(Case::new("whole numbers", Self::new(Function::Neg)).input([9]).within(-9.0, 9.0).of(DType::I64));
        let elu = Self { constants: [0.5, 0.0], ..Self::new(Function::Elu) };
        cases.push(Case::new("alpha", elu).input([2, 17, 3, 2]).within(-4.0, 4.0));
        cases.push(Case::new("one element", Self::new(Function::Exp)).input([]).within(1.0, 2.0));
        cases
    }
}

/// The constants are attributes of the same names.
fn import(node: &mut Node<'_, '_>, function: Function) -> Result<Vec<Item>, Unsupported> {
    let mut op = Unary::new(function);
    for (constant, &(name, _)) in op.constants.iter_mut().zip(function.constants()) {
        *constant = node.float(name)?.unwrap_or(*constant);
    }
    node.unary(op)
}

fn shrink(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let constants = [node.float("lambd")?.unwrap_or(0.5), node.float("bias")?.unwrap_or(0.0)];
    node.unary(Unary { function: Function::Shrink, constants })
}

impl Pointwise for Unary {
    /// An exponential and some arithmetic.
    const COST: usize = 16;

    fn finite(&self) -> bool {
        self.function.finite()
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        self.function.expand(f, operands[0], self.constants)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        assert_eq!(inferred(Unary::new(Function::Exp), &[&[2, 3]]), "f32[2, 3]");
        assert_eq!(inferred(Unary::new(Function::Exp), &[&[0]]), "operand 0 expects dimensions of at least 1, gets f32[0]");
    }

    /// The transcendental ones from mpmath, at 30 digits.
    #[test]
    fn values() {
        let table = [
            (Function::Round, 2.5, 2.0),
            (Function::Round, -1.5, -2.0),
            (Function::Sign, -3.0, -1.0),
            (Function::Sign, 0.0, 0.0),
            (Function::Erf, 0.5, 0.520_499_9),
            (Function::Softplus, 1.0, 1.313_261_6),
            (Function::Softplus, 100.0, 100.0),
            (Function::Mish, 1.0, 0.865_098_4),
            (Function::Elu, -1.0, -0.632_120_6),
            (Function::Selu, -1.0, -1.111_330_7),
            (Function::Celu, 2.0, 2.0),
            (Function::ThresholdedRelu, 1.0, 0.0),
            (Function::Shrink, 2.0, 2.0),
            (Function::Shrink, 0.25, 0.0),
            (Function::Softsign, -3.0, -0.75),
        ];
        for (function, x, y) in table {
            let [found] = evaluated(Unary::new(function), &[(&[1], &[x])])[..] else { panic!("one element") };
            assert!((found - y).abs() <= 2e-7 * y.abs(), "{} of {x} is {found}", function.name());
        }
    }

    #[test]
    fn calls() {
        let x: &[&[usize]] = &[&[1, 10]];
        assert_eq!(called("exp", x, &[], &[]), "unary {function = exp}");
        assert_eq!(called("elu", x, &[0.5_f32.into()], &[]), "unary {function = elu, alpha = 0.5}");
        assert_eq!(
            called("exp", x, &[], &[("alpha", 1_i64.into())]),
            "alpha: `alpha` is unknown; there are no constants here"
        );
        let unknown = crate::ops::Op::from_attributes("unary", Attributes::default().with("function", "exq"));
        assert_eq!(unknown, Err("`function` expects the name of a function, such as exp, found exq".to_owned()));
    }
}
