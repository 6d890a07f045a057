//! Whether gradients reach every layer: norms of activations and gradients, and which layers they fail.
//!
//! A layer is a convolution or a linear layer, called as its parameters are: `layer1.0.conv1`.

use std::fmt;

use convoke_compiler::graph::{GraphError, NodeId, Value};
use convoke_compiler::ops::reduce::{Function, Reduce};
use convoke_compiler::{Graph, ops::Op};

/// What one step saw of a layer: root mean squares, and of the gradient by its results, which a mean loss shares out among
/// them, the Euclidean norm.
#[derive(Clone, Debug, PartialEq)]
pub struct Layer {
    /// Its name.
    pub name: String,
    /// Of its results.
    pub activation: f32,
    /// Of the gradient by its results.
    pub gradient: f32,
    /// Of its weight.
    pub weight: f32,
    /// Of the gradient by its weight.
    pub weight_gradient: f32,
}

/// A layer that training does not reach as it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Warning {
    /// The layer, the furthest off of all.
    pub layer: String,
    /// What became of what.
    pub kind: WarningKind,
    /// How many times what it was compared with.
    pub ratio: f32,
}

/// What becomes of activations and gradients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WarningKind {
    /// Its gradient is nothing beside that of the last layer.
    VanishingGradient,
    /// Its gradient is far above that of the last layer.
    ExplodingGradient,
    /// Its activations are nothing beside those of the first layer.
    VanishingActivation,
    /// Its activations are far above those of the first layer.
    ExplodingActivation,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, than) = match self.kind {
            WarningKind::VanishingGradient => ("gradient vanishes", "the last layer's"),
            WarningKind::ExplodingGradient => ("gradient explodes", "the last layer's"),
            WarningKind::VanishingActivation => ("activation vanishes", "the first layer's"),
            WarningKind::ExplodingActivation => ("activation explodes", "the first layer's"),
        };
        write!(f, "layer `{}`: its {what}: {:.1e} of {than}", self.layer, self.ratio)
    }
}

/// What is far above or below, as a ratio.
const FAR: f32 = 1e3;

/// What is wrong with these layers, which stand in the order of a run: at most one warning of each kind, naming the layer
/// that is furthest off.
///
/// Layers whose gradients or activations differ by more than a factor of 1000 do not learn at one rate: Glorot and Bengio
/// 2010, section 4.2, and Hochreiter, "Untersuchungen zu dynamischen neuronalen Netzen", 1991, section 3.
#[must_use]
pub fn warnings(layers: &[Layer]) -> Vec<Warning> {
    let [Some(first), Some(last)] = [layers.first(), layers.last()] else { return Vec::new() };
    let gradient = |layer: &Layer| layer.gradient / last.gradient;
    let activation = |layer: &Layer| layer.activation / first.activation;
    type Ratio<'a> = &'a dyn Fn(&Layer) -> f32;
    let extreme = |ratio: Ratio<'_>, kind: WarningKind, above: bool| {
        let far = |ratio: f32| if above { ratio > FAR } else { ratio < 1.0 / FAR };
        let ratios = layers.iter().map(|layer| (layer, ratio(layer))).filter(|(_, ratio)| far(*ratio));
        let further =
            |a: &(&Layer, f32), b: &(&Layer, f32)| if above { a.1.total_cmp(&b.1) } else { b.1.total_cmp(&a.1) };
        // Of equal ones the first.
        ratios.rev().max_by(further).map(|(layer, ratio)| Warning { layer: layer.name.clone(), kind, ratio })
    };
    let table: [(Ratio<'_>, WarningKind, bool); 4] = [
        (&gradient, WarningKind::VanishingGradient, false),
        (&gradient, WarningKind::ExplodingGradient, true),
        (&activation, WarningKind::VanishingActivation, false),
        (&activation, WarningKind::ExplodingActivation, true),
    ];
    table.into_iter().filter_map(|(ratio, kind, above)| extreme(ratio, kind, above)).collect()
}

/// A layer of a graph: the name of its parameters, and its result.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) name: String,
    pub(super) value: Value,
    /// Which of the trained parameters is its weight.
    pub(super) weight: usize,
}

/// The layers that own one of these parameters, in the order of a run.
pub(super) fn sites(graph: &Graph, parameters: &[(String, Value)]) -> Vec<Site> {
    let weight = |id: NodeId| {
        let &[_, weight, ..] = &graph.operands(id)[..] else { return None };
        parameters.iter().position(|(_, value)| *value == weight)
    };
    let mut sites: Vec<Site> = Vec::new();
    for id in graph.order() {
        let Some(Op::Conv(_) | Op::Linear(_)) = graph.node(id).op() else { continue };
        let Some(index) = weight(id) else { continue };
        let name = parameters[index].0.trim_end_matches(".weight").to_owned();
        if sites.iter().all(|site| site.weight != index) {
            sites.push(Site { name, value: id.into(), weight: index });
        }
    }
    sites
}

/// Adds the Euclidean norm of a value.
pub(super) fn norm_of(graph: &mut Graph, value: Value) -> Result<Value, GraphError> {
    let norm = Reduce { function: Function::L2, axes: Vec::new(), keepdims: false };
    let name = format!("{}.norm", graph.label(value));
    Ok(graph.edit().op(name, norm, &[value])?.into())
}

/// The root mean square of these values.
pub(super) fn rms(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().map(|&value| f64::from(value).powi(2)).sum();
    (sum / values.len() as f64).sqrt() as f32
}
