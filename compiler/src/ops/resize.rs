//! Resizing: a tensor sampled on another grid, dimension by dimension,
//!
//! `y[i, j, …] = Σ w₀[i, s] · w₁[j, t] · … · x[p₀[i, s], p₁[j, t], …]`,
//!
//! where the places p and weights w of each dimension follow from its scale, the way coordinates map, and the filter:
//! those of ONNX's operator `Resize`, version 19. The cubic filter is that of Keys, "Cubic Convolution Interpolation for
//! Digital Image Processing", IEEE 1981, equation 15, with a free coefficient.

mod lower;
mod taps;

use convoke_runtime::Tensor;

use super::arguments::{AXIS, FLAG, FLOAT, Reader, SHAPE, float};
use super::{
    Adjoint, Arguments, Attribute, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, check,
};
use super::matmul::MatMul;
use crate::TensorType;
use crate::lower::Algorithm;
use crate::onnx::{Item, Node, Rule, Unsupported};

pub use taps::{Coordinates, Filter, Nearest};

/// A tensor on another grid.
#[derive(Clone, Debug, PartialEq)]
pub struct Resize {
    /// The shape of the result.
    pub shape: Vec<usize>,
    /// For each dimension how many elements of the result one of the operand becomes: that of the shapes, or near it.
    pub scales: Vec<f32>,
    /// How elements of the result are computed of those of the operand.
    pub filter: Filter,
    /// Where an element of the result lies in the operand.
    pub coordinates: Coordinates,
    /// Whether filters leave out what lies beyond the operand, instead of repeating its edge.
    pub exclude_outside: bool,
    /// Whether the filter becomes wider where the result is smaller.
    pub antialias: bool,
}

