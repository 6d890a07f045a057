//! Winograd's algorithm, scheduled: which F(*m*, 3), which tiles make a block, what threads divide.
//!
//! A block of tiles is transformed to *α²* matrices V of tiles × input channels, each is multiplied with its transformed
//! weights to a matrix M of tiles × output channels, and M is transformed back. Between the three, V and M lie in scratch
//! memory: the smaller the block, the nearer the cache that they stay in; the larger, the more tiles share each load of
//! weights.

use std::fmt;

use convoke_runtime::Isa;
use convoke_runtime::kernels::winograd::alpha;

use super::tile::{ConvShape, ConvTiles};

/// The schedule of a 3×3 convolution of stride 1 by Winograd's algorithm.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WinogradTiles {
    /// Rows and columns of results of a tile.
    pub m: u32,
    /// Rows of results.
    pub height: usize,
    /// Columns of results.
    pub width: usize,
    /// Rows of tiles of a block.
    pub rows: usize,
    /// Columns of tiles of a block.
    pub columns: usize,
    /// What threads divide.
    pub split: Split,
    /// The product of one point of a block.
    pub product: ConvTiles,
    /// The estimated part of direct convolution's time, in per cent.
    pub percent: u64,
}

/// What threads divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Split {
    /// Rows of tiles, in so many equal parts, each of which has scratch memory for a block. What remains is one more
    /// part, after the others.
    Rows(usize),
    /// Channels: those of the input while V, which holds all tiles, is made; then groups of those of the result, so many
    /// of them at a time.
    Channels(usize),
}

/// A convolution, as far as its schedule depends on it.
#[derive(Clone, Copy, Debug)]
pub struct WinogradShape {
    /// The instruction set.
    pub isa: Isa,
    /// Channels of one block.
    pub block: usize,
    /// Images.
    pub images: usize,
    /// Input channels, at least 1.
    pub channels: usize,
    /// Blocks of input channels.
    pub inputs: usize,
    /// Blocks of output channels.
    pub outputs: usize,
    /// Rows of results.
    pub height: usize,
    /// Columns of results.
    pub width: usize,
    /// Threads to balance for, at least 1.
    pub threads: usize,
    /// Bytes of one core's second-level cache, at least 1.
    pub l2: usize,
}

/// Consecutive blocks of one size along an axis: `count` blocks of `tiles` tiles, which hold `pixels` results.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first tile.
    pub first: usize,
    /// Blocks.
    pub count: usize,
    /// Tiles of one block.
    pub tiles: usize,
    /// Results of one block: `m · tiles`, or fewer where the last tile is cut off.
    pub pixels: usize,
}

/// Blocks of `tiles` tiles of `m` that cover `pixels` results.
#[must_use]
pub fn spans(pixels: usize, m: usize, tiles: usize) -> Vec<Span> {
    let (full, rest) = (pixels / (m * tiles), pixels % (m * tiles));
    let spans = [
        Span { first: 0, count: full, tiles, pixels: m * tiles },
        Span { first: full * tiles, count: 1, tiles: rest.div_ceil(m), pixels: rest },
    ];
    spans.into_iter().filter(|span| span.count > 0 && span.pixels > 0).collect()
}

/// V and M of some tiles in scratch memory, in elements.
///
/// Points lie an odd number of blocks apart: a tile writes one block of each, and with a power of two between them they
/// would all meet in the same few sets of the cache.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Points {
    /// Between points of V.
    pub v: usize,
    /// Between points of M.
    pub m: usize,
    /// All of V: where M begins, if it follows.
    pub v_len: usize,
    /// All of M.
    pub m_len: usize,
}

impl WinogradTiles {
    /// Points of a transformed tile.
    #[must_use]
    pub fn points(&self) -> usize {
        alpha(self.m).map_or(0, |alpha| (alpha * alpha) as usize)
    }

    /// Rows and columns of tiles.
    #[must_use]
    pub fn grid(&self) -> [usize; 2] {
        [self.height, self.width].map(|pixels| pixels.div_ceil(self.m as usize))
    }

    /// V and M of so many tiles and blocks of input and output channels.
    #[must_use]
    pub fn matrices(&self, tiles: usize, inputs: usize, outputs: usize, block: usize) -> Points {
        let [v, m] = [inputs, outputs].map(|blocks| ((blocks * tiles) | 1) * block);
        Points { v, m, v_len: self.points() * v, m_len: self.points() * m }
    }

    /// Elements of scratch memory of one part of the rows: V and M of a block.
    #[must_use]
    pub fn part_len(&self, shape: &WinogradShape) -> usize {
        let Points { v_len, m_len, .. } =
            self.matrices(self.rows * self.columns, shape.inputs, shape.outputs, shape.block);
        v_len + m_len
    }

