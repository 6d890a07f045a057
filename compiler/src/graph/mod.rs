//! The graph: what a network computes, before any decision on how.
//!
//! A petgraph [`StableDiGraph`] whose nodes are inputs, weights and operators
//! and whose edges are operands. It is changed through [`Editor`] only, which keeps names unique, infers every type,
//! and remembers which nodes a fused node came from.
//!
//! A graph prints as text, one node a line, and parses from it:
//!
//! ```text
//! graph LeNet5
//! %image = input : f32[1, 1, 32, 32]
//! %conv1.weight = parameter : f32[6, 1, 5, 5]
//! %conv1 = conv(%image, %conv1.weight) {bias = false} : f32[1, 6, 28, 28]
//! output logits = %conv1
//! ```

mod cursor;
mod edit;
mod error;
pub mod evaluate;
mod gradient;

mod parse;
mod print;
mod types;
mod verify;
mod weight;
mod weight_text;

pub use edit::Editor;
pub use error::{Fault, FaultKind, Faults, GraphError, ParseError};
pub use gradient::GradientError;
pub use types::{DType, TensorType};
pub use weight::WeightExpr;

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, HashSet};

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::stable_graph::{NodeIndex, StableDiGraph};
use petgraph::visit::EdgeRef;

use crate::ops::Op;

/// A node of a [`Graph`]; stays valid while other nodes come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub(crate) NodeIndex<u32>);

/// A tensor in a graph: output `output` of node `node`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value {
    /// The node that produces it.
    pub node: NodeId,
    /// Which of the node's outputs.
    pub output: u16,
}

impl From<NodeId> for Value {
    /// The node's first output.
    fn from(node: NodeId) -> Self {
        Self { node, output: 0 }
    }
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum NodeKind {
    /// An input of the network.
    Input,
    /// Known before the network runs: an expression over parameters.
    Weight(WeightExpr),
    /// An operator.
    Op(Op),
}

/// A node: what it is, its unique name, the types of its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Unique in the graph. For operators that own parameters, PyTorch's module path.
    pub name: String,
    /// Input, weight or operator.
    pub kind: NodeKind,
    /// The types of its outputs, inferred.
    pub types: Vec<TensorType>,
    /// The names of the nodes it was made from by passes; empty for a node that no pass made or changed.
    pub origin: Vec<String>,
}

impl Node {
    /// The operator, if it is one.
    #[must_use]
    pub fn op(&self) -> Option<&Op> {
        match &self.kind {
            NodeKind::Op(op) => Some(op),
            NodeKind::Input | NodeKind::Weight(_) => None,
        }
    }

    /// The weight expression, if it is a weight.
    #[must_use]
    pub fn weight(&self) -> Option<&WeightExpr> {
        match &self.kind {
            NodeKind::Weight(expression) => Some(expression),
            NodeKind::Input | NodeKind::Op(_) => None,
        }
    }
}

/// An edge: output `output` of its source is operand `input` of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Output of the producer.
    pub output: u16,
    /// Operand of the consumer.
    pub input: u16,
}

/// A network.
///
/// Methods that take a [`NodeId`] or [`Value`] panic where it is not of this graph, as indexing does.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    exact: bool,
    frugal: bool,
    graph: StableDiGraph<Node, Operand>,
    names: HashMap<String, NodeId>,
    inputs: Vec<NodeId>,
    outputs: Vec<(String, Value)>,
}

