//! Reshaping: the same elements, row-major, in another shape.

use std::sync::Arc;

use convoke_runtime::Tensor;
use convoke_runtime::weights::WeightOp;

use super::arguments::{NEW_SHAPE, SHAPE};
use super::export::{Exported, Exporter};
use super::{Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, check};
use crate::TensorType;
use crate::lower::{self, Algorithm};
use crate::graph::WeightExpr;
use crate::onnx::{Item, Node, Rule, Unsupported};

/// The elements of the operand in another shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reshape {
    /// The new shape, N included.
    pub shape: Vec<usize>,
}

impl Reshape {
    /// The reshape of a tensor of shape `from` to `to`, where `0` keeps the dimension in that place (so N stays N) and
    /// one `-1` becomes whatever is left, as in ONNX.
    ///
    /// # Errors
    /// Where `0` stands for no dimension, `-1` stands twice, or the elements cannot be laid out so.
    pub fn resolve(from: &[usize], to: &[i64]) -> Result<Self, String> {
        let mut free = None;
        let mut shape = Vec::with_capacity(to.len());
        for (place, &dim) in to.iter().enumerate() {
            shape.push(match dim {
                0 => match from.get(place) {
                    Some(&kept) => kept,
                    None => return Err(format!("0 in place {place} keeps no dimension: there are {}", from.len())),
                },
                -1 if free.is_some() => return Err("-1 may stand only once".to_owned()),
                -1 => {
                    free = Some(place);
                    1
                }
                dim => usize::try_from(dim).map_err(|_| format!("{dim} in place {place} is no size"))?,
            });
        }
        let product = |shape: &[usize]| shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
        let (Some(elements), Some(placed)) = (product(from), product(&shape)) else {
            return Err(format!("{from:?} or {to:?} has too many elements"));
        };
        if let Some(place) = free {
            match elements.checked_div(placed) {
                Some(rest) if rest * placed == elements => shape[place] = rest,
                _ => return Err(format!("{elements} elements of {from:?} do not divide into {to:?}")),
            }
        } else if placed != elements {
            return Err(format!("{elements} elements of {from:?} do not fit {to:?}, which has {placed}"));
        }
        Ok(Self { shape })
    }
}

impl Operator for Reshape {
    const NAME: &'static str = "reshape";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("shape", self.shape.as_slice())
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { shape: arguments.need("shape", &SHAPE)? })
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(&["shape"])?;
        let shape = arguments.need("shape", &NEW_SHAPE)?;
        arguments.finish()?;
        check::any_operands(&call.types(), &["x"])?;
        let op = Self::resolve(&call.operands[0].shape, &shape);
        op.map(Construction::from).map_err(|why| arguments.blame("shape", format!("`shape`: {why}")))
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let result = check::result_of(operands[0].dtype, self.shape.as_slice())?;
        let (found, expected) = (operands[0].elements(), result[0].elements());
        if found != expected {
            return Err(TypeError::operand(0, format!("{expected} elements, to reshape to {:?}", self.shape), found));
        }
        Ok(result)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let mut result = Tensor::zeros(&self.shape);
        result.data_mut().copy_from_slice(operands[0].data());
        vec![result]
    }

    fn to_weight(&self, operands: &[Arc<WeightExpr>]) -> Option<WeightExpr> {
        WeightExpr::apply(WeightOp::Reshape(self.shape.clone().into()), operands.to_vec()).ok()
    }

    /// `x̄` is ȳ in the shape of x.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape) = (a.cotangent()?, a.shape(a.operand(0)));
        a.give(0, |a| a.reshape(y, &shape))
    }

    const ONNX: &'static [Rule] = &[
        Rule { operator: "Reshape", import },
        Rule { operator: "Squeeze", import: squeeze },
        Rule { operator: "Unsqueeze", import: unsqueeze },
    ];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.reshape()
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[lower::alias()];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], &[usize]); 8] = [
            (&[1, 16, 5, 5], &[1, 400]),
            (&[2, 17, 3, 3], &[2, 153]),
            (&[1, 36], &[1, 4, 3, 3]),
            (&[2, 32], &[2, 32, 1, 1]),
            (&[1, 16, 4, 6], &[1, 32, 4, 3]),
            (&[1, 18, 2, 2], &[1, 2, 9, 2, 2]),
            (&[6], &[2, 3]),
            (&[1], &[]),
        ];
        let case = |(from, to): (&[usize], &[usize])| {
            Case::new(format!("{from:?} to {to:?}"), Self { shape: to.to_vec() }).input(from).tolerance(0.0)
        };
        TABLE.map(case).into()
    }
}

/// The axes that an attribute or, since opset 13, operand 1 lists, among `rank` dimensions.
fn axes(node: &mut Node<'_, '_>, rank: usize) -> Result<Option<Vec<usize>>, Unsupported> {
    let Some(axes) = node.ints_of("axes", 1)? else { return Ok(None) };
    let axis = |axis| check::axis(axis, rank).map_err(|error| Unsupported::new(error.to_string()));
    axes.into_iter().map(axis).collect::<Result<_, _>>().map(Some)
}

