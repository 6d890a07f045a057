//! What tests of graphs share.

use std::ops::Range;

use convoke_compiler::Graph;
use convoke_compiler::graph::evaluate::evaluate;
use convoke_runtime::{Parameters, Tensor};

/// The largest difference between the results before and after, relative to the largest result.
const TOLERANCE: f32 = 1e-5;

/// Evaluates both graphs on the same pseudo-random tensors. Says whether all results were finite; those that are not
/// are not compared.
///
/// # Errors
/// The first output that differs.
pub(crate) fn compare(before: &Graph, after: &Graph) -> Result<bool, String> {
    let inputs = (1..).zip(before.inputs());
    let inputs: Vec<_> = inputs.map(|(seed, &id)| random(&before.type_of(id.into()).shape, -2.0..2.0, seed)).collect();
    let parameters = (100..).zip(before.parameters()).map(|(seed, (name, ty))| {
        // A variance is positive.
        let range = if name.ends_with("var") { 0.25..2.0 } else { -2.0..2.0 };
        (name, random(&ty.shape, range, seed))
    });
    let parameters = Parameters::from_tensors(parameters);
    let results = |graph| evaluate(graph, &inputs, &parameters).map_err(|error| error.to_string());
    let mut finite = true;
    let (before_results, after_results) = (results(before)?, results(after)?);
    for ((name, _), (expected, found)) in before.outputs().iter().zip(before_results.iter().zip(&after_results)) {
        if expected.shape() != found.shape() {
            return Err(format!("output `{name}` had shape {:?} and has {:?}", expected.shape(), found.shape()));
        }
        if expected.data().iter().any(|value| !value.is_finite()) {
            finite = false;
            continue;
        }
        let largest = expected.data().iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let mut pairs = expected.data().iter().zip(found.data());
        let differs = pairs.find(|(a, b)| (*a - *b).abs() > TOLERANCE * largest || b.is_nan());
        if let Some((a, b)) = differs {
            return Err(format!("output `{name}` was {a} somewhere and is {b}; its largest value is {largest}"));
        }
    }
    Ok(finite)
}

/// Uniform values from the generator xorshift64* (Vigna 2016).
fn random(shape: &[usize], range: Range<f32>, seed: u64) -> Tensor {
    let mut tensor = Tensor::zeros(shape);
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    for value in tensor.data_mut() {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        let unit = (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 40) as f32 / 16_777_216.0;
        *value = range.start + (range.end - range.start) * unit;
    }
    tensor
}
