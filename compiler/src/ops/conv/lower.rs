//! Algorithms of convolution.
//!
//! All read their padding from the source's halo, so that no tile is special: a pixel outside the image is a zero like
//! any other.

use convoke_runtime::Activation;
use convoke_runtime::kernels::{self, Depthwise, Family, Params, Tile};
use convoke_runtime::weights::WeightOp;

use super::{Conv, winograd};
use crate::lir::{Affine, Binary, Expr};
use crate::lower::tile::{self, Axis, ConvShape, ConvTiles, Segment};
use crate::lower::{Algorithm, Choice, Emitter, Halo, Layout, Need, Schedule, Site, Storage, View, Work};

/// In order of preference.
pub(super) const ALGORITHMS: &[Algorithm<Conv>] = &[
    Algorithm { name: "depthwise", choose: choose_depthwise, schedule: schedule_depthwise, emit: emit_depthwise },
    Algorithm { name: "rows", choose: choose_rows, schedule: schedule_rows, emit: emit_rows },
    Algorithm { name: "winograd", choose: winograd::choose, schedule: winograd::schedule, emit: winograd::emit },
    Algorithm { name: "direct_planar", choose: choose_planar, schedule: schedule_direct, emit: emit_direct },
    Algorithm { name: "direct", choose: choose_blocked, schedule: schedule_direct, emit: emit_direct },
    Algorithm { name: "loops", choose: choose_loops, schedule: schedule_loops, emit: emit_loops },
];

/// Operands: x, weight, and where present bias and residual, all of the result's layout.
pub(super) fn choice(conv: &Conv, site: &Site<'_>, source: Layout, result: Layout) -> Choice {
    let mut operands = vec![Need::halo(source, halo(conv, site)), Need::Weight];
    operands.extend(conv.bias.then_some(Need::Weight));
    operands.extend(conv.epilogue.residual.then_some(Need::tensor(result)));
    Choice { operands, results: vec![result], alias: false }
}

/// The rows and columns around the image that windows reach.
fn halo(conv: &Conv, site: &Site<'_>) -> Halo {
    let types = [site.operands[0], &site.results[0], site.operands[1]];
    let [image, result, kernel] = types.map(|ty| [ty.shape[2], ty.shape[3]]);
    conv.window(kernel).halo(image, result)
}

/// Weights and bias must be known before the run: they are packed once.
pub(super) fn packable(conv: &Conv, site: &Site<'_>) -> Result<(), String> {
    if !site.is_weight(1) || (conv.bias && !site.is_weight(2)) {
        return Err("weights or bias are computed during the run".to_owned());
    }
    Ok(())
}

fn choose_depthwise(conv: &Conv, site: &Site<'_>) -> Result<Choice, String> {
    let (channels, outputs) = (site.operands[0].shape[1], site.results[0].shape[1]);
    if conv.groups != channels || channels != outputs || channels == 1 {
        return Err(format!("{} groups, {channels} input and {outputs} output channels", conv.groups));
    }
    packable(conv, site)?;
    Ok(choice(conv, site, Layout::Blocked, Layout::Blocked))
}

/// Lanes over pixels, where they fill vectors better than output channels do: so much better, where the source comes in
/// blocks, that it may be converted.
fn choose_rows(conv: &Conv, site: &Site<'_>) -> Result<Choice, String> {
    if conv.groups != 1 || conv.stride[1] != 1 || conv.epilogue.residual {
        return Err("groups, a stride along rows, or a residual".to_owned());
    }
    packable(conv, site)?;
    let [_, outputs, _, width] = site.results[0].shape[..] else { unreachable!("results are N C H W") };
    let block = site.target.block();
    let (rows, channels) = (outputs * width.div_ceil(block), outputs.div_ceil(block) * width);
    let blocked = site.layouts[0] != Some(Layout::Plain);
    let [_, _, kh, kw] = site.operands[1].shape[..] else { unreachable!("weights are O I Kh Kw") };
    if blocked && (2 * rows > channels || kh * kw == 1) {
        return Err(format!("the source is blocked; {rows} vectors of pixels in a row, and {channels} of channels"));
    }
    if 4 * rows > 3 * channels {
        return Err(format!("{rows} vectors of pixels in a row, and {channels} of channels"));
    }
    Ok(choice(conv, site, Layout::Plain, Layout::Plain))
}

