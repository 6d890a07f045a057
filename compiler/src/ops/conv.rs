//! Two-dimensional convolution (strictly, cross-correlation) in groups:
//!
//! `y[n, o, i, j] = act(Σ x[n, g·C/G + c, i·s + u·d − top, j·s + v·d − left] · weight[o, c, u, v] + bias[o] + residual[n, o, i, j])`
//!
//! over input channels `c` of the group `g = ⌊o / (O/G)⌋` and taps `u`, `v`, with stride `s`, dilation `d`, `G` groups,
//! and zeros where X has no pixel.
//!
//! Operands: X of shape N C H W, weight O C/G Kh Kw, bias O where there is one, residual of the result's shape where
//! there is one. The result has the shape N O H′ W′, with H′ and W′ from [`Window::count`].
//!
//! LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998,
//! section II; groups: Krizhevsky, Sutskever and Hinton, NIPS 2012, section 3.5; depthwise: Howard et al.,
//! "MobileNets", arXiv:1704.04861, section 3.1; dilation: Yu and Koltun, arXiv:1511.07122, section 2.

mod cases;
pub(super) mod lower;
mod winograd;

use convoke_runtime::Tensor;

use super::arguments::{EDGES, FLAG, PAIR, SIZE};
use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Constructor, Derived, Epilogue, Op, Operator,
    ParameterSpec, TypeError, Window, check, image, weighted,
};
use super::conv_transpose::ConvTranspose;
use super::conv_weight_gradient::ConvWeightGradient;
use crate::TensorType;
use crate::lower::Algorithm;
use crate::onnx::{Item, Node, Rule, Unsupported};

/// A convolution. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Conv {
    /// Pixels between windows; 1 unless given.
    pub stride: [usize; 2],
    /// Pixels between taps; 1 unless given.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix; 1 unless given.
    pub groups: usize,
    /// Zeros around the image, top, left, bottom, right; 0 unless given.
    pub padding: [usize; 4],
    /// Whether there is a bias; true unless given.
    pub bias: bool,
    /// What rides at its end.
    pub epilogue: Epilogue,
}

impl Default for Conv {
    fn default() -> Self {
        Self {
            stride: [1, 1],
            dilation: [1, 1],
            groups: 1,
            padding: [0; 4],
            bias: true,
            epilogue: Epilogue::default(),
        }
    }
}

impl Conv {
    /// Its window, where the weight has `kernel` taps.
    #[must_use]
    pub fn window(&self, kernel: [usize; 2]) -> Window {
        Window { kernel, stride: self.stride, dilation: self.dilation, padding: self.padding, ceil: false }
    }
}

