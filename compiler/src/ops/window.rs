//! Windows that slide over images: the arithmetic that convolutions and poolings share.

use super::{Arguments, Attribute, CallError, TypeError, arguments};
use crate::lower::Halo;

/// Windows that slide over rows and columns. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps of one window.
    pub kernel: [usize; 2],
    /// Pixels from one window to the next.
    pub stride: [usize; 2],
    /// Pixels from one tap to the next.
    pub dilation: [usize; 2],
    /// Pixels added around the image: top, left, bottom, right.
    pub padding: [usize; 4],
    /// Whether a last window may reach beyond the padding, if it begins before the bottom or right padding does
    /// (PyTorch's and ONNX's `ceil_mode`).
    pub ceil: bool,
}

const NAMES: [&str; 2] = ["height", "width"];

impl Window {
    /// The number of windows down and across an image of `size` [height, width].
    ///
    /// # Errors
    /// Where an attribute is 0, or the image with its padding (operand 0) is smaller than one window.
    pub fn count(&self, size: [usize; 2]) -> Result<[usize; 2], TypeError> {
        Ok([self.count_along(0, size[0])?, self.count_along(1, size[1])?])
    }

    /// `⌊(len + before + after − extent) / stride⌋ + 1`, of one axis.
    fn count_along(&self, axis: usize, len: usize) -> Result<usize, TypeError> {
        let (kernel, stride, dilation) = (self.kernel[axis], self.stride[axis], self.dilation[axis]);
        for (value, what) in [(kernel, "kernel"), (stride, "stride"), (dilation, "dilation")] {
            if value == 0 {
                return Err(TypeError::whole(format!("a {what} of at least 1"), 0));
            }
        }
        let (before, after) = (self.padding[axis], self.padding[axis + 2]);
        let lengths = self.extent_along(axis).zip(len.checked_add(before).and_then(|sum| sum.checked_add(after)));
        let Some((extent, padded)) = lengths.filter(|(extent, padded)| extent.checked_add(*padded).is_some()) else {
            let found = format!("kernel {kernel}, dilation {dilation}, padding {before} and {after}");
            return Err(TypeError::whole("a window and padding within the range of addresses", found));
        };
        let Some(slack) = padded.checked_sub(extent) else {
            // The only window begins at the image's padding, so it is one that `ceil` allows.
            if self.ceil && extent - padded < stride {
                return Ok(1);
            }
            let name = NAMES[axis];
            return Err(TypeError::operand(0, format!("a {name} of at least {extent}, padding included"), padded));
        };
        let whole = slack / stride + 1;
        let begins = whole.checked_mul(stride).is_some_and(|start| start < len + before);
        Ok(if self.ceil && slack % stride != 0 && begins { whole + 1 } else { whole })
    }

    /// Every window holds at least one pixel of an image of `size`, so that a maximum or a mean exists.
    ///
    /// # Errors
    /// Where padding is as wide as a window, or the image is so small that it falls between the taps.
    pub fn meets_image(&self, size: [usize; 2]) -> Result<(), TypeError> {
        for axis in 0..2 {
            let (before, after) = (self.padding[axis], self.padding[axis + 2]);
            let dilation = self.dilation[axis];
            let extent = self.extent_along(axis).unwrap_or(usize::MAX);
            if before.max(after) >= extent {
                let expected = format!("padding below the window's {} of {extent}", NAMES[axis]);
                return Err(TypeError::whole(expected, before.max(after)));
            }
            if before > 0 && size[axis] < dilation {
                let expected = format!("a {} of at least {dilation}, the padded window's dilation", NAMES[axis]);
                return Err(TypeError::operand(0, expected, size[axis]));
            }
        }
        Ok(())
    }

    /// Pixels from the first tap to one past the last, along one axis.
    fn extent_along(&self, axis: usize) -> Option<usize> {
        self.kernel[axis].checked_sub(1)?.checked_mul(self.dilation[axis])?.checked_add(1)
    }

    /// Pixels from the padding's beginning to one past the last tap of `count` windows, along one axis; of a window and
    /// a count that [`count`](Self::count) accepts.
    pub(super) fn reach(&self, axis: usize, count: usize) -> usize {
        (count - 1) * self.stride[axis] + (self.kernel[axis] - 1) * self.dilation[axis] + 1
    }

