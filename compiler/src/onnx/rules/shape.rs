//! What is known of a tensor before it is: its shape.

use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use convoke_runtime::Tensor;

pub(super) const RULES: &[Rule] = &[Rule { operator: "Shape", import: shape }, Rule { operator: "Size", import: size }];

fn shape(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let shape: Vec<i64> = node.shape(0)?.into_iter().map(|size| size as i64).collect();
    let rank = shape.len() as i64;
    // Both count from the end where they are negative, and are clamped.
    let place = |at: i64| if at < 0 { at.saturating_add(rank) } else { at }.clamp(0, rank) as usize;
    let start = place(node.int("start")?.unwrap_or(0));
    let end = place(node.int("end")?.unwrap_or(rank));
    Ok(vec![Constant::ints(shape.get(start..end).unwrap_or_default()).into()])
}

fn size(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let mut size = Tensor::zeros(&[]);
    size.data_mut()[0] = node.shape(0)?.iter().product::<usize>() as i64;
    Ok(vec![Constant::from(size).into()])
}
