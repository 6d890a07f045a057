//! Trained layers in cheaper forms, within a bound on the error of each.

#[cfg(feature = "factorize")]
mod approximate;
mod calibration;
mod exact;
#[cfg(feature = "factorize")]
mod filters;
mod form;
#[cfg(feature = "factorize")]
mod low_rank;
#[cfg(feature = "factorize")]
mod metric;
#[cfg(feature = "factorize")]
mod patches;
#[cfg(feature = "factorize")]
mod problem;
#[cfg(feature = "factorize")]
mod separable;

pub use calibration::Calibration;
pub use form::Form;

use std::fmt;
use std::sync::Arc;

use convoke_runtime::{Parameters, Tensor};

use super::chain::Chain;
use super::layer::{ConvLayer, Layer};
use super::{FactorizeError, Reason, Selection, TimeModel};
use crate::Graph;
use crate::cost::extract;
use crate::graph::evaluate::Weights;
use crate::graph::{GraphError, Value, WeightExpr};

/// What may become of a network's layers.
#[derive(Default)]
pub struct Options<'a> {
    /// The layers that may be rewritten: convolutions and linear layers.
    pub selection: Selection,
    /// The largest relative error of a layer, from 0 to below 1. With 0, layers are rewritten without loss only.
    ///
    /// Of weights: ‖W − W′‖ / ‖W‖ (Frobenius). With a calibration, of outputs: ‖y − y′‖ / ‖y − ȳ‖ over its images, where
    /// ȳ is the mean for each channel. That neither bias nor BatchNorm changes it, and that it is no smaller than
    /// ‖y − y′‖ / ‖y‖, is why the mean is taken off.
    pub bound: f64,
    /// Images that turn errors of weights into errors of outputs.
    pub calibration: Option<&'a Calibration>,
}

/// A trained network whose layers were factorised.
#[derive(Clone, Debug)]
pub struct Trained {
    /// The network.
    pub graph: Graph,
    /// Its parameters: those of the original that it still reads, and new ones; [`Parameters::save`] writes them.
    pub parameters: Parameters,
    /// What became of each layer, in the order of the graph.
    pub layers: Vec<TrainedLayer>,
}

/// What became of a trained layer.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainedLayer {
    /// The name of its node in the graph that was factorised.
    pub layer: String,
    /// What took its place, or why it stays as it was.
    pub outcome: Result<Rewrite, Reason>,
}

/// A layer in another form.
#[derive(Clone, Debug, PartialEq)]
pub struct Rewrite {
    /// The form.
    pub form: Form,
    /// The names of its nodes in the new graph, first to last.
    pub nodes: Vec<String>,
    /// The relative error, as [`Options::bound`] says.
    pub error: f64,
    /// Multiply-accumulates before and after (1 MAC = 2 FLOP).
    pub macs: [u64; 2],
    /// Seconds before and after, as the time model says.
    pub seconds: [f64; 2],
}

impl fmt::Display for TrainedLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.layer)?;
        match &self.outcome {
            Ok(Rewrite { form, error, macs: [before, after], .. }) => {
                write!(f, "{form}, error {error:.1e}, {after} MAC instead of {before}")
            }
            Err(reason) => write!(f, "kept: {reason}"),
        }
    }
}

/// A form that a layer might take.
struct Candidate {
    form: Form,
    chain: Chain,
    error: f64,
}

/// Writes trained layers in the form that takes the least time among those within a bound on their error.
///
/// Without loss, as expressions over the same parameters ([`Form`]):
///
/// ```text
/// W zero but at one tap, between groups        ⟹   Pointwise, Grouped
/// W[o, i, u, v] = a[o, i, u] · b[o, v]         ⟹   Outer
/// W[o, i, u, v] = p[o, i] · d[i, u, v]         ⟹   DepthwiseSeparable
/// ```
///
/// and with new parameters of the least ranks whose error is within the bound, by singular values: `Separable`,
/// `SeparableBasis`, `DepthwiseSeparable`, `Tucker` and `LowRank`. A layer is rewritten only where its form takes fewer
/// multiply-accumulates and `time` says that it takes less time. BatchNorm may stand after the layer, or be folded into
/// it before.
///
/// # Errors
/// [`FactorizeError`] where the bound is not from 0 to below 1, a pattern of the selection matches no layer, parameters
/// are missing or have another shape, or `time` cannot tell.
pub fn trained(
    graph: &Graph,
    parameters: &Parameters,
    options: &Options<'_>,
    time: &mut dyn TimeModel,
) -> Result<Trained, FactorizeError> {
    if !(0.0..1.0).contains(&options.bound) {
        return Err(FactorizeError::Bound { bound: options.bound });
    }
    if options.bound > 0.0 && cfg!(not(feature = "factorize")) {
        return Err(FactorizeError::Feature { bound: options.bound });
    }
    let layers: Vec<_> = graph.order().into_iter().filter_map(|node| Layer::find(graph, node)).collect();
    options.selection.check(&layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>())?;
    let weights = Weights::new(graph, parameters)?;
    let mut result = graph.clone();
    let mut values: Vec<(String, Tensor)> = Vec::new();
    let mut outcomes = Vec::new();
    for layer in layers {
        let outcome = match best(graph, &weights, &layer, options, time)? {
            Ok((chain, rewrite)) => {
                let installed = chain.install(&mut result, &layer).map_err(|error| refused(&layer, error))?;
                values.extend(installed.values);
                Ok(Rewrite { nodes: installed.nodes, ..rewrite })
            }
            Err(reason) => Err(reason),
        };
        outcomes.push(TrainedLayer { layer: layer.name, outcome });
    }
    let names = result.parameters().into_iter().map(|(name, _)| name);
    let kept = names.filter_map(|name| parameters.get(&name).map(|tensor| (name, tensor.to_tensor())));
    let parameters = Parameters::from_tensors(kept.chain(values));
    Ok(Trained { graph: result, parameters, layers: outcomes })
}

