//! Weight expressions are well-formed, and their values fill their buffers.

use convoke_runtime::weights::WeightOp;

use super::fault::FaultKind;
use crate::lir::Program;

/// Runs `expression` on shapes; its value has to have `len` elements.
pub(super) fn check(program: &Program, expression: &[WeightOp], len: usize, fault: &mut impl FnMut(FaultKind)) {
    let mut stack: Vec<Vec<usize>> = Vec::new();
    for (operation, op) in expression.iter().enumerate() {
        let operands = stack.split_off(stack.len().saturating_sub(op.operands()));
        let shape = if let WeightOp::Parameter(index) = op {
            match program.parameters.get(*index as usize) {
                Some(parameter) => Ok(parameter.shape.to_vec()),
                None => Err(format!("parameter {index} does not exist: there are {}", program.parameters.len())),
            }
        } else {
            let shapes: Vec<&[usize]> = operands.iter().map(Vec::as_slice).collect();
            op.result_shape(&shapes).map_err(|error| error.to_string())
        };
        match shape {
            Ok(shape) => stack.push(shape),
            // What follows depends on this shape.
            Err(reason) => return fault(FaultKind::WeightOp { operation, name: op.name(), reason }),
        }
    }
    match stack.as_slice() {
        [shape] => {
            // A parameter too large to count is a fault of its own.
            let expected = shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim));
            if let Some(expected) = expected.filter(|&expected| expected != len) {
                fault(FaultKind::BufferLen { expected, found: len });
            }
        }
        _ => fault(FaultKind::WeightResult { found: stack.len() }),
    }
}
