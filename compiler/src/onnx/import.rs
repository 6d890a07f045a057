//! From a model to a graph: node after node, each by its rule.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

use convoke_runtime::Parameters;

use super::constant::{Constant, Elements, Shared};
use super::source::{self, Attribute, Model};
use super::{Binding, Error, Item, Node, Rule, Unsupported, UnsupportedNode, rule};
use crate::graph::{NodeKind, Value, WeightExpr};
use crate::ops::{Op, hint};
use crate::{Graph, TensorType};

/// The oldest version of ONNX's operators that is read.
pub const OLDEST_OPSET: i64 = 7;
/// The newest.
pub const NEWEST_OPSET: i64 = 28;

/// How deep functions and branches may nest.
const MAX_DEPTH: usize = 32;
/// The most nodes that an import visits: a file can make many of few by calling functions.
const MAX_NODES: usize = 1 << 20;
/// A constant that no initializer names becomes a parameter where it has more elements.
const MAX_LITERAL: usize = 256;

/// A model as a network.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What it computes.
    pub graph: Graph,
    /// Its weights, under the names of the file's initializers.
    pub parameters: Parameters,
}

static RULES: LazyLock<HashMap<&'static str, &'static Rule>> =
    LazyLock::new(|| rule::all().map(|rule| (rule.operator, rule)).collect());

/// Imports a model.
pub(super) fn import(model: &Model, binding: &Binding) -> Result<Imported, Error> {
    let types = binding.types(&model.name, &model.graph.inputs)?;
    let mut importer = Importer {
        model,
        graph: Graph::new(if model.graph.name.is_empty() { &model.name } else { &model.graph.name }),
        scopes: Vec::new(),
        parameters: BTreeMap::new(),
        weights: HashMap::new(),
        unsupported: Vec::new(),
        visited: 0,
    };
    let mut scope = Scope::default();
    let mut types = types.into_iter();
    for input in &model.graph.inputs {
        let item = match binding.constant_of(&input.name) {
            Some(constant) => Item::Constant(Arc::clone(constant)),
            None => {
                let ty = types.next().unwrap_or_else(|| TensorType { dtype: input.dtype, shape: Vec::new() });
                Item::Tensor(importer.graph.edit().input(&input.name, ty))
            }
        };
        scope.values.insert(input.name.clone(), Some(item));
    }
    importer.scopes.push(scope);
    importer.check_opsets(&model.opsets)?;
    let outputs = importer.body(&model.graph, &model.opsets)?;
    if !importer.unsupported.is_empty() {
        return Err(Error::Unsupported { model: model.name.clone(), nodes: importer.unsupported });
    }
    importer.outputs(&outputs)?;
    importer.finish()
}

/// Names and what they stand for; nothing, where the node that gives them is not supported.
#[derive(Default)]
struct Scope {
    values: HashMap<String, Option<Item>>,
    /// Whether the scopes around it are out of sight: that of a function.
    opaque: bool,
}

/// An import under way.
pub(super) struct Importer<'m> {
    model: &'m Model,
    pub(super) graph: Graph,
    scopes: Vec<Scope>,
    /// The parameters so far, and the names of weights.
    parameters: BTreeMap<String, Shared>,
    /// The weights that constants have become, by the constant's address, which `parameters` or the weight keeps.
    weights: HashMap<*const Constant, (Shared, Value)>,
    unsupported: Vec<UnsupportedNode>,
    visited: usize,
}

impl<'m> Importer<'m> {
    pub(super) fn invalid(&self, place: impl Into<String>, message: impl Into<String>) -> Error {
        Error::Invalid { model: self.model.name.clone(), place: place.into(), message: message.into() }
    }

    fn check_opsets(&self, opsets: &HashMap<String, i64>) -> Result<(), Error> {
        match opsets.get("") {
            Some(OLDEST_OPSET..=NEWEST_OPSET) => Ok(()),
            Some(version) => Err(self.invalid(
                "operator set",
                format!(
                    "version {version}; {OLDEST_OPSET} to {NEWEST_OPSET} are read: convert it by onnx.version_converter"
                ),
            )),
            None => Err(self.invalid("operator set", "no version of ONNX's own operators is given")),
        }
    }

    /// The inputs of the model that a value depends on.
    pub(super) fn inputs_of(&self, value: Value) -> Vec<String> {
        let (mut seen, mut open, mut inputs) = (BTreeSet::from([value.node]), vec![value.node], Vec::new());
        while let Some(id) = open.pop() {
            let node = self.graph.node(id);
            if node.kind == NodeKind::Input {
                inputs.push(node.name.clone());
            }
            open.extend(self.graph.operands(id).into_iter().map(|operand| operand.node).filter(|&id| seen.insert(id)));
        }
        inputs.sort_unstable();
        inputs
    }