impl Operator for Conv {
    const NAME: &'static str = "conv";
    const CALLS: &'static [(&'static str, Constructor)] =
        &[(Self::NAME, Self::call), ("depthwise", depthwise), ("pointwise", pointwise)];

    fn attributes(&self) -> Attributes {
        let attributes = Attributes::default()
            .with("stride", self.stride)
            .with_unless("dilation", self.dilation, [1, 1])
            .with_unless("groups", self.groups, 1)
            .with("padding", self.padding)
            .with_unless("bias", self.bias, true);
        self.epilogue.attributes(attributes)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self {
            stride: arguments.read("stride", &PAIR)?.unwrap_or([1, 1]),
            dilation: arguments.read("dilation", &PAIR)?.unwrap_or([1, 1]),
            groups: arguments.read("groups", &SIZE)?.unwrap_or(1),
            padding: arguments.read("padding", &EDGES)?.unwrap_or_default(),
            bias: arguments.read("bias", &FLAG)?.unwrap_or(true),
            epilogue: Epilogue::read(arguments)?,
        })
    }

    /// `conv(channels, kernel, stride: 1, padding: 0, dilation: 1, groups: 1, bias: true)`; `in_channels`, where it is
    /// given, is checked.
    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let image = image(call)?;
        let mut arguments = call.arguments(&["channels", "kernel"])?;
        let channels = arguments.need("channels", &SIZE)?;
        let kernel = arguments.need("kernel", &PAIR)?;
        let groups = arguments.read("groups", &SIZE)?.unwrap_or(1);
        construct(arguments, image, channels, kernel, groups, Slide::Any)
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &weighted::operands(self.bias, self.epilogue.residual))?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let [o, per_group, kh, kw] = check::four(operands, 1, "O I Kh Kw")?;
        if self.groups == 0 || o % self.groups != 0 {
            let expected = format!("groups that divide its {o} output channels");
            return Err(TypeError::whole(expected, self.groups));
        }
        match per_group.checked_mul(self.groups) {
            Some(expected) if expected == c => {}
            Some(expected) => return Err(TypeError::operand(0, format!("{expected} input channels"), c)),
            None => return Err(TypeError::operand(0, format!("{per_group} input channels in each group"), c)),
        }
        if self.bias {
            check::shape(operands, 2, "bias", &[o])?;
        }
        let [oh, ow] = self.window([kh, kw]).count([h, w])?;
        if self.epilogue.residual {
            check::shape(operands, operands.len() - 1, "residual", &[n, o, oh, ow])?;
        }
        check::result([n, o, oh, ow])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [(x, x_shape), (weight, w_shape)] =
            [operands[0], operands[1]].map(|tensor| (tensor.data(), [0, 1, 2, 3].map(|dim| tensor.shape()[dim])));
        let [n, channels, h, w] = x_shape;
        let [o, per_group, kh, kw] = w_shape;
        let window = self.window([kh, kw]);
        let [oh, ow] = window.count([h, w]).expect("the operands have types that the operator accepts");
        let added = weighted::added(operands, self.bias, self.epilogue.residual);
        let mut result = Tensor::zeros(&[n, o, oh, ow]);
        for (flat, y) in result.data_mut().iter_mut().enumerate() {
            let (image, o_index, row, column) = (flat / ow / oh / o, flat / ow / oh % o, flat / ow % oh, flat % ow);
            let first = o_index / (o / self.groups) * per_group;
            let mut sum = 0.0;
            for c in 0..per_group {
                for (u, iy) in window.taps(0, row, h) {
                    let pixels = &x[((image * channels + first + c) * h + iy) * w..][..w];
                    let taps = &weight[((o_index * per_group + c) * kh + u) * kw..][..kw];
                    for (v, ix) in window.taps(1, column, w) {
                        sum += f64::from(pixels[ix]) * f64::from(taps[v]);
                    }
                }
            }
            *y = self.epilogue.finish(sum + added(flat, o_index));
        }
        vec![result]
    }

    fn macs(&self, operands: &[&TensorType], results: &[TensorType]) -> u64 {
        weighted::macs(operands, results)
    }

    fn epilogue(&self) -> Option<Epilogue> {
        Some(self.epilogue)
    }

    fn with_epilogue(&self, epilogue: Epilogue) -> Option<Op> {
        Some(Self { epilogue, ..*self }.into())
    }

    /// `x̄` is the transposed convolution of ȳ with the same weight, `w̄eight` that of [`ConvWeightGradient`], and
    /// `b̄ias = Σ ȳ` over images and pixels.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        a.without(self.epilogue)?;
        let (y, [x, weight]) = (a.cotangent()?, [0, 1].map(|index| a.operand(index)));
        let Self { stride, dilation, groups, padding, .. } = *self;
        let kernel = [2, 3].map(|dim| a.shape(weight)[dim]);
        a.give(0, |a| {
            let sizes = [x, y].map(|value| [2, 3].map(|dim| a.shape(value)[dim]));
            let transposed = ConvTranspose::adjoint(&self.window(kernel), groups, sizes);
            a.op(transposed, &[y, weight])
        })?;
        a.give(1, |a| a.op(ConvWeightGradient { kernel, stride, dilation, groups, padding }, &[x, y]))?;
        if self.bias { a.give(2, |a| a.sum_to_channels(y)) } else { Ok(()) }
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "Conv", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        let window = self.window([2, 3].map(|dim| e.shape(1)[dim])).onnx();
        let own = [("dilations", self.dilation.into()), ("group", self.groups.into())];
        let attributes = [&window[..], &own].concat();
        Ok(vec![e.node("Conv", e.first(2 + usize::from(self.bias)), &attributes)])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = lower::ALGORITHMS;

    fn cases() -> Vec<Case> {
        cases::all()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let operands = [node.operand(0)?, node.operand(1)?];
    let bias = node.optional(2);
    Ok(vec![imported(node, operands, 1, bias)?])
}

