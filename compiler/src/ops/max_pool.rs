//! Maximum pooling: `y[n, c, i, j]` is the largest pixel of channel `c` under the window at row `i`, column `j`.
//! Padding holds no pixels. N C H W to N C H′ W′, with H′ and W′ from [`Window::count`].
//!
//! Ranzato, Huang, Boureau and LeCun, "Unsupervised Learning of Invariant Feature Hierarchies", CVPR 2007, section 2.

use convoke_runtime::Tensor;
use convoke_runtime::kernels::PoolKind;

use super::add::Add;
use super::arg_max::ArgMax;
use super::arguments::PAIR;
use super::concat::Concat;
use super::export::{Exported, Exporter};
use super::{
    Adjoint, Arguments, Attributes, Call, CallError, Case, Construction, Derived, Operator, TypeError, Window, image,
    pool,
};
use super::gather::Gather;
use super::max_pool_gradient::MaxPoolGradient;
use super::pad::{self, Pad};
use super::reshape;
use super::slice::Slice;
use crate::TensorType;
use crate::lower::pooling::{self, Pooling};
use crate::lower::{Algorithm, Schedule};
use crate::onnx::{Constant, Item, Node, Rule, Unsupported};

/// The maximum under each window. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPool {
    /// Taps of a window.
    pub kernel: [usize; 2],
    /// Pixels between windows; the kernel's unless given.
    pub stride: [usize; 2],
    /// Pixels around the image, top, left, bottom, right; 0 unless given.
    pub padding: [usize; 4],
    /// Pixels between taps; 1 unless given.
    pub dilation: [usize; 2],
    /// Whether a last window may reach beyond the padding; see [`Window::ceil`].
    pub ceil_mode: bool,
}

impl MaxPool {
    /// Its window.
    #[must_use]
    pub fn window(&self) -> Window {
        let Self { kernel, stride, padding, dilation, ceil_mode } = *self;
        Window { kernel, stride, dilation, padding, ceil: ceil_mode }
    }

    fn read_window(arguments: &mut Arguments, size: Option<[usize; 2]>) -> Result<Self, CallError> {
        let mut window = pool::read(arguments)?;
        window.dilation = arguments.read("dilation", &PAIR)?.unwrap_or([1, 1]);
        let window = window.read_padding(arguments, size)?;
        Ok(window.into())
    }
}

impl From<Window> for MaxPool {
    fn from(Window { kernel, stride, dilation, padding, ceil }: Window) -> Self {
        Self { kernel, stride, padding, dilation, ceil_mode: ceil }
    }
}

