//! How long layers take: measured, or modelled.

#[cfg(feature = "jit")]
use crate::cost::Stopwatch;
use crate::lower::{Plan, StepKind, StepPlan, Target};
use crate::{Graph, plan};

/// Tells how long graphs take.
pub trait TimeModel {
    /// The seconds that a run of each graph takes, on one thread.
    ///
    /// # Errors
    /// Says why it cannot tell.
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String>;
}

/// Times measured here, the least of all runs.
#[cfg(feature = "jit")]
impl TimeModel for Stopwatch {
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String> {
        let times = self.compare(graphs).map_err(|error| error.to_string())?;
        Ok(times.into_iter().map(|time| time.minimum).collect())
    }
}

/// Times from the plan alone, the same on every machine: for each step the greater of its arithmetic, in whole vectors,
/// at a share of the peak that depends on its algorithm, and of its traffic; and the time to begin it.
///
/// It is coarse: it knows that sixteen lanes are as long for six channels as for sixteen, that depthwise convolutions
/// run far from the peak and that a second step costs something, and no more.
#[derive(Clone, Debug)]
pub struct Modelled {
    target: Target,
}

/// Cycles per second of the modelled core, which begins two vector multiply-adds a cycle.
const CLOCK: f64 = 3e9;
/// Bytes per second between a core and its second-level cache.
const TRAFFIC: f64 = 50e9;
/// Seconds to begin a step.
const STEP: f64 = 0.3e-6;

impl Modelled {
    /// Times of plans for `target`.
    #[must_use]
    pub const fn new(target: Target) -> Self {
        Self { target }
    }

    fn step(&self, graph: &Graph, plan: &Plan, step: &StepPlan) -> f64 {
        let lanes = self.target.isa.lanes();
        let slots = step.reads.iter().flatten().chain(&step.writes);
        let mut elements: usize = slots.map(|&slot| plan.slots[slot.0].ty.elements()).sum();
        let mut arithmetic = 0.0;
        if let StepKind::Node(node) = &step.kind
            && let Some(op) = graph.node(node.node).op()
        {
            let operands = graph.operands(node.node);
            let types: Vec<_> = operands.iter().map(|&operand| graph.type_of(operand)).collect();
            let macs = op.macs(&types, &graph.node(node.node).types) as f64;
            let weight = types.get(1).filter(|_| macs > 0.0).map_or(&[][..], |ty| &ty.shape);
            elements += weight.iter().product::<usize>();
            // How much longer whole vectors of channels are.
            let whole = |channels: usize| channels.next_multiple_of(lanes) as f64 / channels.max(1) as f64;
            let outputs = weight.first().map_or(1.0, |&channels| whole(channels));
            let direct = 1.6 * lanes as f64 / outputs;
            // Multiply-adds a cycle.
            let rate = match node.algorithm_name {
                "direct_planar" | "direct" => direct,
                "winograd" => {
                    let percent = step.schedule.winograd.as_ref().map_or(100, |tiles| tiles.percent);
                    direct * 100.0 / percent.max(1) as f64
                }
                "rows" => 0.8 * lanes as f64,
                "depthwise" => 0.4 * lanes as f64 / outputs,
                _ => 0.5,
            };
            arithmetic = macs / rate / CLOCK;
        }
        STEP + arithmetic.max(4.0 * elements as f64 / TRAFFIC)
    }
}

impl TimeModel for Modelled {
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String> {
        let seconds = |graph: &&Graph| {
            let (graph, plan) = plan(graph, &self.target).map_err(|error| error.to_string())?;
            Ok(plan.steps.iter().map(|step| self.step(&graph, &plan, step)).sum())
        };
        graphs.iter().map(seconds).collect()
    }
}

#[cfg(test)]
mod tests {
    use convoke_runtime::Isa;

    use super::*;

    fn conv(channels: usize, outputs: usize, kernel: usize, groups: usize) -> Graph {
        let padding = kernel / 2;
        let text = format!(
            "graph g\n%x = input : f32[1, {channels}, 28, 28]\n\
             %w = parameter : f32[{outputs}, {}, {kernel}, {kernel}]\n\
             %y = conv(%x, %w) {{bias = false, groups = {groups}, padding = [{padding}, {padding}, {padding}, {padding}]}}\n\
             output y = %y",
            channels / groups
        );
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn more_work_takes_longer_but_not_in_proportion() {
        let graphs =
            [conv(16, 16, 3, 1), conv(6, 6, 3, 1), conv(64, 64, 3, 1), conv(64, 64, 3, 64), conv(64, 64, 1, 1)];
        let seconds = Modelled::new(Target::new(Isa::Avx512)).seconds(&graphs.each_ref()).expect("it has a plan");
        let [sixteen, six, many, depthwise, pointwise] = seconds[..] else { panic!("one for each") };
        assert!(six > 2.0 * (6.0 * 6.0) / (16.0 * 16.0) * sixteen, "whole vectors");
        // By Winograd's algorithm, nine taps take the products of four or two and a quarter.
        assert!(many > 4.0 * sixteen && many > 2.0 * pointwise);
        assert!(depthwise > many / 64.0, "far from the peak");
    }
}
