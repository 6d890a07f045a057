//! AArch64: registers of 4 float32.

#[cfg(target_arch = "aarch64")]
use std::arch::aarch64::*;

use super::Simd;
#[cfg(not(target_arch = "aarch64"))]
use super::emulated::*;

/// The token of NEON.
#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    /// The token.
    ///
    /// # Safety
    /// This processor runs NEON.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

impl Simd for Neon {
    type V = float32x4_t;
    const LANES: usize = 4;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> float32x4_t {
        // SAFETY: the token proves NEON; the caller that 4 elements can be read.
        unsafe { vld1q_f32(from) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, len: usize) -> float32x4_t {
        let mut lanes = [0.0; 4];
        // SAFETY: the token proves NEON; the caller that `len` elements can be read; `len < 4`.
        unsafe {
            from.copy_to_nonoverlapping(lanes.as_mut_ptr(), len);
            vld1q_f32(lanes.as_ptr())
        }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: float32x4_t) {
        // SAFETY: the token proves NEON; the caller that 4 elements can be written.
        unsafe { vst1q_f32(to, v) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, v: float32x4_t, len: usize) {
        let mut lanes = [0.0; 4];
        // SAFETY: the token proves NEON; the caller that `len` elements can be written; `len < 4`.
        unsafe {
            vst1q_f32(lanes.as_mut_ptr(), v);
            to.copy_from_nonoverlapping(lanes.as_ptr(), len);
        }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vdupq_n_f32(x) }
    }

    #[inline(always)]
    fn add(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vaddq_f32(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vsubq_f32(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vmulq_f32(a, b) }
    }

    #[inline(always)]
    fn div(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vdivq_f32(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vfmaq_f32(c, a, b) }
    }

    #[inline(always)]
    fn min(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.select_lt(a, b, a, b)
    }

    #[inline(always)]
    fn max(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        self.select_lt(b, a, a, b)
    }

    #[inline(always)]
    fn nearest(self, a: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vrndnq_f32(a) }
    }

    #[inline(always)]
    fn scale(self, p: float32x4_t, n: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(p), vshlq_n_s32::<23>(vcvtq_s32_f32(n)))) }
    }

    #[inline(always)]
    fn select_lt(self, a: float32x4_t, b: float32x4_t, then: float32x4_t, otherwise: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vbslq_f32(vcltq_f32(a, b), then, otherwise) }
    }

    #[inline(always)]
    fn evens(self, a: float32x4_t, b: float32x4_t) -> float32x4_t {
        // SAFETY: the token proves NEON.
        unsafe { vuzp1q_f32(a, b) }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
        // SAFETY: the token proves NEON; rows 0..4 of both squares are the caller's promise.
        unsafe {
            let [a, b] = [vld1q_f32(from), vld1q_f32(from.add(from_pitch))];
            let [c, d] = [vld1q_f32(from.add(2 * from_pitch)), vld1q_f32(from.add(3 * from_pitch))];
            let [ac_low, ac_high] = [vzip1q_f32(a, c), vzip2q_f32(a, c)];
            let [bd_low, bd_high] = [vzip1q_f32(b, d), vzip2q_f32(b, d)];
            vst1q_f32(to, vzip1q_f32(ac_low, bd_low));
            vst1q_f32(to.add(to_pitch), vzip2q_f32(ac_low, bd_low));
            vst1q_f32(to.add(2 * to_pitch), vzip1q_f32(ac_high, bd_high));
            vst1q_f32(to.add(3 * to_pitch), vzip2q_f32(ac_high, bd_high));
        }
    }
}
