//! Average pooling: `y[n, c, i, j]` is the mean of channel `c` under the window at row `i`, column `j`. N C H W to
//! N C H′ W′, with H′ and W′ from [`Window::count`].
//!
//! LeCun, Bottou, Bengio and Haffner, "Gradient-Based Learning Applied to Document Recognition", Proc. IEEE 1998,
//! section II.B (there followed by a scale and an offset).

use convoke_runtime::Tensor;
use convoke_runtime::kernels::PoolKind;

use super::arguments::FLAG;
use super::binary::{Binary, Function};
use super::export::{Exported, Exporter};
use super::conv_transpose::ConvTranspose;
use super::mul::Mul;
use super::unary::{self, Unary};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, Window, image,
    pool,
};
use crate::TensorType;
use crate::lower::pooling::{self, Pooling};
use crate::lower::{Algorithm, Schedule};
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};

/// The mean under each window. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AvgPool {
    /// Taps of a window.
    pub kernel: [usize; 2],
    /// Pixels between windows; the kernel's unless given.
    pub stride: [usize; 2],
    /// Pixels around the image, top, left, bottom, right; 0 unless given.
    pub padding: [usize; 4],
    /// Whether a last window may reach beyond the padding; see [`Window::ceil`].
    pub ceil_mode: bool,
    /// Whether padding counts as zeros, or not at all; true unless given, as PyTorch's (ONNX's is false). What a
    /// window covers beyond the padding never counts.
    pub count_include_pad: bool,
}

impl AvgPool {
    /// Its window.
    #[must_use]
    pub fn window(&self) -> Window {
        let Self { kernel, stride, padding, ceil_mode, .. } = *self;
        Window { kernel, stride, dilation: [1, 1], padding, ceil: ceil_mode }
    }

    /// What the sum under the window at `place` of an image of `size` is divided by; `pixels` of it lie on the image.
    fn count(&self, pixels: usize, place: [usize; 2], size: [usize; 2]) -> usize {
        let along = |axis: usize| {
            let start = place[axis] * self.stride[axis];
            let end = size[axis] + self.padding[axis] + self.padding[axis + 2];
            (start + self.kernel[axis]).min(end) - start
        };
        if self.count_include_pad { along(0) * along(1) } else { pixels }
    }

    fn new(Window { kernel, stride, padding, ceil, .. }: Window, count_include_pad: bool) -> Self {
        Self { kernel, stride, padding, ceil_mode: ceil, count_include_pad }
    }

    fn read_window(arguments: &mut Arguments, size: Option<[usize; 2]>) -> Result<Self, CallError> {
        let window = pool::read(arguments)?.read_padding(arguments, size)?;
        Ok(Self::new(window, arguments.read("count_include_pad", &FLAG)?.unwrap_or(true)))
    }
}

impl Operator for AvgPool {
    const NAME: &'static str = "avg_pool";

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("kernel", self.kernel)
            .with("stride", self.stride)
            .with("padding", self.padding)
            .with_unless("ceil_mode", self.ceil_mode, false)
            .with_unless("count_include_pad", self.count_include_pad, true)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Self::read_window(arguments, None)
    }

    fn call(call: &mut Call<'_>) -> Result<Construction, CallError> {
        let mut arguments = call.arguments(&["kernel"])?;
        let op = Self::read_window(&mut arguments, Some(pool::size(call)?))?;
        arguments.finish()?;
        Ok(op.into())
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        pool::infer(operands, self.window())
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let size = [operands[0].shape()[2], operands[0].shape()[3]];
        pool::evaluate(operands[0], self.window(), |pixels, place| {
            let sum: f64 = pixels.iter().map(|&pixel| f64::from(pixel)).sum();
            sum / self.count(pixels.len(), place, size) as f64
        })
    }

    /// A mean is a depthwise convolution with weights `1 / count`: `x̄` is the transposed one of `ȳ / count` with ones.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, x) = (a.cotangent()?, a.operand(0));
        let sizes = [x, y].map(|value| [2, 3].map(|dim| a.shape(value)[dim]));
        let [[height, width], [rows, columns]] = sizes;
        let counted = Tensor::from_vec(&[1, 1, height, width], vec![1.0; height * width]).expect("an image of ones");
        let sums = pool::evaluate(&counted, self.window(), |pixels, place| {
            1.0 / self.count(pixels.len(), place, [height, width]) as f64
        });
        let channels = a.shape(x)[1];
        a.give(0, |a| {
            let shares = a.constant(&[1, 1, rows, columns], sums[0].data());
            let shares = a.mul(y, shares)?;
            let ones = a.constant(&[channels, 1, self.kernel[0], self.kernel[1]], &[1.0]);
            a.op(ConvTranspose::adjoint(&self.window(), channels, sizes), &[shares, ones])
        })
    }

    const ONNX: &'static [Rule] = &[
        Rule { operator: "AveragePool", import },
        Rule { operator: "LpPool", import: import_lp },
    ];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        let ceil = self.window().onnx_ceil(pool::pixels(e))?;
        let own = [ceil, ("count_include_pad", self.count_include_pad.into())];
        e.whole("AveragePool", &[&self.window().onnx()[..], &own].concat())
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ROWS, PLANES];

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for (shape, window) in pool::windows() {
            for count_include_pad in [true, false] {
                let op = Self::new(window, count_include_pad);
                cases.push(Case::new(format!("{} on {shape:?}", op.attributes()), op).input(shape));
            }
        }
        cases
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let count_include_pad = node.flag("count_include_pad")?;
    let x = image::operand(node, 0)?;
    let Window { kernel, stride, padding, dilation, ceil: ceil_mode } = image::pooling(node, &x)?;
    if dilation != [1, 1] {
        return Err(Unsupported::new(format!("attribute `dilations` is {dilation:?}, only 1 is supported")));
    }
    let y = node.apply(AvgPool { kernel, stride, padding, ceil_mode, count_include_pad }, &[x])?;
    Ok(vec![image::result(node, y)?])
}

