//! Networks as they are trained: what batch normalisation and dropout do then, and the loss that is minimised.
//!
//! ```text
//! network ─► Graph::batched ─► Graph::training ─► Loss::mean ─► Graph::gradient ─► loss, ∂loss/∂parameters
//! ```
//!
//! Each is a graph like any other, from operators like any others.

mod loss;

pub use loss::{Loss, LossError};

use std::collections::HashMap;

use crate::graph::{GraphError, NodeId, NodeKind, Value, WeightExpr};
use crate::ops::Op;
use crate::ops::batch_norm_training::BatchNormTraining;
use crate::ops::expand::Expand;
use crate::ops::mul::Mul;
use crate::ops::reshape::Reshape;
use crate::{Graph, TensorType};

/// A network as it is trained.
#[derive(Clone, Debug)]
pub struct Training {
    /// The graph. After its own inputs come those of [`masks`](Self::masks).
    pub graph: Graph,
    /// What each dropout multiplies by.
    pub masks: Vec<Mask>,
    /// What each batch normalisation measures.
    pub statistics: Vec<Statistics>,
}

/// The input that takes a dropout's place: `x · mask`, where each element of the mask is 0 with probability p, and
/// `1 / (1 − p)` otherwise.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// The input, which has the name of the dropout and `.mask`.
    pub input: Value,
    /// p.
    pub p: f32,
}

/// Mean and variance of a batch, for the running statistics that inference uses:
/// `running ← (1 − momentum) · running + momentum · value`. The variance is the biased one; running is that times
/// `count / (count − 1)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Statistics {
    /// The parameters of running mean and variance.
    pub running: [String; 2],
    /// Mean and variance of the batch, of shape 1 C 1 ….
    pub values: [Value; 2],
    /// Elements of a channel.
    pub count: usize,
}

impl Graph {
    /// The network as it is trained: batch normalisation by the statistics of the batch, where `trained` holds for the
    /// name of its weight, and by its running statistics elsewhere; dropout by masks that are inputs.
    ///
    /// # Errors
    /// None of a valid graph that passes have not changed.
    pub fn training(&self, trained: impl Fn(&str) -> bool) -> Result<Training, GraphError> {
        let mut training = Training { graph: self.clone(), masks: Vec::new(), statistics: Vec::new() };
        for id in self.order() {
            match self.node(id).op() {
                Some(Op::Dropout(dropout)) => training.mask(id, dropout.p)?,
                Some(Op::BatchNorm(norm)) => {
                    let [_, weight, _, mean, variance] = self.operands(id)[..] else { continue };
                    let names = [weight, mean, variance].map(|value| self.parameter_name(value));
                    // What carries an epilogue, or statistics that are no parameters, stays as it is.
                    let [Some(weight), Some(mean), Some(variance)] = names else { continue };
                    if norm.epilogue.is_none() && trained(weight) {
                        training.normalize(id, norm.eps, [mean.to_owned(), variance.to_owned()])?;
                    }
                }
                _ => {}
            }
        }
        Ok(training)
    }

    /// The name of the parameter that a value is, if it is one.
    #[must_use]
    pub fn parameter_name(&self, value: Value) -> Option<&str> {
        match self.node(value.node).weight()? {
            WeightExpr::Parameter { name, .. } => Some(name),
            WeightExpr::Literal { .. } | WeightExpr::Apply { .. } => None,
        }
    }

    /// The network for `images` images at once: every input of one (1 …) becomes one of so many, and with it what is
    /// computed of it.
    ///
    /// # Errors
    /// An operator whose attributes only fit one image.
    pub fn batched(&self, images: usize) -> Result<Self, GraphError> {
        let mut graph = Self::new(self.name());
        if self.is_exact() {
            graph = graph.exact();
        }
        let batch = |shape: &[usize]| match shape {
            [1, rest @ ..] => [&[images], rest].concat(),
            _ => shape.to_vec(),
        };
        let mut copies: HashMap<NodeId, NodeId> = HashMap::new();
        for id in self.order() {
            let node = self.node(id);
            let new = match &node.kind {
                NodeKind::Input => {
                    let ty = TensorType { shape: batch(&node.types[0].shape), ..node.types[0].clone() };
                    graph.edit().input(node.name.clone(), ty).node
                }
                NodeKind::Weight(expression) => graph.edit().weight(node.name.clone(), expression.clone()).node,
                NodeKind::Op(op) => {
                    let before = self.operands(id);
                    let operands: Vec<Value> =
                        before.iter().map(|&value| Value { node: copies[&value.node], ..value }).collect();
                    // Shapes that are attributes are of an image only where the operand is.
                    let grown = graph.type_of(operands[0]) != self.type_of(before[0]);
                    let op = match op {
                        Op::Reshape(Reshape { shape }) if grown => Reshape { shape: batch(shape) }.into(),
                        Op::Expand(Expand { shape }) if grown => Expand { shape: batch(shape) }.into(),
                        op => op.clone(),
                    };
                    graph.edit().op(node.name.clone(), op, &operands)?
                }
            };
            copies.insert(id, new);
        }
        for (name, value) in self.outputs() {
            graph.edit().output(name.clone(), Value { node: copies[&value.node], ..*value });
        }
        Ok(graph)
    }
}

