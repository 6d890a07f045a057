//! What results go through on their way from registers to memory: residual, activation, store.
//!
//! A clamp (identity, relu, clip) is two instructions and applies in registers, as do leaky relu and hard swish to
//! tiles. Any other activation applies to what was just stored, while that is in L1: at full width, but out of line,
//! which costs a load and a store for each vector and keeps its polynomial out of hundreds of kernels.

use super::Map;
use super::map::WithMap;
use crate::activation::{Activation, ActivationCode};
use crate::simd::Simd;
use crate::simd::math::{clamp, hard_swish, leaky_relu};

/// An activation, divided in what applies in registers and what applies in memory.
#[derive(Clone, Copy)]
pub(super) struct Epilogue {
    low: f32,
    high: f32,
    rest: Option<ActivationCode>,
}

impl Epilogue {
    /// The epilogue that applies `code`.
    #[inline(always)]
    pub(super) fn new(code: ActivationCode) -> Self {
        let unbounded = Self { low: f32::NEG_INFINITY, high: f32::INFINITY, rest: None };
        match code.decode().unwrap_or_default() {
            Activation::Identity => unbounded,
            Activation::Relu => Self { low: 0.0, ..unbounded },
            Activation::Clip { low, high } => Self { low, high, rest: None },
            Activation::LeakyRelu { .. }
            | Activation::Sigmoid
            | Activation::Tanh
            | Activation::Silu
            | Activation::HardSigmoid { .. }
            | Activation::HardSwish
            | Activation::Gelu
            | Activation::GeluTanh => Self { rest: Some(code), ..unbounded },
        }
    }

    /// How many of `len` elements to store, in multiples of `block`, before [`in_memory`](Self::in_memory), so that
    /// it finds them in L1.
    pub(super) fn chunk(self, len: usize, block: usize) -> usize {
        if self.rest.is_some() { len.min((2048 / block).max(1) * block) } else { len }
    }

    /// The part that applies in registers.
    #[inline(always)]
    pub(super) fn in_registers<S: Simd>(self, s: S, v: S::V) -> S::V {
        clamp(s, self.low, self.high, v)
    }

    /// The part that applies in memory, to `rows` rows of `len` elements, `pitch` elements apart.
    ///
    /// # Safety
    /// `dst` is valid for reading and writing these elements.
    #[inline(always)]
    pub(super) unsafe fn in_memory<S: WithMap>(self, _: S, dst: *mut f32, rows: usize, len: usize, pitch: usize) {
        if let Some(activation) = self.rest {
            let pitch = pitch as u32;
            let params = Map { rows: rows as u32, len: len as u32, dst_pitch: pitch, src_pitch: pitch, activation };
            // SAFETY: Map allows its source to be its destination, which is valid; the token proves the instructions.
            unsafe { S::MAP([dst, dst].as_ptr(), (&raw const params).cast()) };
        }
    }
}

/// A tile in memory: blocks of `MR` vectors, `pitch` elements apart.
#[derive(Clone, Copy)]
pub(super) struct Place<P> {
    /// Its first element.
    pub(super) at: P,
    /// Elements between blocks.
    pub(super) pitch: usize,
    /// Elements between the vectors of a block.
    pub(super) px: usize,
}

/// Adds `residual` to a tile, applies the activation and stores it to `dst`.
///
/// # Safety
/// `dst` and `residual` are valid for `NR` blocks.
#[inline(always)]
pub(super) unsafe fn finish<S: WithMap, const MR: usize, const NR: usize>(
    s: S,
    mut tile: [[S::V; NR]; MR],
    dst: Place<*mut f32>,
    residual: Option<Place<*const f32>>,
    activation: ActivationCode,
) {
    if let Some(residual) = residual {
        for m in 0..MR {
            for n in 0..NR {
                // SAFETY: vector `m` of block `n` of `residual`.
                let r = unsafe { s.load(residual.at.add(n * residual.pitch + m * residual.px)) };
                tile[m][n] = s.add(tile[m][n], r);
            }
        }
    }
    /// Stores the tile with `$f` applied to each vector.
    macro_rules! store {
        ($v:ident => $f:expr) => {
            for m in 0..MR {
                for n in 0..NR {
                    let $v = tile[m][n];
                    // SAFETY: vector `m` of block `n` of `dst`.
                    unsafe { s.store(dst.at.add(n * dst.pitch + m * dst.px), $f) };
                }
            }
        };
    }
    match activation.decode().unwrap_or_default() {
        Activation::LeakyRelu { alpha } => store!(v => leaky_relu(s, alpha, v)),
        Activation::HardSwish => store!(v => hard_swish(s, v)),
        _ => {
            let epilogue = Epilogue::new(activation);
            store!(v => epilogue.in_registers(s, v));
            // SAFETY: `dst` is valid for `NR` blocks.
            unsafe {
                if dst.px == S::LANES {
                    epilogue.in_memory(s, dst.at, NR, MR * S::LANES, dst.pitch);
                } else {
                    for n in 0..NR {
                        epilogue.in_memory(s, dst.at.add(n * dst.pitch), MR, S::LANES, dst.px);
                    }
                }
            }
        }
    }
}
