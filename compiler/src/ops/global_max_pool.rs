//! Global maximum pooling, `y[n, c, 0, 0] = max x[n, c, y, x]`: N C H W to N C 1 1.
//!
//! Oquab, Bottou, Laptev and Sivic, "Is object localization for free?", CVPR 2015, section 3.

use convoke_runtime::Tensor;
use convoke_runtime::kernels::PoolKind;

use super::export::{Exported, Exporter};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, image, pool};
use super::max_pool::MaxPool;
use super::max_pool_gradient::MaxPoolGradient;
use crate::TensorType;
use crate::lower::pooling::{self, Pooling};
use crate::lower::{Algorithm, Schedule};
use crate::onnx::Rule;

/// The maximum of each channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GlobalMaxPool;

impl Operator for GlobalMaxPool {
    const NAME: &'static str = "global_max_pool";

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
        pool::evaluate_global(operands[0], |pixels| pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max).into())
    }

    /// That of a [`MaxPool`] of the whole image.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, x) = (a.cotangent()?, a.operand(0));
        let kernel = [2, 3].map(|dim| a.shape(x)[dim]);
        let pool = MaxPool { kernel, stride: [1, 1], padding: [0; 4], dilation: [1, 1], ceil_mode: false };
        a.give(0, |a| a.op(MaxPoolGradient { pool }, &[x, y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "GlobalMaxPool", import: |node| image::global(node, Self) }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        e.whole("GlobalMaxPool", &[])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[PLANES];

    fn cases() -> Vec<Case> {
        pool::global_cases(Self).into_iter().map(|case| case.tolerance(0.0)).collect()
    }
}

/// Each plane of a block of channels at once.
const PLANES: Algorithm<GlobalMaxPool> = Algorithm {
    name: "planes",
    choose: |_, _| Ok(pooling::choice()),
    schedule: |_, work| Schedule::of_elements(work.storage(0).len()),
    emit: |_, work, _, e| Pooling::global(PoolKind::Max, &work.storage(0)).emit(e),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{evaluated, inferred};

    #[test]
    fn keeps_dimensions() {
        assert_eq!(inferred(GlobalMaxPool, &[&[2, 17, 7, 5]]), "f32[2, 17, 1, 1]");
        assert_eq!(
            inferred(GlobalMaxPool, &[&[2, 17, 7]]),
            "operand 0 expects 4 dimensions (N C H W), gets 3"
        );
    }

    #[test]
    fn finds_the_largest() {
        let x: &[f32] = &[1.0, 2.0, 6.0, -3.0, -1.0, -2.0];
        assert_eq!(evaluated(GlobalMaxPool, &[(&[1, 2, 1, 3], x)]), [6.0, -1.0]);
    }
}
