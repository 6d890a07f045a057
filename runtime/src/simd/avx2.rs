//! x86-64-v3: registers of 8 float32.

use std::arch::x86_64::*;

use super::Simd;

/// The token of AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

impl Avx2 {
    /// The token.
    ///
    /// # Safety
    /// This processor runs AVX2 and FMA.
    #[inline(always)]
    pub(crate) unsafe fn new() -> Self {
        Self(())
    }

    /// The mask of the first `len` lanes.
    #[inline(always)]
    fn first(self, len: usize) -> __m256i {
        // SAFETY: the token proves AVX2.
        unsafe { _mm256_cmpgt_epi32(_mm256_set1_epi32(len as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7)) }
    }
}

impl Simd for Avx2 {
    type V = __m256;
    const LANES: usize = 8;

    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> __m256 {
        // SAFETY: the token proves AVX; the caller that 8 elements can be read.
        unsafe { _mm256_loadu_ps(from) }
    }

    #[inline(always)]
    unsafe fn load_partial(self, from: *const f32, len: usize) -> __m256 {
        // SAFETY: the token proves AVX; lanes outside the mask are not accessed, those inside the caller allows.
        unsafe { _mm256_maskload_ps(from, self.first(len)) }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32, v: __m256) {
        // SAFETY: the token proves AVX; the caller that 8 elements can be written.
        unsafe { _mm256_storeu_ps(to, v) }
    }

    #[inline(always)]
    unsafe fn store_partial(self, to: *mut f32, v: __m256, len: usize) {
        // SAFETY: the token proves AVX; lanes outside the mask are not accessed, those inside the caller allows.
        unsafe { _mm256_maskstore_ps(to, self.first(len), v) }
    }

    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_set1_ps(x) }
    }

    #[inline(always)]
    fn prefetch(self, at: *const f32) {
        // SAFETY: a prefetch accesses nothing that a program can see, and faults at no address.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(at.cast()) }
    }

    #[inline(always)]
    fn add(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_add_ps(a, b) }
    }

    #[inline(always)]
    fn sub(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_sub_ps(a, b) }
    }

    #[inline(always)]
    fn mul(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_mul_ps(a, b) }
    }

    #[inline(always)]
    fn div(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_div_ps(a, b) }
    }

    #[inline(always)]
    fn fma(self, a: __m256, b: __m256, c: __m256) -> __m256 {
        // SAFETY: the token proves FMA.
        unsafe { _mm256_fmadd_ps(a, b, c) }
    }

    #[inline(always)]
    fn min(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_min_ps(a, b) }
    }

    #[inline(always)]
    fn max(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_max_ps(a, b) }
    }

    #[inline(always)]
    fn nearest(self, a: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>(a) }
    }

    #[inline(always)]
    fn scale(self, p: __m256, n: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe {
            let exponent = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(n));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), exponent))
        }
    }

    #[inline(always)]
    fn select_lt(self, a: __m256, b: __m256, then: __m256, otherwise: __m256) -> __m256 {
        // SAFETY: the token proves AVX.
        unsafe { _mm256_blendv_ps(otherwise, then, _mm256_cmp_ps::<_CMP_LT_OQ>(a, b)) }
    }

    #[inline(always)]
    fn evens(self, a: __m256, b: __m256) -> __m256 {
        // SAFETY: the token proves AVX2.
        unsafe {
            // Pairs of a, b, a, b.
            let pairs = _mm256_castps_pd(_mm256_shuffle_ps::<0b10_00_10_00>(a, b));
            _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(pairs))
        }
    }

    #[inline(always)]
    unsafe fn transpose(self, from: *const f32, from_pitch: usize, to: *mut f32, to_pitch: usize) {
        // SAFETY: the token proves AVX; rows 0..8 of both squares are the caller's promise.
        unsafe {
            let mut rows = [_mm256_setzero_ps(); 8];
            for i in 0..8 {
                rows[i] = _mm256_loadu_ps(from.add(i * from_pitch));
            }
            // Within each half of a register, 4 × 4 elements change places.
            let mut quads = rows;
            for i in (0..8).step_by(4) {
                let a = _mm256_unpacklo_ps(rows[i], rows[i + 1]);
                let b = _mm256_unpackhi_ps(rows[i], rows[i + 1]);
                let c = _mm256_unpacklo_ps(rows[i + 2], rows[i + 3]);
                let d = _mm256_unpackhi_ps(rows[i + 2], rows[i + 3]);
                quads[i] = _mm256_shuffle_ps::<0b01_00_01_00>(a, c);
                quads[i + 1] = _mm256_shuffle_ps::<0b11_10_11_10>(a, c);
                quads[i + 2] = _mm256_shuffle_ps::<0b01_00_01_00>(b, d);
                quads[i + 3] = _mm256_shuffle_ps::<0b11_10_11_10>(b, d);
            }
            // Column 4h + j of the source is half h of `quads[j]` and `quads[4 + j]`.
            for j in 0..4 {
                let low = _mm256_permute2f128_ps::<0x20>(quads[j], quads[4 + j]);
                let high = _mm256_permute2f128_ps::<0x31>(quads[j], quads[4 + j]);
                _mm256_storeu_ps(to.add(j * to_pitch), low);
                _mm256_storeu_ps(to.add((4 + j) * to_pitch), high);
            }
        }
    }
}
