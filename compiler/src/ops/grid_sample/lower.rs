//! The lowering of grid sampling: places and weights once for each pixel, in single numbers; pixels as vectors of
//! channels.

use super::{GridSample, Mode, Padding};
use crate::lir::{Binary, Compare, Expr, FunctionBuilder, Reg, Unary};
use crate::lower::{Algorithm, Choice, Layout, Need, Schedule};

/// Pixels of a plane that float32 counts exactly.
pub(super) const MAX_PIXELS: usize = 1 << 24;

pub(super) const ALGORITHMS: &[Algorithm<GridSample>] = &[BLOCKS];

/// Arithmetic on single numbers.
struct Scalar<'a>(&'a mut FunctionBuilder);

impl Scalar<'_> {
    fn number(&mut self, value: f64) -> Reg {
        self.0.constant(1, value as f32)
    }

    /// `a · x + b`.
    fn line(&mut self, a: f64, x: Reg, b: f64) -> Reg {
        let [a, b] = [a, b].map(|value| self.number(value));
        self.0.fma(a, x, b)
    }

    fn clamp(&mut self, x: Reg, low: f64, high: f64) -> Reg {
        let [low, high] = [low, high].map(|bound| self.number(bound));
        let x = self.0.binary(Binary::Max, low, x);
        self.0.binary(Binary::Min, high, x)
    }

    /// See [`GridSample::inside`].
    fn inside(&mut self, op: GridSample, place: Reg, extent: usize) -> Reg {
        let last = extent as f64 - 1.0;
        match op.padding {
            Padding::Zeros => place,
            Padding::Border => self.clamp(place, 0.0, last),
            Padding::Reflection => {
                let [low, high] = op.edges(extent);
                let span = high - low;
                if span == 0.0 {
                    return self.number(0.0);
                }
                let distance = self.line(1.0, place, -low);
                let distance = self.0.unary(Unary::Abs, distance);
                let flips = self.line(1.0 / span, distance, 0.0);
                let flips = self.0.unary(Unary::Floor, flips);
                let whole = self.line(-span, flips, 0.0);
                let rest = self.0.binary(Binary::Add, distance, whole);
                let halves = self.line(0.5, flips, 0.0);
                let even = self.0.unary(Unary::Floor, halves);
                let (forward, backward) = (self.line(1.0, rest, low), self.line(-1.0, rest, high));
                let mirrored = self.0.select(Compare::Eq, halves, even, forward, backward);
                self.clamp(mirrored, 0.0, last)
            }
        }
    }

    /// See [`cubic`](super::cubic), for the distance of tap `offset` from a place `fraction` behind pixel 0.
    fn cubic(&mut self, fraction: Reg, offset: i32) -> Reg {
        const A: f64 = -0.75;
        let distance = self.line(1.0, fraction, f64::from(-offset));
        let d = self.0.unary(Unary::Abs, distance);
        let horner = |scalar: &mut Self, coefficients: [f64; 4]| {
            let mut sum = scalar.number(coefficients[0]);
            for coefficient in &coefficients[1..] {
                let term = scalar.number(*coefficient);
                sum = scalar.0.fma(sum, d, term);
            }
            sum
        };
        if (0..=1).contains(&offset) {
            horner(self, [A + 2.0, -(A + 3.0), 0.0, 1.0])
        } else {
            horner(self, [A, -5.0 * A, 8.0 * A, -4.0 * A])
        }
    }

    /// See [`GridSample::taps`]; the weight of what lies beyond the image is 0.
    fn taps(&mut self, op: GridSample, coordinate: Reg, extent: usize) -> Vec<(Reg, Reg)> {
        let n = extent as f64;
        let [scale, shift] = if op.align_corners { [(n - 1.0) / 2.0; 2] } else { [n / 2.0, (n - 1.0) / 2.0] };
        let place = self.line(scale, coordinate, shift);
        let taps = match op.mode {
            Mode::Nearest => {
                let place = self.inside(op, place, extent);
                vec![(self.0.unary(Unary::Nearest, place), self.number(1.0))]
            }
            Mode::Linear => {
                let place = self.inside(op, place, extent);
                let first = self.0.unary(Unary::Floor, place);
                let fraction = self.0.binary(Binary::Sub, place, first);
                vec![(first, self.line(-1.0, fraction, 1.0)), (self.line(1.0, first, 1.0), fraction)]
            }
            Mode::Cubic => {
                let first = self.0.unary(Unary::Floor, place);
                let fraction = self.0.binary(Binary::Sub, place, first);
                let tap = |scalar: &mut Self, offset: i32| {
                    let pixel = scalar.line(1.0, first, f64::from(offset));
                    (scalar.inside(op, pixel, extent), scalar.cubic(fraction, offset))
                };
                (-1..=2).map(|offset| tap(self, offset)).collect()
            }
        };
        taps.into_iter().map(|(pixel, weight)| (pixel, self.masked(pixel, weight, extent))).collect()
    }

    /// `weight` where the pixel is one of the image.
    fn masked(&mut self, pixel: Reg, weight: Reg, extent: usize) -> Reg {
        let [zero, last] = [0.0, extent as f64 - 1.0].map(|bound| self.number(bound));
        let weight = self.0.select(Compare::Le, zero, pixel, weight, zero);
        self.0.select(Compare::Le, pixel, last, weight, zero)
    }
}

const BLOCKS: Algorithm<GridSample> = Algorithm {
    name: "blocks",
    choose: |_, _| {
        let operands = vec![Need::dense(Layout::Blocked), Need::dense(Layout::Plain)];
        Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
    },
    schedule: |_, work| Schedule::of_elements(8 * work.storages[0].len()),
    emit: |op, _, _, e| {
        let (source, grid, result) = (e.operand(0), e.operand(1), e.result(0));
        let (from, to) = (source.storage, result.storage);
        let lanes = to.block as u32;
        e.serial(to.n, |e, n| {
            e.parallel(to.h, |e, y| {
                e.serial(to.w, |e, x| {
                    let place = n * (to.h * to.w * 2) + y * (to.w * 2) + x * 2;
                    let [column, row] = [0, 1].map(|which| e.code.load(1, grid.element(&place + which)));
                    let mut scalar = Scalar(&mut e.code);
                    let columns = scalar.taps(*op, column, from.w);
                    let rows = scalar.taps(*op, row, from.h);
                    let mut pixels = Vec::new();
                    for &(row, down) in &rows {
                        for &(column, across) in &columns {
                            let width = scalar.number(from.w as f64);
                            let pixel = scalar.0.fma(row, width, column);
                            let weight = scalar.0.binary(Binary::Mul, down, across);
                            pixels.push((pixel, scalar.0.splat(lanes, weight)));
                        }
                    }
                    e.serial(to.blocks(), |e, block| {
                        let sum = e.code.constant(lanes, 0.0);
                        let plane = source.at(n, block, 0, 0);
                        for &(pixel, weight) in &pixels {
                            let at = plane.clone().row(pixel, (from.h * from.w) as u32, from.block as i64);
                            let value = e.code.load(lanes, at);
                            e.code.set(sum, Expr::Fma(weight, value, sum));
                        }
                        e.code.store(result.at(n, block, y, x), sum);
                    });
                });
            });
        });
    },
};
