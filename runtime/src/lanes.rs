//! The vocabulary of generated Rust: what code that Convoke writes for a network is made of.
//!
//! A register of the lowered form is an array, `[f32; N]`, and each of its operations is one function here, with
//! exactly the meaning that the lowered form gives it. All of them inline into the generated function and take on its
//! target features, so that the compiler makes vectors of the arrays.
//!
//! Denormals count as zeros of their sign: a run sets flush-to-zero, and what the machine does not flush by itself is
//! flushed here.

use std::ops::Range;

use crate::kernels::Entry;

/// `N` consecutive elements.
///
/// # Safety
/// `from` is valid for reading `N` elements and aligned for `f32`.
#[inline(always)]
#[must_use]
pub unsafe fn load<const N: usize>(from: *const f32) -> [f32; N] {
    // SAFETY: the caller's promise; an array is aligned as its elements are.
    unsafe { from.cast::<[f32; N]>().read() }
}

/// Stores to `N` consecutive elements.
///
/// # Safety
/// `to` is valid for writing `N` elements and aligned for `f32`.
#[inline(always)]
pub unsafe fn store<const N: usize>(to: *mut f32, value: [f32; N]) {
    // SAFETY: the caller's promise; an array is aligned as its elements are.
    unsafe { to.cast::<[f32; N]>().write(value) }
}

/// The iterations of thread `thread` of `threads` in a loop over `0..extent`: `⌊extent·t/T⌋ .. ⌊extent·(t+1)/T⌋`.
#[inline(always)]
#[must_use]
pub fn share(extent: u32, thread: u32, threads: u32) -> Range<isize> {
    let bound = |thread: u64| (u64::from(extent) * thread / u64::from(threads)) as isize;
    bound(u64::from(thread))..bound(u64::from(thread) + 1)
}

/// Calls a microkernel.
///
/// # Safety
/// `P` is the parameter struct of the kernel's family, `args` are its pointers, each valid for what
/// [`Params::accesses`](crate::kernels::Params::accesses) says of it and aligned for `f32`, and the processor has the
/// kernel's instruction set.
#[inline(always)]
pub unsafe fn call<P, const N: usize>(kernel: Entry, params: &P, args: [*mut f32; N]) {
    // SAFETY: the caller's promise; both pointers outlive the call.
    unsafe { kernel(args.as_ptr(), std::ptr::from_ref(params).cast()) }
}

/// The row that a number chooses among `count`: rounded toward zero, clamped to those there are, NaN as 0.
#[inline(always)]
#[must_use]
pub fn row([x]: [f32; 1], count: u32) -> isize {
    (x as i64).clamp(0, i64::from(count) - 1) as isize
}

/// One lane in every lane.
#[inline(always)]
#[must_use]
pub fn splat<const N: usize>([x]: [f32; 1]) -> [f32; N] {
    [x; N]
}

macro_rules! unary {
    ($($(#[$doc:meta])* $name:ident = $f:expr;)+) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name<const N: usize>(x: [f32; N]) -> [f32; N] {
            x.map($f)
        }
    )+};
}

unary! {
    /// `−x`: the sign bit flipped.
    neg = |x| -x;
    /// `|x|`: the sign bit cleared.
    abs = f32::abs;
    /// `√x`, correctly rounded.
    sqrt = f32::sqrt;
    /// The largest whole number not above `x`.
    floor = |x| flushed(x).floor();
    /// The smallest whole number not below `x`.
    ceil = |x| flushed(x).ceil();
    /// `x` without its fraction.
    trunc = |x| flushed(x).trunc();
    /// The nearest whole number, ties to even.
    nearest = |x| flushed(x).round_ties_even();
    /// `2^x` for whole `x` in −126 ..= 127; anything else is first clamped to that range (NaN to −126) and rounded, ties
    /// to even.
    exp2_int = |x| {
        let x = smaller(larger(x, -126.0), 127.0);
        // After adding 1.5 · 2²³, a whole number stands in the lowest bits; moved up by 23, it is the exponent.
        f32::from_bits(((x + 12_582_912.0).to_bits() << 23).wrapping_add(1.0_f32.to_bits()))
    };
}

macro_rules! binary {
    ($($(#[$doc:meta])* $name:ident = $f:expr;)+) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name<const N: usize>(a: [f32; N], b: [f32; N]) -> [f32; N] {
            std::array::from_fn(|i| $f(a[i], b[i]))
        }
    )+};
}

binary! {
    /// `a + b`.
    add = |a, b| a + b;
    /// `a − b`.
    sub = |a, b| a - b;
    /// `a · b`.
    mul = |a, b| a * b;
    /// `a / b`.
    div = |a, b| a / b;
    /// `if a < b { a } else { b }`.
    min = smaller;
    /// `if b < a { a } else { b }`.
    max = larger;
}

/// `a · b + c` with one rounding.
#[inline(always)]
#[must_use]
pub fn fma<const N: usize>(a: [f32; N], b: [f32; N], c: [f32; N]) -> [f32; N] {
    std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
}

