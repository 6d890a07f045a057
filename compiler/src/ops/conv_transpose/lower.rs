//! The lowering of transposed convolutions, without a zero between pixels: pixels of the result whose distance is a
//! multiple of the stride meet the same taps, each at the same distance in X. So each such phase is a dense convolution
//! with some of the taps, whose results lie as far apart as the stride.

use convoke_runtime::weights::WeightOp;

use super::ConvTranspose;
use crate::lir::{Address, Affine, Expr, Reg};
use crate::lower::nest::strips;
use crate::lower::{Algorithm, Choice, Emitter, Halo, Layout, Need, Operand, Schedule, Site, View, Work};
use crate::ops::Operator;
use crate::ops::conv::lower::{self as conv, Geometry};

pub(super) const ALGORITHMS: &[Algorithm<ConvTranspose>] = &[DEPTHWISE_PHASES, PHASES, DEPTHWISE, BLOCKS, ROWS];

/// Pixels of the result that meet the same taps, along one axis.
struct Phase {
    /// The first of them.
    first: usize,
    /// How many there are; from one to the next it is the stride.
    count: usize,
    /// The taps, and the pixel of X that each meets for the first pixel of the result.
    taps: Vec<(usize, i64)>,
}

/// The phases of one axis.
fn phases(op: &ConvTranspose, axis: usize, kernel: usize, end: usize) -> Vec<Phase> {
    let (stride, dilation, before) = (op.stride[axis], op.dilation[axis], op.padding[axis]);
    let phase = |first: usize| {
        let distance = |tap: usize| (first + before) as i64 - (tap * dilation) as i64;
        let meets = |tap: &usize| distance(*tap).rem_euclid(stride as i64) == 0;
        let taps = (0..kernel).filter(meets).map(|tap| (tap, distance(tap).div_euclid(stride as i64))).collect();
        Phase { first, count: (end - first).div_ceil(stride), taps }
    };
    (0..stride.min(end)).map(phase).collect()
}

/// How far pixels of X lie before its first and after its last, along one axis.
fn beyond(phases: &[Phase], extent: usize) -> [usize; 2] {
    let taps = || phases.iter().flat_map(|phase| phase.taps.iter().map(move |&(_, pixel)| (pixel, phase.count)));
    let before = taps().map(|(pixel, _)| -pixel).max().unwrap_or(0);
    let after = taps().map(|(pixel, count)| pixel + count as i64 - extent as i64).max().unwrap_or(0);
    [before, after].map(|pixels| pixels.max(0) as usize)
}

/// The phases of rows and columns.
fn axes(op: &ConvTranspose, weight: &[usize], result: &[usize]) -> [Vec<Phase>; 2] {
    [0, 1].map(|axis| phases(op, axis, weight[axis + 2], result[axis + 2]))
}

/// X with as many zeros around it as are read, in this layout.
fn source(op: &ConvTranspose, site: &Site<'_>, layout: Layout) -> Need {
    let x = &site.operands[0].shape;
    let [rows, columns] = axes(op, &site.operands[1].shape, &site.results[0].shape);
    let ([top, bottom], [left, right]) = (beyond(&rows, x[2]), beyond(&columns, x[3]));
    Need::halo(layout, Halo { top, left, bottom, right })
}

fn schedule(op: &ConvTranspose, work: &Work<'_>) -> Schedule {
    let types: Vec<_> = work.operands.iter().map(Operand::ty).collect();
    Schedule::of_macs(op.macs(&types, work.results))
}

/// Weights that are known: as expressions.
fn packed(site: &Site<'_>, source: Need, op: &ConvTranspose) -> Result<Choice, String> {
    if !(1..site.operands.len()).all(|operand| site.is_weight(operand)) {
        return Err("weight or bias is computed".to_owned());
    }
    let operands = [vec![source, Need::Weight], vec![Need::Weight; usize::from(op.bias)]].concat();
    Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
}

/// The taps of each phase as convolutions have them.
struct Turned {
    /// The tap that the first place meets in phase 0, and places.
    first: [u32; 2],
    taps: [u32; 2],
}

impl Turned {
    /// The taps of weights C O/G Kh Kw; or the reason why there is none.
    fn new(op: &ConvTranspose, weight: &[usize]) -> Result<Self, String> {
        if op.dilation != [1, 1] {
            return Err(format!("dilation {:?}", op.dilation));
        }
        let (mut first, mut taps) = ([0; 2], [0; 2]);
        for axis in 0..2 {
            let (stride, before) = (op.stride[axis] as i64, op.padding[axis] as i64);
            let last = (weight[axis + 2] as i64 - 1 - before).div_euclid(stride) * stride + before;
            let places = last.checked_add(stride - 1).map(|end| end / stride + 1);
            let pair = u32::try_from(last).ok().zip(places.and_then(|places| u32::try_from(places).ok()));
            (first[axis], taps[axis]) = pair.ok_or_else(|| format!("padding {:?} beyond the taps", op.padding))?;
        }
        Ok(Self { first, taps })
    }

