use super::*;
use crate::graph::evaluate::evaluate;

/// As much time as there are multiply-accumulates.
struct Macs;

impl TimeModel for Macs {
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String> {
        Ok(graphs.iter().map(|graph| graph.macs() as f64).collect())
    }
}

/// No time for one operator, some for more.
struct Steps;

impl TimeModel for Steps {
    fn seconds(&mut self, graphs: &[&Graph]) -> Result<Vec<f64>, String> {
        let steps = |graph: &Graph| graph.order().iter().filter(|id| graph.node(**id).op().is_some()).count();
        Ok(graphs.iter().map(|graph| 1e-6 * steps(graph) as f64).collect())
    }
}

/// Uniform values in -1 to 1 (Steele, Lea and Flood 2014, SplitMix64).
pub(super) fn random(shape: &[usize], seed: u64) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    let mut state = seed;
    for value in tensor.data_mut() {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        *value = ((bits ^ (bits >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0;
    }
    tensor
}

pub(super) fn parse(text: &str) -> Graph {
    text.parse().unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// A convolution followed by BatchNorm and ReLU, and its parameters, `weight` given.
fn convolution(attributes: &str, channels: usize, weight: Tensor) -> (Graph, Parameters) {
    let shape = weight.shape().to_vec();
    let outputs = shape[0];
    let graph = parse(&format!(
        "graph g\n%x = input : f32[2, {channels}, 9, 8]\n%conv.weight = parameter : f32{shape:?}\n\
         %conv.bias = parameter : f32[{outputs}]\n%conv = conv(%x, %conv.weight, %conv.bias) {{{attributes}}}\n\
         %bn.weight = parameter : f32[{outputs}]\n%bn.bias = parameter : f32[{outputs}]\n\
         %bn.running_mean = parameter : f32[{outputs}]\n%bn.running_var = parameter : f32[{outputs}]\n\
         %bn = batch_norm(%conv, %bn.weight, %bn.bias, %bn.running_mean, %bn.running_var) {{eps = 1e-5}}\n\
         output y = %bn"
    ));
    let others = graph.parameters().into_iter().filter(|(name, _)| name != "conv.weight").enumerate();
    let others = others.map(|(seed, (name, ty))| {
        let mut tensor = random(&ty.shape, seed as u64);
        if name == "bn.running_var" {
            tensor.data_mut().iter_mut().for_each(|value| *value += 1.5);
        }
        (name, tensor)
    });
    let parameters = Parameters::from_tensors(others.chain([("conv.weight".to_owned(), weight)]));
    (graph, parameters)
}

fn factorized(graph: &Graph, parameters: &Parameters, bound: f64) -> Trained {
    let options = Options { bound, ..Options::default() };
    let result = trained(graph, parameters, &options, &mut Macs).unwrap_or_else(|error| panic!("{error}"));
    result.graph.verify().unwrap_or_else(|faults| panic!("{faults}"));
    result
}

/// ‖a − b‖ / ‖a‖.
pub(super) fn distance(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.shape(), b.shape());
    let square = |value: f32| f64::from(value).powi(2);
    let error: f64 = a.data().iter().zip(b.data()).map(|(a, b)| square(a - b)).sum();
    (error / a.data().iter().map(|value| square(*value)).sum::<f64>()).sqrt()
}

/// A weight O I Kh Kw whose element is what `element` makes of its indices.
fn planted(shape: [usize; 4], element: impl Fn([usize; 4]) -> f32) -> Tensor {
    let [outputs, inputs, kh, kw] = shape;
    let mut tensor = Tensor::zeros(&shape);
    for (flat, value) in tensor.data_mut().iter_mut().enumerate() {
        let (o, i) = (flat / kw / kh / inputs, flat / kw / kh % inputs);
        *value = element([o % outputs, i, flat / kw % kh, flat % kw]);
    }
    tensor
}

#[test]
fn forms_in_disguise_are_rewritten_without_loss() {
    let full = random(&[400], 1);
    let some = |index: usize| full.data()[index % 400];
    // A pivot is not small.
    let large = |index: usize| 1.5 + some(index);
    let same = "padding = [1, 1, 1, 1]";
    let table: [(&str, usize, Tensor, &str, &[&str]); 8] = [
        (
            same,
            4,
            planted([6, 4, 3, 3], |[o, i, u, v]| if (u, v) == (1, 1) { some(o * 4 + i) } else { 0.0 }),
            "pointwise",
            &["conv"],
        ),
        (
            "padding = [3, 0, 2, 4], stride = [2, 1], dilation = [2, 2]",
            4,
            planted([6, 4, 3, 3], |[o, i, u, v]| if (u, v) == (1, 0) { some(o * 4 + i) } else { 0.0 }),
            "pointwise",
            &["conv"],
        ),
        (
            same,
            4,
            planted([8, 4, 3, 3], |[o, i, u, v]| if o / 2 == i { some(o * 9 + u * 3 + v) } else { 0.0 }),
            "grouped(4)",
            &["conv"],
        ),
        (
            "stride = [1, 2]",
            4,
            planted([6, 4, 3, 3], |[o, i, u, v]| if o / 3 == i / 2 { some((o * 4 + i) * 9 + u * 3 + v) } else { 0.0 }),
            "grouped(2)",
            &["conv"],
        ),
        (
            "padding = [0, 1, 2, 3], groups = 4, stride = [2, 1]",
            4,
            planted([4, 1, 3, 5], |[o, _, u, v]| large(o * 3 + u) * large(60 + o * 5 + v)),
            "outer",
            &["conv.vertical", "conv.horizontal"],
        ),
        (
            same,
            1,
            planted([6, 1, 3, 3], |[o, _, u, v]| large(o * 3 + u) * large(60 + o * 3 + v)),
            "outer",
            &["conv.vertical", "conv.horizontal"],
        ),
        (
            "dilation = [2, 1]",
            4,
            planted([8, 4, 3, 3], |[o, i, u, v]| large((o * 4 + i) * 3 + u) * large(200 + o * 3 + v)),
            "outer",
            &["conv.vertical", "conv.horizontal"],
        ),
        (
            "padding = [2, 2, 2, 2], dilation = [2, 2], stride = [2, 2]",
            4,
            planted([8, 4, 3, 3], |[o, i, u, v]| large(o * 4 + i) * large(200 + i * 9 + u * 3 + v)),
            "depthwise_separable(1)",
            &["conv.depthwise", "conv.pointwise"],
        ),
    ];
    for (attributes, channels, weight, form, nodes) in table {
        let (before, parameters) = convolution(attributes, channels, weight);
        let after = factorized(&before, &parameters, 0.0);
        let outcome = &after.layers[0];
        let rewrite = outcome.outcome.as_ref().unwrap_or_else(|reason| panic!("{form}: {reason}"));
        assert_eq!(
            (rewrite.form.to_string().as_str(), rewrite.nodes.as_slice()),
            (form, &nodes.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>()[..])
        );
        assert_eq!(rewrite.macs, [before.macs(), after.graph.macs()]);
        // The parameters are the same; the checkpoint fits as it is.
        let names = |parameters: &Parameters| parameters.names().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(names(&after.parameters), names(&parameters));
        let x = random(&[2, channels, 9, 8], 99);
        let [expected, found] =
            [(&before, &parameters), (&after.graph, &after.parameters)].map(|(graph, parameters)| {
                evaluate(graph, std::slice::from_ref(&x), parameters).expect("everything fits").remove(0)
            });
        let error = distance(&expected, &found);
        assert!(error < 1e-6, "{form} of {attributes}: {error}");
        // Text and passes carry views.
        let text = after.graph.to_string();
        assert_eq!(parse(&text).to_string(), text);
        let again = factorized(&after.graph, &after.parameters, 0.0);
        assert_eq!(again.graph.to_string(), text, "a second run changes nothing");
    }
}

#[test]
fn what_is_no_form_stays() {
    let same = "padding = [1, 1, 1, 1]";
    let zero_at = |zero: usize| {
        planted([6, 4, 3, 3], move |[o, i, u, v]| {
            let index = ((o * 4 + i) * 3 + u) * 3 + v;
            if index == zero { 0.0 } else { 1.0 + ((index * index) % 17) as f32 }
        })
    };
    let mut nan = zero_at(0);
    nan.data_mut()[7] = f32::NAN;
    let table: [(&str, Tensor, &str); 2] = [
        (same, zero_at(5), "conv: kept: no form is within the bound"),
        (same, nan, "conv: kept: its weight is not finite"),
    ];
    for (attributes, weight, expected) in table {
        let (before, parameters) = convolution(attributes, 4, weight);
        let after = factorized(&before, &parameters, 0.0);
        assert_eq!(after.layers[0].to_string(), expected);
        assert_eq!(after.graph.to_string(), before.to_string());
    }
}

#[test]
fn time_decides() {
    let weight = planted([8, 4, 3, 3], |[o, i, u, v]| (1 + o + i) as f32 * (1 + i + u * 3 + v) as f32);
    let (before, parameters) = convolution("padding = [1, 1, 1, 1]", 4, weight);
    let outcome = |time: &mut dyn TimeModel| {
        let result = trained(&before, &parameters, &Options::default(), time).expect("everything fits");
        result.layers[0].to_string()
    };
    assert_eq!(outcome(&mut Macs), "conv: depthwise_separable(1), error 0.0e0, 9792 MAC instead of 41472");
    assert_eq!(outcome(&mut Steps), "conv: kept: depthwise_separable(1) takes 2.0 µs, it takes 1.0 µs");
}

#[test]
fn errors_say_what_is_wrong() {
    let (graph, parameters) = convolution("padding = [1, 1, 1, 1]", 4, random(&[6, 4, 3, 3], 1));
    let message = |parameters: &Parameters, options: &Options<'_>| {
        trained(&graph, parameters, options, &mut Macs).expect_err("something is wrong").to_string()
    };
    let bound = |bound| Options { bound, ..Options::default() };
    assert_eq!(message(&parameters, &bound(1.0)), "the bound of a relative error is from 0 to below 1, gets 1");
    assert_eq!(message(&parameters, &bound(f64::NAN)), "the bound of a relative error is from 0 to below 1, gets NaN");
    let none = Options { selection: Selection::only(["cnv"]), ..Options::default() };
    assert_eq!(message(&parameters, &none), "no layer has a name that matches `cnv` (did you mean `conv`?)");
    let missing = message(&Parameters::default(), &bound(0.0));
    assert!(missing.starts_with("parameters do not fit: `conv.weight` expects the shape [6, 4, 3, 3], is missing"));
    #[cfg(not(feature = "factorize"))]
    assert!(message(&parameters, &bound(0.1)).contains("want the feature `factorize`"));
}

#[cfg(feature = "factorize")]
mod approximations;
