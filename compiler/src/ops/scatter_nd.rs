//! X with slices written by lists of indices, `y[indices[i, 0], indices[i, 1], …, …] = updates[i, …]`.

use convoke_runtime::Tensor;

use super::indexed::{self, REDUCTION, Reduction};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check};
use crate::lower::nest::{Nest, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// Operands X, the [indices](indexed), whose last dimension holds a list for the first dimensions of X, and the updates:
/// the other dimensions of the indices, then those of X that no index is for. They are applied in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScatterNd {
    /// What becomes of an element and its update; the update unless given.
    pub reduction: Reduction,
}

impl Operator for ScatterNd {
    const NAME: &'static str = "scatter_nd";

    fn attributes(&self) -> Attributes {
        Attributes::default().with_unless("reduction", self.reduction.name(), "none")
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { reduction: arguments.read("reduction", &REDUCTION)?.unwrap_or(Reduction::Replace) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x", "indices", "updates"])?;
        let k = indexed::check_slices(operands, 0)?;
        check::dtype(operands, 2, &[operands[0].dtype])?;
        let (x, indices) = (&operands[0].shape, &operands[1].shape);
        check::shape(operands, 2, "updates", &[&indices[..indices.len() - 1], &x[k..]].concat())?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [x, indices, updates] = [operands[0], operands[1], operands[2]];
        let k = indices.shape()[indices.shape().len() - 1];
        let slice: usize = x.shape()[k..].iter().product();
        let mut result = x.clone();
        for (flat, &update) in updates.data().iter().enumerate() {
            let list = &indices.data()[flat / slice * k..][..k];
            let place = list.iter().zip(x.shape()).fold(0, |place, (&index, &extent)| {
                place * extent + indexed::resolve(index, extent)
            });
            let y = &mut result.data_mut()[place * slice + flat % slice];
            *y = self.reduction.define(*y, update);
        }
        vec![result]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for places that are computed"))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "ScatterND", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ELEMENTS];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[usize], &[usize]); 3] =
            [(&[4, 5], &[3, 2], &[3]), (&[4, 5, 3], &[2, 3, 1], &[2, 3, 5, 3]), (&[9], &[4, 1], &[4])];
        let mut cases = Vec::new();
        for (x, indices, updates) in TABLE {
            for reduction in Reduction::ALL {
                let op = Self { reduction };
                let case = Case::new(format!("{indices:?} of {x:?}, {}", op.attributes()), op).input(x);
                cases.push(case.input(indices).within(-3.0, 2.0).of(DType::I64).input(updates));
            }
        }
        cases
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let op = ScatterNd { reduction: Reduction::import(node)? };
    let operands = node.operands()?;
    Ok(vec![node.apply(op, &operands)?])
}

/// In order, by one thread: two updates may be of one element.
const ELEMENTS: Algorithm<ScatterNd> = Algorithm {
    name: "elements",
    choose: |_, site| {
        let operands = vec![Need::dense(Layout::Plain); site.operands.len()];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule: |_, _| Schedule::serial(),
    emit: |op, work, _, e| {
        let [x, indices, updates] = [0, 1, 2].map(|index| &work.operands[index].ty().shape);
        let (source, lists, new, result) = (e.operand(0), e.operand(1), e.operand(2), e.result(0));
        let outer = indices.len() - 1;
        let k = indices[outer];
        let copy = [result, source].map(|view| Walk::plain(&view, x, x.len()));
        let to = result.storage.strides(x);
        let still = |count: usize| std::iter::repeat_n(0, count);
        let along = |strides: &[usize]| strides.iter().map(|&stride| stride as i64).collect::<Vec<_>>();
        let walks = [
            Walk::new(result.param, result.storage.origin() as i64, still(outer).chain(along(&to[k..])).collect()),
            Walk::new(lists.param, 0, along(&indexed::strides(indices)[..outer]).into_iter().chain(still(x.len() - k)).collect()),
            Walk::plain(&new, updates, updates.len()),
        ];
        e.once(|e| {
            Nest::new(x, &copy).serial().copy(e);
            Nest::new(updates, &walks).serial().each(e, |e, at| {
                let update = e.code.load(1, at[2].clone());
                let to = indexed::row(e, &at[1], &x[..k], at[0].clone(), &to[..k]);
                op.reduction.store(e, to, update);
            });
        });
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::evaluated;

    #[test]
    fn writes() {
        let operands: [(&[usize], &[f32]); 3] =
            [(&[2, 2], &[1.0, 2.0, 3.0, 4.0]), (&[1, 1], &[-1.0]), (&[1, 2], &[10.0, 20.0])];
        let found = evaluated(ScatterNd { reduction: Reduction::Replace }, &operands);
        assert_eq!(found, [1.0, 2.0, 10.0, 20.0]);
        let found = evaluated(ScatterNd { reduction: Reduction::Mul }, &operands);
        assert_eq!(found, [1.0, 2.0, 30.0, 80.0]);
    }
}