fn choose_planar(conv: &Conv, site: &Site<'_>) -> Result<Choice, String> {
    if site.layouts[0] != Some(Layout::Plain) {
        return Err("the source is blocked".to_owned());
    }
    if conv.groups != 1 {
        return Err(format!("{} groups", conv.groups));
    }
    packable(conv, site)?;
    if tile::conv_tiles(site.target.isa, conv.stride[1]).is_empty() {
        return Err(format!("no kernel reads pixels {} apart", conv.stride[1]));
    }
    Ok(choice(conv, site, Layout::Plain, Layout::Blocked))
}

fn choose_blocked(conv: &Conv, site: &Site<'_>) -> Result<Choice, String> {
    let (block, groups) = (site.target.block(), conv.groups);
    let (inputs, outputs) = (site.operands[0].shape[1] / groups, site.results[0].shape[1] / groups);
    if groups > 1 && merged(groups, inputs, outputs, block).is_none() {
        return Err(format!("{groups} groups of {inputs} and {outputs} channels, which no blocks of {block} hold"));
    }
    packable(conv, site)?;
    Ok(choice(conv, site, Layout::Blocked, Layout::Blocked))
}

/// How many neighbouring groups make one whose output channels fill blocks and whose input channels are blocks, or an
/// even share of one. Their weights together are block-diagonal: zeros are multiplied, but whole vectors.
fn merged(groups: usize, inputs: usize, outputs: usize, block: usize) -> Option<usize> {
    let together = if outputs.is_multiple_of(block) { 1 } else { block / outputs };
    let inputs = (together * inputs).max(1);
    let shares = block.div_ceil(inputs);
    let fits = (together * outputs).is_multiple_of(block) && (shares * inputs).is_multiple_of(block);
    (fits && groups.is_multiple_of(together * shares)).then_some(together)
}

fn choose_loops(conv: &Conv, site: &Site<'_>) -> Result<Choice, String> {
    let mut choice = choice(conv, site, Layout::Plain, Layout::Plain);
    for (index, need) in choice.operands.iter_mut().enumerate().skip(1) {
        if !site.is_weight(index) {
            *need = Need::tensor(Layout::Plain);
        }
    }
    Ok(choice)
}

/// A convolution as its loops see it.
pub(in crate::ops) struct Geometry {
    source: Storage,
    result: Storage,
    kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Row and column of the source that the first window begins at.
    origin: [i64; 2],
    /// Rows and columns of pixels that are computed.
    extent: [usize; 2],
    /// Row and column of the result where the first of them lies, and from one to the next.
    place: [usize; 2],
    step: [usize; 2],
    /// Groups of channels, neighbours that share a block being one.
    groups: usize,
    /// Groups of the convolution that one of them stands for.
    merged: usize,
    /// Input channels of one group, blocks of them, and channels of such a block.
    channels: usize,
    outer: usize,
    inner: usize,
    /// Source elements between neighbouring output pixels.
    px: usize,
    flat: bool,
    activation: Activation,
}

impl Geometry {
    fn new(conv: &Conv, work: &Work<'_>) -> Self {
        let (source, result) = (work.storage(0), work.storages[0]);
        let [_, _, kh, kw] = work.operands[1].ty().shape[..] else { unreachable!("weights are O I Kh Kw") };
        let residual = conv.epilogue.residual.then(|| work.storage(work.operands.len() - 1));
        let pointwise = [kh, kw] == [1, 1] && conv.stride == [1, 1] && conv.padding == [0; 4];
        let dense = source.dense() && result.dense() && residual.is_none_or(|residual| residual.dense());
        let whole = Self::of([source, result], conv.groups);
        Self {
            kernel: [kh, kw],
            stride: conv.stride,
            dilation: conv.dilation,
            origin: [0, 1].map(|axis| -(conv.padding[axis] as i64)),
            px: conv.stride[1] * source.block,
            flat: pointwise && dense,
            activation: conv.epilogue.activation,
            ..whole
        }
    }

    /// A convolution by one tap.
    fn of([source, result]: [Storage; 2], groups: usize) -> Self {
        let (inputs, outputs) = (source.c / groups, result.c / groups);
        let together = if groups > 1 { merged(groups, inputs, outputs, result.block) } else { None };
        let merged = together.unwrap_or(1);
        let channels = merged * inputs;
        Self {
            source,
            result,
            kernel: [1, 1],
            stride: [1, 1],
            dilation: [1, 1],
            origin: [0, 0],
            extent: [result.h, result.w],
            place: [0, 0],
            step: [1, 1],
            groups: groups / merged,
            merged,
            channels,
            outer: channels.div_ceil(source.block),
            inner: source.block.min(channels),
            px: source.block,
            flat: false,
            activation: Activation::Identity,
        }
    }