impl Operator for MaxPool {
    const NAME: &'static str = "max_pool";

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("kernel", self.kernel)
            .with("stride", self.stride)
            .with("padding", self.padding)
            .with_unless("dilation", self.dilation, [1, 1])
            .with_unless("ceil_mode", self.ceil_mode, false)
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
        pool::evaluate(operands[0], self.window(), |pixels, _| {
            pixels.iter().copied().fold(f32::NEG_INFINITY, f32::max).into()
        })
    }

    /// `x̄` by [`MaxPoolGradient`]: ȳ where the maximum was.
    fn derive(&self, a: &mut Adjoint<'_, '_>) -> Derived {
        let (y, x) = (a.cotangent()?, a.operand(0));
        a.give(0, |a| a.op(MaxPoolGradient { pool: *self }, &[x, y]))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "MaxPool", import }];

    fn export(&self, e: &mut Exporter<'_>) -> Exported {
        let own = [self.window().onnx_ceil(pool::pixels(e))?, ("dilations", self.dilation.into())];
        let [top, left, bottom, right] = self.padding;
        if top.max(bottom) < self.kernel[0] && left.max(right) < self.kernel[1] {
            return e.whole("MaxPool", &[&self.window().onnx()[..], &own].concat());
        }
        // ONNX Runtime takes no padding as wide as the kernel, dilated or not.
        let pads = [0, 0, top, left, 0, 0, bottom, right].map(|pad| pad as i64);
        let operands = vec![e.operand(0), e.indices("pads", &pads), e.number("nothing", f32::NEG_INFINITY)];
        let padded = e.node("Pad", operands, &[]);
        let window = Window { padding: [0; 4], ..self.window() };
        Ok(vec![e.node("MaxPool", vec![padded], &[&window.onnx()[..], &own].concat())])
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = &[ROWS, PLANES];

    fn cases() -> Vec<Case> {
        let mut windows = pool::windows();
        let dilated = |dilation, padding, ceil| Window { kernel: [3, 2], stride: [1, 2], dilation, padding, ceil };
        windows.push(([1, 17, 9, 9], dilated([2, 2], [0; 4], false)));
        windows.push(([1, 16, 7, 11], dilated([3, 4], [3, 2, 1, 4], false)));
        windows.push(([2, 8, 7, 7], dilated([1, 3], [0; 4], true)));
        let case = |(shape, window): ([usize; 4], Window)| {
            let op = Self::from(window);
            Case::new(format!("{} on {shape:?}", op.attributes()), op).input(shape).tolerance(0.0)
        };
        windows.into_iter().map(case).collect()
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let columns_first = node.flag("storage_order")?;
    let x = image::operand(node, 0)?;
    let window = image::pooling(node, &x)?;
    let y = node.apply(MaxPool::from(window), std::slice::from_ref(&x))?;
    let mut results = vec![image::result(node, y)?];
    if node.results() > 1 {
        let places = places(node, x, window, columns_first)?;
        results.push(image::result(node, places)?);
    }
    Ok(results)
}

/// Where the maxima are, counted through the whole of X, or with the pixels of each column in a row: the first largest of
/// the images that each tap sees, and from there on arithmetic.
fn places(node: &mut Node<'_, '_>, x: Item, window: Window, columns_first: bool) -> Result<Item, Unsupported> {
    let shape = node.ty(&x).shape;
    let &[n, c, h, w] = &shape[..] else { return Err(Unsupported::new(format!("operand 0 is {shape:?}"))) };
    let Window { kernel, stride, dilation, padding, .. } = window;
    let [down, across] = window.count([h, w]).map_err(|error| Unsupported::new(error.to_string()))?;
    let mut after = [0; 2];
    for (axis, (count, extent)) in [(down, h), (across, w)].into_iter().enumerate() {
        let reach = (count - 1) * stride[axis] + dilation[axis] * (kernel[axis] - 1) + 1;
        after[axis] = reach.saturating_sub(padding[axis] + extent) as i64;
    }
    let before = vec![0, 0, padding[0] as i64, padding[1] as i64];
    let pad = Pad { before, after: vec![0, 0, after[0], after[1]], mode: pad::Mode::Constant, value: f32::NEG_INFINITY };
    let x = node.apply(pad, &[x])?;
    let mut seen = Vec::with_capacity(kernel[0] * kernel[1]);
    for tap in (0..kernel[0]).flat_map(|i| (0..kernel[1]).map(move |j| [i, j])) {
        let starts = [0, 1].map(|axis| tap[axis] * dilation[axis]);
        let ends = [(0, down), (1, across)].map(|(axis, count)| starts[axis] + (count - 1) * stride[axis] + 1);
        let [starts, ends, steps] = [starts, ends, stride].map(|sizes| sizes.map(|size| size as i64).to_vec());
        let slice = node.apply(Slice { axes: vec![2, 3], starts, ends, steps }, std::slice::from_ref(&x))?;
        seen.push(reshape::to(node, slice, &[n, c, 1, down * across])?);
    }
    let seen = node.apply(Concat { axis: 2 }, &seen)?;
    let tap = node.apply(ArgMax { axis: 2, keepdims: false, smallest: false, last: false }, &[seen])?;
    let tap = reshape::to(node, tap, &[n, c, down, across])?;
    let pixels = if columns_first { [1, h] } else { [w, 1] };
    let whole = |place: [usize; 2]| place[0] * pixels[0] + place[1] * pixels[1];
    let of_tap: Vec<i64> = (0..kernel[0] * kernel[1])
        .map(|tap| whole([tap / kernel[1] * dilation[0], tap % kernel[1] * dilation[1]]) as i64)
        .collect();
    let moved = node.apply(Gather { axis: 0 }, &[Constant::ints(&of_tap).into(), tap])?;
    let corner = whole([padding[0], padding[1]]) as i64;
    let of_window = (0..down * across).map(|flat| whole([flat / across * stride[0], flat % across * stride[1]]) as i64);
    let of_window = Constant::ints(&of_window.map(|place| place - corner).collect::<Vec<_>>());
    let of_window = reshape::to(node, of_window.into(), &[down, across])?;
    let of_plane = Constant::ints(&(0..n * c).map(|plane| (plane * h * w) as i64).collect::<Vec<_>>());
    let of_plane = reshape::to(node, of_plane.into(), &[n, c, 1, 1])?;
    let places = node.apply(Add::default(), &[moved, of_window])?;
    node.apply(Add::default(), &[places, of_plane])
}

impl MaxPool {
    fn pooling(&self) -> Pooling {
        let Self { kernel, stride, padding, dilation, .. } = *self;
        Pooling { kind: PoolKind::Max, kernel, stride, dilation, padding }
    }
}

/// Rows of planar tensors.
const ROWS: Algorithm<MaxPool> = Algorithm {
    name: "rows",
    choose: |op, site| pooling::choose_rows(&op.pooling(), site),
    schedule: |_, work| Schedule::of_elements(work.storage(0).len()),
    emit: |op, _, _, e| op.pooling().emit_rows(e),
};

/// Each plane of a block of channels at once.
const PLANES: Algorithm<MaxPool> = Algorithm {
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

    const PLAIN: MaxPool =
        MaxPool { kernel: [3, 3], stride: [2, 2], padding: [1; 4], dilation: [1, 1], ceil_mode: false };

    #[test]
    fn shapes() {
        let huge = usize::MAX;
        let table: [(MaxPool, &[usize], &str); 9] = [
            (PLAIN, &[1, 64, 112, 112], "f32[1, 64, 56, 56]"),
            (MaxPool { padding: [0; 4], ..PLAIN }, &[1, 64, 112, 112], "f32[1, 64, 55, 55]"),
            (MaxPool { padding: [0; 4], ceil_mode: true, ..PLAIN }, &[1, 64, 112, 112], "f32[1, 64, 56, 56]"),
            (MaxPool { dilation: [2, 1], ..PLAIN }, &[1, 1, 5, 5], "f32[1, 1, 2, 3]"),
            (MaxPool { kernel: [9, 9], ..PLAIN }, &[1, 1, 6, 7], "operand 0 expects a height of at least 9, padding included, gets 8"),
            (MaxPool { padding: [0, 0, 0, 3], ..PLAIN }, &[1, 1, 6, 7], "expects padding below the window's width of 3, gets 3"),
            (MaxPool { stride: [0, 1], ..PLAIN }, &[1, 1, 6, 7], "expects a stride of at least 1, gets 0"),
            (MaxPool { kernel: [huge, 1], ..PLAIN }, &[1, 1, 6, 7], "expects a window and padding within the range of addresses, gets kernel 18446744073709551615, dilation 1, padding 1 and 1"),
            (PLAIN, &[1, 0, 6, 7], "operand 0 expects dimensions of at least 1, gets f32[1, 0, 6, 7]"),
        ];
        for (op, shape, expected) in table {
            assert_eq!(inferred(op, &[shape]), expected, "{op:?}");
        }
    }

    #[test]
    fn padding_holds_no_pixels() {
        let x: &[f32] = &[-1.0, -2.0, -3.0, -4.0, -5.0, -6.0, -7.0, -8.0, -9.0];
        assert_eq!(evaluated(PLAIN, &[(&[1, 1, 3, 3], x)]), [-1.0, -2.0, -4.0, -5.0]);
        let dilated = MaxPool { kernel: [2, 2], stride: [1, 1], padding: [0; 4], dilation: [2, 2], ceil_mode: false };
        assert_eq!(evaluated(dilated, &[(&[1, 1, 3, 3], x)]), [-1.0]);
    }

    #[test]
    fn calls() {
        let x: &[usize] = &[1, 3, 8, 7];
        type Row<'a> = (&'a [Attribute], &'a [(&'a str, Attribute)], &'a str);
        let table: [Row<'_>; 4] = [
            (&[2_i64.into()], &[], "max_pool {kernel = [2, 2], stride = [2, 2], padding = [0, 0, 0, 0]}"),
            (
                &[3_i64.into()],
                &[("stride", 2_i64.into()), ("padding", "same".into()), ("ceil_mode", true.into())],
                "max_pool {kernel = [3, 3], stride = [2, 2], padding = [0, 1, 1, 1], ceil_mode = true}",
            ),
            (
                &[3_i64.into()],
                &[("padding", [1_usize, 2].into()), ("dilation", 2_i64.into())],
                "max_pool {kernel = [3, 3], stride = [3, 3], padding = [1, 2, 1, 2], dilation = [2, 2]}",
            ),
            (
                &[3_i64.into()],
                &[("padding", "valid".into())],
                "padding: `padding` expects a whole number, [height, width], [top, left, bottom, right], or \"same\", found valid",
            ),
        ];
        for (positional, named, expected) in table {
            assert_eq!(called("max_pool", &[x], positional, named), expected);
        }
        assert_eq!(called("max_pool", &[&[3]], &[2_i64.into()], &[]), "tensor 0: expects 4 dimensions (N C H W), gets 1");
        assert_eq!(called("max_pool", &[], &[2_i64.into()], &[]), "call: expects 1 operand, gets 0");
    }
}
