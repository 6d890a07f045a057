//! The table of microkernels and how a row is found in it.

use std::sync::LazyLock;

use super::{Broadcast, Family, Params, Tile, Ukernel};
use super::{
    affine, binary, block, conv, copy, depthwise, depthwise_gradient, fill, map, planar, planar_pool, pool, unblock,
    weight_gradient, winograd, winograd_input, winograd_output,
};
use crate::Isa;

/// All rows that exist for this architecture, whatever this processor has: the scalar row of each family first.
#[must_use]
pub fn ukernels() -> &'static [Ukernel] {
    static TABLE: LazyLock<Vec<Ukernel>> = LazyLock::new(|| {
        let scalar = [
            conv::SCALAR,
            depthwise::SCALAR,
            weight_gradient::SCALAR,
            depthwise_gradient::SCALAR,
            planar::SCALAR,
            pool::SCALAR,
            planar_pool::SCALAR,
            map::SCALAR,
            binary::SCALAR,
            affine::SCALAR,
            fill::SCALAR,
            copy::SCALAR,
            block::SCALAR,
            unblock::SCALAR,
            winograd_input::SCALAR,
            winograd_output::SCALAR,
        ];
        let tiled: &[&[&[&[Ukernel]]]] = &[
            #[cfg(target_arch = "x86_64")]
            conv::avx512::ROWS,
            #[cfg(target_arch = "x86_64")]
            conv::avx2::ROWS,
            #[cfg(any(test, target_arch = "aarch64"))]
            conv::neon::ROWS,
            #[cfg(target_arch = "x86_64")]
            depthwise::avx512::ROWS,
            #[cfg(target_arch = "x86_64")]
            depthwise::avx2::ROWS,
            #[cfg(any(test, target_arch = "aarch64"))]
            depthwise::neon::ROWS,
            #[cfg(target_arch = "x86_64")]
            weight_gradient::avx512::ROWS,
            #[cfg(target_arch = "x86_64")]
            weight_gradient::avx2::ROWS,
            #[cfg(any(test, target_arch = "aarch64"))]
            weight_gradient::neon::ROWS,
            #[cfg(target_arch = "x86_64")]
            depthwise_gradient::avx512::ROWS,
            #[cfg(target_arch = "x86_64")]
            depthwise_gradient::avx2::ROWS,
            #[cfg(any(test, target_arch = "aarch64"))]
            depthwise_gradient::neon::ROWS,
        ];
        let vector = [
            planar::VECTOR,
            pool::VECTOR,
            planar_pool::VECTOR,
            map::VECTOR,
            binary::VECTOR,
            affine::VECTOR,
            fill::VECTOR,
            block::VECTOR,
            unblock::VECTOR,
            winograd_input::VECTOR,
            winograd_output::VECTOR,
        ];
        let tiled = tiled.iter().copied().flatten().copied().flatten().copied().flatten();
        scalar.into_iter().chain(tiled.copied()).chain(vector.into_iter().flatten().copied()).collect()
    });
    &TABLE
}

/// The row with this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Ukernel> {
    ukernels().iter().find(|row| row.name == name)
}

/// The row of `family` for `isa` and `tile`. A family without register tile falls back on its scalar row where `isa`
/// has none for this block; [`Conv`](super::Conv), [`Depthwise`](super::Depthwise) and their gradients have the rows that
/// [`conv_tiles`], [`depthwise_tiles`], [`weight_gradient_tiles`] and [`depthwise_gradient_tiles`] list, and `None`
/// otherwise.
#[must_use]
pub fn select(family: Family, isa: Isa, tile: Tile) -> Option<&'static Ukernel> {
    let fits = |have: u32, want: u32| have == 0 || have == want;
    let row = |isa: Isa| {
        ukernels().iter().find(|row| {
            row.family == family
                && row.isa == isa
                && fits(row.tile.mr, tile.mr)
                && fits(row.tile.nr, tile.nr)
                && fits(row.tile.block, tile.block)
                && fits(row.tile.px, tile.px)
        })
    };
    match family {
        Family::Conv | Family::Depthwise | Family::WeightGradient | Family::DepthwiseGradient => row(isa),
        _ => row(isa).or_else(|| row(Isa::Scalar)),
    }
}

/// The register tiles (`mr`, `nr`) of the [`Conv`](super::Conv) rows of `isa` for the source pitch `px`, in the order
/// of the table. The scalar row takes any tile; for it the list holds some that are as good as any.
pub fn conv_tiles(isa: Isa, px: u32) -> impl Iterator<Item = (u32, u32)> {
    tiles(Family::Conv, isa, px)
}

/// The register tiles (`mr`) of the [`Depthwise`](super::Depthwise) rows of `isa` for the source pitch `px`, as
/// [`conv_tiles`] for convolutions.
pub fn depthwise_tiles(isa: Isa, px: u32) -> impl Iterator<Item = u32> {
    tiles(Family::Depthwise, isa, px).map(|(mr, _)| mr)
}

/// The register tiles (`mr`, `nr`) of the [`WeightGradient`](super::WeightGradient) rows of `isa`, as [`conv_tiles`].
pub fn weight_gradient_tiles(isa: Isa) -> impl Iterator<Item = (u32, u32)> {
    tiles(Family::WeightGradient, isa, 1)
}

