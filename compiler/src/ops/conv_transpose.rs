//! Two-dimensional transposed convolution in groups, the gradient of a convolution by its input:
//!
//! `y[n, o, i·s + u·d − top, j·s + v·d − left] = Σ x[n, c, i, j] · weight[c, o mod O/G, u, v] + bias[o]`
//!
//! over the channels `c` of o's group, and all pixels and taps that come to that place.
//!
//! Operands: X of shape N C H W, weight C O/G Kh Kw, bias O where there is one. The result has the shape N O H′ W′ with
//! `H′ = (H − 1)·s + (Kh − 1)·d + 1 − top − bottom + output_padding`.
//!
//! Zeiler, Krishnan, Taylor and Fergus, "Deconvolutional Networks", CVPR 2010; Dumoulin and Visin, "A Guide to
//! Convolution Arithmetic for Deep Learning", arXiv:1603.07285, chapter 4.

mod lower;

use convoke_runtime::Tensor;

use super::arguments::{EDGES, FLAG, LENGTHS, PAIR, SIZE};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, NotDerived, Operator, ParameterSpec,
    TypeError, check, weighted,
};
use super::conv::Conv;
use super::conv_weight_gradient::ConvWeightGradient;
use crate::TensorType;
use crate::lower::{Algorithm, Halo};
use crate::onnx::{Item, Node, Rule, Unsupported};
use super::{Window, image};

/// A transposed convolution. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvTranspose {
    /// Pixels of the result from one pixel of X to the next; 1 unless given.
    pub stride: [usize; 2],
    /// Pixels between taps; 1 unless given.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix; 1 unless given.
    pub groups: usize,
    /// Pixels taken off the result, top, left, bottom, right; 0 unless given.
    pub padding: [usize; 4],
    /// Pixels added at the bottom and the right; 0 unless given.
    pub output_padding: [usize; 2],
    /// Whether there is a bias; true unless given.
    pub bias: bool,
}

impl Default for ConvTranspose {
    fn default() -> Self {
        let (stride, dilation) = ([1, 1], [1, 1]);
        Self { stride, dilation, groups: 1, padding: [0; 4], output_padding: [0; 2], bias: true }
    }
}

impl ConvTranspose {
    /// What takes results of windows that slide over images back to the images, `[image, result]` being the sizes.
    pub(super) fn adjoint(window: &Window, groups: usize, [image, result]: [[usize; 2]; 2]) -> Self {
        let Window { stride, dilation, .. } = *window;
        let Halo { top, left, bottom, right } = window.halo(image, result);
        // The last window ends beyond the image, or before it does.
        let output_padding =
            [0, 1].map(|axis| (image[axis] + window.padding[axis]).saturating_sub(window.reach(axis, result[axis])));
        Self {
            stride,
            dilation,
            groups,
            padding: [top, left, bottom, right],
            output_padding,
            bias: false,
        }
    }

    /// Height and width of the result for an image of `size`.
    fn size(&self, size: [usize; 2], kernel: [usize; 2]) -> Result<[usize; 2], TypeError> {
        let along = |axis: usize| {
            let reach = |count: usize, step: usize| count.checked_sub(1)?.checked_mul(step);
            let (before, after) = (self.padding[axis], self.padding[axis + 2]);
            let whole = reach(size[axis], self.stride[axis])?
                .checked_add(reach(kernel[axis], self.dilation[axis])?)?
                .checked_add(1)?
                .checked_add(self.output_padding[axis])?;
            whole.checked_sub(before)?.checked_sub(after)
        };
        if self.stride.contains(&0) || self.dilation.contains(&0) {
            return Err(TypeError::whole("stride and dilation of at least 1", 0));
        }
        for axis in 0..2 {
            let steps = self.stride[axis].max(self.dilation[axis]);
            if self.output_padding[axis] >= steps {
                let expected = format!("output_padding below stride or dilation, {steps}");
                return Err(TypeError::whole(expected, self.output_padding[axis]));
            }
        }
        match (along(0), along(1)) {
            (Some(height), Some(width)) => Ok([height, width]),
            _ => Err(TypeError::whole("a result within the range of addresses, larger than its padding", "another")),
        }
    }
}

