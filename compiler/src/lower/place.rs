//! The second half of planning: storages, conversions between them, and the steps in order.

use std::collections::HashMap;

use super::algorithm::{Need, Operand, Work};
use super::choose::Choices;
use super::{
    Halo, Layout, LowerError, NodePlan, Plan, Schedule, Slot, SlotId, SlotPlace, StepKind, StepPlan, Storage, Target,
};
use crate::graph::{Node, NodeId, NodeKind, Value};
use crate::{Graph, TensorType};

/// Which copy of a tensor a consumer reads: its layout, and whether it must be without a halo.
type Copy = (Value, Layout, bool);

struct Placer<'a> {
    graph: &'a Graph,
    choices: Choices,
    /// The halo of each copy: the union of what its readers need.
    halos: HashMap<Copy, Halo>,
    /// Copies that lie in another copy, and their first element there.
    parts: HashMap<Copy, (Copy, usize)>,
    /// Copies that exist already.
    slots: HashMap<Copy, SlotId>,
    /// What is made again, before the node that is the first of its late users.
    again: HashMap<NodeId, Vec<Value>>,
    plan: Plan,
}

/// Makes slots and steps; offsets in the arena come later. Each value of `again` is made a second time before that node.
pub(super) fn place(
    graph: &Graph,
    target: &Target,
    choices: Choices,
    again: HashMap<NodeId, Vec<Value>>,
) -> Result<Plan, LowerError> {
    let name = graph.name().to_owned();
    let plan = Plan { name, target: target.clone(), slots: Vec::new(), steps: Vec::new(), arena_len: 0 };
    let (halos, parts, slots) = (HashMap::new(), HashMap::new(), HashMap::new());
    let mut placer = Placer { graph, choices, halos, parts, slots, again, plan };
    placer.collect_halos();
    placer.collect_parts()?;
    placer.inputs()?;
    for id in graph.order() {
        if matches!(graph.node(id).kind, NodeKind::Op(_)) {
            placer.again(id)?;
            placer.node(id)?;
        }
    }
    placer.outputs()?;
    placer.lives();
    Ok(placer.plan)
}

impl<'a> Placer<'a> {
    /// The copy of `value` that satisfies `need`: the produced one where layout and halo permit.
    fn copy(&self, value: Value, layout: Layout, halo: Halo, dense: bool) -> Copy {
        let produced = self.choices.layouts.get(&value).copied().unwrap_or(Layout::Plain);
        let first = (value, produced, self.rigid(value));
        if layout != produced {
            return (value, layout, dense);
        }
        let has_halo = !first.2 && self.halos.get(&first).is_some_and(|halo| *halo != Halo::NONE);
        match (dense, first.2) {
            (true, false) if has_halo => (value, layout, true),
            (false, true) if halo != Halo::NONE => (value, layout, false),
            _ => first,
        }
    }

    /// Whether the memory of `value` is not ours to shape: inputs, weights, and what shares memory under another type.
    fn rigid(&self, value: Value) -> bool {
        match self.choices.nodes.get(&value.node) {
            None => true,
            Some(plan) => plan.choice.alias && !self.joins(value.node),
        }
    }

    /// Whether the result of a node is its operands, one after the other.
    fn joins(&self, node: NodeId) -> bool {
        self.choices.nodes.get(&node).is_some_and(|plan| plan.choice.alias && plan.choice.operands.len() > 1)
    }

    /// Halos first, since a tensor is written before its last reader is met.
    fn collect_halos(&mut self) {
        for id in self.graph.order() {
            let Some(plan) = self.choices.nodes.get(&id) else { continue };
            for (value, need) in self.graph.operands(id).into_iter().zip(&plan.choice.operands) {
                if let Need::Tensor { layout, halo, dense: false } = *need {
                    let copy = self.copy(value, layout, halo, false);
                    if !copy.2 {
                        let entry = self.halos.entry(copy).or_default();
                        *entry = entry.union(halo);
                    }
                }
            }
        }
    }

