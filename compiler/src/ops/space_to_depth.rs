//! Space to depth: squares of b × b pixels become b² groups of channels, N C H·b W·b to N C·b² H W.

use convoke_runtime::Tensor;

use super::arguments::SIZE;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check, moved};
use super::depth_to_space::{DepthToSpace, Order};
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y[n, (i·b + j)·C + c, h, w] = x[n, c, h·b + i, w·b + j]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SpaceToDepth {
    /// Pixels of a square's side, b.
    pub block: usize,
}

impl Operator for SpaceToDepth {
    const NAME: &'static str = "space_to_depth";
    const POSITIONAL: &'static [&'static str] = &["block"];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("block", self.block)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { block: arguments.need("block", &SIZE)? })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let b = self.block;
        if b == 0 || h % b != 0 || w % b != 0 {
            return Err(TypeError::operand(0, format!("height and width that are multiples of {b}"), format!("{h} and {w}")));
        }
        check::result_of(operands[0].dtype, [n, c.saturating_mul(b).saturating_mul(b), h / b, w / b])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [n, c, h, w] = [0, 1, 2, 3].map(|dim| operands[0].shape()[dim]);
        let b = self.block;
        vec![moved::evaluate(operands[0], &[n, c * b * b, h / b, w / b], |index| {
            let (square, channel) = (index[1] / c, index[1] % c);
            Ok(vec![index[0], channel, index[2] * b + square / b, index[3] * b + square % b])
        })]
    }

    /// `x̄` is ȳ with channels as squares again.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let y = a.cotangent()?;
        a.give(0, |a| a.op(DepthToSpace { block: self.block, order: Order::Dcr }, &[y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "SpaceToDepth", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        const TABLE: [(usize, [usize; 4]); 4] =
            [(2, [1, 3, 4, 6]), (2, [2, 16, 4, 2]), (3, [1, 2, 3, 9]), (1, [1, 5, 2, 2])];
        TABLE.map(|(block, shape)| moved::case(Self { block }, &shape)).into()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let block = node.size("blocksize")?;
    node.unary(SpaceToDepth { block })
}

impl Movement for SpaceToDepth {
    fn regions(&self, operand: &TensorType, results: &[TensorType], _: usize) -> Vec<Region> {
        let (c, b, to) = (operand.shape[1], self.block, &results[0].shape);
        let steps = vec![
            Step::along(to[0], 0, 0, 1),
            Step { extent: b, to: (1, b * c), from: Some((2, 1)) },
            Step { extent: b, to: (1, c), from: Some((3, 1)) },
            Step::along(c, 1, 1, 1),
            Step::along(to[2], 2, 2, b as i64),
            Step::along(to[3], 3, 3, b as i64),
        ];
        vec![Region::whole(steps, 4, 4)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        assert_eq!(inferred(SpaceToDepth { block: 2 }, &[&[1, 2, 4, 6]]), "f32[1, 8, 2, 3]");
        assert_eq!(
            inferred(SpaceToDepth { block: 4 }, &[&[1, 2, 4, 6]]),
            "operand 0 expects height and width that are multiples of 4, gets 4 and 6"
        );
    }

    #[test]
    fn moves() {
        let x: &[f32] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let found = evaluated(SpaceToDepth { block: 2 }, &[(&[1, 2, 2, 2], x)]);
        assert_eq!(found, [0.0, 4.0, 1.0, 5.0, 2.0, 6.0, 3.0, 7.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(called("space_to_depth", &[&[1, 1, 2, 2]], &[2_i64.into()], &[]), "space_to_depth {block = 2}");
    }
}
