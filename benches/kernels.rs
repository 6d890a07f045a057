//! Throughput of the convolution and depthwise rows of the kernel table on layers of ResNet-50 and MobileNetV2.
//!
//! `cargo bench --bench kernels` first prints, for each layer, the best tiles in per cent of this core's peak, which a
//! loop of nothing but FMAs measures in between; then criterion measures the best tile of each layer. `CONVOKE_ISA`
//! chooses another instruction set.

use std::time::Instant;

use convoke_runtime::activation::Activation;
use convoke_runtime::kernels::{self, Conv, Depthwise, Family, Params, Tile, Ukernel};
use convoke_runtime::{AlignedVec, Isa, machine};
use criterion::{Criterion, Throughput};

/// A square layer with padding that keeps its size: `hw` × `hw`, `input` to `output` channels, window `k` × `k`. A
/// depthwise layer has no `output`.
struct Layer {
    hw: usize,
    input: usize,
    output: Option<usize>,
    k: usize,
    stride: usize,
}

const fn conv(hw: usize, input: usize, output: usize, k: usize, stride: usize) -> Layer {
    Layer { hw, input, output: Some(output), k, stride }
}

const fn depthwise(hw: usize, input: usize, k: usize, stride: usize) -> Layer {
    Layer { hw, input, output: None, k, stride }
}

const LAYERS: &[Layer] = &[
    conv(56, 64, 64, 3, 1),
    conv(56, 64, 256, 1, 1),
    conv(56, 256, 64, 1, 1),
    conv(28, 128, 128, 3, 1),
    conv(28, 512, 128, 1, 1),
    conv(14, 256, 256, 3, 1),
    conv(14, 1024, 256, 1, 1),
    conv(7, 512, 512, 3, 1),
    conv(28, 192, 64, 1, 1),
    conv(7, 960, 320, 1, 1),
    depthwise(112, 32, 3, 1),
    depthwise(112, 96, 3, 2),
    depthwise(56, 144, 3, 1),
    depthwise(14, 576, 3, 1),
    depthwise(7, 960, 3, 1),
    depthwise(14, 672, 5, 1),
];

impl Layer {
    fn name(&self) -> String {
        let Self { hw, input, output, k, stride } = self;
        match output {
            Some(output) => format!("{hw}x{hw} {input}>{output} {k}x{k}/{stride}"),
            None => format!("{hw}x{hw} {input} depthwise {k}x{k}/{stride}"),
        }
    }

    /// FLOPs; a multiply-add is two.
    fn flops(&self) -> u64 {
        let side = self.hw / self.stride;
        let sums = side * side * self.output.unwrap_or(1) * self.input;
        (2 * sums * self.k * self.k) as u64
    }

    /// The layer as calls of each row whose tile divides it.
    fn cases(&self, isa: Isa) -> Vec<Case> {
        let block = isa.lanes();
        let px = (block * self.stride) as u32;
        let tiles: Vec<(u32, u32)> = match self.output {
            Some(_) => kernels::conv_tiles(isa, px).collect(),
            None => kernels::depthwise_tiles(isa, px).map(|mr| (mr, 1)).collect(),
        };
        let side = self.hw / self.stride;
        // The rows of a 1×1 convolution lie end to end: they are one long row.
        let (rows, columns) = if self.k == 1 { (1, side * side) } else { (side, side) };
        let blocks = self.output.unwrap_or(block) / block;
        tiles
            .into_iter()
            .filter(|&(mr, nr)| columns.is_multiple_of(mr as usize) && blocks.is_multiple_of(nr as usize))
            .map(|(mr, nr)| self.case(isa, Tile { mr, nr, block: block as u32, px }, rows, columns))
            .collect()
    }

