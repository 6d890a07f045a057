//! Operators that only move elements: a result in regions, through each of which the source is walked by constant steps.

use super::nest::{Nest, Walk};
use super::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Site, View, Work};
use crate::TensorType;
use crate::ops::Operator;

/// A part of a result that moves evenly through operand 0, or is constant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Region {
    /// The loops over it.
    pub(crate) steps: Vec<Step>,
    /// Its first element in the result.
    pub(crate) to: Vec<usize>,
    /// Its first element in the source, or what it is filled with.
    pub(crate) from: From,
}

/// Where the elements of a region come from.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum From {
    /// The source, from this element on.
    Source(Vec<usize>),
    /// Nowhere: they have this value.
    Value(f32),
}

/// A loop over a region.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Step {
    pub(crate) extent: usize,
    /// The dimension of the result that it goes along, and by how much.
    pub(crate) to: (usize, usize),
    /// The dimension of the source that it goes along, and by how much; nowhere where it repeats elements.
    pub(crate) from: Option<(usize, i64)>,
}

impl Step {
    /// Along dimension `to` of the result by one, along dimension `from` of the source by `step`.
    pub(crate) fn along(extent: usize, to: usize, from: usize, step: i64) -> Self {
        Self { extent, to: (to, 1), from: Some((from, step)) }
    }
}

impl Region {
    /// All of a result, from the source's first element on.
    pub(crate) fn whole(steps: Vec<Step>, to: usize, from: usize) -> Self {
        Self { steps, to: vec![0; to], from: From::Source(vec![0; from]) }
    }

    /// The region of a tensor N C H W in blocks of channels: of tensors N ⌈C/B⌉ H W B. `channels` are those of result
    /// and source.
    fn blocked(&self, channels: [usize; 2], block: usize) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut lanes = false;
        let sourced = matches!(self.from, From::Source(_));
        for &step in &self.steps {
            let (to, from) = (step.to, step.from);
            let along = [to.0 == 1, from.is_some_and(|(dim, _)| dim == 1)];
            if along == [true, sourced] && to.1 == 1 && from.is_none_or(|(_, by)| by == 1) && !lanes {
                let ends = |first: usize, channels: usize| first + step.extent == channels;
                let source_ends = match &self.from {
                    From::Source(first) => ends(first[1], channels[1]),
                    From::Value(_) => true,
                };
                let ends = ends(self.to[1], channels[0]) && source_ends;
                if !ends && !step.extent.is_multiple_of(block) {
                    return Err(format!("{} channels that end within a block of {block}", step.extent));
                }
                lanes = true;
                let extent = step.extent.div_ceil(block);
                steps.push(Step { extent, ..step });
                steps.push(Step { extent: block, to: (4, 1), from: from.map(|_| (4, 1)) });
                continue;
            }
            let whole = |by: usize| by.is_multiple_of(block).then_some(by / block);
            let to = match to {
                (1, by) => (1, whole(by).ok_or("channels move by less than a block")?),
                other => other,
            };
            let from = match from {
                Some((1, by)) if by > 0 => {
                    Some((1, whole(by as usize).ok_or("channels move by less than a block")? as i64))
                }
                Some((1, _)) => return Err("channels do not move forward".to_owned()),
                other => other,
            };
            steps.push(Step { extent: step.extent, to, from });
        }
        if !lanes {
            return Err("channels do not stay in order".to_owned());
        }
        let place = |first: &[usize]| {
            let &[n, c, h, w] = first else { return Err(format!("{} dimensions", first.len())) };
            if !c.is_multiple_of(block) {
                return Err(format!("it begins at channel {c}, within a block"));
            }
            Ok(vec![n, c / block, h, w, 0])
        };
        let from = match &self.from {
            From::Source(first) => From::Source(place(first)?),
            From::Value(value) => From::Value(*value),
        };
        Ok(Self { steps, to: place(&self.to)?, from })
    }

    /// Writes it to `result`, given how both tensors move along their dimensions.
    fn emit(mut self, e: &mut Emitter<'_>, (result, to): (View, &[usize]), (source, from): (View, &[usize])) {
        // Outermost is what moves the result most, so that it is written in order.
        let stride = |step: &Step| to[step.to.0] * step.to.1;
        self.steps.sort_by_key(|step| std::cmp::Reverse(stride(step)));
        let at = |first: &[usize], strides: &[usize], origin: usize| {
            (first.iter().zip(strides).map(|(index, stride)| index * stride).sum::<usize>() + origin) as i64
        };
        let extents: Vec<usize> = self.steps.iter().map(|step| step.extent).collect();
        let strides = self.steps.iter().map(|step| stride(step) as i64).collect();
        let target = Walk::new(result.param, at(&self.to, to, result.storage.origin()), strides);
        match &self.from {
            From::Source(first) => {
                let stride = |step: &Step| step.from.map_or(0, |(dim, by)| from[dim] as i64 * by);
                let strides = self.steps.iter().map(stride).collect();
                let walk = Walk::new(source.param, at(first, from, source.storage.origin()), strides);
                Nest::new(&extents, &[target, walk]).copy(e);
            }
            From::Value(value) => {
                Nest::new(&extents, &[target]).fill(e, *value);
            }
        }
    }
}

