//! Concatenation of one or more operands along one axis; along any other, their sizes agree.
//!
//! Szegedy et al., "Going Deeper with Convolutions", arXiv:1409.4842, section 4; Huang et al., "Densely Connected
//! Convolutional Networks", arXiv:1608.06993, section 3.

use convoke_runtime::Tensor;

use super::arguments::AXIS;
use super::{Arguments, Attributes, CallError, Case, Operator, TypeError, check};
use crate::TensorType;

/// All operands, one after the other along `axis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Concat {
    /// Counted from the last dimension where it is negative; 1, the channels, unless given.
    pub axis: i64,
}

impl Operator for Concat {
    const NAME: &'static str = "concat";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { axis: arguments.read("axis", &AXIS)?.unwrap_or(1) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        let Some(first) = operands.first() else { return Err(TypeError::whole("at least 1 operand", 0)) };
        check::operands(operands, &vec!["x"; operands.len()])?;
        let axis = check::axis(self.axis, first.rank())?;
        let mut shape = first.shape.clone();
        for (i, operand) in operands.iter().enumerate().skip(1) {
            let agrees = |dim: usize| dim == axis || operand.shape[dim] == first.shape[dim];
            if operand.rank() != first.rank() || !(0..first.rank()).all(agrees) {
                let expected = format!("the shape {:?} but for dimension {axis}", first.shape);
                return Err(TypeError::operand(i, expected, format!("{:?}", operand.shape)));
            }
            shape[axis] = shape[axis].saturating_add(operand.shape[axis]);
        }
        check::result(shape)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut shape = operands[0].shape().to_vec();
        let axis = check::axis(self.axis, shape.len()).expect("the operands have types that the operator accepts");
        shape[axis] = operands.iter().map(|operand| operand.shape()[axis]).sum();
        let run: usize = shape[axis..].iter().product();
        let mut result = Tensor::zeros(&shape);
        let mut first = 0;
        for operand in operands {
            let part: usize = operand.shape()[axis..].iter().product();
            for (to, from) in result.data_mut().chunks_mut(run).zip(operand.data().chunks(part)) {
                to[first..first + part].copy_from_slice(from);
            }
            first += part;
        }
        vec![result]
    }

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[&[usize]]); 13] = [
            (1, &[&[1, 3, 4, 5], &[1, 5, 4, 5]]),
            (1, &[&[1, 16, 3, 3], &[1, 16, 3, 3]]),
            (1, &[&[2, 16, 3, 3], &[2, 8, 3, 3], &[2, 24, 3, 3]]),
            (1, &[&[2, 17, 3, 3], &[2, 15, 3, 3]]),
            (1, &[&[1, 32, 2, 7], &[1, 1, 2, 7], &[1, 33, 2, 7], &[1, 16, 2, 7], &[1, 4, 2, 7]]),
            (1, &[&[1, 6, 3, 3]]),
            (0, &[&[1, 6, 3, 3], &[2, 6, 3, 3]]),
            (2, &[&[1, 18, 3, 5], &[1, 18, 2, 5]]),
            (3, &[&[1, 16, 3, 5], &[1, 16, 3, 1]]),
            (-1, &[&[2, 3, 3, 5], &[2, 3, 3, 2]]),
            (1, &[&[2, 7], &[2, 30]]),
            (0, &[&[3], &[4]]),
            (1, &[&[2, 3, 4], &[2, 1, 4]]),
        ];
        let case = |(axis, shapes): (i64, &[&[usize]])| {
            let case = Case::new(format!("axis {axis} of {shapes:?}"), Self { axis }).tolerance(0.0);
            shapes.iter().fold(case, |case, &shape| case.input(shape))
        };
        TABLE.map(case).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let table: [(i64, &[&[usize]], &str); 8] = [
            (1, &[&[1, 3, 4, 4], &[1, 5, 4, 4]], "f32[1, 8, 4, 4]"),
            (-1, &[&[1, 3], &[1, 5], &[1, 1]], "f32[1, 9]"),
            (0, &[&[3]], "f32[3]"),
            (1, &[&[1, 3, 4, 4], &[1, 5, 4, 3]], "operand 1 expects the shape [1, 3, 4, 4] but for dimension 1, gets [1, 5, 4, 3]"),
            (1, &[&[1, 3], &[1, 5, 1]], "operand 1 expects the shape [1, 3] but for dimension 1, gets [1, 5, 1]"),
            (2, &[&[1, 3], &[1, 5]], "expects an axis in -2 ..= 1, gets 2"),
            (0, &[&[], &[]], "operand 0 expects at least 1 dimension, gets 0"),
            (1, &[], "expects at least 1 operand, gets 0"),
        ];
        for (axis, shapes, expected) in table {
            assert_eq!(inferred(Concat { axis }, shapes), expected);
        }
        let half = 1_usize << 60;
        let found = inferred(Concat { axis: 0 }, &[&[half], &[half], &[half]]);
        assert!(found.starts_with("expects a tensor that memory can hold"), "{found}");
    }

    #[test]
    fn interleaves() {
        let (a, b): (&[f32], &[f32]) = (&[1.0, 2.0], &[3.0, 4.0, 5.0, 6.0]);
        let op = Concat { axis: 1 };
        assert_eq!(evaluated(op, &[(&[2, 1], a), (&[2, 2], b)]), [1.0, 3.0, 4.0, 2.0, 5.0, 6.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("concat", &[&[1, 2], &[1, 2]], &[], &[]), "concat {axis = 1}");
        assert_eq!(called("concat", &[&[1], &[1]], &[], &[("axis", (-1_i64).into())]), "concat {axis = -1}");
    }
}
