//! Every instruction set against one lane of portable Rust.

use proptest::prelude::*;

use super::*;
use crate::Isa;
use crate::activation::Activation;

/// Something to do with each token that this CPU has.
trait Check {
    fn check<S: Simd>(&self, s: S);
}

fn each_isa(check: &impl Check) {
    // SAFETY: emulated, or an AArch64 processor, all of which have NEON.
    check.check(unsafe { Neon::new() });
    #[cfg(target_arch = "x86_64")]
    if Isa::Avx2.available() {
        // SAFETY: just checked.
        check.check(unsafe { Avx2::new() });
    }
    #[cfg(target_arch = "x86_64")]
    if Isa::Avx512.available() {
        // SAFETY: just checked.
        check.check(unsafe { Avx512::new() });
    }
}

fn lanes<S: Simd>(s: S, v: S::V) -> Vec<f32> {
    let mut out = vec![0.0; S::LANES];
    // SAFETY: `out` has LANES elements.
    unsafe { s.store(out.as_mut_ptr(), v) };
    out
}

fn vector<S: Simd>(s: S, values: &[f32]) -> S::V {
    assert!(values.len() >= S::LANES);
    // SAFETY: `values` has at least LANES elements.
    unsafe { s.load(values.as_ptr()) }
}

fn same(a: f32, b: f32) -> bool {
    a.to_bits() == b.to_bits() || a.is_nan() && b.is_nan()
}

fn any_f32() -> impl Strategy<Value = f32> {
    let special = [0.0, -0.0, f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX, f32::MIN_POSITIVE, 1.0, -2.5, 0.5];
    prop_oneof![any::<u32>().prop_map(f32::from_bits), -100.0f32..100.0, prop::sample::select(special.to_vec())]
}

/// The operations that are defined for all operands.
struct Operations([Vec<f32>; 4]);

impl Check for Operations {
    fn check<S: Simd>(&self, s: S) {
        let [a, b, c, d] = &self.0;
        let [va, vb, vc, vd] = [vector(s, a), vector(s, b), vector(s, c), vector(s, d)];
        let results = [
            ("add", lanes(s, s.add(va, vb))),
            ("sub", lanes(s, s.sub(va, vb))),
            ("mul", lanes(s, s.mul(va, vb))),
            ("div", lanes(s, s.div(va, vb))),
            ("fma", lanes(s, s.fma(va, vb, vc))),
            ("min", lanes(s, s.min(va, vb))),
            ("max", lanes(s, s.max(va, vb))),
            ("nearest", lanes(s, s.nearest(va))),
            ("select_lt", lanes(s, s.select_lt(va, vb, vc, vd))),
            ("exp", lanes(s, math::exp(s, va))),
            ("tanh", lanes(s, math::tanh(s, va))),
            ("erf", lanes(s, math::erf(s, va))),
            ("silu", lanes(s, math::activate(s, Activation::Silu, va))),
            ("gelu", lanes(s, math::activate(s, Activation::Gelu, va))),
            ("gelu_tanh", lanes(s, math::activate(s, Activation::GeluTanh, va))),
        ];
        for i in 0..S::LANES {
            let (a, b, c, d, s) = (a[i], b[i], c[i], d[i], Scalar);
            let expected = [
                s.add(a, b),
                s.sub(a, b),
                s.mul(a, b),
                s.div(a, b),
                s.fma(a, b, c),
                s.min(a, b),
                s.max(a, b),
                s.nearest(a),
                s.select_lt(a, b, c, d),
                math::exp(s, a),
                math::tanh(s, a),
                math::erf(s, a),
                math::activate(s, Activation::Silu, a),
                math::activate(s, Activation::Gelu, a),
                math::activate(s, Activation::GeluTanh, a),
            ];
            for ((name, found), expected) in results.iter().zip(expected) {
                assert!(
                    same(found[i], expected),
                    "{name}({a:e}, {b:e}, {c:e}, {d:e}) = {:e}, not {expected:e}",
                    found[i]
                );
            }
        }
    }
}

/// Loads and stores of the first elements only, and transposition.
struct Memory;