/// An operator that only moves elements of operand 0.
pub(crate) trait Movement: Operator {
    /// The regions of result `result`, which cover it without overlapping. They hold elements; the operand has a type
    /// that the operator accepts.
    fn regions(&self, operand: &TensorType, results: &[TensorType], result: usize) -> Vec<Region>;
}

/// The algorithms of such an operator.
pub(crate) const fn movement<O: Movement>() -> &'static [Algorithm<O>] {
    const {
        &[
            Algorithm { name: "blocks", choose: choose_blocks::<O>, schedule: schedule::<O>, emit: emit_blocks::<O> },
            Algorithm { name: "rows", choose: choose_rows::<O>, schedule: schedule::<O>, emit: emit_rows::<O> },
        ]
    }
}

pub(crate) fn schedule<O>(_: &O, work: &Work<'_>) -> Schedule {
    Schedule::of_elements(work.storages.iter().map(super::Storage::len).sum())
}

fn blocked<O: Movement>(
    op: &O,
    operand: &TensorType,
    results: &[TensorType],
    result: usize,
    block: usize,
) -> Result<Vec<Region>, String> {
    let channels = [results[result].shape[1], operand.shape[1]];
    op.regions(operand, results, result).iter().map(|region| region.blocked(channels, block)).collect()
}

pub(crate) fn choose_blocks<O: Movement>(op: &O, site: &Site<'_>) -> Result<Choice, String> {
    if site.layouts[0] != Some(Layout::Blocked) {
        return Err("the operand is not blocked".to_owned());
    }
    let operand = site.operands[0];
    if operand.rank() != 4 || site.results.iter().any(|result| result.rank() != 4) {
        return Err("operand and results have not four dimensions".to_owned());
    }
    for result in 0..site.results.len() {
        blocked(op, operand, site.results, result, site.target.block())?;
    }
    let results = vec![Layout::Blocked; site.results.len()];
    Ok(Choice { operands: vec![Need::tensor(Layout::Blocked)], results, alias: false })
}

pub(crate) fn emit_blocks<O: Movement>(op: &O, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let source = e.operand(0);
    let strides = |view: &View| {
        let s = &view.storage;
        [s.image(), s.plane(), s.pitch(), s.block, 1]
    };
    for index in 0..work.results.len() {
        let result = e.result(index);
        let regions = blocked(op, work.operands[0].ty(), work.results, index, source.storage.block);
        for region in regions.expect("checked when it was chosen") {
            region.emit(e, (result, &strides(&result)), (source, &strides(&source)));
        }
    }
}

pub(crate) fn choose_rows<O: Movement>(_: &O, site: &Site<'_>) -> Result<Choice, String> {
    let results = vec![Layout::Plain; site.results.len()];
    Ok(Choice { operands: vec![Need::tensor(Layout::Plain)], results, alias: false })
}

pub(crate) fn emit_rows<O: Movement>(op: &O, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let (source, operand) = (e.operand(0), work.operands[0].ty());
    let from = source.storage.strides(&operand.shape);
    for index in 0..work.results.len() {
        let result = e.result(index);
        let to = result.storage.strides(&work.results[index].shape);
        for region in op.regions(operand, work.results, index) {
            region.emit(e, (result, &to), (source, &from));
        }
    }
}