impl Operator for ConvTranspose {
    const NAME: &'static str = "conv_transpose";

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("stride", self.stride)
            .with_unless("dilation", self.dilation, [1, 1])
            .with_unless("groups", self.groups, 1)
            .with("padding", self.padding)
            .with_unless("output_padding", self.output_padding, [0, 0])
            .with_unless("bias", self.bias, true)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let output_padding = match arguments.read("output_padding", &LENGTHS)?.as_deref() {
            None => [0, 0],
            Some(&[both]) => [both; 2],
            Some(&[height, width]) => [height, width],
            Some(_) => {
                let message = "`output_padding` expects a whole number, or [height, width]".to_owned();
                return Err(arguments.blame("output_padding", message));
            }
        };
        Ok(Self {
            stride: arguments.read("stride", &PAIR)?.unwrap_or([1, 1]),
            dilation: arguments.read("dilation", &PAIR)?.unwrap_or([1, 1]),
            groups: arguments.read("groups", &SIZE)?.unwrap_or(1),
            padding: arguments.read("padding", &EDGES)?.unwrap_or_default(),
            output_padding,
            bias: arguments.read("bias", &FLAG)?.unwrap_or(true),
        })
    }

    /// `conv_transpose(channels, kernel, …)`.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let types = call.types();
        check::operands(&types, &["x"])?;
        let [_, inputs, ..] = check::four(&types, 0, "N C H W")?;
        let mut arguments = call.arguments(&["channels", "kernel"])?;
        let channels = arguments.need("channels", &SIZE)?;
        let [height, width] = arguments.need("kernel", &PAIR)?;
        let op = Self::read(&mut arguments)?;
        arguments.finish()?;
        if !channels.is_multiple_of(op.groups) {
            let message = format!("`groups` expects a divisor of the {channels} channels, found {}", op.groups);
            return Err(arguments.blame("groups", message));
        }
        let weight = ParameterSpec::new("weight", [inputs, channels / op.groups, height, width]);
        let bias = op.bias.then(|| ParameterSpec::new("bias", [channels]));
        Ok(Construction { op: op.into(), parameters: std::iter::once(weight).chain(bias).collect() })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &weighted::operands(self.bias, false))?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let [inputs, per_group, kh, kw] = check::four(operands, 1, "C O Kh Kw")?;
        if inputs != c {
            return Err(TypeError::operand(0, format!("{inputs} input channels"), c));
        }
        if self.groups == 0 || c % self.groups != 0 {
            return Err(TypeError::whole(format!("groups that divide its {c} input channels"), self.groups));
        }
        let channels = per_group.saturating_mul(self.groups);
        if self.bias {
            check::shape(operands, 2, "bias", &[channels])?;
        }
        let [height, width] = self.size([h, w], [kh, kw])?;
        check::result([n, channels, height, width])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, weight) = (operands[0].data(), operands[1].data());
        let [n, c, h, w] = [0, 1, 2, 3].map(|dim| operands[0].shape()[dim]);
        let [per_group, kh, kw] = [1, 2, 3].map(|dim| operands[1].shape()[dim]);
        let [height, width] = self.size([h, w], [kh, kw]).expect("the graph is verified");
        let channels = per_group * self.groups;
        let mut sums = vec![0.0_f64; n * channels * height * width];
        // Where a tap of a pixel comes to, along one axis.
        let place = |axis: usize, pixel: usize, tap: usize, end: usize| {
            let place = pixel * self.stride[axis] + tap * self.dilation[axis];
            place.checked_sub(self.padding[axis]).filter(|&place| place < end)
        };
        for (flat, &x) in x.iter().enumerate() {
            let [image, channel, row, column] = [flat / (c * h * w), flat / (h * w) % c, flat / w % h, flat % w];
            let group = channel / (c / self.groups);
            for o in 0..per_group {
                for (u, v) in (0..kh).flat_map(|u| (0..kw).map(move |v| (u, v))) {
                    let (Some(i), Some(j)) = (place(0, row, u, height), place(1, column, v, width)) else { continue };
                    let plane = image * channels + group * per_group + o;
                    let weight = weight[((channel * per_group + o) * kh + u) * kw + v];
                    sums[(plane * height + i) * width + j] += f64::from(x) * f64::from(weight);
                }
            }
        }
        let added = weighted::added(operands, self.bias, false);
        let mut result = Tensor::zeros(&[n, channels, height, width]);
        for (flat, (y, sum)) in result.data_mut().iter_mut().zip(sums).enumerate() {
            *y = (sum + added(flat, flat / (height * width) % channels)) as f32;
        }
        vec![result]
    }

    /// Those of the convolution whose gradient it is: each pixel of X meets each weight of its channel.
    fn macs(&self, operands: &[&TensorType], _: &[TensorType]) -> u64 {
        let product = |dims: &[usize]| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim as u64));
        match operands {
            [x, weight, ..] => product(&x.shape).saturating_mul(product(weight.shape.get(1..).unwrap_or_default())),
            _ => 0,
        }
    }

    /// `x̄` is the convolution of ȳ with the same weight, whose own gradient gives `w̄eight`, with x and ȳ exchanged;
    /// `b̄ias = Σ ȳ` over images and pixels.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, [x, weight]) = (a.cotangent()?, [0, 1].map(|index| a.operand(index)));
        let Self { stride, dilation, groups, padding, .. } = *self;
        let kernel = [2, 3].map(|dim| a.shape(weight)[dim]);
        let conv = Conv { stride, dilation, groups, padding, bias: false, ..Conv::default() };
        let [size, result] = [x, y].map(|value| [2, 3].map(|dim| a.shape(value)[dim]));
        if (0..2).any(|axis| conv.window(kernel).count(result).map_or(true, |count| count[axis] != size[axis])) {
            return Err(NotDerived::because(format!("output_padding {:?} is not below its stride", self.output_padding)));
        }
        a.give(0, |a| a.op(conv, &[y, weight]))?;
        a.give(1, |a| a.op(ConvWeightGradient { kernel, stride, dilation, groups, padding }, &[y, x]))?;
        if self.bias { a.give(2, |a| a.sum_to_channels(y)) } else { Ok(()) }
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "ConvTranspose", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = lower::ALGORITHMS;

    fn cases() -> Vec<Case> {
        let usual = Self::default();
        let table = [
            ([1, 3, 3, 5], [17, 2, 2], Self { stride: [2, 2], ..usual }),
            ([2, 4, 3, 3], [16, 4, 4], Self { stride: [2, 2], padding: [1; 4], bias: false, ..usual }),
            ([1, 5, 4, 3], [3, 3, 3], usual),
            ([1, 2, 2, 6], [5, 3, 2], Self { stride: [3, 2], output_padding: [2, 1], padding: [0, 1, 1, 0], ..usual }),
            ([1, 2, 4, 4], [4, 3, 3], Self { dilation: [2, 3], stride: [2, 1], padding: [2; 4], ..usual }),
            ([1, 18, 3, 4], [1, 3, 3], Self { groups: 18, stride: [2, 2], padding: [1; 4], ..usual }),
            ([1, 6, 3, 3], [2, 2, 3], Self { groups: 3, stride: [1, 2], ..usual }),
            ([1, 4, 2, 3], [32, 2, 2], Self { groups: 2, stride: [2, 2], ..usual }),
            ([1, 3, 2, 2], [4, 1, 1], Self { stride: [2, 2], ..usual }),
        ];
        let case = |(x, [o, kh, kw], op): ([usize; 4], [usize; 3], Self)| {
            let name = format!("{o} × {kh} × {kw}, {} of {x:?}", op.attributes());
            let case = Case::new(name, op).input(x).weight([x[1], o, kh, kw]).tolerance(1e-5);
            if op.bias { case.weight([o * op.groups]) } else { case }
        };
        let computed = Case::new("a weight that is computed", usual);
        let computed = computed.input([1, 3, 3, 3]).input([3, 4, 2, 2]).input([4]).tolerance(1e-5);
        table.map(case).into_iter().chain([computed]).collect()
    }
}