    /// The pixels of a transposed convolution of stride `step` that meet the same taps: a convolution of its source by
    /// them, whose results lie `step` apart. Without taps, what is added is all there is.
    pub(in crate::ops) fn phase(storages: [Storage; 2], groups: usize, step: [usize; 2], phase: &Phase) -> Self {
        let whole = Self::of(storages, groups);
        let outer = if phase.taps.contains(&0) { 0 } else { whole.outer };
        let Phase { taps: kernel, origin, extent, place } = *phase;
        Self { kernel, origin, extent, place, step, outer, ..whole }
    }

    /// Groups whose input channels lie in one block.
    fn shares(&self) -> usize {
        self.source.block.div_ceil(self.channels).min(self.groups)
    }

    /// Whether blocks hold the channels of its groups, so that the microkernel computes it.
    pub(in crate::ops) fn fits(groups: usize, [inputs, outputs]: [usize; 2], block: usize) -> bool {
        groups == 1 || merged(groups, inputs / groups, outputs / groups, block).is_some()
    }

    /// Products per output element.
    fn taps(&self) -> usize {
        if self.outer == 0 { 0 } else { self.channels * self.kernel[0] * self.kernel[1] }
    }

    /// Rows and pixels of a row.
    fn extent(&self) -> (usize, usize) {
        let [h, w] = self.extent;
        if self.flat { (1, h * w) } else { (h, w) }
    }

    pub(in crate::ops) fn tiles(&self, work: &Work<'_>) -> ConvTiles {
        let (height, width) = self.extent();
        let shape = ConvShape {
            isa: work.target.isa,
            block: self.result.block,
            px: self.px,
            blocks: self.result.blocks() / self.groups,
            height,
            width,
            taps: self.taps(),
            source: size_of::<f32>() * self.source.image() / self.groups,
            l2: work.target.l2,
            ragged: self.groups == 1,
            threads: work.target.threads,
        };
        ConvTiles::choose(&shape, self.flat)
    }
}

/// Pixels of a transposed convolution that meet the same taps.
pub(in crate::ops) struct Phase {
    /// Rows and columns of these taps; 0 where there is none.
    pub(in crate::ops) taps: [usize; 2],
    /// Row and column of the source that the first of them meets for the first pixel.
    pub(in crate::ops) origin: [i64; 2],
    /// Rows and columns of pixels.
    pub(in crate::ops) extent: [usize; 2],
    /// Row and column of the result where the first lies.
    pub(in crate::ops) place: [usize; 2],
}

fn macs(work: &Work<'_>) -> u64 {
    let weight: usize = work.operands[1].ty().shape[1..].iter().product();
    (work.results[0].elements() * weight) as u64
}

fn schedule_direct(conv: &Conv, work: &Work<'_>) -> Schedule {
    Schedule { tiles: vec![Geometry::new(conv, work).tiles(work)], ..Schedule::of_macs(macs(work)) }
}

/// The operands of a convolution's calls.
struct Views {
    source: View,
    result: View,
    weights: View,
    bias: View,
    residual: Option<View>,
}

fn emit_direct(conv: &Conv, work: &Work<'_>, schedule: &Schedule, e: &mut Emitter<'_>) {
    let geometry = Geometry::new(conv, work);
    let views = [e.operand(0), e.result(0)];
    let block = geometry.result.block;
    let bias = bias(conv, e, WeightOp::PackVector { block: block as u32 }, geometry.result.blocks() * block);
    let residual = conv.epilogue.residual.then(|| e.operand(work.operands.len() - 1));
    let weights = e.postfix(1);
    emit_tiles(&geometry, &schedule.tiles[0], ("weights", weights), (views, bias, residual), e);
}

