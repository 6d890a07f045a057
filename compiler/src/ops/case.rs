//! Conformance cases: what every backend must compute as the naive definition does.

use convoke_runtime::Tensor;

use super::Op;
use crate::TensorType;

/// A conformance case: one operator on operands of given types and ranges.
#[derive(Clone, Debug)]
pub struct Case {
    /// Unique among the operator's cases.
    pub name: String,
    /// The operator.
    pub op: Op,
    /// Its operands.
    pub operands: Vec<CaseOperand>,
    /// The largest difference from the naive definition that is accepted, relative to the largest expected value.
    pub tolerance: f32,
}

/// An operand of a [`Case`]: pseudo-random values, uniform in a range.
#[derive(Clone, Debug)]
pub struct CaseOperand {
    /// Its type.
    pub ty: TensorType,
    /// Whether it is a weight, known before the run, or an input.
    pub weight: bool,
    /// Its range.
    pub range: (f32, f32),
}

impl Case {
    /// A case without operands, with the tolerance of an operator that rounds each result a few times.
    #[must_use]
    pub fn new(name: impl Into<String>, op: impl Into<Op>) -> Self {
        Self { name: name.into(), op: op.into(), operands: Vec::new(), tolerance: 1e-6 }
    }

    /// With one more operand that is an input, in −1 .. 1.
    #[must_use]
    pub fn input(self, shape: impl Into<Vec<usize>>) -> Self {
        self.operand(shape, false)
    }

    /// With one more operand that is a weight, in −1 .. 1.
    #[must_use]
    pub fn weight(self, shape: impl Into<Vec<usize>>) -> Self {
        self.operand(shape, true)
    }

    fn operand(mut self, shape: impl Into<Vec<usize>>, weight: bool) -> Self {
        self.operands.push(CaseOperand { ty: TensorType::f32(shape), weight, range: (-1.0, 1.0) });
        self
    }

    /// With the last operand in `low .. high`.
    #[must_use]
    pub fn within(mut self, low: f32, high: f32) -> Self {
        if let Some(operand) = self.operands.last_mut() {
            operand.range = (low, high);
        }
        self
    }

    /// With another tolerance: 0 for operators that only move or compare, more than the default for long sums.
    #[must_use]
    pub fn tolerance(mut self, tolerance: f32) -> Self {
        self.tolerance = tolerance;
        self
    }

    /// The types of the operands.
    #[must_use]
    pub fn types(&self) -> Vec<&TensorType> {
        self.operands.iter().map(|operand| &operand.ty).collect()
    }

    /// The values of the operands: the same whenever and wherever they are made.
    #[must_use]
    pub fn tensors(&self) -> Vec<Tensor> {
        let mut state = self.op.name().bytes().chain(self.name.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        self.operands.iter().map(|operand| operand.tensor(&mut state)).collect()
    }
}

impl CaseOperand {
    /// Values from the generator SplitMix64 (Steele, Lea and Flood 2014) at `state`, which moves on.
    fn tensor(&self, state: &mut u64) -> Tensor {
        let (low, high) = self.range;
        let mut tensor = Tensor::zeros(&self.ty.shape);
        for value in tensor.data_mut() {
            *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mut bits = *state;
            bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            bits ^= bits >> 31;
            // The 24 bits that a float32 holds.
            let unit = (bits >> 40) as f32 / 16_777_216.0;
            *value = low + (high - low) * unit;
        }
        tensor
    }
}
