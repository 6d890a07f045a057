//! The gradient of [batch normalisation as it is trained](super::batch_norm_training): with `x̂ = (x − mean) / √(variance
//! + eps)` and sums over all elements of a channel,
//!
//! ```text
//! w̄eight = Σ ȳ · x̂     b̄ias = Σ ȳ     x̄ = weight / √(variance + eps) · (ȳ − (b̄ias + x̂ · w̄eight) / count)
//! ```
//!
//! Ioffe and Szegedy, "Batch Normalization", arXiv:1502.03167, section 3.
//!
//! Operands: Ȳ and X of shape N C or N C …, the weight of shape C, mean and variance of the batch of shape 1 C 1 ….
//! Results: x̄ of X's shape, w̄eight and b̄ias of shape 1 C 1 ….

use convoke_runtime::Tensor;

use super::arguments::FLOAT;
use super::batch_norm_training::{SHAPES, blocked, channels, count};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check};
use crate::TensorType;
use crate::lir::{Affine, Binary, Reg, Unary};
use crate::lower::nest::{Elements, Lines, Walk, blocked_extents};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Work};

/// x̄, w̄eight and b̄ias; the attributes are batch normalisation's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchNormGradient {
    /// Added to the variance; 1e-5 unless given.
    pub eps: f32,
}

impl Operator for BatchNormGradient {
    const NAME: &'static str = "batch_norm_gradient";

    fn attributes(&self) -> Attributes {
        Attributes::default().with("eps", self.eps)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self { eps: arguments.read("eps", &FLOAT)?.unwrap_or(1e-5) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["g", "x", "weight", "mean", "variance"])?;
        let channels = channels(operands[0])?;
        check::shape(operands, 1, "x", &operands[0].shape)?;
        check::shape(operands, 2, "weight", &channels[1..2])?;
        for (operand, name) in [(3, "mean"), (4, "variance")] {
            check::shape(operands, operand, name, &channels)?;
        }
        let sums = TensorType::f32(channels);
        Ok(vec![operands[0].clone(), sums.clone(), sums])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [g, x, weight, mean, variance] = [0, 1, 2, 3, 4].map(|index| operands[index].data());
        let shape = operands[0].shape();
        let pixels = shape[2..].iter().product::<usize>();
        let channel = |flat: usize| flat / pixels % shape[1];
        let factor = |c: usize| 1.0 / (f64::from(variance[c]) + f64::from(self.eps)).sqrt();
        let normal = |flat: usize| (f64::from(x[flat]) - f64::from(mean[channel(flat)])) * factor(channel(flat));
        let mut sums = vec![[0.0_f64; 2]; shape[1]];
        for (flat, &g) in g.iter().enumerate() {
            let [by_weight, by_bias] = &mut sums[channel(flat)];
            *by_weight += f64::from(g) * normal(flat);
            *by_bias += f64::from(g);
        }
        let mut by_x = Tensor::zeros(shape);
        for (flat, y) in by_x.data_mut().iter_mut().enumerate() {
            let c = channel(flat);
            let [by_weight, by_bias] = sums[c];
            let rest = f64::from(g[flat]) - (by_bias + normal(flat) * by_weight) / count(shape) as f64;
            *y = (f64::from(weight[c]) * factor(c) * rest) as f32;
        }
        let of = |which: usize| {
            let values = sums.iter().map(|both| both[which] as f32).collect();
            Tensor::from_vec(operands[3].shape(), values).expect("one for each channel")
        };
        vec![by_x, of(0), of(1)]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for second derivatives"))
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKS, ROWS];

    fn cases() -> Vec<Case> {
        let case = |shape: &[usize]| {
            let channels: Vec<usize> = (0..shape.len()).map(|dim| if dim == 1 { shape[1] } else { 1 }).collect();
            let case = Case::new(format!("{shape:?}"), Self { eps: 1e-3 }).input(shape).input(shape).weight([shape[1]]);
            case.input(channels.clone()).input(channels).within(0.5, 2.0).tolerance(1e-5)
        };
        SHAPES.map(case).into()
    }
}

fn schedule(_: &BatchNormGradient, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(4 * work.storages[0].len())
}

/// Channels in lanes.
const BLOCKS: Algorithm<BatchNormGradient> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        blocked(site, 1, &[2], op.eps)?;
        let tensor = Need::tensor(Layout::Blocked);
        let operands = vec![tensor, tensor, Need::Weight, tensor, tensor];
        Ok(Choice { operands, results: vec![Layout::Blocked; 3], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let views = [e.result(0), e.operand(0), e.operand(1)];
        let weight = e.channels(2, &views[0].storage);
        let rest = [e.operand(3), e.operand(4), e.result(1), e.result(2)];
        let mut walks: Vec<Walk> = views.iter().map(Walk::blocked).collect();
        walks.push(Walk::channels(&weight, views[0].storage.block));
        walks.extend(rest.iter().map(Walk::blocked));
        let lines = Lines::new(&blocked_extents(&views[0]), &walks, |dim| matches!(dim, 0 | 2 | 3));
        emit(op, work, &lines, e);
    },
};

