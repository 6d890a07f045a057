//! Algorithms of a convolution's weight gradient.
//!
//! Kernels sum over the pixels of some images at a time. Sums lie by blocks of output channels in scratch memory,
//! `[block][weight][lane]`, where the next images are added to them, and are moved to the result in the end.

use convoke_runtime::kernels::{self, DepthwiseGradient, Params, Unblock, WeightGradient};

use super::ConvWeightGradient;
use crate::lir::{Affine, Expr};
use crate::lower::gradient::{Axis, GradientShape, GradientTiles, Groups, chunk};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Operand, Schedule, Site, Storage, View, Work};
use crate::ops::Operator;

/// In order of preference.
pub(super) const ALGORITHMS: &[Algorithm<ConvWeightGradient>] = &[
    Algorithm { name: "depthwise", choose: choose_depthwise, schedule: schedule_depthwise, emit: emit_depthwise },
    Algorithm { name: "direct_planar", choose: choose_planar, schedule, emit },
    Algorithm { name: "direct", choose: choose_blocked, schedule, emit },
    LOOPS,
];

/// X with as many zeros around it as windows reach.
fn source(op: &ConvWeightGradient, site: &Site<'_>, layout: Layout) -> Need {
    let [image, result] = [0, 1].map(|operand| [2, 3].map(|dim| site.operands[operand].shape[dim]));
    Need::halo(layout, op.window().halo(image, result))
}

/// G in blocks of channels.
fn choice(op: &ConvWeightGradient, site: &Site<'_>, layout: Layout) -> Choice {
    let operands = vec![source(op, site, layout), Need::tensor(Layout::Blocked)];
    Choice { operands, results: vec![Layout::Plain], alias: false }
}

fn macs(op: &ConvWeightGradient, work: &Work<'_>) -> u64 {
    let types: Vec<_> = work.operands.iter().map(Operand::ty).collect();
    op.macs(&types, work.results)
}

/// The pixel of X that tap `tap` of the window at `place` meets, along one axis.
fn pixel(op: &ConvWeightGradient, axis: usize, place: &Affine, tap: &Affine) -> Affine {
    place * op.stride[axis] + tap * op.dilation[axis] - op.padding[axis]
}

/// X as it comes: weights side by side are taps of a row.
fn choose_planar(op: &ConvWeightGradient, site: &Site<'_>) -> Result<Choice, String> {
    let channels = site.operands[0].shape[1];
    if site.layouts[0] != Some(Layout::Plain) {
        return Err("the source is blocked".to_owned());
    }
    if op.groups != 1 || op.dilation[1] != 1 {
        return Err("groups, or a dilation along rows".to_owned());
    }
    if op.kernel[1] == 1 || 2 * channels > site.target.block() {
        return Err(format!("{} taps in a row, and {channels} channels", op.kernel[1]));
    }
    Ok(choice(op, site, Layout::Plain))
}

fn choose_blocked(op: &ConvWeightGradient, site: &Site<'_>) -> Result<Choice, String> {
    let (block, groups) = (site.target.block(), op.groups);
    let [inputs, outputs] = [0, 1].map(|operand| site.operands[operand].shape[1] / groups);
    if groups > 1 && !(inputs.is_multiple_of(block) && outputs.is_multiple_of(block)) {
        return Err(format!("{groups} groups of {inputs} and {outputs} channels, not all in blocks of {block}"));
    }
    Ok(choice(op, site, Layout::Blocked))
}

/// Channels of a group, and blocks of output channels of a group.
fn channels(op: &ConvWeightGradient, [x, g]: [&Storage; 2]) -> [usize; 2] {
    [x.c / op.groups, (g.c / op.groups).div_ceil(g.block)]
}

fn schedule(op: &ConvWeightGradient, work: &Work<'_>) -> Schedule {
    let (x, g) = (work.storage(0), work.storage(1));
    let [inputs, outputs] = channels(op, [&x, &g]);
    let tiles = GradientTiles::choose(&GradientShape {
        isa: work.target.isa,
        block: x.block,
        inputs,
        outputs,
        kernel: op.kernel,
        images: g.n,
        pixels: g.h * g.w,
        planes: [x.plane(), g.plane()].map(|elements| elements * size_of::<f32>()),
        l2: work.target.l2,
        threads: work.target.threads as usize,
    });
    let scratch = op.groups * outputs * g.block * inputs * op.kernel[0] * op.kernel[1];
    Schedule { gradient: Some(tiles), scratch, ..Schedule::of_macs(macs(op, work)) }
}

