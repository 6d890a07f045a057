//! Tensors that a model contains, or makes of nothing.

use std::sync::Arc;

use convoke_runtime::Tensor;

use crate::onnx::constant::{Constant, Elements, MAX_ELEMENTS};
use crate::onnx::{Item, Node, Rule, Unsupported};

pub(super) const RULES: &[Rule] = &[
    Rule { operator: "Constant", import: constant },
    Rule { operator: "ConstantOfShape", import: constant_of_shape },
    Rule { operator: "EyeLike", import: eye_like },
    Rule { operator: "Range", import: range },
    Rule { operator: "HannWindow", import: |node| window(node, [0.5, 0.5, 0.0]) },
    Rule { operator: "HammingWindow", import: |node| window(node, [25.0 / 46.0, 21.0 / 46.0, 0.0]) },
    Rule { operator: "BlackmanWindow", import: |node| window(node, [0.42, 0.5, 0.08]) },
];

fn constant(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let constant = if let Some(constant) = node.tensor("value")? {
        // Its result's name is the parameter's, as an initializer's name would be.
        Constant { name: node.result_name().map(str::to_owned), ..Arc::unwrap_or_clone(constant) }
    } else if let Some(value) = node.float("value_float")? {
        Constant::scalar(value)
    } else if let Some(values) = node.floats("value_floats")? {
        whole(Tensor::from_slice(&[values.len()], values))?
    } else if let Some(value) = node.int("value_int")? {
        whole(Tensor::from_slice(&[], &[value]))?
    } else if let Some(values) = node.ints("value_ints")? {
        Constant::ints(values)
    } else {
        return Err(Unsupported::new("it is neither a tensor nor a list of numbers"));
    };
    Ok(vec![constant.into()])
}

fn whole<T: Into<Constant>, E: std::fmt::Display>(tensor: Result<T, E>) -> Result<Constant, Unsupported> {
    tensor.map(Into::into).map_err(|error| Unsupported::new(error.to_string()))
}

/// A shape that an operand gives, of a tensor that is made now.
pub(super) fn moderate(shape: &[i64]) -> Result<Vec<usize>, Unsupported> {
    let sizes: Option<Vec<usize>> = shape.iter().map(|&size| usize::try_from(size).ok()).collect();
    let count = |sizes: &Vec<usize>| sizes.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
    match sizes {
        Some(sizes) if count(&sizes).is_some_and(|count| count <= MAX_ELEMENTS) => Ok(sizes),
        _ => Err(Unsupported::new(format!("the shape {shape:?} is none of at most {MAX_ELEMENTS} elements"))),
    }
}

fn constant_of_shape(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let shape = moderate(&node.need_ints(0)?)?;
    let value = node.tensor("value")?.unwrap_or_else(|| Arc::new(Constant::scalar(0.0)));
    let filled = match &value.elements {
        Elements::F32(value) => filled(&shape, value),
        Elements::I64(value) => filled(&shape, value),
        Elements::Bool(value) => filled(&shape, value),
    };
    Ok(vec![filled.ok_or_else(|| Unsupported::new("attribute `value` is not one number"))?.into()])
}

fn filled<T: convoke_runtime::Element>(shape: &[usize], value: &Tensor<T>) -> Option<Constant>
where
    Constant: From<Tensor<T>>,
{
    let [value] = value.data() else { return None };
    let mut tensor = Tensor::try_zeros(shape).ok()?;
    tensor.data_mut().fill(*value);
    Some(tensor.into())
}

fn eye_like(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let ty = node.ty(&node.operand(0)?);
    let [rows, columns] = ty.shape[..] else {
        return Err(Unsupported::new(format!("operand 0 is {ty}, expected 2 dimensions")));
    };
    moderate(&[rows as i64, columns as i64])?;
    let (k, dtype) = (node.int("k")?.unwrap_or(0), node.dtype("dtype")?.unwrap_or(ty.dtype));
    let mut eye = Tensor::zeros(&[rows, columns]);
    for row in 0..rows {
        if let Some(column) = usize::try_from(row as i64 + k).ok().filter(|&column| column < columns) {
            eye.data_mut()[row * columns + column] = 1.0;
        }
    }
    Ok(vec![Constant::from_run_time(dtype, eye).into()])
}

/// `start, start + delta, …` below `limit`.
fn range(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let mut numbers = Vec::new();
    for index in 0..3 {
        let constant = node.constant(index)?.ok_or_else(|| Unsupported::new(format!("operand {index} is left out")))?;
        numbers.push(constant);
    }
    let fail = || Unsupported::new("its operands are not three numbers of one type that make a list");
    let count = |count: f64| if (0.0..=MAX_ELEMENTS as f64).contains(&count) { Ok(count as i64) } else { Err(fail()) };
    let ints: Option<Vec<i64>> = numbers.iter().map(|c| c.as_ints().and_then(|ints| ints.first().copied())).collect();
    if let Some([start, limit, delta]) = ints.as_deref() {
        let len = count(((*limit as f64 - *start as f64) / *delta as f64).ceil().max(0.0))?;
        let values: Option<Vec<i64>> = (0..len).map(|i| i.checked_mul(*delta)?.checked_add(*start)).collect();
        return Ok(vec![Constant::ints(&values.ok_or_else(fail)?).into()]);
    }
    let floats: Option<Vec<f32>> = numbers.iter().map(|c| c.as_floats().and_then(|x| x.first().copied())).collect();
    let Some([start, limit, delta]) = floats.as_deref() else { return Err(fail()) };
    let len = count(((f64::from(*limit) - f64::from(*start)) / f64::from(*delta)).ceil().max(0.0))?;
    let values: Vec<f32> = (0..len).map(|i| (f64::from(*start) + i as f64 * f64::from(*delta)) as f32).collect();
    Ok(vec![whole(Tensor::from_slice(&[values.len()], &values))?.into()])
}

/// `a₀ − a₁ cos(2πi/n) + a₂ cos(4πi/n)`, where n is the number of elements, or one less.
fn window(node: &mut Node<'_, '_>, a: [f64; 3]) -> Result<Vec<Item>, Unsupported> {
    let (dtype, periodic) = (node.dtype("output_datatype")?, node.int("periodic")?.unwrap_or(1) != 0);
    let size = node.need_ints(0)?;
    let mut window: Tensor = Tensor::zeros(&moderate(size.get(..1).unwrap_or(&[-1]))?);
    let len = window.data().len();
    let n = if periodic { len } else { len.saturating_sub(1) }.max(1) as f64;
    for (i, y) in window.data_mut().iter_mut().enumerate() {
        let turn = std::f64::consts::TAU * i as f64 / n;
        *y = (a[0] - a[1] * turn.cos() + a[2] * (2.0 * turn).cos()) as f32;
    }
    Ok(vec![Constant::from_run_time(dtype.unwrap_or(convoke_runtime::DType::F32), window).into()])
}
