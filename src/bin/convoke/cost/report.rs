//! The report as data; `--json` prints it, and docs/cost.md describes it. Seconds, bytes, FLOP (1 MAC = 2 FLOP).

use std::error::Error;
use std::ops::Add;

use convoke::Graph;
use convoke::compiler::cost::{self, Comparison, Cost, Form, Layer, Profile, Time};
use convoke::compiler::factorize::{Factorized, Kind, Outcome};
use convoke::compiler::graph::NodeId;
use convoke::compiler::lower::StepKind;
use convoke::compiler::ops::Op;
use serde::Serialize;

use super::error::Weights;
use super::measure::Clock;

/// The version of the schema: it rises when a field changes its meaning or goes.
const SCHEMA: u32 = 1;

/// All that is known of a network's cost.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) schema: u32,
    /// The machine; `null` where nothing was measured.
    pub(crate) machine: Option<Machine>,
    /// The network as it is described.
    pub(crate) network: Network,
    /// The network with its convolutions in another form; `null` unless asked for.
    pub(crate) factorized: Option<FactorizedNetwork>,
    /// Where trained weights come from; `null` where weights are fresh.
    pub(crate) weights: Option<String>,
    /// Each convolution that could be factorised, in all forms.
    pub(crate) convolutions: Vec<Convolution>,
    /// All of these together.
    pub(crate) forms: Vec<FormTotal>,
}

/// One core.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    pub(crate) isa: &'static str,
    /// FLOP per second.
    pub(crate) peak: f64,
    /// Bytes per second from memory.
    pub(crate) memory_bandwidth: f64,
    /// Bytes per second from the second-level cache.
    pub(crate) cache_bandwidth: f64,
}

/// A network and its layers.
#[derive(Debug, Serialize)]
pub(crate) struct Network {
    pub(crate) name: String,
    /// Parameters, MACs and FLOPs as it is described, traffic and time as it runs.
    pub(crate) total: Numbers,
    /// The operators that run, after all passes.
    pub(crate) layers: Vec<LayerRow>,
    /// The time of steps that belong to no layer: conversions between layouts, halos of zeros.
    pub(crate) layout_time: Option<Seconds>,
}

/// A network that was factorised.
#[derive(Debug, Serialize)]
pub(crate) struct FactorizedNetwork {
    pub(crate) kind: &'static str,
    #[serde(flatten)]
    pub(crate) network: Network,
    /// What became of each convolution.
    pub(crate) outcomes: Vec<OutcomeRow>,
}

/// What became of a convolution: the operators in its place, or why it stays.
#[derive(Debug, Serialize)]
pub(crate) struct OutcomeRow {
    pub(crate) layer: String,
    pub(crate) rewritten: Option<Vec<String>>,
    pub(crate) kept: Option<String>,
}

/// An operator.
#[derive(Debug, Serialize)]
pub(crate) struct LayerRow {
    /// The convolution or linear layer that it was made from, or its own name.
    pub(crate) name: String,
    /// The other operators that it was made from.
    pub(crate) fused: Vec<String>,
    /// `conv`, `depthwise`, `pointwise`, `grouped`, or the operator's name.
    pub(crate) kind: &'static str,
    /// The shape of its result.
    pub(crate) output: Vec<usize>,
    #[serde(flatten)]
    pub(crate) numbers: Numbers,
}

/// What a layer or a network costs.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Numbers {
    pub(crate) parameters: u64,
    pub(crate) macs: u64,
    pub(crate) flops: u64,
    pub(crate) weight_bytes: u64,
    pub(crate) input_bytes: u64,
    pub(crate) output_bytes: u64,
    /// Bytes moved: of weights, inputs and outputs.
    pub(crate) bytes: u64,
    /// FLOP per byte moved.
    pub(crate) intensity: Option<f64>,
    pub(crate) time: Option<Seconds>,
}

/// A measured time. What disturbs a run only adds to it, so tables and plots show the minimum.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Seconds {
    pub(crate) median: f64,
    pub(crate) minimum: f64,
    pub(crate) runs: usize,
}

/// A convolution in all forms.
#[derive(Debug, Serialize)]
pub(crate) struct Convolution {
    /// The layers of the network that are like this.
    pub(crate) layers: Vec<String>,
    /// C.
    pub(crate) channels: usize,
    /// H.
    pub(crate) filters: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) groups: usize,
    /// Height and width of the image.
    pub(crate) image: [usize; 2],
    /// Height and width of the result.
    pub(crate) result: [usize; 2],
    pub(crate) forms: Vec<FormRow>,
}

