//! What operators share that find elements by indices which are computed: whole numbers, counted from the end where they
//! are negative; one beyond the dimension means its first or last element.

use super::arguments::Reader;
use super::{Attribute, TypeError, check};
use crate::lir::{self, Address, Compare, Reg};
use crate::lower::Emitter;
use crate::onnx::{Node, Unsupported};
use crate::{DType, TensorType};

/// The element among `extent` that an index names.
pub(super) fn resolve(index: f32, extent: usize) -> usize {
    let index = if index < 0.0 { index + extent as f32 } else { index };
    (index.max(0.0) as usize).min(extent - 1)
}

/// The register of what [`resolve`] gives, but for the clamp, which is part of the access.
pub(super) fn load(e: &mut Emitter<'_>, from: Address, extent: usize) -> Reg {
    let index = e.code.load(1, from);
    let [zero, extent] = [0.0, extent as f32].map(|value| e.code.constant(1, value));
    let from_end = e.code.binary(lir::Binary::Add, index, extent);
    e.code.select(Compare::Lt, index, zero, from_end, index)
}

/// Row-major strides.
pub(super) fn strides(shape: &[usize]) -> Vec<usize> {
    (0..shape.len()).map(|dim| shape[dim + 1..].iter().product()).collect()
}

/// `base`, moved to where a list of indices leads, one for each of `extents`, which are `strides` apart.
pub(super) fn row(e: &mut Emitter<'_>, list: &Address, extents: &[usize], base: Address, strides: &[usize]) -> Address {
    let (mut sum, mut last) = (e.code.constant(1, 0.0), 0);
    // What all strides are a multiple of is left to the access: float32 counts to 2²⁴.
    let unit = strides.iter().fold(0, |unit, &stride| gcd(unit, stride)).max(1);
    for (number, (&extent, &stride)) in extents.iter().zip(strides).enumerate() {
        let mut from = list.clone();
        from.index = from.index + number;
        let index = load(e, from, extent);
        let [low, high, rows] =
            [0.0, (extent - 1) as f32, (stride / unit) as f32].map(|value| e.code.constant(1, value));
        let index = e.code.binary(lir::Binary::Max, low, index);
        let index = e.code.binary(lir::Binary::Min, high, index);
        sum = e.code.fma(index, rows, sum);
        last += (extent - 1) * (stride / unit);
    }
    base.row(sum, last as u32 + 1, unit as i64)
}

fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Operand 1 are indices, one for each element that operand 0 has in all dimensions but `axis`, or fewer.
pub(super) fn check_elements(operands: &[&TensorType], axis: i64) -> Result<usize, TypeError> {
    check::dtype(operands, 1, &[DType::I64])?;
    let [x, indices] = [operands[0], operands[1]].map(|ty| ty.shape.as_slice());
    let axis = check::axis(axis, x.len())?;
    let fits = |dim: usize| dim == axis || indices[dim] <= x[dim];
    if indices.len() != x.len() || !(0..x.len()).all(fits) {
        let expected = format!("no more indices than {x:?} has elements, but for dimension {axis}");
        return Err(TypeError::operand(1, expected, format!("{indices:?}")));
    }
    Ok(axis)
}

/// Operand 1 are lists of `k` indices, behind `batch` dimensions that it has in common with operand 0; `k`.
pub(super) fn check_slices(operands: &[&TensorType], batch: usize) -> Result<usize, TypeError> {
    check::dtype(operands, 1, &[DType::I64])?;
    let [x, indices] = [operands[0], operands[1]].map(|ty| ty.shape.as_slice());
    let Some((&k, outer)) = indices.split_last() else {
        return Err(TypeError::operand(1, "at least 1 dimension", 0));
    };
    let fits = batch <= outer.len() && batch.checked_add(k).is_some_and(|used| used <= x.len());
    if !fits || outer[..batch] != x[..batch] {
        let expected = format!("lists of at most {} indices behind {batch} dimensions of {x:?}", x.len());
        return Err(TypeError::operand(1, expected, format!("{indices:?}")));
    }
    Ok(k)
}

/// What becomes of an element that is scattered to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reduction {
    /// The new one.
    Replace,
    /// The sum of both.
    Add,
    /// The product of both.
    Mul,
    /// The larger.
    Max,
    /// The smaller.
    Min,
}

const REDUCTIONS: [(&str, Reduction); 5] = [
    ("none", Reduction::Replace),
    ("add", Reduction::Add),
    ("mul", Reduction::Mul),
    ("max", Reduction::Max),
    ("min", Reduction::Min),
];

/// The name of a reduction.
pub(super) const REDUCTION: Reader<Reduction> = Reader {
    expects: "\"none\", \"add\", \"mul\", \"max\" or \"min\"",
    read: |value| match value {
        Attribute::Text(word) => REDUCTIONS.iter().find(|(name, _)| name == word).map(|&(_, reduction)| reduction),
        _ => None,
    },
};

impl Reduction {
    /// All of them.
    pub(super) const ALL: [Self; 5] = [Self::Replace, Self::Add, Self::Mul, Self::Max, Self::Min];

    pub(super) fn name(self) -> &'static str {
        REDUCTIONS[self as usize].0
    }

    /// The attribute `reduction` of a node.
    pub(super) fn import(node: &mut Node<'_, '_>) -> Result<Self, Unsupported> {
        let word = node.text("reduction")?.unwrap_or("none");
        let known = REDUCTIONS.iter().find(|(name, _)| *name == word);
        known
            .map(|&(_, reduction)| reduction)
            .ok_or_else(|| Unsupported::new(format!("attribute `reduction` is {word:?}")))
    }

    pub(super) fn define(self, old: f32, new: f32) -> f32 {
        match self {
            Self::Replace => new,
            Self::Add => old + new,
            Self::Mul => old * new,
            Self::Max => old.max(new),
            Self::Min => old.min(new),
        }
    }

    /// Writes `new`, and what is at the address already, to it.
    pub(super) fn store(self, e: &mut Emitter<'_>, to: Address, new: Reg) {
        let op = match self {
            Self::Replace => return e.code.store(to, new),
            Self::Add => lir::Binary::Add,
            Self::Mul => lir::Binary::Mul,
            Self::Max => lir::Binary::Max,
            Self::Min => lir::Binary::Min,
        };
        let old = e.code.load(1, to.clone());
        let value = e.code.binary(op, old, new);
        e.code.store(to, value);
    }
}
