use super::*;
use crate::graph::evaluate::evaluate;
use crate::lang::Module;
use convoke_runtime::{Parameters, Tensor};

fn graph(body: &str) -> Graph {
    let text = format!("network N(image: f32[1, 8, 14, 14]) -> y {{ {body} }}");
    Module::parse(&text).and_then(|module| module.graph("N")).unwrap_or_else(|errors| panic!("{errors}"))
}

fn factorized(graph: &Graph, kind: Kind) -> Factorized {
    let factorized = structural(graph, kind, &Selection::all()).unwrap_or_else(|error| panic!("{error}"));
    factorized.graph.verify().unwrap_or_else(|faults| panic!("{faults}"));
    factorized
}

fn outcomes(factorized: &Factorized) -> Vec<String> {
    factorized.layers.iter().map(LayerOutcome::to_string).collect()
}

/// The text of a graph, without what its nodes came from.
fn text(graph: &Graph) -> String {
    graph.to_string().lines().map(|line| line.split(" from ").next().unwrap_or(line).to_owned() + "\n").collect()
}

/// What the transformation makes is what `cnn!` makes of the form's own name.
#[test]
fn forms_are_those_of_the_language() {
    let table = [
        (Kind::Depthwise, "conv(16, kernel: 3, padding: 1)", "depthwise(3, multiplier: 2, padding: 1)"),
        (
            Kind::Depthwise,
            "conv(8, kernel: 5, stride: 2, padding: \"same\", bias: false)",
            "depthwise(5, stride: 2, padding: \"same\", bias: false)",
        ),
        (
            Kind::Separable,
            "conv(16, kernel: 5, stride: 2, padding: 2, bias: false)",
            "separable(16, 5, stride: 2, padding: 2, bias: false)",
        ),
        (Kind::Separable, "conv(16, kernel: 5)", "separable(16, 5)"),
        (Kind::Pointwise, "conv(16, kernel: 3, stride: 2, padding: 1)", "pointwise(16, stride: 2)"),
        (Kind::Pointwise, "conv(16, kernel: 3, padding: 2, dilation: 2, groups: 2)", "pointwise(16, groups: 2)"),
        (
            Kind::DepthwiseSeparable,
            "conv(16, kernel: 3, padding: 2, dilation: 2)",
            "depthwise_separable(16, 3, padding: 2, dilation: 2)",
        ),
        (
            Kind::DepthwiseSeparable,
            "conv(16, kernel: [3, 1], stride: [2, 1], padding: [1, 0], bias: false)",
            "depthwise_separable(16, [3, 1], stride: [2, 1], padding: [1, 0], bias: false)",
        ),
    ];
    for (kind, conv, form) in table {
        let before = graph(&format!("image -> conv1: {conv} -> bn1: batch_norm -> relu -> conv2: pointwise(4)"));
        let expected = graph(&format!("image -> conv1: {form} -> bn1: batch_norm -> relu -> conv2: pointwise(4)"));
        assert_eq!(text(&factorized(&before, kind).graph), text(&expected), "{kind} of {conv}");
    }
}

