//! Broadcasting as numpy's `broadcast_to`: dimensions of 1 repeat, new ones appear in front.

use convoke_runtime::Tensor;

use super::arguments::SHAPE;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, broadcast, check, moved};
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// The operand, broadcast together with `shape`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expand {
    /// What the operand broadcasts with; a dimension of 1 leaves the operand's.
    pub shape: Vec<usize>,
}

impl Operator for Expand {
    const NAME: &'static str = "expand";
    const POSITIONAL: &'static [&'static str] = &["shape"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("shape", self.shape.as_slice())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { shape: arguments.need("shape", &SHAPE)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        match broadcast::shape(&operands[0].shape, &self.shape) {
            Some(shape) => check::result_of(operands[0].dtype, shape),
            None => {
                let expected = format!("a shape that broadcasts with {:?}", self.shape);
                Err(TypeError::operand(0, expected, format!("{:?}", operands[0].shape)))
            }
        }
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let x = operands[0];
        let shape = broadcast::shape(x.shape(), &self.shape).expect("the graph is verified");
        let mut result = Tensor::zeros(&shape);
        for (y, x) in result.data_mut().iter_mut().zip(broadcast::repeated(x, &shape)) {
            *y = x;
        }
        vec![result]
    }

    /// `x̄` is the sum of ȳ along what was repeated.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        a.give(0, |_| Ok(y))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Expand", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[usize]); 6] = [
            (&[1, 17, 3, 5], &[1, 17, 1, 1]),
            (&[2, 3, 1, 9], &[3, 4, 1]),
            (&[2, 1, 1], &[1, 5]),
            (&[33], &[]),
            (&[2, 3], &[2, 3]),
            (&[4, 2, 3], &[3]),
        ];
        TABLE.map(|(to, shape)| moved::case(Self { shape: to.to_vec() }, shape)).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let shape: Option<Vec<usize>> = node.need_ints(1)?.into_iter().map(|size| usize::try_from(size).ok()).collect();
    let shape = shape.ok_or_else(|| Unsupported::new("the shape has a negative size"))?;
    node.unary(Expand { shape })
}

impl Movement for Expand {
    fn regions(&self, operand: &TensorType, results: &[TensorType], _: usize) -> Vec<Region> {
        let (from, to) = (&operand.shape, &results[0].shape);
        let lead = to.len() - from.len();
        let step = |(dim, &extent): (usize, &usize)| {
            let source = dim.checked_sub(lead).filter(|&own| from[own] > 1);
            Step { extent, to: (dim, 1), from: source.map(|own| (own, 1)) }
        };
        vec![Region::whole(to.iter().enumerate().map(step).collect(), to.len(), from.len())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = |shape: &[usize]| Expand { shape: shape.to_vec() };
        assert_eq!(inferred(op(&[2, 1, 4]), &[&[3, 1]]), "f32[2, 3, 4]");
        assert_eq!(inferred(op(&[1]), &[&[3, 2]]), "f32[3, 2]");
        assert_eq!(
            inferred(op(&[2, 4]), &[&[3]]),
            "operand 0 expects a shape that broadcasts with [2, 4], gets [3]"
        );
    }

    #[test]
    fn repeats() {
        let op = Expand { shape: vec![2, 2] };
        assert_eq!(evaluated(op, &[(&[2, 1], &[1.0, 2.0])]), [1.0, 1.0, 2.0, 2.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("expand", &[&[1, 2]], &[[4_i64, 2].into()], &[]), "expand {shape = [4, 2]}");
    }
}
