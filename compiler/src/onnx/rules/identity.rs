//! Operators that change nothing when a network runs.

use crate::onnx::{Constant, Item, Node, Rule, Unsupported};
use convoke_runtime::Tensor;

pub(super) const RULES: &[Rule] =
    &[Rule { operator: "Identity", import: identity }, Rule { operator: "Dropout", import: dropout }];

fn identity(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    Ok(vec![node.operand(0)?])
}

/// Dropout acts in training only; its mask is all true.
fn dropout(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    node.ignore("ratio");
    node.ignore("seed");
    let training = node.constant(2)?;
    if let Some(training) = training
        && training.run_time().is_ok_and(|value| value.data().iter().any(|&value| value != 0.0))
    {
        return Err(Unsupported::new("operand 2 asks for training").advice("export the model for inference"));
    }
    let x = node.operand(0)?;
    if node.results() < 2 {
        return Ok(vec![x]);
    }
    let mask = Tensor::try_zeros(&node.ty(&x).shape).map(|zeros: Tensor| zeros.to_bool());
    let mut mask = mask.map_err(|error| Unsupported::new(error.to_string()))?;
    mask.data_mut().fill(true);
    Ok(vec![x, Constant::from(mask).into()])
}
