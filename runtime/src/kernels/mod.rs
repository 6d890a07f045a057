//! Microkernels: one table, [`ukernels`], that drives selection, JIT symbols, tests, benches and documentation.
//!
//! A *family* is a meaning: a set of parameters, what a call reads and writes ([`Params::accesses`]), and a scalar
//! definition. A *row* of the table is one implementation: family, instruction set and register tile. For equal
//! parameters every row of a family writes the same bits: the order of each reduction is part of the meaning, FMA is
//! explicit, and the width of a vector is not meaning.
//!
//! Every kernel has one signature, [`Entry`]: a list of pointers and the constants of the call.

#![allow(clippy::needless_range_loop, reason = "registers have indices; iterators over them hide which are used")]

pub mod affine;
pub mod binary;
pub mod block;
mod checked;
pub mod conv;
pub mod copy;
pub mod depthwise;
pub mod depthwise_gradient;
mod epilogue;
pub mod fill;
pub mod map;
mod params;
pub mod planar;
pub mod planar_pool;
pub mod pool;
mod rows;
mod table;
pub mod unblock;
pub mod weight_gradient;
pub mod winograd;
pub mod winograd_input;
pub mod winograd_output;

pub use checked::CallError;
pub use table::{conv_tiles, depthwise_gradient_tiles, depthwise_tiles, find, select, ukernels, weight_gradient_tiles};

pub use params::{
    Access, Affine, Binary, BinaryOp, Block, Broadcast, Conv, Copy, Depthwise, DepthwiseGradient, Dim, Family, Field,
    Fill, Map, Params, Planar, PlanarPool, Pool, PoolKind, Role, Unblock, WeightGradient, WinogradInput,
    WinogradOutput,
};

use crate::Isa;

/// The signature of every microkernel.
///
/// `args` points to the call's pointers in the order of [`Params::accesses`], each valid for the accesses stated
/// there and aligned for `f32`; `params` points to the family's parameter struct.
pub type Entry = unsafe extern "C" fn(args: *const *mut f32, params: *const ());

/// One row of the kernel table.
#[derive(Clone, Copy)]
pub struct Ukernel {
    /// Decodes as family, tile (pixels × blocks), source pitch and instruction set: `conv_14x2_p16_avx512`.
    pub name: &'static str,
    /// What it computes.
    pub family: Family,
    /// The instruction set it needs.
    pub isa: Isa,
    /// Its register tile.
    pub tile: Tile,
    /// Its code.
    pub entry: Entry,
    /// Its path for generated Rust, from the runtime's root: `kernels::conv::avx512::p16::n2::m14`.
    pub path: &'static str,
}

/// The register tile of a kernel; a zero means *any*.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Tile {
    /// Output pixels.
    pub mr: u32,
    /// Blocks of output channels.
    pub nr: u32,
    /// Channels of one block.
    pub block: u32,
    /// Elements between the source elements of neighbouring output pixels.
    pub px: u32,
}

#[cfg(test)]
mod tests;
