//! The verifier's verdicts on random functions against running all their iterations.
//!
//! Races, needs and reuse in place are decided by arithmetic on lattices; here each access of each iteration is listed
//! instead.

use std::collections::{HashMap, HashSet};

use proptest::collection::vec;
use proptest::prelude::*;

use crate::lir::verify::access::{Access, collect};
use crate::lir::verify::{FaultKind, step, summary};
use crate::lir::{Address, Affine, Expr, Function, LoopVar, Param, ParamId, Reg, Stmt};

/// Elements of each parameter; the middle is where indices begin, so that all are in bounds.
const LEN: usize = 400;

/// A statement to be: a loop of an extent, parallel or not, or an access of so many lanes.
#[derive(Clone, Debug)]
enum Shape {
    Loop { extent: u32, parallel: bool, body: Vec<Shape> },
    Access { param: u32, write: bool, wide: bool, base: i64, strides: Vec<i64> },
}

fn shape() -> impl Strategy<Value = Shape> {
    let stride = prop_oneof![Just(0_i64), Just(1), Just(2), Just(3), Just(4), Just(6), Just(8), Just(12), -4_i64..0];
    let access = (0_u32..2, any::<bool>(), any::<bool>(), 0_i64..12, vec(stride, 4))
        .prop_map(|(param, write, wide, base, strides)| Shape::Access { param, write, wide, base, strides });
    access.prop_recursive(3, 6, 3, |inner| {
        (1_u32..5, any::<bool>(), vec(inner, 1..4)).prop_map(|(extent, parallel, body)| Shape::Loop {
            extent,
            parallel,
            body,
        })
    })
}

/// The function of these shapes; loops within parallel ones are serial.
fn function(shapes: &[Shape]) -> Function {
    fn statements(shapes: &[Shape], vars: &[LoopVar], inside: bool, loops: &mut u32) -> Vec<Stmt> {
        let statement = |shape: &Shape| match shape {
            Shape::Loop { extent, parallel, body } => {
                let var = LoopVar(*loops);
                *loops += 1;
                let parallel = *parallel && !inside;
                let body = statements(body, &[vars, &[var]].concat(), inside || parallel, loops);
                Stmt::For { var, extent: *extent, parallel, body }
            }
            Shape::Access { param, write, wide, base, strides } => {
                let (set, loaded) = if *wide { (Reg(1), Reg(3)) } else { (Reg(0), Reg(2)) };
                let terms = vars.iter().copied().zip(strides.iter().copied()).collect();
                let address =
                    Address { param: ParamId(*param), index: Affine { base: base + LEN as i64 / 2, terms }, row: None };
                if *write {
                    Stmt::Store { to: address, from: set }
                } else {
                    Stmt::Set { reg: loaded, value: Expr::Load(address) }
                }
            }
        };
        shapes.iter().map(statement).collect()
    }
    let mut loops = 0;
    let set = |reg| Stmt::Set { reg: Reg(reg), value: Expr::Const(0.0) };
    let mut body = vec![set(0), set(1)];
    body.extend(statements(shapes, &[], false, &mut loops));
    let param = |name: &str| Param { name: name.to_owned(), len: LEN, written: true };
    Function { name: "f".to_owned(), params: vec![param("a"), param("b")], registers: vec![1, 2, 1, 2], loops, body }
}

/// One access of one iteration.
#[derive(Debug)]
struct Event<'f> {
    access: &'f Access<'f>,
    elements: Vec<usize>,
    /// The extent of the parallel loop and which of its iterations: those of one class have one thread for sure.
    class: Option<(u32, u32)>,
}

/// All accesses in the order in which one thread makes them.
fn run<'f>(body: &[Stmt], accesses: &'f [Access<'f>]) -> Vec<Event<'f>> {
    fn walk<'f>(
        body: &[Stmt],
        path: &mut Vec<usize>,
        at: &mut HashMap<LoopVar, u32>,
        class: Option<(u32, u32)>,
        accesses: &'f [Access<'f>],
        events: &mut Vec<Event<'f>>,
    ) {
        for (i, stmt) in body.iter().enumerate() {
            path.push(i);
            if let Stmt::For { var, extent, parallel, body } = stmt {
                for k in 0..*extent {
                    at.insert(*var, k);
                    let class = if *parallel { Some((*extent, k)) } else { class };
                    walk(body, path, at, class, accesses, events);
                }
            }
            if let Some(access) = accesses.iter().find(|access| access.path == *path) {
                let index = &access.address.index;
                let offset: i64 = index.terms.iter().map(|(var, stride)| stride * i64::from(at[var])).sum();
                let first = (index.base + offset) as usize;
                let elements = (first..first + access.dims[0].0 as usize).collect();
                events.push(Event { access, elements, class });
            }
            path.pop();
        }
    }
    let mut events = Vec::new();
    walk(body, &mut Vec::new(), &mut HashMap::new(), None, accesses, &mut events);
    events
}

