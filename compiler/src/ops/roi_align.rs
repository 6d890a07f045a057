//! The mean of an image over the cells of grids on regions of it, sampled linearly between pixels.
//!
//! He, Gkioxari, Dollár and Girshick, "Mask R-CNN", arXiv:1703.06870, section 3; ONNX's `RoiAlign`.

use convoke_runtime::Tensor;

use super::arguments::{FLAG, FLOAT, PAIR, SIZE};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check, indexed};
use crate::lir::{Affine, Binary, Compare, Expr, Reg, Unary};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, View};
use crate::onnx::{Item, Node, Rule, Unsupported};
use crate::{DType, TensorType};

/// Operands X of shape N C H W, the regions R 4 as left, top, right and bottom, and for each of them its image, R. The
/// result has the shape R C H′ W′.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RoiAlign {
    /// H′ and W′.
    pub size: [usize; 2],
    /// Samples of a cell, down and across.
    pub samples: usize,
    /// Pixels of X for a pixel of the regions; 1 unless given.
    pub scale: f32,
    /// Whether a pixel's middle is at ½ (and regions may be smaller than a pixel), or at 0; true unless given.
    pub half_pixel: bool,
}

impl RoiAlign {
    /// Where sample `index` of the axis lies, in a region from `low` to `high`; counted through all cells.
    fn place(self, axis: usize, low: f64, high: f64, index: usize) -> f64 {
        let offset = if self.half_pixel { 0.5 } else { 0.0 };
        let scale = f64::from(self.scale);
        let (start, length) = (low * scale - offset, (high - low) * scale);
        let length = if self.half_pixel { length } else { length.max(1.0) };
        start + (index as f64 + 0.5) * length / (self.size[axis] * self.samples) as f64
    }
}

/// Two pixels along one axis and their weights; nothing more than one beyond the image.
fn taps(place: f64, extent: usize) -> Option<[(usize, f64); 2]> {
    if place < -1.0 || place > extent as f64 {
        return None;
    }
    let place = place.clamp(0.0, extent as f64 - 1.0);
    let first = place as usize;
    let fraction = place - first as f64;
    Some([(first, 1.0 - fraction), ((first + 1).min(extent - 1), fraction)])
}