    /// Which tensors are produced where a join has them: those that are produced in its layout, in memory that is ours to
    /// shape, and for no other join before. A part and its whole have the same halo.
    fn collect_parts(&mut self) -> Result<(), LowerError> {
        let mut joins = Vec::new();
        let order = self.graph.order();
        let joining: Vec<NodeId> = order.into_iter().filter(|&id| self.joins(id)).collect();
        for id in joining {
            let layout = self.choices.nodes[&id].choice.results[0];
            let whole = (Value { node: id, output: 0 }, layout, false);
            for value in self.graph.operands(id) {
                let part = (value, layout, false);
                let produced = self.choices.layouts.get(&value) == Some(&layout) && !self.rigid(value);
                if produced && self.output_place(value, layout, part).is_none() {
                    self.parts.entry(part).or_insert((whole, 0));
                }
            }
            joins.push(whole);
        }
        // Joins of joins: until nothing grows.
        loop {
            let mut grown = false;
            for (&part, &(whole, _)) in &self.parts {
                let [a, b] = [part, whole].map(|copy| self.halos.get(&copy).copied().unwrap_or_default());
                let halo = a.union(b);
                grown |= halo != a || halo != b;
                self.halos.extend([(part, halo), (whole, halo)]);
            }
            if !grown {
                break;
            }
        }
        for whole in joins {
            for (part, offset) in self.joined(whole)? {
                // The same tensor joined twice is in place once.
                if let Some(place) = self.parts.get_mut(&part).filter(|place| place.0 == whole && place.1 == 0) {
                    place.1 = offset;
                }
            }
        }
        Ok(())
    }

    /// The copies that a join asks for, and the first element of each in its result.
    fn joined(&self, whole: Copy) -> Result<Vec<(Copy, usize)>, LowerError> {
        let (result, layout, _) = whole;
        let halo = self.halos.get(&whole).copied().unwrap_or_default();
        let mut offset = 0;
        let part = |value| {
            let storage = Storage::new(self.graph.type_of(value), layout, halo, &self.plan.target)?;
            let first = offset;
            offset += storage.len();
            Ok(((value, layout, false), first))
        };
        self.graph.operands(result.node).into_iter().map(part).collect()
    }

    /// The slot of a copy that other copies lie in, made before the first of them is.
    fn whole(&mut self, copy: Copy) -> Result<SlotId, LowerError> {
        match self.slots.get(&copy) {
            Some(&slot) => Ok(slot),
            None => {
                let place = self.produced_place(copy)?;
                self.slot(copy, place)
            }
        }
    }

    /// Where the copy that a node produces lies.
    fn produced_place(&mut self, copy: Copy) -> Result<SlotPlace, LowerError> {
        if let Some(&(whole, offset)) = self.parts.get(&copy) {
            return Ok(SlotPlace::Part(self.whole(whole)?, offset));
        }
        Ok(self.output_place(copy.0, copy.1, copy).unwrap_or(SlotPlace::Arena(0)))
    }

    /// Copies what does not lie in the result of a join already.
    fn join(&mut self, whole: Copy) -> Result<(), LowerError> {
        let result = self.whole(whole)?;
        let halo = self.plan.slots[result.0].storage.halo;
        for (part, offset) in self.joined(whole)? {
            if self.parts.get(&part) == Some(&(whole, offset)) {
                continue;
            }
            let (value, layout, _) = part;
            let from = self.read(value, layout, Halo::NONE, false)?;
            let ty = self.graph.type_of(value).clone();
            let storage = Storage::new(&ty, layout, halo, &self.plan.target)?;
            let to = SlotId(self.plan.slots.len());
            let (name, place) = (self.name(value), SlotPlace::Part(result, offset));
            self.plan.slots.push(Slot { name, ty, storage, place, live: (usize::MAX, 0) });
            self.convert(from, to);
        }
        Ok(())
    }

    fn inputs(&mut self) -> Result<(), LowerError> {
        for (index, &id) in (0..).zip(self.graph.inputs()) {
            let value = Value { node: id, output: 0 };
            self.slot((value, Layout::Plain, true), SlotPlace::Input(index))?;
        }
        Ok(())
    }

    fn name(&self, value: Value) -> String {
        let name = &self.graph.node(value.node).name;
        if value.output == 0 { name.clone() } else { format!("{name}#{}", value.output) }
    }

