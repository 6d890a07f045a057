//! Batch normalisation as it is trained: each channel by the mean and the (biased) variance of the batch,
//! `y = (x − mean) / √(variance + eps) · weight + bias`, differentiated through both.
//!
//! Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167, algorithm 1.
//!
//! Operands: X of shape N C or N C …, and weight and bias of shape C. Results: Y of X's shape, and mean and variance of
//! the batch, of X's rank: 1 C 1 …. Running statistics are its caller's.

use convoke_runtime::Tensor;

use super::arguments::FLOAT;
use super::batch_norm_gradient::BatchNormGradient;
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, Operator, TypeError, check, normalization};
use crate::TensorType;
use crate::graph::Value;
use crate::lir::Affine;
use crate::lower::nest::{Lines, Walk, blocked_extents};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Site, Work};

/// `y = (x − mean) / √(variance + eps) · weight + bias`, mean and variance.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormTraining {
    /// Added to the variance; 1e-5 unless given.
    pub eps: f32,
}

/// The shape of one number for each channel, of the rank of X: 1 C 1 ….
///
/// # Errors
/// X has no channels.
pub(super) fn channels(x: &TensorType) -> Result<Vec<usize>, TypeError> {
    match x.shape[..] {
        [_, channels, ..] => Ok((0..x.rank()).map(|dim| if dim == 1 { channels } else { 1 }).collect()),
        _ => Err(TypeError::operand(0, "at least 2 dimensions (N C …)", x.rank())),
    }
}

/// Elements of one channel.
pub(super) fn count(shape: &[usize]) -> usize {
    shape.iter().product::<usize>() / shape[1]
}

impl Operator for BatchNormTraining {
    const NAME: &'static str = "batch_norm_training";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("eps", self.eps)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { eps: arguments.read("eps", &FLOAT)?.unwrap_or(1e-5) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x", "weight", "bias"])?;
        let channels = channels(operands[0])?;
        for (operand, name) in [(1, "weight"), (2, "bias")] {
            check::shape(operands, operand, name, &channels[1..2])?;
        }
        let statistics = TensorType::f32(channels);
        Ok(vec![operands[0].clone(), statistics.clone(), statistics])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let x = operands[0];
        let channel = |flat: usize| flat / x.shape()[2..].iter().product::<usize>() % x.shape()[1];
        let mut results = normalization::evaluate(operands, self.eps, |flat| [channel(flat); 2]);
        let statistics = normalization::statistics(x.data(), channel);
        for which in [0, 1] {
            let values = statistics.iter().map(|both| both[which] as f32).collect();
            let shape: Vec<usize> = (0..x.shape().len()).map(|dim| if dim == 1 { x.shape()[1] } else { 1 }).collect();
            results.push(Tensor::from_vec(&shape, values).expect("one for each channel"));
        }
        results
    }

    /// What Y contributes is [`BatchNormGradient`]'s; the mean adds `m̄ / count` to each element, the variance
    /// `2 · (x − mean) · v̄ / count`.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (x, weight, [mean, variance]) = (a.operand(0), a.operand(1), [1, 2].map(|index| a.result(index)));
        let shape = a.shape(x);
        let share = 1.0 / count(&shape) as f32;
        let mut by_x: Vec<Value> = Vec::new();
        let cotangents = a.cotangents();
        if let Some(y) = cotangents[0] {
            let op = BatchNormGradient { eps: self.eps };
            let [x, weight, bias] = a.results(op, &[y, x, weight, mean, variance])?;
            by_x.push(x);
            let channels = a.shape(a.operand(1));
            a.give(1, |a| a.reshape(weight, &channels))?;
            a.give(2, |a| a.reshape(bias, &channels))?;
        }
        if let Some(cotangent) = cotangents[1] {
            let even = a.scaled(cotangent, share)?;
            by_x.push(a.broadcast(even, &shape)?);
        }
        if let Some(cotangent) = cotangents[2] {
            let difference = a.sub(x, mean)?;
            let even = a.scaled(cotangent, 2.0 * share)?;
            by_x.push(a.mul(difference, even)?);
        }
        a.give(0, |a| {
            let mut parts = by_x.into_iter();
            let first = parts.next().expect("some result matters");
            parts.try_fold(first, |sum, part| a.add(sum, part))
        })
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKS, ROWS];

    fn cases() -> Vec<Case> {
        SHAPES.map(|shape| {
            let case = Case::new(format!("{shape:?}"), Self { eps: 1e-3 }).input(shape).within(-2.0, 3.0);
            case.weight([shape[1]]).weight([shape[1]]).tolerance(1e-5)
        })
        .into()
    }
}

/// Shapes of conformance cases.
pub(super) const SHAPES: [&[usize]; 8] = [
    &[2, 3, 5, 5],
    &[3, 16, 4, 7],
    &[2, 17, 3, 3],
    &[4, 8, 1, 1],
    &[2, 40, 2, 2],
    &[7, 12],
    &[9, 1],
    &[2, 5, 7],
];

