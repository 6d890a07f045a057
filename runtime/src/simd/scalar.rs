//! One lane of portable Rust: what the scalar definitions are made of.

use super::Simd;

/// The token of portable Rust, which every processor runs.
#[derive(Clone, Copy)]
pub(crate) struct Scalar;

impl Simd for Scalar {
    type V = f32;
    const LANES: usize = 1;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> f32 {
        // SAFETY: the caller's promise, one element.
        unsafe { from.read() }
    }

    #[inline(always)]
    unsafe fn load_partial(self, _: *const f32, _: usize) -> f32 {
        0.0
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: f32) {
        // SAFETY: the caller's promise, one element.
        unsafe { to.write(v) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, _: *mut f32, _: f32, _: usize) {}

    #[inline(always)]
    fn splat(self, x: f32) -> f32 {
        x
    }

    #[inline(always)]
    fn add(self, a: f32, b: f32) -> f32 {
        a + b
    }

    #[inline(always)]
    fn sub(self, a: f32, b: f32) -> f32 {
        a - b
    }

    #[inline(always)]
    fn mul(self, a: f32, b: f32) -> f32 {
        a * b
    }

    #[inline(always)]
    fn div(self, a: f32, b: f32) -> f32 {
        a / b
    }

    #[inline(always)]
    fn fma(self, a: f32, b: f32, c: f32) -> f32 {
        a.mul_add(b, c)
    }

    #[inline(always)]
    fn min(self, a: f32, b: f32) -> f32 {
        if a < b { a } else { b }
    }

    #[inline(always)]
    fn max(self, a: f32, b: f32) -> f32 {
        if b < a { a } else { b }
    }

    #[inline(always)]
    fn nearest(self, a: f32) -> f32 {
        a.round_ties_even()
    }

    #[inline(always)]
    fn scale(self, p: f32, n: f32) -> f32 {
        f32::from_bits(p.to_bits().wrapping_add((n as i32 as u32) << 23))
    }

    #[inline(always)]
    fn select_lt(self, a: f32, b: f32, then: f32, otherwise: f32) -> f32 {
        if a < b { then } else { otherwise }
    }

    #[inline(always)]
    fn evens(self, a: f32, _: f32) -> f32 {
        a
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, _: usize, to: *mut f32, _: usize) {
        // SAFETY: the caller's promise, one element each.
        unsafe { to.write(from.read()) }
    }
}
