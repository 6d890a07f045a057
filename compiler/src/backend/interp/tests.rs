use convoke_runtime::{Parameters, Tensor};

use super::{InterpError, execute, run, run_traced};
use crate::lir::{FaultKind, Program};

fn parse(text: &str) -> Program {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A program whose only function is `f(dst, src)`, of one step from an input of 8 elements to an output of 8.
fn program(body: &str) -> Program {
    parse(&format!(
        "program p : scalar
        input image : f32[8] output result : f32[8]
        arena 16 weights 0
        buffer image : 8 = input 0 buffer result : 8 = output 0 buffer scratch : 16 = arena + 0
        fn f(mut dst: 8, src: 8, mut scratch: 16) {{ {body} }}
        step f = f(result, image, scratch) threads 1"
    ))
}

/// What `body` writes to `dst`, for this `src`.
fn outputs(body: &str, input: [f32; 8]) -> Vec<f32> {
    let input = Tensor::from_slice(&[8], &input).unwrap();
    run(&program(body), &[&input], &Parameters::default()).unwrap_or_else(|error| panic!("{error}"))[0].data().to_vec()
}

/// `%r9:8 = EXPRESSION` of `%r0:8`, loaded from `src`, stored to `dst`; as bits.
fn bits(expression: &str, input: [f32; 8]) -> Vec<u32> {
    let body = format!("%r0:8 = load src[0] %r1:8 = {expression} store dst[0] = %r1");
    outputs(&body, input).into_iter().map(f32::to_bits).collect()
}

fn same(expression: &str, input: [f32; 8], expected: [f32; 8]) {
    assert_eq!(bits(expression, input), expected.map(f32::to_bits), "{expression} of {input:?}");
}

const DENORMAL: f32 = 1e-40;

#[test]
fn unary_operations() {
    let input = [-2.5, -1.5, -0.0, 0.5, 1.5, 2.5, -f32::INFINITY, 1e10];
    same("neg %r0", input, [2.5, 1.5, 0.0, -0.5, -1.5, -2.5, f32::INFINITY, -1e10]);
    same("abs %r0", input, [2.5, 1.5, 0.0, 0.5, 1.5, 2.5, f32::INFINITY, 1e10]);
    same("floor %r0", input, [-3.0, -2.0, -0.0, 0.0, 1.0, 2.0, -f32::INFINITY, 1e10]);
    same("ceil %r0", input, [-2.0, -1.0, -0.0, 1.0, 2.0, 3.0, -f32::INFINITY, 1e10]);
    same("trunc %r0", input, [-2.0, -1.0, -0.0, 0.0, 1.0, 2.0, -f32::INFINITY, 1e10]);
    same("nearest %r0", input, [-2.0, -2.0, -0.0, 0.0, 2.0, 2.0, -f32::INFINITY, 1e10]);
    same(
        "sqrt %r0",
        [0.0, -0.0, 4.0, 2.0, f32::INFINITY, 1.0, 9.0, 0.25],
        [0.0, -0.0, 2.0, std::f32::consts::SQRT_2, f32::INFINITY, 1.0, 3.0, 0.5],
    );
    let (least, most) = (f32::MIN_POSITIVE, 2.0_f32.powi(127));
    same(
        "exp2int %r0",
        [0.0, 1.0, -3.0, 127.0, 128.0, -126.0, -1e9, f32::NAN],
        [1.0, 2.0, 0.125, most, most, least, least, least],
    );
}

#[test]
fn denormals_are_zeros() {
    let input = [DENORMAL, -DENORMAL, f32::MIN_POSITIVE, 1.0, -1.0, 0.0, DENORMAL, -DENORMAL];
    // The operations on the sign bit alone move bits.
    same("neg %r0", input, input.map(|x| -x));
    same("copy %r0", input, input);
    same("ceil %r0", input, [0.0, -0.0, 1.0, 1.0, -1.0, 0.0, 0.0, -0.0]);
    same("add %r0 %r0", input, [0.0, -0.0, 2.0 * f32::MIN_POSITIVE, 2.0, -2.0, 0.0, 0.0, -0.0]);
    same("max %r0 %r0", input, [0.0, -0.0, f32::MIN_POSITIVE, 1.0, -1.0, 0.0, 0.0, -0.0]);
    same("mul %r0 %r0", [f32::MIN_POSITIVE; 8], [0.0; 8]);
    same("select eq %r0 %r0 %r0 %r0", input, input);
}

#[test]
fn minimum_and_maximum_return_the_second_of_what_does_not_compare() {
    let of = |operation: &str, a: f32, b: f32| {
        let body = format!(
            "%r0:1 = load src[0] %r1:1 = load src[1] %r2:1 = {operation} %r0 %r1 %r3:8 = splat %r2 store dst[0] = %r3"
        );
        outputs(&body, [a, b, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0])[0]
    };
    for operation in ["min", "max"] {
        assert!(of(operation, 1.0, f32::NAN).is_nan());
        assert_eq!(of(operation, f32::NAN, 1.0), 1.0);
        assert_eq!(of(operation, 0.0, -0.0).to_bits(), (-0.0_f32).to_bits());
        assert_eq!(of(operation, -0.0, 0.0).to_bits(), 0);
    }
    assert_eq!((of("min", 1.0, 2.0), of("max", 1.0, 2.0)), (1.0, 2.0));
}

#[test]
fn multiply_add_rounds_once() {
    let x = 1.0 + 3.0 * f32::EPSILON;
    let body = "%r0:8 = load src[0] %r1:8 = const -1.0 %r2:8 = fma %r0 %r0 %r1 store dst[0] = %r2";
    let exact = (f64::from(x) * f64::from(x) - 1.0) as f32;
    assert_eq!(outputs(body, [x; 8]), [exact; 8]);
    let twice = "%r0:8 = load src[0] %r1:8 = const 1.0 %r2:8 = mul %r0 %r0 %r2:8 = sub %r2 %r1 store dst[0] = %r2";
    assert_ne!(outputs(twice, [x; 8]), [exact; 8]);
}

#[test]
fn comparisons_select_and_are_false_for_nan() {
    let input = [0.0, -0.0, 1.0, -1.0, f32::NAN, 2.0, f32::INFINITY, DENORMAL];
    for (compare, expected) in [
        ("eq", [1, 1, 0, 0, 0, 0, 0, 1]),
        ("ne", [0, 0, 1, 1, 1, 1, 1, 0]),
        ("lt", [0, 0, 0, 1, 0, 0, 0, 0]),
        ("le", [1, 1, 0, 1, 0, 0, 0, 1]),
    ] {
        let body = format!(
            "%r0:8 = load src[0] %r1:8 = const 0.0 %r2:8 = const 1.0
            %r3:8 = select {compare} %r0 %r1 %r2 %r1 store dst[0] = %r3"
        );
        assert_eq!(outputs(&body, input), expected.map(|bit: u8| f32::from(bit)), "{compare}");
    }
}

#[test]
fn reductions_halve() {
    // In this order the large numbers cancel before the small ones are added.
    let input = [1e30, 1.0, 2.0, 3.0, -1e30, 4.0, 5.0, 6.0];
    let body = "%r0:8 = load src[0] %r1:1 = reduce add %r0 %r2:8 = splat %r1 store dst[0] = %r2";
    assert_eq!(outputs(body, input), [((1.0 + 4.0) + (3.0 + 6.0)) + (0.0 + (2.0 + 5.0)); 8]);
}

#[test]
fn a_blocked_convolution_is_a_convolution() {
    let text = include_str!("../../../tests/filetests/lir/verify/accepts_blocked_convolution.lir");
    let program = parse(text.split("----").next().unwrap());
    let numbers = |count: u32| (0..count).map(|i| f64::from(i * 37 % 23) / 8.0 - 1.0).collect::<Vec<_>>();
    let (image, weight, bias) = (numbers(108), numbers(216), numbers(8));
    let tensor = |shape: &[usize], values: &[f64]| {
        Tensor::from_vec(shape, values.iter().map(|&value| value as f32).collect()).unwrap()
    };
    let parameters = Parameters::from_tensors([
        ("conv.weight".to_owned(), tensor(&[8, 3, 3, 3], &weight)),
        ("conv.bias".to_owned(), tensor(&[8], &bias)),
    ]);
    let mut steps = Vec::new();
    let outputs = run_traced(&program, &[&tensor(&[1, 3, 6, 6], &image)], &parameters, |trace| {
        steps.push((trace.index, trace.step.name.clone(), trace.written[0].1.len()));
    });
    let outputs = outputs.unwrap();
    assert_eq!(
        steps.iter().map(|(_, name, len)| (name.as_str(), *len)).collect::<Vec<_>>(),
        [("image", 512), ("conv", 288), ("relu", 288), ("result", 288)]
    );
    for (i, &found) in outputs[0].data().iter().enumerate() {
        let (o, y, x) = (i / 36, i / 6 % 6, i % 6);
        let mut sum = bias[o];
        for tap in 0..27 {
            let (c, v, u) = (tap / 9, (y + tap / 3 % 3).wrapping_sub(1), (x + tap % 3).wrapping_sub(1));
            if v < 6 && u < 6 {
                sum += image[c * 36 + v * 6 + u] * weight[o * 27 + tap];
            }
        }
        assert_eq!(f64::from(found), sum.max(0.0), "element {i}: all sums are exact");
    }
}

#[test]
fn rows_are_normalised_in_place() {
    let text = include_str!("../../../tests/filetests/lir/verify/accepts_reuse_within_an_iteration.lir");
    let program = parse(text.split("----").next().unwrap());
    let outputs = run(&program, &[], &Parameters::default()).unwrap();
    let square = 0.1_f32 * 0.1;
    assert_eq!(outputs[0].data(), [square / (0..10).fold(0.0, |sum, _| sum + square); 40]);
}

#[test]
fn what_does_not_fit_is_an_error() {
    let program = program("%r0:8 = load src[0] store dst[0] = %r0");
    let message = |inputs: &[&Tensor], parameters: &Parameters| {
        run(&program, inputs, parameters).expect_err("something is wrong").to_string()
    };
    let (right, wrong) = (Tensor::zeros(&[8]), Tensor::zeros(&[2, 4]));
    let none = Parameters::default();
    assert_eq!(message(&[], &none), "interpreter: `p` takes 1 inputs, not 0");
    assert_eq!(message(&[&wrong], &none), "interpreter: input `image` is f32[8], not f32[2, 4]");
    let more = Parameters::from_tensors([("extra".to_owned(), Tensor::zeros(&[1]))]);
    assert!(message(&[&right], &more).contains("`extra`"));
    let large = Program { arena_len: usize::MAX, ..program.clone() };
    assert_eq!(run(&large, &[&right], &none).unwrap_err(), InterpError::TooLarge { elements: usize::MAX as u128 + 16 });
    assert!(run(&program, &[&right], &none).is_ok());
}

#[test]
fn faults_come_before_the_run() {
    let program = program("%r0:8 = load src[1] store dst[0] = %r0");
    match run(&program, &[], &Parameters::default()) {
        Err(InterpError::Faults(faults)) => {
            assert!(matches!(faults.0[0].kind, FaultKind::OutOfBounds { low: 1, high: 8, len: 8, .. }));
        }
        other => panic!("{other:?}"),
    }
}

/// What the interpreter itself finds in programs that the verifier has not seen.
#[test]
fn the_interpreter_relies_on_no_proof() {
    let input = Tensor::zeros(&[8]);
    let message = |body: &str| {
        let error = execute(&program(body), &[&input], &Parameters::default(), |_| {}).expect_err(body).to_string();
        error.strip_suffix(" (a bug of Convoke's verifier)").map(str::to_owned).unwrap_or(error)
    };
    let cases = [
        ("%r0:4 = load src[5]", "interpreter: step 0 (`f`), `%r0:4 = load src[5]`: src[5] reaches element 8 of 8"),
        (
            "%r0:1 = const 0.0 for i0 in 0..3 { store dst[-i0 + 1] = %r0 }",
            "interpreter: step 0 (`f`), `store dst[-i0 + 1] = %r0`: dst[-i0 + 1] reaches element -1 of 8",
        ),
        (
            "%r0:8 = load src[0] store scratch[0] = %r0 %r0:8 = load scratch[4]",
            "interpreter: step 0 (`f`), `%r0:8 = load scratch[4]`: scratch[4] reads element 8, which nothing has written",
        ),
        (
            "%r0:4 = const 0.0 store scratch[0] = %r0 store scratch[6] = %r0
            call copy_scalar(dst[0], scratch[0]) {rows = 2, len = 4, dst_pitch = 4, src_pitch = 5}",
            "interpreter: step 0 (`f`), `call copy_scalar(dst[0], scratch[0]) {rows = 2, len = 4, dst_pitch = 4, \
             src_pitch = 5}`: scratch[0] reads element 5, which nothing has written",
        ),
        (
            "call fill_scalar(dst[2]) {rows = 2, len = 4, dst_pitch = 4, value = 0.0}",
            "interpreter: step 0 (`f`), `call fill_scalar(dst[2]) {rows = 2, len = 4, dst_pitch = 4, value = 0.0}`: \
             operand `dst` of `fill` reaches 8 elements far, and its range has 6",
        ),
        ("", "interpreter: element 0 of output `result` is never written"),
    ];
    for (body, expected) in cases {
        assert_eq!(message(body), expected);
    }
    // An operand of no element may begin anywhere.
    let nothing = "%r0:8 = const 0.0 store dst[0] = %r0
        call fill_scalar(dst[99]) {rows = 0, len = 4, dst_pitch = 4, value = 0.0}";
    assert!(execute(&program(nothing), &[&input], &Parameters::default(), |_| {}).is_ok());
}