/// Runs `body` for runs of at most `width` of `total`, with the first and the number of each.
fn each(
    e: &mut Emitter<'_>,
    (total, width): (usize, usize),
    parallel: bool,
    body: &mut dyn FnMut(&mut Emitter<'_>, &Affine, usize),
) {
    let full = total / width;
    for (first, count, width) in [(0, full, width), (full * width, 1, total % width)] {
        if count > 0 && width > 0 {
            e.divide(count, parallel, |e, index| body(e, &(index * width + first), width));
        }
    }
}

/// Pixels as a kernel goes through them: images, rows and columns, and for each the elements between neighbours in X and
/// in G.
struct Pixels([(usize, usize, usize); 3]);

impl Pixels {
    fn of(op: &ConvWeightGradient, [x, g]: [&Storage; 2], images: usize) -> Self {
        let by_image = (images, x.image(), g.image());
        let rows = (g.h, op.stride[0] * x.pitch(), g.pitch());
        let columns = (g.w, op.stride[1] * x.block, g.block);
        let one = (1, 0, 0);
        if g.h * g.w == 1 {
            Self([one, one, by_image])
        } else if rows.1 == g.w * columns.1 && rows.2 == g.w * columns.2 {
            Self([by_image, one, (g.h * g.w, columns.1, columns.2)])
        } else {
            Self([by_image, rows, columns])
        }
    }
}

/// Calls `body` for the images of each call in turn, with the first of them, and whether sums are there to add to.
fn each_images(e: &mut Emitter<'_>, calls: usize, images: usize, body: &mut dyn FnMut(&mut Emitter<'_>, &Affine, bool)) {
    body(e, &Affine::default(), false);
    e.serial(calls - 1, |e, call| body(e, &(call * images + images), true));
}

/// Moves sums, `[block][weight][lane]`, to the result, `[block][lane][weight]`, when all are there.
fn unblock(e: &mut Emitter<'_>, outputs: usize, lanes: usize, weights: usize) {
    e.barrier();
    let (to, from) = (e.result(0), e.result(1));
    each(e, (outputs, lanes), true, &mut |e, first, channels| {
        let params = Unblock {
            block: lanes as u32,
            channels: channels as u32,
            h: 1,
            w: weights as u32,
            dst_plane: weights as u32,
            dst_pitch: weights as u32,
            src_pitch: (weights * lanes) as u32,
        };
        e.call(Params::Unblock(params), vec![to.element(first * weights), from.element(first * weights)]);
    });
}

/// A tile of weights: output blocks, the input block or channel, the row of the window, the tap in it, and the first of
/// what lies side by side: channels of the block, or where the source is planar taps.
struct Tile<'a> {
    output: &'a Affine,
    input: &'a Affine,
    row: &'a Affine,
    tap: &'a Affine,
    side: &'a Affine,
    mr: usize,
    nr: usize,
}

fn emit(op: &ConvWeightGradient, work: &Work<'_>, schedule: &Schedule, e: &mut Emitter<'_>) {
    let tiles = schedule.gradient.expect("a weight gradient is scheduled in tiles");
    let (x, g) = (work.storage(0), work.storage(1));
    let layer = Layer {
        op,
        tiles,
        x: e.operand(0),
        g: e.operand(1),
        scratch: e.result(1),
        channels: channels(op, [&x, &g]),
        pixels: Pixels::of(op, [&x, &g], tiles.images),
    };
    e.serial(op.groups, |e, group| {
        each_images(e, g.n / tiles.images, tiles.images, &mut |e, n, more| layer.images(e, (group, n, more)));
    });
    unblock(e, g.c, g.block, work.results[0].elements() / g.c);
}

struct Layer<'a> {
    op: &'a ConvWeightGradient,
    tiles: GradientTiles,
    x: View,
    g: View,
    scratch: View,
    /// Input channels, and blocks of output channels, of a group.
    channels: [usize; 2],
    pixels: Pixels,
}