    /// The weights O C/G Kh Kw of one phase.
    fn weights(&self, op: &ConvTranspose, weight: &[usize], phases: [&Phase; 2], e: &Emitter<'_>) -> Vec<WeightOp> {
        let (stride, [groups, per_group]) = (op.stride.map(|stride| stride as u32), [op.groups, weight[1]]);
        let [th, tw] = self.taps.map(|taps| taps as usize);
        let [rows, columns] = phases.map(|phase| phase.taps.len());
        // The place of the last tap, which meets the first pixel.
        let place = |axis: usize| {
            let last = phases[axis].taps.last().map_or(0, |&(tap, _)| tap);
            (self.first[axis] as usize + phases[axis].first - last) / op.stride[axis]
        };
        let start = ((phases[0].first * op.stride[1] + phases[1].first) * th + place(0)) * tw + place(1);
        let filter = op.stride[0] * op.stride[1] * th * tw;
        let mut expression = e.postfix(1);
        expression.extend([
            WeightOp::Phases { stride, first: self.first, taps: self.taps },
            WeightOp::View {
                start,
                strides: vec![per_group * filter, filter, tw, 1].into(),
                shape: vec![weight[0], per_group, rows, columns].into(),
            },
            WeightOp::Reshape(vec![groups, weight[0] / groups, per_group, rows * columns].into()),
            WeightOp::Transpose(vec![0, 2, 1, 3].into()),
            WeightOp::Reshape(vec![groups * per_group, weight[0] / groups, rows, columns].into()),
        ]);
        expression
    }
}

/// A convolution for each phase of the rows and columns.
fn geometries<'a>(
    op: &ConvTranspose,
    work: &Work<'_>,
    [rows, columns]: &'a [Vec<Phase>; 2],
) -> Vec<([&'a Phase; 2], Geometry)> {
    let phases = rows.iter().flat_map(|row| columns.iter().map(move |column| [row, column]));
    let geometry = |phases: [&'a Phase; 2]| {
        let phase = conv::Phase {
            taps: phases.map(|phase| phase.taps.len()),
            origin: phases.map(|phase| phase.taps.last().map_or(0, |&(_, pixel)| pixel)),
            extent: phases.map(|phase| phase.count),
            place: phases.map(|phase| phase.first),
        };
        (phases, Geometry::phase([work.storage(0), work.storages[0]], op.groups, op.stride, &phase))
    };
    phases.map(geometry).collect()
}

/// Each phase by the microkernel of direct convolution.
const PHASES: Algorithm<ConvTranspose> = Algorithm {
    name: "phases",
    choose: |op, site| {
        let channels = [site.operands[0].shape[1], site.results[0].shape[1]];
        let block = site.target.block();
        if !Geometry::fits(op.groups, channels, block) {
            return Err(format!("{} groups of {channels:?} channels, which no blocks of {block} hold", op.groups));
        }
        Turned::new(op, &site.operands[1].shape)?;
        packed(site, source(op, site, Layout::Blocked), op)
    },
    schedule: |op, work| {
        let axes = axes(op, &work.operands[1].ty().shape, &work.results[0].shape);
        let tiles = geometries(op, work, &axes).iter().map(|(_, geometry)| geometry.tiles(work)).collect();
        Schedule { tiles, ..schedule(op, work) }
    },
    emit: |op, work, schedule, e| {
        let (weight, views, bias) = (&work.operands[1].ty().shape, [e.operand(0), e.result(0)], bias(op, work, e));
        let turned = Turned::new(op, weight).expect("checked when it was chosen");
        let axes = axes(op, weight, &work.results[0].shape);
        for (index, ((phases, geometry), tiles)) in geometries(op, work, &axes).iter().zip(&schedule.tiles).enumerate() {
            let weights = turned.weights(op, weight, *phases, e);
            let name = &*format!("weights{index}");
            conv::emit_tiles(geometry, tiles, (name, weights), (views, bias, None), e);
        }
    },
};

/// Each phase by the microkernel of depthwise convolution.
const DEPTHWISE_PHASES: Algorithm<ConvTranspose> = Algorithm {
    name: "depthwise_phases",
    choose: |op, site| {
        let weight = &site.operands[1].shape;
        if op.groups != weight[0] || weight[1] != 1 || op.groups == 1 {
            return Err(format!("not depthwise: {} groups", op.groups));
        }
        Turned::new(op, weight)?;
        packed(site, source(op, site, Layout::Blocked), op)
    },
    schedule,
    emit: |op, work, _, e| {
        let (weight, views, bias) = (&work.operands[1].ty().shape, [e.operand(0), e.result(0)], bias(op, work, e));
        let turned = Turned::new(op, weight).expect("checked when it was chosen");
        let axes = axes(op, weight, &work.results[0].shape);
        for (index, (phases, geometry)) in geometries(op, work, &axes).iter().enumerate() {
            let weights = turned.weights(op, weight, *phases, e);
            let name = &*format!("weights{index}");
            conv::emit_depthwise_tiles(geometry, (name, weights), (views, bias, None), work, e);
        }
    },
};

/// The bias of each channel, zeros where there is none.
fn bias(op: &ConvTranspose, work: &Work<'_>, e: &mut Emitter<'_>) -> View {
    let result = work.storages[0];
    if op.bias { e.channels(2, &result) } else { e.constant("bias", 0.0, result.blocks() * result.block) }
}

/// Pixels of the result that are computed side by side, and share what is loaded of the weight.
const PIXELS: [usize; 2] = [4, 1];

/// What one block of the result's channels is computed from.
struct Block<'a> {
    /// The result, and the block in it.
    result: View,
    image: Affine,
    block: Affine,
    /// Channels of X that it sums over.
    channels: usize,
    /// Where a channel's pixel lies.
    pixel: &'a dyn Fn(&Affine, Affine, Affine) -> Address,
    /// Where the weights of a channel's tap lie.
    weight: &'a dyn Fn(&Affine, usize, usize) -> Address,
    bias: Option<Address>,
    /// Whether a pixel is a vector as the weights are, or one number for all lanes.
    vectors: bool,
}