/// A layout with lanes for channels, if X has it, the last operand for each channel is a weight, and channels that do not
/// exist have finite results.
pub(super) fn blocked(site: &Site<'_>, x: usize, weights: &[usize], eps: f32) -> Result<(), String> {
    if site.layouts[x] != Some(Layout::Blocked) || site.operands[x].rank() != 4 {
        return Err("the operand is not blocked".to_owned());
    }
    if eps <= 0.0 {
        return Err(format!("eps is {eps}: channels that fill up a block would divide by 0"));
    }
    match weights.iter().all(|&operand| site.is_weight(operand)) {
        true => Ok(()),
        false => Err("weight or bias is computed".to_owned()),
    }
}

fn schedule(_: &BatchNormTraining, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(3 * work.storages[0].len())
}

/// Channels in lanes.
const BLOCKS: Algorithm<BatchNormTraining> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        blocked(site, 0, &[1, 2], op.eps)?;
        let operands = vec![Need::tensor(Layout::Blocked), Need::Weight, Need::Weight];
        Ok(Choice { operands, results: vec![Layout::Blocked; 3], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let views = [e.result(0), e.operand(0)];
        let affine = [1, 2].map(|index| e.channels(index, &views[0].storage));
        let statistics = [1, 2].map(|index| e.result(index));
        let mut walks: Vec<Walk> = views.iter().map(Walk::blocked).collect();
        walks.extend(affine.map(|view| Walk::channels(&view, views[0].storage.block)));
        walks.extend(statistics.map(|view| Walk::blocked(&view)));
        let lines = Lines::new(&blocked_extents(&views[0]), &walks, |dim| matches!(dim, 0 | 2 | 3));
        emit(op, work, &lines, e);
    },
};

/// Row-major.
const ROWS: Algorithm<BatchNormTraining> = Algorithm {
    name: "rows",
    choose: |_, _| {
        let [x, channels] = [Need::tensor(Layout::Plain), Need::dense(Layout::Plain)];
        Ok(Choice { operands: vec![x, channels, channels], results: vec![Layout::Plain; 3], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let shape = &work.results[0].shape;
        let (rank, channels) = (shape.len(), &work.results[1].shape);
        let mut walks = vec![Walk::plain(&e.result(0), shape, rank), Walk::plain(&e.operand(0), shape, rank)];
        for index in [1, 2] {
            let view = e.plain(index, "affine", shape[1]);
            walks.push(Walk::new(view.param, 0, (0..rank).map(|dim| i64::from(dim == 1)).collect()));
        }
        walks.extend([1, 2].map(|index| Walk::plain(&e.result(index), channels, rank)));
        emit(op, work, &Lines::new(shape, &walks, |dim| dim != 1), e);
    },
};

/// Tensors in order: Y, X, weight, bias, mean, variance.
fn emit(op: &BatchNormTraining, work: &Work<'_>, lines: &Lines, e: &mut Emitter<'_>) {
    normalization::emit_with(e, lines, count(&work.results[0].shape), op.eps, 3, |e, line, statistics| {
        for (walk, value) in (4..).zip(statistics) {
            line.store_at(e, walk, Affine::default(), value);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, inferred};

    const OP: BatchNormTraining = BatchNormTraining { eps: 0.0 };

    #[test]
    fn shapes() {
        assert_eq!(inferred(OP, &[&[2, 3, 4, 4], &[3], &[3]]), "f32[2, 3, 4, 4], f32[1, 3, 1, 1], f32[1, 3, 1, 1]");
        assert_eq!(inferred(OP, &[&[2, 3], &[3], &[2]]), "operand 2 expects bias of shape [3], gets [2]");
        assert_eq!(inferred(OP, &[&[3], &[3], &[3]]), "operand 0 expects at least 2 dimensions (N C …), gets 1");
    }

    #[test]
    fn normalises_across_images() {
        let tensor = |shape: &[usize], values: &[f32]| Tensor::from_slice(shape, values).expect("of that size");
        let x = tensor(&[2, 2], &[1.0, 10.0, 5.0, 10.5]);
        let found = OP.evaluate(&[&x, &tensor(&[2], &[1.0, 2.0]), &tensor(&[2], &[0.0, 1.0])]);
        let found: Vec<&[f32]> = found.iter().map(Tensor::data).collect();
        assert_eq!(found, [&[-1.0, -1.0, 1.0, 3.0][..], &[3.0, 10.25], &[4.0, 0.0625]]);
    }

    #[test]
    fn calls() {
        let operands: &[&[usize]] = &[&[2, 8, 4, 4], &[8], &[8]];
        assert_eq!(called("batch_norm_training", operands, &[], &[]), "batch_norm_training {eps = 1e-5}");
    }
}
