//! The kinds of convolution side by side: each convolution of a network alone, in all the forms that it could have.

use crate::Graph;
use crate::cost::extract;
use crate::factorize::{FactorizeError, Kind, Outcome, Reason, Selection, structural};
use crate::graph::NodeId;
use crate::ops::conv::Conv;
use crate::ops::{Epilogue, Op};

/// A kind of convolution of C channels to H with windows of K×K.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// Every output channel sees every input channel through a window of its own.
    Normal,
    /// A window for each input channel; its result has C channels.
    Depthwise,
    /// K×1 to H channels, then 1×K.
    Separable,
    /// Windows of one pixel.
    Pointwise,
    /// Depthwise, then pointwise.
    DepthwiseSeparable,
}

impl Form {
    /// All forms, the normal one first.
    pub const ALL: [Self; 5] =
        [Self::Normal, Self::Depthwise, Self::Separable, Self::Pointwise, Self::DepthwiseSeparable];

    /// Its name, as the language has it but for `normal`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Normal => "normal",
            Self::Depthwise => Kind::Depthwise.name(),
            Self::Separable => Kind::Separable.name(),
            Self::Pointwise => Kind::Pointwise.name(),
            Self::DepthwiseSeparable => Kind::DepthwiseSeparable.name(),
        }
    }

    /// The number of its weights, of which each does one MAC for each pixel.
    #[must_use]
    pub const fn formula(self) -> &'static str {
        match self {
            Self::Normal => "C·K·K·H",
            Self::Depthwise => "C·K·K",
            Self::Separable => "C·K·H + H·K·H",
            Self::Pointwise => "C·H",
            Self::DepthwiseSeparable => "C·K·K + C·H",
        }
    }

    /// A graph of one convolution in this form, or why there is none.
    fn of(self, alone: &Graph) -> Result<Result<Graph, Reason>, FactorizeError> {
        let kind = match self {
            Self::Normal => return Ok(Ok(alone.clone())),
            Self::Depthwise | Self::DepthwiseSeparable => Kind::DepthwiseSeparable,
            Self::Separable => Kind::Separable,
            Self::Pointwise => Kind::Pointwise,
        };
        let factorized = structural(alone, kind, &Selection::all())?;
        let kept = factorized.layers.into_iter().find_map(|layer| match layer.outcome {
            Outcome::Kept(reason) => Some(reason),
            Outcome::Rewritten { .. } => None,
        });
        let graph = factorized.graph;
        Ok(match (kept, self) {
            (Some(reason), _) => Err(reason),
            (None, Self::Depthwise) => {
                let first = graph.order().into_iter().find(|id| graph.node(*id).op().is_some());
                Ok(extract(&graph, &first.into_iter().collect::<Vec<_>>()))
            }
            (None, _) => Ok(graph),
        })
    }
}

/// A convolution and the forms that it could have.
#[derive(Clone, Debug)]
pub struct Comparison {
    /// The convolutions of the network that are like this one.
    pub nodes: Vec<NodeId>,
    /// The convolution's attributes.
    pub conv: Conv,
    /// The shape of its weight: H, C / groups, Kh, Kw.
    pub weight: [usize; 4],
    /// The shape of its operand: N, C, H, W.
    pub input: [usize; 4],
    /// The shape of its result.
    pub output: [usize; 4],
    /// The convolution alone, without bias and epilogue, in each of [`Form::ALL`]; or why it cannot have that form.
    pub forms: [Result<Graph, Reason>; 5],
}

/// The convolutions of `graph` that could be factorised, those whose windows have more than one pixel and more than one
/// channel, in the graph's order. Those that only differ in name are one.
///
/// # Errors
/// None for a valid graph.
pub fn comparisons(graph: &Graph) -> Result<Vec<Comparison>, FactorizeError> {
    let mut found: Vec<Comparison> = Vec::new();
    for node in graph.order() {
        let Some(Op::Conv(conv)) = graph.node(node).op() else { continue };
        let conv = Conv { bias: false, epilogue: Epilogue::default(), ..*conv };
        let operands = graph.operands(node);
        let [x, weight, result] = [operands[0], operands[1], node.into()].map(|value| graph.type_of(value));
        let [input, shape, output] = [x, weight, result].map(|ty| [0, 1, 2, 3].map(|dim| ty.shape[dim]));
        if shape[2..] == [1, 1] || shape[1] == 1 {
            continue;
        }
        if let Some(same) = found.iter_mut().find(|same| (same.conv, same.input, same.weight) == (conv, input, shape)) {
            same.nodes.push(node);
            continue;
        }
        let mut alone = Graph::new("alone");
        let mut edit = alone.edit();
        let operands = [edit.input("x", x.clone()), edit.parameter("conv.weight", weight.clone())];
        let refused = |error| FactorizeError::Graph { layer: graph.node(node).name.clone(), error: Box::new(error) };
        let y = edit.op("conv", conv, &operands).map_err(refused)?;
        edit.output("y", y.into());
        let [a, b, c, d, e] = Form::ALL.map(|form| form.of(&alone));
        found.push(Comparison { nodes: vec![node], conv, weight: shape, input, output, forms: [a?, b?, c?, d?, e?] });
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cost::layers;
    use crate::lang::Module;

    fn comparisons_of(body: &str) -> Vec<Comparison> {
        let text = format!("network N(image: f32[1, 8, 14, 14]) -> y {{ {body} }}");
        let graph =
            Module::parse(&text).and_then(|module| module.graph("N")).unwrap_or_else(|errors| panic!("{errors}"));
        comparisons(&graph).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Weights and MACs of each form, by its formula.
    #[test]
    fn forms_cost_what_their_formulas_say() {
        let [found] = &comparisons_of("image -> a: conv(32, kernel: 3, stride: 2, padding: 1)")[..] else {
            panic!("one convolution")
        };
        let (c, k, h, pixels) = (8, 3, 32, 49);
        let weights = [c * k * k * h, c * k * k, c * k * h + h * k * h, c * h, c * k * k + c * h];
        for ((form, graph), weights) in Form::ALL.into_iter().zip(&found.forms).zip(weights) {
            let Ok(graph) = graph else {
                assert_eq!(form, Form::Separable, "{graph:?}");
                continue;
            };
            let total: crate::cost::Cost = layers(graph).iter().map(|layer| layer.cost).sum();
            assert_eq!((total.parameters, total.macs), (weights, weights * pixels), "{form:?}");
        }
        // Where H = C, a filter of the separable form has C·(K + K) weights.
        let same = &comparisons_of("image -> a: conv(8, kernel: 3, padding: 1)")[0];
        let total: crate::cost::Cost = layers(same.forms[2].as_ref().unwrap()).iter().map(|layer| layer.cost).sum();
        assert_eq!((total.parameters, total.macs), (8 * (3 + 3) * 8, 8 * (3 + 3) * 8 * 196));
    }

    #[test]
    fn equal_convolutions_are_one() {
        let found = comparisons_of(
            "image -> a: conv(8, kernel: 3, padding: 1) -> relu -> b: conv(8, kernel: 3, padding: 1, bias: false)
                -> c: depthwise(3) -> d: pointwise(4) -> e: conv(8, kernel: [1, 3])",
        );
        assert_eq!(found.iter().map(|found| found.nodes.len()).collect::<Vec<_>>(), [2, 1]);
        let names: Vec<_> = Form::ALL.iter().zip(&found[1].forms).filter(|(_, form)| form.is_ok()).collect();
        assert_eq!(names.len(), 3, "neither separable nor pointwise: {:?}", found[1].forms);
    }
}
