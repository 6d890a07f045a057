//! Operators in a row that take a layer's place.

use super::layer::Layer;
use crate::graph::{GraphError, Value, WeightExpr};
use crate::ops::Op;
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;
use crate::{Graph, TensorType};

/// Operators that together take a layer's input to its result, first to last. The layer's bias and epilogue go to the
/// last one.
pub(super) struct Chain(pub(super) Vec<Link>);

/// A convolution or linear layer of a [`Chain`], without bias and epilogue.
pub(super) struct Link {
    /// What the layer's name is followed by: `vertical` makes `conv1.vertical`. Nothing, where it keeps the name.
    pub(super) part: &'static str,
    pub(super) op: Op,
    pub(super) weight: Source,
}

/// Where a weight comes from.
pub(super) enum Source {
    /// A new parameter of this shape.
    Fresh(Vec<usize>),
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
        }
    }
}

impl Chain {
    /// Multiply-accumulates of a run in the place of `layer` (1 MAC = 2 FLOP).
    pub(super) fn macs(&self, layer: &Layer) -> Result<u64, GraphError> {
        let (mut x, mut macs) = (layer.types[0].clone(), 0_u64);
        for link in &self.0 {
            let operands = [&x, &link.weight.ty()];
            let refused = |error| GraphError::operands(link.op.name(), &layer.name, error, |_| None);
            let results = link.op.infer(&operands).map_err(refused)?;
            macs = macs.saturating_add(link.op.macs(&operands, &results));
            x = results.into_iter().next().unwrap_or_else(|| x.clone());
        }
        Ok(macs)
    }

    /// Puts the operators in the place of `layer`; their names.
    ///
    /// A part's node and parameters are named after the layer and the part, as if `cnn!` had called them in a scope of
    /// the layer's name. Weights of the layer that nothing else uses go with it.
    pub(super) fn install(self, graph: &mut Graph, layer: &Layer) -> Result<Vec<String>, GraphError> {
        let own = layer.own_weights(graph);
        let taken = layer.taken_names(graph);
        let unique = |name: String| {
            let numbered = (2..).map(|n| format!("{name}_{n}"));
            std::iter::once(name.clone()).chain(numbered).find(|name| !taken.contains(name)).unwrap_or(name)
        };
        let scoped = |part: &str, name: &str| {
            let parts = [layer.name.as_str(), part, name].into_iter().filter(|part| !part.is_empty());
            parts.collect::<Vec<_>>().join(".")
        };
        let mut edit = graph.edit();
        // Nodes that get their names when the layer's own weights, which may have them, are gone.
        let mut named = Vec::new();
        let mut nodes = Vec::new();
        let mut x = layer.x;
        let last = self.0.len().saturating_sub(1);
        for (index, link) in self.0.into_iter().enumerate() {
            let name = unique(scoped(link.part, "weight"));
            let weight = edit.weight(&name, WeightExpr::parameter(&name, link.weight.ty()));
            named.push((weight.node, name));
            let name = scoped(link.part, "");
            if index < last {
                let node = edit.op(&name, link.op, &[x, weight])?;
                edit.set_origin(node, &[layer.node]);
                x = node.into();
                nodes.push(node);
            } else {
                let bias = layer.bias.map(|bias| {
                    let name = unique(scoped(link.part, "bias"));
                    let ty = edit.graph().type_of(bias).clone();
                    let bias = edit.weight(&name, WeightExpr::parameter(&name, ty));
                    named.push((bias.node, name));
                    bias
                });
                let operands: Vec<Value> =
                    [Some(x), Some(weight), bias, layer.residual].into_iter().flatten().collect();
                edit.replace_op(layer.node, finished(link.op, layer), &operands, &[layer.node])?;
                nodes.push(layer.node);
                if !link.part.is_empty() {
                    named.push((layer.node, unique(name)));
                }
            }
        }
        for weight in own {
            edit.remove(weight)?;
        }
        for (node, name) in named {
            edit.rename(node, &name);
        }
        Ok(nodes.into_iter().map(|node| graph.node(node).name.clone()).collect())
    }
}

/// `op` with the layer's bias and epilogue.
fn finished(op: Op, layer: &Layer) -> Op {
    let (bias, epilogue) = (layer.bias.is_some(), layer.epilogue);
    match op {
        Op::Conv(conv) => Conv { bias, epilogue, ..conv }.into(),
        Op::Linear(_) => Linear { bias, epilogue }.into(),
        other => other,
    }
}