    /// The rows and columns around an image of `size` that `count` windows down and across read.
    pub(super) fn halo(&self, size: [usize; 2], count: [usize; 2]) -> Halo {
        let [top, left, _, _] = self.padding;
        let beyond = |axis: usize, before: usize| self.reach(axis, count[axis]).saturating_sub(before + size[axis]);
        Halo { top, left, bottom: beyond(0, top), right: beyond(1, left) }
    }

    /// TensorFlow's "SAME" padding: the least that makes `⌈size / stride⌉` windows, its odd pixel at the bottom and
    /// the right.
    #[must_use]
    pub fn same(&self, size: [usize; 2]) -> [usize; 4] {
        let mut padding = [0; 4];
        for axis in 0..2 {
            let stride = self.stride[axis].max(1);
            let last = (size[axis].max(1) - 1) / stride * stride;
            let end = last.saturating_add(self.extent_along(axis).unwrap_or(usize::MAX));
            let total = end.saturating_sub(size[axis]);
            padding[axis] = total / 2;
            padding[axis + 2] = total - total / 2;
        }
        padding
    }

    /// What ONNX's convolutions and poolings call its kernel, stride and padding.
    pub(super) fn onnx(&self) -> [(&'static str, Attribute); 3] {
        let Self { kernel, stride, padding, .. } = *self;
        [("kernel_shape", kernel.into()), ("strides", stride.into()), ("pads", padding.into())]
    }

    /// What ONNX's poolings call `ceil`, over an image of `size`. Its windows may also begin in the padding behind the
    /// image (before version 22 of its operators), which ours never do.
    ///
    /// # Errors
    /// Where one axis has such a window and the other counts on `ceil`.
    pub(super) fn onnx_ceil(&self, size: [usize; 2]) -> Result<(&'static str, Attribute), String> {
        let floor = Self { ceil: false, ..*self };
        let gains = [0, 1].map(|axis| self.count_along(axis, size[axis]) != floor.count_along(axis, size[axis]));
        let beyond = |axis: usize| {
            let padded = size[axis] + self.padding[axis] + self.padding[axis + 2];
            let slack = padded.saturating_sub(self.extent_along(axis).unwrap_or(padded));
            !gains[axis] && !slack.is_multiple_of(self.stride[axis])
        };
        let ceil = self.ceil && gains.contains(&true);
        if ceil && (beyond(0) || beyond(1)) {
            return Err("its `ceil_mode` would add windows that lie in the padding".to_owned());
        }
        Ok(("ceil_mode", ceil.into()))
    }

    /// This window with the constant `padding`, 0 by default; `size` is the image's, where `"same"` may be said.
    pub(super) fn read_padding(
        mut self,
        arguments: &mut Arguments,
        size: Option<[usize; 2]>,
    ) -> Result<Self, CallError> {
        self.padding = match size {
            None => arguments.read("padding", &arguments::EDGES)?.unwrap_or_default(),
            Some(size) => match arguments.read("padding", &arguments::PADDING)? {
                None => [0; 4],
                Some(Some(edges)) => edges,
                Some(None) => self.same(size),
            },
        };
        Ok(self)
    }

    /// The taps of window `index` along one axis that lie on an image of length `len`: the tap and its pixel.
    pub(crate) fn taps(&self, axis: usize, index: usize, len: usize) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (stride, dilation, before) = (self.stride[axis], self.dilation[axis], self.padding[axis]);
        (0..self.kernel[axis]).filter_map(move |tap| {
            let pixel = (index * stride + tap * dilation).checked_sub(before)?;
            (pixel < len).then_some((tap, pixel))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(kernel: usize, stride: usize, dilation: usize, [before, after]: [usize; 2], ceil: bool) -> Window {
        Window {
            kernel: [1, kernel],
            stride: [1, stride],
            dilation: [1, dilation],
            padding: [0, before, 0, after],
            ceil,
        }
    }

    /// PyTorch's formula, `pooling_output_shape_pad_lr` of aten/src/ATen/native/Pool.h.
    fn pytorch(len: i64, kernel: i64, stride: i64, dilation: i64, before: i64, after: i64, ceil: bool) -> i64 {
        let rounding = if ceil { stride - 1 } else { 0 };
        let count = (len + before + after - dilation * (kernel - 1) - 1 + rounding).div_euclid(stride) + 1;
        if ceil && (count - 1) * stride >= len + before { count - 1 } else { count }
    }

    #[test]
    fn counts_as_pytorch_does() {
        for bits in 0..9 * 4 * 4 * 3 * 3 * 3 * 2_usize {
            let (len, bits) = (bits % 9 + 1, bits / 9);
            let (kernel, bits) = (bits % 4 + 1, bits / 4);
            let (stride, bits) = (bits % 4 + 1, bits / 4);
            let (dilation, bits) = (bits % 3 + 1, bits / 3);
            let (before, bits) = (bits % 3, bits / 3);
            let (after, ceil) = (bits % 3, bits / 3 == 1);
            if after > dilation * (kernel - 1) {
                // PyTorch refuses that much padding, and its formula then takes off one window of several.
                continue;
            }
            let count = window(kernel, stride, dilation, [before, after], ceil).count([1, len]);
            let signed = [len, kernel, stride, dilation, before, after].map(|value| value as i64);
            let [len, kernel, stride, dilation, before, after] = signed;
            let expected = pytorch(len, kernel, stride, dilation, before, after, ceil);
            match count {
                Ok([1, count]) => assert_eq!(count as i64, expected),
                Ok(other) => panic!("{other:?}"),
                Err(error) => assert!(expected < 1, "{error}, but there are {expected}"),
            }
        }
    }

    #[test]
    fn same_is_tensorflows() {
        let table = [
            (224, 3, 2, 1, [0, 1], 112),
            (224, 7, 2, 1, [2, 3], 112),
            (7, 3, 2, 1, [1, 1], 4),
            (7, 3, 1, 1, [1, 1], 7),
            (7, 1, 2, 1, [0, 0], 4),
            (8, 2, 1, 1, [0, 1], 8),
            (8, 3, 1, 2, [2, 2], 8),
        ];
        for (len, kernel, stride, dilation, expected, count) in table {
            let window = window(kernel, stride, dilation, [0, 0], false);
            let [_, before, _, after] = window.same([1, len]);
            assert_eq!([before, after], expected, "kernel {kernel}, stride {stride}, on {len}");
            assert_eq!(Window { padding: [0, before, 0, after], ..window }.count([1, len]), Ok([1, count]));
        }
    }

    #[test]
    fn hostile_numbers_are_refused() {
        let huge = usize::MAX;
        for window in [
            window(huge, 1, 1, [0, 0], false),
            window(2, 1, huge, [0, 0], false),
            window(3, 1, huge, [0, 0], true),
            window(3, 1, 1, [huge, huge], true),
            window(1, 1, 1, [huge - 7, 0], true),
            window(0, 1, 1, [0, 0], false),
            window(1, 0, 1, [0, 0], false),
            window(1, 1, 0, [0, 0], false),
        ] {
            assert!(window.count([1, 7]).is_err(), "{window:?}");
            let _ = window.meets_image([1, 7]);
            let _ = window.same([1, 7]);
        }
        assert_eq!(window(3, huge, 1, [0, 0], true).count([1, 7]), Ok([1, 1]));
    }

    #[test]
    fn windows_that_miss_the_image() {
        let missing = |window: Window, len| window.meets_image([1, len]).map_err(|error| error.to_string());
        assert_eq!(missing(window(3, 1, 1, [2, 2], false), 1), Ok(()));
        assert_eq!(
            missing(window(3, 1, 1, [1, 3], false), 8),
            Err("expects padding below the window's width of 3, gets 3".to_owned())
        );
        assert_eq!(
            missing(window(2, 1, 2, [1, 1], false), 1),
            Err("expects a width of at least 2, the padded window's dilation, gets 1".to_owned())
        );
    }

    /// `meets_image` is sufficient: no window it accepts is empty.
    #[test]
    fn windows_that_meet_the_image() {
        for bits in 0..6 * 4 * 3 * 3 * 4 * 4 * 2_usize {
            let (len, bits) = (bits % 6 + 1, bits / 6);
            let (kernel, bits) = (bits % 4 + 1, bits / 4);
            let (stride, bits) = (bits % 3 + 1, bits / 3);
            let (dilation, bits) = (bits % 3 + 1, bits / 3);
            let (before, bits) = (bits % 4, bits / 4);
            let (after, ceil) = (bits % 4, bits / 4 == 1);
            let window = window(kernel, stride, dilation, [before, after], ceil);
            let (Ok([_, count]), Ok(())) = (window.count([1, len]), window.meets_image([1, len])) else { continue };
            for index in 0..count {
                assert!(window.taps(1, index, len).next().is_some(), "{window:?} on {len}");
            }
        }
    }
}
