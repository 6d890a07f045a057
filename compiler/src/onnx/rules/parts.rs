//! Parts of tensors, and their elements in another order.

use convoke_runtime::DType;

use super::composite::{dimension, made};
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use crate::ops::binary::{Binary, Function};
use crate::ops::compare::{self, Compare};
use crate::ops::expand::Expand;
use crate::ops::gather_elements::GatherElements;
use crate::ops::pad::{Mode, Pad};
use crate::ops::reshape;
use crate::ops::select::Select;

pub(super) const RULES: &[Rule] = &[
    Rule { operator: "CenterCropPad", import: center_crop_pad },
    Rule { operator: "ReverseSequence", import: reverse_sequence },
];

/// The middle of a tensor, or zeros around it, along each of some dimensions; an odd one is taken or added at the end.
fn center_crop_pad(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let wanted = node.need_ints(1)?;
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let rank = shape.len();
    let axes = node.ints("axes")?.map_or_else(|| (0..rank as i64).collect(), <[i64]>::to_vec);
    if axes.len() != wanted.len() {
        return Err(Unsupported::new(format!("operand 1 is {wanted:?} for {} dimensions", axes.len())));
    }
    let (mut before, mut after) = (vec![0; rank], vec![0; rank]);
    for (&axis, &wanted) in axes.iter().zip(&wanted) {
        let dim = dimension(axis, rank)?;
        let more = wanted.saturating_sub(shape[dim] as i64);
        before[dim] = more / 2;
        after[dim] = more - more / 2;
    }
    Ok(vec![node.apply(Pad { before, after, mode: Mode::Constant, value: 0.0 }, &[x])?])
}

/// Of each sequence the first elements, as many as operand 1 says of it, in reverse order, then the others.
fn reverse_sequence(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let x = node.operand(0)?;
    let shape = node.ty(&x).shape;
    let (batch, time) = (node.int("batch_axis")?.unwrap_or(1), node.int("time_axis")?.unwrap_or(0));
    let (batch, time) = (dimension(batch, shape.len())?, dimension(time, shape.len())?);
    let line = |dim: usize| {
        let mut line = vec![1; shape.len()];
        line[dim] = shape[dim];
        line
    };
    let lens = node.operand(1)?;
    let lens = reshape::to(node, lens, &line(batch))?;
    let steps = made(&line(time), |place| place[time] as f32)?;
    let steps: Item = Constant::from_run_time(DType::I64, steps).into();
    let last = node.apply(Binary { function: Function::Sub }, &[lens.clone(), Constant::ints(&[1]).into()])?;
    let back = node.apply(Binary { function: Function::Sub }, &[last, steps.clone()])?;
    let within = node.apply(Compare { function: compare::Function::Less }, &[steps.clone(), lens])?;
    let places = node.apply(Select, &[within, back, steps])?;
    let places = node.apply(Expand { shape: shape.clone() }, &[places])?;
    Ok(vec![node.apply(GatherElements { axis: time as i64 }, &[x, places])?])
}