/// The form that takes the least time, or why the layer stays.
fn best(
    graph: &Graph,
    weights: &Weights<'_>,
    layer: &Layer,
    options: &Options<'_>,
    time: &mut dyn TimeModel,
) -> Result<Result<(Chain, Rewrite), Reason>, FactorizeError> {
    if !options.selection.contains(&layer.name) {
        return Ok(Err(Reason::NotSelected));
    }
    let expression = |value: Value| graph.node(value.node).weight();
    let evaluated = |expression: &WeightExpr| {
        let weight = weights.evaluate(expression);
        weight.map_err(|error| FactorizeError::Weight { layer: layer.name.clone(), error })
    };
    let bias = layer.bias.map(expression);
    let (Some(expression), None | Some(Some(_))) = (expression(layer.weight), bias) else {
        return Ok(Err(Reason::Computed));
    };
    let weight = evaluated(expression)?;
    if weight.data().iter().any(|value| !value.is_finite()) {
        return Ok(Err(Reason::NotFinite));
    }
    let conv = ConvLayer::new(graph, layer).ok();
    let mut candidates = Vec::new();
    if let Some(conv) = &conv {
        let exact = exact::forms(conv, &Arc::new(expression.clone()), weight.data());
        let exact = exact.map_err(|error| refused(layer, GraphError::Weight(error)))?;
        candidates.extend(exact.into_iter().map(|(form, chain)| Candidate { form, chain, error: 0.0 }));
    }
    #[cfg(feature = "factorize")]
    if options.bound > 0.0 {
        let bias = bias.flatten().map(evaluated).transpose()?;
        let numbers =
            approximate::Numbers { layer, conv: conv.as_ref(), weight: &weight, bias: bias.as_ref(), options };
        candidates.extend(numbers.forms());
    }

    let before = layer.macs();
    let mut cheaper = Vec::new();
    let mut least: Option<(Form, u64)> = None;
    for candidate in candidates {
        let macs = candidate.chain.macs(layer).map_err(|error| refused(layer, error))?;
        if macs < before {
            cheaper.push((candidate, macs));
        } else if least.is_none_or(|(_, least)| macs < least) {
            least = Some((candidate.form, macs));
        }
    }
    if cheaper.is_empty() {
        let grouped = conv.is_some_and(|conv| conv.conv.groups > 1 && conv.per_group > 1);
        return Ok(Err(match least {
            Some((form, macs)) => Reason::Bound { form, macs, layer: before },
            None if grouped => Reason::Grouped,
            None => Reason::FullRank,
        }));
    }
    fastest(graph, layer, cheaper, time)
}

fn fastest(
    graph: &Graph,
    layer: &Layer,
    candidates: Vec<(Candidate, u64)>,
    time: &mut dyn TimeModel,
) -> Result<Result<(Chain, Rewrite), Reason>, FactorizeError> {
    let alone = extract(graph, &[layer.node]);
    let node = alone.order().into_iter().find_map(|node| Layer::find(&alone, node));
    let mut graphs = vec![alone.clone()];
    for (candidate, _) in &candidates {
        let mut graph = alone.clone();
        let installed = node.as_ref().map(|node| candidate.chain.fresh().install(&mut graph, node)).transpose();
        installed.map_err(|error| refused(layer, error))?;
        graphs.push(graph);
    }
    let told = time.seconds(&graphs.iter().collect::<Vec<_>>());
    let seconds = told.map_err(|reason| FactorizeError::Time { layer: layer.name.clone(), reason })?;
    let before = seconds[0];
    let timed = candidates.into_iter().zip(seconds.into_iter().skip(1));
    let best = timed.min_by(|(_, a), (_, b)| a.total_cmp(b));
    Ok(match best {
        Some(((Candidate { form, chain, error }, macs), after)) if after < before => {
            let rewrite =
                Rewrite { form, nodes: Vec::new(), error, macs: [layer.macs(), macs], seconds: [before, after] };
            Ok((chain, rewrite))
        }
        Some(((Candidate { form, .. }, _), after)) => Err(Reason::Time { form, layer: before, seconds: after }),
        None => Err(Reason::FullRank),
    })
}

fn refused(layer: &Layer, error: GraphError) -> FactorizeError {
    FactorizeError::Graph { layer: layer.name.clone(), error: Box::new(error) }
}

#[cfg(test)]
mod tests;
