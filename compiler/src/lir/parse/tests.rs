use std::borrow::Cow;

use convoke_runtime::kernels::{Fill, Map, Params, find};
use convoke_runtime::network::ValueInfo;
use convoke_runtime::weights::WeightOp;
use convoke_runtime::{Activation, activation::ActivationCode};
use convoke_runtime::{DType, Isa};
use proptest::collection::vec;
use proptest::prelude::*;

use crate::lir::{
    Address, Affine, Arg, Binary, Buffer, BufferId, Compare, Expr, Function, Kernel, LoopVar, Param, ParamId, Place,
    Program, Reg, Row, Step, Stmt, Unary, verify,
};

/// Names of any characters; the index makes them unique.
fn names(count: impl Into<prop::collection::SizeRange>) -> impl Strategy<Value = Vec<String>> {
    vec(prop_oneof!["[a-z_.]{0,4}", "\\PC{0,4}", any::<String>()], count)
        .prop_map(|names| names.into_iter().enumerate().map(|(i, name)| format!("{name}{i}")).collect())
}

/// Any number; NaN, which equals nothing, is tested by itself.
fn float() -> impl Strategy<Value = f32> {
    any::<u32>().prop_map(f32::from_bits).prop_filter("equal to itself", |value| !value.is_nan())
}

fn shape() -> impl Strategy<Value = Vec<usize>> {
    vec(any::<usize>(), 0..4)
}

fn values(count: usize) -> impl Strategy<Value = Vec<ValueInfo>> {
    let dtype = prop::sample::select(vec![DType::F32, DType::I64, DType::Bool]);
    (names(count), vec((dtype, shape()), count)).prop_map(|(names, types)| {
        let value = |(name, (dtype, shape))| ValueInfo { name: Cow::Owned(name), dtype, shape: Cow::Owned(shape) };
        names.into_iter().zip(types).map(value).collect()
    })
}

fn weight_op() -> impl Strategy<Value = WeightOp> {
    prop_oneof![
        (0_u32..2).prop_map(WeightOp::Parameter),
        (shape(), vec(float(), 0..4))
            .prop_map(|(shape, values)| WeightOp::Literal { shape: Cow::Owned(shape), values: Cow::Owned(values) }),
        Just(WeightOp::Add),
        Just(WeightOp::Sub),
        Just(WeightOp::Mul),
        Just(WeightOp::Div),
        float().prop_map(|epsilon| WeightOp::Rsqrt { epsilon }),
        shape().prop_map(|shape| WeightOp::Reshape(Cow::Owned(shape))),
        shape().prop_map(|order| WeightOp::Transpose(Cow::Owned(order))),
        (any::<usize>(), shape(), shape()).prop_map(|(start, strides, shape)| WeightOp::View {
            start,
            strides: Cow::Owned(strides),
            shape: Cow::Owned(shape),
        }),
        any::<[[u32; 2]; 3]>().prop_map(|[stride, first, taps]| WeightOp::Phases { stride, first, taps }),
        any::<[u32; 2]>().prop_map(|[outputs, groups]| WeightOp::BlockDiagonal { outputs, groups }),
        any::<[u32; 3]>().prop_map(|[block, nr, inner]| WeightOp::PackConv { block, nr, inner }),
        any::<[u32; 4]>().prop_map(|[m, block, nr, inner]| WeightOp::PackWinograd { m, block, nr, inner }),
        any::<u32>().prop_map(|block| WeightOp::PackDepthwise { block }),
        any::<u32>().prop_map(|block| WeightOp::PackVector { block }),
    ]
}

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        any::<usize>().prop_map(Place::Arena),
        (any::<usize>(), vec(weight_op(), 0..4)).prop_map(|(offset, expression)| Place::Weights { offset, expression }),
        any::<u16>().prop_map(Place::Input),
        any::<u16>().prop_map(Place::Output),
    ]
}

fn address() -> impl Strategy<Value = Address> {
    let row = (reg(), any::<u32>(), any::<i64>()).prop_map(|(index, count, stride)| Row { index, count, stride });
    let terms = vec(((0_u32..9).prop_map(LoopVar), any::<i64>()), 0..3);
    (0_u32..2, any::<i64>(), terms, proptest::option::of(row)).prop_map(|(param, base, terms, row)| Address {
        param: ParamId(param),
        index: Affine { base, terms },
        row,
    })
}

const REGISTERS: u32 = 4;

fn reg() -> impl Strategy<Value = Reg> {
    (0..REGISTERS).prop_map(Reg)
}

fn expr() -> impl Strategy<Value = Expr> {
    let unary = prop::sample::select(Unary::ALL);
    let binary = || prop::sample::select(Binary::ALL);
    let compare = prop::sample::select(Compare::ALL);
    prop_oneof![
        float().prop_map(Expr::Const),
        reg().prop_map(Expr::Copy),
        address().prop_map(Expr::Load),
        reg().prop_map(Expr::Splat),
        (unary, reg()).prop_map(|(op, a)| Expr::Unary(op, a)),
        (binary(), reg(), reg()).prop_map(|(op, a, b)| Expr::Binary(op, a, b)),
        (reg(), reg(), reg()).prop_map(|(a, b, c)| Expr::Fma(a, b, c)),
        (compare, reg(), reg(), reg(), reg()).prop_map(|(compare, a, b, then, otherwise)| Expr::Select {
            compare,
            a,
            b,
            then,
            otherwise
        }),
        (binary(), reg()).prop_map(|(op, a)| Expr::Reduce(op, a)),
    ]
}

