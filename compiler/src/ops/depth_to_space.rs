//! Depth to space: groups of b² channels become squares of b × b pixels, N C·b² H W to N C H·b W·b.
//!
//! Shi et al., "Real-Time Single Image and Video Super-Resolution Using an Efficient Sub-Pixel Convolutional Neural
//! Network", arXiv:1609.05158, section 3.2.

use convoke_runtime::Tensor;

use super::arguments::{Reader, SIZE};
use super::{
    Adjoint, Arguments, Attribute, Attributes, CallError, Case, Constructor, Derived, Operator, TypeError, check, moved,
};
use super::transpose::Transpose;
use crate::TensorType;
use crate::lower::Algorithm;
use crate::lower::regions::{self, Movement, Region, Step};
use crate::onnx::{Item, Node, Rule, Unsupported};

/// `y[n, c, h·b + i, w·b + j] = x[n, channel, h, w]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DepthToSpace {
    /// Pixels of a square's side, b.
    pub block: usize,
    /// Which channel.
    pub order: Order,
}

/// The order of the channels that become a square.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Depth, column, row: `(i·b + j)·C + c`; TensorFlow's.
    Dcr,
    /// Column, row, depth: `c·b² + i·b + j`; PyTorch's `pixel_shuffle`.
    Crd,
}

const ORDER: Reader<Order> = Reader {
    expects: "\"dcr\" or \"crd\"",
    read: |value| match value {
        Attribute::Text(word) if word == "dcr" => Some(Order::Dcr),
        Attribute::Text(word) if word == "crd" => Some(Order::Crd),
        _ => None,
    },
};

impl DepthToSpace {
    /// By how many channels c, i and j move.
    fn channel_steps(self, channels: usize) -> [usize; 3] {
        let b = self.block;
        match self.order {
            Order::Dcr => [1, b * channels, channels],
            Order::Crd => [b * b, b, 1],
        }
    }
}

impl Operator for DepthToSpace {
    const NAME: &'static str = "depth_to_space";

    const CALLS: &'static [(&'static str, Constructor)] = &[("depth_to_space", Self::call), ("pixel_shuffle", |call| {
        let mut arguments = call.arguments(&["block"])?;
        let block = arguments.need("block", &SIZE)?;
        arguments.finish()?;
        Ok(Self { block, order: Order::Crd }.into())
    })];

    const POSITIONAL: &'static [&'static str] = &["block"];

    fn attributes(&self) -> Attributes {
        let order = match self.order {
            Order::Dcr => "dcr",
            Order::Crd => "crd",
        };
        Attributes::default().with("block", self.block).with("order", order)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let block = arguments.need("block", &SIZE)?;
        Ok(Self { block, order: arguments.read("order", &ORDER)?.unwrap_or(Order::Dcr) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x"])?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let b = self.block;
        match b.checked_mul(b).filter(|&square| square > 0 && c.is_multiple_of(square)) {
            Some(square) => check::result_of(operands[0].dtype, [n, c / square, h.saturating_mul(b), w.saturating_mul(b)]),
            None => Err(TypeError::operand(0, format!("a multiple of {b}² channels"), c)),
        }
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [n, c, h, w] = [0, 1, 2, 3].map(|dim| operands[0].shape()[dim]);
        let b = self.block;
        let steps = self.channel_steps(c / (b * b));
        vec![moved::evaluate(operands[0], &[n, c / (b * b), h * b, w * b], |index| {
            let channel = index[1] * steps[0] + index[2] % b * steps[1] + index[3] % b * steps[2];
            Ok(vec![index[0], channel, index[2] / b, index[3] / b])
        })]
    }

    /// `x̄` is ȳ with each square as channels again, by the way back of the dimensions.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape, b) = (a.cotangent()?, a.shape(a.operand(0)), self.block);
        let squares = [shape[0], shape[1] / (b * b), shape[2], b, shape[3], b];
        let order = match self.order {
            Order::Dcr => vec![0, 3, 5, 1, 2, 4],
            Order::Crd => vec![0, 1, 3, 5, 2, 4],
        };
        a.give(0, |a| {
            let squares = a.reshape(y, &squares)?;
            let channels = a.op(Transpose { order }, &[squares])?;
            a.reshape(channels, &shape)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "DepthToSpace", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = regions::movement();

    fn cases() -> Vec<Case> {
        const SHAPES: [(usize, [usize; 4]); 5] =
            [(2, [1, 12, 3, 5]), (2, [2, 64, 2, 3]), (3, [1, 9, 4, 4]), (1, [1, 5, 2, 2]), (2, [1, 68, 1, 2])];
        let orders = [Order::Dcr, Order::Crd];
        let op = |order| SHAPES.map(|(block, shape)| moved::case(Self { block, order }, &shape));
        orders.into_iter().flat_map(op).collect()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let order = match node.text("mode")? {
        None | Some("DCR") => Order::Dcr,
        Some("CRD") => Order::Crd,
        Some(other) => return Err(Unsupported::new(format!("attribute `mode` is {other:?}"))),
    };
    let block = node.size("blocksize")?;
    node.unary(DepthToSpace { block, order })
}

impl Movement for DepthToSpace {
    fn regions(&self, operand: &TensorType, results: &[TensorType], _: usize) -> Vec<Region> {
        let (from, channels) = (&operand.shape, results[0].shape[1]);
        let [c, i, j] = self.channel_steps(channels).map(|step| Some((1, step as i64)));
        let b = self.block;
        let steps = vec![
            Step::along(from[0], 0, 0, 1),
            Step { extent: channels, to: (1, 1), from: c },
            Step { extent: from[2], to: (2, b), from: Some((2, 1)) },
            Step { extent: b, to: (2, 1), from: i },
            Step { extent: from[3], to: (3, b), from: Some((3, 1)) },
            Step { extent: b, to: (3, 1), from: j },
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
        let op = |block| DepthToSpace { block, order: Order::Dcr };
        assert_eq!(inferred(op(2), &[&[1, 8, 2, 3]]), "f32[1, 2, 4, 6]");
        assert_eq!(inferred(op(3), &[&[1, 8, 2, 3]]), "operand 0 expects a multiple of 3² channels, gets 8");
        assert_eq!(inferred(op(usize::MAX), &[&[1, 8, 2, 3]]).split_once("²").map(|(_, end)| end), Some(" channels, gets 8"));
    }

    /// The example of the ONNX specification's kind: two channels of 2 × 2 from eight of one pixel.
    #[test]
    fn orders() {
        let x: &[f32] = &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0];
        let of = |order| evaluated(DepthToSpace { block: 2, order }, &[(&[1, 8, 1, 1], x)]);
        assert_eq!(of(Order::Dcr), [0.0, 2.0, 4.0, 6.0, 1.0, 3.0, 5.0, 7.0]);
        assert_eq!(of(Order::Crd), x);
    }

    #[test]
    fn calls() {
        let x: &[&[usize]] = &[&[1, 4, 2, 2]];
        assert_eq!(called("depth_to_space", x, &[2_i64.into()], &[]), "depth_to_space {block = 2, order = dcr}");
        assert_eq!(called("pixel_shuffle", x, &[2_i64.into()], &[]), "depth_to_space {block = 2, order = crd}");
    }
}
