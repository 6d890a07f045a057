//! Forms in disguise: weights with zeros or products, rewritten without loss as expressions over the same parameters.

use std::sync::Arc;

use convoke_runtime::weights::{WeightError, WeightOp};

use super::Form;
use crate::factorize::chain::{Bias, Chain, Link, Source};
use crate::factorize::layer::ConvLayer;
use crate::graph::WeightExpr;
use crate::ops::conv::Conv;

/// How far a product may be from what it stands for, relative to the largest of its matrix: a few roundings.
const TOLERANCE: f64 = 1e-6;

/// The least that a pivot may be of the largest of its matrix: division by a small one makes errors large.
const PIVOT: f64 = 1e-2;

/// The forms that a convolution of this weight has without loss.
///
/// # Errors
/// None, where `expression` has the shape of the layer's weight and `values` are its elements.
pub(super) fn forms(
    layer: &ConvLayer,
    expression: &Arc<WeightExpr>,
    values: &[f32],
) -> Result<Vec<(Form, Chain)>, WeightError> {
    let weight = Weight { layer, expression, values };
    let found = [weight.pointwise()?, weight.grouped()?, weight.outer()?, weight.depthwise_separable()?];
    let chain = |(form, links)| (form, Chain { links, bias: Bias::Kept });
    Ok(found.into_iter().flatten().map(chain).collect())
}

struct Weight<'a> {
    layer: &'a ConvLayer,
    expression: &'a Arc<WeightExpr>,
    /// O I Kh Kw.
    values: &'a [f32],
}

type Found = Result<Option<(Form, Vec<Link>)>, WeightError>;

impl Weight<'_> {
    /// O, I, Kh, Kw.
    fn shape(&self) -> [usize; 4] {
        let ConvLayer { outputs, per_group, kernel: [kh, kw], .. } = *self.layer;
        [outputs, per_group, kh, kw]
    }

    /// `W[o, i, u, v] = 0` but at one tap: a window of one pixel, where the padding allows to move it there.
    fn pointwise(&self) -> Found {
        let [outputs, inputs, kh, kw] = self.shape();
        let taps = kh * kw;
        let is_used = |tap: &usize| self.values.iter().skip(*tap).step_by(taps).any(|value| *value != 0.0);
        let used: Vec<usize> = (0..taps).filter(is_used).collect();
        let (&[tap], true) = (used.as_slice(), taps > 1) else { return Ok(None) };
        let Conv { dilation: [dh, dw], padding: [top, left, bottom, right], .. } = self.layer.conv;
        let (u, v) = (tap / kw, tap % kw);
        let moved = [(top, u * dh), (left, v * dw), (bottom, (kh - 1 - u) * dh), (right, (kw - 1 - v) * dw)];
        let [Some(top), Some(left), Some(bottom), Some(right)] = moved.map(|(edge, by)| edge.checked_sub(by)) else {
            return Ok(None);
        };
        let conv = Conv { padding: [top, left, bottom, right], dilation: [1, 1], ..plain(self.layer.conv) };
        let weight = self.view(tap, [inputs * taps, taps, 1, 1], [outputs, inputs, 1, 1])?;
        Ok(Some((Form::Pointwise, vec![Link::new("", conv, Source::Expression(weight))])))
    }

    /// `W[o, i] = 0` but for `o` and `i` of one group: the most groups that hold.
    fn grouped(&self) -> Found {
        let [outputs, inputs, kh, kw] = self.shape();
        let taps = kh * kw;
        let is_zero = |o: usize, i: usize| self.values[(o * inputs + i) * taps..][..taps].iter().all(|v| *v == 0.0);
        let holds = |&groups: &usize| {
            let (height, width) = (outputs / groups, inputs / groups);
            (0..outputs).all(|o| (0..inputs).all(|i| o / height == i / width || is_zero(o, i)))
        };
        let divides = |groups: &usize| inputs % groups == 0 && outputs % groups == 0;
        let groups = (2..=inputs.min(outputs)).rev().filter(divides).find(holds);
        let (Some(groups), 1) = (groups, self.layer.conv.groups) else { return Ok(None) };
        let (height, width) = (outputs / groups, inputs / groups);
        let row = inputs * taps;
        let blocks = self.view(0, [height * row + width * taps, row, taps, 1], [groups, height, width, taps])?;
        let weight = Arc::new(blocks).reshape(&[outputs, width, kh, kw])?;
        let conv = Conv { groups, ..plain(self.layer.conv) };
        Ok(Some((Form::Grouped { groups }, vec![Link::new("", conv, Source::Expression((*weight).clone()))])))
    }

    /// `W[o, i, u, v] = a[o, i, u] · b[o, v]`: K×1, then 1×K for each channel of the result.
    fn outer(&self) -> Found {
        let [outputs, inputs, kh, kw] = self.shape();
        if kh == 1 || kw == 1 {
            return Ok(None);
        }
        let filter = inputs * kh * kw;
        let element = |o: usize, row: usize, v: usize| self.values[o * filter + row * kw + v];
        let Some((row, v)) = pivot(outputs, inputs * kh, kw, element) else { return Ok(None) };
        let [vertical, horizontal] = self.layer.split();
        let columns = self.view(v, [filter, kh * kw, kw, 1], [outputs, inputs, kh, 1])?;
        let rows = self.view(row * kw, [filter, 1, 1, 1], [outputs, 1, 1, kw])?;
        let pivots = self.view(row * kw + v, [filter, 1, 1, 1], [outputs, 1, 1, 1])?;
        let rows = divide(rows, pivots)?;
        let links = vec![
            Link::new("vertical", vertical, Source::Expression(columns)),
            Link::new("horizontal", Conv { groups: outputs, ..horizontal }, Source::Expression(rows)),
        ];
        Ok(Some((Form::Outer, links)))
    }

    /// `W[o, i, u, v] = p[o, i] · d[i, u, v]`: depthwise, then pointwise.
    fn depthwise_separable(&self) -> Found {
        let [outputs, inputs, kh, kw] = self.shape();
        let taps = kh * kw;
        if self.layer.conv.groups != 1 || inputs == 1 || taps == 1 {
            return Ok(None);
        }
        let element = |i: usize, o: usize, tap: usize| self.values[(o * inputs + i) * taps + tap];
        let Some((o, tap)) = pivot(inputs, outputs, taps, element) else { return Ok(None) };
        let filters = self.view(o * inputs * taps, [taps, 1, kw, 1], [inputs, 1, kh, kw])?;
        let mixing = self.view(tap, [inputs * taps, taps, 1, 1], [outputs, inputs, 1, 1])?;
        let pivots = self.view(o * inputs * taps + tap, [1, taps, 1, 1], [1, inputs, 1, 1])?;
        let mixing = divide(mixing, pivots)?;
        let depthwise = Conv { groups: inputs, ..plain(self.layer.conv) };
        let links = vec![
            Link::new("depthwise", depthwise, Source::Expression(filters)),
            Link::new("pointwise", Conv { bias: false, ..Conv::default() }, Source::Expression(mixing)),
        ];
        Ok(Some((Form::DepthwiseSeparable { filters: 1 }, links)))
    }

    fn view(&self, start: usize, strides: [usize; 4], shape: [usize; 4]) -> Result<WeightExpr, WeightError> {
        let op = WeightOp::View { start, strides: strides.to_vec().into(), shape: shape.to_vec().into() };
        WeightExpr::apply(op, vec![self.expression.clone()])
    }
}