    fn case(&self, isa: Isa, tile: Tile, rows: usize, columns: usize) -> Case {
        let block = isa.lanes();
        let pitch = (self.hw + self.k - 1) * block;
        let plane = (self.hw + self.k - 1) * pitch;
        let dst_block = rows * columns * block;
        let activation = Activation::Clip { low: 0.0, high: 6.0 }.into();
        let [outer, kh_stride, kw_stride, outer_stride] = [self.input / block, pitch, block, plane].map(|x| x as u32);
        let (kh, kw, dst_block_u32) = (self.k as u32, self.k as u32, dst_block as u32);
        let Tile { mr, nr, px, .. } = tile;
        let (family, params, blocks, taps) = match self.output {
            Some(output) => {
                let params = Conv {
                    mr,
                    nr,
                    block: tile.block,
                    px,
                    outer,
                    outer_stride,
                    kh,
                    kh_stride,
                    kw,
                    kw_stride,
                    inner: tile.block,
                    tail: tile.block,
                    dst_block: dst_block_u32,
                    dst_px: tile.block,
                    residual: 0,
                    residual_block: 0,
                    activation,
                };
                (Family::Conv, Params::Conv(params), output / block, self.input * self.k * self.k)
            }
            None => {
                let block = tile.block;
                let dst_px = block;
                let params = Depthwise { mr, block, px, kh, kh_stride, kw, kw_stride, dst_px, residual: 0, activation };
                (Family::Depthwise, Params::Depthwise(params), self.input / isa.lanes(), self.k * self.k)
            }
        };
        let lens = [blocks * dst_block, self.input / block * plane, blocks * block * taps, blocks * block];
        let mut memory = lens.map(AlignedVec::<f32>::zeroed);
        memory.iter_mut().for_each(|operand| operand.fill(0.5));
        let [dst, src, weights, bias] = memory.each_mut().map(|operand| operand.as_mut_ptr());
        let mut calls = Vec::new();
        for b in (0..blocks).step_by(nr as usize) {
            for y in 0..rows {
                for x in (0..columns).step_by(mr as usize) {
                    let plane = if self.output.is_some() { 0 } else { b * plane };
                    calls.push([
                        dst.wrapping_add(b * dst_block + (y * columns + x) * block),
                        src.wrapping_add(plane + y * self.stride * pitch + x * self.stride * block),
                        weights.wrapping_add(b * block * taps),
                        bias.wrapping_add(b * block),
                    ]);
                }
            }
        }
        let row = kernels::select(family, isa, tile).expect("the tile is in the list");
        Case { row, params, calls, _memory: memory }
    }
}

/// A layer as calls of one row.
struct Case {
    row: &'static Ukernel,
    params: Params,
    calls: Vec<[*mut f32; 4]>,
    /// What `calls` point to.
    _memory: [AlignedVec<f32>; 4],
}

impl Case {
    fn run(&self) {
        for call in &self.calls {
            // SAFETY: `case` made operands of the lengths that the tiles of the whole layer access; the row is of an
            // instruction set that `Isa::detect` found.
            unsafe { (self.row.entry)(call.as_ptr(), self.params.as_ptr()) };
        }
    }
}

/// Seconds of `f`.
fn time(f: impl FnOnce()) -> f64 {
    let start = Instant::now();
    f();
    start.elapsed().as_secs_f64()
}

/// Seconds for one FLOP in a loop of nothing but FMAs.
fn peak(isa: Isa) -> f64 {
    1.0 / machine::peak(isa, 1).expect("`Isa::detect` found the instructions")
}

/// Prints the best tiles of each layer in per cent of the peak, and returns the best case of each.
fn summary(isa: Isa, rounds: usize) -> Vec<(&'static Layer, Case)> {
    let mut best = Vec::new();
    let mut best_peak = f64::INFINITY;
    for layer in LAYERS {
        let cases = layer.cases(isa);
        let mut times = vec![f64::INFINITY; cases.len()];
        for _ in 0..rounds {
            best_peak = best_peak.min(peak(isa));
            for (best, case) in times.iter_mut().zip(&cases) {
                // In a network, the source was just written.
                case.run();
                *best = best.min(time(|| case.run()) / layer.flops() as f64);
            }
        }
        let mut ranked: Vec<(f64, Case)> = times.into_iter().zip(cases).collect();
        ranked.sort_by(|a, b| a.0.total_cmp(&b.0));
        print!("{:28}", layer.name());
        for (time, case) in ranked.iter().take(4) {
            print!("  {:24} {:5.1} GFLOP/s {:5.1} %", case.row.name, 1e-9 / time, 100.0 * best_peak / time);
        }
        println!();
        best.extend(ranked.into_iter().next().map(|(_, case)| (layer, case)));
    }
    best
}

fn main() {
    let isa = Isa::detect();
    if isa == Isa::Scalar {
        return println!("scalar rows are definitions: there is nothing to measure");
    }
    // `cargo test --benches` only asks whether everything runs.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { 50 } else { 1 };
    let best = summary(isa, rounds);
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("kernels");
    for (layer, case) in &best {
        group.throughput(Throughput::Elements(layer.flops()));
        group.bench_function(format!("{} {}", layer.name(), case.row.name), |b| b.iter(|| case.run()));
    }
    group.finish();
    criterion.final_summary();
}