/// A convolution in one form.
#[derive(Debug, Serialize)]
pub(crate) struct FormRow {
    pub(crate) form: &'static str,
    /// Why the convolution cannot have this form; then all else is `null`.
    pub(crate) not_available: Option<String>,
    pub(crate) weights: Option<u64>,
    pub(crate) macs: Option<u64>,
    /// MACs of the normal form over these.
    pub(crate) ratio: Option<f64>,
    /// ‖W − W′‖ / ‖W‖ of the best W′ that this form can express, the largest of all layers like this.
    pub(crate) error: Option<f64>,
    pub(crate) time: Option<Seconds>,
}

/// All convolutions in one form, those that cannot have it as they are.
#[derive(Debug, Serialize)]
pub(crate) struct FormTotal {
    pub(crate) form: &'static str,
    pub(crate) formula: &'static str,
    /// How many convolutions have the form.
    pub(crate) layers: usize,
    pub(crate) weights: u64,
    pub(crate) macs: u64,
    pub(crate) ratio: f64,
    pub(crate) time: Option<Seconds>,
}

impl Report {
    pub(crate) fn new(
        graph: &Graph,
        factorized: Option<&(Kind, Factorized)>,
        weights: Option<&Weights>,
        clock: &mut Clock,
    ) -> Result<Self, Box<dyn Error>> {
        let comparisons = cost::comparisons(graph)?;
        clock.expect(1 + usize::from(factorized.is_some()) + comparisons.len());
        let network = Network::new(graph, clock)?;
        let factorized = factorized.map(|(kind, to)| FactorizedNetwork::new(*kind, to, clock)).transpose()?;
        let convolutions = comparisons.iter().map(|comparison| Convolution::new(graph, comparison, weights, clock));
        let convolutions = convolutions.collect::<Result<Vec<_>, _>>()?;
        let forms = (0..).zip(Form::ALL).map(|(index, form)| FormTotal::new(index, form, &convolutions)).collect();
        let machine = clock.machine().map(|machine| Machine {
            isa: machine.isa.name(),
            peak: machine.peak,
            memory_bandwidth: machine.memory,
            cache_bandwidth: machine.cache,
        });
        let weights = weights.map(|weights| weights.file.clone());
        Ok(Self { schema: SCHEMA, machine, network, factorized, weights, convolutions, forms })
    }
}

impl Network {
    fn new(graph: &Graph, clock: &mut Clock) -> Result<Self, Box<dyn Error>> {
        let profile = clock.profile(graph)?;
        let optimized = match &profile {
            Some(profile) => profile.graph.clone(),
            None => convoke::compiler::plan(graph, clock.target())?.0,
        };
        let layers = cost::layers(&optimized);
        let sum = |layers: &[Layer]| -> Cost { layers.iter().map(|layer| layer.cost).sum() };
        // What is counted in the literature is the network as it is described, of which passes leave less to do.
        let Cost { macs, parameters, .. } = sum(&cost::layers(graph));
        let total = Cost { macs, parameters, ..sum(&layers) };
        let rows = layers.iter().filter(|layer| layer.cost != Cost::default());
        let rows = rows.map(|layer| LayerRow::new(graph, &optimized, layer, profile.as_ref())).collect();
        let layout_time = profile.as_ref().map(|profile| time_of(profile, |kind| !matches!(kind, StepKind::Node(_))));
        let total = Numbers::new(&total, profile.map(|profile| profile.total.into()));
        Ok(Self { name: graph.name().to_owned(), total, layers: rows, layout_time })
    }
}

impl FactorizedNetwork {
    fn new(kind: Kind, factorized: &Factorized, clock: &mut Clock) -> Result<Self, Box<dyn Error>> {
        let outcomes = factorized.layers.iter().map(|layer| {
            let (rewritten, kept) = match &layer.outcome {
                Outcome::Rewritten { nodes } => (Some(nodes.clone()), None),
                Outcome::Kept(reason) => (None, Some(reason.to_string())),
            };
            OutcomeRow { layer: layer.layer.clone(), rewritten, kept }
        });
        let outcomes = outcomes.collect();
        Ok(Self { kind: kind.name(), network: Network::new(&factorized.graph, clock)?, outcomes })
    }
}

impl LayerRow {
    fn new(described: &Graph, graph: &Graph, layer: &Layer, profile: Option<&Profile>) -> Self {
        let node = graph.node(layer.node);
        let has_weights = |name: &String| {
            let op = described.find(name).and_then(|id| described.node(id).op());
            matches!(op, Some(Op::Conv(_) | Op::Linear(_)))
        };
        let name = node.origin.iter().find(|name| has_weights(name)).unwrap_or(&node.name);
        let is_this = |kind: &StepKind| matches!(kind, StepKind::Node(plan) if plan.node == layer.node);
        Self {
            name: name.clone(),
            fused: node.origin.iter().filter(|other| *other != name).cloned().collect(),
            kind: kind_of(graph, layer.node),
            output: node.types[0].shape.clone(),
            numbers: Numbers::new(&layer.cost, profile.map(|profile| time_of(profile, is_this))),
        }
    }
}

