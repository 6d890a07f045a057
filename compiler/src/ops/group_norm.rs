//! Group normalisation: each group of consecutive channels of an image by its own mean and variance; instance
//! normalisation where a group is one channel.
//!
//! Wu and He, "Group Normalization", arXiv:1803.08494, equation 7; Ulyanov, Vedaldi and Lempitsky, "Instance
//! Normalization", arXiv:1607.08022, equation 2.

use convoke_runtime::Tensor;

use super::arguments::{FLAG, FLOAT, SIZE};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Constructor, Derived, Operator, ParameterSpec,
    TypeError, check, normalization,
};
use crate::TensorType;
use crate::lower::nest::{Lines, Walk, blocked_extents};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule, Work};
use crate::onnx::{Item, Node, Rule, Unsupported};
use super::expand::Expand;
use super::reshape;

/// `y = (x − mean) / √(variance + eps) · scale + bias`; operands X of shape N C … and, where there are any, the scale
/// and the bias, one number for each channel.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupNorm {
    /// Groups of channels.
    pub groups: usize,
    /// Added to the variance; 1e-5 unless given.
    pub eps: f32,
}

impl GroupNorm {
    /// N, groups, channels of one, and elements of a channel.
    fn extents(self, shape: &[usize]) -> [usize; 4] {
        [shape[0], self.groups, shape[1] / self.groups, shape[2..].iter().product()]
    }

    /// With the parameters of a call; PyTorch's instance normalisation has none by default.
    fn construct(self, call: &Call<'_>, affine: bool) -> Result<Construction, CallError> {
        let types = call.types();
        self.infer(&types)?;
        let names = ["weight", "bias"].into_iter().filter(|_| affine);
        let parameters = names.map(|name| ParameterSpec::new(name, [types[0].shape[1]])).collect();
        Ok(Construction { op: self.into(), parameters })
    }
}

impl Operator for GroupNorm {
    const NAME: &'static str = "group_norm";

    const CALLS: &'static [(&'static str, Constructor)] = &[
        ("group_norm", |call| {
            let mut arguments = call.arguments(&["groups"])?;
            let op = Self::read(&mut arguments)?;
            let affine = arguments.read("affine", &FLAG)?.unwrap_or(true);
            arguments.finish()?;
            op.construct(call, affine)
        }),
        ("instance_norm", |call| {
            let mut arguments = call.arguments(&[])?;
            let eps = arguments.read("eps", &FLOAT)?.unwrap_or(1e-5);
            let affine = arguments.read("affine", &FLAG)?.unwrap_or(false);
            arguments.finish()?;
            let groups = call.operands.first().and_then(|x| x.shape.get(1)).copied().unwrap_or(1);
            Self { groups, eps }.construct(call, affine)
        }),
    ];

    fn attributes(&self) -> Attributes {
        Attributes::default().with("groups", self.groups).with("eps", self.eps)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let groups = arguments.need("groups", &SIZE)?;
        Ok(Self { groups, eps: arguments.read("eps", &FLOAT)?.unwrap_or(1e-5) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        normalization::operands(operands)?;
        let [_, channels, ..] = operands[0].shape[..] else {
            return Err(TypeError::operand(0, "at least 2 dimensions (N C …)", operands[0].rank()));
        };
        if self.groups == 0 || channels % self.groups != 0 {
            return Err(TypeError::operand(0, format!("a multiple of {} channels", self.groups), channels));
        }
        for (operand, name) in (1..operands.len()).zip(["scale", "bias"]) {
            check::shape(operands, operand, name, &[channels])?;
        }
        Ok(vec![operands[0].clone()])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [_, groups, channels, pixels] = self.extents(operands[0].shape());
        normalization::evaluate(operands, self.eps, |flat| {
            let channel = flat / pixels;
            [channel / channels, channel % (groups * channels)]
        })
    }

    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let view @ [_, groups, channels, _] = self.extents(&a.shape(a.operand(0)));
        normalization::derive(a, self.eps, &view, &[2, 3], &[1, groups, channels, 1])
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "GroupNormalization", import: group },
        Rule { operator: "InstanceNormalization", import: instance },];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKS, ROWS];

    fn cases() -> Vec<Case> {
        const TABLE: [(&[usize], usize, usize); 6] = [
            (&[2, 17, 3, 5], 17, 3),
            (&[1, 18, 3, 3], 3, 3),
            (&[2, 32, 2, 2], 2, 2),
            (&[2, 6], 2, 1),
            (&[2, 4, 70], 4, 3),
            (&[1, 4, 2, 3, 2], 2, 3),
        ];
        let case = |(shape, groups, operands): (&[usize], usize, usize)| {
            let op = Self { groups, eps: 1e-3 };
            let case = Case::new(format!("{operands} operands, {} of {shape:?}", op.attributes()), op);
            (1..operands).fold(case.input(shape).tolerance(1e-5), |case, _| case.weight([shape[1]]))
        };
        TABLE.map(case).into()
    }
}

