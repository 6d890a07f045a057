//! Steps fit their functions and buffers, and arguments that share elements share them in place.
//!
//! A function reads and writes each of its parameters as if it were alone. A step may still give one range to a written
//! parameter *a* and to a parameter *b* that is only read, if this makes no difference:
//!
//! - both ranges are the same elements (same start, same length);
//! - each element is read through *b* before it is written through *a*, in the same iteration of all loops that the two
//!   statements share; a kernel that reads and writes it in one call does so in place;
//! - no two threads meet in an element, taking both parameters for one.
//!
//! Any other two arguments of which one is written have no element in common.

use std::collections::HashMap;

use convoke_runtime::network::MAX_STEP_ARGS;

use super::access::{Access, Relation};
use super::bounds::in_place;
use super::fault::{Fault, FaultKind, Path, Site};
use super::race::race;
use super::summary::Summary;
use crate::lir::{Arg, Buffer, Param, Place, Program, Step, Stmt};

/// The place of a step.
pub(super) fn site(index: usize, step: &Step) -> Site {
    Site::Step(index, step.name.clone())
}

/// Checks all steps.
pub(super) fn check(program: &Program, summaries: &[Option<Summary<'_>>], faults: &mut Vec<Fault>) {
    let mut shared = HashMap::new();
    for (index, step) in program.steps.iter().enumerate() {
        let mut fault = |kind| faults.push(Fault { site: site(index, step), kind });
        let Some(function) = program.functions.get(step.function as usize) else {
            fault(FaultKind::NoSuchFunction { index: step.function, count: program.functions.len() });
            continue;
        };
        let summary = &summaries[step.function as usize];
        if step.args.len() != function.params.len() {
            let (callee, expected, found) = (function.name.clone(), function.params.len(), step.args.len());
            fault(FaultKind::OperandCount { callee, expected, found });
        }
        if step.args.len() > MAX_STEP_ARGS {
            fault(FaultKind::TooManyArgs { found: step.args.len(), max: MAX_STEP_ARGS });
        }
        if step.threads == 0 {
            fault(FaultKind::NoThread);
        }
        if step.threads > 1 && summary.as_ref().is_some_and(|summary| !summary.parallel) {
            fault(FaultKind::NothingParallel { threads: step.threads, function: function.name.clone() });
        }
        let args: Vec<_> = function
            .params
            .iter()
            .zip(&step.args)
            .map(|(param, arg)| argument(program, param, *arg, &mut fault))
            .collect();
        for (i, a) in args.iter().enumerate() {
            for (j, b) in args.iter().enumerate() {
                let (Some(a), Some(b)) = (a, b) else { continue };
                // Each pair once, the written parameter first.
                let (x, y) = (&function.params[i], &function.params[j]);
                if i == j || !x.written || (y.written && j < i) || !a.meets(b) {
                    continue;
                }
                let reason = if y.written {
                    Some("both are written".to_owned())
                } else if a != b {
                    Some("not the same range".to_owned())
                } else if let Some(summary) = summary {
                    shared.entry((step.function, i, j)).or_insert_with(|| out_of_place(summary, i, j)).clone()
                } else {
                    None
                };
                if let Some(reason) = reason {
                    fault(FaultKind::Alias { a: x.name.clone(), b: y.name.clone(), reason });
                }
            }
        }
    }
}

/// A range of elements of a space.
#[derive(Clone, Copy, PartialEq)]
struct Range {
    space: (u8, u16),
    start: usize,
    len: usize,
}

impl Range {
    fn meets(&self, other: &Self) -> bool {
        let before = |a: &Self, b: &Self| a.start + a.len <= b.start;
        self.space == other.space && self.len > 0 && other.len > 0 && !before(self, other) && !before(other, self)
    }
}

/// Checks one argument; its range, if it lies in its buffer and the buffer in its space.
fn argument(program: &Program, param: &Param, arg: Arg, fault: &mut impl FnMut(FaultKind)) -> Option<Range> {
    let Some(buffer) = program.buffers.get(arg.buffer.0 as usize) else {
        fault(FaultKind::NoSuchBuffer { index: arg.buffer.0, count: program.buffers.len() });
        return None;
    };
    let kind = match buffer.place {
        Place::Input(_) => Some("an input"),
        Place::Weights { .. } => Some("a weight"),
        Place::Arena(_) | Place::Output(_) => None,
    };
    if let Some(kind) = kind.filter(|_| param.written) {
        fault(FaultKind::WritesConstant { buffer: buffer.name.clone(), kind });
    }
    if arg.offset.checked_add(param.len).is_none_or(|end| end > buffer.len) {
        fault(FaultKind::BeyondBuffer {
            param: param.name.clone(),
            buffer: buffer.name.clone(),
            offset: arg.offset,
            len: param.len,
            buffer_len: buffer.len,
        });
        return None;
    }
    range(buffer, arg.offset, param.len)
}

fn range(buffer: &Buffer, offset: usize, len: usize) -> Option<Range> {
    let (space, start) = match buffer.place {
        Place::Arena(start) => ((0, 0), start),
        Place::Weights { offset, .. } => ((1, 0), offset),
        Place::Input(index) => ((2, index), 0),
        Place::Output(index) => ((3, index), 0),
    };
    let start = start.checked_add(offset)?;
    start.checked_add(len)?;
    Some(Range { space, start, len })
}

/// Why the written parameter `a` and the parameter `b` cannot be the same range, if they cannot.
pub(super) fn out_of_place(summary: &Summary<'_>, a: usize, b: usize) -> Option<String> {
    let of = |param: usize| summary.accesses.iter().filter(move |access| access.address.param.0 as usize == param);
    for write in of(a).filter(|access| access.write) {
        for read in of(b) {
            if let Some(reason) = overwritten(write, read).or_else(|| race(write, read).map(|_| "threads meet in them"))
            {
                return Some(format!("{reason}: statement {} reads, {} writes", Path(&read.path), Path(&write.path)));
            }
        }
    }
    None
}

/// Why `read`, of the same range, may see what `write` writes, if it may.
fn overwritten(write: &Access<'_>, read: &Access<'_>) -> Option<&'static str> {
    let common = write.common_loops(read);
    if (0..common).any(|depth| write.meets(read, Relation::Differ(depth, depth)).is_some()) {
        return Some("other iterations read what one writes");
    }
    let in_order = if write.path == read.path {
        matches!(write.stmt, Stmt::Call { params, .. } if in_place(params, write, read))
    } else {
        read.path < write.path
    };
    let meets = || write.meets(read, Relation::Same(common)).is_some();
    (!in_order && meets()).then_some("elements are read after they are written")
}
