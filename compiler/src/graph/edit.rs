//! The one way to change a graph.

use petgraph::Direction::{Incoming, Outgoing};
use petgraph::visit::EdgeRef;

use super::{Graph, GraphError, Node, NodeId, NodeKind, Operand, TensorType, Value, WeightExpr};
use crate::ops::Op;

/// Changes a [`Graph`], keeping names unique, types inferred and origins remembered. From [`Graph::edit`].
///
/// Where a name is taken, a node gets it with `_2`, `_3`, … appended.
#[derive(Debug)]
pub struct Editor<'g> {
    graph: &'g mut Graph,
}

impl<'g> Editor<'g> {
    pub(super) fn new(graph: &'g mut Graph) -> Self {
        Self { graph }
    }

    /// The graph as it stands.
    #[must_use]
    pub fn graph(&self) -> &Graph {
        self.graph
    }

    /// Adds an input of the network.
    pub fn input(&mut self, name: impl Into<String>, ty: TensorType) -> Value {
        let id = self.insert(name.into(), NodeKind::Input, vec![ty]);
        self.graph.inputs.push(id);
        id.into()
    }

    /// Adds a weight that is the parameter `name`; the node has the parameter's name.
    pub fn parameter(&mut self, name: impl Into<String>, ty: TensorType) -> Value {
        let name = name.into();
        self.weight(name.clone(), WeightExpr::parameter(name, ty))
    }

    /// Adds a weight.
    pub fn weight(&mut self, name: impl Into<String>, expression: WeightExpr) -> Value {
        let ty = expression.ty().clone();
        self.insert(name.into(), NodeKind::Weight(expression), vec![ty]).into()
    }

    /// Adds an operator, with types inferred.
    ///
    /// # Errors
    /// [`GraphError::Operands`] if the operands do not fit it; the graph is unchanged then.
    pub fn op(&mut self, name: impl Into<String>, op: impl Into<Op>, operands: &[Value]) -> Result<NodeId, GraphError> {
        let (name, op) = (name.into(), op.into());
        let types = self.graph.infer(&name, &op, operands)?;
        let id = self.insert(name, NodeKind::Op(op), types);
        self.connect(id, operands);
        Ok(id)
    }

    /// Adds an output of the network.
    pub fn output(&mut self, name: impl Into<String>, value: Value) {
        self.graph.outputs.push((name.into(), value));
    }

    /// Lets output `index` of the network be another value.
    ///
    /// # Panics
    /// There is no such output.
    pub fn replace_output(&mut self, index: usize, value: Value) {
        self.graph.outputs[index].1 = value;
    }

    /// Puts another operator in the place of `node`, which keeps its name, its users and the types of its results.
    /// What `origin` lists, and what that came from, becomes its origin.
    ///
    /// # Errors
    /// [`GraphError::Operands`] if the operands do not fit the operator, [`GraphError::ResultType`] if a type would
    /// change, [`GraphError::NoOperator`] if `node` is not an operator; the graph is unchanged then.
    pub fn replace_op(
        &mut self,
        node: NodeId,
        op: impl Into<Op>,
        operands: &[Value],
        origin: &[NodeId],
    ) -> Result<(), GraphError> {
        let op = op.into();
        let found = self.graph.infer(&self.graph.node(node).name, &op, operands)?;
        self.check_replacement(node, op.name(), &found)?;
        self.replace(node, NodeKind::Op(op), operands, origin);
        Ok(())
    }

    /// Puts a weight in the place of an operator, which keeps its name, its users and the type of its result. What
    /// `origin` lists, and what that came from, becomes its origin.
    ///
    /// # Errors
    /// As for [`replace_op`](Self::replace_op), [`GraphError::ResultType`] and [`GraphError::NoOperator`].
    pub fn replace_by_weight(
        &mut self,
        node: NodeId,
        expression: WeightExpr,
        origin: &[NodeId],
    ) -> Result<(), GraphError> {
        let found = vec![expression.ty().clone()];
        self.check_replacement(node, "weight", &found)?;
        self.replace(node, NodeKind::Weight(expression), &[], origin);
        Ok(())
    }

    /// Lets every user of `old`, and every output that is `old`, take `new` instead.
    ///
    /// # Errors
    /// [`GraphError::UseType`] if the types differ; the graph is unchanged then.
    pub fn replace_uses(&mut self, old: Value, new: Value) -> Result<(), GraphError> {
        let (expected, found) = (self.graph.type_of(old), self.graph.type_of(new));
        if expected != found {
            return Err(GraphError::UseType {
                old: self.graph.label(old),
                new: self.graph.label(new),
                expected: expected.clone(),
                found: found.clone(),
            });
        }
        let edges: Vec<_> = self
            .graph
            .graph
            .edges_directed(old.node.0, Outgoing)
            .filter(|edge| edge.weight().output == old.output)
            .map(|edge| (edge.id(), edge.target(), edge.weight().input))
            .collect();
        for (edge, user, input) in edges {
            self.graph.graph.remove_edge(edge);
            self.graph.graph.add_edge(new.node.0, user, Operand { output: new.output, input });
        }
        for (_, value) in self.graph.outputs.iter_mut().filter(|(_, value)| *value == old) {
            *value = new;
        }
        Ok(())
    }

