//! The plan: every decision of lowering, as plain data that prints.

use std::collections::HashMap;
use std::fmt;

use super::{Choice, LowerError, Schedule, Storage, Target, arena, choose, place, recompute};
use crate::graph::NodeId;
use crate::{Graph, TensorType};

/// How a network will run on a target.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// The network's name.
    pub name: String,
    /// The machine.
    pub target: Target,
    /// Tensors in memory.
    pub slots: Vec<Slot>,
    /// Steps in order.
    pub steps: Vec<StepPlan>,
    /// Elements of the arena.
    pub arena_len: usize,
}

/// The index of a slot in [`Plan::slots`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SlotId(pub usize);

/// A tensor in memory.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    /// The graph's name for it; a conversion appends its layout.
    pub name: String,
    /// Its type.
    pub ty: TensorType,
    /// How it lies.
    pub storage: Storage,
    /// Where it lies.
    pub place: SlotPlace,
    /// The steps between which its elements must survive, both included.
    pub live: (usize, usize),
}

/// Where a slot lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SlotPlace {
    /// In the arena, from this element on.
    Arena(usize),
    /// The input with this index.
    Input(u16),
    /// The output with this index.
    Output(u16),
    /// Prepared weights: the value of this weight node.
    Weight(NodeId),
    /// The same elements as another slot.
    Alias(SlotId),
    /// Elements of another slot, from this one on.
    Part(SlotId, usize),
}

/// One step.
#[derive(Clone, Debug, PartialEq)]
pub struct StepPlan {
    /// What it does.
    pub kind: StepKind,
    /// Tensors that it reads; for a node one for each operand, `None` for weights.
    pub reads: Vec<Option<SlotId>>,
    /// Tensors that it writes.
    pub writes: Vec<SlotId>,
    /// Threads and tiles.
    pub schedule: Schedule,
}

/// What a step does.
#[derive(Clone, Debug, PartialEq)]
pub enum StepKind {
    /// Computes a node.
    Node(NodePlan),
    /// Copies a tensor into another storage.
    Convert,
    /// Sets the halo of a tensor to zero.
    Halo,
}

/// How a node is computed.
#[derive(Clone, Debug, PartialEq)]
pub struct NodePlan {
    /// The node.
    pub node: NodeId,
    /// Its name.
    pub name: String,
    /// Its operator.
    pub op: &'static str,
    /// The algorithm: index in the operator's list.
    pub algorithm: usize,
    /// The algorithm's name.
    pub algorithm_name: &'static str,
    /// What it asked for.
    pub choice: Choice,
    /// The algorithms of higher preference that refused.
    pub refusals: Vec<Refusal>,
}

/// Why an algorithm does not compute a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The algorithm.
    pub algorithm: &'static str,
    /// Its reason.
    pub reason: String,
}

/// Plans a graph for a target.
///
/// # Errors
/// Names the node that has no algorithm, with every algorithm's reason, or the tensor that is too large.
pub fn plan(graph: &Graph, target: &Target) -> Result<Plan, LowerError> {
    let choices = choose::choose(graph, target)?;
    let placed = |again| -> Result<Plan, LowerError> {
        let mut plan = place::place(graph, target, choices.clone(), again)?;
        arena::assign(&mut plan);
        Ok(plan)
    };
    let plan = placed(HashMap::new())?;
    if graph.is_frugal() {
        let frugal = placed(recompute::late_uses(graph))?;
        if frugal.arena_len < plan.arena_len {
            return Ok(frugal);
        }
    }
    Ok(plan)
}

impl Plan {
    /// The slot at the end of a chain of aliases and parts, and the first of its elements that `slot` has.
    #[must_use]
    pub fn root(&self, mut slot: SlotId) -> (SlotId, usize) {
        let mut first = 0;
        loop {
            let (of, offset) = match self.slots[slot.0].place {
                SlotPlace::Alias(of) => (of, 0),
                SlotPlace::Part(of, offset) => (of, offset),
                SlotPlace::Arena(_) | SlotPlace::Input(_) | SlotPlace::Output(_) | SlotPlace::Weight(_) => {
                    return (slot, first);
                }
            };
            (slot, first) = (of, first + offset);
        }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Target { isa, threads, l2 } = &self.target;
        writeln!(f, "plan {} for {isa}, {threads} threads, {l2} bytes of L2; arena {}", self.name, self.arena_len * 4)?;
        for (index, step) in self.steps.iter().enumerate() {
            write!(f, "{index:4}  ")?;
            match &step.kind {
                StepKind::Node(node) => write!(f, "{} `{}` by {}", node.op, node.name, node.algorithm_name)?,
                StepKind::Convert => write!(f, "convert")?,
                StepKind::Halo => write!(f, "halo")?,
            }
            let reads = step.reads.iter().flatten().map(|&slot| self.describe(slot)).collect::<Vec<_>>();
            let writes = step.writes.iter().map(|&slot| self.describe(slot)).collect::<Vec<_>>();
            write!(f, ": ({}) -> {}", reads.join(", "), writes.join(", "))?;
            for tiles in &step.schedule.tiles {
                write!(f, "; {tiles}")?;
            }
            if let Some(tiles) = &step.schedule.winograd {
                write!(f, "; {tiles}")?;
            }
            if let Some(tiles) = &step.schedule.gradient {
                write!(f, "; {tiles}")?;
            }
            writeln!(f, "; threads {}", step.schedule.threads)?;
            if let StepKind::Node(node) = &step.kind {
                for refusal in &node.refusals {
                    writeln!(f, "        not {}: {}", refusal.algorithm, refusal.reason)?;
                }
            }
        }
        Ok(())
    }
}

impl Plan {
    fn describe(&self, id: SlotId) -> String {
        let slot = &self.slots[id.0];
        let (root, first) = self.root(id);
        let place = match self.slots[root.0].place {
            SlotPlace::Arena(offset) => format!("arena {}", (offset + first) * 4),
            SlotPlace::Input(index) => format!("input {index}"),
            SlotPlace::Output(index) => format!("output {index}"),
            SlotPlace::Weight(_) => "weights".to_owned(),
            SlotPlace::Alias(_) | SlotPlace::Part(..) => unreachable!("a root lies in memory of its own"),
        };
        format!("{} {} {} @ {place}", slot.name, slot.ty, slot.storage)
    }
}
