//! The AArch64 intrinsics that [`Neon`](super::Neon) uses, in plain Rust with the signatures of `core::arch::aarch64`,
//! so that its code type-checks and is tested on other machines.

#![allow(non_camel_case_types)]

use std::array::from_fn;

#[derive(Clone, Copy)]
pub(crate) struct float32x4_t([f32; 4]);

#[derive(Clone, Copy)]
pub(crate) struct int32x4_t([i32; 4]);

#[derive(Clone, Copy)]
pub(crate) struct uint32x4_t([u32; 4]);

#[inline(always)]
pub(super) unsafe fn vld1q_f32(ptr: *const f32) -> float32x4_t {
    // SAFETY: the caller allows reading 4 elements.
    float32x4_t(unsafe { ptr.cast::<[f32; 4]>().read_unaligned() })
}

#[inline(always)]
pub(super) unsafe fn vst1q_f32(ptr: *mut f32, a: float32x4_t) {
    // SAFETY: the caller allows writing 4 elements.
    unsafe { ptr.cast::<[f32; 4]>().write_unaligned(a.0) }
}

/// Functions of each lane. Unsafe to call, as the real ones are where NEON is not enabled by attribute.
macro_rules! lanewise {
    ($($name:ident($($a:ident: $t:ident),+) -> $r:ident = $body:expr;)+) => {
        $(#[inline(always)]
        pub(super) unsafe fn $name($($a: $t),+) -> $r {
            $r(from_fn(|i| { $(let $a = $a.0[i];)+ $body }))
        })+
    };
}

lanewise! {
    vaddq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t = a + b;
    vsubq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t = a - b;
    vmulq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t = a * b;
    vdivq_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t = a / b;
    vfmaq_f32(a: float32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t = b.mul_add(c, a);
    vrndnq_f32(a: float32x4_t) -> float32x4_t = a.round_ties_even();
    vcvtq_s32_f32(a: float32x4_t) -> int32x4_t = a as i32;
    vaddq_s32(a: int32x4_t, b: int32x4_t) -> int32x4_t = a.wrapping_add(b);
    vreinterpretq_s32_f32(a: float32x4_t) -> int32x4_t = a.to_bits().cast_signed();
    vreinterpretq_f32_s32(a: int32x4_t) -> float32x4_t = f32::from_bits(a.cast_unsigned());
    vcltq_f32(a: float32x4_t, b: float32x4_t) -> uint32x4_t = if a < b { u32::MAX } else { 0 };
}

#[inline(always)]
pub(super) unsafe fn vdupq_n_f32(value: f32) -> float32x4_t {
    float32x4_t([value; 4])
}

#[inline(always)]
pub(super) unsafe fn vshlq_n_s32<const N: i32>(a: int32x4_t) -> int32x4_t {
    int32x4_t(a.0.map(|lane| lane << N))
}

#[inline(always)]
pub(super) unsafe fn vbslq_f32(a: uint32x4_t, b: float32x4_t, c: float32x4_t) -> float32x4_t {
    float32x4_t(from_fn(|i| f32::from_bits(a.0[i] & b.0[i].to_bits() | !a.0[i] & c.0[i].to_bits())))
}

#[inline(always)]
pub(super) unsafe fn vzip1q_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    float32x4_t([a.0[0], b.0[0], a.0[1], b.0[1]])
}

#[inline(always)]
pub(super) unsafe fn vzip2q_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    float32x4_t([a.0[2], b.0[2], a.0[3], b.0[3]])
}

#[inline(always)]
pub(super) unsafe fn vuzp1q_f32(a: float32x4_t, b: float32x4_t) -> float32x4_t {
    float32x4_t([a.0[0], a.0[2], b.0[0], b.0[2]])
}
