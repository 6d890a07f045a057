//! Channels through fewer: low rank and Tucker-2.

use faer::Mat;

use super::Form;
use super::metric::descending;
use super::problem::{Factors, Problem, least, rounded, tensor};

/// W ≈ U (Uᵀ W) for a window of one pixel: two matrices with the least rank within `bound`.
pub(super) fn low_rank(problem: &Problem<'_>, bound: f64) -> Option<Factors> {
    let (basis, energies) = problem.metric.principal(&problem.weight)?;
    let rank = least(energies, problem.enough(bound))?;
    let expand = rounded(&basis.subcols(0, rank).to_owned());
    let reduce = rounded(&(basis.subcols(0, rank).transpose() * &problem.weight));
    Some(Factors {
        form: Form::LowRank { rank },
        weights: vec![tensor(&[rank, problem.channels], &reduce), tensor(&[problem.outputs(), rank], &expand)],
        effective: expand * reduce,
    })
}

/// W ≈ core ×₁ U ×₂ Qᵀ with the ranks within `bound` that take the fewest multiply-accumulates, all pairs tried.
///
/// Q are the leading directions of the input channels, those of the higher-order singular value decomposition where
/// nothing is known of the images; U are the principal directions of the responses. The core is what regression of the
/// responses on Q x makes of them, so that for orthogonal U the error of any pair of ranks is known without another
/// decomposition: what U and Q do not explain.
///
/// De Lathauwer, De Moor and Vandewalle, "A multilinear singular value decomposition", SIAM J. Matrix Anal. 21(4), 2000.
pub(super) fn tucker(problem: &Problem<'_>, bound: f64) -> Option<Factors> {
    let (channels, outputs, taps) = (problem.channels, problem.outputs(), problem.taps());
    let inputs = input_basis(problem)?;
    let features = spread(&inputs, taps);
    let regression = problem.metric.regress(&problem.weight, &features, true)?;
    let (basis, _) = problem.metric.principal(&problem.weight)?;
    let explained = &regression.explained * &basis;

    let enough = problem.enough(bound);
    let mut best: Option<(u64, usize, usize)> = None;
    let mut energies = vec![0.0; basis.ncols()];
    for input in 1..=channels {
        for row in (input - 1) * taps..input * taps {
            for (column, energy) in energies.iter_mut().enumerate() {
                *energy += explained[(row, column)].powi(2);
            }
        }
        let Some(output) = least(energies.iter().copied(), enough) else { continue };
        // All outputs, by themselves, take no pointwise convolution after the window.
        for output in [output, outputs] {
            let cost = macs(problem, input, output);
            if (input < channels || output < outputs) && best.is_none_or(|(least, ..)| cost < least) {
                best = Some((cost, input, output));
            }
        }
    }
    let (_, input, output) = best?;

    let (mut weights, mut core, mut reduce) = (Vec::new(), problem.weight.clone(), None);
    if input < channels {
        let mixtures = rounded(&inputs.subrows(0, input).to_owned());
        weights.push(tensor(&[input, channels], &mixtures));
        core = regression.weights(input * taps);
        reduce = Some(spread(&mixtures, taps));
    }
    let expand = (output < outputs).then(|| rounded(&basis.subcols(0, output).to_owned()));
    if let Some(expand) = &expand {
        core = expand.transpose() * core;
    }
    let core = rounded(&core);
    let [kh, kw] = problem.kernel;
    weights.push(tensor(&[core.nrows(), input, kh, kw], &core));
    let mut effective = reduce.map_or_else(|| core.clone(), |reduce| &core * reduce);
    if let Some(expand) = expand {
        weights.push(tensor(&[outputs, output], &expand));
        effective = expand * effective;
    }
    Some(Factors { form: Form::Tucker { input, output }, weights, effective })
}

/// Multiply-accumulates of a run with these ranks.
fn macs(problem: &Problem<'_>, input: usize, output: usize) -> u64 {
    let (channels, outputs) = (problem.channels, problem.outputs());
    let [image, _, result] = problem.pixels;
    let reduce = if input < channels { channels * input } else { 0 };
    let expand = if output < outputs { output * outputs } else { 0 };
    image * reduce as u64 + result * (problem.taps() * input * output + expand) as u64
}

/// Directions of the input channels, leading first: rows Q such that the first r of Q x tell most of W x, where x are
/// the channels of one tap, as they vary on average over taps.
///
/// With M = Σ over taps Wₜᵀ Wₜ and the channels' covariance L Lᵀ: Q = Vᵀ L⁻¹ for the eigenvectors V of Lᵀ M L.
fn input_basis(problem: &Problem<'_>) -> Option<Mat<f64>> {
    let (channels, taps) = (problem.channels, problem.taps());
    let mut gram = Mat::<f64>::zeros(channels, channels);
    for tap in 0..taps {
        let at = Mat::from_fn(problem.outputs(), channels, |h, c| problem.weight[(h, c * taps + tap)]);
        gram += at.transpose() * &at;
    }
    let Some(covariance) = problem.metric.channels(channels) else {
        let (vectors, _) = descending(&gram)?;
        return Some(vectors.transpose().to_owned());
    };
    let factor = covariance.llt(faer::Side::Lower).ok()?.L().to_owned();
    let (mut vectors, _) = descending(&(factor.transpose() * gram * &factor))?;
    factor.transpose().solve_upper_triangular_in_place(vectors.as_mut());
    Some(vectors.transpose().to_owned())
}

/// Mixtures of channels at each tap: row (r, t) is row r of `mixtures` at tap t and zero elsewhere.
fn spread(mixtures: &Mat<f64>, taps: usize) -> Mat<f64> {
    Mat::from_fn(mixtures.nrows() * taps, mixtures.ncols() * taps, |row, column| {
        if row % taps == column % taps { mixtures[(row / taps, column / taps)] } else { 0.0 }
    })
}
