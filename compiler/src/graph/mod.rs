//! The graph: what a network computes, before any decision on how.
//!
//! A petgraph [`StableDiGraph`](petgraph::stable_graph::StableDiGraph) whose nodes are inputs, weights and operators and whose edges are operands. It is
//! changed through [`Editor`](edit::Editor) only, which keeps names unique, infers every type, and remembers which
//! nodes a fused node came from.

mod types;
mod weight;

pub use types::{DType, TensorType};
pub use weight::WeightExpr;

use petgraph::stable_graph::{NodeIndex, StableDiGraph};

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

/// An edge: output `output` of its source is operand `input` of its target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operand {
    /// Output of the producer.
    pub output: u16,
    /// Operand of the consumer.
    pub input: u16,
}

/// A network.
#[derive(Clone, Debug)]
pub struct Graph {
    name: String,
    graph: StableDiGraph<Node, Operand>,
    inputs: Vec<NodeId>,
    outputs: Vec<(String, Value)>,
}
