//! What a function needs and gives, for the checks of the steps that run it.
//!
//! A read of a parameter that the function writes too needs nothing from outside where earlier statements have written
//! its elements. Those count which stand before it
//!
//! - in the same iteration of all loops that both share, and then the elements of that iteration are compared; or
//! - outside of all loops around it, and then all of its elements are compared.
//!
//! A read that some of one kind and some of the other would have to cover together counts as needing all it touches.

use super::access::{Access, collect};
use super::fault::{Fault, FaultKind, Site};
use super::region::{Intervals, MAX_INTERVALS};
use super::{bounds, function, race};
use crate::lir::{Function, Program};

/// A function without faults of its own.
pub(super) struct Summary<'f> {
    /// The accesses of its statements.
    pub(super) accesses: Vec<Access<'f>>,
    /// For each parameter, the elements that must have been written before.
    pub(super) needs: Vec<Intervals>,
    /// For each parameter, the elements that it writes.
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
    let mut touched = Vec::with_capacity(accesses.len());
    for access in &accesses {
        match access.region(0).intervals() {
            Some(intervals) => touched.push(intervals),
            None => {
                let operand = function.operand(access.address).to_string();
                let kind = FaultKind::Fragmented { operand, max: MAX_INTERVALS };
                faults.push(Fault { site: access.site(function), kind });
            }
        }
    }
    if faults.len() > before {
        return None;
    }
    let mut needs = vec![Intervals::default(); function.params.len()];
    let mut gives = needs.clone();
    for (index, access) in accesses.iter().enumerate() {
        let param = access.address.param.0 as usize;
        if access.write {
            gives[param].add(&touched[index]);
        } else {
            needs[param].add(&needed(&accesses, &touched, index));
        }
    }
    Some(Summary { accesses, needs, gives, parallel })
}

/// What the read with this index needs from outside.
fn needed(accesses: &[Access<'_>], touched: &[Intervals], index: usize) -> Intervals {
    let read = &accesses[index];
    let earlier = || {
        accesses
            .iter()
            .zip(touched)
            .filter(|(write, _)| write.write && write.address.param == read.address.param && write.path < read.path)
    };
    for depth in (1..=read.nest.len()).rev() {
        let mut here = Intervals::default();
        for (write, _) in earlier().filter(|(write, _)| write.common_loops(read) == depth) {
            let alike = read.nest[..depth].iter().all(|l| read.stride(l.var) == write.stride(l.var));
            // Fewer loops run than in `touched`, which has been taken apart into intervals before; but what is left
            // may be in more pieces.
            if let (true, Some(written)) = (alike, write.region(depth).intervals()) {
                here.add(&written);
            }
        }
        if !here.is_empty() && read.region(depth).intervals().is_some_and(|read| read.without(&here).is_empty()) {
            return Intervals::default();
        }
    }
    let mut outside = Intervals::default();
    for (_, written) in earlier().filter(|(write, _)| write.common_loops(read) == 0) {
        outside.add(written);
    }
    touched[index].without(&outside)
}

/// The place of a function as a whole.
pub(super) fn site(function: &Function) -> Site {
    Site::Function(function.name.clone())
}
