//! Names are unique, and buffers lie where they may.

use std::collections::{HashMap, HashSet};

use convoke_runtime::network::ValueInfo;

use super::fault::{Fault, FaultKind, Site};
use super::{ALIGN, summary, weights};
use crate::lir::{Buffer, Place, Program};

/// Checks everything outside of function bodies and steps.
pub(super) fn check(program: &Program, faults: &mut Vec<Fault>) {
    for (what, values) in [("input", &program.inputs), ("output", &program.outputs), ("parameter", &program.parameters)]
    {
        let mut names = HashSet::new();
        for value in values {
            let site = || Site::Value(what, value.name.to_string());
            if !names.insert(&value.name) {
                faults.push(Fault { site: site(), kind: FaultKind::DuplicateName { what } });
            }
            if elements(value).is_none() {
                let kind = FaultKind::ShapeTooLarge { shape: value.shape.to_vec() };
                faults.push(Fault { site: site(), kind });
            }
        }
    }
    buffers(program, faults);
    functions(program, faults);
}

/// The number of elements of a value; `None` where it is too large.
pub(super) fn elements(value: &ValueInfo) -> Option<usize> {
    value.shape.iter().try_fold(1_usize, |product, &dim| product.checked_mul(dim))
}

fn buffers(program: &Program, faults: &mut Vec<Fault>) {
    let mut names = HashSet::new();
    let mut holders: HashMap<(&str, u16), &str> = HashMap::new();
    let mut weights: Vec<(usize, usize, &Buffer)> = Vec::new();
    for buffer in &program.buffers {
        let mut fault = |kind| faults.push(Fault { site: Site::Buffer(buffer.name.clone()), kind });
        if !names.insert(&buffer.name) {
            fault(FaultKind::DuplicateName { what: "buffer" });
        }
        let mut value = |kind, index: u16, values: &[ValueInfo]| {
            let Some(value) = values.get(usize::from(index)) else {
                return fault(FaultKind::NoSuchValue { kind, index, count: values.len() });
            };
            if let Some(expected) = elements(value).filter(|&expected| expected != buffer.len) {
                fault(FaultKind::BufferLen { expected, found: buffer.len });
            }
            if let Some(other) = holders.insert((kind, index), &buffer.name) {
                fault(FaultKind::SecondBuffer { kind, other: other.to_owned() });
            }
        };
        match &buffer.place {
            Place::Input(index) => value("input", *index, &program.inputs),
            Place::Output(index) => value("output", *index, &program.outputs),
            Place::Arena(offset) => {
                in_space(buffer, "arena", *offset, program.arena_len, &mut fault);
            }
            Place::Weights { offset, expression } => {
                if in_space(buffer, "weights", *offset, program.weights_len, &mut fault) {
                    weights.push((*offset, *offset + buffer.len, buffer));
                }
                weights::check(program, expression, buffer.len, &mut fault);
            }
        }
    }
    weights.sort_by_key(|&(start, end, _)| (start, end));
    // Against the buffer that reaches farthest so far, not just the one before.
    let mut farthest: Option<(usize, &Buffer)> = None;
    for (start, end, buffer) in weights.into_iter().filter(|(start, end, _)| start < end) {
        if let Some((reach, other)) = farthest
            && start < reach
        {
            let kind = FaultKind::WeightsOverlap { other: other.name.clone() };
            faults.push(Fault { site: Site::Buffer(buffer.name.clone()), kind });
        }
        if farthest.is_none_or(|(reach, _)| end > reach) {
            farthest = Some((end, buffer));
        }
    }
    for (index, output) in (0..).zip(&program.outputs) {
        if !holders.contains_key(&("output", index)) {
            let site = Site::Value("output", output.name.to_string());
            faults.push(Fault { site, kind: FaultKind::OutputWithoutBuffer });
        }
    }
}

/// Checks that a buffer begins on a cache line of its space and ends within it; whether it ends within it.
fn in_space(
    buffer: &Buffer,
    space: &'static str,
    offset: usize,
    space_len: usize,
    fault: &mut impl FnMut(FaultKind),
) -> bool {
    if !offset.is_multiple_of(ALIGN) {
        fault(FaultKind::Misaligned { offset, align: ALIGN });
    }
    let inside = offset.checked_add(buffer.len).is_some_and(|end| end <= space_len && i64::try_from(end).is_ok());
    if !inside {
        fault(FaultKind::BeyondSpace { space, offset, len: buffer.len, space_len });
    }
    inside
}

fn functions(program: &Program, faults: &mut Vec<Fault>) {
    let mut names = HashSet::new();
    for function in &program.functions {
        let mut fault = |kind| faults.push(Fault { site: summary::site(function), kind });
        if !names.insert(&function.name) {
            fault(FaultKind::DuplicateName { what: "function" });
        }
        let mut params = HashSet::new();
        for param in &function.params {
            if !params.insert(&param.name) {
                fault(FaultKind::DuplicateName { what: "parameter" });
            }
        }
        for name in std::iter::once(&function.name).chain(function.params.iter().map(|param| &param.name)) {
            if !is_identifier(name) {
                fault(FaultKind::NotIdentifier { name: name.clone() });
            }
        }
    }
}

fn is_identifier(name: &str) -> bool {
    let mut chars = name.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    first && chars.all(|c| c.is_ascii_alphanumeric() || c == '_') && name != "_"
}
