//! The naive definition of operators that only move elements.

use convoke_runtime::Tensor;

use super::Case;

/// The tensor of shape `shape` whose element at each index is the one of `x` at the index that `source` gives, or the
/// value it gives.
pub(super) fn evaluate(x: &Tensor, shape: &[usize], source: impl Fn(&[usize]) -> Result<Vec<usize>, f32>) -> Tensor {
    let mut result = Tensor::zeros(shape);
    let mut index = vec![0; shape.len()];
    for y in result.data_mut() {
        *y = match source(&index) {
            Ok(from) => {
                let flat = from.iter().zip(x.shape()).fold(0, |flat, (index, extent)| flat * extent + index);
                x.data()[flat]
            }
            Err(value) => value,
        };
        for dim in (0..shape.len()).rev() {
            index[dim] += 1;
            if index[dim] < shape[dim] {
                break;
            }
            index[dim] = 0;
        }
    }
    result
}

/// A case whose results are exact.
pub(super) fn case(op: impl Into<super::Op>, shape: &[usize]) -> Case {
    let op = op.into();
    Case::new(format!("{} of {shape:?}", op.attributes()), op).input(shape).tolerance(0.0)
}