fn call() -> impl Strategy<Value = Stmt> {
    let fill = (any::<[u32; 3]>(), float()).prop_map(|([rows, len, dst_pitch], value)| {
        ("fill_scalar", Params::Fill(Fill { rows, len, dst_pitch, value }))
    });
    let map = (any::<[u32; 4]>(), float(), float()).prop_map(|([rows, len, dst_pitch, src_pitch], alpha, beta)| {
        let activation = ActivationCode { alpha, beta, ..Activation::Silu.into() };
        ("map_scalar", Params::Map(Map { rows, len, dst_pitch, src_pitch, activation }))
    });
    (prop_oneof![fill, map], vec(address(), 0..3)).prop_map(|((kernel, params), args)| Stmt::Call {
        kernel: Kernel(find(kernel).unwrap()),
        params,
        args,
    })
}

fn stmt() -> impl Strategy<Value = Stmt> {
    let leaf = prop_oneof![
        (reg(), expr()).prop_map(|(reg, value)| Stmt::Set { reg, value }),
        (address(), reg()).prop_map(|(to, from)| Stmt::Store { to, from }),
        call(),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        (0_u32..9, any::<u32>(), any::<bool>(), vec(inner, 0..4)).prop_map(|(var, extent, parallel, body)| Stmt::For {
            var: LoopVar(var),
            extent,
            parallel,
            body,
        })
    })
}

fn function() -> impl Strategy<Value = Function> {
    let params = (names(2), any::<[(usize, bool); 2]>()).prop_map(|(names, kinds)| {
        names.into_iter().zip(kinds).map(|(name, (len, written))| Param { name, len, written }).collect()
    });
    let registers = vec(any::<u32>(), REGISTERS as usize);
    (any::<String>(), params, registers, any::<u32>(), vec(stmt(), 0..6))
        .prop_map(|(name, params, registers, loops, body)| Function { name, params, registers, loops, body })
}

fn program() -> impl Strategy<Value = Program> {
    let buffers = (names(3), vec((any::<usize>(), place()), 3)).prop_map(|(names, places)| {
        names.into_iter().zip(places).map(|(name, (len, place))| Buffer { name, len, place }).collect()
    });
    let functions = (names(2), vec(function(), 2)).prop_map(|(names, functions)| {
        names.into_iter().zip(functions).map(|(name, function)| Function { name, ..function }).collect::<Vec<_>>()
    });
    let arg = (0_u32..3, any::<usize>()).prop_map(|(buffer, offset)| Arg { buffer: BufferId(buffer), offset });
    let step = (any::<String>(), 0_u32..2, vec(arg, 0..4), any::<u32>())
        .prop_map(|(name, function, args, threads)| Step { name, function, args, threads });
    let head = (any::<String>(), prop::sample::select(&Isa::ALL[..]), any::<[usize; 2]>());
    (head, values(2), values(1), values(2), buffers, functions, vec(step, 0..3)).prop_map(
        |((name, isa, [arena_len, weights_len]), inputs, outputs, parameters, buffers, functions, steps)| Program {
            name,
            isa,
            inputs,
            outputs,
            parameters,
            buffers,
            arena_len,
            weights_len,
            functions,
            steps,
        },
    )
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(program in program()) {
        let text = program.to_string();
        prop_assert_eq!(text.parse::<Program>(), Ok(program));
    }

    #[test]
    fn no_program_makes_the_verifier_panic(program in program()) {
        prop_assert!(verify(&program).is_err());
    }

    #[test]
    fn no_text_panics(text in "(program|fn|buffer|[a-z0-9%@\\[\\]{}()\"\\\\:=,.+*/ \n-]|\\PC){0,40}") {
        let _ = format!("program p : scalar\n{text}").parse::<Program>();
    }
}

/// The error of a text that follows a valid head.
fn error(text: &str) -> String {
    let head = "program p : scalar\nparameter w : f32[2]\nbuffer b : 4 = arena + 0\nfn f(mut x: 4) {\n";
    format!("{head}{text}").parse::<Program>().unwrap_err().to_string()
}