impl Layer<'_> {
    /// What the images of one call from image n on add: to the sums that are there if `more`.
    fn images(&self, e: &mut Emitter<'_>, at: (&Affine, &Affine, bool)) {
        let GradientTiles { mr, nr, groups, parallel, .. } = self.tiles;
        let ([inputs, outputs], [kh, kw], block) = (self.channels, self.op.kernel, self.x.storage.block);
        let (mr, nr) = (mr as usize, nr as usize);
        let [blocks, taps] = if groups == Groups::Blocks { [nr, 1] } else { [1, nr] };
        each(e, (outputs, blocks), parallel == Axis::Outputs, &mut |e, output, nr| {
            if block == 1 {
                e.divide(inputs, parallel == Axis::Inputs, |e, input| {
                    each(e, (kw, mr), parallel == Axis::Shares, &mut |e, side, mr| {
                        each(e, (kh, taps), parallel == Axis::Rows, &mut |e, row, rows| {
                            let tile = Tile { output, input, row, tap: &0.into(), side, mr, nr: nr * rows };
                            self.call(e, at, &tile);
                        });
                    });
                });
                return;
            }
            for (first, count, channels) in [(0, inputs / block, block), (inputs / block, 1, inputs % block)] {
                if count == 0 || channels == 0 {
                    continue;
                }
                e.divide(count, parallel == Axis::Inputs, |e, input| {
                    let input = &(input + first);
                    let share = channels.div_ceil(channels.div_ceil(mr));
                    each(e, (channels, share), parallel == Axis::Shares, &mut |e, side, mr| {
                        e.divide(kh, parallel == Axis::Rows, |e, row| {
                            each(e, (kw, taps), false, &mut |e, tap, taps| {
                                self.call(e, at, &Tile { output, input, row, tap, side, mr, nr: nr * taps });
                            });
                        });
                    });
                });
            }
        });
    }

    fn call(&self, e: &mut Emitter<'_>, (group, n, more): (&Affine, &Affine, bool), tile: &Tile<'_>) {
        let ([inputs, outputs], [kh, kw], [x, g]) = (self.channels, self.op.kernel, [self.x.storage, self.g.storage]);
        let (lanes, weights, planar) = (g.block, inputs * kh * kw, x.block == 1);
        let output = group * outputs + tile.output;
        // Where the tile begins: the tap that the source meets, and the weight.
        let (tap, offset, weight, step) = if planar {
            (tile.side, Affine::default(), tile.input * (kh * kw) + tile.row * kw + tile.side, 1)
        } else {
            let channel = tile.input * x.block + tile.side;
            (tile.tap, tile.side.clone(), channel * (kh * kw) + tile.row * kw + tile.tap, kh * kw)
        };
        let origin = Affine::default();
        let [y, column] = [pixel(self.op, 0, &origin, tile.row), pixel(self.op, 1, &origin, tap)];
        let mut window = self.x.at(n, group * (inputs / x.block) + tile.input, y, column);
        window.index = window.index + offset;
        // From one group to the next, in X, G and the sums.
        let [src_group, g_group, dst_group] = match self.tiles.groups {
            _ if tile.nr == 1 => [0; 3],
            Groups::Blocks => [0, g.plane(), weights * lanes],
            Groups::Taps if planar => [self.op.dilation[0] * x.pitch(), 0, kw * lanes],
            Groups::Taps => [self.op.dilation[1] * x.block, 0, lanes],
        };
        let Pixels([images, rows, cols]) = self.pixels;
        let params = WeightGradient {
            mr: tile.mr as u32,
            nr: tile.nr as u32,
            block: lanes as u32,
            images: images.0 as u32,
            src_image: images.1 as u32,
            g_image: images.2 as u32,
            rows: rows.0 as u32,
            src_row: rows.1 as u32,
            g_row: rows.2 as u32,
            cols: cols.0 as u32,
            src_px: cols.1 as u32,
            g_px: cols.2 as u32,
            src_group: src_group as u32,
            g_group: g_group as u32,
            dst_group: dst_group as u32,
            dst_step: (step * lanes) as u32,
            residual: u32::from(more),
        };
        let to = self.scratch.element(&output * (weights * lanes) + weight * lanes);
        let mut args = vec![to.clone(), window, self.g.at(n, output, 0, 0)];
        args.extend(more.then_some(to));
        e.call(Params::WeightGradient(params), args);
    }
}

fn choose_depthwise(op: &ConvWeightGradient, site: &Site<'_>) -> Result<Choice, String> {
    let (channels, outputs) = (site.operands[0].shape[1], site.operands[1].shape[1]);
    if op.groups != channels || channels != outputs || channels == 1 {
        return Err(format!("{} groups, {channels} input and {outputs} output channels", op.groups));
    }
    Ok(choice(op, site, Layout::Blocked))
}

fn schedule_depthwise(op: &ConvWeightGradient, work: &Work<'_>) -> Schedule {
    let (x, g) = (work.storage(0), work.storage(1));
    let scratch = g.blocks() * g.block * op.kernel[0] * op.kernel[1];
    // Depthwise layers wait for memory more than for arithmetic.
    Schedule { scratch, ..Schedule::of_elements(x.len() + g.len()) }
}