#[test]
fn every_layer_says_what_became_of_it() {
    let before = graph(
        "image -> a: conv(16, kernel: 3, padding: 1) -> b: conv(24, kernel: 3, padding: 1) -> c: pointwise(24)
            -> d: depthwise(3, padding: 1) -> e: conv(24, kernel: [1, 5]) -> f: conv(12, kernel: 3, groups: 4)
            -> flatten -> g: linear(4)",
    );
    let table = [
        (
            Kind::Depthwise,
            [
                "a: a",
                "b: kept: its 24 output channels are no multiple of its 16 input channels",
                "c: kept: its window is one pixel",
                "d: kept: it is depthwise",
                "e: e",
                "f: kept: its 12 output channels are no multiple of its 24 input channels",
            ],
        ),
        (
            Kind::Separable,
            [
                "a: kept: the form takes 225792 MAC, it takes 225792",
                "b: b.vertical, b.horizontal",
                "c: kept: its window is one pixel",
                "d: d.vertical, d.horizontal",
                "e: kept: its window of 1×5 has one dimension",
                "f: f.vertical, f.horizontal",
            ],
        ),
        (
            Kind::Pointwise,
            [
                "a: a",
                "b: b",
                "c: kept: its window is one pixel",
                "d: kept: it is depthwise",
                "e: kept: windows of one pixel make 14×14 pixels, it makes 14×10",
                "f: kept: windows of one pixel make 14×10 pixels, it makes 12×8",
            ],
        ),
        (
            Kind::DepthwiseSeparable,
            [
                "a: a.depthwise, a.pointwise",
                "b: b.depthwise, b.pointwise",
                "c: kept: its window is one pixel",
                "d: kept: it is depthwise",
                "e: e.depthwise, e.pointwise",
                "f: f.depthwise, f.pointwise",
            ],
        ),
    ];
    for (kind, expected) in table {
        let after = factorized(&before, kind);
        assert_eq!(outcomes(&after), expected, "{kind}");
        assert!(after.graph.macs() < before.macs());
        let again = structural(&after.graph, kind, &Selection::all()).expect("valid");
        assert_eq!(again.graph.to_string(), after.graph.to_string(), "{kind}: a second run changes nothing");
    }
}

#[test]
fn the_selection_decides() {
    let before = graph("image -> a: conv(8, kernel: 3, padding: 1) -> b: conv(8, kernel: 3) -> relu");
    let some = structural(&before, Kind::Depthwise, &Selection::only(["b*"])).expect("valid");
    assert_eq!(outcomes(&some), ["a: kept: not selected", "b: b"]);
    let error = structural(&before, Kind::Depthwise, &Selection::only(["c"])).expect_err("no such layer");
    assert_eq!(error.to_string(), "no layer has a name that matches `c` (did you mean `a`?)");
}

/// Weights that others use stay, and new ones get other names; epilogues go to the last part.
#[test]
fn shared_weights_and_epilogues() {
    let text = "graph g\n%x = input : f32[1, 4, 6, 6]\n%w = parameter : f32[4, 4, 3, 3]\n%b = parameter : f32[4]\n\
        %conv = conv(%x, %w, %b, %x) {padding = [1, 1, 1, 1], residual = true, activation = relu}\n\
        %conv.weight = conv(%conv, %w, %b) {padding = [1, 1, 1, 1]}\noutput y = %conv.weight";
    let before: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
    let after = structural(&before, Kind::Depthwise, &Selection::only(["conv"])).expect("valid").graph;
    assert_eq!(
        after.to_string(),
        "graph g\n%x = input : f32[1, 4, 6, 6]\n%conv.weight_2 = parameter : f32[4, 1, 3, 3]\n\
         %conv.bias = parameter : f32[4]\n\
         %conv = conv(%x, %conv.weight_2, %conv.bias, %x) {stride = [1, 1], groups = 4, padding = [1, 1, 1, 1], \
         residual = true, activation = relu} : f32[1, 4, 6, 6] from conv\n\
         %w = parameter : f32[4, 4, 3, 3]\n%b = parameter : f32[4]\n\
         %conv.weight = conv(%conv, %w, %b) {stride = [1, 1], padding = [1, 1, 1, 1]} : f32[1, 4, 6, 6]\n\
         output y = %conv.weight\n"
    );
    let parameters = after.parameters().into_iter().map(|(name, ty)| (name, Tensor::zeros(&ty.shape)));
    let result = evaluate(&after, &[Tensor::zeros(&[1, 4, 6, 6])], &Parameters::from_tensors(parameters));
    assert_eq!(result.expect("fits")[0].shape(), [1, 4, 6, 6]);
}

#[test]
fn a_computed_weight_stays() {
    let text = "graph g\n%x = input : f32[1, 2, 6, 6]\n%w = input : f32[2, 2, 3, 3]\n\
        %conv = conv(%x, %w) {bias = false}\noutput y = %conv";
    let before: Graph = text.parse().unwrap_or_else(|error| panic!("{error}"));
    let after = factorized(&before, Kind::Depthwise);
    assert_eq!(outcomes(&after), ["conv: kept: its weight depends on the network's input"]);
    assert_eq!(after.graph.to_string(), before.to_string());
}