/// The kind of convolution that a node is, or its operator.
fn kind_of(graph: &Graph, id: NodeId) -> &'static str {
    let Some(op) = graph.node(id).op() else { return "" };
    let Op::Conv(conv) = op else { return op.name() };
    let weight = &graph.type_of(graph.operands(id)[1]).shape;
    match (weight[1], &weight[2..], conv.groups) {
        (1, _, groups) if groups > 1 => "depthwise",
        (_, [1, 1], 1) => "pointwise",
        (_, _, 1) => op.name(),
        _ => "grouped",
    }
}

/// The time of the steps of these kinds.
fn time_of(profile: &Profile, which: impl Fn(&StepKind) -> bool) -> Seconds {
    let steps = profile.plan.steps.iter().zip(&profile.steps).filter(|(step, _)| which(&step.kind));
    let none = Seconds { median: 0.0, minimum: 0.0, runs: profile.total.runs };
    steps.map(|(_, time)| Seconds::from(*time)).fold(none, Add::add)
}

impl Numbers {
    fn new(cost: &Cost, time: Option<Seconds>) -> Self {
        Self {
            parameters: cost.parameters,
            macs: cost.macs,
            flops: cost.flops(),
            weight_bytes: cost.weight_bytes,
            input_bytes: cost.input_bytes,
            output_bytes: cost.output_bytes,
            bytes: cost.bytes(),
            intensity: cost.intensity(),
            time,
        }
    }

    /// FLOP per second; `None` where there are none, or no time.
    pub(crate) fn speed(&self) -> Option<f64> {
        let least = self.time?.minimum;
        (least > 0.0 && self.flops > 0).then(|| self.flops as f64 / least)
    }
}

impl From<Time> for Seconds {
    fn from(time: Time) -> Self {
        Self { median: time.median, minimum: time.minimum, runs: time.runs }
    }
}

impl Add for Seconds {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            median: self.median + other.median,
            minimum: self.minimum + other.minimum,
            runs: self.runs.min(other.runs),
        }
    }
}

impl Convolution {
    fn new(
        graph: &Graph,
        comparison: &Comparison,
        weights: Option<&Weights>,
        clock: &mut Clock,
    ) -> Result<Self, Box<dyn Error>> {
        let layers: Vec<_> = comparison.nodes.iter().map(|&node| graph.node(node).name.clone()).collect();
        let graphs: Vec<_> = comparison.forms.iter().flatten().collect();
        let mut times = clock.compare(&layers[0], &graphs)?.into_iter().flatten();
        let normal = comparison.forms[0].as_ref().map_or(0, Graph::macs);
        let mut forms = Vec::new();
        for (form, graph_of_form) in Form::ALL.into_iter().zip(&comparison.forms) {
            let row = FormRow {
                form: form.name(),
                not_available: None,
                weights: None,
                macs: None,
                ratio: None,
                error: None,
                time: None,
            };
            forms.push(match graph_of_form {
                Err(reason) => FormRow { not_available: Some(reason.to_string()), ..row },
                Ok(alone) => FormRow {
                    weights: Some(alone.trainable_count()),
                    macs: Some(alone.macs()),
                    ratio: Some(normal as f64 / alone.macs() as f64),
                    error: weights.and_then(|weights| weights.error(graph, comparison, form)),
                    time: times.next().map(Seconds::from),
                    ..row
                },
            });
        }
        let ([filters, _, kh, kw], [_, channels, h, w]) = (comparison.weight, comparison.input);
        let [_, _, oh, ow] = comparison.output;
        let conv = comparison.conv;
        Ok(Self {
            layers,
            channels,
            filters,
            kernel: [kh, kw],
            stride: conv.stride,
            groups: conv.groups,
            image: [h, w],
            result: [oh, ow],
            forms,
        })
    }
}

impl FormTotal {
    fn new(index: usize, form: Form, convolutions: &[Convolution]) -> Self {
        let normal: u64 = convolutions.iter().map(|c| c.layers.len() as u64 * c.forms[0].macs.unwrap_or(0)).sum();
        let mut total =
            Self { form: form.name(), formula: form.formula(), layers: 0, weights: 0, macs: 0, ratio: 1.0, time: None };
        for convolution in convolutions {
            let count = convolution.layers.len();
            let has_form = convolution.forms[index].not_available.is_none();
            let row = &convolution.forms[if has_form { index } else { 0 }];
            total.layers += if has_form { count } else { 0 };
            total.weights += count as u64 * row.weights.unwrap_or(0);
            total.macs += count as u64 * row.macs.unwrap_or(0);
            for _ in 0..count {
                total.time = match (total.time, row.time) {
                    (Some(sum), Some(time)) => Some(sum + time),
                    (sum, time) => sum.or(time),
                };
            }
        }
        if total.macs > 0 {
            total.ratio = normal as f64 / total.macs as f64;
        }
        total
    }
}
