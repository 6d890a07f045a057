//! Operators whose results have as many elements as the operands' elements say, and those of bits: on what is known when
//! the model is imported.

use convoke_runtime::{Element, Tensor};

use super::composite::dimension;
use super::constant::moderate;
use crate::onnx::constant::Shared;
use crate::onnx::{Constant, Elements, Item, Node, Rule, Unsupported};
use crate::ops::gather::Gather;
use crate::ops::{broadcast, reshape};

pub(super) const RULES: &[Rule] = &[
    Rule { operator: "NonZero", import: non_zero },
    Rule { operator: "Compress", import: compress },
    Rule { operator: "BitwiseAnd", import: |node| bitwise(node, |a, b| a & b) },
    Rule { operator: "BitwiseOr", import: |node| bitwise(node, |a, b| a | b) },
    Rule { operator: "BitwiseXor", import: |node| bitwise(node, |a, b| a ^ b) },
    Rule { operator: "BitwiseNot", import: bitwise_not },
];

fn tensor<T: Element>(shape: &[usize], elements: &[T]) -> Result<Item, Unsupported>
where
    Constant: From<Tensor<T>>,
{
    let tensor = Tensor::from_slice(shape, elements).map_err(|error| Unsupported::new(error.to_string()))?;
    Ok(Constant::from(tensor).into())
}

/// The places of elements that are true, or no zeros.
fn places(constant: &Constant) -> Vec<usize> {
    let at = |test: &dyn Fn(usize) -> bool| (0..constant.len()).filter(|&flat| test(flat)).collect();
    match &constant.elements {
        Elements::F32(x) => at(&|flat| x.data()[flat] != 0.0),
        Elements::I64(x) => at(&|flat| x.data()[flat] != 0),
        Elements::Bool(x) => at(&|flat| x.data()[flat]),
    }
}

fn needed(node: &Node<'_, '_>, index: usize) -> Result<Shared, Unsupported> {
    node.constant(index)?.ok_or_else(|| Unsupported::new(format!("operand {index} is left out")))
}

/// The indices of elements that are not 0, a row for each dimension.
fn non_zero(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let x = needed(node, 0)?;
    let (found, shape) = (places(&x), x.shape());
    let mut indices = Vec::with_capacity(shape.len() * found.len());
    for dim in 0..shape.len() {
        let inner: usize = shape[dim + 1..].iter().product();
        indices.extend(found.iter().map(|flat| (flat / inner % shape[dim]) as i64));
    }
    Ok(vec![tensor(&[shape.len(), found.len()], &indices)?])
}

/// The slices along one dimension, or of all elements in a row, for which operand 1 is true.
fn compress(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let kept: Vec<i64> = places(&*needed(node, 1)?).into_iter().map(|place| place as i64).collect();
    let mut x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let axis = match node.int("axis")? {
        Some(axis) => dimension(axis, shape.len())?,
        None => {
            x = reshape::to(node, x, &[shape.iter().product()])?;
            0
        }
    };
    Ok(vec![node.apply(Gather { axis: axis as i64 }, &[x, Constant::ints(&kept).into()])?])
}

fn bitwise(node: &mut Node<'_, '_>, function: fn(i64, i64) -> i64) -> Result<Vec<Item>, Unsupported> {
    let (a, b) = (needed(node, 0)?, needed(node, 1)?);
    let fail = || Unsupported::new(format!("its operands are {} and {}, expected integers", a.ty(), b.ty()));
    let (Elements::I64(of_a), Elements::I64(of_b)) = (&a.elements, &b.elements) else { return Err(fail()) };
    let shape = broadcast::shape(of_a.shape(), of_b.shape()).ok_or_else(fail)?;
    moderate(&shape.iter().map(|&dim| dim as i64).collect::<Vec<_>>())?;
    let pairs = broadcast::repeated(of_a, &shape).zip(broadcast::repeated(of_b, &shape));
    let result: Vec<i64> = pairs.map(|(a, b)| function(a, b)).collect();
    Ok(vec![tensor(&shape, &result)?])
}

/// The complement; of a type without a sign that counted from its largest number.
fn bitwise_not(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let x = needed(node, 0)?;
    let ints = x.as_ints().ok_or_else(|| Unsupported::new(format!("operand 0 is {}, expected integers", x.ty())))?;
    let unsigned = x.bounds.filter(|&[low, _]| low == 0);
    let not: Vec<i64> = ints.iter().map(|&x| unsigned.map_or(!x, |[_, high]| high - x)).collect();
    Ok(vec![tensor(x.shape(), &not)?])
}
