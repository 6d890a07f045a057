//! The verifier: every fault of a graph, with its place.

use std::collections::{BTreeMap, HashMap};

use petgraph::Direction::Incoming;
use petgraph::algo::tarjan_scc;
use petgraph::visit::EdgeRef;

use super::print::{Line, OutputLine};
use super::weight::result_type;
use super::{Fault, FaultKind, Faults, Graph, NodeId, NodeKind, TensorType, WeightExpr};

impl Graph {
    /// Checks everything that later stages rely on: no cycles; operands dense and existing; types as inferred, not
    /// empty and not beyond memory; names unique; inputs listed; weight expressions typed, one type for a parameter;
    /// at least one output, and all of them existing.
    ///
    /// # Errors
    /// All faults, each with the place and its text.
    pub fn verify(&self) -> Result<(), Faults> {
        let mut verifier = Verifier { graph: self, faults: Vec::new(), parameters: HashMap::new() };
        verifier.cycles();
        verifier.names();
        for id in self.all_nodes() {
            verifier.node(id);
        }
        verifier.outputs();
        if verifier.faults.is_empty() {
            Ok(())
        } else {
            Err(Faults { graph: self.name().to_owned(), faults: verifier.faults })
        }
    }
}

struct Verifier<'g> {
    graph: &'g Graph,
    faults: Vec<Fault>,
    parameters: HashMap<&'g str, &'g TensorType>,
}

impl<'g> Verifier<'g> {
    fn fault(&mut self, id: NodeId, kind: FaultKind) {
        let place = format!("node `{}`", self.graph.node(id).name);
        self.faults.push(Fault { place, kind, text: Line(self.graph, id).to_string() });
    }

    fn cycles(&mut self) {
        let graph = &self.graph.graph;
        for component in tarjan_scc(graph) {
            let first = component[0];
            if component.len() > 1 || graph.contains_edge(first, first) {
                let mut ids: Vec<_> = component.into_iter().map(NodeId).collect();
                ids.sort_unstable();
                let through = ids.iter().map(|&id| format!("`{}`", self.graph.node(id).name)).collect();
                self.fault(ids[0], FaultKind::Cycle { through });
            }
        }
    }

    fn names(&mut self) {
        let mut names: BTreeMap<&str, Vec<NodeId>> = BTreeMap::new();
        for index in self.graph.graph.node_indices() {
            names.entry(&self.graph.graph[index].name).or_default().push(NodeId(index));
        }
        for (name, ids) in names {
            if ids.len() > 1 {
                self.fault(ids[1], FaultKind::NameRepeated { times: ids.len() });
            } else if self.graph.find(name) != Some(ids[0]) {
                self.fault(ids[0], FaultKind::NameUnlisted);
            }
        }
    }

    fn node(&mut self, id: NodeId) {
        let graph = self.graph;
        let node = graph.node(id);
        let sound = self.operands(id);
        for ty in &node.types {
            if ty.shape.contains(&0) {
                self.fault(id, FaultKind::Empty { ty: ty.clone() });
            } else if ty.bytes().is_none() {
                self.fault(id, FaultKind::TooLarge { ty: ty.clone() });
            }
        }
        let listed = graph.inputs.iter().filter(|&&input| input == id).count();
        let expected = usize::from(matches!(node.kind, NodeKind::Input));
        if listed != expected {
            self.fault(id, FaultKind::InputListed { times: listed, expected });
        }
        match &node.kind {
            NodeKind::Input => self.no_operands(id, "an input"),
            NodeKind::Weight(expression) => {
                self.no_operands(id, "a weight");
                self.weight(id, expression);
                self.result_types(id, std::slice::from_ref(expression.ty()));
            }
            NodeKind::Op(op) if sound => match graph.infer(&node.name, op, &graph.operands(id)) {
                Ok(inferred) => self.result_types(id, &inferred),
                Err(error) => self.fault(id, FaultKind::Operands(error)),
            },
            NodeKind::Op(_) => {}
        }
    }

    /// Whether the operands' indices are dense, and their values exist and have types that memory can hold.
    fn operands(&mut self, id: NodeId) -> bool {
        let (before, mut sound) = (self.faults.len(), true);
        let mut times: BTreeMap<u16, usize> = BTreeMap::new();
        let mut edges: Vec<_> = self.graph.graph.edges_directed(id.0, Incoming).collect();
        edges.sort_unstable_by_key(|edge| (edge.weight().input, edge.weight().output));
        for edge in edges {
            let (operand, output) = (edge.weight().input, edge.weight().output);
            *times.entry(operand).or_default() += 1;
            let producer = self.graph.node(NodeId(edge.source()));
            match producer.types.get(usize::from(output)) {
                Some(ty) => sound &= ty.bytes().is_some(),
                None => {
                    let (producer, outputs) = (producer.name.clone(), producer.types.len());
                    self.fault(id, FaultKind::NoSuchResult { operand, producer, output, outputs });
                }
            }
        }
        let last = times.last_key_value().map_or(0, |(&operand, _)| usize::from(operand) + 1);
        for operand in (0..).take(last) {
            match times.get(&operand) {
                None => self.fault(id, FaultKind::OperandMissing { operand }),
                Some(1) => {}
                Some(&times) => self.fault(id, FaultKind::OperandRepeated { operand, times }),
            }
        }
        sound && self.faults.len() == before
    }