/// Words and the variants that they name.
fn word<T: Copy + PartialEq, const N: usize>(table: &[(&'static str, T); N], value: T) -> &'static str {
    table.iter().find(|(_, each)| *each == value).map_or("", |(word, _)| word)
}

fn named<T: Copy, const N: usize>(table: &[(&'static str, T); N], value: &Attribute) -> Option<T> {
    match value {
        Attribute::Text(text) => table.iter().find(|(word, _)| word == text).map(|&(_, value)| value),
        _ => None,
    }
}

const COORDINATES: [(&str, Coordinates); 7] = [
    ("half_pixel", Coordinates::HalfPixel),
    ("half_pixel_symmetric", Coordinates::HalfPixelSymmetric),
    ("pytorch_half_pixel", Coordinates::PytorchHalfPixel),
    ("align_corners", Coordinates::AlignCorners),
    ("asymmetric", Coordinates::Asymmetric),
    ("tf_half_pixel_for_nn", Coordinates::TfHalfPixelForNn),
    ("identity", Coordinates::Identity),
];

const NEAREST: [(&str, Nearest); 4] = [
    ("round_prefer_floor", Nearest::RoundPreferFloor),
    ("round_prefer_ceil", Nearest::RoundPreferCeil),
    ("floor", Nearest::Floor),
    ("ceil", Nearest::Ceil),
];

const READ_COORDINATES: Reader<Coordinates> = Reader {
    expects: "\"half_pixel\", \"half_pixel_symmetric\", \"pytorch_half_pixel\", \"align_corners\", \"asymmetric\", or \
              \"tf_half_pixel_for_nn\"",
    read: |value| named(&COORDINATES, value),
};

const READ_NEAREST: Reader<Nearest> = Reader {
    expects: "\"round_prefer_floor\", \"round_prefer_ceil\", \"floor\" or \"ceil\"",
    read: |value| named(&NEAREST, value),
};

const READ_SCALES: Reader<Vec<f32>> = Reader {
    expects: "a list of positive numbers",
    read: |value| match value {
        Attribute::List(items) => items.iter().map(|item| float(item).filter(|&scale| scale > 0.0)).collect(),
        _ => None,
    },
};

/// The name of a filter.
const MODE: Reader<&'static str> = Reader {
    expects: "\"nearest\", \"linear\" or \"cubic\"",
    read: |value| ["nearest", "linear", "cubic"].into_iter().find(|word| *value == (*word).into()),
};

impl Resize {
    /// A resize to `shape` with the scales of the shapes.
    #[must_use]
    pub fn new(from: &[usize], shape: Vec<usize>, filter: Filter, coordinates: Coordinates) -> Self {
        let scales = shape.iter().zip(from).map(|(&to, &from)| to as f32 / from as f32).collect();
        Self { shape, scales, filter, coordinates, exclude_outside: false, antialias: false }
    }

    fn read_filter(arguments: &mut Arguments) -> Result<Filter, CallError> {
        Ok(match arguments.read("mode", &MODE)?.unwrap_or("nearest") {
            "linear" => Filter::Linear,
            "cubic" => Filter::Cubic { coefficient: arguments.read("cubic_coeff_a", &FLOAT)?.unwrap_or(-0.75) },
            _ => Filter::Nearest(arguments.read("nearest_mode", &READ_NEAREST)?.unwrap_or(Nearest::RoundPreferFloor)),
        })
    }
}

impl Operator for Resize {
    const NAME: &'static str = "resize";

    fn attributes(&self) -> Attributes {
        let scales = Attribute::List(self.scales.iter().map(|&scale| scale.into()).collect());
        let attributes = Attributes::default().with("shape", self.shape.as_slice()).with("scales", scales);
        let attributes = match self.filter {
            Filter::Nearest(mode) => attributes.with("mode", "nearest").with("nearest_mode", word(&NEAREST, mode)),
            Filter::Linear => attributes.with("mode", "linear"),
            Filter::Cubic { coefficient } => attributes.with("mode", "cubic").with("cubic_coeff_a", coefficient),
        };
        attributes
            .with("coordinates", word(&COORDINATES, self.coordinates))
            .with_unless("exclude_outside", self.exclude_outside, false)
            .with_unless("antialias", self.antialias, false)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let shape = arguments.need("shape", &SHAPE)?;
        let scales = arguments.need("scales", &READ_SCALES)?;
        let filter = Self::read_filter(arguments)?;
        let coordinates = arguments.read("coordinates", &READ_COORDINATES)?.unwrap_or(Coordinates::HalfPixel);
        let exclude_outside = arguments.read("exclude_outside", &FLAG)?.unwrap_or(false);
        let antialias = arguments.read("antialias", &FLAG)?.unwrap_or(false);
        Ok(Self { shape, scales, filter, coordinates, exclude_outside, antialias })
    }

    /// `resize(scale: 2)`: height and width of an image, `scale` times as large.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let types = call.types();
        check::operands(&types, &["x"])?;
        let [n, c, h, w] = check::four(&types, 0, "N C H W")?;
        let mut arguments = call.arguments(&["scale"])?;
        let scale = arguments.need("scale", &AXIS)?.try_into().unwrap_or(0);
        let filter = Self::read_filter(&mut arguments)?;
        let usual = match filter {
            Filter::Nearest(_) => Coordinates::Asymmetric,
            Filter::Linear | Filter::Cubic { .. } => Coordinates::HalfPixel,
        };
        let coordinates = arguments.read("coordinates", &READ_COORDINATES)?.unwrap_or(usual);
        let shape = vec![n, c, h.saturating_mul(scale), w.saturating_mul(scale)];
        arguments.finish()?;
        if scale == 0 {
            return Err(arguments.blame("scale", "`scale` expects a whole number of at least 1".to_owned()));
        }
        Ok(Self::new(&[n, c, h, w], shape, filter, coordinates).into())
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x"])?;
        let rank = operands[0].rank();
        if [self.shape.len(), self.scales.len()] != [rank; 2] {
            return Err(TypeError::operand(0, format!("{} dimensions (shape, scales)", self.shape.len()), rank));
        }
        // Wider filters take more than all of a dimension at once.
        let extremes = self.scales.iter().find(|scale| !(1e-3..1e6).contains(*scale));
        if let Some(scale) = extremes {
            return Err(TypeError::whole("scales between 0.001 and a million", scale));
        }
        check::result(self.shape.as_slice())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let x = operands[0];
        let taps: Vec<_> = (0..self.shape.len()).map(|dim| self.taps(dim, x.shape()[dim])).collect();
        let mut result = Tensor::zeros(&self.shape);
        for (flat, y) in result.data_mut().iter_mut().enumerate() {
            // Places in the operand and their weights, dimension after dimension.
            let mut places = vec![(0, 1.0)];
            let mut inner = self.shape.iter().product::<usize>();
            for (dim, taps) in taps.iter().enumerate() {
                inner /= self.shape[dim];
                let own = &taps[flat / inner % self.shape[dim]];
                let step = |&(place, weight): &(usize, f64)| {
                    own.iter().map(move |&(at, factor)| (place * x.shape()[dim] + at, weight * factor))
                };
                places = places.iter().flat_map(step).collect();
            }
            *y = places.iter().map(|&(place, weight)| weight * f64::from(x.data()[place])).sum::<f64>() as f32;
        }
        vec![result]
    }

    /// Resizing is linear, dimension by dimension: `x̄` is ȳ times the transposed matrix of each, which resizing the
    /// columns of the identity gives.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, shape) = (a.cotangent()?, a.shape(a.operand(0)));
        a.give(0, |a| {
            let mut value = y;
            for (dim, &extent) in shape.iter().enumerate().filter(|&(dim, &extent)| self.shape[dim] != extent) {
                let identity = (0..extent * extent).map(|i| f32::from(u8::from(i % (extent + 1) == 0))).collect();
                let identity = Tensor::from_vec(&[extent, extent], identity).expect("a square");
                let along = Self {
                    shape: vec![extent, self.shape[dim]],
                    scales: vec![1.0, self.scales[dim]],
                    ..self.clone()
                };
                // Rows are elements of x, columns those of y.
                let matrix = along.evaluate(&[&identity]).remove(0);
                let transposed = a.constant(matrix.shape(), matrix.data());
                let found = a.shape(value);
                let [outer, inner] = [&found[..dim], &found[dim + 1..]].map(|dims| dims.iter().product::<usize>());
                value = a.reshape(value, &[outer, found[dim], inner])?;
                value = a.op(MatMul, &[transposed, value])?;
                value = a.reshape(value, &[&found[..dim], &[extent], &found[dim + 1..]].concat())?;
            }
            Ok(value)
        })
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Resize", import: resize },
        Rule { operator: "Upsample", import: upsample },];

    const ALGORITHMS: &'static [Algorithm<Self>] = lower::ALGORITHMS;

    fn cases() -> Vec<Case> {
        let cubic = Filter::Cubic { coefficient: -0.75 };
        let mut cases = Vec::new();
        let mut add = |op: Resize, shape: &[usize]| {
            cases.push(Case::new(format!("{} of {shape:?}", op.attributes()), op).input(shape).tolerance(1e-5));
        };
        for (_, nearest) in NEAREST {
            let op = |to: &[usize], from: &[usize], coordinates| {
                Self::new(from, to.to_vec(), Filter::Nearest(nearest), coordinates)
            };
            add(op(&[1, 3, 6, 10], &[1, 3, 3, 5], Coordinates::Asymmetric), &[1, 3, 3, 5]);
            add(op(&[2, 17, 3, 4], &[2, 17, 5, 3], Coordinates::HalfPixel), &[2, 17, 5, 3]);
        }
        for filter in [Filter::Linear, cubic] {
            for (_, coordinates) in COORDINATES.into_iter().filter(|(_, each)| *each != Coordinates::Identity) {
                add(Self::new(&[1, 5, 3, 4], vec![1, 5, 6, 7], filter, coordinates), &[1, 5, 3, 4]);
            }
            let smaller = Self::new(&[1, 2, 9, 7], vec![1, 2, 4, 3], filter, Coordinates::HalfPixel);
            add(Self { antialias: true, ..smaller.clone() }, &[1, 2, 9, 7]);
            add(Self { exclude_outside: true, ..smaller }, &[1, 2, 9, 7]);
            add(Self::new(&[3, 5], vec![3, 8], filter, Coordinates::HalfPixel), &[3, 5]);
        }
        add(Self::new(&[2, 2, 3], vec![3, 4, 6], Filter::Linear, Coordinates::AlignCorners), &[2, 2, 3]);
        cases
    }
}

fn resize(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let shape = node.shape(0)?;
    let rank = shape.len();
    // Before opset 11 there was no region of interest, and a scale only.
    let old = node.opset() < 11;
    let (scales, sizes) = if old { (node.floats_operand(1)?, None) } else { (node.floats_operand(2)?, node.ints_operand(3)?) };
    let axes: Vec<i64> = node.ints("axes")?.map_or_else(|| (0..rank as i64).collect(), <[i64]>::to_vec);
    let axes: Vec<usize> = axes
        .into_iter()
        .map(|axis| check::axis(axis, rank).map_err(|error| Unsupported::new(error.to_string())))
        .collect::<Result<_, _>>()?;
    let policy = node.text("keep_aspect_ratio_policy")?.unwrap_or("stretch");
    let (mut to, mut by) = (shape.clone(), vec![1.0; rank]);
    match (scales.filter(|scales| !scales.is_empty()), sizes) {
        (Some(scales), None) if scales.len() == axes.len() => {
            for (&axis, scale) in axes.iter().zip(scales) {
                by[axis] = scale;
                to[axis] = (shape[axis] as f64 * f64::from(scale)).floor() as usize;
            }
        }
        (None, Some(sizes)) if sizes.len() == axes.len() => {
            let ratio = |(&axis, &size): (&usize, &i64)| size as f64 / shape[axis] as f64;
            let ratios = axes.iter().zip(&sizes).map(ratio);
            let common = match policy {
                "stretch" => None,
                "not_larger" => ratios.reduce(f64::min),
                "not_smaller" => ratios.reduce(f64::max),
                other => return Err(Unsupported::new(format!("attribute `keep_aspect_ratio_policy` is {other:?}"))),
            };
            for (&axis, &size) in axes.iter().zip(&sizes) {
                to[axis] = match common {
                    None => usize::try_from(size).unwrap_or_default(),
                    Some(ratio) => (ratio * shape[axis] as f64).round() as usize,
                };
                by[axis] = common.unwrap_or(size as f64 / shape[axis] as f64) as f32;
            }
        }
        _ => return Err(Unsupported::new("neither scales nor sizes of its dimensions are given")),
    }
    let coordinates = match node.text("coordinate_transformation_mode")? {
        _ if old => Coordinates::Asymmetric,
        None | Some("half_pixel") => Coordinates::HalfPixel,
        Some("half_pixel_symmetric") => Coordinates::HalfPixelSymmetric,
        Some("pytorch_half_pixel") => Coordinates::PytorchHalfPixel,
        Some("align_corners") => Coordinates::AlignCorners,
        Some("asymmetric") => Coordinates::Asymmetric,
        Some("tf_half_pixel_for_nn") => Coordinates::TfHalfPixelForNn,
        Some(other) => return Err(Unsupported::new(format!("attribute `coordinate_transformation_mode` is {other:?}"))),
    };
    // What is extrapolated is only what `tf_crop_and_resize` takes from beyond the tensor.
    node.ignore("extrapolation_value");
    let nearest = match node.text("nearest_mode")? {
        _ if old => Nearest::Floor,
        None | Some("round_prefer_floor") => Nearest::RoundPreferFloor,
        Some("round_prefer_ceil") => Nearest::RoundPreferCeil,
        Some("floor") => Nearest::Floor,
        Some("ceil") => Nearest::Ceil,
        Some(other) => return Err(Unsupported::new(format!("attribute `nearest_mode` is {other:?}"))),
    };
    let coefficient = node.float("cubic_coeff_a")?.unwrap_or(-0.75);
    let filter = match node.text("mode")? {
        None | Some("nearest") => Filter::Nearest(nearest),
        Some("linear") => Filter::Linear,
        Some("cubic") => Filter::Cubic { coefficient },
        Some(other) => return Err(Unsupported::new(format!("attribute `mode` is {other:?}"))),
    };
    let (exclude_outside, antialias) = (node.flag("exclude_outside")?, node.flag("antialias")?);
    node.unary(Resize { shape: to, scales: by, filter, coordinates, exclude_outside, antialias })
}

/// What `Resize` was before opset 10.
fn upsample(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let shape = node.shape(0)?;
    let scales = match node.floats("scales")? {
        Some(scales) => scales.to_vec(),
        None => node.floats_operand(1)?.unwrap_or_default(),
    };
    if scales.len() != shape.len() {
        return Err(Unsupported::new(format!("{} scales for {} dimensions", scales.len(), shape.len())));
    }
    let filter = match node.text("mode")? {
        None | Some("nearest") => Filter::Nearest(Nearest::Floor),
        Some("linear" | "bilinear") => Filter::Linear,
        Some(other) => return Err(Unsupported::new(format!("attribute `mode` is {other:?}"))),
    };
    let size = |(&size, &scale): (&usize, &f32)| (size as f64 * f64::from(scale)).floor() as usize;
    let to = shape.iter().zip(&scales).map(size).collect();
    let coordinates = Coordinates::Asymmetric;
    node.unary(Resize { shape: to, scales, filter, coordinates, exclude_outside: false, antialias: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = Resize::new(&[1, 2, 3, 4], vec![1, 2, 6, 8], Filter::Linear, Coordinates::HalfPixel);
        assert_eq!(inferred(op.clone(), &[&[1, 2, 3, 4]]), "f32[1, 2, 6, 8]");
        assert_eq!(inferred(op, &[&[3, 4]]), "operand 0 expects 4 dimensions (shape, scales), gets 2");
    }

    /// ONNX's examples of the operator.
    #[test]
    fn samples() {
        let x: &[f32] = &[1.0, 2.0, 3.0, 4.0];
        let op = |shape: [usize; 2], filter, coordinates| Resize::new(&[2, 2], shape.to_vec(), filter, coordinates);
        let of = |op: Resize| evaluated(op, &[(&[2, 2], x)]);
        let nearest = Filter::Nearest(Nearest::RoundPreferFloor);
        assert_eq!(of(op([2, 4], nearest, Coordinates::HalfPixel)), [1.0, 1.0, 2.0, 2.0, 3.0, 3.0, 4.0, 4.0]);
        assert_eq!(
            of(op([2, 4], Filter::Linear, Coordinates::HalfPixel)),
            [1.0, 1.25, 1.75, 2.0, 3.0, 3.25, 3.75, 4.0]
        );
        let aligned = of(op([2, 4], Filter::Linear, Coordinates::AlignCorners));
        for (found, expected) in aligned.iter().zip([1.0, 4.0 / 3.0, 5.0 / 3.0, 2.0]) {
            assert!((found - expected).abs() < 1e-6, "{aligned:?}");
        }
        let cubic = evaluated(
            Resize::new(&[4], vec![8], Filter::Cubic { coefficient: -0.75 }, Coordinates::HalfPixel),
            &[(&[4], x)],
        );
        // By hand: 1 · (1 + 27/256) − 2 · 27/256; and what is linear stays symmetric.
        assert_eq!(cubic[0], 0.894_531_25);
        for (left, right) in cubic.iter().zip(cubic.iter().rev()) {
            assert!((left + right - 5.0).abs() < 1e-6, "{cubic:?}");
        }
    }

    #[test]
    fn calls() {
        assert_eq!(
            called("resize", &[&[1, 3, 4, 4]], &[2_i64.into()], &[]),
            "resize {shape = [1, 3, 8, 8], scales = [1.0, 1.0, 2.0, 2.0], mode = nearest, nearest_mode = \
             round_prefer_floor, coordinates = asymmetric}"
        );
    }
}
