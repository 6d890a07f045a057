//! Tiles of a convolution's weight gradient: which kernel covers the weights, how many images it sums at once, and which
//! loop the threads divide.

use std::cmp::Reverse;
use std::fmt;

use convoke_runtime::{Isa, kernels};

/// The tiles of a weight gradient.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GradientTiles {
    /// Neighbouring weights of a group: input channels of a block, or taps in a row where the source is planar.
    pub mr: u32,
    /// Groups of a full tile.
    pub nr: u32,
    /// What groups are.
    pub groups: Groups,
    /// Images of one call; divides their number.
    pub images: usize,
    /// The loop that threads divide.
    pub parallel: Axis,
}

/// What the groups of a tile are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Groups {
    /// Blocks of output channels, which share what is read of the source.
    Blocks,
    /// Taps of a row, or where the source is planar rows of taps, which share what is read of the cotangent.
    Taps,
}

/// The loops over the weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// Groups of blocks of output channels.
    Outputs,
    /// Blocks of input channels; channels where the source is planar.
    Inputs,
    /// Shares of a block of input channels.
    Shares,
    /// Rows of taps.
    Rows,
}

/// A weight gradient, as far as its tiles depend on it.
#[derive(Clone, Copy, Debug)]
pub struct GradientShape {
    /// The instruction set.
    pub isa: Isa,
    /// Channels of one block of the source; 1 where it is planar.
    pub block: usize,
    /// Input channels of one convolution group.
    pub inputs: usize,
    /// Blocks of output channels of one convolution group.
    pub outputs: usize,
    /// Rows and columns of taps.
    pub kernel: [usize; 2],
    /// Images.
    pub images: usize,
    /// Pixels of an image that each weight sums over.
    pub pixels: usize,
    /// Bytes of one image's plane of the source, and of one block of the cotangent.
    pub planes: [usize; 2],
    /// Bytes of one core's second-level cache.
    pub l2: usize,
    /// Threads to balance for.
    pub threads: usize,
}

/// The most terms of one chain of sums, where an image has no more: so much is lost to rounding in it as in one image.
const CHAIN: usize = 4096;

impl GradientTiles {
    /// The cheapest tiles of the kernels of this instruction set.
    ///
    /// # Panics
    /// If the kernel table has no row of one weight and one group.
    #[must_use]
    pub fn choose(shape: &GradientShape) -> Self {
        let candidates = kernels::weight_gradient_tiles(shape.isa).flat_map(|(mr, nr)| {
            let groups =
                [Groups::Blocks, Groups::Taps].into_iter().filter(move |&groups| nr > 1 || groups == Groups::Blocks);
            groups.map(move |groups| (mr, nr, groups))
        });
        let fits = |&(mr, nr, groups): &(u32, u32, Groups)| {
            let limit = |groups| if groups == Groups::Blocks { shape.outputs } else { shape.taps() };
            mr as usize <= shape.row() && nr as usize <= limit(groups)
        };
        let axes = [Axis::Outputs, Axis::Inputs, Axis::Shares, Axis::Rows];
        let tiles = candidates
            .filter(fits)
            .flat_map(|(mr, nr, groups)| axes.map(|parallel| Self { mr, nr, groups, images: 1, parallel }));
        // Of those that cost the same the largest, which begins and ends least often.
        let order = |tiles: &Self| (tiles.cost(shape), Reverse(tiles.mr * tiles.nr));
        let best = tiles.min_by_key(order).expect("the kernel table has a row of one weight");
        Self { images: best.images(shape), ..best }
    }

    /// Half-cycles that one pixel takes the busiest thread.
    fn cost(&self, shape: &GradientShape) -> u64 {
        let extent = |axis| self.extent(axis, shape);
        let (mr, nr) = (self.mr as usize, self.nr as usize);
        // Of as many weights as there are: what is narrower than a tile takes as long as one.
        let step = |mr: usize, nr: usize| {
            let loads = if self.groups == Groups::Blocks { mr + nr } else { mr * nr + 1 };
            (mr * nr).max(loads).max(8) as u64
        };
        let grouped = if self.groups == Groups::Blocks { shape.outputs } else { shape.taps() };
        let across = (grouped / nr) as u64 * step(mr, nr) + if grouped % nr > 0 { step(mr, grouped % nr) } else { 0 };
        let rest = if self.groups == Groups::Blocks { shape.taps() } else { shape.outputs };
        let tiles = (extent(Axis::Inputs) * extent(Axis::Shares) * shape.lines() * rest) as u64;
        // The share of the busiest thread.
        let divided = extent(self.parallel);
        let busiest = divided.div_ceil(shape.threads) * shape.threads;
        tiles * across * busiest as u64 / divided as u64
    }

