//! Branches and loops whose course is known when a model is imported.

use convoke_runtime::Tensor;

use crate::onnx::constant::Elements;
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};

pub(super) const RULES: &[Rule] = &[Rule { operator: "If", import: branch }, Rule { operator: "Loop", import: repeat }];

/// The most iterations of a loop; each becomes nodes of its own.
const MAX_ITERATIONS: i64 = 4096;

/// The one truth value of operand `index`, if it is not left out.
fn condition(node: &Node<'_, '_>, index: usize) -> Result<Option<bool>, Unsupported> {
    let Some(constant) = node.constant(index)? else { return Ok(None) };
    truth(&constant).map(Some)
}

fn truth(constant: &Constant) -> Result<bool, Unsupported> {
    match &constant.elements {
        Elements::Bool(tensor) if tensor.data().len() == 1 => Ok(tensor.data()[0]),
        _ => Err(Unsupported::new(format!("its condition is {}, expected one truth value", constant.ty()))),
    }
}

fn branch(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let taken = condition(node, 0)?.ok_or_else(|| Unsupported::new("operand 0 is left out"))?;
    let (taken, other) = if taken { ("then_branch", "else_branch") } else { ("else_branch", "then_branch") };
    node.ignore(other);
    node.branch(taken, Vec::new())
}

/// Each iteration takes its number, the condition and what the one before has carried on. What loops collect is not
/// supported.
fn repeat(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let limit = node.ints_operand(0)?.and_then(|ints| ints.first().copied()).unwrap_or(i64::MAX);
    let mut going = condition(node, 1)?.unwrap_or(true);
    let mut carried: Vec<Item> = (2..node.len()).map(|index| node.operand(index)).collect::<Result<_, _>>()?;
    node.ignore("body");
    for iteration in 0..limit {
        if !going {
            break;
        }
        if iteration == MAX_ITERATIONS {
            return Err(Unsupported::new(format!("it runs more than {MAX_ITERATIONS} times")));
        }
        let (mut number, mut condition) = (Tensor::zeros(&[]), Tensor::zeros(&[]));
        (number.data_mut()[0], condition.data_mut()[0]) = (iteration, going);
        let mut inputs = vec![Constant::from(number).into(), Constant::from(condition).into()];
        inputs.append(&mut carried);
        let mut results = node.branch("body", inputs)?.into_iter();
        going = match results.next() {
            Some(Item::Constant(constant)) => truth(&constant)?,
            _ => return Err(Unsupported::new("whether it goes on depends on an input")),
        };
        carried.extend(results);
    }
    Ok(carried)
}
