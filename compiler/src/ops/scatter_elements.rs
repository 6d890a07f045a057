//! X with elements written one by one along a dimension, `y[i, indices[i, j, k], k] = updates[i, j, k]`.

use convoke_runtime::Tensor;

use super::arguments::AXIS;
use super::indexed::{self, REDUCTION, Reduction};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check};
use crate::lower::nest::{Nest, Walk};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// Operands X, the [indices](indexed), of as many dimensions as X and none longer but for `axis`, and the updates, of
/// their shape, which are applied in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScatterElements {
    /// Counted from the last dimension where it is negative.
    pub axis: i64,
    /// What becomes of an element and its update; the update unless given.
    pub reduction: Reduction,
}

impl Operator for ScatterElements {
    const NAME: &'static str = "scatter_elements";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("axis", self.axis).with_unless("reduction", self.reduction.name(), "none")
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let axis = arguments.need("axis", &AXIS)?;
        Ok(Self { axis, reduction: arguments.read("reduction", &REDUCTION)?.unwrap_or(Reduction::Replace) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x", "indices", "updates"])?;
        indexed::check_elements(operands, self.axis)?;
        check::dtype(operands, 2, &[operands[0].dtype])?;
        check::shape(operands, 2, "updates", &operands[1].shape)?;
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [x, indices, updates] = [operands[0], operands[1], operands[2]];
        let (shape, own) = (x.shape(), indices.shape());
        let axis = check::axis(self.axis, shape.len()).expect("the graph is verified");
        let mut result = x.clone();
        for (flat, &update) in updates.data().iter().enumerate() {
            let (mut rest, mut place, mut stride) = (flat, 0, 1);
            for dim in (0..shape.len()).rev() {
                let index = rest % own[dim];
                rest /= own[dim];
                let index = if dim == axis { indexed::resolve(indices.data()[flat], shape[dim]) } else { index };
                place += index * stride;
                stride *= shape[dim];
            }
            let y = &mut result.data_mut()[place];
            *y = self.reduction.define(*y, update);
        }
        vec![result]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for places that are computed"))
    }

    const ONNX: &'static [Rule] =
        &[Rule { operator: "ScatterElements", import }, Rule { operator: "Scatter", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ELEMENTS];

    fn cases() -> Vec<Case> {
        const TABLE: [(i64, &[usize], &[usize]); 3] = [(0, &[4, 5], &[3, 5]), (1, &[2, 7, 3], &[2, 9, 2]), (-1, &[9], &[4])];
        let mut cases = Vec::new();
        for (axis, x, indices) in TABLE {
            for reduction in Reduction::ALL {
                let op = Self { axis, reduction };
                let case = Case::new(format!("{indices:?} of {x:?}, {}", op.attributes()), op).input(x);
                cases.push(case.input(indices).within(-3.0, 2.0).of(DType::I64).input(indices));
            }
        }
        cases
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let op = ScatterElements { axis: node.int("axis")?.unwrap_or(0), reduction: Reduction::import(node)? };
    let operands = node.operands()?;
    Ok(vec![node.apply(op, &operands)?])
}

/// In order, by one thread: two updates may be of one element.
const ELEMENTS: Algorithm<ScatterElements> = Algorithm {
    name: "elements",
    choose: |_, _| {
        Ok(Choice { operands: vec![Need::tensor(Layout::Plain); 3], results: vec![Layout::Plain], alias: false })
    },
    schedule: |_, _| Schedule::serial(),
    emit: |op, work, _, e| {
        let (x, shape) = (&work.results[0].shape, &work.operands[1].ty().shape);
        let axis = check::axis(op.axis, x.len()).expect("the graph is verified");
        let (source, indices, updates, result) = (e.operand(0), e.operand(1), e.operand(2), e.result(0));
        let (rank, step) = (x.len(), result.storage.strides(x)[axis] as i64);
        let copy = [result, source].map(|view| Walk::plain(&view, x, rank));
        let walks = [
            Walk::plain(&result, x, rank).still(axis),
            Walk::plain(&indices, shape, rank),
            Walk::plain(&updates, shape, rank),
        ];
        e.once(|e| {
            Nest::new(x, &copy).serial().copy(e);
            Nest::new(shape, &walks).serial().each(e, |e, at| {
                let index = indexed::load(e, at[1].clone(), x[axis]);
                let update = e.code.load(1, at[2].clone());
                op.reduction.store(e, at[0].clone().row(index, x[axis] as u32, step), update);
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
        let of = |reduction| {
            let operands: [(&[usize], &[f32]); 3] =
                [(&[4], &[1.0, 2.0, 3.0, 4.0]), (&[3], &[1.0, -1.0, 1.0]), (&[3], &[10.0, 20.0, 30.0])];
            evaluated(ScatterElements { axis: 0, reduction }, &operands)
        };
        assert_eq!(of(Reduction::Replace), [1.0, 30.0, 3.0, 20.0]);
        assert_eq!(of(Reduction::Add), [1.0, 42.0, 3.0, 24.0]);
        assert_eq!(of(Reduction::Max), [1.0, 30.0, 3.0, 20.0]);
    }
}