/// Whether two threads can meet: in an element that at least one of them writes, given that threads divide each
/// parallel loop and all run what is outside.
fn races(events: &[Event<'_>], param: impl Fn(u32) -> u32) -> bool {
    if events.iter().all(|event| event.class.is_none()) {
        return false;
    }
    let touching = |a: &Event<'_>, b: &Event<'_>| {
        param(a.access.address.param.0) == param(b.access.address.param.0)
            && a.elements.iter().any(|element| b.elements.contains(element))
    };
    events.iter().enumerate().any(|(i, a)| {
        (a.access.write && a.class.is_none())
            || events[..i].iter().any(|b| {
                let one_thread = a.class.is_some() && a.class == b.class;
                let only_reads = !a.access.write && !b.access.write;
                !one_thread && !only_reads && (a.class.is_some() || b.class.is_some()) && touching(a, b)
            })
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn races_are_found_and_only_races(shapes in vec(shape(), 1..4)) {
        let function = function(&shapes);
        let accesses = collect(&function);
        let expected = races(&run(&function.body, &accesses), |param| param);
        let mut faults = Vec::new();
        crate::lir::verify::race::check(&function, &accesses, &mut faults);
        // Loops of equal extent and unequal strides are told apart by no distance; there it may find what is none.
        let exact = accesses.iter().all(|a| accesses.iter().all(|b| match (a.parallel(), b.parallel()) {
            (Some(i), Some(j)) => a.stride(a.nest[i].var) == b.stride(b.nest[j].var),
            _ => true,
        }));
        prop_assert!(!faults.is_empty() || !expected, "missed a race of\n{}", function);
        prop_assert!(faults.is_empty() || expected || !exact, "{:?} in\n{}", faults, function);
    }

    #[test]
    fn needs_cover_what_is_read_unwritten(shapes in vec(shape(), 1..4)) {
        let function = function(&shapes);
        let program = super::program(vec![function.clone()]);
        let mut faults = Vec::new();
        let Some(summary) = summary::summarize(&program, &function, &mut faults) else {
            let race = |kind: &FaultKind| matches!(kind, FaultKind::Race { .. } | FaultKind::WriteOutsideParallel);
            prop_assert!(faults.iter().all(|fault| race(&fault.kind)), "{:?}", faults);
            return Ok(());
        };
        let mut written = HashSet::new();
        for event in run(&function.body, &summary.accesses) {
            let param = event.access.address.param.0;
            for &element in &event.elements {
                if event.access.write {
                    written.insert((param, element as i64));
                } else if !written.contains(&(param, element as i64)) {
                    let needs = &summary.needs[param as usize];
                    prop_assert!(needs.iter().any(|(low, high)| (low..high).contains(&(element as i64))),
                        "{} of {} in\n{}", element, param, function);
                }
            }
        }
        for (param, gives) in summary.gives.iter().enumerate() {
            let given: HashSet<_> = gives.iter().flat_map(|(low, high)| low..high).collect();
            let expected: HashSet<_> = written.iter().filter(|(p, _)| *p as usize == param).map(|(_, e)| *e).collect();
            prop_assert_eq!(given, expected);
        }
    }

    #[test]
    fn what_is_shared_in_place_is_read_before_it_is_written(shapes in vec(shape(), 1..4)) {
        let mut function = function(&shapes);
        read_only(&mut function.body);
        function.params[1].written = false;
        let program = super::program(vec![function.clone()]);
        let Some(summary) = summary::summarize(&program, &function, &mut Vec::new()) else { return Ok(()) };
        let accepted = step::out_of_place(&summary, 0, 1).is_none();
        let events = run(&function.body, &summary.accesses);
        let late = events.iter().enumerate().any(|(i, read)| {
            read.access.address.param.0 == 1
                && events[..i].iter().any(|write| write.access.write && write.elements.iter().any(|e| read.elements.contains(e)))
        });
        prop_assert!(!accepted || !late, "read after it is written in\n{}", function);
        prop_assert!(!accepted || !races(&events, |_| 0), "threads meet in\n{}", function);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn hostile_numbers_do_not_overflow(
        shapes in vec(shape(), 1..4),
        numbers in vec(hostile(), 40),
        len in prop::sample::select(vec![1, 1 << 40, i64::MAX as usize, usize::MAX]),
    ) {
        let mut function = function(&shapes);
        renumber(&mut function.body, &mut numbers.into_iter());
        for param in &mut function.params {
            param.len = len;
        }
        // In bounds or not, all that asks for elements.
        let accesses = collect(&function);
        for access in &accesses {
            let (low, high) = access.region(0).range();
            prop_assert!(low <= high);
            let _ = access.region(0).intervals(1 << 10);
        }
        crate::lir::verify::race::check(&function, &accesses, &mut Vec::new());
        let program = super::program(vec![function.clone()]);
        if let Some(summary) = summary::summarize(&program, &function, &mut Vec::new()) {
            let _ = step::out_of_place(&summary, 0, 1);
        }
    }
}

/// Any number, often an extreme one.
fn hostile() -> impl Strategy<Value = i64> {
    prop_oneof![any::<i64>(), prop::sample::select(vec![i64::MIN, i64::MAX, 1 << 32, -1, 0, 1]), 0_i64..100]
}

/// Sets every number of the statements.
fn renumber(body: &mut [Stmt], numbers: &mut impl Iterator<Item = i64>) {
    fn next(numbers: &mut impl Iterator<Item = i64>) -> i64 {
        numbers.next().unwrap_or_default()
    }
    for stmt in body {
        match stmt {
            Stmt::For { extent, body, .. } => {
                *extent = (next(numbers) as u32).max(1);
                renumber(body, numbers);
            }
            Stmt::Store { to: address, .. } | Stmt::Set { value: Expr::Load(address), .. } => {
                address.index.base = next(numbers);
                address.index.terms.iter_mut().for_each(|(_, stride)| *stride = next(numbers));
            }
            Stmt::Set { .. } | Stmt::Call { .. } => {}
        }
    }
}

/// Makes the second parameter one that is only read.
fn read_only(body: &mut [Stmt]) {
    for stmt in body {
        match stmt {
            Stmt::For { body, .. } => read_only(body),
            Stmt::Store { to, .. } => to.param = ParamId(0),
            Stmt::Set { .. } | Stmt::Call { .. } => {}
        }
    }
}