#[test]
fn errors_name_place_expectation_and_finding() {
    let cases = [
        ("%r0:1 = load x[2*i0 - ]\n}", "line 5, column 23: expected a whole number (u64), found `]`"),
        (
            "%r0:1 = load x[9223372036854775808]\n}",
            "line 5, column 16: expected a number of 64 bits, found 9223372036854775808",
        ),
        (
            "%r0:1 = load x[18446744073709551616]\n}",
            "line 5, column 16: expected a whole number (u64), found `18446744073709551616`",
        ),
        (
            "%r0:1 = load y[0]\n}",
            "line 5, column 14: expected a parameter of the function, found `y`, which is unknown",
        ),
        ("%r0:1 = fmax %r0\n}", "line 5, column 9: expected an expression such as `load` or `fma`, found `fmax`"),
        (
            "%r0:1 = select gt %r0 %r0 %r0 %r0\n}",
            "line 5, column 16: expected a comparison: `eq`, `ne`, `lt`, `le`, found `gt`",
        ),
        ("%r0:1 = const 1\n}", "line 5, column 15: expected a number with a decimal point, `inf` or `nan`, found `1`"),
        (
            "%r0:1 = const 1.0\n  %r0:2 = const 1.0\n}",
            "line 6, column 7: expected `1`, as where %r0 is set before, found 2",
        ),
        (
            "%r1:1 = const 1.0\n}",
            "line 5, column 1: expected registers numbered without gaps, found `%r1` and no `%r0`",
        ),
        (
            "store x[0] = %r4294967295\n}",
            "line 5, column 14: expected a register that is set, found `%r4294967295`, which nowhere is",
        ),
        ("store x[0] = %r00\n}", "line 5, column 15: expected a register such as `%r0`, found `%r00`"),
        ("for i0 in 1..4 {}\n}", "line 5, column 11: expected `0`, found `1`"),
        ("for j in 0..4 {}\n}", "line 5, column 5: expected a loop variable such as `i0`, found `j`"),
        ("for i0 in 0..4294967296 {}\n}", "line 5, column 14: expected a whole number (u32), found `4294967296`"),
        (
            "call conv(x[0]) {}\n}",
            "line 5, column 6: expected the name of a kernel, found `conv`, which the table lacks",
        ),
        (
            "call fill_scalar(x[0]) {rows = 1}\n}",
            "line 5, column 24: expected the fields of `fill`, found others: `len` is missing",
        ),
        (
            "call fill_scalar(x[0]) {rows = 1, len = 1, dst_pitch = 1, value = 0.0, rows = 2}\n}",
            "line 5, column 24: expected the fields of `fill`, found `rows` for the second time",
        ),
        (
            "call fill_scalar(x[0]) {rows = 1, len = 1, dst_pitch = 1, value = 0.0, more = 2}\n}",
            "line 5, column 24: expected the fields of `fill`, found `more`, which is none",
        ),
        ("jump x\n}", "line 5, column 1: expected `for`, `store`, `call`, a register to set, or `}`, found `jump`"),
        ("", "line 5, column 1: expected `for`, `store`, `call`, a register to set, or `}`, found the end of the text"),
        ("}\nbuffer b : 1 = arena + 0", "line 6, column 8: expected a new name, found `b` for the second time"),
        (
            "}\nbuffer c : 1 = stack + 0",
            "line 6, column 16: expected `arena`, `weights`, `input` or `output`, found `stack`",
        ),
        (
            "}\nbuffer c : 1 = weights + 0 [@v]",
            "line 6, column 30: expected the name of a parameter, found `v`, which is unknown",
        ),
        (
            "}\nbuffer c : 1 = weights + 0 [@w, pack]",
            "line 6, column 33: expected an operation on weights, found `pack`",
        ),
        (
            "}\nstep s = g(b) threads 1",
            "line 6, column 10: expected the name of a function, found `g`, which is unknown",
        ),
        ("}\nstep s = f(c) threads 1", "line 6, column 12: expected the name of a buffer, found `c`, which is unknown"),
        ("}\nstep s = f(b b) threads 1", "line 6, column 14: expected `,` or `)`, found `b`"),
        ("}\nstep \"s", "line 6, column 6: expected a closing `\"`, found the end of the line"),
        ("}\nstep \"é\\n\"", "line 6, column 8: expected `\\\\`, `\\\"` or `\\u{HEX}`, found another escape"),
        (
            "}\nlayer",
            "line 6, column 1: expected `input`, `output`, `parameter`, `arena`, `weights`, `buffer`, `fn` or `step`, found `layer`",
        ),
    ];
    for (text, expected) in cases {
        assert_eq!(error(text), format!("LIR text, {expected}"), "{text}");
    }
}

#[test]
fn loops_nest_so_deep() {
    let nest = |depth: usize| {
        let open: String = (0..depth).map(|i| format!("for i{i} in 0..1 {{\n")).collect();
        format!("program p : scalar fn f() {{\n{open}{}}}", "}".repeat(depth))
    };
    assert!(nest(super::MAX_DEPTH).parse::<Program>().is_ok());
    let message = nest(100_000).parse::<Program>().unwrap_err().to_string();
    assert_eq!(message, "LIR text, line 66, column 1: expected at most 64 nested loops, found one more");
}

#[test]
fn any_nan_prints_as_nan() {
    for bits in [0x7fc0_0000, 0xffc0_0001, 0x7f80_0001] {
        let text = |value: f32| {
            let body = vec![Stmt::Set { reg: Reg(0), value: Expr::Const(value) }];
            Function { name: "f".to_owned(), params: Vec::new(), registers: vec![1], loops: 0, body }.to_string()
        };
        assert_eq!(text(f32::from_bits(bits)), text(f32::NAN));
    }
}