impl Operator for RoiAlign {
    const NAME: &'static str = "roi_align";
    const POSITIONAL: &'static [&'static str] = &["size"];

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("size", self.size)
            .with("samples", self.samples)
            .with_unless("scale", self.scale, 1.0)
            .with_unless("half_pixel", self.half_pixel, true)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let (size, samples) = (arguments.need("size", &PAIR)?, arguments.need("samples", &SIZE)?);
        let scale = arguments.read("scale", &FLOAT)?.unwrap_or(1.0);
        Ok(Self { size, samples, scale, half_pixel: arguments.read("half_pixel", &FLAG)?.unwrap_or(true) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::any_operands(operands, &["x", "regions", "images"])?;
        check::dtype(operands, 0, &[DType::F32])?;
        check::dtype(operands, 1, &[DType::F32])?;
        check::dtype(operands, 2, &[DType::I64])?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let count = operands[1].shape[0..1].first().copied().unwrap_or(0);
        check::shape(operands, 1, "regions", &[count, 4])?;
        check::shape(operands, 2, "images", &[count])?;
        let pixels = n.saturating_mul(c.next_multiple_of(MAX_BLOCK)).saturating_mul(h).saturating_mul(w);
        if pixels > MAX_PIXELS {
            return Err(TypeError::operand(0, format!("at most {MAX_PIXELS} elements"), pixels));
        }
        if self.samples == 0 || self.samples > 64 || self.size.iter().any(|&size| size > MAX_PIXELS) {
            return Err(TypeError::whole("between 1 and 64 samples", self.samples));
        }
        check::result([count, c, self.size[0], self.size[1]])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [x, regions, images] = [operands[0], operands[1], operands[2]];
        let [n, c, h, w] = [0, 1, 2, 3].map(|dim| x.shape()[dim]);
        let [height, width] = self.size;
        let mut result = Tensor::zeros(&[images.data().len(), c, height, width]);
        for (flat, y) in result.data_mut().iter_mut().enumerate() {
            let (cell, plane) = (flat % (height * width), flat / (height * width));
            let (region, channel) = (plane / c, plane % c);
            let [left, top, right, bottom] = [0, 1, 2, 3].map(|i| f64::from(regions.data()[region * 4 + i]));
            let plane = indexed::resolve(images.data()[region], n) * c + channel;
            let mut sum = 0.0;
            for sample in 0..self.samples * self.samples {
                let row = self.place(0, top, bottom, cell / width * self.samples + sample / self.samples);
                let column = self.place(1, left, right, cell % width * self.samples + sample % self.samples);
                let (Some(rows), Some(columns)) = (taps(row, h), taps(column, w)) else { continue };
                for (i, down) in rows {
                    for (j, across) in columns {
                        sum += down * across * f64::from(x.data()[(plane * h + i) * w + j]);
                    }
                }
            }
            *y = (sum / (self.samples * self.samples) as f64) as f32;
        }
        vec![result]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for regions that are computed"))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "RoiAlign", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = &[BLOCKS];

    fn cases() -> Vec<Case> {
        type Row = ([usize; 4], usize, [usize; 2], usize, bool);
        const TABLE: [Row; 3] =
            [([2, 3, 6, 5], 3, [2, 3], 2, true), ([1, 17, 6, 6], 2, [1, 2], 1, false), ([3, 4, 5, 7], 2, [3, 1], 3, true)];
        let case = |(x, count, size, samples, half_pixel): Row| {
            let op = Self { size, samples, scale: 0.5, half_pixel };
            let case = Case::new(format!("{} of {x:?}", op.attributes()), op).input(x).input([count, 4]);
            case.within(0.0, 8.0).input([count]).within(0.0, x[0] as f32 - 1.0).of(DType::I64).tolerance(1e-5)
        };
        TABLE.map(case).into()
    }
}

/// The largest block of channels.
const MAX_BLOCK: usize = 16;

/// Elements that float32 counts exactly.
const MAX_PIXELS: usize = 1 << 24;

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let mode = node.text("mode")?.unwrap_or("avg");
    if mode != "avg" {
        return Err(Unsupported::new(format!("attribute `mode` is {mode:?}, only \"avg\" is supported")));
    }
    let size = |value: Option<i64>| usize::try_from(value.unwrap_or(1)).unwrap_or(0);
    let (height, width) = (size(node.int("output_height")?), size(node.int("output_width")?));
    let samples = node.int("sampling_ratio")?.unwrap_or(0);
    if samples < 1 {
        let unsupported = Unsupported::new("attribute `sampling_ratio` is 0: as many samples as the region has pixels");
        return Err(unsupported.advice("export the model with a sampling ratio of 2"));
    }
    let scale = node.float("spatial_scale")?.unwrap_or(1.0);
    // The middle of a pixel was at 0 before opset 16.
    let usual = if node.opset() < 16 { "output_half_pixel" } else { "half_pixel" };
    let half_pixel = match node.text("coordinate_transformation_mode")?.unwrap_or(usual) {
        "half_pixel" => true,
        "output_half_pixel" => false,
        other => {
            let reason = format!("attribute `coordinate_transformation_mode` is {other:?}");
            return Err(Unsupported::new(reason));
        }
    };
    let op = RoiAlign { size: [height, width], samples: samples as usize, scale, half_pixel };
    let operands = node.operands()?;
    Ok(vec![node.apply(op, &operands)?])
}

const BLOCKS: Algorithm<RoiAlign> = Algorithm {
    name: "blocks",
    choose: |_, _| {
        let dense = Need::dense(Layout::Plain);
        let operands = vec![Need::dense(Layout::Blocked), dense, dense];
        Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
    },
    schedule: |op, work| Schedule::of_elements(8 * op.samples * op.samples * work.storages[0].len()),
    emit: |op, _, _, e| {
        let (source, regions, images, result) = (e.operand(0), e.operand(1), e.operand(2), e.result(0));
        let to = result.storage;
        e.parallel(to.n, |e, region| {
            let image = indexed::load(e, images.element(region), source.storage.n);
            e.serial(to.h, |e, y| {
                e.serial(to.w, |e, x| cell(e, *op, [source, regions, result], image, [region, y, x]));
            });
        });
    },
};

/// One cell of one region, all channels.
fn cell(
    e: &mut Emitter<'_>,
    op: RoiAlign,
    [source, regions, result]: [View; 3],
    image: Reg,
    [region, y, x]: [&Affine; 3],
) {
    let (from, to) = (source.storage, result.storage);
    let lanes = to.block as u32;
    let rows = axis(e, op, 0, &regions, region, y, from.h);
    let columns = axis(e, op, 1, &regions, region, x, from.w);
    // Pixels are counted through all images, planes of the first block apart.
    let planes = from.image() / from.block;
    let last = (from.n - 1) * planes + from.h * from.w;
    let mut pixels = Vec::new();
    for &(row, down) in &rows {
        for &(column, across) in &columns {
            let [width, planes] = [from.w, planes].map(|value| e.code.constant(1, value as f32));
            let place = e.code.fma(row, width, column);
            let place = e.code.fma(image, planes, place);
            let weight = e.code.binary(Binary::Mul, down, across);
            pixels.push((place, e.code.splat(lanes, weight)));
        }
    }
    e.serial(to.blocks(), |e, block| {
        let sum = e.code.constant(lanes, 0.0);
        for &(place, weight) in &pixels {
            let at = source.at(0, block, 0, 0).row(place, last as u32, from.block as i64);
            let value = e.code.load(lanes, at);
            e.code.set(sum, Expr::Fma(weight, value, sum));
        }
        e.code.store(result.at(region, block, y, x), sum);
    });
}