/// Before opset 21, scale and bias have one number for each group.
fn group(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let groups = node.size("num_groups")?;
    let eps = node.float("epsilon")?.unwrap_or(1e-5);
    node.ignore("stash_type");
    let channels = node.shape(0)?.get(1).copied().unwrap_or_default();
    let mut operands = vec![node.operand(0)?];
    for index in 1..node.len() {
        let mut operand = node.operand(index)?;
        if node.ty(&operand).shape == [groups] && groups != channels && groups > 0 && channels % groups == 0 {
            let column = reshape::to(node, operand, &[groups, 1])?;
            let rows = node.apply(Expand { shape: vec![groups, channels / groups] }, &[column])?;
            operand = reshape::to(node, rows, &[channels])?;
        }
        operands.push(operand);
    }
    Ok(vec![node.apply(GroupNorm { groups, eps }, &operands)?])
}

fn instance(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let eps = node.float("epsilon")?.unwrap_or(1e-5);
    let groups = node.shape(0)?.get(1).copied().unwrap_or_default();
    let operands = node.operands()?;
    Ok(vec![node.apply(GroupNorm { groups, eps }, &operands)?])
}

fn schedule(_: &GroupNorm, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(3 * work.storages[0].len())
}

/// Of single channels, each in a lane.
const BLOCKS: Algorithm<GroupNorm> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        let shape = &site.operands[0].shape;
        if site.layouts[0] != Some(Layout::Blocked) || shape.len() != 4 {
            return Err("the operand is not blocked".to_owned());
        }
        if op.groups != shape[1] || op.eps <= 0.0 {
            return Err(format!("groups of {} channels", shape[1] / op.groups));
        }
        if !(1..site.operands.len()).all(|operand| site.is_weight(operand)) {
            return Err("scale or bias is computed".to_owned());
        }
        let rest = vec![Need::Weight; site.operands.len() - 1];
        let operands = [vec![Need::tensor(Layout::Blocked)], rest].concat();
        Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let (result, source) = (e.result(0), e.operand(0));
        let mut walks = vec![Walk::blocked(&result), Walk::blocked(&source)];
        for index in 1..work.operands.len() {
            walks.push(Walk::channels(&e.channels(index, &result.storage), result.storage.block));
        }
        let lines = Lines::new(&blocked_extents(&result), &walks, |dim| matches!(dim, 2 | 3));
        normalization::emit(e, &lines, source.storage.h * source.storage.w, op.eps, work.operands.len());
    },
};

/// Row-major.
const ROWS: Algorithm<GroupNorm> = Algorithm {
    name: "rows",
    choose: |_, site| {
        let operands = vec![Need::dense(Layout::Plain); site.operands.len()];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let shape = &work.results[0].shape;
        let extents = op.extents(shape);
        let [_, groups, channels, pixels] = extents;
        let (result, source) = (e.result(0), e.operand(0));
        // The pixels of the result may have a halo around them; then they are rows and columns.
        let [height, width] = if shape.len() == 4 { [shape[2], shape[3]] } else { [1, pixels] };
        let space = [extents[0], groups, channels, height, width];
        let image = |view: &crate::lower::View| {
            let s = view.storage;
            let [n, c, y] = match shape.len() {
                4 => [s.image(), s.plane(), s.pitch()],
                _ => [groups * channels * pixels, pixels, pixels],
            };
            let strides = [n, channels * c, c, y, 1].map(|stride| stride as i64);
            Walk::new(view.param, s.origin() as i64, strides.into())
        };
        let mut walks = vec![image(&result), image(&source)];
        for index in 1..work.operands.len() {
            let param = e.operand(index).param;
            walks.push(Walk::new(param, 0, vec![0, channels as i64, 1, 0, 0]));
        }
        let lines = Lines::new(&space, &walks, |dim| dim >= 2);
        normalization::emit(e, &lines, channels * pixels, op.eps, work.operands.len());
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = GroupNorm { groups: 2, eps: 1e-5 };
        assert_eq!(inferred(op, &[&[1, 4, 2, 2], &[4], &[4]]), "f32[1, 4, 2, 2]");
        assert_eq!(inferred(op, &[&[1, 4], &[2]]), "operand 1 expects scale of shape [4], gets [2]");
        assert_eq!(inferred(op, &[&[1, 5]]), "operand 0 expects a multiple of 2 channels, gets 5");
        assert_eq!(inferred(op, &[&[4]]), "operand 0 expects at least 2 dimensions (N C …), gets 1");
    }

    #[test]
    fn normalises() {
        let op = GroupNorm { groups: 1, eps: 0.0 };
        let found = evaluated(op, &[(&[1, 2, 1], &[1.0, 3.0]), (&[2], &[1.0, 2.0]), (&[2], &[0.0, 0.5])]);
        assert_eq!(found, [-1.0, 2.5]);
    }

    #[test]
    fn calls() {
        let x: &[&[usize]] = &[&[1, 8, 4, 4]];
        assert_eq!(
            called("group_norm", x, &[2_i64.into()], &[]),
            "group_norm {groups = 2, eps = 1e-5}, weight f32[8], bias f32[8]"
        );
        assert_eq!(called("instance_norm", x, &[], &[]), "group_norm {groups = 8, eps = 1e-5}");
    }
}