fn plain(conv: Conv) -> Conv {
    Conv { bias: false, epilogue: Conv::default().epilogue, ..conv }
}

fn divide(a: WeightExpr, b: WeightExpr) -> Result<WeightExpr, WeightError> {
    WeightExpr::apply(WeightOp::Div, vec![Arc::new(a), Arc::new(b)])
}

/// Where all of `count` matrices, rows × columns, are the products of their column and row through that place, divided
/// by what stands there; `None` where no such place is large enough in all of them, or one is no product.
fn pivot(
    count: usize,
    rows: usize,
    columns: usize,
    element: impl Fn(usize, usize, usize) -> f32,
) -> Option<(usize, usize)> {
    let element = |matrix, row, column| f64::from(element(matrix, row, column));
    let places = || (0..rows).flat_map(|row| (0..columns).map(move |column| (row, column)));
    let largest = |matrix| places().map(|(row, column)| element(matrix, row, column).abs()).fold(0.0, f64::max);
    let largest: Vec<f64> = (0..count).map(largest).collect();
    let share = |(row, column): (usize, usize)| {
        let shares = largest
            .iter()
            .enumerate()
            .map(|(matrix, most)| if *most > 0.0 { element(matrix, row, column).abs() / most } else { 0.0 });
        shares.fold(1.0, f64::min)
    };
    let best = places().map(|place| (share(place), place)).max_by(|(a, _), (b, _)| a.total_cmp(b));
    let (_, (row, column)) = best.filter(|(share, _)| *share >= PIVOT)?;
    let is_product = |matrix: usize| {
        let scale = 1.0 / element(matrix, row, column);
        places().all(|(i, j)| {
            let product = element(matrix, i, column) * element(matrix, row, j) * scale;
            (element(matrix, i, j) - product).abs() <= TOLERANCE * largest[matrix]
        })
    };
    (0..count).all(is_product).then_some((row, column))
}
