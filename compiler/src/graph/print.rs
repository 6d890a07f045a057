//! Graphs as text.

use std::collections::HashSet;
use std::fmt;

use super::cursor::is_bare;
use super::weight_text::Expression;
use super::{Graph, NodeId, NodeKind, TensorType, Value, WeightExpr};

/// A name, in quotes if need be.
pub(super) struct Name<'a>(pub(super) &'a str);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if is_bare(self.0) { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

/// Items with `, ` between.
pub(super) struct Commas<I>(pub(super) I);

impl<I: Clone + IntoIterator<Item: fmt::Display>> fmt::Display for Commas<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, item) in self.0.clone().into_iter().enumerate() {
            write!(f, "{}{item}", if index == 0 { "" } else { ", " })?;
        }
        Ok(())
    }
}

/// A use of a value: `%split#1`.
pub(super) struct Use<'a>(pub(super) &'a Graph, pub(super) Value);

impl fmt::Display for Use<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(graph, Value { node, output }) = self;
        match graph.graph.node_weight(node.0) {
            Some(producer) => write!(f, "%{}", Name(&producer.name))?,
            None => write!(f, "%<removed node {}>", node.0.index())?,
        }
        if *output == 0 { Ok(()) } else { write!(f, "#{output}") }
    }
}

/// The line of a node.
pub(super) struct Line<'a>(pub(super) &'a Graph, pub(super) NodeId);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(graph, id) = *self;
        let node = graph.node(id);
        write!(f, "%{} = ", Name(&node.name))?;
        match &node.kind {
            NodeKind::Input => f.write_str("input")?,
            NodeKind::Weight(WeightExpr::Parameter { name, .. }) if *name == node.name => f.write_str("parameter")?,
            NodeKind::Weight(expression) => write!(f, "weight {}", Expression(expression))?,
            NodeKind::Op(op) => {
                let operands = graph.operands(id);
                write!(f, "{}({})", op.name(), Commas(operands.iter().map(|&value| Use(graph, value))))?;
                let attributes = op.attributes();
                if !attributes.is_empty() {
                    write!(f, " {attributes}")?;
                }
            }
        }
        write!(f, " : {}", Commas::<&Vec<TensorType>>(&node.types))?;
        if !node.origin.is_empty() {
            write!(f, " from {}", Commas(node.origin.iter().map(|name| Name(name))))?;
        }
        Ok(())
    }
}

/// The line of an output.
pub(super) struct OutputLine<'a>(pub(super) &'a Graph, pub(super) &'a str, pub(super) Value);

impl fmt::Display for OutputLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "output {} = {}", Name(self.1), Use(self.0, self.2))
    }
}

/// One node a line, in [`order`](Graph::order); [`FromStr`](std::str::FromStr) reads it back. Of a graph that is not
/// valid, the nodes that a cycle keeps out of the order stand last.
impl fmt::Display for Graph {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let marks = [(self.is_exact(), " exact"), (self.is_frugal(), " frugal")];
        let marks = marks.into_iter().filter_map(|(marked, word)| marked.then_some(word)).collect::<String>();
        writeln!(f, "graph {}{marks}", Name(self.name()))?;
        for id in self.all_nodes() {
            writeln!(f, "{}", Line(self, id))?;
        }
        self.outputs().iter().try_for_each(|(name, value)| writeln!(f, "{}", OutputLine(self, name, *value)))
    }
}

impl Graph {
    /// [`order`](Self::order), followed by the nodes that a cycle keeps out of it.
    pub(super) fn all_nodes(&self) -> Vec<NodeId> {
        let mut nodes = self.order();
        if nodes.len() < self.len() {
            let placed: HashSet<_> = nodes.iter().copied().collect();
            nodes.extend(self.graph.node_indices().map(NodeId).filter(|id| !placed.contains(id)));
        }
        nodes
    }
}
