//! Sampling an image at places that are computed, `y[n, c, i, j] = x[n, c] at grid[n, i, j]`: ONNX's `GridSample` of
//! images, PyTorch's `grid_sample`.
//!
//! Jaderberg, Simonyan, Zisserman and Kavukcuoglu, "Spatial Transformer Networks", arXiv:1506.02025, section 3.3.

mod lower;

use convoke_runtime::Tensor;

use super::arguments::{FLAG, Reader};
use super::{
    Adjoint, Arguments, Attribute, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, check,
};
use crate::TensorType;
use crate::lower::Algorithm;
use crate::onnx::{Item, Node, Rule, Unsupported};

/// Operands X of shape N C H W and the grid, N H′ W′ 2, which holds columns and rows from −1 to 1. The result has the
/// shape N C H′ W′.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GridSample {
    /// How pixels are mixed.
    pub mode: Mode,
    /// What stands beyond the image.
    pub padding: Padding,
    /// Whether −1 and 1 are the middles of the outer pixels, or the image's edges; false unless given.
    pub align_corners: bool,
}

/// How pixels are mixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// The nearest, the even one of two.
    Nearest,
    /// The four around, linear in both directions.
    Linear,
    /// The sixteen around, by Keys' cubic with the coefficient −¾.
    Cubic,
}

/// What stands beyond the image.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Padding {
    /// Zeros.
    Zeros,
    /// The nearest pixel.
    Border,
    /// The image, mirrored at its edges, or at the middles of its outer pixels where these are the corners.
    Reflection,
}

const MODES: [(&str, Mode); 3] = [("nearest", Mode::Nearest), ("linear", Mode::Linear), ("cubic", Mode::Cubic)];
const PADDINGS: [(&str, Padding); 3] =
    [("zeros", Padding::Zeros), ("border", Padding::Border), ("reflection", Padding::Reflection)];

const MODE: Reader<Mode> = Reader {
    expects: "\"nearest\", \"linear\" or \"cubic\"",
    read: |value| match value {
        Attribute::Text(word) => MODES.iter().find(|(name, _)| name == word).map(|&(_, mode)| mode),
        _ => None,
    },
};

const PADDING: Reader<Padding> = Reader {
    expects: "\"zeros\", \"border\" or \"reflection\"",
    read: |value| match value {
        Attribute::Text(word) => PADDINGS.iter().find(|(name, _)| name == word).map(|&(_, padding)| padding),
        _ => None,
    },
};

/// Keys' cubic at distance `d`.
fn cubic(d: f64) -> f64 {
    const A: f64 = -0.75;
    let d = d.abs();
    if d <= 1.0 { ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0 } else { ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A }
}

impl GridSample {
    /// Where the image's outer pixels end, for mirrors, of `extent` pixels.
    fn edges(self, extent: usize) -> [f64; 2] {
        if self.align_corners { [0.0, extent as f64 - 1.0] } else { [-0.5, extent as f64 - 0.5] }
    }

    /// The place of a pixel that stands for one beyond the image.
    fn inside(self, place: f64, extent: usize) -> f64 {
        let last = extent as f64 - 1.0;
        match self.padding {
            Padding::Zeros => place,
            Padding::Border => place.clamp(0.0, last),
            Padding::Reflection => {
                let [low, high] = self.edges(extent);
                let span = high - low;
                if span == 0.0 {
                    return 0.0;
                }
                let distance = (place - low).abs();
                let flips = (distance / span).floor();
                let rest = distance - flips * span;
                let mirrored = if flips % 2.0 == 0.0 { low + rest } else { high - rest };
                mirrored.clamp(0.0, last)
            }
        }
    }

    /// Pixels along one axis and their weights, for a coordinate of the grid.
    fn taps(self, coordinate: f64, extent: usize) -> Vec<(f64, f64)> {
        let n = extent as f64;
        let place = (coordinate + 1.0) / 2.0;
        let place = if self.align_corners { place * (n - 1.0) } else { place * n - 0.5 };
        match self.mode {
            Mode::Nearest => vec![(self.inside(place, extent).round_ties_even(), 1.0)],
            Mode::Linear => {
                let place = self.inside(place, extent);
                let first = place.floor();
                vec![(first, 1.0 - (place - first)), (first + 1.0, place - first)]
            }
            Mode::Cubic => {
                let first = place.floor();
                let tap = |offset: i32| {
                    let pixel = first + f64::from(offset);
                    (self.inside(pixel, extent), cubic(place - pixel))
                };
                (-1..=2).map(tap).collect()
            }
        }
    }
}