    /// Makes the slot of a copy.
    fn slot(&mut self, copy: Copy, place: SlotPlace) -> Result<SlotId, LowerError> {
        let (value, layout, dense) = copy;
        let halo = if dense { Halo::NONE } else { self.halos.get(&copy).copied().unwrap_or_default() };
        let ty = self.graph.type_of(value).clone();
        let storage = Storage::new(&ty, layout, halo, &self.plan.target)?;
        let id = SlotId(self.plan.slots.len());
        self.plan.slots.push(Slot { name: self.name(value), ty, storage, place, live: (usize::MAX, 0) });
        self.slots.insert(copy, id);
        Ok(id)
    }

    /// The slot of the copy of `value` that satisfies `need`, converted if it does not exist yet.
    fn read(&mut self, value: Value, layout: Layout, halo: Halo, dense: bool) -> Result<SlotId, LowerError> {
        let copy = self.copy(value, layout, halo, dense);
        if let Some(&slot) = self.slots.get(&copy) {
            return Ok(slot);
        }
        if matches!(self.graph.node(value.node).kind, NodeKind::Weight(_)) && copy == (value, Layout::Plain, true) {
            return self.slot(copy, SlotPlace::Weight(value.node));
        }
        let produced = self.choices.layouts.get(&value).copied().unwrap_or(Layout::Plain);
        let from = self.read(value, produced, Halo::NONE, self.rigid(value))?;
        let to = self.slot(copy, SlotPlace::Arena(0))?;
        self.convert(from, to);
        Ok(to)
    }

    fn convert(&mut self, from: SlotId, to: SlotId) {
        self.halo(to);
        let elements = self.plan.slots[from.0].storage.len() + self.plan.slots[to.0].storage.len();
        let schedule = Schedule::of_elements(elements);
        self.plan.steps.push(StepPlan { kind: StepKind::Convert, reads: vec![Some(from)], writes: vec![to], schedule });
    }

    /// A step that zeroes the halo of `slot`, if it has one: other tensors use the same memory within a run.
    fn halo(&mut self, slot: SlotId) {
        let storage = self.plan.slots[slot.0].storage;
        if !storage.dense() {
            let border = storage.len() - storage.n * storage.blocks() * storage.h * storage.w * storage.block;
            let schedule = Schedule::of_elements(border);
            self.plan.steps.push(StepPlan { kind: StepKind::Halo, reads: Vec::new(), writes: vec![slot], schedule });
        }
    }

    /// Makes again what has late uses from `id` on, whose copies so far then end with their last use. A value that shares
    /// memory with another, or is an output, stays.
    fn again(&mut self, id: NodeId) -> Result<(), LowerError> {
        for value in self.again.remove(&id).unwrap_or_default() {
            let shared = |slot: SlotId| {
                let root = self.plan.root(slot).0;
                root != slot || self.plan.slots.iter().any(|other| shares(other.place, slot))
            };
            let mut copies = self.slots.iter().filter(|(copy, _)| copy.0 == value).map(|(_, slot)| *slot);
            if !copies.any(shared) && !self.rigid(value) && !self.joins(value.node) {
                self.slots.retain(|copy, _| copy.0 != value);
                self.node(value.node)?;
            }
        }
        Ok(())
    }

    fn node(&mut self, id: NodeId) -> Result<(), LowerError> {
        let node: &'a Node = self.graph.node(id);
        let plan: NodePlan = self.choices.nodes[&id].clone();
        if self.joins(id) {
            return self.join((Value { node: id, output: 0 }, plan.choice.results[0], false));
        }
        let values = self.graph.operands(id);
        let mut reads = Vec::with_capacity(values.len());
        for (&value, need) in values.iter().zip(&plan.choice.operands) {
            reads.push(match *need {
                Need::Weight => None,
                Need::Tensor { layout, halo, dense } => Some(self.read(value, layout, halo, dense)?),
            });
        }
        if plan.choice.alias {
            let of = reads[0].expect("an alias is of a tensor");
            self.slot((Value { node: id, output: 0 }, plan.choice.results[0], true), SlotPlace::Alias(of))?;
            return Ok(());
        }
        let mut writes = Vec::with_capacity(plan.choice.results.len());
        for (output, &layout) in (0..).zip(&plan.choice.results) {
            let value = Value { node: id, output };
            let copy = (value, layout, false);
            let place = self.produced_place(copy)?;
            let slot = self.slot(copy, place)?;
            self.halo(slot);
            writes.push(slot);
        }
        let work = self.work(&values, node, &reads, &writes);
        let NodeKind::Op(op) = &node.kind else { unreachable!("only operators have plans") };
        let schedule = op.schedule(plan.algorithm, &work);
        if schedule.scratch > 0 {
            writes.push(self.scratch(&plan.name, schedule.scratch)?);
        }
        self.plan.steps.push(StepPlan { kind: StepKind::Node(plan), reads, writes, schedule });
        Ok(())
    }

