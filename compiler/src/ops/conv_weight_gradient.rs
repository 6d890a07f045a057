//! The gradient of a convolution by its weight:
//!
//! `dw[o, c, u, v] = Σ g[n, o, i, j] · x[n, ⌊o / (O/G)⌋·C/G + c, i·s + u·d − top, j·s + v·d − left]`
//!
//! over images n and pixels i, j of the convolution's result, with zeros where X has no pixel.
//!
//! Operands: X of shape N C H W and G of shape N O H′ W′. The result has the shape O C/G Kh Kw.
//!
//! LeCun, Bottou, Orr and Müller, "Efficient BackProp", 1998, section 2; as a convolution whose taps are pixels: Dumoulin
//! and Visin, arXiv:1603.07285, chapter 4.

mod lower;

use convoke_runtime::Tensor;

use super::arguments::{EDGES, PAIR, SIZE};
use super::{Adjoint, Arguments, Attributes, CallError, Case, Derived, NotDerived, Operator, TypeError, Window, check};
use crate::TensorType;
use crate::lower::Algorithm;

/// The gradient of a convolution by its weight; the attributes are the convolution's. Pairs are [height, width].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvWeightGradient {
    /// Taps of the weight.
    pub kernel: [usize; 2],
    /// Pixels between windows; 1 unless given.
    pub stride: [usize; 2],
    /// Pixels between taps; 1 unless given.
    pub dilation: [usize; 2],
    /// Groups of channels that do not mix; 1 unless given.
    pub groups: usize,
    /// Zeros around the image, top, left, bottom, right; 0 unless given.
    pub padding: [usize; 4],
}

impl ConvWeightGradient {
    /// The convolution's window.
    fn window(&self) -> Window {
        let Self { kernel, stride, dilation, padding, .. } = *self;
        Window { kernel, stride, dilation, padding, ceil: false }
    }
}

