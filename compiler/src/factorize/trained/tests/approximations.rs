//! Forms within a bound.

use proptest::prelude::*;

use super::*;

/// A convolution or linear layer alone, whose results for the unit vectors are its weight.
fn layer(kernel: Option<[usize; 2]>, channels: usize, outputs: usize) -> (Graph, Tensor) {
    let [kh, kw] = kernel.unwrap_or([1, 1]);
    let dim = channels * kh * kw;
    let text = match kernel {
        Some([kh, kw]) => format!(
            "graph g\n%x = input : f32[{dim}, {channels}, {kh}, {kw}]\n\
             %w = parameter : f32[{outputs}, {channels}, {kh}, {kw}]\n%y = conv(%x, %w) {{bias = false}}\noutput y = %y"
        ),
        None => format!(
            "graph g\n%x = input : f32[{dim}, {channels}]\n%w = parameter : f32[{outputs}, {channels}]\n\
             %y = linear(%x, %w) {{bias = false}}\noutput y = %y"
        ),
    };
    let graph = parse(&text);
    let mut unit = Tensor::zeros(&graph.type_of(graph.inputs()[0].into()).shape);
    (0..dim).for_each(|i| unit.data_mut()[i * dim + i] = 1.0);
    (graph, unit)
}

/// A weight whose parts fall off: Σ 2⁻ʳ aᵣ(o) bᵣ(i, u) cᵣ(i, v).
fn decaying([outputs, inputs, kh, kw]: [usize; 4], ranks: usize, seed: u64) -> Tensor {
    let parts = [[ranks, outputs, 1], [ranks, inputs, kh], [ranks, inputs, kw]];
    let mut seeds = seed..;
    let parts = parts.map(|shape| random(&shape, seeds.next().unwrap_or(seed)));
    let at = |part: usize, rank: usize, i: usize, j: usize| {
        let &[_, middle, last] = parts[part].shape() else { unreachable!("parts have three dimensions") };
        parts[part].data()[(rank * middle + i) * last + j]
    };
    planted([outputs, inputs, kh, kw], |[o, i, u, v]| {
        let term = |rank: usize| 0.5_f32.powi(rank as i32) * at(0, rank, o, 0) * at(1, rank, i, u) * at(2, rank, i, v);
        (0..ranks).map(term).sum()
    })
}

fn run(graph: &Graph, x: &Tensor, parameters: &Parameters) -> Tensor {
    evaluate(graph, std::slice::from_ref(x), parameters).expect("everything fits").remove(0)
}

