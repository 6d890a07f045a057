//! What an operator's file says of its lowering: a list of algorithms in order of preference, each of which refuses
//! with a reason, asks for layouts, makes a schedule, and writes the step.

use super::gradient::GradientTiles;
use super::tile::ConvTiles;
use super::winograd::WinogradTiles;
use super::{Emitter, Halo, Layout, Refusal, Storage, Target};
use crate::TensorType;
use crate::graph::WeightExpr;
use crate::ops::Operator;

/// One way to compute operator `O`.
pub struct Algorithm<O: 'static> {
    /// Its name in plans and profiles.
    pub name: &'static str,
    /// Whether it applies, and which layouts it asks for; or the reason why it does not.
    pub choose: fn(&O, &Site<'_>) -> Result<Choice, String>,
    /// Tiles and threads, once storages are known: plain data that prints.
    pub schedule: fn(&O, &Work<'_>) -> Schedule,
    /// Writes the step.
    pub emit: fn(&O, &Work<'_>, &Schedule, &mut Emitter<'_>),
}

/// A node, as algorithms see it while they are chosen.
pub struct Site<'a> {
    /// The machine.
    pub target: &'a Target,
    /// Whether the network is [exact](crate::Graph::is_exact).
    pub exact: bool,
    /// The types of its operands.
    pub operands: Vec<&'a TensorType>,
    /// For each operand, the layout in which it is produced; `None` for weights.
    pub layouts: Vec<Option<Layout>>,
    /// The types of its results.
    pub results: &'a [TensorType],
}

impl Site<'_> {
    /// Whether operand `index` is a weight.
    #[must_use]
    pub fn is_weight(&self, index: usize) -> bool {
        self.layouts[index].is_none()
    }
}

/// The algorithm of operators whose result is their operand under another shape: row-major, no step is needed.
pub(crate) const fn alias<O>() -> Algorithm<O> {
    Algorithm {
        name: "alias",
        choose: |_, _| {
            Ok(Choice { operands: vec![Need::dense(Layout::Plain)], results: vec![Layout::Plain], alias: true })
        },
        schedule: |_, _| Schedule::serial(),
        emit: |_, _, _, _| unreachable!("an alias has no step"),
    }
}

/// The algorithm that takes a node: its index, its name and what it asks for; and why those before it refused.
pub type Selection = (Option<(usize, &'static str, Choice)>, Vec<Refusal>);

/// The first algorithm of `op` that does not refuse.
pub(crate) fn select<O: Operator>(op: &O, site: &Site<'_>) -> Selection {
    let mut refusals = Vec::new();
    for (index, algorithm) in O::ALGORITHMS.iter().enumerate() {
        match (algorithm.choose)(op, site) {
            Ok(choice) => return (Some((index, algorithm.name, choice)), refusals),
            Err(reason) => refusals.push(Refusal { algorithm: algorithm.name, reason }),
        }
    }
    (None, refusals)
}

/// What an algorithm asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice {
    /// How it wants each operand.
    pub operands: Vec<Need>,
    /// The layout of each result.
    pub results: Vec<Layout>,
    /// The result is its operand under another type, or its operands one after the other: no step is needed.
    pub alias: bool,
}

/// How an algorithm wants an operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// As an expression, which it packs its own way.
    Weight,
    /// As a tensor in memory.
    Tensor {
        /// In this layout.
        layout: Layout,
        /// With at least this halo.
        halo: Halo,
        /// Without any halo: planes of one piece.
        dense: bool,
    },
}

impl Need {
    /// A tensor in this layout, whatever its halo.
    #[must_use]
    pub const fn tensor(layout: Layout) -> Self {
        Self::Tensor { layout, halo: Halo::NONE, dense: false }
    }

    /// A tensor in this layout, in one piece.
    #[must_use]
    pub const fn dense(layout: Layout) -> Self {
        Self::Tensor { layout, halo: Halo::NONE, dense: true }
    }

    /// A tensor in this layout with at least this halo.
    #[must_use]
    pub const fn halo(layout: Layout, halo: Halo) -> Self {
        Self::Tensor { layout, halo, dense: false }
    }
}

/// A node, as its algorithm sees it once every storage is known.
pub struct Work<'a> {
    /// The machine.
    pub target: &'a Target,
    /// Its operands.
    pub operands: Vec<Operand<'a>>,
    /// The types of its results.
    pub results: &'a [TensorType],
    /// Where its results lie.
    pub storages: Vec<Storage>,
}

/// An operand of a step.
#[derive(Clone, Copy, Debug)]
pub enum Operand<'a> {
    /// An expression over parameters.
    Weight(&'a TensorType, &'a WeightExpr),
    /// A tensor in memory.
    Tensor(&'a TensorType, Storage),
}

impl Operand<'_> {
    /// Its type.
    #[must_use]
    pub fn ty(&self) -> &TensorType {
        match self {
            Self::Weight(ty, _) | Self::Tensor(ty, _) => ty,
        }
    }
}

impl Work<'_> {
    /// The storage of operand `index`, which the algorithm asked for as a tensor.
    ///
    /// # Panics
    /// If it is a weight: a bug of the algorithm.
    #[must_use]
    pub fn storage(&self, index: usize) -> Storage {
        match self.operands[index] {
            Operand::Tensor(_, storage) => storage,
            Operand::Weight(..) => panic!("operand {index} was asked for as a weight"),
        }
    }
}

/// Tiles, loop order and threads of a step: plain data that prints in the plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schedule {
    /// The most threads worth waking.
    pub threads: u32,
    /// The tiles of a convolution; those of each phase of a transposed one.
    pub tiles: Vec<ConvTiles>,
    /// The tiles of a convolution by Winograd's algorithm.
    pub winograd: Option<WinogradTiles>,
    /// The tiles of a convolution's weight gradient.
    pub gradient: Option<GradientTiles>,
    /// Elements of memory that the step needs for itself: its emitter's result after the node's own.
    pub scratch: usize,
}

/// The work that is worth one more thread, in FLOP of vector arithmetic: about twice what a barrier costs.
const FLOP_PER_THREAD: u64 = 400_000;

/// Elements moved that are worth one more thread.
const ELEMENTS_PER_THREAD: u64 = 16_384;

impl Schedule {
    /// A step of so many multiply-accumulates.
    #[must_use]
    pub fn of_macs(macs: u64) -> Self {
        Self { threads: share(2 * macs, FLOP_PER_THREAD), ..Self::serial() }
    }

    /// A step that reads or writes so many elements.
    #[must_use]
    pub fn of_elements(elements: usize) -> Self {
        Self { threads: share(elements as u64, ELEMENTS_PER_THREAD), ..Self::serial() }
    }

    /// A step for one thread.
    #[must_use]
    pub fn serial() -> Self {
        Self { threads: 1, tiles: Vec::new(), winograd: None, gradient: None, scratch: 0 }
    }
}

fn share(work: u64, per_thread: u64) -> u32 {
    u32::try_from(work / per_thread).unwrap_or(u32::MAX).max(1)
}