/// The pixels and weights of all samples of a cell along one axis; each weight is a share of the mean.
fn axis(
    e: &mut Emitter<'_>,
    op: RoiAlign,
    axis: usize,
    regions: &View,
    region: &Affine,
    cell: &Affine,
    extent: usize,
) -> Vec<(Reg, Reg)> {
    let f = &mut e.code;
    let number = |f: &mut crate::lir::FunctionBuilder, value: f64| f.constant(1, value as f32);
    let [low, high] = [1 - axis, 3 - axis].map(|side| f.load(1, regions.element(region * 4 + side)));
    let (scale, offset) = (number(f, op.scale.into()), number(f, if op.half_pixel { -0.5 } else { 0.0 }));
    let start = f.fma(low, scale, offset);
    let length = f.binary(Binary::Sub, high, low);
    let mut length = f.binary(Binary::Mul, length, scale);
    if !op.half_pixel {
        let one = number(f, 1.0);
        length = f.binary(Binary::Max, one, length);
    }
    let share = number(f, 1.0 / (op.size[axis] * op.samples) as f64);
    let step = f.binary(Binary::Mul, length, share);
    // The number of the cell, which is a loop's: counted in a table.
    let number_of_cell = e.counted(&format!("cells{axis}"), op.size[axis]);
    let first = e.code.load(1, number_of_cell.element(cell));
    let f = &mut e.code;
    let mut taps = Vec::new();
    for sample in 0..op.samples {
        let (samples, middle) = (number(f, op.samples as f64), number(f, sample as f64 + 0.5));
        let index = f.fma(first, samples, middle);
        let place = f.fma(index, step, start);
        let [zero, one, minus_one, last, end, weight] =
            [0.0, 1.0, -1.0, extent as f64 - 1.0, extent as f64, 1.0 / op.samples as f64].map(|value| number(f, value));
        let weight = f.select(Compare::Lt, place, minus_one, zero, weight);
        let weight = f.select(Compare::Lt, end, place, zero, weight);
        let inside = f.binary(Binary::Max, zero, place);
        let inside = f.binary(Binary::Min, last, inside);
        let pixel = f.unary(Unary::Floor, inside);
        let fraction = f.binary(Binary::Sub, inside, pixel);
        let next = f.binary(Binary::Add, pixel, one);
        let next = f.binary(Binary::Min, last, next);
        let rest = f.binary(Binary::Sub, one, fraction);
        taps.push((pixel, f.binary(Binary::Mul, weight, rest)));
        taps.push((next, f.binary(Binary::Mul, weight, fraction)));
    }
    taps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::evaluated;

    #[test]
    fn shapes() {
        let infer = |regions: &[usize], images: usize| {
            let (x, regions) = (TensorType::f32([1, 3, 8, 8]), TensorType::f32(regions));
            let images = TensorType { dtype: DType::I64, shape: vec![images] };
            let op = RoiAlign { size: [2, 5], samples: 2, scale: 1.0, half_pixel: true };
            op.infer(&[&x, &regions, &images]).map(|types| types[0].to_string()).map_err(|error| error.to_string())
        };
        assert_eq!(infer(&[4, 4], 4), Ok("f32[4, 3, 2, 5]".to_owned()));
        assert_eq!(infer(&[4, 5], 4), Err("expects regions of shape [4, 4], gets [4, 5]".to_owned()));
        assert_eq!(infer(&[4, 4], 3), Err("expects images of shape [4], gets [3]".to_owned()));
    }

    /// The image rises by one from column to column: the mean of a region is its middle.
    #[test]
    fn means() {
        let op = RoiAlign { size: [1, 1], samples: 2, scale: 1.0, half_pixel: true };
        let x: Vec<f32> = (0..16).map(|flat| (flat % 4) as f32).collect();
        let found = evaluated(op, &[(&[1, 1, 4, 4], &x), (&[1, 4], &[1.0, 1.0, 3.0, 3.0]), (&[1], &[0.0])]);
        assert_eq!(found, [1.5]);
    }
}
