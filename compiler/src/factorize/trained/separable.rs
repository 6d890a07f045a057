//! Windows as columns and rows.

use faer::Mat;

use super::Form;
use super::metric::{Metric, Moments};
use super::problem::{Factors, Problem, least, rounded, tensor};

/// K×1 to the least rank within `bound`, then 1×K: scheme 2 of Jaderberg et al.
///
/// The columns are the leading singular vectors of the weight as a matrix of (c, u) by (h, v), the rows what regression
/// of the responses on them says.
pub(super) fn separable(problem: &Problem<'_>, bound: f64) -> Option<Factors> {
    let (channels, outputs, [kh, kw]) = (problem.channels, problem.outputs(), problem.kernel);
    let unfolded =
        Mat::from_fn(channels * kh, outputs * kw, |row, column| problem.weight[(column / kw, row * kw + column % kw)]);
    let svd = unfolded.thin_svd().ok()?;
    let columns = svd.U().transpose().to_owned();
    let regression = problem.metric.regress(&problem.weight, &rows_of(&columns, kw), true)?;
    let energies = regression.energies();
    let rank = least(energies.chunks(kw).map(|energies| energies.iter().sum()), problem.enough(bound))?;
    let vertical = rounded(&columns.subrows(0, rank).to_owned());
    let horizontal = rounded(&regression.weights(rank * kw));
    Some(Factors {
        form: Form::Separable { rank },
        weights: vec![tensor(&[rank, channels, kh, 1], &vertical), tensor(&[outputs, rank, 1, kw], &horizontal)],
        effective: horizontal * rows_of(&vertical, kw),
    })
}

/// A column and a row for each filter of a convolution whose groups have one input channel each: `weight` has a row for
/// each filter, `moments` an entry for each filter, or none. `None` where the error exceeds `bound`.
pub(super) fn outer(
    weight: &Mat<f64>,
    [kh, kw]: [usize; 2],
    moments: &[Option<&Moments>],
    bound: f64,
) -> Option<Factors> {
    let filters = weight.nrows();
    let (mut vertical, mut horizontal) = (Mat::zeros(filters, kh), Mat::zeros(filters, kw));
    let (mut missing, mut total) = (0.0, 0.0);
    for (filter, &moments) in moments.iter().enumerate() {
        let row = weight.subrows(filter, 1).to_owned();
        let metric = Metric::new(moments);
        let svd = Mat::from_fn(kh, kw, |u, v| row[(0, u * kw + v)]).thin_svd().ok()?;
        let column = svd.U().subcols(0, 1).transpose().to_owned();
        let regression = metric.regress(&row, &rows_of(&column, kw), true)?;
        let energy = metric.total(&row);
        total += energy;
        missing += energy - regression.energies().iter().sum::<f64>();
        vertical.row_mut(filter).copy_from(column.row(0));
        horizontal.row_mut(filter).copy_from(regression.weights(kw).row(0));
    }
    if missing > total * bound * bound {
        return None;
    }
    let (vertical, horizontal) = (rounded(&vertical), rounded(&horizontal));
    Some(Factors {
        form: Form::Outer,
        weights: vec![tensor(&[filters, 1, kh, 1], &vertical), tensor(&[filters, 1, 1, kw], &horizontal)],
        effective: Mat::from_fn(filters, kh * kw, |filter, tap| {
            vertical[(filter, tap / kw)] * horizontal[(filter, tap % kw)]
        }),
    })
}

/// Columns at each place of a row: row (r, v) is row r of `columns`, over (c, u), at v and zero elsewhere.
fn rows_of(columns: &Mat<f64>, kw: usize) -> Mat<f64> {
    Mat::from_fn(columns.nrows() * kw, columns.ncols() * kw, |row, column| {
        if row % kw == column % kw { columns[(row / kw, column / kw)] } else { 0.0 }
    })
}
