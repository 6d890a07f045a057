//! What a function needs and gives, for the checks of the steps that run it.
//!
//! A read of a parameter that the function writes too needs nothing from outside where earlier statements have written
//! its elements: those that stand before it
//!
//! - in the same iteration of all loops that both share, where together they write all that this iteration reads; or
//! - outside of all loops around it, each element of theirs.

use super::access::{Access, collect};
use super::fault::{Fault, FaultKind, Site};
use super::region::{Intervals, MAX_INTERVALS, joined};
use super::{bounds, function, race};
use crate::lir::{Function, Program};

/// A function without faults of its own.
pub(super) struct Summary<'f> {
    /// The accesses of its statements.
    pub(super) accesses: Vec<Access<'f>>,
    /// For each parameter, the elements that must have been written before.
    pub(super) needs: Vec<Intervals>,
    /// For each parameter, the elements that it writes, whatever it finds at run time.
    pub(super) gives: Vec<Intervals>,
    /// Whether it has a parallel loop.
    pub(super) parallel: bool,
}

/// Verifies a function; `None` where it has faults.
pub(super) fn summarize<'f>(program: &Program, function: &'f Function, faults: &mut Vec<Fault>) -> Option<Summary<'f>> {
    let before = faults.len();
    let parallel = function::check(program, function, faults);
    if faults.len() > before {
        return None;
    }
    let accesses = collect(function);
    bounds::check(function, &accesses, faults);
    race::check(function, &accesses, faults);
    if faults.len() > before {
        return None;
    }
    let mut needs = vec![Intervals::default(); function.params.len()];
    let mut gives = needs.clone();
    let mut left = MAX_INTERVALS;
    let mut intervals = |accesses: &[&Access<'_>]| {
        let regions: Vec<_> = accesses.iter().map(|access| access.region(0)).collect();
        let mut all = Intervals::default();
        for (index, region) in joined(&regions) {
            match region.intervals(left) {
                Some(intervals) => {
                    left -= intervals.len();
                    all.add(&intervals);
                }
                None => {
                    let operand = function.operand(accesses[index].address).to_string();
                    let kind = FaultKind::Fragmented { operand, max: MAX_INTERVALS };
                    faults.push(Fault { site: accesses[index].site(function), kind });
                }
            }
        }
        all
    };
    for group in accesses.chunk_by(|a, b| a.path[0] == b.path[0]) {
        let of = |param: usize, wanted: &dyn Fn(&Access<'_>) -> bool| -> Vec<&Access<'_>> {
            group.iter().filter(|access| access.address.param.0 as usize == param && wanted(access)).collect()
        };
        for param in 0..function.params.len() {
            let reads = of(param, &|access| !access.write && !settled_within(access, group));
            needs[param].add(&intervals(&reads).without(&gives[param]));
            let writes = of(param, &|access| access.writes_all());
            gives[param].add(&intervals(&writes));
        }
    }
    (faults.len() == before).then_some(Summary { accesses, needs, gives, parallel })
}

/// Whether each iteration of some loops around `read` writes what it reads, in statements of this group that stand
/// before it. Everything in a group stands in one statement of the function's body.
fn settled_within(read: &Access<'_>, group: &[Access<'_>]) -> bool {
    let earlier = group
        .iter()
        .filter(|write| write.writes_all() && write.address.param == read.address.param && write.path < read.path);
    (1..=read.nest.len()).rev().any(|depth| {
        let mut here = Intervals::default();
        for write in earlier.clone().filter(|write| write.common_loops(read) == depth) {
            let alike = read.nest[..depth].iter().all(|l| read.stride(l.var) == write.stride(l.var));
            if let (true, Some(written)) = (alike, write.region(depth).intervals(MAX_INTERVALS)) {
                here.add(&written);
            }
        }
        let read = || read.region(depth).intervals(MAX_INTERVALS);
        !here.is_empty() && read().is_some_and(|read| read.without(&here).is_empty())
    })
}

/// The place of a function as a whole.
pub(super) fn site(function: &Function) -> Site {
    Site::Function(function.name.clone())
}