    /// Elements of scratch memory in all.
    #[must_use]
    pub fn scratch(&self, shape: &WinogradShape) -> usize {
        match self.split {
            Split::Rows(parts) => {
                let full = self.height / self.m as usize / parts * parts;
                let rest = usize::from(full * (self.m as usize) < self.height);
                (parts * usize::from(full > 0) + rest) * self.part_len(shape)
            }
            Split::Channels(groups) => {
                let [rows, columns] = self.grid();
                let tiles = shape.images * rows * columns;
                let v = self.matrices(tiles, shape.inputs, 0, shape.block).v_len;
                let m = self.product.segments.iter().map(|segment| {
                    let groups = groups.min(segment.groups);
                    let outputs = groups * segment.nr as usize;
                    segment.groups / groups * self.matrices(tiles, shape.inputs, outputs, shape.block).m_len
                });
                v + m.sum::<usize>()
            }
        }
    }
}

impl WinogradShape {
    /// What direct convolution takes, in half-cycles of the busiest thread, where it divides evenly.
    fn direct(&self) -> u64 {
        let Self { isa, block, channels, outputs: blocks, height, width, .. } = *self;
        let taps = 9 * channels;
        let threads = self.threads as u32;
        let (px, source, l2) = (block, 0, self.l2);
        let shape = ConvShape { isa, block, px, blocks, height, width, taps, source, l2, ragged: true, threads };
        let computed = self.images as u64 * ConvTiles::choose(&shape, false).cost(taps);
        let weights = (4 * taps * blocks * block) as u64;
        (computed + weights / BYTES_FROM_MEMORY) / self.threads as u64
    }

    /// The products of one point of a block of `tiles` tiles, in groups of `nr` blocks of output channels if it is given.
    #[must_use]
    pub fn product(&self, tiles: usize, nr: Option<u32>) -> ConvTiles {
        let shape = ConvShape {
            isa: self.isa,
            block: self.block,
            px: self.block,
            blocks: self.outputs,
            height: 1,
            width: tiles,
            taps: self.channels,
            // V lies in the second-level cache.
            source: 0,
            l2: self.l2,
            ragged: true,
            threads: 1,
        };
        nr.and_then(|nr| ConvTiles::grouped(&shape, true, nr)).unwrap_or_else(|| ConvTiles::choose(&shape, true))
    }
}

/// Half-cycles, as [`tile`](super::tile) counts them, that a tile of *α²* points takes for each block of channels: to be
/// transformed, and back. Measured at two thirds of this where one FMA starts in a cycle.
const INPUT: u64 = 6;
const OUTPUT: u64 = 4;

/// Bytes of weights that arrive from memory in a half-cycle, next to what is computed meanwhile.
const BYTES_FROM_MEMORY: u64 = 8;

/// Bytes of V and M that move in a half-cycle once they fill the second-level cache.
const BYTES_OF_SCRATCH: u64 = 6;

impl WinogradTiles {
    /// The cheapest schedule, if it is cheaper than direct convolution.
    ///
    /// # Errors
    /// Says that it is not, and what it would take.
    pub fn choose(shape: &WinogradShape) -> Result<Self, String> {
        let best = [4, 2].into_iter().flat_map(|m| Self::candidates(shape, m));
        let Some((cost, tiles)) = best.map(|tiles| (tiles.cost(shape), tiles)).min_by_key(|&(cost, _)| cost) else {
            return Err("there are no results".to_owned());
        };
        let percent = 100 * cost / shape.direct().max(1);
        if percent >= 90 {
            let m = tiles.m;
            return Err(format!("F({m}×{m}, 3×3) would take an estimated {percent} % of the time of `direct`"));
        }
        Ok(Self { percent, ..tiles })
    }

    /// Schedules of F(`m`, 3) that are worth comparing.
    fn candidates(shape: &WinogradShape, m: u32) -> Vec<Self> {
        let [down, across] = [shape.height, shape.width].map(|pixels| pixels.div_ceil(m as usize));
        let parts = shape.threads.min((shape.height / m as usize).max(1));
        let tiles = |rows: usize, columns: usize, split, product| {
            let WinogradShape { height, width, .. } = *shape;
            Self { m, height, width, rows, columns, split, product, percent: 0 }
        };
        // Some rows of tiles, or a piece of one.
        let mut blocks: Vec<_> = (1..=4).map(|rows| (rows, across)).filter(|&(rows, _)| rows * parts <= down).collect();
        blocks.extend((1..=4).map(|pieces| (1, across.div_ceil(1 << pieces))).filter(|&(_, columns)| columns >= 6));
        let mut candidates: Vec<_> = blocks
            .into_iter()
            .map(|(rows, columns)| tiles(rows, columns, Split::Rows(parts), shape.product(rows * columns, None)))
            .collect();
        for nr in [None, Some(1), Some(2)] {
            let product = shape.product(shape.images * down * across, nr);
            let groups = product.segments.first().map_or(0, |segment| segment.groups);
            let some = (1..=groups).filter(|some| groups.is_multiple_of(*some) && groups / some >= shape.threads);
            candidates.extend(some.map(|some| tiles(down, across, Split::Channels(some), product.clone())));
        }
        candidates
    }

