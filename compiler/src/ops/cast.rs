//! Conversion to another type of elements: to integers toward zero, to truth values by whether it is 0.

use convoke_runtime::Tensor;

use super::arguments::Reader;
use super::{
    Adjoint, Arguments, Attribute, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check,
};
use crate::lir::{Compare, FunctionBuilder, Reg, Unary};
use crate::lower::Algorithm;
use crate::lower::elementwise::{self, Pointwise};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// The elements of X, of any shape, as another type. What a run holds of one is float32 as well, so that only a loss
/// of information is work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cast {
    /// The type of the result.
    pub to: DType,
}

/// The name of a type.
const TO: Reader<DType> = Reader {
    expects: "f32, i64 or bool",
    read: |value| match value {
        Attribute::Text(name) => DType::ALL.into_iter().find(|dtype| dtype.name() == name),
        _ => None,
    },
};

impl Operator for Cast {
    const NAME: &'static str = "cast";
    const POSITIONAL: &'static [&'static str] = &["to"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("to", self.to.name())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { to: arguments.need("to", &TO)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        check::result_of(self.to, operands[0].shape.as_slice())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut result = Tensor::zeros(operands[0].shape());
        for (y, &x) in result.data_mut().iter_mut().zip(operands[0].data()) {
            *y = match self.to {
                DType::F32 => x,
                DType::I64 => x.trunc(),
                DType::Bool => f32::from(u8::from(x != 0.0)),
            };
        }
        vec![result]
    }

    /// `x̄ = ȳ` where both are real numbers.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        match self.to {
            DType::F32 => a.cotangent().and_then(|y| a.give(0, |_| Ok(y))),
            DType::I64 | DType::Bool => Err(NotDerived::because(format!("its result has type {}", self.to))),
        }
    }

    const ONNX: &'static [Rule] =
        &[Rule { operator: "Cast", import: cast }, Rule { operator: "CastLike", import: cast_like }];

    const ALGORITHMS: &'static [Algorithm<Self>] = elementwise::pointwise();

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for from in DType::ALL {
            for to in DType::ALL {
                let case = Case::new(format!("{from} to {to}"), Self { to }).input([2, 17, 3, 3]);
                let (low, high) = if from == DType::Bool { (0.0, 1.0) } else { (-3.0, 3.0) };
                cases.push(case.within(low, high).of(from).tolerance(0.0));
            }
        }
        cases
    }
}

/// Whether a cast may round or wrap is the business of types that are not ours: integers and floats of all widths are
/// `i64` and `f32`.
fn cast(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    for name in ["saturate", "round_mode"] {
        node.ignore(name);
    }
    let to = node.dtype("to")?.ok_or_else(|| Unsupported::new("attribute `to` is missing"))?;
    to_type(node, to)
}

fn cast_like(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    for name in ["saturate", "round_mode"] {
        node.ignore(name);
    }
    let to = node.ty(&node.operand(1)?).dtype;
    to_type(node, to)
}

fn to_type(node: &mut Node<'_, '_>, to: DType) -> Result<Vec<Item>, Unsupported> {
    let x = node.operand(0)?;
    if node.ty(&x).dtype == to {
        return Ok(vec![x]);
    }
    Ok(vec![node.apply(Cast { to }, &[x])?])
}

impl Pointwise for Cast {
    fn finite(&self) -> bool {
        true
    }

    fn compute(&self, f: &mut FunctionBuilder, operands: &[Reg]) -> Reg {
        let x = operands[0];
        match self.to {
            DType::F32 => x,
            DType::I64 => f.unary(Unary::Trunc, x),
            DType::Bool => {
                let [no, yes] = [0.0, 1.0].map(|value| f.constant(f.lanes(x), value));
                f.select(Compare::Ne, x, no, yes, no)
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
        assert_eq!(inferred(Cast { to: DType::I64 }, &[&[2, 3]]), "i64[2, 3]");
    }

    #[test]
    fn values() {
        let x: &[f32] = &[-1.5, 0.0, 2.9];
        assert_eq!(evaluated(Cast { to: DType::I64 }, &[(&[3], x)]), [-1.0, 0.0, 2.0]);
        assert_eq!(evaluated(Cast { to: DType::Bool }, &[(&[3], x)]), [1.0, 0.0, 1.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("cast", &[&[1]], &["i64".into()], &[]), "cast {to = i64}");
    }
}