impl Operator for GridSample {
    const NAME: &'static str = "grid_sample";

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("mode", MODES[self.mode as usize].0)
            .with("padding", PADDINGS[self.padding as usize].0)
            .with_unless("align_corners", self.align_corners, false)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        let mode = arguments.read("mode", &MODE)?.unwrap_or(Mode::Linear);
        let padding = arguments.read("padding", &PADDING)?.unwrap_or(Padding::Zeros);
        Ok(Self { mode, padding, align_corners: arguments.read("align_corners", &FLAG)?.unwrap_or(false) })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x", "grid"])?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let [images, height, width, pair] = check::four(operands, 1, "N H W 2")?;
        if [images, pair] != [n, 2] {
            return Err(TypeError::operand(1, format!("[{n}, H, W, 2]"), format!("{:?}", operands[1].shape)));
        }
        if h.saturating_mul(w) > lower::MAX_PIXELS {
            return Err(TypeError::operand(0, format!("at most {} pixels", lower::MAX_PIXELS), h.saturating_mul(w)));
        }
        check::result([n, c, height, width])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let (x, grid) = (operands[0].data(), operands[1].data());
        let [n, c, h, w] = [0, 1, 2, 3].map(|dim| operands[0].shape()[dim]);
        let [height, width] = [1, 2].map(|dim| operands[1].shape()[dim]);
        let mut result = Tensor::zeros(&[n, c, height, width]);
        for (flat, y) in result.data_mut().iter_mut().enumerate() {
            let (plane, pixel) = (flat / (height * width), flat % (height * width));
            let place = (plane / c * height * width + pixel) * 2;
            let [columns, rows] =
                [(grid[place], w), (grid[place + 1], h)].map(|(at, extent)| self.taps(at.into(), extent));
            let mut sum = 0.0;
            for &(row, down) in &rows {
                for &(column, across) in &columns {
                    let within = (0.0..h as f64).contains(&row) && (0.0..w as f64).contains(&column);
                    if within {
                        sum += down * across * f64::from(x[(plane * h + row as usize) * w + column as usize]);
                    }
                }
            }
            *y = sum as f32;
        }
        vec![result]
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for regions that are computed"))
    }

    const ONNX: &'static [Rule] = &[Rule { operator: "GridSample", import }];

    const ALGORITHMS: &'static [Algorithm<Self>] = lower::ALGORITHMS;

    fn cases() -> Vec<Case> {
        let mut cases = Vec::new();
        for (_, mode) in MODES {
            for (_, padding) in PADDINGS {
                for align_corners in [false, true] {
                    let op = Self { mode, padding, align_corners };
                    let case = Case::new(op.attributes().to_string(), op).input([2, 3, 4, 5]);
                    cases.push(case.input([2, 2, 3, 2]).within(-1.7, 1.7).tolerance(1e-5));
                }
            }
        }
        let many = Self { mode: Mode::Linear, padding: Padding::Zeros, align_corners: false };
        cases.push(Case::new("many channels", many).input([1, 33, 3, 1]).input([1, 1, 4, 2]).tolerance(1e-5));
        cases
    }
}

fn import(node: &mut Node<'_, '_>) -> Result<Vec<Item>, Unsupported> {
    let other = |name: &str, word: &str| Unsupported::new(format!("attribute `{name}` is {word:?}"));
    // Before opset 20, two of the modes had other names.
    let mode = match node.text("mode")?.unwrap_or("linear") {
        "linear" | "bilinear" => Mode::Linear,
        "cubic" | "bicubic" => Mode::Cubic,
        "nearest" => Mode::Nearest,
        word => return Err(other("mode", word)),
    };
    let word = node.text("padding_mode")?.unwrap_or("zeros");
    let padding = PADDINGS.iter().find(|(name, _)| *name == word).ok_or_else(|| other("padding_mode", word))?.1;
    let align_corners = node.flag("align_corners")?;
    node.binary(GridSample { mode, padding, align_corners })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    #[test]
    fn shapes() {
        let op = GridSample { mode: Mode::Linear, padding: Padding::Zeros, align_corners: true };
        assert_eq!(inferred(op, &[&[1, 3, 4, 4], &[1, 2, 5, 2]]), "f32[1, 3, 2, 5]");
        assert_eq!(
            inferred(op, &[&[1, 3, 4, 4], &[2, 2, 5, 2]]),
            "operand 1 expects [1, H, W, 2], gets [2, 2, 5, 2]"
        );
    }

    #[test]
    fn samples() {
        let x: (&[usize], &[f32]) = (&[1, 1, 1, 3], &[1.0, 2.0, 4.0]);
        let of = |padding, align_corners, at: f32| {
            let op = GridSample { mode: Mode::Linear, padding, align_corners };
            evaluated(op, &[x, (&[1, 1, 1, 2], &[at, 0.0])])[0]
        };
        assert_eq!(of(Padding::Zeros, true, 0.5), 3.0);
        assert_eq!(of(Padding::Zeros, true, 2.0), 0.0);
        assert_eq!(of(Padding::Border, true, 2.0), 4.0);
        assert_eq!(of(Padding::Reflection, true, 2.0), 2.0);
        assert_eq!(of(Padding::Zeros, false, 1.0), 2.0);
    }

    #[test]
    fn calls() {
        assert_eq!(
            called("grid_sample", &[&[1, 3, 4, 4], &[1, 2, 5, 2]], &[], &[]),
            "grid_sample {mode = linear, padding = zeros}"
        );
    }
}
