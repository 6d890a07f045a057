//! Synthetic parameters and inputs: pure functions of a name and an index, the same in every implementation, bit for
//! bit. They stand for trained weights where those do not matter: in comparisons of numbers and of times.
//!
//! ```text
//! value(name, i):  h = fnv1a64(name)    z = splitmix64(h + (i + 1) · 0x9E3779B97F4A7C15)
//!                  u = (z >> 40) · 2⁻²⁴, exact in float32, in [0, 1)
//! .running_mean, .bias                 0.2 (u − 0.5)
//! .running_var                         0.5 + u
//! .weight of rank 1 (BatchNorm)        gamma (0.5 + u)
//! .weight of rank 2 and more           (2u − 1) √(3 gain / fan_in),  fan_in = I·Kh·Kw
//! an image, N C H W                    3 (b − 0.5) + (u − 0.5),  b constant on 8×8 blocks of each channel
//! another input                        2u − 1
//! ```
//!
//! What follows `u` is float32 arithmetic, in the order written; inputs are of the name `input`.

use crate::{Parameters, Tensor};

/// FNV-1a, 64 bits (Fowler, Noll, Vo).
pub(crate) fn fnv1a64(name: &str) -> u64 {
    name.bytes().fold(0xCBF2_9CE4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// What the state of SplitMix64 grows by (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014).
pub(crate) const STEP: u64 = 0x9E37_79B9_7F4A_7C15;

/// The output function of SplitMix64.
pub(crate) const fn splitmix64(state: u64) -> u64 {
    let z = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// The number in [0, 1) that this state of SplitMix64 gives: the 24 bits that a float32 holds.
pub(crate) fn unit(state: u64) -> f32 {
    (splitmix64(state) >> 40) as f32 * (1.0 / 16_777_216.0)
}

/// `u` of this name at index 0, 1, 2, …: numbers in [0, 1).
pub fn uniform(name: &str) -> impl Iterator<Item = f32> + use<> {
    let hash = fnv1a64(name);
    (1..).map(move |i: u64| unit(hash.wrapping_add(i.wrapping_mul(STEP))))
}

/// The two constants of a network's parameters. By default a convolution, its BatchNorm and a ReLU keep the variance of
/// what they are given.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Constants {
    /// Variance of a weight times its fan-in.
    pub gain: f64,
    /// Mean of BatchNorm's weights.
    pub gamma: f64,
}

impl Default for Constants {
    fn default() -> Self {
        Self { gain: 2.0, gamma: 0.9 }
    }
}

/// The parameters of these names and shapes.
pub fn parameters<'a>(expected: impl IntoIterator<Item = (&'a str, &'a [usize])>, constants: Constants) -> Parameters {
    let tensor = |(name, shape): (&str, &[usize])| {
        let tensor = Tensor::from_vec(shape, parameter(name, shape, constants));
        (name.to_owned(), tensor.expect("there are as many values as the shape has"))
    };
    Parameters::from_tensors(expected.into_iter().map(tensor))
}

/// An input of this shape.
#[must_use]
pub fn input(shape: &[usize]) -> Tensor {
    let values = match *shape {
        [n, c, h, w] => image([n * c, h, w]),
        _ => uniform("input").take(shape.iter().product()).map(|u| 2.0 * u - 1.0).collect(),
    };
    Tensor::from_vec(shape, values).expect("there are as many values as the shape has")
}

/// The parameter of this name and shape (O I Kh Kw, O I, or C), row-major.
fn parameter(name: &str, shape: &[usize], constants: Constants) -> Vec<f32> {
    let uniform = uniform(name).take(shape.iter().product::<usize>());
    if name.ends_with(".running_mean") || name.ends_with(".bias") {
        uniform.map(|u| 0.2 * (u - 0.5)).collect()
    } else if name.ends_with(".running_var") {
        uniform.map(|u| 0.5 + u).collect()
    } else if shape.len() == 1 {
        let gamma = constants.gamma as f32;
        uniform.map(|u| gamma * (0.5 + u)).collect()
    } else {
        let fan_in = shape.iter().skip(1).product::<usize>();
        let bound = (3.0 * constants.gain / fan_in as f64).sqrt() as f32;
        uniform.map(|u| (2.0 * u - 1.0) * bound).collect()
    }
}

/// An image of so many planes.
fn image([planes, h, w]: [usize; 3]) -> Vec<f32> {
    let blocks: Vec<f32> = uniform("input.block").take(64 * planes).collect();
    let places =
        (0..planes).flat_map(|c| (0..h).flat_map(move |y| (0..w).map(move |x| (c * 8 + 8 * y / h) * 8 + 8 * x / w)));
    places.zip(uniform("input")).map(|(place, u)| 3.0 * (blocks[place] - 0.5) + (u - 0.5)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A checksum of the bits and of their order.
    fn checksum(values: &[f32]) -> u32 {
        let weighted = |(i, value): (u32, &f32)| value.to_bits().wrapping_mul(2 * i + 1);
        (0..).zip(values).map(weighted).fold(0, |sum, bits| sum ^ bits)
    }

    /// Values that numpy computes by the same formula.
    #[test]
    fn agrees_with_numpy_bit_for_bit() {
        assert_eq!(fnv1a64("conv1.weight"), 0x69A2_9A2C_EE47_D254);
        type Case<'a> = (&'a str, &'a [usize], f64, f64, [u32; 4], u32);
        #[rustfmt::skip]
        let table: [Case<'_>; 6] = [
            ("conv1.weight", &[6, 1, 5, 5], 1.0, 1.0, [0x3cffd39c, 0x3e2dedf3, 0xbea93b2b, 0x3e2791ee], 0xc1304f61),
            ("fc1.weight", &[84, 120], 1.5, 1.0, [0xbd2c8ac5, 0x3cebac83, 0x3dfb4a5d, 0xbdef9570], 0x7e8189ed),
            ("bn1.weight", &[64], 2.0, 0.6, [0x3f042099, 0x3f4b6de2, 0x3f243a2e, 0x3ee6370a], 0xf7c0f752),
            ("bn1.bias", &[64], 2.0, 0.6, [0xbd8644b8, 0xbdbc5a4a, 0x3d985eba, 0x3d4acef7], 0xb37c1dee),
            ("bn1.running_mean", &[64], 2.0, 0.6, [0x3d400fb7, 0x3ca4da87, 0x3c09f1e7, 0x3d9977ef], 0x9b53c7b9),
            ("bn1.running_var", &[64], 2.0, 0.6, [0x3f923722, 0x3fa4b456, 0x3fbc427b, 0x3f71a03c], 0x296f7707),
        ];
        for (name, shape, gain, gamma, first, sum) in table {
            let values = parameter(name, shape, Constants { gain, gamma });
            assert_eq!(values.len(), shape.iter().product::<usize>());
            assert_eq!([0, 1, 2, 3].map(|i| values[i].to_bits()), first, "{name}");
            assert_eq!(checksum(&values), sum, "{name}");
        }
        let values = image([3, 20, 28]);
        assert_eq!(values.len(), 3 * 20 * 28);
        assert_eq!([0, 1, 2, 3].map(|i| values[i].to_bits()), [0xbf4fd65f, 0xbe83bfce, 0xbf34c046, 0xbf229efd]);
        assert_eq!(checksum(&values), 0xdc272ff9);
    }
}
