//! A layer's weight as a matrix, and what approximations of it are made of.

use convoke_runtime::Tensor;
use faer::Mat;

use super::Form;
use super::metric::Metric;

/// A layer whose channels all mix: a convolution without groups, or a linear layer.
pub(super) struct Problem<'a> {
    /// H × (C · Kh · Kw).
    pub(super) weight: Mat<f64>,
    /// C.
    pub(super) channels: usize,
    /// Kh and Kw; 1 and 1 for linear layers.
    pub(super) kernel: [usize; 2],
    /// Pixels of the image, of what K×1 makes of it, and of the result; rows of a linear layer.
    pub(super) pixels: [u64; 3],
    pub(super) metric: Metric<'a>,
}

impl Problem<'_> {
    /// H.
    pub(super) fn outputs(&self) -> usize {
        self.weight.nrows()
    }

    /// Kh · Kw.
    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// The energy that an approximation within `bound` keeps: error² ≤ bound² of all.
    pub(super) fn enough(&self, bound: f64) -> f64 {
        self.metric.total(&self.weight) * (1.0 - bound * bound)
    }
}

/// How many of these energies, from the first on, make `enough`; `None` where all do not.
pub(super) fn least(energies: impl IntoIterator<Item = f64>, enough: f64) -> Option<usize> {
    let mut sum = 0.0;
    energies
        .into_iter()
        .position(|energy| {
            sum += energy;
            sum >= enough
        })
        .map(|index| index + 1)
}

/// An approximation of a weight.
pub(super) struct Factors {
    pub(super) form: Form,
    /// The weights of its operators, first to last, in their order's shapes.
    pub(super) weights: Vec<Tensor>,
    /// What they are together, as [`Problem::weight`].
    pub(super) effective: Mat<f64>,
}

/// A matrix as a tensor of this shape, row-major, rounded.
pub(super) fn tensor(shape: &[usize], matrix: &Mat<f64>) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    let places = (0..matrix.nrows()).flat_map(|row| (0..matrix.ncols()).map(move |column| (row, column)));
    for (value, place) in tensor.data_mut().iter_mut().zip(places) {
        *value = matrix[place] as f32;
    }
    tensor
}

/// Elements in row-major order as a matrix.
pub(super) fn matrix(rows: usize, elements: &[f32]) -> Mat<f64> {
    let columns = elements.len() / rows.max(1);
    Mat::from_fn(rows, columns, |row, column| f64::from(elements[row * columns + column]))
}

/// The matrix as float32 has it.
pub(super) fn rounded(matrix: &Mat<f64>) -> Mat<f64> {
    Mat::from_fn(matrix.nrows(), matrix.ncols(), |row, column| f64::from(matrix[(row, column)] as f32))
}