/// Row-major.
const ROWS: Algorithm<BatchNormGradient> = Algorithm {
    name: "rows",
    choose: |_, _| {
        let [tensor, channels] = [Need::tensor(Layout::Plain), Need::dense(Layout::Plain)];
        let operands = vec![tensor, tensor, channels, channels, channels];
        Ok(Choice { operands, results: vec![Layout::Plain; 3], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let (shape, channels) = (&work.results[0].shape, &work.results[1].shape);
        let rank = shape.len();
        let whole = [e.result(0), e.operand(0), e.operand(1)];
        let each = |param| Walk::new(param, 0, (0..rank).map(|dim| i64::from(dim == 1)).collect());
        let mut walks: Vec<Walk> = whole.iter().map(|view| Walk::plain(view, shape, rank)).collect();
        walks.extend([2, 3, 4].map(|index| each(e.plain(index, "channels", shape[1]).param)));
        walks.extend([1, 2].map(|index| Walk::plain(&e.result(index), channels, rank)));
        emit(op, work, &Lines::new(shape, &walks, |dim| dim != 1), e);
    },
};

/// Tensors in order: x̄, Ȳ, X, weight, mean, variance, w̄eight, b̄ias.
fn emit(op: &BatchNormGradient, work: &Work<'_>, lines: &Lines, e: &mut Emitter<'_>) {
    let share = 1.0 / count(&work.results[0].shape) as f32;
    lines.each(e, |e, line| {
        let constant = |e: &mut Emitter<'_>, value: f32| e.code.constant(line.lanes() as u32, value);
        let [weight, mean, variance] = [3, 4, 5].map(|walk| line.load(e, walk));
        let centred = |e: &mut Emitter<'_>, at: &Elements<'_>| {
            let (x, mean) = (at.load(e, 2), at.widen(e, mean));
            e.code.binary(Binary::Sub, x, mean)
        };
        let mul = |e: &mut Emitter<'_>, a: Reg, b: Reg| e.code.binary(Binary::Mul, a, b);
        let by_bias = line.fold(e, 0.0, Binary::Add, &|e, at| at.load(e, 1));
        let product = line.fold(e, 0.0, Binary::Add, &|e, at| {
            let (g, difference) = (at.load(e, 1), centred(e, at));
            e.code.binary(Binary::Mul, g, difference)
        });
        let [eps, one, share] = [op.eps, 1.0, share].map(|value| constant(e, value));
        let shifted = e.code.binary(Binary::Add, variance, eps);
        let root = e.code.unary(Unary::Sqrt, shifted);
        let factor = e.code.binary(Binary::Div, one, root);
        let by_weight = mul(e, product, factor);
        for (walk, value) in [(6, by_weight), (7, by_bias)] {
            line.store_at(e, walk, Affine::default(), value);
        }
        // x̄ = scale · (ȳ − level − slope · (x − mean)).
        let (scale, level) = (mul(e, weight, factor), mul(e, by_bias, share));
        let slope = mul(e, by_weight, factor);
        let slope = mul(e, slope, share);
        line.map(e, &|e, at| {
            let (g, difference) = (at.load(e, 1), centred(e, at));
            let [scale, level, slope] = [scale, level, slope].map(|value| at.widen(e, value));
            let rest = e.code.binary(Binary::Sub, g, level);
            let along = e.code.binary(Binary::Mul, slope, difference);
            let rest = e.code.binary(Binary::Sub, rest, along);
            e.code.binary(Binary::Mul, scale, rest)
        });
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    const OP: BatchNormGradient = BatchNormGradient { eps: 0.0 };

    #[test]
    fn shapes() {
        let channels: &[usize] = &[1, 3, 1, 1];
        let x: &[usize] = &[2, 3, 4, 4];
        assert_eq!(
            inferred(OP, &[x, x, &[3], channels, channels]),
            "f32[2, 3, 4, 4], f32[1, 3, 1, 1], f32[1, 3, 1, 1]"
        );
        assert_eq!(
            inferred(OP, &[x, x, &[3], &[3], channels]),
            "operand 3 expects mean of shape [1, 3, 1, 1], gets [3]"
        );
    }

    /// What changes all elements alike, or in proportion to them, changes nothing.
    #[test]
    fn shifts_and_scales_do_not_matter() {
        let x: &[f32] = &[1.0, 5.0, 3.0, 7.0];
        let of = |g: &[f32]| {
            let each: (&[usize], &[f32]) = (&[4, 1], x);
            evaluated(OP, &[(&[4, 1], g), each, (&[1], &[2.0]), (&[1, 1], &[4.0]), (&[1, 1], &[5.0])])
        };
        for g in [&[1.0; 4][..], x] {
            assert!(of(g).iter().all(|x| x.abs() < 1e-6), "{:?}", of(g));
        }
        assert!(of(&[1.0, 0.0, 0.0, 0.0])[0] > 0.1);
    }

    #[test]
    fn calls() {
        let [x, channels]: [&[usize]; 2] = [&[2, 8], &[1, 8]];
        assert_eq!(
            called("batch_norm_gradient", &[x, x, &[8], channels, channels], &[], &[]),
            "batch_norm_gradient {eps = 1e-5}"
        );
    }
}