fn shapes() -> impl Strategy<Value = (Option<[usize; 2]>, usize, usize)> {
    let kernels =
        prop_oneof![Just(None), Just(Some([1, 1])), Just(Some([3, 3])), Just(Some([2, 4])), Just(Some([1, 3])),];
    (kernels, 1..10_usize, 1..14_usize)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// The error of weights that is reported is the one that there is, and within the bound.
    #[test]
    fn errors_of_weights_are_within_the_bound(
        (kernel, channels, outputs) in shapes(),
        ranks in 1..6_usize,
        bound in 0.001..0.9_f64,
        seed in any::<u64>(),
    ) {
        let (graph, unit) = layer(kernel, channels, outputs);
        let [kh, kw] = kernel.unwrap_or([1, 1]);
        let weight = decaying([outputs, channels, kh, kw], ranks, seed);
        let shape = graph.parameters().remove(0).1.shape;
        let weight = weight.reshape(&shape).expect("as many elements");
        let parameters = Parameters::from_tensors([("w".to_owned(), weight)]);
        let after = factorized(&graph, &parameters, bound);
        if let Ok(rewrite) = &after.layers[0].outcome {
            let (expected, found) = (run(&graph, &unit, &parameters), run(&after.graph, &unit, &after.parameters));
            let error = distance(&expected, &found);
            prop_assert!(error <= bound * (1.0 + 1e-5), "{}: {error} exceeds {bound}", rewrite.form);
            prop_assert!((error - rewrite.error).abs() <= 1e-5, "{}: {error} is not {}", rewrite.form, rewrite.error);
            prop_assert!(after.graph.macs() < graph.macs());
        }
    }

    /// So is the error of outputs over the images of a calibration.
    #[test]
    fn errors_of_outputs_are_within_the_bound(
        (channels, outputs) in (1..8_usize, 2..12_usize),
        depthwise in any::<bool>(),
        bound in 0.01..0.9_f64,
        seed in any::<u64>(),
    ) {
        let (groups, outputs) = if depthwise { (channels, channels) } else { (1, outputs) };
        let graph = parse(&format!(
            "graph g\n%x = input : f32[1, {channels}, 7, 6]\n%w = parameter : f32[{outputs}, {}, 3, 3]\n\
             %b = parameter : f32[{outputs}]\n\
             %y = conv(%x, %w, %b) {{padding = [1, 1, 1, 1], stride = [2, 1], groups = {groups}}}\noutput y = %y",
            channels / groups
        ));
        let weight = decaying([outputs, channels / groups, 3, 3], 5, seed);
        let parameters =
            Parameters::from_tensors([("w".to_owned(), weight), ("b".to_owned(), random(&[outputs], seed))]);
        // Images whose channels are alike, as those of networks are.
        let images: Vec<Tensor> = (0..3)
            .map(|index| {
                let common = random(&[42], seed ^ index);
                let mut image = random(&[1, channels, 7, 6], seed.wrapping_add(index));
                for (flat, value) in image.data_mut().iter_mut().enumerate() {
                    *value = 1.0 + common.data()[flat % 42] + 0.2 * *value;
                }
                image
            })
            .collect();
        let inputs: Vec<_> = images.iter().map(|image| vec![image.clone()]).collect();
        let calibration = Calibration::new(&graph, &parameters, &inputs).expect("everything fits");
        let options = Options { bound, calibration: Some(&calibration), ..Options::default() };
        let after = trained(&graph, &parameters, &options, &mut Macs).expect("everything fits");
        after.graph.verify().expect("valid");
        if let Ok(rewrite) = &after.layers[0].outcome {
            let outputs_of = |graph: &Graph, parameters: &Parameters| -> Vec<Tensor> {
                images.iter().map(|image| run(graph, image, parameters)).collect()
            };
            let expected = outputs_of(&graph, &parameters);
            let error = deviation(&expected, &outputs_of(&after.graph, &after.parameters), outputs);
            prop_assert!(error <= bound + 1e-4, "{}: {error} exceeds {bound}", rewrite.form);
            prop_assert!((error - rewrite.error).abs() <= 1e-4, "{}: {error} is not {}", rewrite.form, rewrite.error);
        }
    }
}

/// ‖y − y′‖ / ‖y − ȳ‖, ȳ the mean of each channel.
fn deviation(expected: &[Tensor], found: &[Tensor], channels: usize) -> f64 {
    let (mut error, mut all) = (0.0, 0.0);
    for channel in 0..channels {
        let of = |tensors: &[Tensor]| -> Vec<f64> {
            let planes = tensors.iter().flat_map(|tensor| {
                let plane = tensor.data().len() / channels;
                tensor.data()[channel * plane..][..plane].iter().map(|value| f64::from(*value))
            });
            planes.collect()
        };
        let (expected, found) = (of(expected), of(found));
        let mean = expected.iter().sum::<f64>() / expected.len() as f64;
        error += expected.iter().zip(&found).map(|(a, b)| (a - b).powi(2)).sum::<f64>();
        all += expected.iter().map(|a| (a - mean).powi(2)).sum::<f64>();
    }
    (error / all).sqrt()
}

fn outcome(kernel: Option<[usize; 2]>, weight: &Tensor, bound: f64) -> String {
    let (graph, _) = layer(kernel, weight.shape()[1], weight.shape()[0]);
    let shape = graph.parameters().remove(0).1.shape;
    let weight = weight.clone().reshape(&shape).expect("as many elements");
    let after = factorized(&graph, &Parameters::from_tensors([("w".to_owned(), weight)]), bound);
    match &after.layers[0].outcome {
        Ok(rewrite) => rewrite.form.to_string(),
        Err(reason) => reason.to_string(),
    }
}