    /// Removes a node that nothing uses.
    ///
    /// # Errors
    /// [`GraphError::InUse`] if a node or an output uses it.
    pub fn remove(&mut self, node: NodeId) -> Result<(), GraphError> {
        let user = self
            .graph
            .graph
            .neighbors_directed(node.0, Outgoing)
            .next()
            .map(|user| format!("node `{}`", self.graph.graph[user].name));
        let output = || {
            let output = self.graph.outputs.iter().find(|(_, value)| value.node == node);
            output.map(|(name, _)| format!("output `{name}`"))
        };
        if let Some(user) = user.or_else(output) {
            return Err(GraphError::InUse { node: self.graph.node(node).name.clone(), user });
        }
        if let Some(removed) = self.graph.graph.remove_node(node.0) {
            self.graph.names.remove(&removed.name);
        }
        self.graph.inputs.retain(|&input| input != node);
        Ok(())
    }

    /// Says that `node` was made from `origin`: from what each of those came from, or from itself where no pass made it.
    pub fn set_origin(&mut self, node: NodeId, origin: &[NodeId]) {
        let mut names: Vec<String> = Vec::new();
        for &id in origin {
            let source = self.graph.node(id);
            let own = std::slice::from_ref(&source.name);
            for name in if source.origin.is_empty() { own } else { &source.origin } {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
        }
        self.graph.graph[node.0].origin = names;
    }

    /// Gives `node` another name, made unique; nothing changes where that is its name.
    pub fn rename(&mut self, node: NodeId, name: &str) {
        if self.graph.node(node).name == name {
            return;
        }
        let name = self.unique(name.to_owned());
        let old = std::mem::replace(&mut self.graph.graph[node.0].name, name.clone());
        self.graph.names.remove(&old);
        self.graph.names.insert(name, node);
    }

    /// Adds a node as it is given, except that its name is made unique.
    pub(super) fn insert(&mut self, name: String, kind: NodeKind, types: Vec<TensorType>) -> NodeId {
        let name = self.unique(name);
        let node = Node { name: name.clone(), kind, types, origin: Vec::new() };
        let id = NodeId(self.graph.graph.add_node(node));
        self.graph.names.insert(name, id);
        id
    }

    /// Makes `operands` the operands of `node`, which has none.
    pub(super) fn connect(&mut self, node: NodeId, operands: &[Value]) {
        for (input, value) in (0..).zip(operands) {
            self.graph.graph.add_edge(value.node.0, node.0, Operand { output: value.output, input });
        }
    }

    /// Sets the origin as a text gives it.
    pub(super) fn set_origin_names(&mut self, node: NodeId, origin: Vec<String>) {
        self.graph.graph[node.0].origin = origin;
    }

    /// Whether something called `replacement`, with results of types `found`, can take the place of `node`.
    fn check_replacement(
        &self,
        node: NodeId,
        replacement: &'static str,
        found: &[TensorType],
    ) -> Result<(), GraphError> {
        let Node { name, kind, types: expected, .. } = self.graph.node(node);
        if !matches!(kind, NodeKind::Op(_)) {
            return Err(GraphError::NoOperator { node: name.clone() });
        }
        match (0..expected.len()).find(|&output| expected.get(output) != found.get(output)) {
            None => Ok(()),
            Some(output) => Err(GraphError::ResultType {
                node: name.clone(),
                replacement,
                output,
                expected: expected[output].clone(),
                found: found.get(output).cloned(),
            }),
        }
    }

    fn replace(&mut self, node: NodeId, kind: NodeKind, operands: &[Value], origin: &[NodeId]) {
        self.set_origin(node, origin);
        let edges: Vec<_> = self.graph.graph.edges_directed(node.0, Incoming).map(|edge| edge.id()).collect();
        for edge in edges {
            self.graph.graph.remove_edge(edge);
        }
        self.connect(node, operands);
        self.graph.graph[node.0].kind = kind;
    }

    fn unique(&self, name: String) -> String {
        if !self.graph.names.contains_key(&name) {
            return name;
        }
        (2..).map(|n| format!("{name}_{n}")).find(|name| !self.graph.names.contains_key(name)).unwrap_or(name)
    }
}

impl Graph {
    /// The types of the results of `op` on `operands`; `name` is that of its node, for the message.
    ///
    /// # Errors
    /// [`GraphError::Operands`] if the operands do not fit.
    pub(super) fn infer(&self, name: &str, op: &Op, operands: &[Value]) -> Result<Vec<TensorType>, GraphError> {
        let types: Vec<_> = operands.iter().map(|&operand| self.type_of(operand)).collect();
        op.infer(&types).map_err(|error| {
            GraphError::operands(op.name(), name, error, |index| {
                operands.get(index).map(|&operand| (self.label(operand), self.type_of(operand).clone()))
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::relu::Relu;

    /// `a = relu(x)`, `b = relu(a)`, output `b`.
    fn chain() -> (Graph, [NodeId; 3]) {
        let mut graph = Graph::new("g");
        let mut edit = graph.edit();
        let x = edit.input("x", TensorType::f32([4]));
        let a = edit.op("a", Relu, &[x]).expect("fits");
        let b = edit.op("b", Relu, &[a.into()]).expect("fits");
        edit.output("y", b.into());
        (graph, [x.node, a, b])
    }

    #[test]
    fn names_are_unique() {
        let (mut graph, [x, ..]) = chain();
        let names: Vec<_> = ["a", "a", "x"]
            .into_iter()
            .map(|name| {
                let id = graph.edit().op(name, Relu, &[x.into()]).expect("fits");
                graph.node(id).name.clone()
            })
            .collect();
        assert_eq!(names, ["a_2", "a_3", "x_2"]);
        assert_eq!(graph.find("a_3").map(|id| &graph.node(id).name), Some(&"a_3".to_owned()));
        let mut edit = graph.edit();
        edit.rename(x, "x");
        edit.rename(x, "a");
        assert_eq!((&*graph.node(x).name, graph.find("x"), graph.find("a_4")), ("a_4", None, Some(x)));
    }

    #[test]
    fn errors_name_the_producer() {
        let (mut graph, [x, a, _]) = chain();
        let error = graph.edit().op("c", Relu, &[x.into(), a.into()]).expect_err("one too many");
        assert_eq!(error.to_string(), "relu `c` expects 1 operand, gets 2");
        let located = GraphError::Operands {
            operator: "conv",
            node: "layer3.0.conv1".to_owned(),
            operand: Some(0),
            expected: "64 input channels".to_owned(),
            found: "32".to_owned(),
            producer: Some(Box::new(("layer2.1".to_owned(), TensorType::f32([1, 32, 28, 28])))),
        };
        assert_eq!(
            located.to_string(),
            "conv `layer3.0.conv1` expects 64 input channels, gets 32 (from `layer2.1`, f32[1, 32, 28, 28])"
        );
    }

    #[test]
    fn replacing_keeps_name_users_and_origin() {
        let (mut graph, [x, a, b]) = chain();
        let mut edit = graph.edit();
        edit.replace_op(b, Relu, &[x.into()], &[a, b]).expect("same type");
        edit.remove(a).expect("unused");
        let c = edit.op("c", Relu, &[b.into()]).expect("fits");
        edit.set_origin(c, &[c, b]);
        assert_eq!(graph.node(b).origin, ["a", "b"]);
        assert_eq!(graph.node(c).origin, ["c", "a", "b"]);
        assert_eq!(graph.operands(b), [x.into()]);
        assert_eq!(graph.find("a"), None);
        assert_eq!(graph.verify(), Ok(()));
    }

    #[test]
    fn refuses_what_would_break_the_graph() {
        let (mut graph, [x, a, b]) = chain();
        let before = graph.to_string();
        let mut edit = graph.edit();
        let w = edit.parameter("w", TensorType::f32([5]));
        let errors = [
            edit.replace_op(a, Relu, &[w], &[a]),
            edit.replace_op(x, Relu, &[x.into()], &[]),
            edit.replace_by_weight(a, WeightExpr::filled([5], 0.0), &[]),
            edit.replace_uses(a.into(), w),
            edit.remove(a),
            edit.remove(b),
        ];
        let messages: Vec<_> = errors.into_iter().map(|error| error.expect_err("refused").to_string()).collect();
        assert_eq!(
            messages,
            [
                "node `a` has result 0 of type f32[4]; its replacement `relu` makes f32[5]",
                "node `x` is no operator, so nothing can take its place",
                "node `a` has result 0 of type f32[4]; its replacement `weight` makes f32[5]",
                "`a` has type f32[4]; `w`, which was to take its place, has f32[5]",
                "node `a` cannot be removed: node `b` uses it",
                "node `b` cannot be removed: output `y` uses it",
            ]
        );
        edit.remove(w.node).expect("unused");
        assert_eq!(graph.to_string(), before);
    }

    #[test]
    fn uses_are_replaced_everywhere() {
        let (mut graph, [x, a, b]) = chain();
        let mut edit = graph.edit();
        edit.replace_uses(a.into(), x.into()).expect("same type");
        edit.replace_uses(b.into(), a.into()).expect("same type");
        assert_eq!(graph.operands(b), [x.into()]);
        assert_eq!(graph.outputs(), [("y".to_owned(), Value::from(a))]);
        assert_eq!(graph.users(x.into()), [(a, 0), (b, 0)]);
    }
}
