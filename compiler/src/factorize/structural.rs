//! Chosen convolutions in another form, with fresh weights.

use super::layer::{ConvLayer, Layer};
use super::{FactorizeError, Kind, LayerOutcome, Outcome, Reason, Selection};
use crate::Graph;
use crate::ops::Op;

/// A network whose layers were factorised.
#[derive(Clone, Debug)]
pub struct Factorized {
    /// The network.
    pub graph: Graph,
    /// What became of each layer, in the order of the graph.
    pub layers: Vec<LayerOutcome>,
}

/// Writes the convolutions that `selection` holds in the form `kind`, as if `cnn!` had called that instead of `conv`.
///
/// ```text
/// conv(x, W)   ⟹   conv(x, W′) {groups = C}                                   Kind::Depthwise
/// conv(x, W)   ⟹   conv(conv(x, V) {kernel K×1}, U) {kernel 1×K}              Kind::Separable
/// conv(x, W)   ⟹   conv(x, P) {kernel 1×1}                                    Kind::Pointwise
/// conv(x, W)   ⟹   conv(conv(x, D) {groups = C}, P) {kernel 1×1}              Kind::DepthwiseSeparable
/// ```
///
/// The parameters are new: `conv1.vertical.weight`, `conv1.horizontal.weight` and `conv1.horizontal.bias` for a
/// separable `conv1`. What the network computes changes; the types of all tensors stay. Stride, dilation, padding,
/// groups and epilogue stay too. A convolution whose form would take no fewer multiply-accumulates stays as it is, as
/// does one for which the form makes no sense.
///
/// # Errors
/// [`FactorizeError::NoSuchLayer`] where a pattern of the selection matches no convolution.
pub fn structural(graph: &Graph, kind: Kind, selection: &Selection) -> Result<Factorized, FactorizeError> {
    let mut graph = graph.clone();
    let is_conv = |layer: &Layer| matches!(layer.op, Op::Conv(_));
    let layers = graph.order().into_iter().filter_map(|node| Layer::find(&graph, node)).filter(is_conv);
    let layers: Vec<_> = layers.collect();
    selection.check(&layers.iter().map(|layer| layer.name.clone()).collect::<Vec<_>>())?;
    let outcomes = layers.into_iter().map(|layer| {
        let outcome = rewrite(&mut graph, &layer, kind, selection)?;
        Ok(LayerOutcome { layer: layer.name, outcome })
    });
    let layers = outcomes.collect::<Result<_, FactorizeError>>()?;
    Ok(Factorized { graph, layers })
}

fn rewrite(graph: &mut Graph, layer: &Layer, kind: Kind, selection: &Selection) -> Result<Outcome, FactorizeError> {
    if !selection.contains(&layer.name) {
        return Ok(Outcome::Kept(Reason::NotSelected));
    }
    let chain = match ConvLayer::new(graph, layer).and_then(|conv| kind.chain(&conv)) {
        Ok(chain) => chain,
        Err(reason) => return Ok(Outcome::Kept(reason)),
    };
    let refused = |error| FactorizeError::Graph { layer: layer.name.clone(), error: Box::new(error) };
    let form = chain.macs(layer).map_err(refused)?;
    if form >= layer.macs() {
        return Ok(Outcome::Kept(Reason::Macs { layer: layer.macs(), form }));
    }
    Ok(Outcome::Rewritten { nodes: chain.install(graph, layer).map_err(refused)?.nodes })
}

#[cfg(test)]
mod tests;
