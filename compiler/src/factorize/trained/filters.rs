//! Filters of each input channel, then a pointwise convolution.

use faer::Mat;

use super::Form;
use super::metric::descending;
use super::problem::{Factors, Problem, least, rounded, tensor};

/// Rounds of alternation for a product of column and row; the error falls in each, and by little after some.
const ROUNDS: usize = 10;

/// The fewest filters for each input channel within `bound`: the leading singular vectors of the channel's weight, as a
/// matrix of outputs by taps.
pub(super) fn depthwise_separable(problem: &Problem<'_>, bound: f64) -> Option<Factors> {
    let most = problem.taps().min(problem.outputs());
    let channels = (0..problem.channels).map(|channel| {
        let (vectors, _) = descending(&gram(problem, channel))?;
        Some(vectors.subcols(0, most).transpose().to_owned())
    });
    let basis: Vec<Mat<f64>> = channels.collect::<Option<_>>()?;
    let (filters, mixing) = choose(problem, &basis, bound, true)?;
    let [kh, kw] = problem.kernel;
    let depthwise = rounded(&stacked(&basis, filters));
    Some(Factors {
        form: Form::DepthwiseSeparable { filters },
        effective: effective(problem, &depthwise, &mixing),
        weights: vec![
            tensor(&[problem.channels * filters, 1, kh, kw], &depthwise),
            tensor(&[problem.outputs(), problem.channels * filters], &mixing),
        ],
    })
}

/// The same with filters that are a column times a row each: scheme 1 of Jaderberg et al.
///
/// Filters are found one after the other, each the best for what those before it leave: where all are found together,
/// fewer may do.
pub(super) fn separable_basis(problem: &Problem<'_>, bound: f64) -> Option<Factors> {
    let [kh, kw] = problem.kernel;
    let most = problem.taps().min(problem.outputs());
    let channels = (0..problem.channels).map(|channel| products(gram(problem, channel), problem.kernel, most));
    let basis: Vec<[Mat<f64>; 2]> = channels.collect::<Option<_>>()?;
    let full: Vec<Mat<f64>> = basis.iter().map(|[columns, rows]| outer_rows(columns, rows)).collect();
    let (filters, mixing) = choose(problem, &full, bound, false)?;
    let [columns, rows] = [0, 1].map(|which| {
        let side: Vec<Mat<f64>> = basis.iter().map(|pair| pair[which].clone()).collect();
        rounded(&stacked(&side, filters))
    });
    let count = problem.channels * filters;
    Some(Factors {
        form: Form::SeparableBasis { filters },
        effective: effective(problem, &outer_rows(&columns, &rows), &mixing),
        weights: vec![
            tensor(&[count, 1, kh, 1], &columns),
            tensor(&[count, 1, 1, kw], &rows),
            tensor(&[problem.outputs(), count], &mixing),
        ],
    })
}

/// Wᵀ W of one channel, taps × taps.
fn gram(problem: &Problem<'_>, channel: usize) -> Mat<f64> {
    let weight = problem.weight.subcols(channel * problem.taps(), problem.taps());
    weight.transpose() * weight
}

/// The least number of filters within `bound`, and how the pointwise convolution mixes them: H × (C · filters).
fn choose(problem: &Problem<'_>, basis: &[Mat<f64>], bound: f64, orthonormal: bool) -> Option<(usize, Mat<f64>)> {
    let (channels, taps) = (problem.channels, problem.taps());
    let most = basis.iter().map(Mat::nrows).min()?;
    // First filters of all channels first, so that each number of filters is a number of leading features.
    let features = Mat::from_fn(channels * most, channels * taps, |row, column| {
        let (filter, channel) = (row / channels, row % channels);
        if column / taps == channel { basis[channel][(filter, column % taps)] } else { 0.0 }
    });
    let regression = problem.metric.regress(&problem.weight, &features, orthonormal)?;
    let energies = regression.energies();
    let filters = least(energies.chunks(channels).map(|energies| energies.iter().sum()), problem.enough(bound))?;
    let mixing = regression.weights(channels * filters);
    let by_channel = Mat::from_fn(mixing.nrows(), mixing.ncols(), |output, column| {
        mixing[(output, column % filters * channels + column / filters)]
    });
    Some((filters, rounded(&by_channel)))
}

