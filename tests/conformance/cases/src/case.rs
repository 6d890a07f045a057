//! [`Case`]: a program with what it is run on.

use convoke_compiler::lir::Program;
use convoke_runtime::network::ValueInfo;
use convoke_runtime::{Parameters, Tensor};

/// A program, its inputs and its parameters.
#[derive(Debug)]
pub struct Case {
    /// Unique among all cases.
    pub name: String,
    /// The program.
    pub program: Program,
    /// One tensor for each input.
    pub inputs: Vec<Tensor>,
    /// All parameters.
    pub parameters: Parameters,
}

/// Which numbers [`Case::new`] makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Values {
    /// Uniform in −4 .. 4.
    Ordinary,
    /// Every third one a zero, a denormal, an infinity, NaN, or another number at the edge of something.
    Special,
}

impl Case {
    /// A case with pseudo-random inputs and parameters, which depend on nothing but the names.
    #[must_use]
    pub fn new(name: impl Into<String>, program: Program, values: Values) -> Self {
        let name = name.into();
        let tensor = |value: &ValueInfo| Random::new(&format!("{name} {}", value.name)).tensor(&value.shape, values);
        let inputs = program.inputs.iter().map(tensor).collect();
        let parameters = program.parameters.iter().map(|value| (value.name.to_string(), tensor(value)));
        let parameters = Parameters::from_tensors(parameters);
        Self { name, program, inputs, parameters }
    }
}

/// SplitMix64 (Steele, Lea and Flood 2014).
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator whose numbers depend on `seed` only.
    #[must_use]
    pub fn new(seed: &str) -> Self {
        let fnv = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        Self(seed.bytes().fold(0xcbf2_9ce4_8422_2325, fnv))
    }

    /// A number in `0..end`.
    pub fn below(&mut self, end: u32) -> u32 {
        ((u64::from(self.bits()) * u64::from(end)) >> 32) as u32
    }

    /// One of several.
    pub fn pick<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.below(choices.len() as u32) as usize]
    }

    /// A number of one of the two kinds.
    pub fn value(&mut self, values: Values) -> f32 {
        // Powers of two have exact products; halves are ties; with these, 1 + x rounds.
        const SPECIAL: &[f32] = &[
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            -2.5,
            f32::INFINITY,
            f32::NEG_INFINITY,
            f32::NAN,
            f32::MAX,
            f32::MIN,
            f32::MIN_POSITIVE,
            -f32::MIN_POSITIVE,
            f32::from_bits(1),
            f32::from_bits(0x8060_0000),
            f32::EPSILON,
            8_388_609.0,
            -126.0,
            127.0,
            -1000.0,
        ];
        if values == Values::Special && self.below(3) == 0 {
            return self.pick(SPECIAL);
        }
        // The 24 bits that a float32 holds.
        (self.bits() >> 8) as f32 / 2_097_152.0 - 4.0
    }

    fn tensor(&mut self, shape: &[usize], values: Values) -> Tensor {
        let mut tensor = Tensor::zeros(shape);
        tensor.data_mut().fill_with(|| self.value(values));
        tensor
    }

    fn bits(&mut self) -> u32 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let bits = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 32) as u32
    }
}
