//! From plan to program: one function for each step, equal ones shared.

use convoke_runtime::network::ValueInfo;

use super::buffers::Buffers;
use super::{Emitter, LowerError, Plan, SlotId, SlotPlace, StepKind, StepPlan, convert, place};
use crate::graph::NodeKind;
use crate::lir::{self, Arg, BufferId, Function, Place, Program, Step};
use crate::{Graph, TensorType};

/// Writes the program of a plan. `parameters` are those that the program asks for, in order: at least those that the
/// graph uses, and the ones that passes have found to be without effect, so that a checkpoint still fits.
///
/// # Errors
/// If the kernel table lacks a row that the plan counts on.
pub fn program(graph: &Graph, plan: &Plan, parameters: &[(String, TensorType)]) -> Result<Program, LowerError> {
    Ok(counted(graph, plan, parameters)?.0)
}

/// The program, and how many of its steps each step of the plan became: one more than it has barriers.
///
/// # Errors
/// As for [`program`].
pub fn counted(
    graph: &Graph,
    plan: &Plan,
    parameters: &[(String, TensorType)],
) -> Result<(Program, Vec<usize>), LowerError> {
    let info = |name: &str, ty: &TensorType| ValueInfo {
        name: name.to_owned().into(),
        dtype: ty.dtype,
        shape: ty.shape.clone().into(),
    };
    let buffers = Buffers::new(parameters.iter().map(|(name, _)| name.clone()));
    let mut writer = Writer { graph, plan, buffers, slots: vec![None; plan.slots.len()] };
    let (mut functions, mut steps, mut counts) = (Vec::new(), Vec::new(), Vec::new());
    for step in &plan.steps {
        let before = steps.len();
        for (function, step) in writer.step(step)? {
            let index = functions.len() as u32;
            functions.push(Function { name: format!("step_{index}"), ..function });
            steps.push(Step { function: index, ..step });
        }
        counts.push(steps.len() - before);
    }
    let program = lir::share_functions(Program {
        name: plan.name.clone(),
        isa: plan.target.isa,
        inputs: graph.inputs().iter().map(|&id| info(&graph.node(id).name, &graph.node(id).types[0])).collect(),
        outputs: graph.outputs().iter().map(|(name, value)| info(name, graph.type_of(*value))).collect(),
        parameters: parameters.iter().map(|(name, ty)| info(name, ty)).collect(),
        arena_len: plan.arena_len,
        weights_len: writer.buffers.weights_len,
        buffers: writer.buffers.list,
        functions,
        steps,
    });
    Ok((program, counts))
}

struct Writer<'a> {
    graph: &'a Graph,
    plan: &'a Plan,
    buffers: Buffers,
    /// The buffer of each slot, once one has been needed.
    slots: Vec<Option<BufferId>>,
}

impl Writer<'_> {
    fn step(&mut self, step: &StepPlan) -> Result<Vec<(Function, Step)>, LowerError> {
        let (graph, plan) = (self.graph, self.plan);
        let mut view = |slot: SlotId| (self.place(slot), plan.slots[slot.0].storage);
        let reads: Vec<_> = step.reads.iter().map(|read| read.map(&mut view)).collect();
        let writes: Vec<_> = step.writes.iter().map(|&slot| view(slot)).collect();
        let target = &plan.slots[step.writes[0].0].name;
        let isa = plan.target.isa;
        let e = match &step.kind {
            StepKind::Convert => {
                let mut e =
                    Emitter::new(&mut self.buffers, isa, format!("convert {target}"), reads, writes, Vec::new());
                let (from, to) = (e.operand(0), e.result(0));
                convert::convert(&mut e, from, to);
                e
            }
            StepKind::Halo => {
                let mut e = Emitter::new(&mut self.buffers, isa, format!("halo {target}"), reads, writes, Vec::new());
                let to = e.result(0);
                convert::halo(&mut e, to);
                e
            }
            StepKind::Node(node) => {
                let values = graph.operands(node.node);
                let this = graph.node(node.node);
                let NodeKind::Op(op) = &this.kind else { unreachable!("only operators have plans") };
                let work = place::work(graph, plan, &values, this, &step.reads, &step.writes);
                let weights = values.iter().map(|value| match &graph.node(value.node).kind {
                    NodeKind::Weight(expression) => Some(expression),
                    NodeKind::Input | NodeKind::Op(_) => None,
                });
                let (name, weights) = (node.name.clone(), weights.collect());
                let mut e = Emitter::new(&mut self.buffers, isa, name, reads, writes, weights);
                op.emit(node.algorithm, &work, &step.schedule, &mut e);
                e
            }
        };
        e.finish(step.schedule.threads)
    }

    /// Where a slot begins: in its own buffer, or in that of the slot it shares memory with.
    fn place(&mut self, slot: SlotId) -> Arg {
        let (root, offset) = self.plan.root(slot);
        Arg { buffer: self.buffer(root), offset }
    }

    /// The buffer of a slot that shares no other's memory.
    fn buffer(&mut self, root: SlotId) -> BufferId {
        if let Some(buffer) = self.slots[root.0] {
            return buffer;
        }
        let slot = &self.plan.slots[root.0];
        let len = slot.storage.len();
        let buffer = match slot.place {
            SlotPlace::Arena(offset) => self.buffers.add(&slot.name, len, Place::Arena(offset)),
            SlotPlace::Input(index) => self.buffers.add(&slot.name, len, Place::Input(index)),
            SlotPlace::Output(index) => self.buffers.add(&slot.name, len, Place::Output(index)),
            SlotPlace::Weight(node) => {
                let NodeKind::Weight(expression) = &self.graph.node(node).kind else {
                    unreachable!("a weight slot belongs to a weight node")
                };
                let postfix = self.buffers.postfix(expression);
                self.buffers.weights(&slot.name, len, postfix)
            }
            SlotPlace::Alias(_) | SlotPlace::Part(..) => unreachable!("a root lies in memory of its own"),
        };
        self.slots[root.0] = Some(buffer);
        buffer
    }
}
