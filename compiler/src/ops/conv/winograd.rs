//! Convolution by Winograd's algorithm F(*m*, 3): tiles of the input are transformed, multiplied with transformed weights
//! point by point, and transformed back; see [`lower::winograd`](crate::lower::winograd).

use convoke_runtime::Activation;
use convoke_runtime::kernels::{self, Params, WinogradInput, WinogradOutput};
use convoke_runtime::weights::WeightOp;

use super::Conv;
use super::lower::{bias, choice, packable};
use crate::TensorType;
use crate::lir::Affine;
use crate::lower::tile::Segment;
use crate::lower::winograd::{Points, Split, WinogradShape, WinogradTiles, spans};
use crate::lower::{Choice, Emitter, Layout, Schedule, Site, Target, View, Work};

pub(super) fn choose(conv: &Conv, site: &Site<'_>) -> Result<Choice, String> {
    let [_, _, kh, kw] = site.operands[1].shape[..] else { unreachable!("weights are O I Kh Kw") };
    if [kh, kw] != [3, 3] || conv.stride != [1, 1] || conv.dilation != [1, 1] {
        return Err(format!("{kh}×{kw} taps of stride {:?}, dilation {:?}", conv.stride, conv.dilation));
    }
    if conv.groups != 1 {
        return Err(format!("{} groups", conv.groups));
    }
    let (channels, block) = (site.operands[0].shape[1], site.target.block());
    if site.layouts[0] == Some(Layout::Plain) && channels < block {
        return Err(format!("a planar source of {channels} channels, fewer than a block"));
    }
    if site.exact {
        return Err("the network is exact".to_owned());
    }
    packable(conv, site)?;
    WinogradTiles::choose(&shape(site.target, site.operands[0], &site.results[0]))?;
    Ok(choice(conv, site, Layout::Blocked, Layout::Blocked))
}

/// A schedule by the products that are left of the convolution's own.
fn share(input: &TensorType, output: &TensorType) -> Schedule {
    Schedule::of_macs((output.elements() * input.shape[1] * 9) as u64 / 4)
}

fn shape(target: &Target, x: &TensorType, y: &TensorType) -> WinogradShape {
    let (block, input, output) = (target.block(), &x.shape, &y.shape);
    WinogradShape {
        isa: target.isa,
        block,
        images: output[0],
        channels: input[1],
        inputs: input[1].div_ceil(block),
        outputs: output[1].div_ceil(block),
        height: output[2],
        width: output[3],
        threads: target.threads.min(share(x, y).threads).max(1) as usize,
        l2: target.l2.max(1),
    }
}

fn of_work(work: &Work<'_>) -> WinogradShape {
    shape(work.target, work.operands[0].ty(), &work.results[0])
}

pub(super) fn schedule(_: &Conv, work: &Work<'_>) -> Schedule {
    let shape = of_work(work);
    let tiles = WinogradTiles::choose(&shape).expect("the algorithm was chosen for this shape");
    let scratch = tiles.scratch(&shape);
    Schedule { winograd: Some(tiles), scratch, ..share(work.operands[0].ty(), &work.results[0]) }
}

pub(super) fn emit(conv: &Conv, work: &Work<'_>, schedule: &Schedule, e: &mut Emitter<'_>) {
    let tiles = schedule.winograd.as_ref().expect("the step was scheduled by Winograd's algorithm");
    let layer = Layer { conv, tiles, shape: of_work(work) };
    match tiles.split {
        Split::Rows(parts) => layer.rows(parts, work, e),
        Split::Channels(groups) => layer.channels(groups, work, e),
    }
}

struct Layer<'a> {
    conv: &'a Conv,
    tiles: &'a WinogradTiles,
    shape: WinogradShape,
}

/// The operands of the calls that follow V.
struct Views {
    scratch: View,
    weights: View,
    /// The products' bias.
    zeros: View,
    bias: View,
    result: View,
    residual: Option<View>,
}

/// Tiles that are transformed together: those that hold `height` × `width` results from tile `row`, `column` on.
struct Block {
    image: Affine,
    row: Affine,
    column: Affine,
    height: usize,
    width: usize,
    /// Tiles of the matrices V and M that these are a part of, and the first of these in them.
    tiles: usize,
    first: Affine,
}

impl Block {
    /// For each row of tiles its index, the first of its tiles in V and M, and how many rows of results it has: a loop over
    /// rows of full height, and one row that is cut off.
    fn each_row(&self, m: usize, e: &mut Emitter<'_>, mut each: impl FnMut(&mut Emitter<'_>, Affine, Affine, usize)) {
        let (full, rest) = (self.height / m, self.height % m);
        let mut row = |e: &mut Emitter<'_>, row: &Affine, height: usize| {
            each(e, &self.row + row, &self.first + row * self.width.div_ceil(m), height);
        };
        e.serial(full, |e, y| row(e, y, m));
        if rest > 0 {
            row(e, &full.into(), rest);
        }
    }
}

