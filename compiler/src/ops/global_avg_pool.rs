//! Global average pooling, `y[n, c, 0, 0] = 1/(H·W) Σ x[n, c, y, x]`: N C H W to N C 1 1.
//!
//! Lin, Chen and Yan, "Network In Network", arXiv:1312.4400, section 3.2.

use convoke_runtime::Tensor;
use convoke_runtime::kernels::PoolKind;

use super::export::{Exported, Exporter};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, image, pool};
use crate::TensorType;
use crate::lower::pooling::{self, Pooling};
use crate::lower::{Algorithm, Schedule};
use crate::onnx::Rule;

/// The mean of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalAvgPool;

impl Operator for GlobalAvgPool {
    const NAME: &'static str = "global_avg_pool";

    fn attributes(&self) -> Attributes {
        Attributes::default()
    }

    fn read(_: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        pool::infer_global(operands)
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        pool::evaluate_global(operands[0], |pixels| {
            let sum: f64 = pixels.iter().map(|&pixel| f64::from(pixel)).sum();
            sum / pixels.len() as f64
        })
    }

    /// `x̄ = ȳ / (H·W)` at every pixel.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape) = (a.cotangent()?, a.shape(a.operand(0)));
        a.give(0, |a| {
            let share = a.scaled(y, 1.0 / (shape[2] * shape[3]) as f32)?;
            a.broadcast(share, &shape)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "GlobalAveragePool", import: |node| image::global(node, Self) }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("GlobalAveragePool", &[])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[PLANES];

    fn cases() -> Vec<Case> {
        pool::global_cases(Self)
    }
}

/// Each plane of a block of channels at once.
const PLANES: Algorithm<GlobalAvgPool> = Algorithm {
    name: "planes",
    choose: |_, _| Ok(pooling::choice()),
    schedule: |_, work| Schedule::of_elements(work.storage(0).len()),
    emit: |_, work, _, e| Pooling::global(PoolKind::Average, &work.storage(0)).emit(e),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{evaluated, inferred};

    #[test]
    fn keeps_dimensions() {
        assert_eq!(inferred(GlobalAvgPool, &[&[2, 17, 7, 5]]), "f32[2, 17, 1, 1]");
        assert_eq!(
            inferred(GlobalAvgPool, &[&[2, 17]]),
            "operand 0 expects 4 dimensions (N C H W), gets 2"
        );
    }

    #[test]
    fn averages() {
        let x: &[f32] = &[1.0, 2.0, 6.0, -1.0, -1.0, -1.0];
        assert_eq!(evaluated(GlobalAvgPool, &[(&[1, 2, 1, 3], x)]), [3.0, -1.0]);
    }
}
