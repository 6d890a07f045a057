//! Maximum pooling: `y[n, c, i, j]` is the largest pixel of channel `c` under the window at row `i`, column `j`.
//! Padding holds no pixels. N C H W to N C H′ W′, with H′ and W′ from [`Window::count`].
//!
//! Ranzato, Huang, Boureau and LeCun, "Unsupervised Learning of Invariant Feature Hierarchies", CVPR 2007, section 2.

use convoke_runtime::Tensor;

use super::arguments::PAIR;
use super::{
    Arguments, Attributes, Call, CallError, Case, Construction, Operator, TypeError, Window, pool,
};
use crate::TensorType;

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
