//! x86-64-v4: registers of 16 float32.

use std::arch::x86_64::*;

use super::Simd;

/// The token of AVX-512 F, VL, DQ and BW.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

impl Avx512 {
    /// The token.
    ///
    /// # Safety
    /// This processor runs AVX-512 F, VL, DQ and BW.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }
}

/// The mask of the first `len < 16` lanes.
#[inline(always)]
fn first(len: usize) -> __mmask16 {
    (1u16 << len) - 1
}

impl Simd for Avx512 {
    type V = __m512;
    const LANES: usize = 16;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m512 {
        // SAFETY: the token proves AVX-512; the caller that 16 elements can be read.
        unsafe { _mm512_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, len: usize) -> __m512 {
        // SAFETY: the token proves AVX-512; lanes outside the mask are not accessed, those inside the caller allows.
        unsafe { _mm512_maskz_loadu_ps(first(len), from) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m512) {
        // SAFETY: the token proves AVX-512; the caller that 16 elements can be written.
        unsafe { _mm512_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, v: __m512, len: usize) {
        // SAFETY: the token proves AVX-512; lanes outside the mask are not accessed, those inside the caller allows.
        unsafe { _mm512_mask_storeu_ps(to, first(len), v) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_set1_ps(x) }
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch accesses nothing that a program can see, and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn add(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m512, b: __m512, c: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_max_ps(a, b) }
    }

    #[inline(always)]
    fn nearest(self, a: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_roundscale_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, p: __m512, n: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_scalef_ps(p, n) }
    }

    #[inline(always)]
    fn select_lt(self, a: __m512, b: __m512, then: __m512, otherwise: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe { _mm512_mask_blend_ps(_mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b), otherwise, then) }
    }

    #[inline(always)]
    fn evens(self, a: __m512, b: __m512) -> __m512 {
        // SAFETY: the token proves AVX-512.
        unsafe {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            _mm512_permutex2var_ps(a, even, b)
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
        // SAFETY: the token proves AVX-512; rows 0..16 of both squares are the caller's promise.
        unsafe {
            let mut rows = [_mm512_setzero_ps(); 16];
            for i in 0..16 {
                rows[i] = _mm512_loadu_ps(from.add(i * from_pitch));
            }
            // Within each quarter of a register, 4 × 4 elements change places.
            let mut quads = rows;
            for i in (0..16).step_by(4) {
                let a = _mm512_unpacklo_ps(rows[i], rows[i + 1]);
                let b = _mm512_unpackhi_ps(rows[i], rows[i + 1]);
                let c = _mm512_unpacklo_ps(rows[i + 2], rows[i + 3]);
                let d = _mm512_unpackhi_ps(rows[i + 2], rows[i + 3]);
                quads[i] = _mm512_shuffle_ps::<0b01_00_01_00>(a, c);
                quads[i + 1] = _mm512_shuffle_ps::<0b11_10_11_10>(a, c);
                quads[i + 2] = _mm512_shuffle_ps::<0b01_00_01_00>(b, d);
                quads[i + 3] = _mm512_shuffle_ps::<0b11_10_11_10>(b, d);
            }
            // Column 4q + j of the source is quarter q of `quads[j]`, `[4 + j]`, `[8 + j]`, `[12 + j]`.
            for j in 0..4 {
                let low = _mm512_shuffle_f32x4::<0b10_00_10_00>(quads[j], quads[4 + j]);
                let high = _mm512_shuffle_f32x4::<0b10_00_10_00>(quads[8 + j], quads[12 + j]);
                let odd_low = _mm512_shuffle_f32x4::<0b11_01_11_01>(quads[j], quads[4 + j]);
                let odd_high = _mm512_shuffle_f32x4::<0b11_01_11_01>(quads[8 + j], quads[12 + j]);
                let columns = [
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(low, high),
                    _mm512_shuffle_f32x4::<0b10_00_10_00>(odd_low, odd_high),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(low, high),
                    _mm512_shuffle_f32x4::<0b11_01_11_01>(odd_low, odd_high),
                ];
                for q in 0..4 {
                    _mm512_storeu_ps(to.add((4 * q + j) * to_pitch), columns[q]);
                }
            }
        }
    }
}
