//! Some nodes of a graph as a graph of their own.

use std::collections::HashMap;

use crate::Graph;
use crate::graph::{NodeId, NodeKind, Value};

/// The sub-graph of these operators: what they take from outside becomes an input or, where it is a weight, a
/// parameter; what is used outside becomes an output.
///
/// All names are new and follow from the order of the nodes alone, so that equal layers give equal graphs, and equal
/// texts.
///
/// # Panics
/// If a node is not an operator of the graph.
#[must_use]
pub fn extract(graph: &Graph, nodes: &[NodeId]) -> Graph {
    let mut part = Graph::new("part");
    let mut edit = part.edit();
    let mut values: HashMap<Value, Value> = HashMap::new();
    let inside: Vec<NodeId> = graph.order().into_iter().filter(|id| nodes.contains(id)).collect();
    assert_eq!(inside.len(), nodes.len(), "the nodes are distinct operators of the graph");
    for (index, &id) in inside.iter().enumerate() {
        let mut operands = Vec::new();
        for value in graph.operands(id) {
            let next = values.len();
            operands.push(*values.entry(value).or_insert_with(|| {
                let ty = graph.type_of(value).clone();
                match graph.node(value.node).kind {
                    NodeKind::Weight(_) => edit.parameter(format!("w{next}"), ty),
                    NodeKind::Input | NodeKind::Op(_) => edit.input(format!("x{next}"), ty),
                }
            }));
        }
        let op = graph.node(id).op().expect("the nodes are operators").clone();
        let node = edit.op(format!("n{index}"), op, &operands).expect("operands have the types that they had");
        for (output, _) in (0..).zip(&graph.node(id).types) {
            values.insert(Value { node: id, output }, Value { node, output });
        }
    }
    for &id in &inside {
        for (output, _) in (0..).zip(&graph.node(id).types) {
            let value = Value { node: id, output };
            let used = graph.users(value).iter().any(|(user, _)| !inside.contains(user));
            if used || graph.outputs().iter().any(|(_, result)| *result == value) {
                edit.output(format!("y{}", edit.graph().outputs().len()), values[&value]);
            }
        }
    }
    part
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_layers_give_equal_graphs() {
        let text = "graph g\n%x = input : f32[1, 4, 8, 8]\n%a.weight = parameter : f32[4, 4, 1, 1]\n\
            %a = conv(%x, %a.weight) {bias = false}\n%ra = relu(%a)\n%b.weight = parameter : f32[4, 4, 1, 1]\n\
            %b = conv(%ra, %b.weight) {bias = false}\n%rb = relu(%b)\n%sum = add(%rb, %ra)\noutput y = %sum";
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let part = |names: &[&str]| {
            let nodes: Vec<_> = names.iter().map(|name| graph.find(name).expect("it is there")).collect();
            extract(&graph, &nodes).to_string()
        };
        assert_eq!(part(&["a", "ra"]), part(&["b", "rb"]));
        // Nodes are taken in the graph's order, and what is used outside is an output.
        assert_eq!(
            part(&["sum", "rb"]),
            "graph part\n%x0 = input : f32[1, 4, 8, 8]\n%x2 = input : f32[1, 4, 8, 8]\n\
            %n0 = relu(%x0) : f32[1, 4, 8, 8]\n%n1 = add(%n0, %x2) : f32[1, 4, 8, 8]\noutput y0 = %n1\n"
        );
        assert!(part(&["a", "ra", "b"]).ends_with("output y0 = %n1\noutput y1 = %n2\n"));
        assert!(part(&["a"]).contains("%w1 = parameter : f32[4, 4, 1, 1]"));
    }
}
