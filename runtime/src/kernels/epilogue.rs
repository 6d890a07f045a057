//! What a tile goes through on its way from registers to memory: residual, activation, store.

use super::{Entry, Map};
use crate::activation::{Activation, ActivationCode};
use crate::simd::Simd;
use crate::simd::math::clamp;

/// The bounds of an activation that is a clamp ([`clamp`]): identity, relu and clip.
pub(super) fn bounds(activation: ActivationCode) -> Option<(f32, f32)> {
    match activation.decode()? {
        Activation::Identity => Some(UNBOUNDED),
        Activation::Relu => Some((0.0, f32::INFINITY)),
        Activation::Clip { low, high } => Some((low, high)),
        Activation::LeakyRelu { .. }
        | Activation::Sigmoid
        | Activation::Tanh
        | Activation::Silu
        | Activation::HardSigmoid { .. }
        | Activation::HardSwish
        | Activation::Gelu
        | Activation::GeluTanh => None,
    }
}

/// The bounds that change nothing.
pub(super) const UNBOUNDED: (f32, f32) = (f32::NEG_INFINITY, f32::INFINITY);

/// A tile in memory: blocks of `MR` · `LANES` elements, `pitch` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Place<P> {
    /// Its first element.
    pub(super) at: P,
    /// Elements between blocks.
    pub(super) pitch: usize,
}

/// Adds `residual` to a tile, applies the activation and stores it to `dst`. Clamps apply in registers; for any other
/// activation, the stored tile is still in L1 when `map` takes it up.
///
/// # Safety
/// `dst` and `residual` are valid for `NR` blocks; this processor runs `map`.
#[inline(always)]
pub(super) unsafe fn finish<S: Simd, const MR: usize, const NR: usize>(
    s: S,
    mut tile: [[S::V; NR]; MR],
    dst: Place<*mut f32>,
    residual: Option<Place<*const f32>>,
    activation: ActivationCode,
    map: Entry,
) {
    if let Some(residual) = residual {
        for m in 0..MR {
            for n in 0..NR {
                // SAFETY: vector `m` of block `n` of `residual`.
                let r = unsafe { s.load(residual.at.add(n * residual.pitch + m * S::LANES)) };
                tile[m][n] = s.add(tile[m][n], r);
            }
        }
    }
    let bounds = bounds(activation);
    let (low, high) = bounds.unwrap_or(UNBOUNDED);
    for m in 0..MR {
        for n in 0..NR {
            // SAFETY: vector `m` of block `n` of `dst`.
            unsafe { s.store(dst.at.add(n * dst.pitch + m * S::LANES), clamp(s, low, high, tile[m][n])) };
        }
    }
    if bounds.is_none() {
        let pitch = dst.pitch as u32;
        let len = (MR * S::LANES) as u32;
        let params = Map { rows: NR as u32, len, dst_pitch: pitch, src_pitch: pitch, activation };
        // SAFETY: Map allows its source to be its destination, which is valid; the caller vouches for `map`.
        unsafe { map([dst.at, dst.at].as_ptr(), (&raw const params).cast()) };
    }
}
