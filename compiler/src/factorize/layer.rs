//! Layers with weights, as they stand in a graph.

use std::collections::HashSet;

use super::Reason;
use crate::graph::{NodeId, NodeKind, Value};
use crate::ops::conv::Conv;
use crate::ops::{Epilogue, Op};
use crate::{Graph, TensorType};

/// A convolution or linear layer and its operands.
pub(super) struct Layer {
    pub(super) node: NodeId,
    pub(super) name: String,
    pub(super) op: Op,
    pub(super) epilogue: Epilogue,
    pub(super) x: Value,
    pub(super) weight: Value,
    pub(super) bias: Option<Value>,
    pub(super) residual: Option<Value>,
    /// The types of x, weight and result.
    pub(super) types: [TensorType; 3],
}

impl Layer {
    /// `node` as a layer, if it is a convolution or linear layer.
    pub(super) fn find(graph: &Graph, node: NodeId) -> Option<Self> {
        let op = graph.node(node).op()?;
        let (biased, epilogue) = match op {
            Op::Conv(conv) => (conv.bias, conv.epilogue),
            Op::Linear(linear) => (linear.bias, linear.epilogue),
            _ => return None,
        };
        let mut operands = graph.operands(node).into_iter();
        let (x, weight) = (operands.next()?, operands.next()?);
        let bias = if biased { operands.next() } else { None };
        Some(Self {
            node,
            name: graph.node(node).name.clone(),
            op: op.clone(),
            epilogue,
            x,
            weight,
            bias,
            residual: operands.next(),
            types: [x, weight, node.into()].map(|value| graph.type_of(value).clone()),
        })
    }

    /// Multiply-accumulates of a run (1 MAC = 2 FLOP).
    pub(super) fn macs(&self) -> u64 {
        let [x, weight, result] = &self.types;
        self.op.macs(&[x, weight], std::slice::from_ref(result))
    }

    /// Weight and bias, where nothing but the layer uses them.
    pub(super) fn own_weights(&self, graph: &Graph) -> Vec<NodeId> {
        let weights = [Some(self.weight), self.bias].into_iter().flatten();
        let own = weights.filter(|&value| graph.node(value.node).weight().is_some() && graph.has_single_use(value));
        own.map(|value| value.node).collect()
    }

    /// The names that nodes and parameters of the graph keep when the layer goes with its weights `own`.
    pub(super) fn taken_names(&self, graph: &Graph, own: &[NodeId]) -> HashSet<String> {
        let mut names = HashSet::new();
        for id in graph.order().into_iter().filter(|id| !own.contains(id) && *id != self.node) {
            let node = graph.node(id);
            names.insert(node.name.clone());
            if let NodeKind::Weight(expression) = &node.kind {
                expression.visit_parameters(&mut |name, _| {
                    names.insert(name.to_owned());
                });
            }
        }
        names
    }
}

/// The numbers of a convolution. Pairs are [height, width].
pub(super) struct ConvLayer {
    pub(super) conv: Conv,
    /// C.
    pub(super) channels: usize,
    /// H.
    pub(super) outputs: usize,
    /// C / groups.
    pub(super) per_group: usize,
    pub(super) kernel: [usize; 2],
    /// The image's size.
    pub(super) size: [usize; 2],
    /// The result's size.
    pub(super) pixels: [usize; 2],
}

impl ConvLayer {
    /// The layer as a convolution whose weight is known before the network runs.
    pub(super) fn new(graph: &Graph, layer: &Layer) -> Result<Self, Reason> {
        let (Op::Conv(conv), [x, weight, result]) = (&layer.op, &layer.types) else { return Err(Reason::Linear) };
        if graph.node(layer.weight.node).weight().is_none() {
            return Err(Reason::Computed);
        }
        let [x, weight, result] = [x, weight, result].map(|ty| [0, 1, 2, 3].map(|dim| ty.shape[dim]));
        Ok(Self {
            conv: *conv,
            channels: x[1],
            outputs: weight[0],
            per_group: weight[1],
            kernel: [weight[2], weight[3]],
            size: [x[2], x[3]],
            pixels: [result[2], result[3]],
        })
    }

    /// K×1 and 1×K, which together slide as the convolution does.
    pub(super) fn split(&self) -> [Conv; 2] {
        let Conv { stride: [sh, sw], dilation: [dh, dw], padding: [top, left, bottom, right], groups, .. } = self.conv;
        let plain = Conv { groups, bias: false, ..Conv::default() };
        [
            Conv { stride: [sh, 1], dilation: [dh, 1], padding: [top, 0, bottom, 0], ..plain },
            Conv { stride: [1, sw], dilation: [1, dw], padding: [0, left, 0, right], ..plain },
        ]
    }
}
