//! Convolutions of VGG-16 and ResNet-50 against their factorised forms, each compiled to machine code, on one thread.
//!
//! `cargo bench --bench factorized` first prints a table: for each layer and form the MACs saved and the time saved, of
//! the least of runs by turns; then criterion measures each, with its throughput in FLOP (1 MAC = 2 FLOP). Times are
//! those of the forms' own steps: networks hand a layer its input in the layout that it asks for. `CONVOKE_ISA` chooses
//! another instruction set.

use std::error::Error;
use std::time::Duration;

use convoke::compiler::cost::{Comparison, Effort, Form, Stopwatch, Subject, comparisons};
use convoke::compiler::lower::Target;
use convoke::lang::Module;
use criterion::{Criterion, Throughput};

/// Ten layers, as `cnn!` has them: the network and its layer, the channels and side of the image, the convolution.
const LAYERS: [(&str, usize, usize, &str); 10] = [
    ("VGG-16 features.2", 64, 224, "64, kernel: 3, padding: 1"),
    ("VGG-16 features.7", 128, 112, "128, kernel: 3, padding: 1"),
    ("VGG-16 features.10", 128, 56, "256, kernel: 3, padding: 1"),
    ("VGG-16 features.19", 512, 28, "512, kernel: 3, padding: 1"),
    ("VGG-16 features.24", 512, 14, "512, kernel: 3, padding: 1"),
    ("ResNet-50 layer1.0.conv2", 64, 56, "64, kernel: 3, padding: 1"),
    ("ResNet-50 layer2.0.conv2", 128, 56, "128, kernel: 3, stride: 2, padding: 1"),
    ("ResNet-50 layer2.1.conv2", 128, 28, "128, kernel: 3, padding: 1"),
    ("ResNet-50 layer3.1.conv2", 256, 14, "256, kernel: 3, padding: 1"),
    ("ResNet-50 layer4.1.conv2", 512, 7, "512, kernel: 3, padding: 1"),
];

/// The layer in all forms.
fn comparison(channels: usize, side: usize, conv: &str) -> Result<Comparison, Box<dyn Error>> {
    let text = format!("network Layer(x: f32[1, {channels}, {side}, {side}]) -> y {{ x -> conv: conv({conv}) }}");
    let found = comparisons(&Module::parse(&text)?.graph("Layer")?)?;
    found.into_iter().next().ok_or_else(|| "the layer is no convolution to factorise".into())
}

/// Prints what each form of each layer saves.
fn summary(layers: &[(&str, Comparison)], target: &Target, effort: Effort) -> Result<(), Box<dyn Error>> {
    let mut stopwatch = Stopwatch::new(target.clone(), effort);
    println!(
        "{:<26} {:<20} {:>9} {:>8} {:>9} {:>9} {:>9}",
        "layer", "form", "MMAC", "fewer", "µs", "faster", "GFLOP/s"
    );
    for (name, comparison) in layers {
        let forms: Vec<_> = Form::ALL.into_iter().zip(&comparison.forms).collect();
        let graphs: Vec<_> = forms.iter().filter_map(|(_, graph)| graph.as_ref().ok()).collect();
        let times = stopwatch.compare(&graphs)?;
        let mut measured = graphs.iter().zip(&times);
        for (form, graph) in &forms {
            let (Ok(_), Some((graph, time))) = (graph, graph.is_ok().then(|| measured.next()).flatten()) else {
                println!("{name:<26} {:<20} {:>9}", form.name(), "–");
                continue;
            };
            let (macs, fewer) = (graph.macs() as f64, graphs[0].macs() as f64 / graph.macs() as f64);
            let (micros, faster) = (time.minimum * 1e6, times[0].minimum / time.minimum);
            let speed = 2e-9 * macs / time.minimum;
            println!(
                "{name:<26} {:<20} {:9.2} {fewer:7.1}× {micros:9.1} {faster:8.1}× {speed:9.1}",
                form.name(),
                macs / 1e6
            );
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let target = Target::host();
    let layers = LAYERS.into_iter().map(|(name, channels, side, conv)| Ok((name, comparison(channels, side, conv)?)));
    let layers = layers.collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    // `cargo test --benches` only asks whether everything runs.
    let is_bench = std::env::args().any(|arg| arg == "--bench");
    let effort =
        if is_bench { Effort { runs: 50, ..Effort::default() } } else { Effort { runs: 1, duration: Duration::ZERO } };
    summary(&layers, &target, effort)?;
    let mut criterion = Criterion::default().configure_from_args();
    let mut group = criterion.benchmark_group("factorized");
    for (name, comparison) in &layers {
        for (form, graph) in Form::ALL.into_iter().zip(&comparison.forms) {
            let Ok(graph) = graph else { continue };
            let mut subject = Subject::new(graph, &target)?;
            group.throughput(Throughput::Elements(2 * graph.macs()));
            group.bench_function(format!("{name} {}", form.name()), |bencher| {
                bencher.iter_custom(|runs| {
                    let seconds = (0..runs).map(|_| subject.run().expect("it has run before")).sum();
                    Duration::from_secs_f64(seconds)
                });
            });
        }
    }
    group.finish();
    criterion.final_summary();
    Ok(())
}
