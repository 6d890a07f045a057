//! Every access is in bounds, and every call writes each element once and reads what it writes in place only.

use convoke_runtime::kernels::{Access as Operand, Params, Role};

use super::access::{Access, Relation, dims};
use super::fault::{Fault, FaultKind};
use crate::lir::{Function, Stmt};

/// Checks each access by itself, and the operands of each call against its destination.
pub(super) fn check(function: &Function, accesses: &[Access<'_>], faults: &mut Vec<Fault>) {
    for access in accesses {
        let param = &function.params[access.address.param.0 as usize];
        let (low, high) = access.region(0).range();
        if low < 0 || high >= param.len as i128 {
            let operand = function.operand(access.address).to_string();
            let kind = FaultKind::OutOfBounds { operand, param: param.name.clone(), low, high, len: param.len };
            let fault = Fault { site: access.site(function), kind };
            // A store to a row that is chosen at run time is two accesses.
            if faults.last() != Some(&fault) {
                faults.push(fault);
            }
        }
        if access.write && !param.written {
            let kind = FaultKind::NotWritten { param: param.name.clone() };
            faults.push(Fault { site: access.site(function), kind });
        }
    }
    for call in accesses.chunk_by(|a, b| a.path == b.path) {
        if let Stmt::Call { params, .. } = call[0].stmt {
            check_call(function, params, call, faults);
        }
    }
}

fn check_call(function: &Function, params: &Params, call: &[Access<'_>], faults: &mut Vec<Fault>) {
    let operands = params.accesses();
    let mut fault = |access: &Access<'_>, kind| faults.push(Fault { site: access.site(function), kind });
    for access in call.iter().filter(|access| access.write) {
        if overlaps_itself(&operands[access.operand]) {
            fault(access, FaultKind::OverlapsItself { operand: operands[access.operand].name });
        }
        let others = call.iter().filter(|other| !other.write && other.operand != access.operand);
        for other in others.filter(|other| other.address.param == access.address.param) {
            if !in_place(params, access, other) && access.meets(other, Relation::Same(access.nest.len())).is_some() {
                fault(access, FaultKind::OverlapsDestination { operand: operands[other.operand].name });
            }
        }
    }
}

/// Whether a call that writes through `written` and reads through `read` reads each element before it writes it, given
/// that both are operands of one parameter.
pub(super) fn in_place(params: &Params, written: &Access<'_>, read: &Access<'_>) -> bool {
    params.in_place(read.operand) && written.same_elements(read)
}

/// Whether a call writes an element of this operand more than once: no, where each stride is longer than all smaller
/// dimensions together.
fn overlaps_itself(operand: &Operand) -> bool {
    let mut dims: Vec<_> = dims(operand).into_iter().filter(|&(count, _)| count > 1).collect();
    dims.sort_unstable_by_key(|&(_, stride)| stride);
    let mut reach = 0;
    operand.role == Role::Write
        && dims.into_iter().any(|(count, stride)| {
            let overlaps = stride <= reach;
            reach += stride * i128::from(count - 1);
            overlaps
        })
}
