//! Slices chosen by lists of indices, `y[i, …] = x[indices[i, 0], indices[i, 1], …, …]`.

use convoke_runtime::Tensor;

use super::arguments::LENGTH;
use super::{
    Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check, indexed, moved,
};
use super::indexed::Reduction;
use super::scatter_nd::ScatterNd;
use crate::lower::elementwise::by_elements;
use crate::lower::nest::{Nest, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need};
use crate::onnx::Rule;
use crate::{DType, TensorType};

/// Operands X and the [indices](indexed), whose last dimension holds a list for the dimensions of X behind the batch.
/// The result has the other dimensions of the indices, then those of X that no index is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GatherNd {
    /// Dimensions that X and the indices have in common, in front; 0 unless given.
    pub batch_dims: usize,
}

impl Operator for GatherNd {
    const NAME: &'static str = "gather_nd";

    fn attributes(&self) -> Attributes {
        Attributes::default().with_unless("batch_dims", self.batch_dims, 0)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { batch_dims: arguments.read("batch_dims", &LENGTH)?.unwrap_or(0) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x", "indices"])?;
        let k = indexed::check_slices(operands, self.batch_dims)?;
        let (x, indices) = (&operands[0].shape, &operands[1].shape);
        let shape = [&indices[..indices.len() - 1], &x[self.batch_dims + k..]].concat();
        check::result_of(operands[0].dtype, shape)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [x, indices] = [operands[0], operands[1]];
        let (batch, (&k, outer)) = (self.batch_dims, indices.shape().split_last().expect("the graph is verified"));
        let shape = [outer, &x.shape()[batch + k..]].concat();
        vec![moved::evaluate(x, &shape, |index| {
            let list = index.iter().zip(outer).fold(0, |flat, (index, extent)| flat * extent + index) * k;
            let chosen = (0..k).map(|i| indexed::resolve(indices.data()[list + i], x.shape()[batch + i]));
            Ok(index[..batch].iter().copied().chain(chosen).chain(index[outer.len()..].iter().copied()).collect())
        })]
    }

    /// `x̄` is the sum of what was taken of each slice.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, indices, shape) = (a.cotangent()?, a.operand(1), a.shape(a.operand(0)));
        if self.batch_dims > 0 {
            return Err(NotDerived::because(format!("it has batch_dims {}; only 0 has a rule", self.batch_dims)));
        }
        a.give(0, |a| {
            let zeros = a.constant(&shape, &[0.0]);
            a.op(ScatterNd { reduction: Reduction::Add }, &[zeros, indices, y])
        })
    }

    const ONNX: &'static [Rule] = &[Rule {
        operator: "GatherND",
        import: |node| {
            let batch_dims = usize::try_from(node.int("batch_dims")?.unwrap_or(0)).unwrap_or(usize::MAX);
            node.binary(Self { batch_dims })
        },
    }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ELEMENTS];

    fn cases() -> Vec<Case> {
        const TABLE: [(usize, &[usize], &[usize]); 5] = [
            (0, &[4, 5], &[3, 2]),
            (0, &[4, 5, 3], &[2, 3, 1]),
            (1, &[2, 5, 3], &[2, 4, 1]),
            (1, &[2, 5, 3], &[2, 2]),
            (0, &[2, 3, 2, 4], &[5, 3]),
        ];
        let case = |(batch_dims, x, indices): (usize, &[usize], &[usize])| {
            let case = Case::new(format!("{indices:?} of {x:?}, batch {batch_dims}"), Self { batch_dims }).input(x);
            case.input(indices).within(-3.0, 2.0).of(DType::I64).tolerance(0.0)
        };
        TABLE.map(case).into()
    }
}

const ELEMENTS: Algorithm<GatherNd> = Algorithm {
    name: "elements",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::dense(Layout::Plain); 2], results: vec![Layout::Plain], alias: false })
    },
    schedule: by_elements,
    emit: |op, work, _, e| {
        let [x, indices] = [0, 1].map(|index| &work.operands[index].ty().shape);
        let (shape, batch, k) = (&work.results[0].shape, op.batch_dims, indices[indices.len() - 1]);
        let (source, lists, result) = (e.operand(0), e.operand(1), e.result(0));
        let outer = indices.len() - 1;
        let slice = shape.len() - outer;
        let strides = |shape: &[usize]| indexed::strides(shape).into_iter().map(|stride| stride as i64);
        let own: Vec<i64> = strides(x).collect();
        let still = |count: usize| std::iter::repeat_n(0, count);
        let from = own[..batch].iter().copied().chain(still(outer - batch)).chain(own[batch + k..].iter().copied());
        let walks = [
            Walk::plain(&result, shape, shape.len()),
            Walk::new(lists.param, 0, strides(indices).take(outer).chain(still(slice)).collect()),
            Walk::new(source.param, 0, from.collect()),
        ];
        let (extents, steps) = (&x[batch..batch + k], &indexed::strides(x)[batch..batch + k]);
        Nest::new(shape, &walks).each(e, |e, at| {
            let from = indexed::row(e, &at[1], extents, at[2].clone(), steps);
            let value = e.code.load(1, from);
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
        let infer = |batch_dims, x: &[usize], indices: &[usize]| {
            let (x, indices) = (TensorType::f32(x), TensorType { dtype: DType::I64, shape: indices.to_vec() });
            let result = GatherNd { batch_dims }.infer(&[&x, &indices]);
            result.map(|types| types[0].to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(infer(0, &[2, 3, 4], &[5, 2]), Ok("f32[5, 4]".to_owned()));
        assert_eq!(infer(1, &[2, 3, 4], &[2, 1]), Ok("f32[2, 4]".to_owned()));
        let expected = "expects lists of at most 1 indices behind 0 dimensions of [2], gets [5, 2]";
        assert_eq!(infer(0, &[2], &[5, 2]), Err(expected.to_owned()));
    }

    #[test]
    fn chooses() {
        let x: &[f32] = &[0.0, 1.0, 2.0, 3.0];
        let found = evaluated(GatherNd { batch_dims: 0 }, &[(&[2, 2], x), (&[2, 2], &[0.0, 0.0, 1.0, -1.0])]);
        assert_eq!(found, [0.0, 3.0]);
        let found = evaluated(GatherNd { batch_dims: 0 }, &[(&[2, 2], x), (&[1, 1], &[1.0])]);
        assert_eq!(found, [2.0, 3.0]);
    }
}