/// The tiles of a convolution by these weights, O I Kh Kw.
pub(in crate::ops) fn emit_tiles(
    geometry: &Geometry,
    tiles: &ConvTiles,
    (name, mut weights): (&str, Vec<WeightOp>),
    ([source, result], bias, residual): ([View; 2], View, Option<View>),
    e: &mut Emitter<'_>,
) {
    let (block, nr) = (geometry.result.block as u32, tiles.nr());
    if geometry.merged > 1 {
        let outputs = (geometry.result.c / geometry.groups / geometry.merged) as u32;
        weights.push(WeightOp::BlockDiagonal { outputs, groups: geometry.merged as u32 });
    }
    weights.push(WeightOp::PackConv { block, nr, inner: geometry.inner as u32 });
    let channels = geometry.result.blocks() * geometry.result.block;
    // Without taps no weight is read, and the bias is as good as any.
    let weights = match geometry.taps() {
        0 => bias,
        taps => e.prepared(name, weights, channels * taps),
    };
    let views = Views { source, result, weights, bias, residual };
    // Groups whose input channels are a share of a block, in turn.
    let shares = geometry.shares();
    e.serial(geometry.result.n, |e, n| {
        e.serial(geometry.groups / shares, |e, whole| {
            e.serial(shares, |e, share| {
                let (group, channel) = (whole * shares + share, share * geometry.inner);
                let source = (whole * geometry.channels.div_ceil(geometry.source.block), channel);
                for segment in &tiles.segments {
                    emit_segment(geometry, &views, tiles, segment, (n, &group, &source), e);
                }
            })
        })
    })
}

pub(super) fn bias(conv: &Conv, e: &mut Emitter<'_>, pack: WeightOp, len: usize) -> View {
    if conv.bias { e.weight(2, "bias", pack, len) } else { e.constant("bias", 0.0, len) }
}

/// The loops of one segment: groups of output blocks, rows, tiles of a row.
fn emit_segment(
    geometry: &Geometry,
    views: &Views,
    tiles: &ConvTiles,
    segment: &Segment,
    (n, group, source): (&Affine, &Affine, &(Affine, Affine)),
    e: &mut Emitter<'_>,
) {
    let Segment { first, groups, nr, mr, full, rest, chunk, parallel } = *segment;
    let blocks = geometry.result.blocks() / geometry.groups;
    let each = |e: &mut Emitter<'_>, body: &mut dyn FnMut(&mut Emitter<'_>, &Affine)| {
        e.divide(groups, parallel == Axis::Groups, |e, index| body(e, &(group * blocks + index * nr as usize + first)));
    };
    let call = |e: &mut Emitter<'_>, block: &Affine, y: &Affine, x: Affine, pixels: u32| {
        call_tile(geometry, views, (n, source), (block, y, x), (pixels, nr), e)
    };
    let (row, last) = (Affine::default(), Affine::from(full * mr as usize));
    let divided = parallel != Axis::Groups;
    // The loop that is cut in chunks is the one that threads divide, if they do not divide groups.
    let extent = tiles.extent(segment);
    let (chunks, within) = if chunk < extent { (extent / chunk, false) } else { (1, divided) };
    e.divide(chunks, divided && !within, |e, index| {
        each(e, &mut |e, block| {
            e.divide(extent / chunks, within, |e, place| {
                let place = index * chunk + place;
                if tiles.height == 1 {
                    return call(e, block, &row, place * mr as usize, mr);
                }
                e.serial(full, |e, tile| call(e, block, &place, tile * mr as usize, mr));
                if rest > 0 {
                    call(e, block, &place, last.clone(), rest);
                }
            });
        });
    });
    if tiles.height == 1 && rest > 0 {
        each(e, &mut |e, block| {
            e.divide(1, divided, |e, _| call(e, block, &row, last.clone(), rest));
        });
    }
}

/// One call: `mr` pixels from column `x` of row `y` on, `nr` blocks from `block` on, of input channels that begin in a
/// block at a channel.
fn call_tile(
    geometry: &Geometry,
    views: &Views,
    (n, (first, channel)): (&Affine, &(Affine, Affine)),
    (block, y, x): (&Affine, &Affine, Affine),
    (mr, nr): (u32, u32),
    e: &mut Emitter<'_>,
) {
    let Geometry { source, result, stride, dilation, origin, place, step, .. } = *geometry;
    let params = kernels::Conv {
        mr,
        nr,
        block: result.block as u32,
        px: if mr == 1 { result.block } else { geometry.px } as u32,
        outer: geometry.outer as u32,
        outer_stride: source.plane() as u32,
        kh: geometry.kernel[0] as u32,
        kh_stride: (dilation[0] * source.pitch()) as u32,
        kw: geometry.kernel[1] as u32,
        kw_stride: (dilation[1] * source.block) as u32,
        inner: geometry.inner as u32,
        tail: geometry.outer.checked_sub(1).map_or(0, |full| geometry.channels - full * geometry.inner) as u32,
        dst_block: result.plane() as u32,
        dst_px: (step[1] * result.block) as u32,
        residual: u32::from(views.residual.is_some()),
        residual_block: views.residual.map_or(0, |residual| residual.storage.plane()) as u32,
        activation: geometry.activation.into(),
    };
    let from = |axis: usize, pixel: &Affine| pixel * stride[axis] + Affine { base: origin[axis], terms: Vec::new() };
    let mut window = views.source.at(n, first, from(0, y), from(1, &x));
    window.index = window.index + channel;
    let to = |view: &View| view.at(n, block, y * step[0] + place[0], &x * step[1] + place[1]);
    let mut args = vec![
        to(&views.result),
        window,
        views.weights.element(block * (result.block * geometry.taps())),
        views.bias.element(block * result.block),
    ];
    args.extend(views.residual.as_ref().map(to));
    e.call(Params::Conv(params), args);
}