impl Check for Memory {
    fn check<S: Simd>(&self, s: S) {
        let n = S::LANES;
        for len in 0..n {
            let source: Vec<f32> = (1..=len).map(|i| i as f32).collect();
            let mut to = vec![-1.0; n];
            // SAFETY: `source` and `to` have at least `len` elements.
            unsafe { s.store_partial(to.as_mut_ptr(), s.splat(7.0), len) };
            assert!((0..n).all(|i| to[i] == if i < len { 7.0 } else { -1.0 }), "store_partial of {len} of {n}");
            // SAFETY: as above.
            let loaded = lanes(s, unsafe { s.load_partial(source.as_ptr(), len) });
            assert!((0..n).all(|i| loaded[i] == if i < len { source[i] } else { 0.0 }), "load_partial of {len} of {n}");
        }
        let both: Vec<f32> = (0..2 * n).map(|i| i as f32).collect();
        let evens = lanes(s, s.evens(vector(s, &both), vector(s, &both[n..])));
        assert!((0..n).all(|i| evens[i] == 2.0 * i as f32), "evens of {n}: {evens:?}");
        let (from_pitch, to_pitch) = (n + 3, n + 5);
        let from: Vec<f32> = (0..n * from_pitch).map(|i| i as f32).collect();
        let mut to = vec![-1.0; n * to_pitch];
        // SAFETY: both hold `n` rows of at least `n` elements.
        unsafe { s.transpose(from.as_ptr(), from_pitch, to.as_mut_ptr(), to_pitch) };
        for i in 0..n * to_pitch {
            let (y, x) = (i / to_pitch, i % to_pitch);
            assert_eq!(to[i], if x < n { from[x * from_pitch + y] } else { -1.0 }, "transposed row {y} column {x}");
        }
    }
}

/// Scaling where it is defined.
struct Scaling;

impl Check for Scaling {
    fn check<S: Simd>(&self, s: S) {
        for n in -126..=128i16 {
            for p in [0.5f32, 0.75, 0.999_999_94, 1.0, 1.25, 1.999_999_9] {
                let expected = f64::from(p) * f64::from(n).exp2();
                if expected >= f64::from(f32::MIN_POSITIVE) && expected <= f64::from(f32::MAX) {
                    let found = lanes(s, s.scale(s.splat(p), s.splat(f32::from(n))))[0];
                    assert_eq!(f64::from(found), expected, "{p} · 2^{n}");
                }
            }
        }
        assert!(lanes(s, s.scale(s.splat(f32::NAN), s.splat(f32::NAN)))[0].is_nan());
    }
}

#[test]
fn memory() {
    each_isa(&Memory);
}

#[test]
fn scaling() {
    each_isa(&Scaling);
    Scaling.check(Scalar);
}

proptest! {
    #[test]
    fn operations(operands in prop::array::uniform4(prop::collection::vec(any_f32(), 16))) {
        each_isa(&Operations(operands));
    }
}

unsafe extern "C" {
    /// The C library's error function.
    safe fn erf(x: f64) -> f64;
}

/// The largest error of `found` in ULP of the result, over every `step`-th float32; results that are not normal
/// numbers count as zero, and an error there or at ±∞ and NaN is infinite unless the two agree.
fn largest_error(step: usize, found: impl Fn(f32) -> f32, expected: impl Fn(f64) -> f64) -> (f64, f32) {
    let mut largest = (0.0, 0.0);
    for x in (0..=u32::MAX).step_by(step).map(f32::from_bits) {
        let (found, exact) = (found(x), expected(f64::from(x)));
        let error = if exact.is_nan() || found.is_nan() {
            if exact.is_nan() && found.is_nan() { 0.0 } else { f64::INFINITY }
        } else if (exact as f32).is_infinite() || found.is_infinite() {
            if exact as f32 == found { 0.0 } else { f64::INFINITY }
        } else if exact.abs() < f64::from(f32::MIN_POSITIVE) {
            // What stops at the smallest normal number does so within its own error.
            if found.abs() <= 1.000_01 * f32::MIN_POSITIVE { 0.0 } else { f64::INFINITY }
        } else {
            let ulp = 2f64.powi(((exact.abs().to_bits() >> 52) as i32 - 1023) - 23);
            (f64::from(found) - exact).abs() / ulp
        };
        if error > largest.0 {
            largest = (error, x);
        }
    }
    largest
}

/// The errors that `math` states.
fn check_errors(step: usize) {
    let check = |name: &str, bound: f64, found: fn(f32) -> f32, expected: fn(f64) -> f64| {
        let (error, x) = largest_error(step, found, expected);
        println!("{name}: {error:.3} ULP at {x:e}");
        assert!(error <= bound, "{name}({x:e}) is off by {error} ULP");
    };
    check("exp", 1.0, |x| math::exp(Scalar, x), f64::exp);
    let sigmoid = |x| math::activate(Scalar, Activation::Sigmoid, x);
    check("sigmoid", 3.5, sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
    check("tanh", 5.3, |x| math::tanh(Scalar, x), f64::tanh);
    check("erf", 5.9, |x| math::erf(Scalar, x), |x| erf(x));
}

#[test]
fn errors_are_as_stated() {
    check_errors(4099);
}

#[test]
#[ignore = "all float32: minutes"]
fn errors_are_as_stated_everywhere() {
    check_errors(1);
}
