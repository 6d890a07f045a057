//! How far two weights of a layer are apart, and what is nearest.
//!
//! A layer computes y = W x for patches x of D elements. Where nothing is known of x, the distance of W′ from W is
//! ‖W − W′‖ (Frobenius); where images give the covariance S of x, it is √tr((W − W′) S (W − W′)ᵀ), the deviation of the
//! outputs, whose means a bias keeps equal. Both are relative: to ‖W‖, to the deviation of y from its mean.
//!
//! With S = I the second is the first, so one code serves both.

use faer::{Mat, MatRef, Side};

/// Mean and covariance of a layer's patches.
pub(super) struct Moments {
    /// D elements.
    pub(super) mean: Vec<f64>,
    /// D×D.
    pub(super) covariance: Mat<f64>,
    /// How many patches they are of.
    pub(super) samples: usize,
}

impl Moments {
    /// Of the rows of `patches`, which are moved so that their mean is 0.
    pub(super) fn new(mut patches: Mat<f64>) -> Self {
        let samples = patches.nrows();
        let scale = 1.0 / samples.max(1) as f64;
        let mean: Vec<f64> = (0..patches.ncols())
            .map(|column| {
                let column = patches.col_as_slice_mut(column);
                let mean = scale * column.iter().sum::<f64>();
                column.iter_mut().for_each(|value| *value -= mean);
                mean
            })
            .collect();
        let covariance = patches.transpose() * &patches * faer::Scale(scale);
        Self { mean, covariance, samples }
    }

    /// The covariance, shrunk towards a multiple of the identity: (1 − ρ) S + ρ (tr S / D) I with ρ = D / (D + N) for N
    /// patches. What few patches do not show is not taken for absent.
    ///
    /// The idea is that of Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
    /// J. Multivariate Analysis 88(2), 2004; their ρ depends on fourth moments, ours on counts alone.
    fn shrunk(&self) -> Mat<f64> {
        let dim = self.covariance.nrows();
        let shrinkage = dim as f64 / (dim + self.samples).max(1) as f64;
        let trace: f64 = (0..dim).map(|i| self.covariance[(i, i)]).sum();
        let white = shrinkage * trace / dim.max(1) as f64;
        Mat::from_fn(dim, dim, |i, j| (1.0 - shrinkage) * self.covariance[(i, j)] + if i == j { white } else { 0.0 })
    }
}

/// What makes weights near.
pub(super) struct Metric<'a> {
    moments: Option<&'a Moments>,
    shrunk: Option<Mat<f64>>,
}

impl<'a> Metric<'a> {
    pub(super) fn new(moments: Option<&'a Moments>) -> Self {
        Self { moments, shrunk: moments.map(Moments::shrunk) }
    }

    /// tr(W S Wᵀ), for reports: S not shrunk.
    pub(super) fn energy(&self, weight: &Mat<f64>) -> f64 {
        match self.moments {
            None => weight.squared_norm_l2(),
            Some(moments) => inner(&(weight * &moments.covariance), weight),
        }
    }

    /// W S.
    fn apply(&self, weight: MatRef<'_, f64>) -> Mat<f64> {
        self.shrunk.as_ref().map_or_else(|| weight.to_owned(), |shrunk| weight * shrunk)
    }

    /// The mean of W x.
    pub(super) fn mean(&self, weight: &Mat<f64>) -> Option<Vec<f64>> {
        let moments = self.moments?;
        let dot = |row| (0..weight.ncols()).map(|column| weight[(row, column)] * moments.mean[column]).sum();
        Some((0..weight.nrows()).map(dot).collect())
    }

    /// The principal directions of the responses y = W x, most energy first, and the energy of each: an orthonormal
    /// basis of the outputs whose first R elements give the nearest W′ = U Uᵀ W of rank R.
    ///
    /// Without moments, the singular vectors of W (Eckart and Young 1936); with them, those of Zhang et al.,
    /// "Accelerating Very Deep Convolutional Networks for Classification and Detection", arXiv:1505.06798, section 3.1.
    pub(super) fn principal(&self, weight: &Mat<f64>) -> Option<(Mat<f64>, Vec<f64>)> {
        if self.shrunk.is_none() {
            let svd = weight.thin_svd().ok()?;
            let energies = svd.S().column_vector().iter().map(|value| value * value).collect();
            return Some((svd.U().to_owned(), energies));
        }
        descending(&(self.apply(weight.as_ref()) * weight.transpose()))
    }

