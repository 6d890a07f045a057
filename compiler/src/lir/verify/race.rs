//! Iterations of parallel loops keep off each other's elements.
//!
//! Every thread runs all of a function and its share of each parallel loop, and nothing makes it wait within the
//! function. Two accesses to one parameter, of which at least one writes, may therefore be to the same element only if
//! one thread makes both:
//!
//! - in one parallel loop, or in two of equal extent (of which a thread has the same share): in the same iteration;
//! - in two parallel loops of different extent: never;
//! - within a parallel loop and outside of any: never. Outside, nothing is written at all where the function has a
//!   parallel loop.
//!
//! Serial loops around or within a parallel loop run freely on both sides, since threads go through them at their own
//! pace. So an iteration may use its elements as often as it likes, and no two may share any.

use super::access::{Access, Relation};
use super::fault::{Fault, FaultKind, Meeting};
use crate::lir::Function;

/// Checks all pairs of accesses to one parameter.
pub(super) fn check(function: &Function, accesses: &[Access<'_>], faults: &mut Vec<Fault>) {
    if accesses.iter().all(|access| access.parallel().is_none()) {
        return;
    }
    for access in accesses.iter().filter(|access| access.write && access.parallel().is_none()) {
        faults.push(Fault { site: access.site(function), kind: FaultKind::WriteOutsideParallel });
    }
    for index in 0..function.params.len() {
        let of_param: Vec<_> = accesses.iter().filter(|access| access.address.param.0 as usize == index).collect();
        for (i, a) in of_param.iter().enumerate() {
            for b in &of_param[i..] {
                if let Some(meeting) = race(a, b) {
                    let (at, other) = if a.write { (a, b) } else { (b, a) };
                    let param = function.params[index].name.clone();
                    let kind = FaultKind::Race { param, other: other.path.clone(), meeting };
                    let fault = Fault { site: at.site(function), kind };
                    // A store to a row that is chosen at run time is two accesses.
                    if faults.last() != Some(&fault) {
                        faults.push(fault);
                    }
                }
            }
        }
    }
}

/// How two threads can meet in one element, of what is taken for one parameter, when at least one of them writes it.
pub(super) fn race(a: &Access<'_>, b: &Access<'_>) -> Option<Meeting> {
    if !a.write && !b.write {
        return None;
    }
    match (a.parallel(), b.parallel()) {
        // One thread runs the only iteration of both.
        (Some(i), Some(j)) if a.nest[i].extent == 1 && b.nest[j].extent == 1 => None,
        (Some(i), Some(j)) if a.nest[i].extent == b.nest[j].extent => a.meets(b, Relation::Differ(i, j)),
        (Some(_), Some(_)) => a.meets(b, Relation::Any),
        // A write outside is a fault by itself; a read outside meets what is written in parallel.
        (Some(_), None) if a.write => a.meets(b, Relation::Any),
        (None, Some(_)) if b.write => a.meets(b, Relation::Any),
        (Some(_), None) | (None, Some(_)) | (None, None) => None,
    }
}
