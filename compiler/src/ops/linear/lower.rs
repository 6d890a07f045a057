//! Algorithms of the linear layer: a convolution of one pixel.

use convoke_runtime::kernels::{self, Params};
use convoke_runtime::weights::WeightOp;

use super::Linear;
use crate::lir::{Binary, Expr};
use crate::lower::tile::{ConvShape, ConvTiles};
use crate::lower::{Algorithm, Choice, Emitter, Layout, Need, Schedule, Site, Storage, Work};

/// In order of preference.
pub(super) const ALGORITHMS: &[Algorithm<Linear>] =
    &[
        Algorithm { name: "direct", choose, schedule, emit },
        Algorithm { name: "loops", choose: choose_loops, schedule: schedule_loops, emit: emit_loops },
    ];

/// The source as it comes: channels of the blocked layout are consecutive, and so are those of the plain one.
fn choose(linear: &Linear, site: &Site<'_>) -> Result<Choice, String> {
    if site.operands[0].rank() != 2 {
        return Err(format!("rank {}", site.operands[0].rank()));
    }
    if !site.is_weight(1) || (linear.bias && !site.is_weight(2)) {
        return Err("weights or bias are computed during the run".to_owned());
    }
    let mut operands = vec![Need::dense(site.layouts[0].unwrap_or(Layout::Plain)), Need::Weight];
    operands.extend(linear.bias.then_some(Need::Weight));
    operands.extend(linear.epilogue.residual.then_some(Need::dense(Layout::Blocked)));
    Ok(Choice { operands, results: vec![Layout::Blocked], alias: false })
}

fn schedule(_: &Linear, work: &Work<'_>) -> Schedule {
    let (source, result) = (work.storage(0), work.storages[0]);
    let shape = ConvShape {
        isa: work.target.isa,
        block: result.block,
        px: result.block,
        blocks: result.blocks(),
        height: 1,
        width: 1,
        taps: source.c,
        source: size_of::<f32>() * source.c,
        l2: work.target.l2,
        ragged: true,
        threads: work.target.threads,
    };
    let tiles = vec![ConvTiles::choose(&shape, true)];
    Schedule { tiles, ..Schedule::of_macs((source.n * source.c * result.c) as u64) }
}

fn emit(linear: &Linear, work: &Work<'_>, schedule: &Schedule, e: &mut Emitter<'_>) {
    let tiles = &schedule.tiles[0];
    let (source, result) = (e.operand(0), e.result(0));
    let Storage { block, .. } = result.storage;
    // A plain source is one block of all its channels.
    let (outer, inner) = match source.storage.layout {
        Layout::Blocked => (source.storage.blocks(), block),
        Layout::Plain => (source.storage.c, 1),
    };
    let (taps, channels) = (source.storage.c, result.storage.blocks() * block);
    let pack = WeightOp::PackConv { block: block as u32, nr: tiles.nr(), inner: inner as u32 };
    let weights = e.weight(1, "weights", pack, channels * taps);
    let bias = match linear.bias {
        true => e.weight(2, "bias", WeightOp::PackVector { block: block as u32 }, channels),
        false => e.constant("bias", 0.0, channels),
    };
    let residual = linear.epilogue.residual.then(|| e.operand(work.operands.len() - 1));
    e.serial(result.storage.n, |e, n| {
        for segment in &tiles.segments {
            e.parallel(segment.groups, |e, group| {
                let params = kernels::Conv {
                    mr: 1,
                    nr: segment.nr,
                    block: block as u32,
                    px: block as u32,
                    outer: outer as u32,
                    outer_stride: inner as u32,
                    kh: 1,
                    kh_stride: 0,
                    kw: 1,
                    kw_stride: 0,
                    inner: inner as u32,
                    tail: (taps - (outer - 1) * inner) as u32,
                    dst_block: block as u32,
                    dst_px: block as u32,
                    residual: u32::from(residual.is_some()),
                    residual_block: block as u32,
                    activation: linear.epilogue.activation.into(),
                };
                let first = group * segment.nr as usize + segment.first;
                let mut args = vec![
                    result.at(n, &first, 0, 0),
                    source.at(n, 0, 0, 0),
                    weights.element(&first * (block * taps)),
                    bias.element(&first * block),
                ];
                args.extend(residual.map(|residual| residual.at(n, &first, 0, 0)));
                e.call(Params::Conv(params), args)
            });
        }
    })
}

fn choose_loops(linear: &Linear, site: &Site<'_>) -> Result<Choice, String> {
    let mut operands = vec![Need::dense(Layout::Plain); site.operands.len()];
    let weights = 1..2 + usize::from(linear.bias);
    for index in weights.filter(|&index| site.is_weight(index)) {
        operands[index] = Need::Weight;
    }
    Ok(Choice { operands, results: vec![Layout::Plain], alias: false })
}

fn schedule_loops(_: &Linear, work: &Work<'_>) -> Schedule {
    // Scalar code: a sixteenth of the speed that the threshold assumes.
    let inputs = work.operands[1].ty().shape[1];
    Schedule::of_macs(16 * (work.results[0].elements() * inputs) as u64)
}

/// Scalar loops, for what no kernel takes: other ranks, weights that are computed during the run.
fn emit_loops(linear: &Linear, work: &Work<'_>, _: &Schedule, e: &mut Emitter<'_>) {
    let [outputs, inputs] = work.operands[1].ty().shape[..] else { unreachable!("weights are O I") };
    let rows = work.results[0].elements() / outputs;
    let (source, result) = (e.operand(0), e.result(0));
    let weights = e.plain(1, "weights", outputs * inputs);
    let bias = if linear.bias { e.plain(2, "bias", outputs) } else { e.constant("bias", 0.0, outputs) };
    let residual = linear.epilogue.residual.then(|| e.operand(work.operands.len() - 1));
    e.parallel(rows, |e, row| {
        e.serial(outputs, |e, o| {
            let at = row * outputs + o;
            let sum = e.code.load(1, bias.element(o));
            e.serial(inputs, |e, i| {
                let a = e.code.load(1, source.element(row * inputs + i));
                let b = e.code.load(1, weights.element(o * inputs + i));
                e.code.set(sum, Expr::Fma(a, b, sum));
            });
            if let Some(residual) = residual {
                let other = e.code.load(1, residual.element(&at));
                e.code.set(sum, Expr::Binary(Binary::Add, sum, other));
            }
            e.code.store(result.element(at), sum);
        });
        e.activate(result.element(row * outputs), outputs, linear.epilogue.activation);
    });
}