macro_rules! select {
    ($($(#[$doc:meta])* $name:ident = $f:expr;)+) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name<const N: usize>(a: [f32; N], b: [f32; N], then: [f32; N], otherwise: [f32; N]) -> [f32; N] {
            std::array::from_fn(|i| if $f(a[i], b[i]) { then[i] } else { otherwise[i] })
        }
    )+};
}

select! {
    /// `if a = b { then } else { otherwise }`.
    select_eq = |a, b| a == b;
    /// `if a ≠ b { then } else { otherwise }`.
    select_ne = |a, b| a != b;
    /// `if a < b { then } else { otherwise }`.
    select_lt = |a, b| a < b;
    /// `if a ≤ b { then } else { otherwise }`.
    select_le = |a, b| a <= b;
}

macro_rules! reduce {
    ($($(#[$doc:meta])* $name:ident = $f:expr;)+) => {$(
        $(#[$doc])*
        #[inline(always)]
        #[must_use]
        pub fn $name<const N: usize>(x: [f32; N]) -> [f32; 1] {
            halve(x, $f)
        }
    )+};
}

reduce! {
    /// The sum of all lanes, by halving: lane *i* with lane *i + n/2*, until one is left.
    reduce_add = |a, b| a + b;
    /// The product of all lanes, by halving.
    reduce_mul = |a, b| a * b;
    /// The smallest of all lanes, by halving.
    reduce_min = smaller;
    /// The largest of all lanes, by halving.
    reduce_max = larger;
}

#[inline(always)]
fn halve<const N: usize>(mut x: [f32; N], f: impl Fn(f32, f32) -> f32) -> [f32; 1] {
    const { assert!(N.is_power_of_two()) };
    let mut n = N / 2;
    while n > 0 {
        for i in 0..n {
            x[i] = f(x[i], x[i + n]);
        }
        n /= 2;
    }
    [x[0]]
}

/// x86's `minps`.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

/// x86's `maxps`.
#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if b < a { a } else { b }
}

/// A denormal as zero: without SSE 4.1, rounding is a library's integer arithmetic, which flush-to-zero does not reach.
#[inline(always)]
fn flushed(x: f32) -> f32 {
    if x.abs() < f32::MIN_POSITIVE { 0.0_f32.copysign(x) } else { x }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minimum_and_maximum_give_the_second_operand_where_the_comparison_fails() {
        let nan = f32::NAN;
        assert_eq!(
            min([1.0, nan, 0.0, -0.0], [nan, 1.0, -0.0, 0.0]).map(f32::to_bits)[1..],
            [1.0_f32.to_bits(), (-0.0_f32).to_bits(), 0]
        );
        assert!(min([1.0], [nan])[0].is_nan());
        assert_eq!(max([nan, 0.0, -0.0], [1.0, -0.0, 0.0]).map(f32::to_bits), [1.0_f32, -0.0, 0.0].map(f32::to_bits));
        assert!(max([1.0], [nan])[0].is_nan());
    }

    #[test]
    fn powers_of_two_are_clamped() {
        let x = [-126.0, -1.0, 0.0, 10.0, 127.0, 128.0, f32::INFINITY, f32::NEG_INFINITY];
        let smallest = f32::MIN_POSITIVE;
        let largest = 2.0_f32.powi(127);
        assert_eq!(exp2_int(x), [smallest, 0.5, 1.0, 1024.0, largest, largest, largest, smallest]);
        assert_eq!(exp2_int([f32::NAN]), [smallest]);
    }

    #[test]
    fn reduction_halves() {
        // 2²⁴ + 1 is not representable: only the stated tree gives these sums.
        let big = 16_777_216.0;
        assert_eq!(reduce_add([big, 1.0, -big, 1.0]), [2.0]);
        assert_eq!(reduce_add([big, -big, 1.0, 1.0]), [1.0]);
        assert_eq!(reduce_max([3.0, 7.0]), [7.0]);
        assert_eq!(reduce_mul([3.0]), [3.0]);
    }

    #[test]
    fn rounding_flushes_denormals_and_breaks_ties_to_even() {
        let denormal = f32::from_bits(1);
        assert_eq!(floor([-denormal]).map(f32::to_bits), [(-0.0_f32).to_bits()]);
        assert_eq!(ceil([denormal]).map(f32::to_bits), [0]);
        assert_eq!(nearest([0.5, 1.5, 2.5, -0.5]), [0.0, 2.0, 2.0, -0.0]);
        assert_eq!(trunc([-1.75, 1.75]), [-1.0, 1.0]);
    }

    #[test]
    fn shares_cover_a_loop_once() {
        for (extent, threads) in [(0, 1), (1, 2), (7, 3), (u32::MAX, 7)] {
            let mut next = 0;
            for thread in 0..threads {
                let share = share(extent, thread, threads);
                assert_eq!(share.start, next, "{extent} among {threads}");
                next = share.end;
            }
            assert_eq!(next, extent as isize);
        }
    }
}
