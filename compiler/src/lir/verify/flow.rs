//! Every element that a step reads was written before, through the same buffer, and not overwritten through another one
//! that shares its place; every element of an output is written at last.
//!
//! Control flow is constant, so that what a step writes is known exactly ([`Summary::gives`]).

use std::collections::HashMap;

use super::fault::{Fault, FaultKind, Site};
use super::step;
use super::summary::Summary;
use crate::lir::{BufferId, Place, Program};

/// Who has written an element last.
#[derive(Clone, Copy, PartialEq)]
struct Writer {
    buffer: BufferId,
    step: usize,
}

/// The elements of a space that have been written: sorted, disjoint intervals with their writers.
#[derive(Default)]
struct Space(Vec<(i64, i64, Writer)>);

impl Space {
    /// Makes `writer` the writer of intervals, which are sorted and disjoint.
    fn write(&mut self, intervals: &[(i64, i64)], writer: Writer) {
        let (Some(&(low, _)), Some(&(_, high))) = (intervals.first(), intervals.last()) else { return };
        let affected =
            self.0.partition_point(|&(_, end, _)| end <= low)..self.0.partition_point(|&(start, ..)| start < high);
        let mut pieces = Vec::with_capacity(affected.len() + intervals.len());
        let mut later = intervals;
        for &(mut start, end, former) in &self.0[affected.clone()] {
            later = &later[later.partition_point(|&(_, until)| until <= start)..];
            for &(from, until) in later.iter().take_while(|&&(from, _)| from < end) {
                if start < from {
                    pieces.push((start, from, former));
                }
                start = until;
            }
            if start < end {
                pieces.push((start, end, former));
            }
        }
        pieces.extend(intervals.iter().map(|&(start, end)| (start, end, writer)));
        pieces.sort_by_key(|&(start, ..)| start);
        self.0.splice(affected, pieces);
    }

    /// The first element of `start..end` that was not written last through `buffer`, and by whom it was.
    fn foreign(&self, start: i64, end: i64, buffer: BufferId) -> Option<(i64, Option<Writer>)> {
        let first = self.0.partition_point(|&(_, until, _)| until <= start);
        let mut at = start;
        for &(from, until, writer) in &self.0[first..] {
            if at >= end || at < from {
                break;
            }
            if writer.buffer != buffer {
                return Some((at, Some(writer)));
            }
            at = until;
        }
        (at < end).then_some((at, None))
    }
}

/// Where a buffer lies, if steps write there: a key of its space and its first element.
fn written_place(place: &Place) -> Option<(Option<u16>, i64)> {
    match place {
        Place::Arena(start) => Some((None, *start as i64)),
        Place::Output(index) => Some((Some(*index), 0)),
        Place::Weights { .. } | Place::Input(_) => None,
    }
}

/// Follows all steps of a program that has no other faults.
pub(super) fn check(program: &Program, summaries: &[Summary<'_>], faults: &mut Vec<Fault>) {
    let mut spaces: HashMap<Option<u16>, Space> = HashMap::new();
    for (index, step) in program.steps.iter().enumerate() {
        let function = &program.functions[step.function as usize];
        let summary = &summaries[step.function as usize];
        let places = || {
            step.args.iter().enumerate().filter_map(|(param, arg)| {
                let (space, start) = written_place(&program.buffers[arg.buffer.0 as usize].place)?;
                Some((param, arg.buffer, space, start, start + arg.offset as i64))
            })
        };
        for (param, buffer, space, buffer_start, start) in places() {
            let space = spaces.entry(space).or_default();
            let needs = &summary.needs[param];
            let foreign = |(low, high)| space.foreign(start + low, start + high, buffer);
            // Mostly what lies between them has been written too, and one look is enough.
            let Some((element, by)) = needs.hull().and_then(foreign).and_then(|_| needs.iter().find_map(foreign))
            else {
                continue;
            };
            let name = |id: BufferId| program.buffers[id.0 as usize].name.clone();
            let kind = FaultKind::Unwritten {
                param: function.params[param].name.clone(),
                buffer: name(buffer),
                element: (element - buffer_start) as u64,
                by: by.map(|writer| (name(writer.buffer), writer.step)),
            };
            faults.push(Fault { site: step::site(index, step), kind });
        }
        for (param, buffer, space, _, start) in places() {
            let space = spaces.entry(space).or_default();
            let gives: Vec<_> = summary.gives[param].iter().map(|(low, high)| (start + low, start + high)).collect();
            space.write(&gives, Writer { buffer, step: index });
        }
    }
    for (index, buffer) in program.buffers.iter().enumerate() {
        if let Place::Output(output) = buffer.place {
            let space = spaces.entry(Some(output)).or_default();
            if let Some((element, _)) = space.foreign(0, buffer.len as i64, BufferId(index as u32)) {
                let site = Site::Value("output", program.outputs[output as usize].name.to_string());
                faults.push(Fault { site, kind: FaultKind::OutputUnwritten { element: element as u64 } });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    proptest! {
        /// Intervals of three writers against an array of elements.
        #[test]
        fn every_element_has_its_last_writer(writes in vec(vec((1_i64..4, 1_i64..6), 1..5), 1..8), buffer in 0_u32..3) {
            let mut space = Space::default();
            let mut elements: Vec<Option<usize>> = vec![None; 60];
            for (step, gaps) in writes.iter().enumerate() {
                let mut at = step as i64 % 4;
                let interval = |&(gap, len): &(i64, i64)| {
                    let start = at + gap;
                    at = start + len;
                    (start, at)
                };
                let intervals: Vec<_> = gaps.iter().map(interval).collect();
                space.write(&intervals, Writer { buffer: BufferId(step as u32 % 3), step });
                for &(start, end) in &intervals {
                    elements[start as usize..end as usize].fill(Some(step));
                }
            }
            for start in 0..60 {
                let foreign = |&at: &usize| elements[at].is_none_or(|step| step as u32 % 3 != buffer);
                let expected = (start..60).find(foreign).map(|at| (at as i64, elements[at]));
                let found = space.foreign(start as i64, 60, BufferId(buffer));
                prop_assert_eq!(found.map(|(at, writer)| (at, writer.map(|writer| writer.step))), expected);
            }
            prop_assert!(space.0.is_sorted_by(|a, b| a.1 <= b.0) && space.0.iter().all(|&(start, end, _)| start < end));
        }
    }
}