    fn no_operands(&mut self, id: NodeId, kind: &'static str) {
        let operands = self.graph.operands(id).len();
        if operands > 0 {
            self.fault(id, FaultKind::TakesNoOperands { kind, operands });
        }
    }

    fn result_types(&mut self, id: NodeId, inferred: &[TensorType]) {
        let declared = &self.graph.node(id).types;
        if declared.len() != inferred.len() {
            self.fault(id, FaultKind::ResultCount { declared: declared.len(), inferred: inferred.len() });
        }
        for (output, (declared, inferred)) in declared.iter().zip(inferred).enumerate() {
            if declared != inferred {
                let (declared, inferred) = (declared.clone(), inferred.clone());
                self.fault(id, FaultKind::ResultType { output, declared, inferred });
            }
        }
    }

    fn weight(&mut self, id: NodeId, expression: &'g WeightExpr) {
        match expression {
            WeightExpr::Parameter { name, ty } => {
                let expected = *self.parameters.entry(name).or_insert(ty);
                if expected != ty {
                    let (expected, found) = (expected.clone(), ty.clone());
                    self.fault(id, FaultKind::ParameterType { parameter: name.clone(), expected, found });
                }
            }
            WeightExpr::Literal { ty, values } => {
                let fits = values.len() == 1 || ty.bytes().is_some() && values.len() == ty.elements();
                if !fits {
                    self.fault(id, FaultKind::LiteralLength { values: values.len(), ty: ty.clone() });
                }
            }
            WeightExpr::Apply { op, operands, ty } => {
                operands.iter().for_each(|operand| self.weight(id, operand));
                match result_type(op, operands) {
                    Err(error) => self.fault(id, FaultKind::Weight(error, expression.to_string())),
                    Ok(inferred) if inferred != *ty => {
                        let (expression, declared) = (expression.to_string(), ty.clone());
                        self.fault(id, FaultKind::WeightType { expression, declared, inferred });
                    }
                    Ok(_) => {}
                }
            }
        }
    }