fn schedule_rows(_: &Conv, work: &Work<'_>) -> Schedule {
    Schedule::of_macs(macs(work))
}

fn emit_rows(conv: &Conv, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let geometry = Geometry::new(conv, work);
    let (s, d) = (geometry.source, geometry.result);
    let pack = WeightOp::PackConv { block: d.c as u32, nr: 1, inner: 1 };
    let (source, result) = (e.operand(0), e.result(0));
    let weights = e.weight(1, "weights", pack, d.c * geometry.taps());
    let bias = bias(conv, e, WeightOp::PackVector { block: 1 }, d.c);
    let [top, left, _, _] = conv.padding;
    let params = kernels::Planar {
        nr: d.c as u32,
        len: d.w as u32,
        outer: geometry.channels as u32,
        outer_stride: s.plane() as u32,
        kh: geometry.kernel[0] as u32,
        kh_stride: (conv.dilation[0] * s.pitch()) as u32,
        kw: geometry.kernel[1] as u32,
        kw_stride: conv.dilation[1] as u32,
        dst_plane: d.plane() as u32,
        activation: conv.epilogue.activation.into(),
    };
    e.serial(d.n, |e, n| {
        e.parallel(d.h, |e, y| {
            let window = source.at(n, 0, y * conv.stride[0] - top, Affine::default() - left);
            let args = vec![result.at(n, 0, y, 0), window, weights.element(0), bias.element(0)];
            e.call(Params::Planar(params), args)
        })
    })
}

/// Pixels of a depthwise tile for a row: the widest kernel, or an even share where that wastes less.
fn depthwise_tile(work: &Work<'_>, px: usize, width: usize) -> usize {
    let available = |mr: usize| {
        let tile = Tile { mr: mr as u32, nr: 1, block: work.target.block() as u32, px: px as u32 };
        mr == 1 || kernels::select(Family::Depthwise, work.target.isa, tile).is_some()
    };
    let widest = (1..=width.min(32)).rev().find(|&mr| available(mr)).unwrap_or(1);
    let even = width.div_ceil(width.div_ceil(widest));
    let usable = |mr: usize| available(mr) && (width.is_multiple_of(mr) || available(width % mr));
    (even..=widest).chain((1..even).rev()).find(|&mr| usable(mr)).unwrap_or(1)
}

fn schedule_depthwise(_: &Conv, work: &Work<'_>) -> Schedule {
    // Depthwise layers wait for memory more than for arithmetic.
    Schedule::of_elements(work.storage(0).len() + work.storages[0].len())
}

fn emit_depthwise(conv: &Conv, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let geometry = Geometry::new(conv, work);
    let views = [e.operand(0), e.result(0)];
    let channels = geometry.result.blocks() * geometry.result.block;
    let bias = bias(conv, e, WeightOp::PackVector { block: geometry.result.block as u32 }, channels);
    let residual = conv.epilogue.residual.then(|| e.operand(work.operands.len() - 1));
    let weights = e.postfix(1);
    emit_depthwise_tiles(&geometry, ("weights", weights), (views, bias, residual), work, e);
}