    /// Iterations of a loop.
    #[must_use]
    pub fn extent(&self, axis: Axis, shape: &GradientShape) -> usize {
        match axis {
            Axis::Outputs if self.groups == Groups::Blocks => shape.outputs.div_ceil(self.nr as usize),
            Axis::Outputs => shape.outputs,
            Axis::Inputs => shape.inputs.div_ceil(shape.block),
            // Of a full block, or of a row of taps.
            Axis::Shares => shape.row().div_ceil(self.mr as usize),
            Axis::Rows if shape.block == 1 && self.groups == Groups::Taps => shape.kernel[0].div_ceil(self.nr as usize),
            Axis::Rows => shape.kernel[0],
        }
    }

    /// Images of one call.
    fn images(&self, shape: &GradientShape) -> usize {
        let blocks = if self.groups == Groups::Blocks { self.nr as usize } else { 1 };
        chunk([shape.images, shape.pixels], shape.planes[0] + blocks * shape.planes[1], shape.l2)
    }
}

/// The most images, of `bytes` and so many pixels each, that stay in half the second-level cache and whose sums are no
/// longer chains than 4096 terms, among the divisors of their number.
#[must_use]
pub fn chunk([images, pixels]: [usize; 2], bytes: usize, l2: usize) -> usize {
    let most = (l2 / 2 / bytes.max(1)).min(CHAIN / pixels.max(1)).max(1);
    (1..=most.min(images)).rev().find(|chunk| images.is_multiple_of(*chunk)).unwrap_or(1)
}

impl GradientShape {
    /// Neighbouring weights that a tile can have: channels of a block, or taps of a row.
    fn row(&self) -> usize {
        if self.block == 1 { self.kernel[1] } else { self.block.min(self.inputs) }
    }

    /// Taps that can be groups: of a row, or where the source is planar of a column.
    fn taps(&self) -> usize {
        if self.block == 1 { self.kernel[0] } else { self.kernel[1] }
    }

    /// Rows of taps that are neither groups nor in one.
    fn lines(&self) -> usize {
        if self.block == 1 { 1 } else { self.kernel[0] }
    }
}

impl fmt::Display for GradientTiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { mr, nr, groups, images, parallel } = self;
        let groups = match groups {
            Groups::Blocks => "blocks",
            Groups::Taps => "taps",
        };
        let parallel = match parallel {
            Axis::Outputs => "output channels",
            Axis::Inputs => "input channels",
            Axis::Shares => "shares of a block",
            Axis::Rows => "rows of taps",
        };
        write!(f, "{mr} weights by {nr} {groups}, {images} images at a time (threads divide {parallel})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RESNET: GradientShape = GradientShape {
        isa: Isa::Avx512,
        block: 16,
        inputs: 32,
        outputs: 2,
        kernel: [3, 3],
        images: 128,
        pixels: 256,
        planes: [18 * 18 * 64, 16 * 16 * 64],
        l2: 1 << 20,
        threads: 2,
    };

    #[test]
    fn threads_get_equal_shares() {
        if kernels::weight_gradient_tiles(RESNET.isa).next().is_none() {
            return; // Another architecture.
        }
        let one_block = GradientShape { inputs: 16, outputs: 1, ..RESNET };
        let planar = GradientShape { block: 1, inputs: 1, outputs: 1, kernel: [5, 5], threads: 1, ..RESNET };
        for (shape, expected) in [
            (RESNET, "8 weights by 2 blocks, 8 images at a time (threads divide input channels)"),
            (one_block, "8 weights by 3 taps, 8 images at a time (threads divide shares of a block)"),
            (planar, "5 weights by 5 taps, 8 images at a time (threads divide output channels)"),
        ] {
            assert_eq!(GradientTiles::choose(&shape).to_string(), expected);
        }
    }

    #[test]
    fn chains_are_of_whole_images_and_divide_the_batch() {
        for (images, pixels, expected) in [(128, 1024, 4), (6, 1024, 3), (7, 1024, 1), (1, 50_000, 1), (64, 1, 64)] {
            let shape = GradientShape { images, pixels, planes: [64, 64], ..RESNET };
            assert_eq!(GradientTiles::choose(&shape).images, expected, "{images} of {pixels}");
        }
    }
}
