//! What each node of a graph costs, from types alone.

use std::collections::HashSet;
use std::iter::Sum;
use std::ops::Add;

use convoke_runtime::Isa;

use crate::Graph;
use crate::graph::{Node, NodeId, NodeKind, Value};
use crate::lower::{Layout, Site, Target};
use crate::ops::Op;

/// What a node, or a whole network, costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cost {
    /// Trained numbers: all parameters but BatchNorm's running statistics, as PyTorch counts.
    pub parameters: u64,
    /// Multiply-accumulates of convolutions and linear layers.
    pub macs: u64,
    /// Bytes of the weights that it reads, as the graph's types say: before packing, after folding.
    pub weight_bytes: u64,
    /// Bytes of the other tensors that it reads.
    pub input_bytes: u64,
    /// Bytes of the tensors that it writes.
    pub output_bytes: u64,
}

impl Cost {
    /// Floating-point operations: two for each MAC.
    #[must_use]
    pub const fn flops(&self) -> u64 {
        2 * self.macs
    }

    /// Bytes moved, the compulsory traffic: each distinct operand read once, each result written once. What caches
    /// keep between layers makes it less, what they cannot keep within one makes it more.
    #[must_use]
    pub const fn bytes(&self) -> u64 {
        self.weight_bytes + self.input_bytes + self.output_bytes
    }

    /// Arithmetic intensity, FLOP for each byte moved; `None` where nothing is moved.
    #[must_use]
    pub fn intensity(&self) -> Option<f64> {
        (self.bytes() > 0).then(|| self.flops() as f64 / self.bytes() as f64)
    }
}

impl Add for Cost {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            parameters: self.parameters + other.parameters,
            macs: self.macs + other.macs,
            weight_bytes: self.weight_bytes + other.weight_bytes,
            input_bytes: self.input_bytes + other.input_bytes,
            output_bytes: self.output_bytes + other.output_bytes,
        }
    }
}

impl Sum for Cost {
    fn sum<I: Iterator<Item = Self>>(costs: I) -> Self {
        costs.fold(Self::default(), Add::add)
    }
}

/// An operator node with its cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Layer {
    /// The node.
    pub node: NodeId,
    /// What it costs.
    pub cost: Cost,
}

/// The cost of each operator, in [`Graph::order`].
///
/// A parameter counts where it is first read, so that the parameters of all layers are [`Graph::trainable_count`] (of
/// a graph without weights that nothing reads), and their MACs [`Graph::macs`]. Weights that several nodes read are
/// traffic of each of them. An operator whose result is its operand under another shape moves nothing.
#[must_use]
pub fn layers(graph: &Graph) -> Vec<Layer> {
    let mut counted = HashSet::new();
    let operators = graph.order().into_iter().filter_map(|id| Some((id, graph.node(id).op()?)));
    operators.map(|(id, op)| Layer { node: id, cost: cost(graph, id, op, &mut counted) }).collect()
}

fn cost(graph: &Graph, id: NodeId, op: &Op, counted: &mut HashSet<String>) -> Cost {
    let node = graph.node(id);
    let operands = graph.operands(id);
    let types: Vec<_> = operands.iter().map(|&operand| graph.type_of(operand)).collect();
    let mut cost = Cost { macs: op.macs(&types, &node.types), ..Cost::default() };
    let free = is_alias(graph, op, &operands, node);
    let mut read = HashSet::new();
    for &operand in operands.iter().filter(|operand| read.insert(**operand)) {
        let bytes = if free { 0 } else { bytes(graph, operand) };
        match &graph.node(operand.node).kind {
            NodeKind::Weight(expression) => {
                cost.weight_bytes += bytes;
                expression.visit_parameters(&mut |name, ty| {
                    if Graph::is_trained(name) && counted.insert(name.to_owned()) {
                        cost.parameters += ty.elements() as u64;
                    }
                });
            }
            NodeKind::Input | NodeKind::Op(_) => cost.input_bytes += bytes,
        }
    }
    if !free {
        cost.output_bytes = (0..).zip(&node.types).map(|(output, _)| bytes(graph, Value { node: id, output })).sum();
    }
    cost
}

fn bytes(graph: &Graph, value: Value) -> u64 {
    let ty = graph.type_of(value);
    ty.elements() as u64 * ty.dtype.bytes() as u64
}

/// Whether lowering gives the operator no step where all tensors are row-major.
fn is_alias(graph: &Graph, op: &Op, operands: &[Value], node: &Node) -> bool {
    let site = Site {
        target: &Target::new(Isa::Scalar),
        exact: graph.is_exact(),
        operands: operands.iter().map(|&value| graph.type_of(value)).collect(),
        layouts: operands.iter().map(|v| graph.node(v.node).weight().is_none().then_some(Layout::Plain)).collect(),
        results: &node.types,
    };
    op.choose(&site).0.is_some_and(|(_, _, choice)| choice.alias)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(text: &str) -> Graph {
        text.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn a_network_by_hand() {
        let graph = graph(
            "graph g\n%x = input : f32[1, 3, 8, 8]\n%conv.weight = parameter : f32[4, 3, 3, 3]\n\
            %conv = conv(%x, %conv.weight) {bias = false}\n%again = conv(%x, %conv.weight) {bias = false}\n\
            %twice = add(%again, %again)\n%flat = flatten(%twice)\n%fc.weight = parameter : f32[10, 144]\n\
            %fc.bias = parameter : f32[10]\n%fc = linear(%flat, %fc.weight, %fc.bias)\n\
            output a = %conv\noutput b = %fc",
        );
        let found: Vec<_> = layers(&graph).iter().map(|layer| (&*graph.node(layer.node).name, layer.cost)).collect();
        let cost = |parameters, macs, weights: u64, inputs: u64, outputs: u64| Cost {
            parameters,
            macs,
            weight_bytes: 4 * weights,
            input_bytes: 4 * inputs,
            output_bytes: 4 * outputs,
        };
        let expected = [
            ("conv", cost(108, 4 * 3 * 9 * 36, 108, 192, 144)),
            // The same weights: they are parameters once, but traffic again.
            ("again", cost(0, 4 * 3 * 9 * 36, 108, 192, 144)),
            // The same operand twice is read once.
            ("twice", cost(0, 0, 0, 144, 144)),
            ("flat", Cost::default()),
            ("fc", cost(1450, 1440, 1450, 144, 10)),
        ];
        assert_eq!(found, expected);
        let total: Cost = layers(&graph).iter().map(|layer| layer.cost).sum();
        assert_eq!((total.parameters, total.macs), (graph.trainable_count(), graph.macs()));
        assert_eq!(total.flops(), 2 * graph.macs());
        assert_eq!(expected[2].1.intensity(), Some(0.0));
        assert_eq!(expected[3].1.intensity(), None);
        assert_eq!(expected[0].1.intensity(), Some(7776.0 / 1776.0));
    }

    #[test]
    fn running_statistics_are_traffic_but_no_trained_parameters() {
        let graph = graph(
            "graph g\n%x = input : f32[1, 3, 8, 8]\n%bn.weight = parameter : f32[3]\n%bn.bias = parameter : f32[3]\n\
            %bn.running_mean = parameter : f32[3]\n%bn.running_var = parameter : f32[3]\n\
            %bn = batch_norm(%x, %bn.weight, %bn.bias, %bn.running_mean, %bn.running_var) {eps = 1e-5}\n\
            output y = %bn",
        );
        let [layer] = layers(&graph)[..] else { panic!("one operator") };
        assert_eq!((layer.cost.parameters, layer.cost.weight_bytes), (6, 48));
    }
}