impl Graph {
    /// An empty network.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            exact: false,
            frugal: false,
            graph: StableDiGraph::new(),
            names: HashMap::new(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        }
    }

    /// The same network, computed exactly: see [`is_exact`](Self::is_exact).
    #[must_use]
    pub fn exact(mut self) -> Self {
        self.exact = true;
        self
    }

    /// The same network where memory is dearer than time: what is cheap to compute is computed again for late uses, if the
    /// network then needs less memory. Results are the same, bit for bit.
    #[must_use]
    pub fn frugal(mut self) -> Self {
        self.frugal = true;
        self
    }

    /// Whether cheap values are computed again for late uses, where that saves memory.
    #[must_use]
    pub fn is_frugal(&self) -> bool {
        self.frugal
    }

    /// Whether every sum of products is computed as its operator defines it. Otherwise, where it is faster, an algorithm
    /// may transform what it multiplies, and round differently: [Winograd's](convoke_runtime::kernels::winograd), whose
    /// error is stated there.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        self.exact
    }

    /// The network's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The inputs, in the order in which a run takes them.
    #[must_use]
    pub fn inputs(&self) -> &[NodeId] {
        &self.inputs
    }

    /// The outputs with their names, in the order in which a run gives them.
    #[must_use]
    pub fn outputs(&self) -> &[(String, Value)] {
        &self.outputs
    }

    /// The node with this id.
    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node {
        &self.graph[id.0]
    }

    /// The node of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<NodeId> {
        self.names.get(name).copied()
    }

    /// The number of nodes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.graph.node_count()
    }

    /// Whether there is no node.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The type of a value.
    #[must_use]
    pub fn type_of(&self, value: Value) -> &TensorType {
        &self.node(value.node).types[usize::from(value.output)]
    }

    /// The value as graphs print it, without `%`: `conv1`, or `split#1` for an output other than the first.
    #[must_use]
    pub fn label(&self, value: Value) -> String {
        let name = &self.node(value.node).name;
        if value.output == 0 { name.clone() } else { format!("{name}#{}", value.output) }
    }

    /// The operands of a node, by index.
    #[must_use]
    pub fn operands(&self, id: NodeId) -> Vec<Value> {
        let mut operands: Vec<_> = self
            .graph
            .edges_directed(id.0, Incoming)
            .map(|edge| (edge.weight().input, Value { node: NodeId(edge.source()), output: edge.weight().output }))
            .collect();
        operands.sort_unstable();
        operands.into_iter().map(|(_, value)| value).collect()
    }

    /// The nodes that take `value`, each with the index of the operand, sorted.
    #[must_use]
    pub fn users(&self, value: Value) -> Vec<(NodeId, u16)> {
        let mut users: Vec<_> = self
            .graph
            .edges_directed(value.node.0, Outgoing)
            .filter(|edge| edge.weight().output == value.output)
            .map(|edge| (NodeId(edge.target()), edge.weight().input))
            .collect();
        users.sort_unstable();
        users
    }

    /// Whether a result of the node is an output of the network.
    #[must_use]
    pub fn is_output(&self, id: NodeId) -> bool {
        self.outputs.iter().any(|(_, value)| value.node == id)
    }

    /// Whether exactly one operand of one node is `value`, and no output of the network.
    #[must_use]
    pub fn has_single_use(&self, value: Value) -> bool {
        self.users(value).len() == 1 && self.outputs.iter().all(|(_, output)| *output != value)
    }

    /// All nodes, each after its operands: first the inputs, then operators, the oldest of those that are ready first;
    /// a weight stands just before the first operator that takes it, and those that none takes stand at the end. A node
    /// that is added after another was removed may inherit the age of the removed one.
    ///
    /// Nodes of a cycle, and those that depend on it, are left out; the verifier names them.
    #[must_use]
    pub fn order(&self) -> Vec<NodeId> {
        let mut order = Vec::with_capacity(self.len());
        let mut placed = HashSet::with_capacity(self.len());
        let mut missing: HashMap<NodeIndex, usize> = HashMap::with_capacity(self.len());
        let mut ready = BinaryHeap::new();
        for index in self.graph.node_indices().filter(|&index| !self.is_weight(index)) {
            let operands = self.graph.neighbors_directed(index, Incoming).filter(|&from| !self.is_weight(from)).count();
            missing.insert(index, operands);
            if operands == 0 {
                ready.push(Reverse((self.input_rank(index), index)));
            }
        }
        while let Some(Reverse((_, index))) = ready.pop() {
            for operand in self.operands(NodeId(index)) {
                if self.is_weight(operand.node.0) && placed.insert(operand.node) {
                    order.push(operand.node);
                }
            }
            placed.insert(NodeId(index));
            order.push(NodeId(index));
            for user in self.graph.neighbors_directed(index, Outgoing) {
                if let Some(count) = missing.get_mut(&user) {
                    *count -= 1;
                    if *count == 0 {
                        ready.push(Reverse((self.input_rank(user), user)));
                    }
                }
            }
        }
        let unused = self.graph.node_indices().filter(|&index| self.is_weight(index)).map(NodeId);
        order.extend(unused.filter(|id| !placed.contains(id)));
        order
    }

    /// The distinct parameters that the graph's weights read, in the order of their first use.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, TensorType)> {
        let mut parameters = Vec::new();
        let mut seen = HashSet::new();
        for id in self.order() {
            if let NodeKind::Weight(expression) = &self.node(id).kind {
                expression.visit_parameters(&mut |name, ty| {
                    if seen.insert(name.to_owned()) {
                        parameters.push((name.to_owned(), ty.clone()));
                    }
                });
            }
        }
        parameters
    }

    /// The number of elements of all [`parameters`](Self::parameters), BatchNorm's running statistics included.
    #[must_use]
    pub fn parameter_count(&self) -> u64 {
        self.parameters().iter().map(|(_, ty)| ty.elements() as u64).sum()
    }

    /// The number of elements of all [`parameters`](Self::parameters) that are trained: all but BatchNorm's running
    /// statistics, as PyTorch counts.
    #[must_use]
    pub fn trainable_count(&self) -> u64 {
        self.parameters().iter().filter(|(name, _)| Self::is_trained(name)).map(|(_, ty)| ty.elements() as u64).sum()
    }

    /// Whether the parameter of this name is trained: BatchNorm's running statistics are not.
    #[must_use]
    pub fn is_trained(name: &str) -> bool {
        !name.ends_with(".running_mean") && !name.ends_with(".running_var")
    }

    /// Multiply-accumulates of one run (1 MAC = 2 FLOP).
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.order()
            .into_iter()
            .map(|id| match &self.node(id).kind {
                NodeKind::Op(op) => {
                    let operands = self.operands(id);
                    let types: Vec<_> = operands.iter().map(|&operand| self.type_of(operand)).collect();
                    op.macs(&types, &self.node(id).types)
                }
                NodeKind::Input | NodeKind::Weight(_) => 0,
            })
            .sum()
    }

    /// Changes the graph.
    pub fn edit(&mut self) -> Editor<'_> {
        Editor::new(self)
    }

    fn is_weight(&self, index: NodeIndex) -> bool {
        matches!(self.graph[index].kind, NodeKind::Weight(_))
    }

    /// The place of an input among inputs; behind all of them for other nodes.
    fn input_rank(&self, index: NodeIndex) -> usize {
        match self.graph[index].kind {
            NodeKind::Input => self.inputs.iter().position(|input| input.0 == index).unwrap_or(self.inputs.len()),
            NodeKind::Weight(_) | NodeKind::Op(_) => self.inputs.len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_follows_operands_then_age() {
        let text = "graph g\n%unused = parameter : f32[4]\n%b = input : f32[1, 4]\n%a = input : f32[1, 4]\n\
            %w = parameter : f32[4, 4]\n%first = linear(%a, %w) {bias = false}\n%second = relu(%b)\n\
            %join = add(%second, %first)\noutput join = %join";
        let mut graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let names = |graph: &Graph| -> Vec<String> {
            graph.order().into_iter().map(|id| graph.node(id).name.clone()).collect()
        };
        assert_eq!(names(&graph), ["b", "a", "w", "first", "second", "join", "unused"]);
        // What takes the place of a removed node takes its age.
        let [first, join] = ["first", "join"].map(|name| graph.find(name).expect("it is there"));
        let mut edit = graph.edit();
        let late = edit.op("late", crate::ops::relu::Relu, &[first.into()]).expect("fits");
        let second = edit.graph().find("second").expect("it is there");
        edit.replace_op(join, crate::ops::add::Add::default(), &[late.into(), first.into()], &[]).expect("fits");
        edit.remove(second).expect("unused");
        edit.op("new", crate::ops::relu::Relu, &[first.into()]).expect("fits");
        assert_eq!(names(&graph), ["b", "a", "w", "first", "new", "late", "join", "unused"]);
    }

    #[test]
    fn counts() {
        let text = "graph g\n%x = input : f32[1, 3, 8, 8]\n%conv.weight = parameter : f32[4, 3, 3, 3]\n\
            %conv = conv(%x, %conv.weight) {bias = false}\n%again = conv(%x, %conv.weight) {bias = false}\n\
            %flatten = flatten(%again)\n%fc.weight = parameter : f32[10, 144]\n%fc.bias = parameter : f32[10]\n\
            %fc = linear(%flatten, %fc.weight, %fc.bias)\noutput a = %conv\noutput b = %fc";
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(graph.macs(), 2 * (4 * 3 * 9 * 36) + 1440);
        assert_eq!(graph.parameter_count(), 108 + 1440 + 10);
        let names: Vec<_> = graph.parameters().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["conv.weight", "fc.weight", "fc.bias"]);
    }
}