/// The taps (`kw`, `kh`) of the [`DepthwiseGradient`](super::DepthwiseGradient) rows of `isa`, as [`conv_tiles`].
pub fn depthwise_gradient_tiles(isa: Isa) -> impl Iterator<Item = (u32, u32)> {
    tiles(Family::DepthwiseGradient, isa, 1)
}

fn tiles(family: Family, isa: Isa, px: u32) -> impl Iterator<Item = (u32, u32)> {
    const ANY: [(u32, u32); 14] = {
        let mut tiles = [(0, 1); 14];
        let mut i = 0;
        while i < 14 {
            tiles[i].0 = i as u32 + 1;
            i += 1;
        }
        tiles
    };
    let any: &[_] = if isa == Isa::Scalar { &ANY } else { &[] };
    let rows = ukernels().iter().filter(move |row| row.family == family && row.isa == isa && row.tile.px == px);
    any.iter().copied().chain(rows.map(|row| (row.tile.mr, row.tile.nr)))
}

impl Ukernel {
    /// Whether this row may run `params`. That operands are as large as [`Params::accesses`] says is not asked here.
    ///
    /// # Errors
    /// Says which parameter this row does not take, and what it takes.
    pub fn accepts(&self, params: &Params) -> Result<(), String> {
        let refuse = |what: &str, takes: &dyn std::fmt::Display, found: u32| {
            Err(format!("kernel `{}` takes {what} {takes}, not {found}", self.name))
        };
        if params.family() != self.family {
            let found = params.family().name();
            return Err(format!("kernel `{}` takes parameters of `{}`, not `{found}`", self.name, self.family.name()));
        }
        let tile = params.tile();
        for (what, have, want) in [
            ("mr", self.tile.mr, tile.mr),
            ("nr", self.tile.nr, tile.nr),
            ("block", self.tile.block, tile.block),
            ("px", self.tile.px, tile.px),
        ] {
            if have != 0 && have != want {
                return refuse(what, &have, want);
            }
        }
        let residual = match params {
            Params::Conv(p) => p.residual,
            Params::Depthwise(p) => p.residual,
            Params::WinogradOutput(p) => p.residual,
            Params::WeightGradient(p) => p.residual,
            Params::DepthwiseGradient(p) => p.residual,
            _ => 0,
        };
        if residual > 1 {
            return refuse("residual", &"0 or 1", residual);
        }
        match params {
            Params::WeightGradient(p) if p.src_group != 0 && p.g_group != 0 => refuse("g_group", &0, p.g_group),
            Params::Conv(p) if p.dst_px < p.block => refuse("a dst_px of at least", &p.block, p.dst_px),
            Params::Depthwise(p) if p.dst_px < p.block => refuse("a dst_px of at least", &p.block, p.dst_px),
            Params::Conv(p) if p.tail > p.inner => refuse("a tail of at most", &p.inner, p.tail),
            Params::Pool(p) if p.dilation_h == 0 || p.dilation_w == 0 => refuse("dilation", &"of at least 1", 0),
            Params::WinogradInput(p) => self.takes_tiles(p.m, p.rows, p.cols),
            Params::WinogradOutput(p) => self.takes_tiles(p.m, p.rows, p.cols),
            Params::Binary(p) if p.broadcast == Broadcast::Lanes => self.takes_len(p.len, p.block),
            Params::Affine(p) => self.takes_len(p.len, p.block),
            Params::Block(p) if p.channels > p.block => refuse("at most block channels, here", &p.block, p.channels),
            Params::Unblock(p) if p.channels > p.block => refuse("at most block channels, here", &p.block, p.channels),
            _ => Ok(()),
        }
    }

    fn takes_tiles(&self, m: u32, rows: u32, cols: u32) -> Result<(), String> {
        let name = self.name;
        if winograd::alpha(m).is_none() {
            return Err(format!("kernel `{name}` takes m 2 or 4, not {m}"));
        }
        if rows == 0 || rows > m || cols == 0 {
            return Err(format!("kernel `{name}` takes 1 to {m} rows and at least 1 column, not {rows} and {cols}"));
        }
        Ok(())
    }

    fn takes_len(&self, len: u32, block: u32) -> Result<(), String> {
        if block != 0 && len.is_multiple_of(block) {
            return Ok(());
        }
        Err(format!("kernel `{}` takes a len that is a multiple of block; {len} is none of {block}", self.name))
    }
}

impl Params {
    /// The register tile of the call; zero where the family has no such parameter.
    #[must_use]
    pub const fn tile(&self) -> Tile {
        match *self {
            Self::Conv(p) => Tile { mr: p.mr, nr: p.nr, block: p.block, px: p.px },
            Self::Depthwise(p) => Tile { mr: p.mr, nr: 1, block: p.block, px: p.px },
            Self::WeightGradient(p) => Tile { mr: p.mr, nr: p.nr, block: p.block, px: 1 },
            Self::DepthwiseGradient(p) => Tile { mr: p.kw, nr: p.kh, block: p.block, px: 1 },
            Self::WinogradInput(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::WinogradOutput(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::Pool(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::Binary(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::Affine(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::Block(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::Unblock(p) => Tile { mr: 0, nr: 0, block: p.block, px: 0 },
            Self::Planar(_) | Self::PlanarPool(_) | Self::Map(_) | Self::Fill(_) | Self::Copy(_) => {
                Tile { mr: 0, nr: 0, block: 0, px: 0 }
            }
        }
    }
}