/// The convolution that a node says by its attributes, of these X, weight and bias; the weight comes from operand
/// `index`.
pub(crate) fn imported(
    node: &mut Node<'_, '_>,
    [x, weight]: [Item; 2],
    index: usize,
    bias: Option<Item>,
) -> Result<Item, Unsupported> {
    let (x, weight) = (image::planar(node, x, 0)?, image::planar(node, weight, index)?);
    let [size, kernel] = [&x, &weight].map(|item| image::size(node, item));
    let window = image::window(node, kernel, size)?;
    let groups = node.int("group")?.unwrap_or(1);
    let groups = usize::try_from(groups).map_err(|_| Unsupported::new(format!("attribute `group` is {groups}")))?;
    let Window { stride, dilation, padding, .. } = window;
    let conv = Conv { stride, dilation, groups, padding, bias: bias.is_some(), ..Conv::default() };
    let operands: Vec<_> = [x, weight].into_iter().chain(bias).collect();
    let y = node.apply(conv, &operands)?;
    image::result(node, y)
}

/// `depthwise(kernel, multiplier: 1, stride: 1, padding: 0, dilation: 1, bias: true)`: a group for each input channel,
/// `multiplier` output channels in each.
fn depthwise(call: &mut Call<'_>) -> Result<Construction, CallError> {
    let image = image(call)?;
    let mut arguments = call.arguments(&["kernel"])?;
    let kernel = arguments.need("kernel", &PAIR)?;
    let multiplier = arguments.read("multiplier", &SIZE)?.unwrap_or(1);
    let [groups, ..] = image;
    let Some(channels) = groups.checked_mul(multiplier) else {
        return Err(arguments.blame("multiplier", format!("`multiplier` {multiplier} is too large")));
    };
    construct(arguments, image, channels, kernel, groups, Slide::Any)
}

/// `pointwise(channels, stride: 1, groups: 1, bias: true)`: windows of one pixel.
fn pointwise(call: &mut Call<'_>) -> Result<Construction, CallError> {
    let image = image(call)?;
    let mut arguments = call.arguments(&["channels"])?;
    let channels = arguments.need("channels", &SIZE)?;
    let groups = arguments.read("groups", &SIZE)?.unwrap_or(1);
    construct(arguments, image, channels, [1, 1], groups, Slide::Strided)
}

/// Which constants of a call say how windows slide.
#[derive(PartialEq)]
enum Slide {
    /// `stride`, `dilation` and `padding`.
    Any,
    /// `stride` only.
    Strided,
}

/// C, H and W of a call's only tensor.
fn image(call: &Call<'_>) -> Result<[usize; 3], CallError> {
    let types = call.types();
    check::operands(&types, &["x"])?;
    let [_, channels, height, width] = check::four(&types, 0, "N C H W")?;
    Ok([channels, height, width])
}

/// The convolution whose remaining constants `arguments` holds.
fn construct(
    mut arguments: Arguments,
    [inputs, height, width]: [usize; 3],
    outputs: usize,
    kernel: [usize; 2],
    groups: usize,
    slide: Slide,
) -> Result<Construction, CallError> {
    if let Some(expected) = arguments.read("in_channels", &SIZE)?
        && expected != inputs
    {
        return Err(TypeError::operand(0, format!("{expected} input channels"), inputs).into());
    }
    let mut op = Conv { groups, ..Conv::default() };
    op.stride = arguments.read("stride", &PAIR)?.unwrap_or(op.stride);
    if slide == Slide::Any {
        op.dilation = arguments.read("dilation", &PAIR)?.unwrap_or(op.dilation);
        op.padding = op.window(kernel).read_padding(&mut arguments, Some([height, width]))?.padding;
    }
    op.bias = arguments.read("bias", &FLAG)?.unwrap_or(op.bias);
    arguments.finish()?;
    for (channels, which) in [(inputs, "input"), (outputs, "output")] {
        if channels % groups != 0 {
            let message = format!("`groups` {groups} does not divide the {channels} {which} channels");
            return Err(arguments.blame("groups", message));
        }
    }
    let mut parameters = vec![ParameterSpec::new("weight", [outputs, inputs / groups, kernel[0], kernel[1]])];
    if op.bias {
        parameters.push(ParameterSpec::new("bias", [outputs]));
    }
    Ok(Construction { op: op.into(), parameters })
}

#[cfg(test)]
mod tests;