    /// The covariance of the channels of a tap, on average over taps; `None` where it is not known.
    pub(super) fn channels(&self, channels: usize) -> Option<Mat<f64>> {
        let shrunk = self.shrunk.as_ref()?;
        let taps = shrunk.nrows() / channels;
        Some(Mat::from_fn(channels, channels, |a, b| {
            (0..taps).map(|tap| shrunk[(a * taps + tap, b * taps + tap)]).sum::<f64>() / taps as f64
        }))
    }

    /// The weights B for which B A is nearest to W, given the rows of A; see [`Regression`]. With `orthonormal` rows
    /// and no moments there is nothing to solve.
    pub(super) fn regress(&self, weight: &Mat<f64>, features: &Mat<f64>, orthonormal: bool) -> Option<Regression> {
        let applied = self.apply(features.as_ref());
        if orthonormal && self.shrunk.is_none() {
            return Some(Regression { factor: None, explained: applied * weight.transpose() });
        }
        let mut gram = &applied * features.transpose();
        // Features that depend on others would have no unique weights.
        let trace: f64 = (0..gram.nrows()).map(|i| gram[(i, i)]).sum();
        (0..gram.nrows()).for_each(|i| gram[(i, i)] += 1e-12 * trace / gram.nrows() as f64);
        let factor = gram.llt(Side::Lower).ok()?.L().to_owned();
        let mut explained = applied * weight.transpose();
        factor.solve_lower_triangular_in_place(explained.as_mut());
        Some(Regression { factor: Some(factor), explained })
    }

    /// The energy of W that [`principal`](Self::principal) and [`regress`](Self::regress) divide.
    pub(super) fn total(&self, weight: &Mat<f64>) -> f64 {
        inner(&self.apply(weight.as_ref()), weight)
    }
}

/// Least squares on the first of a row of features, for every number of them at once.
///
/// With G = A S Aᵀ = L Lᵀ and N = L⁻¹ A S Wᵀ, the first f features explain the energy ‖N₁…f‖², and their weights are
/// B = (L₁…f⁻ᵀ N₁…f)ᵀ.
pub(super) struct Regression {
    /// L; the identity, where there is none.
    factor: Option<Mat<f64>>,
    /// N, a row for each feature, a column for each output.
    pub(super) explained: Mat<f64>,
}

impl Regression {
    /// The energy that each feature explains beyond those before it.
    pub(super) fn energies(&self) -> Vec<f64> {
        (0..self.explained.nrows()).map(|row| self.explained.row(row).squared_norm_l2()).collect()
    }

    /// B for the first `features`: outputs × features.
    pub(super) fn weights(&self, features: usize) -> Mat<f64> {
        let mut weights = self.explained.subrows(0, features).to_owned();
        if let Some(factor) = &self.factor {
            let factor = factor.submatrix(0, 0, features, features);
            factor.transpose().solve_upper_triangular_in_place(weights.as_mut());
        }
        weights.transpose().to_owned()
    }
}

/// Eigenvectors and eigenvalues of a symmetric matrix, largest first.
pub(super) fn descending(symmetric: &Mat<f64>) -> Option<(Mat<f64>, Vec<f64>)> {
    let eigen = symmetric.self_adjoint_eigen(Side::Lower).ok()?;
    let dim = symmetric.nrows();
    let (vectors, values) = (eigen.U(), eigen.S());
    let values = (0..dim).rev().map(|i| values.column_vector()[i].max(0.0)).collect();
    Some((Mat::from_fn(dim, dim, |i, j| vectors[(i, dim - 1 - j)]), values))
}

/// Σ a · b.
fn inner(a: &Mat<f64>, b: &Mat<f64>) -> f64 {
    let columns = (0..a.ncols()).map(|column| (a.col_as_slice(column), b.col_as_slice(column)));
    columns.map(|(a, b)| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>()).sum()
}
