//! Which elements of a dimension an element of the result is made of, and with which weights.

use super::Resize;

/// How elements of the result are computed of those of the operand.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Filter {
    /// As the nearest.
    Nearest(Nearest),
    /// `max(0, 1 − |d|)` of those at distance d.
    Linear,
    /// Keys' cubic of those at distance below 2.
    Cubic {
        /// The free coefficient: −0.75 as PyTorch's, −0.5 as TensorFlow's.
        coefficient: f32,
    },
}

/// Which element is the nearest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nearest {
    /// The one nearer, the lower of two.
    RoundPreferFloor,
    /// The one nearer, the higher of two.
    RoundPreferCeil,
    /// The one below.
    Floor,
    /// The one above.
    Ceil,
}

/// Where element i of a result of m elements lies in an operand of n; s is the scale, near m/n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coordinates {
    /// `(i + ½)/s − ½`.
    HalfPixel,
    /// As the half pixel, around the operand's middle where s is not m/n exactly:
    /// `n/2 · (1 − m/(n·s)) + (i + ½)/s − ½`.
    HalfPixelSymmetric,
    /// `(i + ½)/s − ½`, or 0 where m is 1.
    PytorchHalfPixel,
    /// `i · (n − 1)/(m − 1)`, or 0 where m is 1.
    AlignCorners,
    /// `i/s`.
    Asymmetric,
    /// `(i + ½)/s`.
    TfHalfPixelForNn,
    /// `i`.
    Identity,
}

impl Coordinates {
    fn place(self, i: f64, m: f64, n: f64, s: f64) -> f64 {
        let half = (i + 0.5) / s - 0.5;
        match self {
            Self::PytorchHalfPixel | Self::AlignCorners if m == 1.0 => 0.0,
            Self::HalfPixel | Self::PytorchHalfPixel => half,
            Self::HalfPixelSymmetric => n / 2.0 * (1.0 - m / (s * n)) + half,
            Self::AlignCorners => i * (n - 1.0) / (m - 1.0),
            Self::Asymmetric => i / s,
            Self::TfHalfPixelForNn => (i + 0.5) / s,
            Self::Identity => i,
        }
    }
}

impl Filter {
    /// How far it reaches.
    fn support(self) -> f64 {
        match self {
            Self::Nearest(_) => 0.0,
            Self::Linear => 1.0,
            Self::Cubic { .. } => 2.0,
        }
    }

    /// The weight of what is this far.
    fn weight(self, distance: f64) -> f64 {
        let d = distance.abs();
        match self {
            Self::Nearest(_) => 1.0,
            Self::Linear => (1.0 - d).max(0.0),
            Self::Cubic { coefficient } => {
                let a = f64::from(coefficient);
                if d <= 1.0 {
                    ((a + 2.0) * d - (a + 3.0)) * d * d + 1.0
                } else if d < 2.0 {
                    ((a * d - 5.0 * a) * d + 8.0 * a) * d - 4.0 * a
                } else {
                    0.0
                }
            }
        }
    }
}

impl Resize {
    /// For each element of the result's dimension `dim`, as many places in the operand's, of `extent` elements, and
    /// their weights.
    pub(super) fn taps(&self, dim: usize, extent: usize) -> Vec<Vec<(usize, f64)>> {
        let (m, scale) = (self.shape[dim], self.scales[dim]);
        // Float32 does not hold all quotients: 10/3 is meant where it is the nearest to it.
        let exact = m as f32 / extent as f32 == scale;
        let scale = if exact { m as f64 / extent as f64 } else { f64::from(scale) };
        if m == extent && scale == 1.0 {
            return (0..m).map(|i| vec![(i, 1.0)]).collect();
        }
        (0..m)
            .map(|i| self.taps_at(self.coordinates.place(i as f64, m as f64, extent as f64, scale), extent, scale))
            .collect()
    }

    fn taps_at(&self, place: f64, extent: usize, scale: f64) -> Vec<(usize, f64)> {
        let inside = |index: f64| index.clamp(0.0, extent as f64 - 1.0) as usize;
        if let Filter::Nearest(mode) = self.filter {
            let index = match mode {
                Nearest::RoundPreferFloor => (place - 0.5).ceil(),
                Nearest::RoundPreferCeil => (place + 0.5).floor(),
                Nearest::Floor => place.floor(),
                Nearest::Ceil => place.ceil(),
            };
            return vec![(inside(index), 1.0)];
        }
        let wider = if self.antialias { scale.min(1.0) } else { 1.0 };
        let below = (-self.filter.support() / wider).floor() + 1.0;
        // Counted from the element below, or one further where the place is an element.
        let base = place.ceil() - 1.0;
        let count = (2.0 - 2.0 * below) as usize;
        let mut taps: Vec<(f64, f64)> = (0..count)
            .map(|tap| base + below + tap as f64)
            .map(|index| (index, self.filter.weight(wider * (index - place))))
            .collect();
        if self.exclude_outside {
            for (index, weight) in &mut taps {
                if *index < 0.0 || *index >= extent as f64 {
                    *weight = 0.0;
                }
            }
        }
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        let sum = if self.exclude_outside || self.antialias { sum } else { 1.0 };
        taps.into_iter().map(|(index, weight)| (inside(index), weight / sum)).collect()
    }
}