    /// What a name stands for.
    fn lookup(&self, name: &str) -> Option<&Option<Item>> {
        for scope in self.scopes.iter().rev() {
            if let Some(item) = scope.values.get(name) {
                return Some(item);
            }
            if scope.opaque {
                break;
            }
        }
        None
    }

    fn define(&mut self, name: &str, item: Option<Item>) -> Result<(), Error> {
        if name.is_empty() {
            return Ok(());
        }
        match self.scopes.last_mut().map(|scope| scope.values.insert(name.to_owned(), item)) {
            Some(None) => Ok(()),
            _ => Err(self.invalid(format!("value `{name}`"), "is given twice")),
        }
    }

    /// Imports the nodes of a graph in the innermost scope; its outputs, none for those that depend on what is not
    /// supported.
    pub(super) fn body(
        &mut self,
        graph: &source::Graph,
        opsets: &HashMap<String, i64>,
    ) -> Result<Vec<Option<Item>>, Error> {
        for (name, constant) in &graph.initializers {
            // An initializer may give an input's default.
            let bound = self.scopes.last().is_some_and(|scope| scope.values.contains_key(name));
            if !bound {
                self.define(name, Some(Item::Constant(Arc::clone(constant))))?;
            }
        }
        for node in &graph.nodes {
            self.node(node, opsets)?;
        }
        graph.outputs.iter().map(|name| self.read(name, || format!("output `{name}`"))).collect()
    }

    fn read(&self, name: &str, place: impl FnOnce() -> String) -> Result<Option<Item>, Error> {
        let found = self.lookup(name).cloned();
        found
            .ok_or_else(|| self.invalid(place(), format!("`{name}` is given by no input, initializer or earlier node")))
    }

    /// Imports a graph in a scope of its own: a branch, whose outputs it returns.
    pub(super) fn branch(
        &mut self,
        graph: &source::Graph,
        inputs: Vec<Item>,
        opsets: &HashMap<String, i64>,
    ) -> Result<Vec<Option<Item>>, Error> {
        self.enter(Scope::default())?;
        for (input, item) in graph.inputs.iter().zip(inputs) {
            self.define(&input.name, Some(item))?;
        }
        let outputs = self.body(graph, opsets);
        self.scopes.pop();
        outputs
    }

    fn enter(&mut self, scope: Scope) -> Result<(), Error> {
        if self.scopes.len() > MAX_DEPTH {
            return Err(self.invalid("functions and branches", format!("nest deeper than {MAX_DEPTH}")));
        }
        self.scopes.push(scope);
        Ok(())
    }

    fn node(&mut self, node: &source::Node, opsets: &HashMap<String, i64>) -> Result<(), Error> {
        let label = label(node);
        self.visited += 1;
        if self.visited > MAX_NODES {
            return Err(self.invalid(format!("node `{label}`"), format!("there are more than {MAX_NODES} nodes")));
        }
        let mut operands = Vec::with_capacity(node.inputs.len());
        let mut complete = true;
        for name in &node.inputs {
            operands.push(match name.as_str() {
                "" => None,
                name => {
                    let item = self.read(name, || format!("{} `{label}`", node.operator))?;
                    complete &= item.is_some();
                    item
                }
            });
        }
        let opset = opsets.get(&node.domain).copied().unwrap_or_default();
        let model = self.model;
        let function = model.functions.get(&(node.domain.clone(), node.operator.clone()));
        let results = match (self.rule(node), function) {
            _ if !complete && function.is_none() && self.rule(node).is_ok() => Ok(Vec::new()),
            (_, Some(function)) => Ok(self.call(node, function, operands)?),
            (Ok(rule), None) => {
                let mut context = Node::new(self, node, &label, opset, opsets, operands);
                (rule.import)(&mut context).and_then(|items| context.finish(items))
            }
            (Err(why), None) => Err(why),
        };
        match results {
            Ok(items) => {
                let mut items = items.into_iter();
                node.outputs.iter().try_for_each(|name| self.define(name, items.next()))
            }
            Err(why) => {
                let operator = qualified(node);
                self.unsupported.push(UnsupportedNode { node: label, operator, opset, why });
                node.outputs.iter().try_for_each(|name| self.define(name, None))
            }
        }
    }

