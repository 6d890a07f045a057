//! Every operator's own rule against central differences of its naive definition, on the operator's conformance cases.
//!
//! The loss is `L = Σ c · y` with random cotangents c. Its difference is taken in float64 over results that a step
//! changes; the definitions round their results to float32, so the step is as large as the function's curvature lets it
//! be, and Richardson's extrapolation takes the curvature out. Where two steps disagree, a kink lies between them.

use std::collections::BTreeMap;

use convoke_compiler::graph::{GradientError, Value, evaluate};
use convoke_compiler::ops::{Case, Op};
use convoke_compiler::{Graph, TensorType};
use convoke_runtime::{DType, Parameters, Tensor};

/// The graph of a case with all operands as inputs.
fn graph_of(case: &Case) -> (Graph, Vec<Value>, Vec<Value>) {
    let mut graph = Graph::new("case");
    let mut edit = graph.edit();
    let mut operands: Vec<Value> = Vec::new();
    for (index, operand) in case.operands.iter().enumerate() {
        operands.push(edit.input(format!("x{index}"), operand.ty.clone()));
    }
    let node = edit.op("y", case.op.clone(), &operands).expect("a case is well typed");
    let types: Vec<TensorType> = edit.graph().node(node).types.clone();
    let results: Vec<Value> = (0..types.len() as u16).map(|output| Value { node, output }).collect();
    for &value in &results {
        let name = edit.graph().label(value);
        edit.output(name, value);
    }
    (graph, operands, results)
}

/// Operators, or some of their functions, that have no derivative, or whose rule is not written.
const REFUSED: [&str; 12] = [
    "batch_norm_gradient: there is no rule for second derivatives",
    "binary: `mod` is of whole numbers",
    "conv_weight_gradient: there is no rule for second derivatives",
    "gather_nd: it has batch_dims 1; only 0 has a rule",
    "grid_sample: there is no rule for regions that are computed",
    "max_pool_gradient: there is no rule for second derivatives",
    "reduce: there is no rule for products along a dimension",
    "roi_align: there is no rule for regions that are computed",
    "scatter_elements: there is no rule for places that are computed",
    "scatter_nd: there is no rule for places that are computed",
    "slope: there is no rule for second derivatives",
    "unary: `round` is constant between its jumps",
];

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 32) as usize % end
    }

    /// In −1 .. 1, of few digits.
    fn value(&mut self) -> f32 {
        self.below(513) as f32 / 256.0 - 1.0
    }
}

/// Elements of an operand whose derivatives are compared.
const SAMPLES: usize = 4;

/// Multiply-accumulates above which a case is left out: the definitions are slow.
const MOST: u64 = 60_000;

/// The largest disagreement, relative to the largest derivative, of the samples that lie at no kink; and their number.
fn disagreement(case: &Case, gradient: &Tensor, operand: usize, cotangents: &[Option<Tensor>]) -> (f64, usize) {
    let tensors = case.tensors();
    let evaluate = |place: usize, step: f32| {
        let mut moved = tensors.clone();
        moved[operand].data_mut()[place] += step;
        (case.op.evaluate(&moved.iter().collect::<Vec<_>>()), f64::from(moved[operand].data()[place]))
    };
    // `Σ c · (y − y′)`.
    let loss = |y: &[Tensor], other: &[Tensor]| {
        let pairs = y.iter().zip(other).zip(cotangents).filter_map(|(pair, c)| Some((pair, c.as_ref()?)));
        let elements = pairs.flat_map(|((y, other), c)| y.data().iter().zip(other.data()).zip(c.data()));
        elements.map(|((&y, &other), &c)| f64::from(c) * (f64::from(y) - f64::from(other))).sum::<f64>()
    };
    let scale = gradient.data().iter().fold(0.0_f64, |max, x| max.max(f64::from(x.abs()))).max(0.05);
    let mut random = Random(case.name.len() as u64 + operand as u64);
    let (mut worst, mut compared) = (0.0_f64, 0);
    for _ in 0..SAMPLES {
        let place = random.below(gradient.data().len());
        let (here, _) = evaluate(place, 0.0);
        // The first and the second difference: (L(x + h) − L(x − h)) / 2h, (L(x + h) − 2 L(x) + L(x − h)) / h.
        let differences = |h: f32| {
            let ((above, up), (below, down)) = (evaluate(place, h), evaluate(place, -h));
            let bend = loss(&above, &here) + loss(&below, &here);
            (loss(&above, &below) / (up - down), 2.0 * bend / (up - down))
        };
        let [(wide, wide_bend), (narrow, narrow_bend)] = [1.0 / 32.0, 1.0 / 64.0].map(differences);
        // What is smooth bends twice as much in twice the step.
        if (narrow - wide).abs() > 2e-3 * scale || (wide_bend - 2.0 * narrow_bend).abs() > 4e-3 * scale {
            continue;
        }
        compared += 1;
        let extrapolated = narrow + (narrow - wide) / 3.0;
        worst = worst.max((extrapolated - f64::from(gradient.data()[place])).abs() / scale);
    }
    (worst, compared)
}