impl Block<'_> {
    fn emit(&self, e: &mut Emitter<'_>, op: &ConvTranspose, [rows, columns]: &[Vec<Phase>; 2]) {
        for (row, column) in rows.iter().flat_map(|row| columns.iter().map(move |column| (row, column))) {
            e.serial(row.count, |e, y| {
                strips(e, column.count, &PIXELS, false, |e, width, x| self.pixels(e, op, row, column, width, [y, &x]));
            });
        }
    }

    fn pixels(
        &self,
        e: &mut Emitter<'_>,
        op: &ConvTranspose,
        row: &Phase,
        column: &Phase,
        width: usize,
        [y, x]: [&Affine; 2],
    ) {
        let lanes = self.result.storage.block as u32;
        let first = match &self.bias {
            Some(bias) => e.code.load(lanes, bias.clone()),
            None => e.code.constant(lanes, 0.0),
        };
        let sums: Vec<Reg> = (0..width).map(|_| e.code.copy(first)).collect();
        // A stride beyond the taps leaves pixels that none meets.
        let channels = if row.taps.is_empty() || column.taps.is_empty() { 0 } else { self.channels };
        e.serial(channels, |e, channel| {
            for &(u, dy) in &row.taps {
                for &(v, dx) in &column.taps {
                    let weight = e.code.load(lanes, (self.weight)(channel, u, v));
                    for (pixel, &sum) in sums.iter().enumerate() {
                        let moved = |by: i64| Affine { base: by, terms: Vec::new() };
                        let at = (self.pixel)(channel, moved(dy) + y, moved(dx + pixel as i64) + x);
                        let value = e.code.load(if self.vectors { lanes } else { 1 }, at);
                        let value = if self.vectors { value } else { e.code.splat(lanes, value) };
                        e.code.set(sum, Expr::Fma(value, weight, sum));
                    }
                }
            }
        });
        let [down, across] = op.stride;
        for (pixel, &sum) in sums.iter().enumerate() {
            let place = (x * across) + (column.first + pixel * across);
            let to = self.result.at(&self.image, &self.block, y * down + row.first, place);
            e.code.store(to, sum);
        }
    }
}

