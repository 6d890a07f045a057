//! What the normalisations by an input's own statistics share: `y = (x − mean) / √(variance + eps) · scale + bias`, the
//! mean and the (biased) variance being those of a group of elements.

use convoke_runtime::Tensor;

use super::{Adjoint, Derived, TypeError, check, unary};
use crate::TensorType;
use crate::graph::Value;
use crate::lir::{Binary, Reg, Unary};
use crate::lower::Emitter;
use crate::lower::nest::{Elements, Line, Lines};

/// The operands are X, a scale and a bias, of which the last two may be missing.
pub(super) fn operands(found: &[&TensorType]) -> Result<(), TypeError> {
    let names = ["x", "scale", "bias"];
    check::operands(found, &names[..found.len().clamp(1, 3)])
}

/// With `x̂ = (x − mean) / √(variance + eps)` and `ḡ = ȳ · scale`: `x̄ = (ḡ − mean ḡ − x̂ · mean(ḡ · x̂)) / √(variance +
/// eps)`, `s̄cale = Σ ȳ · x̂` and `b̄ias = Σ ȳ`. Groups lie along `axes` of X's elements in the shape `view`, scale and bias
/// in the shape `affine`.
pub(super) fn derive(a: &mut Adjoint<'_, '_>, eps: f32, view: &[usize], axes: &[usize], affine: &[usize]) -> Derived {
    let count = axes.iter().map(|&axis| view[axis]).product::<usize>() as f32;
    let mean = |a: &mut Adjoint<'_, '_>, value: Value| {
        let sum = a.sum(value, axes)?;
        a.scaled(sum, 1.0 / count)
    };
    let (x, y) = (a.reshape(a.operand(0), view)?, a.reshape(a.cotangent()?, view)?);
    let centre = mean(a, x)?;
    let difference = a.sub(x, centre)?;
    let square = a.mul(difference, difference)?;
    let variance = mean(a, square)?;
    let eps = a.constant(&[], &[eps]);
    let shifted = a.add(variance, eps)?;
    let root = a.op(unary::Unary::new(unary::Function::Sqrt), &[shifted])?;
    let normal = a.div(difference, root)?;
    let shape = a.shape(a.operand(0));
    a.give(0, |a| {
        let mut scaled = y;
        if a.operands() > 1 {
            let scale = a.reshape(a.operand(1), affine)?;
            scaled = a.mul(y, scale)?;
        }
        let product = a.mul(scaled, normal)?;
        let (along, level) = (mean(a, product)?, mean(a, scaled)?);
        let along = a.mul(normal, along)?;
        let rest = a.sub(scaled, level)?;
        let rest = a.sub(rest, along)?;
        let quotient = a.div(rest, root)?;
        a.reshape(quotient, &shape)
    })?;
    for index in 1..a.operands() {
        let own = a.shape(a.operand(index));
        a.give(index, |a| {
            let product = if index == 1 { a.mul(y, normal)? } else { y };
            let sum = a.sum_to(product, affine)?;
            a.reshape(sum, &own)
        })?;
    }
    Ok(())
}

/// Mean and variance of each group of elements; `group` gives that of each element.
pub(super) fn statistics(x: &[f32], group: impl Fn(usize) -> usize) -> Vec<[f64; 2]> {
    let mut groups: Vec<Vec<f64>> = Vec::new();
    for (flat, &value) in x.iter().enumerate() {
        groups.resize(groups.len().max(group(flat) + 1), Vec::new());
        groups[group(flat)].push(value.into());
    }
    let statistics = |group: &Vec<f64>| {
        let count = group.len() as f64;
        let mean = group.iter().sum::<f64>() / count;
        [mean, group.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count]
    };
    groups.iter().map(statistics).collect()
}

/// `element` gives, for each element of X, its group and the index of its scale and bias.
pub(super) fn evaluate(operands: &[&Tensor], eps: f32, element: impl Fn(usize) -> [usize; 2]) -> Vec<Tensor> {
    let x = operands[0].data();
    let statistics = statistics(x, |flat| element(flat)[0]);
    let affine = |operand: usize, index: usize| operands.get(operand).map(|tensor| f64::from(tensor.data()[index]));
    let mut result = Tensor::zeros(operands[0].shape());
    for (flat, y) in result.data_mut().iter_mut().enumerate() {
        let [group, index] = element(flat);
        let [mean, variance] = statistics[group];
        let normal = (f64::from(x[flat]) - mean) / (variance + f64::from(eps)).sqrt();
        *y = (normal * affine(1, index).unwrap_or(1.0) + affine(2, index).unwrap_or(0.0)) as f32;
    }
    vec![result]
}

/// Writes lines of `count` elements: tensor 0 is the result, 1 is X, 2 and 3 are scale and bias, where there are any.
pub(super) fn emit(e: &mut Emitter<'_>, lines: &Lines, count: usize, eps: f32, operands: usize) {
    emit_with(e, lines, count, eps, operands, |_, _, _| {});
}

/// As [`emit`], giving mean and variance of each line to `statistics` as well.
pub(super) fn emit_with(
    e: &mut Emitter<'_>,
    lines: &Lines,
    count: usize,
    eps: f32,
    operands: usize,
    statistics: impl Fn(&mut Emitter<'_>, &Line<'_>, [Reg; 2]),
) {
    lines.each(e, |e, line| {
        let constant = |e: &mut Emitter<'_>, like: Reg, value: f32| e.code.constant(e.code.lanes(like), value);
        let sum = line.fold(e, 0.0, Binary::Add, &|e, at| at.load(e, 1));
        let share = constant(e, sum, 1.0 / count as f32);
        let mean = e.code.binary(Binary::Mul, sum, share);
        let centred = |e: &mut Emitter<'_>, at: &Elements<'_>| {
            let (x, mean) = (at.load(e, 1), at.widen(e, mean));
            e.code.binary(Binary::Sub, x, mean)
        };
        let squares = line.fold(e, 0.0, Binary::Add, &|e, at| {
            let difference = centred(e, at);
            e.code.binary(Binary::Mul, difference, difference)
        });
        let variance = e.code.binary(Binary::Mul, squares, share);
        statistics(e, line, [mean, variance]);
        let eps = constant(e, sum, eps);
        let shifted = e.code.binary(Binary::Add, variance, eps);
        let deviation = e.code.unary(Unary::Sqrt, shifted);
        let one = constant(e, sum, 1.0);
        let factor = e.code.binary(Binary::Div, one, deviation);
        line.map(e, &|e, at| {
            let (difference, factor) = (centred(e, at), at.widen(e, factor));
            let normal = e.code.binary(Binary::Mul, difference, factor);
            match operands {
                1 => normal,
                2 => {
                    let scale = at.load(e, 2);
                    e.code.binary(Binary::Mul, normal, scale)
                }
                _ => {
                    let (scale, bias) = (at.load(e, 2), at.load(e, 3));
                    e.code.fma(normal, scale, bias)
                }
            }
        });
    });
}
