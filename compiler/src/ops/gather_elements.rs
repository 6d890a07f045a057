//! Elements chosen one by one along a dimension, `y[i, j, k] = x[i, indices[i, j, k], k]`: torch's `gather`.

use convoke_runtime::Tensor;

use super::arguments::AXIS;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check, indexed, moved};
use super::indexed::Reduction;
use super::scatter_elements::ScatterElements;
use crate::lower::elementwise::by_elements;
use crate::lower::nest::{Nest, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need};
use crate::onnx::Rule;
use crate::{DType, TensorType};

/// Operands X and the [indices](indexed), of as many dimensions as X and none longer but for `axis`; the result has
/// their shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherElements {
    /// Counted from the last dimension where it is negative.
    pub axis: i64,
}

impl Operator for GatherElements {
    const NAME: &'static str = "gather_elements";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { axis: arguments.need("axis", &AXIS)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x", "indices"])?;
        indexed::check_elements(operands, self.axis)?;
        check::result_of(operands[0].dtype, operands[1].shape.clone())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [x, indices] = [operands[0], operands[1]];
        let axis = check::axis(self.axis, x.shape().len()).expect("the graph is verified");
        let shape = indices.shape();
        vec![moved::evaluate(x, shape, |index| {
            let flat = index.iter().zip(shape).fold(0, |flat, (index, extent)| flat * extent + index);
            let mut source = index.to_vec();
            source[axis] = indexed::resolve(indices.data()[flat], x.shape()[axis]);
            Ok(source)
        })]
    }

    /// `x̄` is the sum of what was taken of each element.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, indices, shape) = (a.cotangent()?, a.operand(1), a.shape(a.operand(0)));
        a.give(0, |a| {
            let zeros = a.constant(&shape, &[0.0]);
            a.op(ScatterElements { axis: self.axis, reduction: Reduction::Add }, &[zeros, indices, y])
        })
    }

    const ONNX: &'static [Rule] = &[Rule {
        operator: "GatherElements",
        import: |node| {
            let axis = node.int("axis")?.unwrap_or(0);
            node.binary(Self { axis })
        },
    }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ELEMENTS];

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[usize], &[usize]); 4] = [
            (0, &[4, 5], &[3, 5]),
            (1, &[2, 7, 3], &[2, 9, 2]),
            (-1, &[3, 6], &[3, 1]),
            (0, &[5], &[4]),
        ];
        let case = |(axis, x, indices): (i64, &[usize], &[usize])| {
            let case = Case::new(format!("{indices:?} of {x:?} along {axis}"), Self { axis }).input(x);
            case.input(indices).within(-3.0, 2.0).of(DType::I64).tolerance(0.0)
        };
        TABLE.map(case).into()
    }
}

const ELEMENTS: Algorithm<GatherElements> = Algorithm {
    name: "elements",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain); 2], results: vec![Layout::Plain], alias: false })
    },
    schedule: by_elements,
    emit: |op, work, _, e| {
        let (x, shape) = (&work.operands[0].ty().shape, &work.results[0].shape);
        let axis = check::axis(op.axis, x.len()).expect("the graph is verified");
        let (source, indices, result) = (e.operand(0), e.operand(1), e.result(0));
        let step = source.storage.strides(x)[axis] as i64;
        let rank = x.len();
        let walks = [
            Walk::plain(&result, shape, rank),
            Walk::plain(&indices, shape, rank),
            Walk::plain(&source, x, rank).still(axis),
        ];
        Nest::new(shape, &walks).each(e, |e, at| {
            let index = indexed::load(e, at[1].clone(), x[axis]);
            let value = e.code.load(1, at[2].clone().row(index, x[axis] as u32, step));
            e.code.store(at[0].clone(), value);
        });
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::evaluated;

    #[test]
    fn shapes() {
        let infer = |indices: &[usize]| {
            let (x, indices) = (TensorType::f32([2, 3]), TensorType { dtype: DType::I64, shape: indices.to_vec() });
            let result = GatherElements { axis: 1 }.infer(&[&x, &indices]);
            result.map(|types| types[0].to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(infer(&[2, 5]), Ok("f32[2, 5]".to_owned()));
        let expected = "expects no more indices than [2, 3] has elements, but for dimension 1, gets [3, 5]";
        assert_eq!(infer(&[3, 5]), Err(expected.to_owned()));
    }

    #[test]
    fn chooses() {
        let x: &[f32] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let found = evaluated(GatherElements { axis: 1 }, &[(&[2, 3], x), (&[2, 2], &[2.0, 0.0, -1.0, 9.0])]);
        assert_eq!(found, [3.0, 1.0, 6.0, 6.0]);
    }
}
