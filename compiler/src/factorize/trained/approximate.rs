//! The forms of a layer within a bound on its error.

use convoke_runtime::Tensor;
use faer::Mat;

use super::filters::{depthwise_separable, separable_basis};
use super::low_rank::{low_rank, tucker};
use super::metric::{Metric, Moments};
use super::problem::{Factors, Problem, matrix};
use super::separable::{outer, separable};
use super::{Candidate, Form, Options};
use crate::factorize::chain::{Bias, Chain, Link, Source};
use crate::factorize::layer::{ConvLayer, Layer};
use crate::ops::Op;
use crate::ops::conv::Conv;
use crate::ops::linear::Linear;

/// Attempts to bring the error, as it is reported, within the bound: covariances are shrunk where ranks are chosen, so
/// the first may miss it by a little.
const ATTEMPTS: usize = 4;

/// A layer with its numbers.
pub(super) struct Numbers<'a> {
    pub(super) layer: &'a Layer,
    /// None for linear layers.
    pub(super) conv: Option<&'a ConvLayer>,
    pub(super) weight: &'a Tensor,
    pub(super) bias: Option<&'a Tensor>,
    pub(super) options: &'a Options<'a>,
}

type Approximation = fn(&Problem<'_>, f64) -> Option<Factors>;

impl Numbers<'_> {
    /// All forms of the layer within the bound; none for convolutions whose groups have several channels.
    pub(super) fn forms(&self) -> Vec<Candidate> {
        match self.conv {
            Some(conv) if conv.conv.groups > 1 => {
                let is_window = conv.kernel[0] > 1 && conv.kernel[1] > 1;
                let form = (conv.per_group == 1 && is_window).then(|| self.depthwise(conv));
                form.flatten().into_iter().collect()
            }
            _ => self.dense(),
        }
    }

    fn moments(&self, group: usize) -> Option<Moments> {
        self.options.calibration?.moments(self.layer, group)
    }

    fn dense(&self) -> Vec<Candidate> {
        let moments = self.moments(0);
        let &[outputs, channels, ..] = self.weight.shape() else { return Vec::new() };
        let [x, _, result] = &self.layer.types;
        let rows = result.elements() / outputs.max(1);
        let pixels = self.conv.map_or([rows; 3], |conv| {
            let ([h, w], [oh, ow]) = (conv.size, conv.pixels);
            [h * w, oh * w, oh * ow].map(|pixels| x.shape[0] * pixels)
        });
        let problem = Problem {
            weight: matrix(outputs, self.weight.data()),
            channels,
            kernel: self.conv.map_or([1, 1], |conv| conv.kernel),
            pixels: pixels.map(|count| count as u64),
            metric: Metric::new(moments.as_ref()),
        };
        let approximations: &[Approximation] = match problem.kernel {
            [1, 1] => &[low_rank],
            [1, _] | [_, 1] => &[tucker, depthwise_separable],
            _ => &[tucker, depthwise_separable, separable, separable_basis],
        };
        let energy = |weight: &Mat<f64>| problem.metric.energy(weight);
        let found = approximations.iter().filter_map(|approximation| {
            let lost = |factors: &Factors| &problem.weight - &factors.effective;
            let error = |factors: &Factors| relative(energy(&lost(factors)), energy(&problem.weight));
            let (factors, error) = self.within(|bound| approximation(&problem, bound), error)?;
            let bias = self.corrected(problem.metric.mean(&lost(&factors)));
            Some(self.candidate(factors, error, bias))
        });
        found.collect()
    }

    /// A column and a row for each channel.
    fn depthwise(&self, conv: &ConvLayer) -> Option<Candidate> {
        let filters = conv.outputs;
        let groups: Vec<Option<Moments>> = (0..conv.channels).map(|group| self.moments(group)).collect();
        let moments: Vec<_> = (0..filters).map(|filter| groups[filter * conv.channels / filters].as_ref()).collect();
        let weight = matrix(filters, self.weight.data());
        let row = |matrix: &Mat<f64>, filter| matrix.subrows(filter, 1).to_owned();
        let energy = |matrix: &Mat<f64>| -> f64 {
            (0..filters).map(|filter| Metric::new(moments[filter]).energy(&row(matrix, filter))).sum()
        };
        let (factors, error) = self.within(
            |bound| outer(&weight, conv.kernel, &moments, bound),
            |factors| relative(energy(&(&weight - &factors.effective)), energy(&weight)),
        )?;
        let lost = &weight - &factors.effective;
        let mean = |filter| Metric::new(moments[filter]).mean(&row(&lost, filter))?.first().copied();
        let bias = self.corrected((0..filters).map(mean).collect());
        Some(self.candidate(factors, error, bias))
    }

    /// What `approximate` makes for the loosest bound for which its error is within the one asked for.
    fn within(
        &self,
        approximate: impl Fn(f64) -> Option<Factors>,
        error: impl Fn(&Factors) -> f64,
    ) -> Option<(Factors, f64)> {
        let bound = self.options.bound;
        let mut inner = bound;
        for _ in 0..ATTEMPTS {
            let factors = approximate(inner)?;
            let found = error(&factors);
            if found <= bound {
                return Some((factors, found));
            }
            inner *= 0.99 * bound / found;
        }
        None
    }

    /// The bias with the mean of what is lost.
    fn corrected(&self, lost: Option<Vec<f64>>) -> Bias {
        let Some(lost) = lost else { return Bias::Kept };
        let mut values = self.bias.cloned().unwrap_or_else(|| Tensor::zeros(&[lost.len()]));
        for (value, lost) in values.data_mut().iter_mut().zip(lost) {
            *value = (f64::from(*value) + lost) as f32;
        }
        Bias::Values(values)
    }

    fn candidate(&self, factors: Factors, error: f64, bias: Bias) -> Candidate {
        let Factors { form, weights, .. } = factors;
        let links = parts(&form, self.conv).into_iter().zip(weights).map(|((part, op), weight)| {
            let shape: Vec<usize> = match (&op, weight.shape()) {
                (Op::Conv(_), &[outputs, inputs]) => vec![outputs, inputs, 1, 1],
                (_, shape) => shape.to_vec(),
            };
            let weight = weight.reshape(&shape).expect("windows of one pixel add no elements");
            Link::new(part, op, Source::Values(weight))
        });
        Candidate { form, chain: Chain { links: links.collect(), bias }, error }
    }
}