    /// The slot of a step's own memory: a row of `len` elements.
    fn scratch(&mut self, node: &str, len: usize) -> Result<SlotId, LowerError> {
        let ty = TensorType::f32([len]);
        let storage = Storage::new(&ty, Layout::Plain, Halo::NONE, &self.plan.target)?;
        let id = SlotId(self.plan.slots.len());
        let (name, place) = (format!("{node}.scratch"), SlotPlace::Arena(0));
        self.plan.slots.push(Slot { name, ty, storage, place, live: (usize::MAX, 0) });
        Ok(id)
    }

    /// The output that a tensor can be written to directly: one that is row-major and in one piece.
    fn output_place(&self, value: Value, layout: Layout, copy: Copy) -> Option<SlotPlace> {
        let plain = layout == Layout::Plain && self.halos.get(&copy).is_none_or(|halo| *halo == Halo::NONE);
        let index = self.graph.outputs().iter().position(|&(_, output)| output == value)?;
        plain.then(|| SlotPlace::Output(u16::try_from(index).expect("outputs are few")))
    }

    fn work(&self, values: &[Value], node: &'a Node, reads: &[Option<SlotId>], writes: &[SlotId]) -> Work<'_> {
        work(self.graph, &self.plan, values, node, reads, writes)
    }

    /// What no step has written to its output directly is converted from the copy that was produced.
    fn outputs(&mut self) -> Result<(), LowerError> {
        let graph = self.graph;
        for (index, &(_, value)) in (0_u16..).zip(graph.outputs()) {
            let produced = self.choices.layouts.get(&value).copied().unwrap_or(Layout::Plain);
            let from = self.read(value, produced, Halo::NONE, false)?;
            if self.plan.slots[from.0].place == SlotPlace::Output(index) {
                continue;
            }
            let Slot { name, ty, .. } = self.plan.slots[from.0].clone();
            let storage = Storage::new(&ty, Layout::Plain, Halo::NONE, &self.plan.target)?;
            let to = SlotId(self.plan.slots.len());
            self.plan.slots.push(Slot { name, ty, storage, place: SlotPlace::Output(index), live: (usize::MAX, 0) });
            self.convert(from, to);
        }
        Ok(())
    }

    /// The steps between which each slot's elements matter, aliases counted with the slot they share.
    fn lives(&mut self) {
        for index in 0..self.plan.steps.len() {
            let step = &self.plan.steps[index];
            let touched: Vec<SlotId> = step.reads.iter().flatten().chain(&step.writes).copied().collect();
            for slot in touched {
                let (root, _) = self.plan.root(slot);
                let live = &mut self.plan.slots[root.0].live;
                *live = (live.0.min(index), live.1.max(index));
            }
        }
    }
}

/// Whether what lies there lies in `slot`.
fn shares(place: SlotPlace, slot: SlotId) -> bool {
    matches!(place, SlotPlace::Alias(of) | SlotPlace::Part(of, _) if of == slot)
}

/// A node as its algorithm sees it.
pub(super) fn work<'a>(
    graph: &'a Graph,
    plan: &'a Plan,
    values: &[Value],
    node: &'a Node,
    reads: &[Option<SlotId>],
    writes: &[SlotId],
) -> Work<'a> {
    let operand = |(value, read): (&Value, &Option<SlotId>)| {
        let ty: &TensorType = graph.type_of(*value);
        match (read, &graph.node(value.node).kind) {
            (Some(slot), _) => Operand::Tensor(ty, plan.slots[slot.0].storage),
            (None, NodeKind::Weight(expression)) => Operand::Weight(ty, expression),
            (None, _) => unreachable!("only weights are asked for as weights"),
        }
    };
    Work {
        target: &plan.target,
        operands: values.iter().zip(reads).map(operand).collect(),
        results: &node.types,
        storages: writes.iter().map(|slot| plan.slots[slot.0].storage).collect(),
    }
}
