//! Register tiles of convolutions: which kernels cover an output, and which loop the threads divide.

use std::fmt;

use convoke_runtime::Isa;
use convoke_runtime::kernels;

/// The tiles of a convolution: consecutive segments of output blocks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConvTiles {
    /// The planes are one row of `height · width` pixels: nothing lies between their rows, nor does the window
    /// reach across them.
    pub flat: bool,
    /// Rows of one plane: 1 where it is flat.
    pub height: usize,
    /// Pixels of one row.
    pub width: usize,
    /// Segments of output blocks.
    pub segments: Vec<Segment>,
}

/// Groups of `nr` output blocks, each covered by tiles of `mr` pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The first output block.
    pub first: usize,
    /// The number of groups.
    pub groups: usize,
    /// Blocks of one group.
    pub nr: u32,
    /// Pixels of a full tile.
    pub mr: u32,
    /// Full tiles in a row.
    pub full: usize,
    /// Pixels of the last tile of a row; 0 if there is none.
    pub rest: u32,
    /// Rows, or tiles of the only row, for which all groups are computed before the next ones: so many that their source
    /// stays in the second-level cache. Divides their number.
    pub chunk: usize,
    /// The loop that threads divide.
    pub parallel: Axis,
}

/// The loops of a convolution that threads can divide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Groups of output channels: each thread reads its own weights.
    Groups,
    /// Rows of the output: each thread reads its own pixels.
    Rows,
    /// Tiles of the only row.
    Tiles,
}

/// A convolution, as far as its tiles depend on it.
#[derive(Clone, Copy, Debug)]
pub struct ConvShape {
    /// The instruction set.
    pub isa: Isa,
    /// Channels of one block.
    pub block: usize,
    /// Source elements between neighbouring output pixels.
    pub px: usize,
    /// Output blocks of one convolution group.
    pub blocks: usize,
    /// Rows.
    pub height: usize,
    /// Pixels of one row.
    pub width: usize,
    /// Products per output element.
    pub taps: usize,
    /// Bytes of the source, one group of channels.
    pub source: usize,
    /// Bytes of one core's second-level cache.
    pub l2: usize,
    /// Whether the last group may be narrower than the others.
    pub ragged: bool,
    /// Threads to balance for.
    pub threads: u32,
}

impl ConvTiles {
    /// The cheapest cover by kernels of this instruction set.
    ///
    /// Where no kernel reads pixels `px` apart, tiles are single pixels, which have no neighbour to read.
    ///
    /// # Panics
    /// If the kernel table has no row of one pixel and one block.
    #[must_use]
    pub fn choose(shape: &ConvShape, flat: bool) -> Self {
        let tiles = shape.kernels();
        let mut widths: Vec<u32> = tiles.iter().map(|&(_, nr)| nr).collect();
        widths.sort_unstable();
        widths.dedup();
        let (_, segments) = widths
            .iter()
            .filter_map(|&nr| cover(shape, flat, &tiles, nr))
            .min_by_key(|&(cost, _)| cost)
            .expect("the kernel table has a row of one pixel and one block");
        Self { flat, height: shape.height, width: shape.width, segments }
    }

    /// Rows, or full tiles of the only row: what chunks divide.
    #[must_use]
    pub fn extent(&self, segment: &Segment) -> usize {
        if self.height == 1 { segment.full } else { self.height }
    }
    /// The cheapest cover whose full groups have `nr` blocks, if kernels of this instruction set have.
    #[must_use]
    pub fn grouped(shape: &ConvShape, flat: bool, nr: u32) -> Option<Self> {
        let (_, segments) = cover(shape, flat, &shape.kernels(), nr)?;
        Some(Self { flat, height: shape.height, width: shape.width, segments })
    }

    /// What it takes, in half-cycles, for `taps` products per output element.
    #[must_use]
    pub fn cost(&self, taps: usize) -> u64 {
        self.segments.iter().map(|segment| (segment.groups * self.height) as u64 * segment.cost(taps)).sum()
    }