#[test]
fn every_rule_agrees_with_central_differences() {
    let (mut failures, mut refused): (Vec<String>, BTreeMap<&str, String>) = (Vec::new(), BTreeMap::new());
    let mut compared: BTreeMap<&str, usize> = BTreeMap::new();
    for case in Op::cases() {
        let name = format!("{} `{}`", case.op.name(), case.name);
        let (graph, operands, results) = graph_of(&case);
        let real = |value: &&Value| graph.type_of(**value).dtype == DType::F32;
        let (by, of): (Vec<Value>, Vec<Value>) =
            (operands.iter().filter(real).copied().collect(), results.iter().filter(real).copied().collect());
        let fused = case.op.epilogue().is_some_and(|epilogue| !epilogue.is_none());
        let types: Vec<TensorType> = results.iter().map(|&result| graph.type_of(result).clone()).collect();
        if by.is_empty() || of.is_empty() || fused || case.op.macs(&case.types(), &types) > MOST {
            continue;
        }
        let written = match graph.gradient(&of, &by) {
            Ok(written) => written,
            Err(GradientError::Operator { reason, .. }) => {
                refused.insert(case.op.name(), reason);
                continue;
            }
            Err(GradientError::Independent { .. }) => continue,
            Err(error) => panic!("{name}: {error}"),
        };
        assert_eq!(written.verify(), Ok(()), "{name}");
        let mut random = Random(case.name.len() as u64);
        let mut inputs = case.tensors();
        let mut cotangents: Vec<Option<Tensor>> = Vec::new();
        for &result in &results {
            let shape = graph.type_of(result).shape.clone();
            let mut cotangent = Tensor::zeros(&shape);
            cotangent.data_mut().fill_with(|| random.value());
            match (of.contains(&result), graph.type_of(result).elements()) {
                (false, _) => cotangents.push(None),
                (true, 1) => {
                    cotangent.data_mut().fill(1.0);
                    cotangents.push(Some(cotangent));
                }
                (true, _) => {
                    inputs.push(cotangent.clone());
                    cotangents.push(Some(cotangent));
                }
            }
        }
        let found =
            evaluate::evaluate(&written, &inputs, &Parameters::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for (gradient, value) in found[of.len()..].iter().zip(&by) {
            let operand = operands.iter().position(|operand| operand == value).expect("one of them");
            let (error, count) = disagreement(&case, gradient, operand, &cotangents);
            *compared.entry(case.op.name()).or_default() += count;
            if error.is_nan() || error > 2e-3 {
                failures.push(format!("{name}, operand {operand}: {error:.1e} of {count}"));
            }
        }
    }
    assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
    for (operator, count) in compared {
        assert!(count > 0, "{operator} was compared nowhere");
    }
    let refused: Vec<String> = refused.iter().map(|(operator, reason)| format!("{operator}: {reason}")).collect();
    assert_eq!(refused, REFUSED);
}
