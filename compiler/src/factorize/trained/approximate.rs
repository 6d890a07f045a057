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

/// All forms of the layer within the bound; none for convolutions whose groups have several channels.
pub(super) fn forms(
    layer: &Layer,
    conv: Option<&ConvLayer>,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Options<'_>,
) -> Vec<Candidate> {
    match conv {
        Some(conv) if conv.conv.groups > 1 => {
            let is_window = conv.kernel[0] > 1 && conv.kernel[1] > 1;
            let form = (conv.per_group == 1 && is_window).then(|| depthwise(layer, conv, weight, bias, options));
            form.flatten().into_iter().collect()
        }
        _ => dense(layer, conv, weight, bias, options),
    }
}

fn dense(
    layer: &Layer,
    conv: Option<&ConvLayer>,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Options<'_>,
) -> Vec<Candidate> {
    let moments = options.calibration.and_then(|calibration| calibration.moments(layer, 0));
    let rows = layer.types[2].elements() / weight.shape()[0].max(1);
    let pixels = conv.map_or([rows; 3], |conv| {
        let images = layer.types[0].shape[0];
        let ([h, w], [oh, ow]) = (conv.size, conv.pixels);
        [images * h * w, images * oh * w, images * oh * ow]
    });
    let problem = Problem {
        weight: matrix(weight.shape()[0], weight.data()),
        channels: weight.shape()[1],
        kernel: conv.map_or([1, 1], |conv| conv.kernel),
        pixels: pixels.map(|count| count as u64),
        metric: Metric::new(moments.as_ref()),
    };
    type Approximation = fn(&Problem<'_>, f64) -> Option<Factors>;
    let approximations: &[Approximation] = match problem.kernel {
        [1, 1] => &[low_rank],
        [1, _] | [_, 1] => &[tucker, depthwise_separable],
        _ => &[tucker, depthwise_separable, separable, separable_basis],
    };
    let energy = problem.metric.energy(&problem.weight);
    let found = approximations.iter().filter_map(|approximation| {
        let error =
            |factors: &Factors| relative(problem.metric.energy(&(&problem.weight - &factors.effective)), energy);
        let (factors, error) = within(options.bound, |bound| approximation(&problem, bound), error)?;
        let lost = problem.metric.mean(&(&problem.weight - &factors.effective));
        Some(candidate(conv, factors, error, corrected(bias, lost)))
    });
    found.collect()
}

/// A column and a row for each channel.
fn depthwise(
    layer: &Layer,
    conv: &ConvLayer,
    weight: &Tensor,
    bias: Option<&Tensor>,
    options: &Options<'_>,
) -> Option<Candidate> {
    let filters = conv.outputs;
    let groups: Vec<Option<Moments>> = (0..conv.channels)
        .map(|group| options.calibration.and_then(|calibration| calibration.moments(layer, group)))
        .collect();
    let moments: Vec<_> = (0..filters).map(|filter| groups[filter * conv.channels / filters].as_ref()).collect();
    let weight = matrix(filters, weight.data());
    let row = |matrix: &Mat<f64>, filter| matrix.subrows(filter, 1).to_owned();
    let energy = |matrix: &Mat<f64>| -> f64 {
        (0..filters).map(|filter| Metric::new(moments[filter]).energy(&row(matrix, filter))).sum()
    };
    let all = energy(&weight);
    let (factors, error) = within(
        options.bound,
        |bound| outer(&weight, conv.kernel, &moments, bound),
        |factors| relative(energy(&(&weight - &factors.effective)), all),
    )?;
    let lost = &weight - &factors.effective;
    let lost: Option<Vec<f64>> =
        (0..filters).map(|filter| Metric::new(moments[filter]).mean(&row(&lost, filter))?.first().copied()).collect();
    Some(candidate(Some(conv), factors, error, corrected(bias, lost)))
}

/// √(error / all).
fn relative(error: f64, all: f64) -> f64 {
    if error <= 0.0 { 0.0 } else { (error / all).sqrt() }
}

/// What `approximate` makes for the loosest bound for which its error is within `bound`.
fn within(
    bound: f64,
    approximate: impl Fn(f64) -> Option<Factors>,
    error: impl Fn(&Factors) -> f64,
) -> Option<(Factors, f64)> {
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
fn corrected(bias: Option<&Tensor>, lost: Option<Vec<f64>>) -> Bias {
    let Some(lost) = lost else { return Bias::Kept };
    let mut values = bias.cloned().unwrap_or_else(|| Tensor::zeros(&[lost.len()]));
    for (value, lost) in values.data_mut().iter_mut().zip(lost) {
        *value = (f64::from(*value) + lost) as f32;
    }
    Bias::Values(values)
}

fn candidate(conv: Option<&ConvLayer>, factors: Factors, error: f64, bias: Bias) -> Candidate {
    let Factors { form, weights, .. } = factors;
    let parts = parts(&form, conv);
    let links = parts.into_iter().zip(weights).map(|((part, op), weight)| {
        let shape: Vec<usize> = match (&op, weight.shape()) {
            (Op::Conv(_), &[outputs, inputs]) => vec![outputs, inputs, 1, 1],
            (_, shape) => shape.to_vec(),
        };
        let weight = weight.reshape(&shape).expect("windows of one pixel add no elements");
        Link::new(part, op, Source::Values(weight))
    });
    Candidate { form, chain: Chain { links: links.collect(), bias }, error }
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
