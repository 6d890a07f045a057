//! 3×3 convolutions of VGG-16, ResNet and DenseNet as whole networks of one layer: direct, and as lowering chooses.
//!
//! `cargo bench --bench layers` first prints, for each layer, both in GFLOP/s of the convolution as it is defined (a
//! multiply-add is two FLOP) and their ratio, measured in turn; then criterion measures what lowering chose. `CONVOKE_ISA`
//! chooses another instruction set.

use std::time::Instant;

use convoke::lang::Module;
use convoke::{Graph, Model, Parameters, Tensor, jit};
use criterion::{Criterion, Throughput};

/// A layer with padding that keeps its size: `side` × `side`, `input` to `output` channels.
struct Layer {
    side: usize,
    input: usize,
    output: usize,
}

const fn layer(side: usize, input: usize, output: usize) -> Layer {
    Layer { side, input, output }
}

const LAYERS: &[Layer] = &[
    layer(224, 64, 64),
    layer(112, 128, 128),
    layer(56, 256, 256),
    layer(28, 512, 512),
    layer(14, 512, 512),
    layer(56, 64, 64),
    layer(28, 128, 128),
    layer(14, 256, 256),
    layer(7, 512, 512),
    layer(56, 128, 32),
    layer(28, 128, 32),
    layer(14, 128, 32),
    layer(7, 128, 32),
];

impl Layer {
    fn name(&self) -> String {
        let Self { side, input, output } = self;
        format!("{side}x{side} {input}>{output}")
    }

    fn flops(&self) -> u64 {
        (2 * self.side * self.side * 9 * self.input * self.output) as u64
    }

    /// The layer between two that cost little, so that it reads and writes what layers within a network do.
    fn graph(&self) -> Graph {
        let Self { side, input, output } = self;
        let text = format!(
            "network Layer(image: f32[1, {input}, {side}, {side}]) -> mean {{
                image -> relu -> conv: conv({output}, kernel: 3, padding: 1) -> result: relu -> global_avg_pool
            }}"
        );
        Module::parse(&text).and_then(|module| module.graph("Layer")).expect("the text is a network")
    }

    fn model(&self, graph: &Graph) -> Model {
        let Self { input, output, .. } = *self;
        let weights = Tensor::from_vec(&[output, input, 3, 3], numbers(output * input * 9)).expect("as many numbers");
        let bias = Tensor::zeros(&[output]);
        let parameters = Parameters::from_tensors([("conv.weight".into(), weights), ("conv.bias".into(), bias)]);
        let network = jit::compile(graph).expect("a convolution compiles");
        Model::new(network, &parameters).expect("the parameters are the network's").threads(1)
    }

    fn image(&self) -> Tensor {
        let Self { side, input, .. } = *self;
        Tensor::from_vec(&[1, input, side, side], numbers(input * side * side)).expect("as many numbers")
    }
}

/// Numbers in −1 .. 1.
fn numbers(count: usize) -> Vec<f32> {
    (0..count).map(|i| (i * 7919 % 2003) as f32 / 1001.0 - 1.0).collect()
}

/// Seconds of the convolution in one run, without conversions and halos.
fn seconds(model: &mut Model, image: &Tensor) -> f64 {
    let steps = model.profile(&[image]).expect("the image is the network's");
    let convolution = steps.iter().filter(|step| ["conv", "result"].contains(&step.name));
    1e-9 * convolution.map(|step| step.nanoseconds).sum::<u64>() as f64
}

fn main() {
    // `cargo test --benches` only asks whether everything runs.
    let measured = std::env::args().any(|arg| arg == "--bench");
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("layers");
    for layer in LAYERS.iter().skip(if measured { 0 } else { LAYERS.len() - 1 }) {
        let (graph, image) = (layer.graph(), layer.image());
        let (mut direct, mut chosen) = (layer.model(&graph.clone().exact()), layer.model(&graph));
        let mut best = [f64::INFINITY; 2];
        let until = Instant::now();
        while until.elapsed().as_secs_f64() < if measured { 3.0 } else { 0.0 } || best[0].is_infinite() {
            for (best, model) in best.iter_mut().zip([&mut direct, &mut chosen]) {
                *best = best.min(seconds(model, &image));
            }
        }
        let [direct, fast] = best.map(|seconds| 1e-9 * layer.flops() as f64 / seconds);
        println!("{:20} direct {direct:6.1} GFLOP/s, chosen {fast:6.1} GFLOP/s, {:.2}×", layer.name(), fast / direct);
        group.throughput(Throughput::Elements(layer.flops()));
        group.bench_function(layer.name(), |b| b.iter(|| chosen.run(&[&image]).map(<[_]>::len)));
    }
    group.finish();
    criterion.final_summary();
}