/// The tiles of a depthwise convolution by these weights, C 1 Kh Kw.
pub(in crate::ops) fn emit_depthwise_tiles(
    geometry: &Geometry,
    (name, mut weights): (&str, Vec<WeightOp>),
    ([source, result], bias, residual): ([View; 2], View, Option<View>),
    work: &Work<'_>,
    e: &mut Emitter<'_>,
) {
    let Geometry { source: s, result: d, kernel: [kh, kw], stride, dilation, origin, place, step, .. } = *geometry;
    let [height, width] = geometry.extent;
    let block = d.block as u32;
    weights.push(WeightOp::PackDepthwise { block });
    let weights = match kh * kw {
        0 => bias,
        taps => e.prepared(name, weights, d.blocks() * d.block * taps),
    };
    let mr = depthwise_tile(work, geometry.px, width);
    let (full, rest) = (width / mr, width % mr);
    let by_rows = d.blocks() % work.target.threads as usize != 0 && height > d.blocks();
    e.serial(d.n, |e, n| {
        e.divide(d.blocks(), !by_rows, |e, c| {
            e.divide(height, by_rows, |e, y| {
                let call = |e: &mut Emitter<'_>, x: Affine, mr: usize| {
                    let params = Depthwise {
                        mr: mr as u32,
                        block,
                        px: if mr == 1 { s.block } else { geometry.px } as u32,
                        kh: kh as u32,
                        kh_stride: (dilation[0] * s.pitch()) as u32,
                        kw: kw as u32,
                        kw_stride: (dilation[1] * s.block) as u32,
                        dst_px: (step[1] * d.block) as u32,
                        residual: u32::from(residual.is_some()),
                        activation: geometry.activation.into(),
                    };
                    let from = |axis: usize, pixel: &Affine| {
                        pixel * stride[axis] + Affine { base: origin[axis], terms: Vec::new() }
                    };
                    let to = |view: &View| view.at(n, c, y * step[0] + place[0], &x * step[1] + place[1]);
                    let mut args = vec![
                        to(&result),
                        source.at(n, c, from(0, y), from(1, &x)),
                        weights.element(c * (kh * kw * d.block)),
                        bias.element(c * d.block),
                    ];
                    args.extend(residual.as_ref().map(to));
                    e.call(Params::Depthwise(params), args)
                };
                e.serial(full, |e, tile| call(e, tile * mr, mr));
                if rest > 0 {
                    call(e, (full * mr).into(), rest);
                }
            })
        })
    })
}

fn schedule_loops(_: &Conv, work: &Work<'_>) -> Schedule {
    // Scalar code: a sixteenth of the speed that the threshold assumes.
    Schedule::of_macs(16 * macs(work))
}

/// Scalar loops, for what no kernel takes: odd groups, weights that are computed during the run.
fn emit_loops(conv: &Conv, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let d = work.storages[0];
    let [outputs, inputs, kh, kw] = work.operands[1].ty().shape[..] else { unreachable!("weights are O I Kh Kw") };
    let per_group = outputs / conv.groups;
    let (source, result) = (e.operand(0), e.result(0));
    let weights = e.plain(1, "weights", outputs * inputs * kh * kw);
    let bias = if conv.bias { e.plain(2, "bias", outputs) } else { e.constant("bias", 0.0, outputs) };
    let residual = conv.epilogue.residual.then(|| e.operand(work.operands.len() - 1));
    let [top, left, _, _] = conv.padding;
    let pixel = |e: &mut Emitter<'_>, n: &Affine, (group, channel): (&Affine, &Affine), y: &Affine, x: &Affine| {
        let sum = e.code.load(1, bias.element(channel));
        e.serial(inputs, |e, i| {
            e.serial(kh, |e, ky| {
                e.serial(kw, |e, kx| {
                    let row = y * conv.stride[0] + ky * conv.dilation[0] - top;
                    let column = x * conv.stride[1] + kx * conv.dilation[1] - left;
                    let tap = channel * (inputs * kh * kw) + i * (kh * kw) + ky * kw + kx;
                    let a = e.code.load(1, source.at(n, group * inputs + i, row, column));
                    let b = e.code.load(1, weights.element(tap));
                    e.code.set(sum, Expr::Fma(a, b, sum));
                });
            });
        });
        if let Some(residual) = residual {
            let other = e.code.load(1, residual.at(n, channel, y, x));
            e.code.set(sum, Expr::Binary(Binary::Add, sum, other));
        }
        e.code.store(result.at(n, channel, y, x), sum);
    };
    e.serial(d.n, |e, n| {
        e.serial(conv.groups, |e, group| {
            e.serial(per_group, |e, o| {
                let channel = group * per_group + o;
                e.parallel(d.h, |e, y| {
                    e.serial(d.w, |e, x| pixel(e, n, (group, &channel), y, x));
                    e.activate(result.at(n, &channel, y, 0), d.w, conv.epilogue.activation);
                });
            });
        });
    });
}