/// √(error / all).
fn relative(error: f64, all: f64) -> f64 {
    if error <= 0.0 { 0.0 } else { (error / all).sqrt() }
}

/// Names and operators of a form.
fn parts(form: &Form, conv: Option<&ConvLayer>) -> Vec<(&'static str, Op)> {
    let Some(layer) = conv else {
        let linear = || Op::from(Linear { bias: false, epilogue: Conv::default().epilogue });
        return vec![("reduce", linear()), ("expand", linear())];
    };
    let pointwise = Conv { bias: false, ..Conv::default() };
    let window = Conv { bias: false, epilogue: pointwise.epilogue, ..layer.conv };
    let [vertical, horizontal] = layer.split();
    let parts = match *form {
        Form::LowRank { .. } => vec![("reduce", window), ("expand", pointwise)],
        Form::Tucker { input, output } => {
            let all = [
                (input < layer.channels, ("reduce", pointwise)),
                (true, ("core", window)),
                (output < layer.outputs, ("expand", pointwise)),
            ];
            all.into_iter().filter_map(|(is_there, part)| is_there.then_some(part)).collect()
        }
        Form::Separable { .. } => vec![("vertical", vertical), ("horizontal", horizontal)],
        Form::Outer => {
            vec![("vertical", vertical), ("horizontal", Conv { groups: layer.outputs, ..horizontal })]
        }
        Form::DepthwiseSeparable { .. } => {
            vec![("depthwise", Conv { groups: layer.channels, ..window }), ("pointwise", pointwise)]
        }
        Form::SeparableBasis { filters } => vec![
            ("vertical", Conv { groups: layer.channels, ..vertical }),
            ("horizontal", Conv { groups: layer.channels * filters, ..horizontal }),
            ("pointwise", pointwise),
        ],
        // Without loss only; exact.rs writes them.
        Form::Pointwise | Form::Grouped { .. } => Vec::new(),
    };
    parts.into_iter().map(|(part, conv)| (part, conv.into())).collect()
}