    /// Blocks of a full group: how weights are packed.
    #[must_use]
    pub fn nr(&self) -> u32 {
        self.segments.first().map_or(1, |segment| segment.nr)
    }
}

impl Segment {
    /// What one row of one group takes, in half-cycles, for `taps` products per output element.
    #[must_use]
    pub fn cost(&self, taps: usize) -> u64 {
        let rest = if self.rest > 0 { cycles(self.rest, self.nr, taps) } else { 0 };
        self.full as u64 * cycles(self.mr, self.nr, taps) + rest
    }
}

impl ConvShape {
    /// The tiles of the kernels that can cover it: those of its pitch, or single pixels.
    fn kernels(&self) -> Vec<(u32, u32)> {
        let tiles = conv_tiles(self.isa, self.px);
        if tiles.is_empty() || self.width == 1 {
            return conv_tiles(self.isa, self.block).into_iter().filter(|&(mr, _)| mr == 1).collect();
        }
        tiles
    }
}

/// The tiles, pixels and blocks, of the kernels that read pixels `px` elements apart.
#[must_use]
pub fn conv_tiles(isa: Isa, px: usize) -> Vec<(u32, u32)> {
    u32::try_from(px).map_or_else(|_| Vec::new(), |px| kernels::conv_tiles(isa, px).collect())
}

/// Full groups of `nr` blocks, then one narrower group where blocks remain: the order of the packed weights.
fn cover(shape: &ConvShape, flat: bool, tiles: &[(u32, u32)], nr: u32) -> Option<(u64, Vec<Segment>)> {
    let (groups, rest) = (shape.blocks / nr as usize, (shape.blocks % nr as usize) as u32);
    if rest > 0 && !shape.ragged {
        return None;
    }
    let mut segments = Vec::new();
    let mut cost = 0;
    for (first, groups, nr) in [(0, groups, nr), (groups * nr as usize, 1, rest)] {
        if groups > 0 && nr > 0 {
            let (row, mr) = pixels(tiles, nr, shape)?;
            cost += row * (shape.height * groups) as u64;
            segments.push(segment(shape, flat, first, groups, nr, mr));
        }
    }
    Some((cost, segments))
}

fn segment(shape: &ConvShape, flat: bool, first: usize, groups: usize, nr: u32, mr: u32) -> Segment {
    let (full, rest) = (shape.width / mr as usize, shape.width % mr as usize);
    let along = if flat || shape.height == 1 { (Axis::Tiles, full) } else { (Axis::Rows, shape.height) };
    // The loop whose busiest thread has the smallest share; with equal shares the one that spares weights.
    let busiest = |extent: usize| extent.div_ceil(shape.threads as usize) * 1000 / extent.max(1);
    let parallel = if along.1 == 0 || busiest(groups) <= busiest(along.1) { Axis::Groups } else { along.0 };
    let chunk = chunk(shape, along.1, groups, groups * nr as usize * shape.block * shape.taps * size_of::<f32>());
    Segment { first, groups, nr, mr, full, rest: u32::try_from(rest).unwrap_or(0), chunk, parallel }
}

/// How many of `extent` rows or tiles to compute for all groups before the next: all, unless their source comes from
/// beyond the second-level cache for each group, and reading the weights again for each chunk costs less.
fn chunk(shape: &ConvShape, extent: usize, groups: usize, weights: usize) -> usize {
    if groups < 2 || 2 * shape.source <= shape.l2 {
        return extent;
    }
    let most = extent * shape.l2 / (4 * shape.source);
    // Threads that divide chunks get equal numbers of them.
    let even = |chunk: &usize| extent.is_multiple_of(chunk * shape.threads as usize);
    let chunk = (1..=most).rev().find(even);
    let gains = |chunk: &usize| (extent / chunk - 1) * weights < (groups - 1) * shape.source;
    chunk.filter(gains).unwrap_or(extent)
}

