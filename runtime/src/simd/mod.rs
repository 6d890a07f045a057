//! Vectors of float32, written once for every instruction set.
//!
//! A kernel's body is generic over the trait `Simd`. Its tokens (`Avx512`, `Avx2`, `Neon`, and `Scalar` of one lane)
//! are proofs: whoever holds one has shown that this processor runs the instructions, so the operations on registers
//! need no further condition. Bodies are `#[inline(always)]` and are inlined into wrappers that enable the
//! instructions (`#[target_feature]`), which is what turns the operations into single instructions.
//!
//! Every operation has one meaning for all sets, down to the bits (all NaNs being equal), written at the trait.

#![allow(clippy::needless_range_loop, reason = "registers have indices; iterators over them hide which are used")]

pub mod math;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(all(test, not(target_arch = "aarch64")))]
mod emulated;
#[cfg(any(test, target_arch = "aarch64"))]
mod neon;
mod scalar;

#[cfg(target_arch = "x86_64")]
pub(crate) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(crate) use avx512::Avx512;
#[cfg(any(test, target_arch = "aarch64"))]
pub(crate) use neon::Neon;
pub(crate) use scalar::Scalar;

/// Registers of [`LANES`](Self::LANES) float32 and what can be done with them.
///
/// Arithmetic is IEEE 754, rounding to nearest even; flush-to-zero is up to the thread's state.
pub(crate) trait Simd: Copy {
    /// A register.
    type V: Copy;

    /// Elements of a register.
    const LANES: usize;

    /// `LANES` consecutive elements.
    ///
    /// # Safety
    /// `from` is valid for reading `LANES` elements.
    unsafe fn load(self, from: *const f32) -> Self::V;

    /// The first `len < LANES` elements, and 0 for the rest; nothing past them is read.
    ///
    /// # Safety
    /// `from` is valid for reading `len` elements.
    unsafe fn load_partial(self, from: *const f32, len: usize) -> Self::V;

    /// Stores all lanes.
    ///
    /// # Safety
    /// `to` is valid for writing `LANES` elements.
    unsafe fn store(self, to: *mut f32, v: Self::V);

    /// Stores the first `len < LANES` lanes; nothing past them is written.
    ///
    /// # Safety
    /// `to` is valid for writing `len` elements.
    unsafe fn store_partial(self, to: *mut f32, v: Self::V, len: usize);

    /// The first `len` elements, and 0 for the rest.
    ///
    /// # Safety
    /// `from` is valid for reading `min(len, LANES)` elements.
    #[inline(always)]
    unsafe fn load_up_to(self, from: *const f32, len: usize) -> Self::V {
        // SAFETY: the caller's promise.
        unsafe { if len < Self::LANES { self.load_partial(from, len) } else { self.load(from) } }
    }

    /// Stores the first `len` lanes.
    ///
    /// # Safety
    /// `to` is valid for writing `min(len, LANES)` elements.
    #[inline(always)]
    unsafe fn store_up_to(self, to: *mut f32, v: Self::V, len: usize) {
        // SAFETY: the caller's promise.
        unsafe { if len < Self::LANES { self.store_partial(to, v, len) } else { self.store(to, v) } }
    }

    /// `x` in every lane.
    fn splat(self, x: f32) -> Self::V;

    /// Asks for a vector to be brought to L1, where there is an instruction for it. `at` may be any address.
    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        let _ = at;
    }

    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a − b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a · b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;

    /// `a · b + c` with one rounding.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;

    /// `if a < b { a } else { b }`: the second operand where either is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;

    /// `if b < a { a } else { b }`: the second operand where either is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;

    /// The nearest whole number, ties to even.
    fn nearest(self, a: Self::V) -> Self::V;

    /// `p · 2ⁿ` for `p` in [1/2, 2) and whole `n` where the result is a normal number. NaN for a NaN `p`. Any value
    /// where neither holds.
    fn scale(self, p: Self::V, n: Self::V) -> Self::V;

    /// `if a < b { then } else { otherwise }`.
    fn select_lt(self, a: Self::V, b: Self::V, then: Self::V, otherwise: Self::V) -> Self::V;

    /// Elements 0, 2, 4, … of `a` followed by `b`.
    fn evens(self, a: Self::V, b: Self::V) -> Self::V;

    /// Transposes the square of `LANES` × `LANES` elements at `from`, whose rows lie `from_pitch` elements apart, to
    /// `to`, whose rows lie `to_pitch` apart.
    ///
    /// # Safety
    /// `from` is valid for reading and `to` for writing `LANES` rows of `LANES` elements; they do not overlap.
    unsafe fn transpose(self, from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize);
}

/// Elements of the largest square that [`Simd::transpose`] transposes.
pub(crate) const MAX_SQUARE: usize = 16 * 16;

#[cfg(test)]
mod tests;
