//! Lowering: graph to plan, plan to program.
//!
//! Everything that is decided, is decided here and prints: [`plan`] chooses for each node an algorithm, for each tensor
//! a layout and a place, and [`program`] writes the loops. What an operator's algorithms are stands in the operator's
//! file; this folder holds what they share.
//!
//! ```text
//! choose     algorithm and layout of each node, reasons for refusals
//! place      storages (layout, halo), conversions between them, steps
//! recompute  which values are made again for late uses
//! arena      offsets of buffers whose lives overlap
//! program    one function for each step, through Emitter
//! ```

mod algorithm;
mod arena;
mod buffers;
mod choose;
mod convert;
pub(crate) mod elementwise;
mod emit;
mod error;
pub mod gradient;
pub(crate) mod nest;
mod place;
mod plan;
mod planes;
pub(crate) mod pooling;
mod program;
mod recompute;
pub(crate) mod regions;
mod storage;
mod target;
pub mod tile;
pub mod winograd;

pub use algorithm::{Algorithm, Choice, Need, Operand, Schedule, Selection, Site, Work};
pub(crate) use algorithm::{alias, select};
pub use emit::{Emitter, View};
pub use error::LowerError;
pub use plan::{NodePlan, Plan, Refusal, Slot, SlotId, SlotPlace, StepKind, StepPlan, plan};
pub use planes::Planes;

pub use program::{counted, program};
pub use storage::{Halo, Layout, Storage};
pub use target::Target;