    /// What it takes, in half-cycles of the busiest thread.
    fn cost(&self, shape: &WinogradShape) -> u64 {
        let WinogradShape { images, channels: taps, inputs, outputs, block, threads, .. } = *shape;
        let points = self.points() as u64;
        let share = |parts: usize| parts.div_ceil(threads) as u64;
        let transforms = |tiles: usize, inputs: usize, outputs: usize| {
            points * tiles as u64 * (INPUT * inputs as u64 + OUTPUT * outputs as u64)
        };
        let moved = |elements: usize| {
            let bytes = 4 * elements as u64;
            bytes * bytes.min(shape.l2 as u64) / (BYTES_OF_SCRATCH * shape.l2 as u64)
        };
        let computed = match self.split {
            Split::Rows(parts) => {
                let m = self.m as usize;
                let across = spans(self.width, m, self.columns);
                let band = |pixels: usize| -> u64 {
                    let down = spans(pixels, m, self.rows);
                    let spans = down.iter().flat_map(|down| across.iter().map(move |across| (down, across)));
                    let blocks = spans.map(|(down, across)| {
                        let tiles = down.tiles * across.tiles;
                        let Points { v_len, m_len, .. } = self.matrices(tiles, inputs, outputs, block);
                        let products = points * shape.product(tiles, Some(self.product.nr())).cost(taps);
                        let one = transforms(tiles, inputs, outputs) + products + moved(v_len + m_len);
                        (down.count * across.count) as u64 * one
                    });
                    blocks.sum()
                };
                let rows = self.height / m / parts;
                images as u64 * (share(parts) * band(rows * m) + band(self.height - parts * rows * m))
            }
            Split::Channels(groups) => {
                let [rows, columns] = self.grid();
                let tiles = images * rows * columns;
                let segments = self.product.segments.iter().map(|segment| {
                    let groups = groups.min(segment.groups);
                    let outputs = groups * segment.nr as usize;
                    let Points { v_len, m_len, .. } = self.matrices(tiles, inputs, outputs, block);
                    let products = points * groups as u64 * segment.cost(taps);
                    let one = transforms(tiles, 0, outputs) + products + moved(v_len + m_len);
                    share(segment.groups / groups) * one
                });
                share(inputs) * transforms(tiles, 1, 0) + segments.sum::<u64>()
            }
        };
        let weights = points * (4 * inputs * outputs * block * block) as u64;
        computed + weights / (BYTES_FROM_MEMORY * threads as u64)
    }
}

impl fmt::Display for WinogradTiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { m, rows, columns, product, split, percent, .. } = self;
        let [down, across] = self.grid();
        let nr = product.nr();
        write!(f, "F({m}×{m}, 3×3), {down}×{across} tiles in blocks of {rows}×{columns}, channels by {nr} blocks")?;
        match split {
            Split::Rows(parts) => write!(f, " (threads divide {parts} parts of the rows)")?,
            Split::Channels(groups) => {
                write!(f, " (threads divide channels, {} blocks at a time)", groups * nr as usize)?
            }
        }
        write!(f, ", an estimated {percent} % of the time of `direct`")
    }
}

#[cfg(test)]
mod tests {
    use super::super::tile::conv_tiles;
    use super::*;

    fn shape(side: usize, inputs: usize, outputs: usize, threads: usize) -> WinogradShape {
        let (isa, block, images) = (Isa::Avx512, 16, 1);
        let (channels, l2) = (inputs * block, 1 << 20);
        WinogradShape { isa, block, images, channels, inputs, outputs, height: side, width: side, threads, l2 }
    }

    #[test]
    fn spans_cover_every_result_once() {
        for (pixels, m, tiles) in (1..40).flat_map(|p| [2, 4].map(|m| (p, m))).flat_map(|(p, m)| [(p, m, 1), (p, m, 3)])
        {
            let mut next = 0;
            for span in spans(pixels, m, tiles) {
                assert_eq!(span.first * m, next);
                assert!(span.tiles * m >= span.pixels && span.pixels > (span.tiles - 1) * m);
                assert!(span.count == 1 || span.tiles * m == span.pixels);
                next += span.count * span.pixels;
            }
            assert_eq!(next, pixels, "{pixels} by {tiles} tiles of {m}");
        }
    }

    #[test]
    fn layers_get_what_suits_them() {
        if conv_tiles(Isa::Avx512, 16).is_empty() {
            return; // Another architecture.
        }
        // VGG-16's and ResNet's: the side, blocks of input and output channels, m, whether threads divide the rows.
        for (side, inputs, outputs, m, rows) in [
            (224, 4, 4, 4, true),
            (56, 4, 4, 4, true),
            (28, 8, 8, 4, true),
            (14, 32, 32, 4, false),
            (7, 32, 32, 2, false),
        ] {
            let tiles = WinogradTiles::choose(&shape(side, inputs, outputs, 2)).expect("it is faster than `direct`");
            assert_eq!((tiles.m, matches!(tiles.split, Split::Rows(_))), (m, rows), "{side}: {tiles}");
        }
        let refusal = WinogradTiles::choose(&shape(1, 4, 4, 2)).expect_err("one tile has one pixel");
        assert!(refusal.contains("of the time of `direct`"), "{refusal}");
    }
}