/// Either the pads are given, or the result's size, of which they follow.
fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let (x, weight) = (image::operand(node, 0)?, image::operand(node, 1)?);
    let [size, kernel] = [&x, &weight].map(|item| image::size(node, item));
    let output_padding = image::pair(node, "output_padding")?.unwrap_or_default();
    let output_shape = image::pair(node, "output_shape")?;
    let upper = node.text("auto_pad")? == Some("SAME_UPPER");
    let same = upper || node.text("auto_pad")? == Some("SAME_LOWER");
    let Window { stride, dilation, padding, .. } = image::window(node, kernel, size)?;
    let groups = node.int("group")?.unwrap_or(1);
    let groups = usize::try_from(groups).map_err(|_| Unsupported::new(format!("attribute `group` is {groups}")))?;
    let bias = node.optional(2);
    let mut op = ConvTranspose { stride, dilation, groups, padding, output_padding, bias: bias.is_some() };
    let wanted = output_shape.or_else(|| same.then(|| [0, 1].map(|axis| size[axis].saturating_mul(stride[axis]))));
    if let Some(wanted) = wanted {
        op.padding = [0; 4];
        let whole = op.size(size, kernel).map_err(|error| Unsupported::new(error.to_string()))?;
        for axis in 0..2 {
            let total = whole[axis].checked_sub(wanted[axis]);
            let total = total.ok_or_else(|| Unsupported::new(format!("the result is {whole:?}, less than {wanted:?}")))?;
            // The odd pixel is taken off at the end by `SAME_UPPER`, at the start otherwise.
            let (less, more) = (total / 2, total - total / 2);
            (op.padding[axis], op.padding[axis + 2]) = if upper { (less, more) } else { (more, less) };
        }
    }
    let operands: Vec<_> = [x, weight].into_iter().chain(bias).collect();
    let y = node.apply(op, &operands)?;
    Ok(vec![image::result(node, y)?])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let double = ConvTranspose { stride: [2, 2], bias: false, ..ConvTranspose::default() };
        let padded = ConvTranspose { padding: [1; 4], output_padding: [1, 1], ..double };
        let table: [(ConvTranspose, &[&[usize]], &str); 6] = [
            (double, &[&[1, 8, 4, 5], &[8, 6, 2, 2]], "f32[1, 6, 8, 10]"),
            (padded, &[&[1, 8, 4, 5], &[8, 6, 3, 3]], "f32[1, 6, 8, 10]"),
            (double, &[&[1, 8, 4, 5], &[7, 6, 2, 2]], "operand 0 expects 7 input channels, gets 8"),
            (
                ConvTranspose { groups: 3, ..double },
                &[&[1, 8, 4, 5], &[8, 6, 2, 2]],
                "expects groups that divide its 8 input channels, gets 3",
            ),
            (
                ConvTranspose { output_padding: [2, 0], ..double },
                &[&[1, 8, 4, 5], &[8, 6, 2, 2]],
                "expects output_padding below stride or dilation, 2, gets 2",
            ),
            (
                ConvTranspose { bias: true, ..double },
                &[&[1, 8, 4, 5], &[8, 6, 2, 2], &[5]],
                "operand 2 expects bias of shape [6], gets [5]",
            ),
        ];
        for (op, shapes, expected) in table {
            assert_eq!(inferred(op, shapes), expected, "{op:?}");
        }
    }

    /// Each pixel of X lays its multiple of the weight on the result.
    #[test]
    fn lays_down_its_weight() {
        let op = ConvTranspose { stride: [1, 2], bias: false, ..ConvTranspose::default() };
        let found = evaluated(op, &[(&[1, 1, 1, 2], &[1.0, 10.0]), (&[1, 1, 1, 3], &[1.0, 2.0, 3.0])]);
        assert_eq!(found, [1.0, 2.0, 13.0, 20.0, 30.0]);
    }

    #[test]
    fn calls() {
        assert_eq!(
            called("conv_transpose", &[&[1, 8, 4, 4]], &[6_i64.into(), 2_i64.into()], &[("stride", 2_i64.into())]),
            "conv_transpose {stride = [2, 2], padding = [0, 0, 0, 0]}, weight f32[8, 6, 2, 2], bias f32[6]"
        );
    }
}