/// Without some dimensions of 1, or all.
fn squeeze(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let from = node.shape(0)?;
    let axes = axes(node, from.len())?;
    let goes = |dim: usize| axes.as_ref().map_or(from[dim] == 1, |axes| axes.contains(&dim));
    let shape: Vec<usize> = (0..from.len()).filter(|&dim| !goes(dim)).map(|dim| from[dim]).collect();
    let x = node.operand(0)?;
    Ok(vec![to(node, x, &shape)?])
}

/// With more dimensions of 1.
fn unsqueeze(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let mut rest = node.shape(0)?.into_iter();
    let count = node.ints_of("axes", 1)?.map_or(0, |axes| axes.len());
    let rank = rest.len() + count;
    let axes = axes(node, rank)?.unwrap_or_default();
    let shape: Vec<usize> =
        (0..rank).map(|dim| if axes.contains(&dim) { 1 } else { rest.next().unwrap_or(1) }).collect();
    let x = node.operand(0)?;
    Ok(vec![to(node, x, &shape)?])
}

/// `item` in another shape of as many elements.
pub(crate) fn to(node: &mut Node<'_, '_>, item: Item, shape: &[usize]) -> Result<Item, Unsupported> {
    if node.ty(&item).shape == shape {
        return Ok(item);
    }
    node.apply(Reshape { shape: shape.to_vec() }, &[item])
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let from = node.shape(0)?;
    let mut to = node.need_ints(1)?;
    if !node.flag("allowzero")? {
        // A 0 copies the size in its place.
        for (place, dim) in to.iter_mut().enumerate().filter(|(_, dim)| **dim == 0) {
            *dim = from.get(place).map_or(0, |&size| size as i64);
        }
    }
    let op = Reshape::resolve(&from, &to).map_err(Unsupported::new)?;
    node.unary(op)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Attribute;
    use crate::ops::testing::{called, inferred};

    #[test]
    fn resolves() {
        type Row<'a> = (&'a [usize], &'a [i64], Result<&'a [usize], &'a str>);
        let table: [Row<'_>; 12] = [
            (&[2, 16, 5, 5], &[0, -1], Ok(&[2, 400])),
            (&[2, 16, 5, 5], &[0, 0, 25], Ok(&[2, 16, 25])),
            (&[2, 16, 5, 5], &[-1], Ok(&[800])),
            (&[4], &[2, 2], Ok(&[2, 2])),
            (&[1], &[], Ok(&[])),
            (&[], &[-1, 1], Ok(&[1, 1])),
            (&[2, 3], &[0, 0, 0], Err("0 in place 2 keeps no dimension: there are 2")),
            (&[2, 3], &[-1, -1], Err("-1 may stand only once")),
            (&[2, 3], &[4, -1], Err("6 elements of [2, 3] do not divide into [4, -1]")),
            (&[2, 3], &[5], Err("6 elements of [2, 3] do not fit [5], which has 5")),
            (&[2, 3], &[i64::MIN], Err("-9223372036854775808 in place 0 is no size")),
            (&[2, 3], &[i64::MAX, i64::MAX, -1], Err("[2, 3] or [9223372036854775807, 9223372036854775807, -1] has too many elements")),
        ];
        for (from, to, expected) in table {
            let found = Reshape::resolve(from, to);
            assert_eq!(found.as_ref().map(|op| op.shape.as_slice()).map_err(String::as_str), expected, "{from:?}");
        }
    }

    #[test]
    fn shapes() {
        let op = Reshape { shape: vec![1, 400] };
        assert_eq!(inferred(op.clone(), &[&[1, 16, 5, 5]]), "f32[1, 400]");
        assert_eq!(
            inferred(op, &[&[1, 16, 5, 4]]),
            "operand 0 expects 400 elements, to reshape to [1, 400], gets 320"
        );
        assert_eq!(
            inferred(Reshape { shape: vec![1, 0] }, &[&[1]]),
            "expects dimensions of at least 1, gets f32[1, 0]"
        );
    }

    #[test]
    fn calls() {
        let shape = |dims: &[i64]| Attribute::List(dims.iter().map(|&dim| dim.into()).collect());
        let x: &[usize] = &[2, 16, 5, 5];
        assert_eq!(called("reshape", &[x], &[shape(&[0, -1])], &[]), "reshape {shape = [2, 400]}");
        assert_eq!(
            called("reshape", &[x], &[], &[("shape", shape(&[0, -2]))]),
            "shape: `shape` expects a list of whole numbers of at least -1, found [0, -2]"
        );
        assert_eq!(
            called("reshape", &[x], &[shape(&[3, -1])], &[]),
            "argument 0: `shape`: 800 elements of [2, 16, 5, 5] do not divide into [3, -1]"
        );
    }
}
