//! Every element that a step reads was written before, through the same buffer, and not overwritten through another one
//! that shares its place; every element of an output is written at last.
//!
//! Control flow is constant, so that what a step writes is known exactly ([`Summary::gives`]).

use std::collections::{BTreeMap, HashMap};

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

/// The writers of a space's elements: disjoint intervals by first element.
#[derive(Default)]
struct Space(BTreeMap<i64, (i64, Writer)>);

impl Space {
    fn write(&mut self, start: i64, end: i64, writer: Writer) {
        self.split(start);
        self.split(end);
        let covered: Vec<_> = self.0.range(start..end).map(|(&start, _)| start).collect();
        for start in covered {
            self.0.remove(&start);
        }
        self.0.insert(start, (end, writer));
    }

    /// Makes `at` the border of two intervals where it is inside of one.
    fn split(&mut self, at: i64) {
        if let Some((_, interval)) = self.0.range_mut(..at).next_back()
            && interval.0 > at
        {
            let (end, writer) = *interval;
            interval.0 = at;
            self.0.insert(at, (end, writer));
        }
    }

    /// The first element of `start..end` that was not written last through `buffer`, and by whom it was.
    fn foreign(&self, start: i64, end: i64, buffer: BufferId) -> Option<(i64, Option<Writer>)> {
        let mut at = start;
        while at < end {
            match self.0.range(..=at).next_back() {
                Some((_, &(until, writer))) if until > at => {
                    if writer.buffer != buffer {
                        return Some((at, Some(writer)));
                    }
                    at = until;
                }
                Some(_) | None => return Some((at, None)),
            }
        }
        None
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
            let mut ranges = summary.needs[param].iter();
            let Some((element, by)) = ranges.find_map(|(low, high)| space.foreign(start + low, start + high, buffer))
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
            for (low, high) in summary.gives[param].iter() {
                space.write(start + low, start + high, Writer { buffer, step: index });
            }
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