/// The widest tile of taps, in rows as wide as the window's if there is one.
fn depthwise_tile(op: &ConvWeightGradient, work: &Work<'_>) -> [usize; 2] {
    let tiles: Vec<[usize; 2]> =
        kernels::depthwise_gradient_tiles(work.target.isa).map(|(kw, kh)| [kh as usize, kw as usize]).collect();
    let covers = |&&[rows, taps]: &&[usize; 2]| {
        let [kh, kw] = op.kernel;
        let has = |rows: usize, taps: usize| rows == 0 || taps == 0 || tiles.contains(&[rows, taps]);
        rows <= kh && taps <= kw && has(kh % rows, taps) && has(rows, kw % taps) && has(kh % rows, kw % taps)
    };
    tiles.iter().filter(covers).max_by_key(|[rows, taps]| rows * taps).copied().unwrap_or([1, 1])
}

/// A group for each channel, one output channel in each: lanes are channels of both operands.
fn emit_depthwise(op: &ConvWeightGradient, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let (x, g, scratch) = (e.operand(0), e.operand(1), e.result(1));
    let ([kh, kw], lanes) = (op.kernel, g.storage.block);
    let [rows, taps] = depthwise_tile(op, work);
    let pixels = [g.storage.n, g.storage.h * g.storage.w];
    let images = chunk(pixels, size_of::<f32>() * (x.storage.plane() + g.storage.plane()), work.target.l2);
    each_images(e, g.storage.n / images, images, &mut |e, n, more| {
        e.parallel(g.storage.blocks(), |e, block| {
            each(e, (kh, rows), false, &mut |e, u, rows| {
                each(e, (kw, taps), false, &mut |e, v, taps| {
                    let params = DepthwiseGradient {
                        kw: taps as u32,
                        kh: rows as u32,
                        block: lanes as u32,
                        images: images as u32,
                        src_image: x.storage.image() as u32,
                        g_image: g.storage.image() as u32,
                        rows: g.storage.h as u32,
                        src_row: (op.stride[0] * x.storage.pitch()) as u32,
                        g_row: g.storage.pitch() as u32,
                        cols: g.storage.w as u32,
                        src_px: (op.stride[1] * lanes) as u32,
                        kh_stride: (op.dilation[0] * x.storage.pitch()) as u32,
                        kw_stride: (op.dilation[1] * lanes) as u32,
                        dst_row: (kw * lanes) as u32,
                        residual: u32::from(more),
                    };
                    let origin = Affine::default();
                    let [y, column] = [pixel(op, 0, &origin, u), pixel(op, 1, &origin, v)];
                    let to = scratch.element(block * (kh * kw * lanes) + (u * kw + v) * lanes);
                    let mut args = vec![to.clone(), x.at(n, block, y, column), g.at(n, block, 0, 0)];
                    args.extend(more.then_some(to));
                    e.call(Params::DepthwiseGradient(params), args);
                });
            });
        });
    });
    unblock(e, g.storage.c, lanes, kh * kw);
}

/// Number by number, whatever the groups.
const LOOPS: Algorithm<ConvWeightGradient> = Algorithm {
    name: "loops",
    choose: |op, site| {
        let operands = vec![source(op, site, Layout::Plain), Need::tensor(Layout::Plain)];
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    // Scalar code: a sixteenth of the speed that the threshold assumes.
    schedule: |op, work| Schedule::of_macs(macs(op, work).saturating_mul(16)),
    emit: |op, work, _, e| {
        let (x, g, result) = (e.operand(0), e.operand(1), e.result(0));
        let [outputs, inputs, kh, kw] = work.results[0].shape[..] else { unreachable!("weights are O I Kh Kw") };
        let per_group = outputs / op.groups;
        e.serial(op.groups, |e, group| {
            e.parallel(per_group, |e, o| {
                let o = group * per_group + o;
                e.serial(inputs, |e, c| {
                    e.serial(kh, |e, u| {
                        e.serial(kw, |e, v| {
                            let sum = e.code.constant(1, 0.0);
                            e.serial(g.storage.n, |e, n| {
                                e.serial(g.storage.h, |e, i| {
                                    e.serial(g.storage.w, |e, j| {
                                        let a = e.code.load(1, g.at(n, &o, i, j));
                                        let [y, z] = [pixel(op, 0, i, u), pixel(op, 1, j, v)];
                                        let b = e.code.load(1, x.at(n, group * inputs + c, y, z));
                                        e.code.set(sum, Expr::Fma(a, b, sum));
                                    });
                                });
                            });
                            let tap = &o * (inputs * kh * kw) + c * (kh * kw) + u * kw + v;
                            e.code.store(result.element(tap), sum);
                        });
                    });
                });
            });
        });
    },
};
