//! Operators in a row that take a layer's place.

use std::collections::HashSet;

use convoke_runtime::Tensor;

use super::layer::Layer;
use crate::graph::{Editor, GraphError, NodeId, Value, WeightExpr};
use crate::ops::Op;
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;
use crate::{Graph, TensorType};

/// Operators that together take a layer's input to its result, first to last. Bias and epilogue go to the last one.
#[derive(Clone, Debug)]
pub(super) struct Chain {
    pub(super) links: Vec<Link>,
    pub(super) bias: Bias,
}

/// A convolution or linear layer of a [`Chain`], without bias and epilogue.
#[derive(Clone, Debug)]
pub(super) struct Link {
    /// What the layer's name is followed by: `vertical` makes `conv1.vertical`. Nothing, where it keeps the name.
    pub(super) part: &'static str,
    pub(super) op: Op,
    pub(super) weight: Source,
}

/// Where a weight comes from.
#[derive(Clone, Debug)]
pub(super) enum Source {
    /// A new parameter of this shape.
    Fresh(Vec<usize>),
    /// The parameters that there are.
    Expression(WeightExpr),
    /// A new parameter of this value.
    Values(Tensor),
}

/// The bias of the last link.
#[derive(Clone, Debug)]
pub(super) enum Bias {
    /// The layer's, if it has one.
    Kept,
    /// A new parameter, if the layer has a bias.
    Fresh,
    /// A new parameter of this value.
    #[cfg_attr(not(feature = "factorize"), expect(dead_code, reason = "only approximations correct biases"))]
    Values(Tensor),
}

/// What a [`Chain`] made of a layer.
#[derive(Debug, Default)]
pub(super) struct Installed {
    /// The names of its nodes, first to last.
    pub(super) nodes: Vec<String>,
    /// The new parameters that have a value.
    pub(super) values: Vec<(String, Tensor)>,
}

impl Link {
    pub(super) fn new(part: &'static str, op: impl Into<Op>, weight: Source) -> Self {
        Self { part, op: op.into(), weight }
    }
}

impl Source {
    fn ty(&self) -> TensorType {
        match self {
            Self::Fresh(shape) => TensorType::f32(shape.clone()),
            Self::Expression(expression) => expression.ty().clone(),
            Self::Values(values) => TensorType::f32(values.shape()),
        }
    }
}

impl Chain {
    /// The same operators, all weights fresh.
    pub(super) fn fresh(&self) -> Self {
        let fresh = |link: &Link| Link { weight: Source::Fresh(link.weight.ty().shape), ..link.clone() };
        Self { links: self.links.iter().map(fresh).collect(), bias: Bias::Fresh }
    }

    /// Multiply-accumulates of a run in the place of `layer` (1 MAC = 2 FLOP).
    pub(super) fn macs(&self, layer: &Layer) -> Result<u64, GraphError> {
        let (mut x, mut macs) = (layer.types[0].clone(), 0_u64);
        for link in &self.links {
            let operands = [&x, &link.weight.ty()];
            let refused = |error| GraphError::operands(link.op.name(), &layer.name, error, |_| None);
            let results = link.op.infer(&operands).map_err(refused)?;
            macs = macs.saturating_add(link.op.macs(&operands, &results));
            x = results.into_iter().next().unwrap_or_else(|| x.clone());
        }
        Ok(macs)
    }

    /// Puts the operators in the place of `layer`.
    ///
    /// A part's node and parameters are named after the layer and the part, as if `cnn!` had called them in a scope of
    /// the layer's name. Weights of the layer that nothing uses then go with it.
    pub(super) fn install(self, graph: &mut Graph, layer: &Layer) -> Result<Installed, GraphError> {
        let mut own = layer.own_weights(graph);
        if let Bias::Kept = self.bias {
            own.retain(|&id| Some(Value::from(id)) != layer.bias);
        }
        let taken = layer.taken_names(graph, &own);
        let mut site = Site { taken, layer, named: Vec::new(), made: Installed::default() };
        let mut edit = graph.edit();
        let last = self.links.len().saturating_sub(1);
        let (mut x, mut nodes) = (layer.x, Vec::new());
        for (index, link) in self.links.into_iter().enumerate() {
            let weight = site.weight(&mut edit, link.part, "weight", link.weight);
            let name = site.unique(&[link.part]);
            if index < last {
                let node = edit.op(name, link.op, &[x, weight])?;
                edit.set_origin(node, &[layer.node]);
                x = node.into();
                nodes.push(node);
                continue;
            }
            let bias = match (&self.bias, layer.bias) {
                (Bias::Kept, bias) => bias,
                (Bias::Fresh, bias) => bias.map(|bias| {
                    let shape = edit.graph().type_of(bias).shape.clone();
                    site.weight(&mut edit, link.part, "bias", Source::Fresh(shape))
                }),
                (Bias::Values(values), _) => {
                    Some(site.weight(&mut edit, link.part, "bias", Source::Values(values.clone())))
                }
            };
            let operands: Vec<Value> = [Some(x), Some(weight), bias, layer.residual].into_iter().flatten().collect();
            let op = finished(link.op, bias.is_some(), layer);
            edit.replace_op(layer.node, op, &operands, &[layer.node])?;
            nodes.push(layer.node);
            site.named.push((layer.node, name));
        }
        for weight in own {
            edit.remove(weight)?;
        }
        for (node, name) in site.named {
            edit.rename(node, &name);
        }
        let nodes = nodes.into_iter().map(|node| graph.node(node).name.clone()).collect();
        Ok(Installed { nodes, ..site.made })
    }
}

/// A layer while others take its place.
struct Site<'a> {
    layer: &'a Layer,
    /// The names that others have.
    taken: HashSet<String>,
    /// Nodes that get their names when the layer's own weights, which may have them, are gone.
    named: Vec<(NodeId, String)>,
    made: Installed,
}

impl Site<'_> {
    /// The layer's name and these parts, numbered where others have that name.
    fn unique(&self, parts: &[&str]) -> String {
        let parts = [self.layer.name.as_str()].into_iter().chain(parts.iter().copied().filter(|part| !part.is_empty()));
        let name = parts.collect::<Vec<_>>().join(".");
        let numbered = (2..).map(|n| format!("{name}_{n}"));
        std::iter::once(name.clone()).chain(numbered).find(|name| !self.taken.contains(name)).unwrap_or(name)
    }

    fn weight(&mut self, edit: &mut Editor<'_>, part: &str, which: &str, source: Source) -> Value {
        let name = self.unique(&[part, which]);
        let ty = source.ty();
        let expression = match source {
            Source::Expression(expression) => expression,
            Source::Fresh(_) => WeightExpr::parameter(&name, ty),
            Source::Values(values) => {
                self.made.values.push((name.clone(), values));
                WeightExpr::parameter(&name, ty)
            }
        };
        let weight = edit.weight(&name, expression);
        self.named.push((weight.node, name));
        weight
    }
}

/// `op` with the layer's epilogue, and with a bias or without.
fn finished(op: Op, bias: bool, layer: &Layer) -> Op {
    let epilogue = layer.epilogue;
    match op {
        Op::Conv(conv) => Conv { bias, epilogue, ..conv }.into(),
        Op::Linear(_) => Linear { bias, epilogue }.into(),
        other => other,
    }
}
