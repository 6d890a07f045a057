//! Faults that text cannot say, and proofs against enumeration. What text can say stands in `tests/filetests/lir`.

mod enumerate;

use convoke_runtime::kernels::{Fill, Params, Ukernel, ukernels};
use convoke_runtime::weights::WeightOp;

use super::{FaultKind, Meeting, verify};
use crate::lir::parse::MAX_DEPTH;
use crate::lir::{
    Affine, Arg, Binary, Buffer, BufferId, Function, FunctionBuilder, LoopVar, Param, ParamId, Place, Program, Reg,
    Step, Stmt,
};
use convoke_runtime::Isa;

/// A program of these functions, and nothing that runs them.
fn program(functions: Vec<Function>) -> Program {
    Program {
        name: "p".to_owned(),
        isa: Isa::Scalar,
        inputs: Vec::new(),
        outputs: Vec::new(),
        parameters: Vec::new(),
        buffers: Vec::new(),
        arena_len: 64,
        weights_len: 0,
        functions,
        steps: Vec::new(),
    }
}

/// The faults of a program, without their places.
fn faults(program: &Program) -> Vec<FaultKind> {
    verify(program).err().into_iter().flat_map(|faults| faults.0).map(|fault| fault.kind).collect()
}

fn function(build: impl FnOnce(&mut FunctionBuilder, ParamId)) -> Program {
    let mut f = FunctionBuilder::new("f");
    let dst = f.written("dst", 1 << 30);
    build(&mut f, dst);
    program(vec![f.finish()])
}

#[test]
fn indices_refer_to_something() {
    let wrong = function(|f, dst| {
        let value = f.constant(1, 0.0);
        f.store(ParamId(7).at(0), value);
        f.store(dst.at(0), Reg(9));
        f.set(Reg(9), crate::lir::Expr::Binary(Binary::Add, value, Reg(8)));
    });
    assert_eq!(
        faults(&wrong),
        [
            FaultKind::NoSuchParam { index: 7, count: 1 },
            FaultKind::NoSuchRegister { register: 9, count: 1 },
            FaultKind::NoSuchRegister { register: 9, count: 1 },
            FaultKind::NoSuchRegister { register: 8, count: 1 },
        ]
    );
    let mut wrong = function(|_, _| {});
    let step = |function, buffer| Step {
        name: String::new(),
        function,
        args: vec![Arg { buffer: BufferId(buffer), offset: 0 }],
        threads: 1,
    };
    wrong.steps = vec![step(1, 0), step(0, 3)];
    wrong.buffers = vec![Buffer {
        name: "w".to_owned(),
        len: 0,
        place: Place::Weights { offset: 0, expression: vec![WeightOp::Parameter(2)] },
    }];
    assert_eq!(
        faults(&wrong),
        [
            FaultKind::WeightOp {
                operation: 0,
                name: "parameter",
                reason: "parameter 2 does not exist: there are 0".to_owned()
            },
            FaultKind::NoSuchFunction { index: 1, count: 1 },
            FaultKind::NoSuchBuffer { index: 3, count: 1 },
        ]
    );
}

#[test]
fn names_are_unique_identifiers() {
    let mut wrong = program(Vec::new());
    for name in ["f", "f", "2", "a.b", "_", "é", ""] {
        let mut f = FunctionBuilder::new(name);
        f.read("x", 1);
        f.read("x", 1);
        wrong.functions.push(f.finish());
    }
    wrong.buffers = ["b", "b"].map(|name| Buffer { name: name.to_owned(), len: 0, place: Place::Arena(0) }).to_vec();
    let found = faults(&wrong);
    let count = |kind: &FaultKind| found.iter().filter(|fault| *fault == kind).count();
    assert_eq!(count(&FaultKind::DuplicateName { what: "buffer" }), 1);
    assert_eq!(count(&FaultKind::DuplicateName { what: "function" }), 1);
    assert_eq!(count(&FaultKind::DuplicateName { what: "parameter" }), 7);
    for name in ["2", "a.b", "_", "é", ""] {
        assert_eq!(count(&FaultKind::NotIdentifier { name: name.to_owned() }), 1, "{name}");
    }
    assert_eq!(found.len(), 14);
}

#[test]
fn loops_nest_so_deep() {
    let nest = |depth: usize| {
        let mut body = Vec::new();
        for var in 0..depth as u32 {
            body = vec![Stmt::For { var: LoopVar(var), extent: 2, parallel: false, body }];
        }
        let (params, registers) = (Vec::<Param>::new(), Vec::new());
        program(vec![Function { name: "f".to_owned(), params, registers, loops: depth as u32, body }])
    };
    assert_eq!(faults(&nest(MAX_DEPTH)), []);
    assert_eq!(faults(&nest(MAX_DEPTH + 1)), [FaultKind::TooDeep { max: MAX_DEPTH }]);
}

#[test]
fn kernels_run_on_the_program_s_instruction_set() {
    let fill = |row: &'static Ukernel| {
        let mut wrong = function(|f, dst| {
            f.call(row, Params::Fill(Fill { rows: 1, len: 1, dst_pitch: 1, value: 0.0 }), [dst.at(0)]);
        });
        move |isa| {
            wrong.isa = isa;
            faults(&wrong)
        }
    };
    for row in ukernels().iter().filter(|row| row.family.name() == "fill") {
        let mut faults = fill(row);
        for isa in Isa::ALL {
            let runs = row.isa == Isa::Scalar || row.isa == isa || (row.isa == Isa::Avx2 && isa == Isa::Avx512);
            let expected = FaultKind::KernelIsa { kernel: row.name, needs: row.isa, program: isa };
            assert_eq!(faults(isa), if runs { vec![] } else { vec![expected] }, "{} on {isa}", row.name);
        }
    }
}

#[test]
fn what_cannot_be_followed_is_a_fault() {
    // Even strides without structure, and iterations one element apart: they never meet, but only trying tells.
    fn nest(f: &mut FunctionBuilder, depth: usize, index: &Affine, dst: ParamId, value: Reg) {
        if depth == 12 {
            return f.store(dst.at(index), value);
        }
        f.serial(100, |f, i| nest(f, depth + 1, &(index + i * (2 * (10_007 + 23 * depth * depth))), dst, value));
    }
    let knapsack = function(|f, dst| {
        let value = f.constant(1, 0.0);
        f.parallel(2, |f, i| nest(f, 0, i, dst, value));
    });
    assert!(matches!(faults(&knapsack)[..], [FaultKind::Race { meeting: Meeting::Unknown, .. }]));
    let fragments = function(|f, dst| {
        let value = f.constant(1, 0.0);
        f.serial(1 << 21, |f, i| f.store(dst.at(i * 2), value));
    });
    assert!(matches!(faults(&fragments)[..], [FaultKind::Fragmented { .. }]));
}
