use convoke_runtime::network::ValueInfo;
use convoke_runtime::{Activation, FlushToZero, Isa, Parameters, Tensor};

use super::{acos, acosh, asin, asinh, atan, atanh, cos, cosh, exp, log, sigmoid, sin, sinh, softplus, tan, tanh};
use crate::backend::interp;
use crate::lir::{Arg, Buffer, BufferId, FunctionBuilder, Place, Program, Reg, Step};

/// The function of every 65521st float32, which is a prime, so that all exponents and many last places come up; paired
/// with its argument.
fn table(function: impl Fn(&mut FunctionBuilder, Reg) -> Reg) -> Vec<(f32, f32)> {
    const LANES: u32 = 64;
    let mut arguments: Vec<f32> = (0..=u32::MAX).step_by(65_521).map(f32::from_bits).collect();
    arguments.extend([0.0, -0.0, 1.0, -1.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MIN_POSITIVE]);
    arguments.resize(arguments.len().next_multiple_of(LANES as usize), 2.0);
    let len = arguments.len();
    let mut f = FunctionBuilder::new("f");
    let (dst, src) = (f.written("dst", len), f.read("src", len));
    f.serial(len as u32 / LANES, |f, i| {
        let x = f.load(LANES, src.at(i * LANES as usize));
        let y = function(f, x);
        f.store(dst.at(i * LANES as usize), y);
    });
    let value = |name: &'static str| vec![ValueInfo::f32(name, vec![len])];
    let buffer = |name: &str, place| Buffer { name: name.to_owned(), len, place };
    let program = Program {
        name: "table".to_owned(),
        isa: Isa::Scalar,
        inputs: value("x"),
        outputs: value("y"),
        parameters: Vec::new(),
        buffers: vec![buffer("y", Place::Output(0)), buffer("x", Place::Input(0))],
        arena_len: 0,
        weights_len: 0,
        functions: vec![f.finish()],
        steps: vec![Step {
            name: "f".to_owned(),
            function: 0,
            args: [0, 1].map(|index| Arg { buffer: BufferId(index), offset: 0 }).to_vec(),
            threads: 1,
        }],
    };
    let x = Tensor::from_vec(&[len], arguments).unwrap();
    let y = interp::run(&program, &[&x], &Parameters::default()).unwrap();
    x.data().iter().copied().zip(y[0].data().iter().copied()).collect()
}

/// Equal, or both NaN.
fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || (a.is_nan() && b.is_nan())
}

/// The distance of `found` from `exact` in units of the last place of the float32 nearest to it.
fn ulps(found: f32, exact: f64) -> f64 {
    let nearest = exact as f32;
    if same(found, nearest) {
        return 0.0;
    }
    let place = f64::from(nearest.abs().next_up()) - f64::from(nearest.abs());
    (f64::from(found) - exact).abs() / place
}

#[test]
fn sigmoid_and_tanh_are_the_kernels_activations() {
    let _guard = FlushToZero::enter();
    for (x, y) in table(sigmoid) {
        assert!(same(y, Activation::Sigmoid.apply(x)), "sigmoid {x:e} is {y:e}");
    }
    for (x, y) in table(tanh) {
        assert!(same(y, Activation::Tanh.apply(x)), "tanh {x:e} is {y:e}");
    }
}

#[test]
fn exp_is_close() {
    let mut largest = 0.0_f64;
    for (x, y) in table(exp) {
        let exact = f64::from(x).exp();
        if exact < f64::from(f32::MIN_POSITIVE) {
            assert!(y == 0.0 || y == f32::MIN_POSITIVE, "exp {x:e} is {y:e}");
        } else {
            largest = largest.max(ulps(y, exact));
        }
    }
    assert!(largest <= 1.1, "{largest} ULP");
}

#[test]
fn log_is_close() {
    let mut largest = 0.0_f64;
    for (x, y) in table(log) {
        if x.is_subnormal() {
            assert_eq!(y, f32::NEG_INFINITY);
        } else {
            largest = largest.max(ulps(y, f64::from(x).ln()));
        }
    }
    assert!(largest < 0.8, "{largest} ULP");
}

/// The largest error over all arguments of a magnitude in `within` whose result is a normal number.
fn worst(expand: impl Fn(&mut FunctionBuilder, Reg) -> Reg, exact: impl Fn(f64) -> f64, within: (f32, f32)) -> f64 {
    let normal = f64::from(f32::MIN_POSITIVE)..f64::from(f32::MAX) / 4.0;
    let rows = table(expand).into_iter().filter(|(x, _)| (within.0..=within.1).contains(&x.abs()) && !x.is_subnormal());
    let errors = rows.map(|(x, y)| (y, exact(f64::from(x)))).filter(|(_, exact)| normal.contains(&exact.abs()));
    errors.fold(0.0, |largest, (y, exact)| largest.max(ulps(y, exact)))
}

#[test]
fn errors_are_as_stated() {
    const ALL: (f32, f32) = (0.0, f32::MAX);
    type Expand = fn(&mut FunctionBuilder, Reg) -> Reg;
    type Row = (&'static str, Expand, fn(f64) -> f64, (f32, f32), f64);
    let rows: [Row; 12] = [
        ("sin", sin, f64::sin, (0.0, 1000.0), 1.5),
        ("cos", cos, f64::cos, (0.0, 1000.0), 1.5),
        ("tan", tan, f64::tan, (0.0, 1000.0), 3.0),
        ("asin", asin, f64::asin, (0.0, 1.0), 3.0),
        ("acos", acos, f64::acos, (0.0, 1.0), 3.0),
        ("atan", atan, f64::atan, ALL, 3.0),
        ("sinh", sinh, f64::sinh, (0.0, 88.0), 3.0),
        ("cosh", cosh, f64::cosh, (0.0, 88.0), 3.0),
        ("asinh", asinh, f64::asinh, ALL, 4.0),
        ("acosh", acosh, f64::acosh, (1.0, f32::MAX), 4.0),
        ("atanh", atanh, f64::atanh, (0.0, 0.999_999_9), 4.0),
        ("softplus", softplus, |x| x.max(0.0) + (-x.abs()).exp().ln_1p(), ALL, 3.0),
    ];
    let _guard = FlushToZero::enter();
    let worst = rows.map(|(name, expand, exact, within, bound)| (name, worst(expand, exact, within), bound));
    assert!(worst.iter().all(|(_, largest, bound)| largest < bound), "{worst:?}");
}