/// Where V and M of some tiles begin, and how far apart their points lie.
struct Matrices {
    v: Affine,
    m: Affine,
    points: Points,
    tiles: usize,
}

impl Layer<'_> {
    fn views(&self, work: &Work<'_>, e: &mut Emitter<'_>) -> Views {
        let WinogradShape { block, channels, outputs, .. } = self.shape;
        let (lanes, nr) = (block as u32, self.tiles.product.nr());
        let pack = WeightOp::PackWinograd { m: self.tiles.m, block: lanes, nr, inner: lanes };
        let points = self.tiles.points();
        Views {
            weights: e.weight(1, "weights", pack, points * channels * outputs * block),
            zeros: e.constant("zeros", 0.0, nr as usize * block),
            bias: bias(self.conv, e, WeightOp::PackVector { block: lanes }, outputs * block),
            result: e.result(0),
            scratch: e.result(1),
            residual: self.conv.epilogue.residual.then(|| e.operand(work.operands.len() - 1)),
        }
    }

    /// Each part of the rows by itself, block by block.
    fn rows(&self, parts: usize, work: &Work<'_>, e: &mut Emitter<'_>) {
        let m = self.tiles.m as usize;
        let source = e.operand(0);
        let views = self.views(work, e);
        let len = self.tiles.part_len(&self.shape);
        let rows = self.shape.height / m / parts;
        let rest = self.shape.height - parts * rows * m;
        e.serial(self.shape.images, |e, image| {
            let part = |e: &mut Emitter<'_>, part: &Affine, height: usize| {
                for down in spans(height, m, self.tiles.rows) {
                    for across in spans(self.shape.width, m, self.tiles.columns) {
                        e.serial(down.count, |e, y| {
                            e.serial(across.count, |e, x| {
                                let block = Block {
                                    image: image.clone(),
                                    row: part * rows + y * down.tiles + down.first,
                                    column: x * across.tiles + across.first,
                                    height: down.pixels,
                                    width: across.pixels,
                                    tiles: down.tiles * across.tiles,
                                    first: 0.into(),
                                };
                                self.block(&block, &(part * len), source, &views, e);
                            });
                        });
                    }
                }
            };
            if rows > 0 {
                e.parallel(parts, |e, index| part(e, index, rows * m));
            }
            if rest > 0 {
                e.once(|e| part(e, &parts.into(), rest));
            }
        });
    }

    /// The results of one block, whose scratch memory begins at `start`.
    fn block(&self, block: &Block, start: &Affine, source: View, views: &Views, e: &mut Emitter<'_>) {
        let points = self.tiles.matrices(block.tiles, self.shape.inputs, self.shape.outputs, self.shape.block);
        let matrices = Matrices { v: start.clone(), m: start + points.v_len, tiles: block.tiles, points };
        e.serial(self.shape.inputs, |e, channels| self.input(block, channels, &matrices, source, views.scratch, e));
        let product = self.shape.product(block.tiles, Some(self.tiles.product.nr()));
        e.serial(self.tiles.points(), |e, point| {
            for segment in &product.segments {
                let first = segment.first.into();
                self.multiply(&matrices, point, segment, (segment.groups, &first, &first), views, e);
            }
        });
        e.serial(self.shape.outputs, |e, channels| self.output(block, (channels, channels), &matrices, views, e));
    }

    /// All of V; then, a few groups of output channels at a time, sums and results.
    fn channels(&self, groups: usize, work: &Work<'_>, e: &mut Emitter<'_>) {
        let WinogradShape { block, inputs, height, width, images, .. } = self.shape;
        let [rows, columns] = self.tiles.grid();
        let tiles = images * rows * columns;
        let whole = |image: &Affine| Block {
            image: image.clone(),
            row: 0.into(),
            column: 0.into(),
            height,
            width,
            tiles,
            first: image * (rows * columns),
        };
        let matrices = |m: Affine, outputs: usize| Matrices {
            v: 0.into(),
            m,
            points: self.tiles.matrices(tiles, inputs, outputs, block),
            tiles,
        };
        let (source, scratch) = (e.operand(0), e.result(1));
        let all = matrices(0.into(), 0);
        e.parallel(inputs, |e, channels| {
            e.serial(images, |e, image| self.input(&whole(image), channels, &all, source, scratch, e));
        });
        e.barrier();
        let views = self.views(work, e);
        let mut start = all.points.v_len;
        for segment in &self.tiles.product.segments {
            let groups = groups.min(segment.groups);
            let (parts, outputs) = (segment.groups / groups, groups * segment.nr as usize);
            let len = self.tiles.matrices(tiles, inputs, outputs, block).m_len;
            e.parallel(parts, |e, part| {
                let matrices = matrices(part * len + start, outputs);
                let first = part * outputs + segment.first;
                e.serial(self.tiles.points(), |e, point| {
                    self.multiply(&matrices, point, segment, (groups, &first, &0.into()), &views, e);
                });
                e.serial(outputs, |e, channels| {
                    e.serial(images, |e, image| {
                        self.output(&whole(image), (&(&first + channels), channels), &matrices, &views, e);
                    });
                });
            });
            start += parts * len;
        }
    }

    /// One block of input channels to V.
    fn input(&self, at: &Block, channels: &Affine, to: &Matrices, source: View, scratch: View, e: &mut Emitter<'_>) {
        let (m, block) = (self.tiles.m as usize, self.shape.block);
        let [top, left, _, _] = self.conv.padding;
        at.each_row(m, e, |e, row, tile, rows| {
            let params = WinogradInput {
                m: m as u32,
                block: block as u32,
                rows: rows as u32,
                cols: at.width as u32,
                src_pitch: source.storage.pitch() as u32,
                dst_point: to.points.v as u32,
            };
            let dst = scratch.element(&to.v + (channels * to.tiles + tile) * block);
            let src = source.at(&at.image, channels, row * m - top, &at.column * m - left);
            e.call(Params::WinogradInput(params), vec![dst, src]);
        });
    }

    /// The product of one point: `groups` groups of output blocks, the first of which is block `first` of the weights and
    /// block `to` of M.
    fn multiply(
        &self,
        of: &Matrices,
        point: &Affine,
        segment: &Segment,
        (groups, first, to): (usize, &Affine, &Affine),
        views: &Views,
        e: &mut Emitter<'_>,
    ) {
        let WinogradShape { block, channels, inputs, outputs, .. } = self.shape;
        let Segment { nr, mr, full, rest, .. } = *segment;
        let pitch = of.tiles * block;
        let matrix = channels * block;
        e.serial(groups, |e, group| {
            let blocks = group * nr as usize;
            let call = |e: &mut Emitter<'_>, tile: Affine, mr: u32| {
                let params = kernels::Conv {
                    mr,
                    nr,
                    block: block as u32,
                    px: block as u32,
                    outer: inputs as u32,
                    outer_stride: pitch as u32,
                    kh: 1,
                    kh_stride: 0,
                    kw: 1,
                    kw_stride: block as u32,
                    inner: block as u32,
                    tail: (channels - (inputs - 1) * block) as u32,
                    dst_block: pitch as u32,
                    dst_px: block as u32,
                    residual: 0,
                    residual_block: 0,
                    activation: Activation::Identity.into(),
                };
                let args = vec![
                    views.scratch.element(&of.m + point * of.points.m + (&blocks + to) * pitch + &tile * block),
                    views.scratch.element(&of.v + point * of.points.v + &tile * block),
                    views.weights.element(point * (outputs * matrix) + (&blocks + first) * matrix),
                    views.zeros.element(0),
                ];
                e.call(Params::Conv(params), args);
            };
            e.serial(full, |e, tile| call(e, tile * mr as usize, mr));
            if rest > 0 {
                call(e, (full * mr as usize).into(), rest);
            }
        });
    }

    /// One block of output channels, `channels.0` of the result and `channels.1` of M, to results.
    fn output(&self, at: &Block, channels: (&Affine, &Affine), of: &Matrices, views: &Views, e: &mut Emitter<'_>) {
        let (m, block) = (self.tiles.m as usize, self.shape.block);
        let column = &at.column * m;
        at.each_row(m, e, |e, row, tile, rows| {
            let params = WinogradOutput {
                m: m as u32,
                block: block as u32,
                rows: rows as u32,
                cols: at.width as u32,
                src_point: of.points.m as u32,
                dst_pitch: views.result.storage.pitch() as u32,
                residual: u32::from(views.residual.is_some()),
                residual_pitch: views.residual.map_or(0, |residual| residual.storage.pitch()) as u32,
                activation: self.conv.epilogue.activation.into(),
            };
            let y = row * m;
            let mut args = vec![
                views.result.at(&at.image, channels.0, &y, &column),
                views.scratch.element(&of.m + (channels.1 * of.tiles + tile) * block),
                views.bias.element(channels.0 * block),
            ];
            args.extend(views.residual.map(|residual| residual.at(&at.image, channels.0, &y, &column)));
            e.call(Params::WinogradOutput(params), args);
        });
    }
}