/// The best tile of `nr` blocks for one row: its cost in cycles, and its pixels.
fn pixels(tiles: &[(u32, u32)], nr: u32, shape: &ConvShape) -> Option<(u64, u32)> {
    let available = |mr: u32| tiles.contains(&(mr, nr));
    let cost = |mr: u32| cycles(mr, nr, shape.taps);
    tiles
        .iter()
        .filter(|&&(mr, width)| width == nr && mr as usize <= shape.width)
        .filter_map(|&(mr, _)| {
            let (full, rest) = (shape.width / mr as usize, u32::try_from(shape.width % mr as usize).ok()?);
            if rest > 0 && !available(rest) {
                return None;
            }
            let total = full as u64 * cost(mr) + if rest > 0 { cost(rest) } else { 0 };
            Some((total, mr))
        })
        .min_by_key(|&(total, mr)| (total, std::cmp::Reverse(mr)))
}

/// Half-cycles of one tile: two FMAs or two loads a cycle, four cycles of latency, and the fixed price of a call.
fn cycles(mr: u32, nr: u32, taps: usize) -> u64 {
    let (mr, nr) = (u64::from(mr), u64::from(nr));
    let step = (mr * nr).max(mr + nr).max(8);
    step * taps as u64 + 4 * mr * nr + 60
}

impl fmt::Display for ConvTiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}×{}", if self.flat { "flat " } else { "" }, self.height, self.width)?;
        for segment in &self.segments {
            let Segment { groups, nr, mr, full, rest, chunk, parallel, .. } = segment;
            write!(f, ", {groups} groups of {nr} blocks by {full} tiles of {mr} pixels")?;
            if *rest > 0 {
                write!(f, " and one of {rest}")?;
            }
            if (1..self.extent(segment)).contains(chunk) {
                write!(f, " in chunks of {chunk}")?;
            }
            write!(
                f,
                " (threads divide {})",
                match parallel {
                    Axis::Groups => "groups",
                    Axis::Rows => "rows",
                    Axis::Tiles => "tiles",
                }
            )?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every pixel of every block is covered once, by kernels that exist, whatever the shape.
    #[test]
    fn tiles_cover_every_output_once() {
        for isa in Isa::ALL.into_iter().filter(|&isa| !conv_tiles(isa, isa.lanes()).is_empty()) {
            for (blocks, width, stride) in (1..12)
                .flat_map(|b| [1, 2, 7, 13, 14, 15, 28, 49, 57].map(|w| (b, w)))
                .flat_map(|(b, w)| [1, 2, 3].map(|s| (b, w, s)))
            {
                let block = isa.lanes();
                let px = block * stride;
                let shape = ConvShape {
                    isa,
                    block,
                    px,
                    blocks,
                    height: 3,
                    width,
                    taps: 9 * block,
                    source: 1 << 20,
                    l2: 1 << 20,
                    ragged: true,
                    threads: 2,
                };
                let tiles = ConvTiles::choose(&shape, false);
                let mut next = 0;
                for segment in &tiles.segments {
                    assert_eq!(segment.first, next, "{shape:?}");
                    next += segment.groups * segment.nr as usize;
                    assert_eq!(segment.full * segment.mr as usize + segment.rest as usize, width, "{shape:?}");
                }
                assert_eq!(next, blocks, "{shape:?}");
            }
        }
    }

    #[test]
    fn wide_layers_take_the_widest_tile_and_divide_evenly() {
        let shape = ConvShape {
            isa: Isa::Avx512,
            block: 16,
            px: 16,
            blocks: 4,
            height: 56,
            width: 56,
            taps: 9 * 64,
            source: 58 * 58 * 64 * 4,
            l2: 1 << 20,
            ragged: true,
            threads: 2,
        };
        if conv_tiles(shape.isa, shape.px).is_empty() {
            return; // Another architecture.
        }
        let tiles = ConvTiles::choose(&shape, false);
        let [segment] = &tiles.segments[..] else { panic!("one segment: {tiles}") };
        assert_eq!((segment.mr, segment.nr, segment.full, segment.rest), (14, 2, 4, 0));
    }
}