/// The first `filters` rows of each channel, channel after channel.
fn stacked(basis: &[Mat<f64>], filters: usize) -> Mat<f64> {
    let columns = basis.first().map_or(0, Mat::ncols);
    Mat::from_fn(basis.len() * filters, columns, |row, column| basis[row / filters][(row % filters, column)])
}

/// Row by row, the products of columns and rows.
fn outer_rows(columns: &Mat<f64>, rows: &Mat<f64>) -> Mat<f64> {
    let kw = rows.ncols();
    Mat::from_fn(columns.nrows(), columns.ncols() * kw, |row, tap| columns[(row, tap / kw)] * rows[(row, tap % kw)])
}

/// The weight that filters, channel after channel, and their mixing make.
fn effective(problem: &Problem<'_>, filters: &Mat<f64>, mixing: &Mat<f64>) -> Mat<f64> {
    let (taps, count) = (problem.taps(), filters.nrows() / problem.channels);
    Mat::from_fn(problem.outputs(), problem.channels * taps, |output, column| {
        let (channel, tap) = (column / taps, column % taps);
        let filters_of_channel = channel * count..(channel + 1) * count;
        filters_of_channel.map(|filter| mixing[(output, filter)] * filters[(filter, tap)]).sum()
    })
}

/// Columns and rows, `most` of each, whose products s explain most of the energy sᵀ G s, one after the other. Where
/// nothing is left to explain, they are zero.
fn products(mut gram: Mat<f64>, [kh, kw]: [usize; 2], most: usize) -> Option<[Mat<f64>; 2]> {
    let (mut columns, mut rows) = (Mat::zeros(most, kh), Mat::zeros(most, kw));
    let energy = |gram: &Mat<f64>| (0..kh * kw).map(|tap| gram[(tap, tap)]).sum::<f64>();
    let negligible = 1e-14 * energy(&gram);
    let mut directions: Vec<Vec<f64>> = Vec::new();
    for filter in 0..most {
        if energy(&gram) <= negligible {
            break;
        }
        let mut row = vec![1.0 / (kw as f64).sqrt(); kw];
        let mut column = Vec::new();
        for _ in 0..ROUNDS {
            column = leading(kh, |i, j| quadratic(&gram, &row, |v| i * kw + v, |v| j * kw + v))?;
            row = leading(kw, |i, j| quadratic(&gram, &column, |u| u * kw + i, |u| u * kw + j))?;
        }
        (0..kh).for_each(|u| columns[(filter, u)] = column[u]);
        (0..kw).for_each(|v| rows[(filter, v)] = row[v]);
        // What the filters so far explain together is the energy in their span.
        let mut direction: Vec<f64> = column.iter().flat_map(|u| row.iter().map(move |v| u * v)).collect();
        for other in &directions {
            let along = dot(other, &direction);
            direction.iter_mut().zip(other).for_each(|(value, other)| *value -= along * other);
        }
        let length = dot(&direction, &direction).sqrt();
        direction.iter_mut().for_each(|value| *value /= length.max(f64::MIN_POSITIVE));
        gram = without(&gram, &direction);
        directions.push(direction);
    }
    Some([columns, rows])
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Σ xₐ · gram[i(a), j(b)] · x_b.
fn quadratic(gram: &Mat<f64>, x: &[f64], i: impl Fn(usize) -> usize, j: impl Fn(usize) -> usize) -> f64 {
    let row = |a: usize| x.iter().enumerate().map(|(b, value)| gram[(i(a), j(b))] * value).sum::<f64>();
    x.iter().enumerate().map(|(a, value)| value * row(a)).sum()
}

/// The eigenvector of the largest eigenvalue of a symmetric matrix.
fn leading(dim: usize, element: impl Fn(usize, usize) -> f64) -> Option<Vec<f64>> {
    let (vectors, _) = descending(&Mat::from_fn(dim, dim, element))?;
    Some(vectors.col_as_slice(0).to_vec())
}

/// (1 − d dᵀ) G (1 − d dᵀ) for a direction of length 1.
fn without(gram: &Mat<f64>, d: &[f64]) -> Mat<f64> {
    let dim = d.len();
    let along: Vec<f64> = (0..dim).map(|i| (0..dim).map(|j| gram[(i, j)] * d[j]).sum()).collect();
    let both = dot(&along, d);
    Mat::from_fn(dim, dim, |i, j| gram[(i, j)] - along[i] * d[j] - d[i] * along[j] + d[i] * both * d[j])
}