/// A channel of the result for each channel of X: lanes are channels of both.
const DEPTHWISE: Algorithm<ConvTranspose> = Algorithm {
    name: "depthwise",
    choose: |op, site| {
        let weight = &site.operands[1].shape;
        if op.groups != weight[0] || weight[1] != 1 {
            return Err(format!("not depthwise: {} groups", op.groups));
        }
        packed(site, source(op, site, Layout::Blocked), op)
    },
    schedule,
    emit: |op, work, _, e| {
        let weight = &work.operands[1].ty().shape;
        let axes = axes(op, weight, &work.results[0].shape);
        let (source, result) = (e.operand(0), e.result(0));
        let storage = result.storage;
        let (block, [kh, kw]) = (storage.block, [weight[2], weight[3]]);
        let len = storage.blocks() * kh * kw * block;
        let packed = e.weight(1, "weight", WeightOp::PackDepthwise { block: block as u32 }, len);
        let bias = op.bias.then(|| e.channels(2, &storage));
        e.serial(storage.n, |e, n| {
            e.parallel(storage.blocks(), |e, b| {
                let block = Block {
                    result,
                    image: n.clone(),
                    block: b.clone(),
                    channels: 1,
                    pixel: &|_, y, x| source.at(n, b, y, x),
                    weight: &|_, u, v| packed.element(b * (kh * kw * block) + (u * kw + v) * block),
                    bias: bias.map(|bias| bias.element(b * block)),
                    vectors: true,
                };
                block.emit(e, op, &axes);
            });
        });
    },
};

/// Blocks of the result's channels: lanes are channels of the result, each number of X goes to all of them.
const BLOCKS: Algorithm<ConvTranspose> = Algorithm {
    name: "blocks",
    choose: |op, site| {
        let per_group = site.operands[1].shape[1];
        if op.groups > 1 && !per_group.is_multiple_of(site.target.block()) {
            return Err(format!("groups of {per_group} channels, no multiple of {}", site.target.block()));
        }
        packed(site, source(op, site, Layout::Plain), op)
    },
    schedule,
    emit: |op, work, _, e| {
        let weight = &work.operands[1].ty().shape;
        let axes = axes(op, weight, &work.results[0].shape);
        let (source, result) = (e.operand(0), e.result(0));
        let storage = result.storage;
        let (block, [kh, kw]) = (storage.block, [weight[2], weight[3]]);
        let (channels, per_group) = (weight[0] / op.groups, weight[1]);
        // C O/G Kh Kw as O C/G Kh Kw, then as a convolution's.
        let mut expression = e.postfix(1);
        expression.extend([
            WeightOp::Reshape(vec![op.groups, channels, per_group, kh, kw].into()),
            WeightOp::Transpose(vec![0, 2, 1, 3, 4].into()),
            WeightOp::Reshape(vec![op.groups * per_group, channels, kh, kw].into()),
            WeightOp::PackConv { block: block as u32, nr: 1, inner: 1 },
        ]);
        let len = storage.blocks() * channels * kh * kw * block;
        let packed = e.prepared("weight", expression, len);
        let bias = op.bias.then(|| e.channels(2, &storage));
        let blocks = storage.blocks() / op.groups;
        e.serial(storage.n, |e, n| {
            e.serial(op.groups, |e, g| {
                e.parallel(blocks, |e, b| {
                    let b = g * blocks + b;
                    let tap = kh * kw * block;
                    let block = Block {
                        result,
                        image: n.clone(),
                        block: b.clone(),
                        channels,
                        pixel: &|c, y, x| source.at(n, g * channels + c, y, x),
                        weight: &|c, u, v| packed.element(&b * (channels * tap) + c * tap + (u * kw + v) * block),
                        bias: bias.map(|bias| bias.element(&b * block)),
                        vectors: false,
                    };
                    block.emit(e, op, &axes);
                });
            });
        });
    },
};

/// Number by number, whatever the groups, and with weights that are computed.
const ROWS: Algorithm<ConvTranspose> = Algorithm {
    name: "rows",
    choose: |op, site| {
        let rest = vec![Need::dense(Layout::Plain); site.operands.len() - 1];
        let operands = [vec![source(op, site, Layout::Plain)], rest].concat();
        Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
    },
    schedule,
    emit: |op, work, _, e| {
        let shape = &work.operands[1].ty().shape;
        let axes = axes(op, shape, &work.results[0].shape);
        let (source, result, weight) = (e.operand(0), e.result(0), e.operand(1));
        let bias = op.bias.then(|| e.operand(2));
        let (channels, per_group, [kh, kw]) = (shape[0] / op.groups, shape[1], [shape[2], shape[3]]);
        e.serial(result.storage.n, |e, n| {
            e.serial(op.groups, |e, g| {
                e.parallel(per_group, |e, o| {
                    let channel = g * per_group + o;
                    let block = Block {
                        result,
                        image: n.clone(),
                        block: channel.clone(),
                        channels,
                        pixel: &|c, y, x| source.at(n, g * channels + c, y, x),
                        weight: &|c, u, v| {
                            let filter = (g * channels + c) * per_group + o;
                            weight.element(filter * (kh * kw) + (u * kw + v))
                        },
                        bias: bias.map(|bias| bias.element(&channel)),
                        vectors: false,
                    };
                    block.emit(e, op, &axes);
                });
            });
        });
    },
};