/// Planted ranks are found, and no more than they.
#[test]
fn ranks_are_the_least() {
    let [a, b, c] = [1, 2, 3].map(|seed| random(&[16, 16, 5], seed));
    let at = |tensor: &Tensor, i: usize, j: usize, k: usize| tensor.data()[(i * 16 + j) * 5 + k];
    let matrix = planted([16, 16, 1, 1], |[o, i, ..]| (0..3).map(|r| at(&a, o, r, 0) * at(&b, i, r, 0)).sum());
    assert_eq!(outcome(None, &matrix, 1e-3), "low_rank(3)");
    assert_eq!(outcome(Some([1, 1]), &matrix, 1e-3), "low_rank(3)");
    let tucker = planted([16, 16, 3, 3], |[o, i, u, v]| {
        let core = |p: usize, q: usize| at(&c, p, q, u) * at(&c, q + 8, p, v);
        (0..4)
            .flat_map(|p| (0..2).map(move |q| (p, q)))
            .map(|(p, q)| at(&a, o, p, 0) * at(&b, i, q, 0) * core(p, q))
            .sum()
    });
    assert_eq!(outcome(Some([3, 3]), &tucker, 1e-3), "tucker(2, 4)");
    let separable = planted([16, 16, 5, 5], |[o, i, u, v]| (0..3).map(|r| at(&a, i, r, u) * at(&b, o, r, v)).sum());
    assert_eq!(outcome(Some([5, 5]), &separable, 1e-3), "separable(3)");
    let two = planted([16, 4, 3, 3], |[o, i, u, v]| (0..2).map(|r| at(&a, o, i, r) * at(&b, i, u * 3 + v, r)).sum());
    assert_eq!(outcome(Some([3, 3]), &two, 1e-3), "depthwise_separable(2)");
    // One rank fewer would be beyond the bound, here of two parts with energies 9 and 1.
    let parts = planted([16, 16, 1, 1], |[o, i, ..]| match (o, i) {
        (0, 0) => 3.0,
        (1, 1) => 1.0,
        _ => 0.0,
    });
    let missing = 0.1_f64.sqrt();
    assert_eq!(outcome(None, &parts, missing + 1e-6), "low_rank(1)");
    assert_eq!(outcome(None, &parts, missing - 1e-6), "low_rank(2)");
}

#[test]
fn layers_that_stay_say_why() {
    let full = random(&[6, 6, 3, 3], 5);
    assert!(outcome(Some([3, 3]), &full, 1e-3).contains(" MAC, it takes "));
    assert!(outcome(None, &random(&[6, 6], 5), 0.01).starts_with("low_rank(6) takes "));
    let (graph, parameters) = convolution("padding = [1, 1, 1, 1], groups = 2", 4, random(&[6, 2, 3, 3], 5));
    let after = factorized(&graph, &parameters, 0.1);
    assert_eq!(after.layers[0].to_string(), "conv: kept: its groups have several channels each");
}

/// Scheme 1 pays where columns are computed for many rows.
#[test]
fn columns_and_rows_of_each_channel() {
    let [a, b, c] = [1, 2, 3].map(|seed| random(&[16, 4, 9], seed));
    let at = |tensor: &Tensor, i: usize, j: usize, k: usize| tensor.data()[(i * 4 + j) * 9 + k];
    let weight = planted([16, 4, 9, 9], |[o, i, u, v]| match (u < 5, v < 5) {
        (true, true) => at(&a, o, i, 0) * at(&b, i, 0, u) * at(&c, i, 0, v),
        (false, false) => 0.2 * at(&a, o, i, 1) * at(&b, i, 1, u) * at(&c, i, 1, v),
        _ => 0.0,
    });
    let graph = parse(
        "graph g\n%x = input : f32[1, 4, 40, 40]\n%w = parameter : f32[16, 4, 9, 9]\n\
         %y = conv(%x, %w) {bias = false}\noutput y = %y",
    );
    let after = factorized(&graph, &Parameters::from_tensors([("w".to_owned(), weight)]), 0.02);
    let rewrite = after.layers[0].outcome.as_ref().unwrap_or_else(|reason| panic!("{reason}"));
    assert_eq!(rewrite.form, Form::SeparableBasis { filters: 2 });
    assert_eq!(rewrite.nodes, ["y.vertical", "y.horizontal", "y.pointwise"]);
}

#[test]
fn windows_of_channels_that_are_no_products_stay() {
    let (graph, parameters) = convolution("padding = [1, 1, 1, 1], groups = 4", 4, random(&[4, 1, 3, 3], 5));
    let after = factorized(&graph, &parameters, 0.01);
    assert_eq!(after.layers[0].to_string(), "conv: kept: no form is within the bound");
}

/// BatchNorm after the layer, folded into it or not: the same form.
#[test]
fn batch_norm_may_be_folded() {
    let (graph, parameters) = convolution("padding = [1, 1, 1, 1]", 8, decaying([16, 8, 3, 3], 24, 7));
    let mut folded = graph.clone();
    crate::passes::run_pipeline(&mut folded, true).expect("valid");
    for graph in [&graph, &folded] {
        let after = factorized(graph, &parameters, 0.2);
        let rewrite = after.layers[0].outcome.as_ref().unwrap_or_else(|reason| panic!("{reason}"));
        let x = random(&[2, 8, 9, 8], 3);
        let error = distance(&run(graph, &x, &parameters), &run(&after.graph, &x, &after.parameters));
        assert!(error > 1e-4 && error < 0.4, "{}: {error}", rewrite.form);
    }
}