    fn rule(&self, node: &source::Node) -> Result<&'static Rule, Unsupported> {
        let name = qualified(node);
        RULES.get(&*name).copied().ok_or_else(|| {
            let meant = hint::nearest(&name, RULES.keys().copied());
            let advice = meant.map_or_else(
                || "docs/onnx.md lists those that are; export the model without it".to_owned(),
                |meant| format!("did the exporter mean `{meant}`?"),
            );
            Unsupported::new("no such operator is supported").advice(advice)
        })
    }

    /// Imports the nodes of one of the model's functions in the place of a call.
    fn call(
        &mut self,
        node: &source::Node,
        function: &source::Function,
        operands: Vec<Option<Item>>,
    ) -> Result<Vec<Item>, Error> {
        self.check_opsets(&function.opsets)?;
        let mut attributes = function.defaults.clone();
        attributes.extend(node.attributes.clone());
        let mut scope = Scope { opaque: true, ..Scope::default() };
        scope.values.extend(function.inputs.iter().cloned().zip(operands));
        self.enter(scope)?;
        for inner in &function.nodes {
            self.node(&substituted(inner, &attributes), &function.opsets)?;
        }
        let place = || format!("{} `{}`", node.operator, label(node));
        let outputs: Result<Vec<_>, _> = function.outputs.iter().map(|name| self.read(name, place)).collect();
        self.scopes.pop();
        // What is missing has been reported where it arose.
        Ok(outputs?.into_iter().collect::<Option<_>>().unwrap_or_default())
    }

    /// The graph's value of an item: for a constant a weight.
    pub(super) fn value(&mut self, item: &Item, label: &str) -> Result<Value, Unsupported> {
        let constant = match item {
            Item::Tensor(value) => return Ok(*value),
            Item::Constant(constant) => constant,
        };
        if let Some((_, value)) = self.weights.get(&Arc::as_ptr(constant)) {
            return Ok(*value);
        }
        let value = match (&constant.elements, &constant.name) {
            (Elements::F32(_), name) if constant.len() > if name.is_some() { 1 } else { MAX_LITERAL } => {
                let name = self.unique(name.as_deref().unwrap_or(label));
                self.parameters.insert(name.clone(), Arc::clone(constant));
                self.graph.edit().parameter(name, constant.ty())
            }
            _ => {
                let tensor = constant.run_time().map_err(|integer| {
                    Unsupported::new(format!("{integer} is beyond the integers of a run, which are float32"))
                })?;
                let first = tensor.data().first().copied();
                let uniform = first.filter(|first| tensor.data().iter().all(|x| x.to_bits() == first.to_bits()));
                let values = uniform.map_or_else(|| tensor.data().to_vec(), |value| vec![value]);
                let name = constant.name.clone().unwrap_or_else(|| format!("{label}.constant"));
                self.graph.edit().weight(name, WeightExpr::constant(constant.ty(), values))
            }
        };
        self.weights.insert(Arc::as_ptr(constant), (Arc::clone(constant), value));
        Ok(value)
    }

    /// `name`, or where a parameter has it `name_2` and so on.
    fn unique(&self, name: &str) -> String {
        let mut unique = name.to_owned();
        let mut count = 1;
        while self.parameters.contains_key(&unique) {
            count += 1;
            unique = format!("{name}_{count}");
        }
        unique
    }

    /// Makes these the outputs of the network.
    fn outputs(&mut self, items: &[Option<Item>]) -> Result<(), Error> {
        let mut taken = BTreeSet::new();
        for (name, item) in self.model.graph.outputs.iter().zip(items) {
            let fail = |this: &Self, message: String| this.invalid(format!("output `{name}`"), message);
            let Some(item) = item else { return Err(fail(self, "is not supported".to_owned())) };
            let value = self.value(item, name).map_err(|why| fail(self, why.reason))?;
            let computed = matches!(self.graph.node(value.node).kind, NodeKind::Op(_));
            let value = if computed && taken.insert(value) {
                value
            } else {
                // A run writes each of its outputs: this one is a copy.
                let copy = Op::copy(&self.graph.type_of(value).shape.clone());
                self.graph.edit().op(name, copy, &[value]).map_err(|error| fail(self, error.to_string()))?.into()
            };
            self.graph.edit().output(name, value);
        }
        Ok(())
    }

    fn finish(self) -> Result<Imported, Error> {
        // The constants are shared with the model, which may be imported again.
        let mut parameters = Parameters::default();
        for (name, constant) in self.parameters {
            if let Elements::F32(floats) = &constant.elements {
                floats.add_to(&mut parameters, name);
            }
        }
        Ok(Imported { graph: self.graph, parameters })
    }
}

/// The operator's name, behind its domain where that is not ONNX's own.
fn qualified(node: &source::Node) -> String {
    if node.domain.is_empty() { node.operator.clone() } else { format!("{}.{}", node.domain, node.operator) }
}

/// The node's name, or its first result's.
fn label(node: &source::Node) -> String {
    let mut names = std::iter::once(&node.name).chain(&node.outputs);
    names.find(|name| !name.is_empty()).cloned().unwrap_or_else(|| node.operator.clone())
}

/// A node of a function whose attributes are those of a call, where they refer to it. One that the call leaves out is
/// left out.
fn substituted(node: &source::Node, call: &BTreeMap<String, Attribute>) -> source::Node {
    let attribute = |(name, attribute): (&String, &Attribute)| {
        let attribute = match attribute {
            Attribute::Reference(of_call) => call.get(of_call)?,
            own => own,
        };
        Some((name.clone(), attribute.clone()))
    };
    source::Node { attributes: node.attributes.iter().filter_map(attribute).collect(), ..node.clone() }
}