    fn outputs(&mut self) {
        let graph = self.graph;
        for (index, (name, value)) in graph.outputs().iter().enumerate() {
            let producer = graph.graph.node_weight(value.node.0);
            let exists = producer.is_some_and(|producer| usize::from(value.output) < producer.types.len());
            let times = graph.outputs().iter().filter(|(other, _)| other == name).count();
            let first = graph.outputs()[..index].iter().all(|(other, _)| other != name);
            let mut fault = |kind| {
                let text = OutputLine(graph, name, *value).to_string();
                self.faults.push(Fault { place: format!("output `{name}`"), kind, text });
            };
            if !exists {
                fault(FaultKind::NoSuchValue);
            }
            if times > 1 && first {
                fault(FaultKind::OutputRepeated { times });
            }
        }
        if graph.outputs().is_empty() {
            let (place, text) = (format!("graph `{}`", graph.name()), format!("graph {}", graph.name()));
            self.faults.push(Fault { place, kind: FaultKind::NoOutput, text });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use convoke_runtime::weights::WeightOp;

    use super::super::{Operand, Value};
    use super::*;

    const VALID: &str = "graph g\n%x = input : f32[4]\n%w = parameter : f32[4]\n%a = relu(%x) : f32[4]\n\
        %b = relu(%w) : f32[4]\noutput a = %a\noutput b = %b";

    /// The messages for [`VALID`] after `corrupt`.
    fn faults(corrupt: impl FnOnce(&mut Graph)) -> Vec<String> {
        let mut graph: Graph = VALID.parse().unwrap_or_else(|error| panic!("{error}"));
        corrupt(&mut graph);
        let faults = graph.verify().expect_err("the graph is corrupt").faults;
        faults.into_iter().map(|fault| format!("{}: {}", fault.place, fault.kind)).collect()
    }

    fn id(graph: &Graph, name: &str) -> NodeId {
        graph.find(name).unwrap_or_else(|| panic!("no node `{name}`"))
    }

    fn set_weight(graph: &mut Graph, expression: WeightExpr) {
        let w = id(graph, "w");
        graph.graph[w.0].kind = NodeKind::Weight(expression);
    }

    #[test]
    fn finds_cycles() {
        let found = faults(|graph| {
            let (a, b) = (id(graph, "a"), id(graph, "b"));
            graph.graph.clear_edges();
            graph.graph.add_edge(a.0, b.0, Operand { output: 0, input: 0 });
            graph.graph.add_edge(b.0, a.0, Operand { output: 0, input: 0 });
        });
        assert_eq!(found, ["node `a`: depends on itself, through `a`, `b`"]);
    }

    #[test]
    fn finds_wrong_operands() {
        let found = faults(|graph| {
            let (x, a, w) = (id(graph, "x"), id(graph, "a"), id(graph, "w"));
            graph.graph.add_edge(x.0, a.0, Operand { output: 0, input: 2 });
            graph.graph.add_edge(x.0, a.0, Operand { output: 3, input: 2 });
            graph.graph.add_edge(x.0, w.0, Operand { output: 0, input: 0 });
        });
        assert_eq!(
            found,
            [
                "node `a`: operand 2 is result 3 of `x`, which has 1",
                "node `a`: operand 1 is missing",
                "node `a`: operand 2 is given 2 times",
                "node `w`: expects no operands, being a weight, gets 1",
            ]
        );
    }

    #[test]
    fn finds_operands_that_do_not_fit() {
        let found = faults(|graph| {
            let (x, a) = (id(graph, "x"), id(graph, "a"));
            graph.graph.add_edge(x.0, a.0, Operand { output: 0, input: 1 });
        });
        assert_eq!(found, ["node `a`: relu `a` expects 1 operand, gets 2"]);
    }

    #[test]
    fn finds_wrong_types() {
        let found = faults(|graph| {
            let (x, a, b) = (id(graph, "x"), id(graph, "a"), id(graph, "b"));
            graph.graph[x.0].types[0].shape = vec![0];
            graph.graph[a.0].types[0].shape = vec![usize::MAX, 3];
            graph.graph[b.0].types.push(TensorType::f32([1]));
        });
        assert_eq!(
            found,
            [
                "node `x`: type f32[0] has a dimension without elements",
                "node `a`: type f32[18446744073709551615, 3] has more bytes than there are addresses",
                "node `a`: relu `a` expects dimensions of at least 1, gets f32[0] (from `x`, f32[0])",
                "node `b`: has 2 results, the operator makes 1",
            ]
        );
    }

    #[test]
    fn finds_wrong_names_and_lists() {
        let found = faults(|graph| {
            let (x, a, w) = (id(graph, "x"), id(graph, "a"), id(graph, "w"));
            graph.graph[a.0].name = "b".to_owned();
            graph.graph[w.0].name = "v".to_owned();
            graph.inputs = vec![x, x, a];
        });
        assert_eq!(
            found,
            [
                "node `b`: 2 nodes have this name",
                "node `v`: the name does not lead to the node",
                "node `x`: is listed 2 times among the graph's inputs, expected 1",
                "node `b`: is listed 1 times among the graph's inputs, expected 0",
            ]
        );
    }

    #[test]
    fn finds_wrong_weights() {
        let parameter = |shape: &[usize]| Arc::new(WeightExpr::parameter("p", TensorType::f32(shape)));
        let apply = |op, operands, ty| WeightExpr::Apply { op, operands, ty: TensorType::f32(ty) };
        let table = [
            (
                apply(WeightOp::Add, vec![parameter(&[4]), parameter(&[1])], vec![4]),
                "node `w`: parameter `p` is f32[1] here and f32[4] elsewhere",
            ),
            (
                apply(WeightOp::Add, vec![parameter(&[4]), Arc::new(WeightExpr::filled([3], 0.5))], vec![4]),
                "node `w`: add of [4] and [3]: dimensions are equal, or one of them is 1, counted from the last, \
                 in `add(param(\"p\": f32[4]), literal([3], 0.5))`",
            ),
            (
                apply(WeightOp::Add, vec![parameter(&[4]), parameter(&[4])], vec![2, 2]),
                "node `w`: `add(param(\"p\": f32[4]), param(\"p\": f32[4]))` is declared as f32[2, 2], inferred as f32[4]",
            ),
            (
                WeightExpr::literal([4], [1.0, 2.0]),
                "node `w`: the constant has 2 values, its type f32[4] takes one for each element or one for all",
            ),
        ];
        for (expression, message) in table {
            assert_eq!(faults(|graph| set_weight(graph, expression))[0], message);
        }
    }

    #[test]
    fn finds_wrong_outputs() {
        let found = faults(|graph| {
            let a = id(graph, "a");
            graph.outputs[1] = ("a".to_owned(), Value { node: a, output: 1 });
        });
        assert_eq!(found, ["output `a`: 2 outputs have this name", "output `a`: there is no such value"]);
        assert_eq!(faults(|graph| graph.outputs.clear()), ["graph `g`: has no output"]);
    }

    #[test]
    fn shows_the_text() {
        let text = VALID.replace("%a = relu(%x) : f32[4]", "%a = relu(%x) : f32[5]");
        let error = text.parse::<Graph>().expect_err("a wrong type");
        assert_eq!(
            error.to_string(),
            "graph `g` is invalid: 1 fault\n\
             node `a`: result 0 is declared as f32[5], inferred as f32[4]\n    %a = relu(%x) : f32[5]"
        );
    }
}