impl Training {
    fn mask(&mut self, id: NodeId, p: f32) -> Result<(), GraphError> {
        let (x, name) = (self.graph.operands(id)[0], format!("{}.mask", self.graph.node(id).name));
        let ty = self.graph.type_of(x).clone();
        let mut edit = self.graph.edit();
        let input = edit.input(name, ty);
        edit.replace_op(id, Mul::default(), &[x, input], &[])?;
        self.masks.push(Mask { input, p });
        Ok(())
    }

    fn normalize(&mut self, id: NodeId, eps: f32, running: [String; 2]) -> Result<(), GraphError> {
        let (operands, name) = (self.graph.operands(id), self.graph.node(id).name.clone());
        let ty = self.graph.type_of(operands[0]);
        let count = ty.elements() / ty.shape[1];
        let mut edit = self.graph.edit();
        let node = edit.op(name.clone(), BatchNormTraining { eps }, &operands[..3])?;
        edit.replace_uses(id.into(), node.into())?;
        edit.remove(id)?;
        edit.rename(node, &name);
        self.statistics.push(Statistics { running, values: [1, 2].map(|output| Value { node, output }), count });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "graph g\n%x = input : f32[1, 2, 3, 3]\n%n.weight = parameter : f32[2]\n\
        %n.bias = parameter : f32[2]\n%n.running_mean = parameter : f32[2]\n%n.running_var = parameter : f32[2]\n\
        %n = batch_norm(%x, %n.weight, %n.bias, %n.running_mean, %n.running_var)\n%drop = dropout(%n) {p = 0.25}\n\
        %flat = reshape(%drop) {shape = [1, 18]}\noutput y = %flat";

    fn graph() -> Graph {
        TEXT.parse().unwrap_or_else(|error| panic!("{error}"))
    }

    /// A shape that is of weights only stays.
    #[test]
    fn weights_are_not_batched() {
        let text = "graph g\n%x = input : f32[1, 3, 4, 4]\n%w = parameter : f32[3]\n\
            %r = reshape(%w) {shape = [1, 3, 1, 1]}\n%y = mul(%x, %r)\noutput y = %y";
        let graph: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
        let batched = graph.batched(2).expect("nothing minds");
        assert_eq!(batched.type_of(batched.outputs()[0].1).shape, [2, 3, 4, 4]);
        assert_eq!(batched.type_of(batched.find("r").expect("it is there").into()).shape, [1, 3, 1, 1]);
    }

    #[test]
    fn batches() {
        let graph = graph().batched(5).expect("nothing minds");
        assert_eq!(graph.verify(), Ok(()));
        assert_eq!(graph.type_of(graph.outputs()[0].1).shape, [5, 18]);
        assert_eq!(graph.parameters(), self::graph().parameters());
    }

    #[test]
    fn statistics_and_masks_are_the_callers() {
        let Training { graph, masks, statistics } =
            graph().batched(4).and_then(|graph| graph.training(|_| true)).expect("it is valid");
        assert_eq!(graph.verify(), Ok(()));
        let [mask] = &masks[..] else { panic!("{masks:?}") };
        assert_eq!(
            (graph.label(mask.input), graph.type_of(mask.input).shape.as_slice(), mask.p),
            ("drop.mask".to_owned(), &[4, 2, 3, 3][..], 0.25)
        );
        let [found] = &statistics[..] else { panic!("{statistics:?}") };
        assert_eq!(
            (found.running.each_ref().map(String::as_str), found.count),
            (["n.running_mean", "n.running_var"], 36)
        );
        assert_eq!(found.values.map(|value| graph.label(value)), ["n#1", "n#2"]);
        // All parameters are still there, though no run reads the running statistics.
        assert_eq!(graph.parameters().len(), 4);
    }

    #[test]
    fn what_is_not_trained_keeps_its_statistics() {
        let training = graph().training(|name| name != "n.weight").expect("it is valid");
        assert!(training.statistics.is_empty());
        assert!(training.graph.to_string().contains("= batch_norm("));
    }
}