/// `(Σ |x|ᵖ)^(1/p)` under each window: the mean of powers, times the number of taps.
fn import_lp(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let p = node.int("p")?.unwrap_or(2) as f32;
    let x = image::operand(node, 0)?;
    let Window { kernel, stride, padding, dilation, ceil } = image::pooling(node, &x)?;
    if dilation != [1, 1] || ceil {
        return Err(Unsupported::new("only `dilations` 1 and `ceil_mode` 0 are supported"));
    }
    let pow = |node: &mut Node<'_, '_>, x: Item, power: f32| {
        node.apply(Binary { function: Function::Pow }, &[x, Constant::scalar(power).into()])
    };
    let x = node.apply(Unary::new(unary::Function::Abs), &[x])?;
    let powers = pow(node, x, p)?;
    let mean = AvgPool { kernel, stride, padding, ceil_mode: false, count_include_pad: true };
    let mean = node.apply(mean, &[powers])?;
    let taps = (kernel[0] * kernel[1]) as f32;
    let sum = node.apply(Mul::default(), &[mean, Constant::scalar(taps).into()])?;
    let y = pow(node, sum, p.recip())?;
    Ok(vec![image::result(node, y)?])
}

impl AvgPool {
    fn pooling(&self) -> Pooling {
        let kind = if self.count_include_pad { PoolKind::AverageIncludePad } else { PoolKind::Average };
        let Self { kernel, stride, padding, .. } = *self;
        Pooling { kind, kernel, stride, dilation: [1, 1], padding }
    }
}

/// Rows of planar tensors.
const ROWS: Algorithm<AvgPool> = Algorithm {
    name: "rows",
    choose: |op, site| pooling::choose_rows(&op.pooling(), site),
    schedule: |_, work| Schedule::of_elements(work.storage(0).len()),
    emit: |op, _, _, e| op.pooling().emit_rows(e),
};

/// Each plane of a block of channels at once.
const PLANES: Algorithm<AvgPool> = Algorithm {
    name: "planes",
    choose: |_, _| Ok(pooling::choice()),
    schedule: |_, work| Schedule::of_elements(work.storage(0).len()),
    emit: |op, _, _, e| op.pooling().emit(e),
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::Attribute;
    use crate::ops::testing::{called, evaluated, inferred};

    fn pool(kernel: usize, stride: usize, padding: [usize; 4], ceil_mode: bool, count_include_pad: bool) -> AvgPool {
        AvgPool { kernel: [kernel; 2], stride: [stride; 2], padding, ceil_mode, count_include_pad }
    }

    #[test]
    fn shapes() {
        let table: [(AvgPool, &[usize], &str); 5] = [
            (pool(2, 2, [0; 4], false, true), &[1, 6, 28, 28], "f32[1, 6, 14, 14]"),
            (pool(2, 2, [0; 4], true, true), &[1, 6, 7, 7], "f32[1, 6, 4, 4]"),
            (pool(7, 7, [0; 4], false, true), &[1, 6, 7, 5], "operand 0 expects a width of at least 7, padding included, gets 5"),
            (pool(2, 2, [2; 4], false, true), &[1, 6, 7, 7], "expects padding below the window's height of 2, gets 2"),
            (pool(2, 2, [0; 4], false, true), &[6, 7], "operand 0 expects 4 dimensions (N C H W), gets 2"),
        ];
        for (op, shape, expected) in table {
            assert_eq!(inferred(op, &[shape]), expected, "{op:?}");
        }
    }

    /// As PyTorch's `avg_pool2d` counts: the window, cut to the padded image, or to the image.
    #[test]
    fn what_a_window_counts() {
        let x: &[f32] = &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0];
        let table: [(AvgPool, &[f32]); 4] = [
            (pool(2, 2, [0; 4], false, true), &[3.0]),
            // What lies beyond the padding does not count.
            (pool(2, 2, [0; 4], true, true), &[3.0, 4.5, 7.5, 9.0]),
            (pool(2, 2, [1, 1, 1, 1], false, true), &[0.25, 1.25, 2.75, 7.0]),
            (pool(2, 2, [1, 1, 1, 1], false, false), &[1.0, 2.5, 5.5, 7.0]),
        ];
        for (op, expected) in table {
            assert_eq!(evaluated(op, &[(&[1, 1, 3, 3], x)]), expected, "{op:?}");
        }
    }

    #[test]
    fn calls() {
        let x: &[usize] = &[1, 3, 7, 7];
        type Row<'a> = (&'a [Attribute], &'a [(&'a str, Attribute)], &'a str);
        let table: [Row<'_>; 4] = [
            (&[2_i64.into()], &[], "avg_pool {kernel = [2, 2], stride = [2, 2], padding = [0, 0, 0, 0]}"),
            (
                &[],
                &[("kernel", 3_i64.into()), ("stride", 2_i64.into()), ("padding", "same".into())],
                "avg_pool {kernel = [3, 3], stride = [2, 2], padding = [1, 1, 1, 1]}",
            ),
            (
                &[],
                &[("kernel", 3_i64.into()), ("dilation", 2_i64.into())],
                "dilation: `dilation` is unknown; known are `kernel`, `stride`, `ceil_mode`, `padding`, `count_include_pad`",
            ),
            (&[], &[], "call: `kernel` is missing: a whole number of at least 1, or [height, width]"),
        ];
        for (positional, named, expected) in table {
            assert_eq!(called("avg_pool", &[x], positional, named), expected);
        }
    }
}
