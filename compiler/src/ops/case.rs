//! Conformance cases: what every backend must compute as the naive definition does.

use convoke_runtime::Tensor;

use super::Op;
use crate::{DType, TensorType};

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

    /// With the last operand of this type, its values rounded.
    #[must_use]
    pub fn of(mut self, dtype: DType) -> Self {
        if let Some(operand) = self.operands.last_mut() {
            operand.ty.dtype = dtype;
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
        let mut state =
            self.op.name().bytes().chain(self.name.bytes()).fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
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
            if self.ty.dtype != DType::F32 {
                *value = value.round_ties_even();
            }
        }
        tensor
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::ops::Attribute;

    #[test]
    fn every_operator_has_cases_with_names_of_their_own() {
        let cases = Op::cases();
        let mut names = HashSet::new();
        for case in &cases {
            assert!(names.insert((case.op.name(), &case.name)), "{} `{}` occurs twice", case.op.name(), case.name);
        }
        for operator in Op::NAMES {
            assert!(cases.iter().any(|case| case.op.name() == *operator), "{operator} has no case");
        }
    }

    #[test]
    fn every_case_survives_as_attributes() {
        for case in Op::cases() {
            let attributes = case.op.attributes();
            let again = Op::from_attributes(case.op.name(), attributes.clone());
            assert_eq!(again, Ok(case.op), "{attributes}");
        }
    }

    #[test]
    fn every_case_evaluates_to_what_is_inferred() {
        for case in Op::cases() {
            let place = format!("{} `{}`", case.op.name(), case.name);
            let types = case.op.infer(&case.types()).unwrap_or_else(|error| panic!("{place} {error}"));
            let tensors = case.tensors();
            let results = case.op.evaluate(&tensors.iter().collect::<Vec<_>>());
            assert_eq!(results.len(), types.len(), "{place}");
            for (result, ty) in results.iter().zip(&types) {
                assert_eq!(result.shape(), ty.shape, "{place}");
                assert!(result.data().iter().all(|value| value.is_finite()), "{place} is not finite");
                assert!(ty.elements() < 3 || result.data().iter().any(|value| *value != 0.0), "{place} is all zero");
            }
        }
    }

    #[test]
    fn every_case_refuses_other_numbers_of_operands() {
        for case in Op::cases() {
            let place = format!("{} `{}`", case.op.name(), case.name);
            assert!(case.op.infer(&[]).is_err(), "{place} accepts nothing");
            let mut types = case.types();
            if case.op.name() != "concat" {
                types.push(types[0]);
                assert!(case.op.infer(&types).is_err(), "{place} accepts one more");
            }
        }
    }

    /// Numbers of attributes and shapes replaced by extreme ones: shape rules refuse them, or infer a type that memory
    /// can hold; nothing overflows.
    #[test]
    fn hostile_numbers_never_panic() {
        const NUMBERS: [i64; 12] =
            [i64::MIN, -2, -1, 0, 1, 2, 3, 1 << 31, 1 << 32, i64::MAX / 3, i64::MAX - 1, i64::MAX];
        let mut state = 0x5eed_u64;
        let mut draw = |count: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) as usize % count
        };
        let (mut accepted, mut refused) = (0, 0);
        for case in Op::cases() {
            for _ in 0..20 {
                let mut attributes = case.op.attributes();
                for (_, value) in &mut attributes.0 {
                    let mut numbers = vec![value];
                    while let Some(value) = numbers.pop() {
                        match value {
                            Attribute::Int(number) if draw(3) == 0 => *number = NUMBERS[draw(NUMBERS.len())],
                            Attribute::Float(number) if draw(3) == 0 => *number = NUMBERS[draw(NUMBERS.len())] as f64,
                            Attribute::List(items) => numbers.extend(items),
                            _ => {}
                        }
                    }
                }
                let mut types: Vec<TensorType> = case.types().into_iter().cloned().collect();
                for dim in types.iter_mut().flat_map(|ty| &mut ty.shape) {
                    if draw(8) == 0 {
                        *dim = NUMBERS[draw(NUMBERS.len())] as usize;
                    }
                }
                let types: Vec<&TensorType> = types.iter().collect();
                let Ok(op) = Op::from_attributes(case.op.name(), attributes) else {
                    refused += 1;
                    continue;
                };
                match op.infer(&types) {
                    Ok(results) => {
                        accepted += 1;
                        assert!(results.iter().all(|ty| ty.bytes().is_some_and(|bytes| bytes > 0)), "{op:?} {types:?}");
                        let _ = op.macs(&types, &results);
                    }
                    Err(_) => refused += 1,
                }
            }
        }
        assert!(accepted > 1000 && refused > 1000, "{accepted} accepted, {refused} refused");
    }

    #[test]
    fn values_are_in_range_and_repeat() {
        let case = Case::new("case", crate::ops::relu::Relu).input([1000]).within(2.0, 3.0).weight([10]);
        let [a, b] = [case.tensors(), case.tensors()];
        assert_eq!(a[0].data(), b[0].data());
        assert!(a[0].data().iter().all(|value| (2.0..=3.0).contains(value)));
        let mean = a[0].data().iter().sum::<f32>() / 1000.0;
        assert!((mean - 2.5).abs() < 0.05, "{mean}");
        assert!(a[1].data().iter().any(|value| *value < 0.0));
    }
}