impl Operator for ConvWeightGradient {
    const NAME: &'static str = "conv_weight_gradient";
    const POSITIONAL: &'static [&'static str] = &["kernel"];

    fn attributes(&self) -> Attributes {
        Attributes::default()
            .with("kernel", self.kernel)
            .with("stride", self.stride)
            .with_unless("dilation", self.dilation, [1, 1])
            .with_unless("groups", self.groups, 1)
            .with("padding", self.padding)
    }

    fn read(arguments: &mut Arguments) -> Result<Self, CallError> {
        Ok(Self {
            kernel: arguments.need("kernel", &PAIR)?,
            stride: arguments.read("stride", &PAIR)?.unwrap_or([1, 1]),
            dilation: arguments.read("dilation", &PAIR)?.unwrap_or([1, 1]),
            groups: arguments.read("groups", &SIZE)?.unwrap_or(1),
            padding: arguments.read("padding", &EDGES)?.unwrap_or_default(),
        })
    }

    fn infer(&self, operands: &[&TensorType]) -> Result<Vec<TensorType>, TypeError> {
        check::operands(operands, &["x", "g"])?;
        let [n, c, h, w] = check::four(operands, 0, "N C H W")?;
        let [_, o, _, _] = check::four(operands, 1, "N O H W")?;
        for (channels, which) in [(c, "input"), (o, "output")] {
            if self.groups == 0 || channels % self.groups != 0 {
                return Err(TypeError::whole(format!("groups that divide {channels} {which} channels"), self.groups));
            }
        }
        let [oh, ow] = self.window().count([h, w])?;
        check::shape(operands, 1, "g", &[n, o, oh, ow])?;
        check::result([o, c / self.groups, self.kernel[0], self.kernel[1]])
    }

    fn evaluate(&self, operands: &[&Tensor]) -> Vec<Tensor> {
        let [(x, x_shape), (g, g_shape)] =
            [0, 1].map(|i| (operands[i].data(), [0, 1, 2, 3].map(|dim| operands[i].shape()[dim])));
        let ([n, channels, h, w], [_, o, oh, ow], [kh, kw]) = (x_shape, g_shape, self.kernel);
        let per_group = channels / self.groups;
        let mut sums = vec![0.0_f64; o * per_group * kh * kw];
        for (flat, &g) in g.iter().enumerate() {
            let (image, o_index, row, column) = (flat / ow / oh / o, flat / ow / oh % o, flat / ow % oh, flat % ow);
            let first = o_index / (o / self.groups) * per_group;
            for c in 0..per_group {
                for (u, iy) in self.window().taps(0, row, h) {
                    for (v, ix) in self.window().taps(1, column, w) {
                        let x = x[((image * channels + first + c) * h + iy) * w + ix];
                        sums[((o_index * per_group + c) * kh + u) * kw + v] += f64::from(g) * f64::from(x);
                    }
                }
            }
        }
        debug_assert_eq!(n * o * oh * ow, g.len());
        let mut result = Tensor::zeros(&[o, per_group, kh, kw]);
        for (y, sum) in result.data_mut().iter_mut().zip(sums) {
            *y = sum as f32;
        }
        vec![result]
    }

    /// As many as the convolution's.
    fn macs(&self, operands: &[&TensorType], _: &[TensorType]) -> u64 {
        let product = |dims: &[usize]| dims.iter().fold(1_u64, |product, &dim| product.saturating_mul(dim as u64));
        match operands {
            [x, g] => {
                let inputs = x.shape.get(1).map_or(0, |&channels| channels / self.groups.max(1));
                product(&g.shape).saturating_mul(product(&[inputs, self.kernel[0], self.kernel[1]]))
            }
            _ => 0,
        }
    }

    fn derive(&self, _: &mut Adjoint<'_, '_>) -> Derived {
        Err(NotDerived::because("there is no rule for second derivatives"))
    }

    const ALGORITHMS: &'static [Algorithm<Self>] = lower::ALGORITHMS;

    fn cases() -> Vec<Case> {
        let usual = Self { kernel: [3, 3], stride: [1, 1], dilation: [1, 1], groups: 1, padding: [0; 4] };
        let table: [([usize; 4], usize, Self); 17] = [
            ([1, 1, 5, 5], 1, usual),
            ([2, 3, 7, 6], 6, usual),
            ([1, 16, 6, 6], 16, Self { padding: [1; 4], ..usual }),
            ([1, 17, 5, 7], 33, Self { padding: [1; 4], stride: [2, 2], ..usual }),
            ([3, 32, 4, 4], 15, Self { kernel: [1, 1], ..usual }),
            ([1, 8, 7, 7], 24, Self { kernel: [1, 1], stride: [2, 2], ..usual }),
            ([1, 3, 15, 15], 20, Self { kernel: [7, 7], stride: [2, 2], padding: [3; 4], ..usual }),
            ([1, 6, 9, 9], 5, Self { dilation: [2, 3], padding: [2, 3, 2, 3], ..usual }),
            ([1, 4, 6, 7], 7, Self { kernel: [2, 3], stride: [3, 2], padding: [0, 1, 1, 0], ..usual }),
            ([2, 120, 1, 1], 84, Self { kernel: [1, 1], ..usual }),
            ([1, 18, 6, 6], 18, Self { groups: 18, padding: [1; 4], ..usual }),
            ([2, 32, 7, 5], 32, Self { groups: 32, padding: [1; 4], stride: [2, 2], ..usual }),
            ([1, 16, 9, 9], 16, Self { groups: 16, kernel: [5, 5], padding: [2; 4], ..usual }),
            ([1, 8, 7, 7], 8, Self { groups: 8, dilation: [2, 2], ..usual }),
            ([1, 6, 5, 5], 9, Self { groups: 3, ..usual }),
            ([1, 8, 4, 4], 16, Self { groups: 8, padding: [1; 4], ..usual }),
            ([2, 32, 4, 4], 32, Self { groups: 2, stride: [1, 2], ..usual }),
        ];
        let case = |(x, outputs, op): ([usize; 4], usize, Self)| {
            let [oh, ow] = op.window().count([x[2], x[3]]).expect("a case is well typed");
            let name = format!("{outputs} of {x:?} {}", op.attributes());
            Case::new(name, op).input(x).input([x[0], outputs, oh, ow]).tolerance(1e-5)
        };
        table.map(case).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::testing::{called, evaluated, inferred};

    const OP: ConvWeightGradient =
        ConvWeightGradient { kernel: [1, 2], stride: [1, 1], dilation: [1, 1], groups: 1, padding: [0; 4] };

    #[test]
    fn shapes() {
        assert_eq!(inferred(OP, &[&[2, 3, 4, 4], &[2, 8, 4, 3]]), "f32[8, 3, 1, 2]");
        assert_eq!(
            inferred(OP, &[&[2, 3, 4, 4], &[2, 8, 4, 4]]),
            "operand 1 expects g of shape [2, 8, 4, 3], gets [2, 8, 4, 4]"
        );
        let grouped = ConvWeightGradient { groups: 3, ..OP };
        assert_eq!(
            inferred(grouped, &[&[2, 3, 4, 4], &[2, 8, 4, 3]]),
            "expects groups that divide 8 output channels, gets 3"
        );
    }

    /// Each tap's weight meets the pixels that it met.
    #[test]
    fn sums_over_pixels() {
        let found = evaluated(OP, &[(&[1, 1, 1, 3], &[1.0, 2.0, 3.0]), (&[1, 1, 1, 2], &[10.0, 100.0])]);
        assert_eq!(found, [210.0, 320.0]);
    }

    #[test]
    fn calls() {
        let operands: &[&[usize]] = &[&[1, 3, 4, 4], &[1, 8, 2, 2]];
        assert_eq!(
            called("conv_weight_gradient", operands, &[3_i64.into()], &[]),
            "conv_weight_gradient {kernel = [3, 3], stride = [1, 1], padding = [0, 0, 0, 0]}"
        );
    }
}
