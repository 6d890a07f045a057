//! The four kinds of convolution.

use std::fmt;
use std::str::FromStr;

use super::Reason;
use super::chain::{Bias, Chain, Link, Source};
use super::layer::ConvLayer;
use crate::ops::conv::Conv;
use crate::ops::hint;

/// A form of convolution with fewer weights than C·K·K·H.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A window for each channel, C·K·K weights: H times fewer. Channels do not mix.
    Depthwise,
    /// Spatially separable: K×1 to H channels, then 1×K, C·K·H + H·K·H weights.
    ///
    /// Jaderberg, Vedaldi and Zisserman, "Speeding up Convolutional Neural Networks with Low Rank Expansions",
    /// arXiv:1405.3866, scheme 2 of section 2.
    Separable,
    /// Windows of one pixel, C·H weights: K·K times fewer. Pixels do not mix.
    Pointwise,
    /// Depthwise, then pointwise, C·K·K + C·H weights.
    ///
    /// Howard et al., "MobileNets", arXiv:1704.04861, section 3.1.
    DepthwiseSeparable,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Depthwise, Self::Separable, Self::Pointwise, Self::DepthwiseSeparable];

    /// The name by which `cnn!` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Depthwise => "depthwise",
            Self::Separable => "separable",
            Self::Pointwise => "pointwise",
            Self::DepthwiseSeparable => "depthwise_separable",
        }
    }

    /// The convolution in this form, with fresh weights, or the reason why that makes no sense.
    pub(super) fn chain(self, layer: &ConvLayer) -> Result<Chain, Reason> {
        let &ConvLayer { ref conv, channels, outputs, kernel: [kh, kw], per_group, .. } = layer;
        if [kh, kw] == [1, 1] {
            return Err(Reason::Pointwise);
        }
        let has_channels = match self {
            Self::Depthwise | Self::DepthwiseSeparable => per_group > 1,
            Self::Pointwise => per_group > 1 || conv.groups == 1,
            Self::Separable => true,
        };
        if !has_channels {
            return Err(Reason::Depthwise);
        }
        let link = |part, conv, shape: [usize; 4]| Link::new(part, conv, Source::Fresh(shape.to_vec()));
        let plain = Conv { bias: false, groups: conv.groups, ..Conv::default() };
        let depthwise = Conv { groups: channels, epilogue: plain.epilogue, bias: false, ..*conv };
        let links = match self {
            Self::Depthwise => {
                if outputs % channels != 0 {
                    return Err(Reason::NoMultiple { inputs: channels, outputs });
                }
                vec![link("", depthwise, [outputs, 1, kh, kw])]
            }
            Self::Separable => {
                if kh == 1 || kw == 1 {
                    return Err(Reason::OneDimensional { kernel: [kh, kw] });
                }
                let [vertical, horizontal] = layer.split();
                vec![
                    link("vertical", vertical, [outputs, per_group, kh, 1]),
                    link("horizontal", horizontal, [outputs, outputs / conv.groups, 1, kw]),
                ]
            }
            Self::Pointwise => {
                let pointwise = Conv { stride: conv.stride, ..plain };
                let found = pointwise.window([1, 1]).count(layer.size).unwrap_or_default();
                if found != layer.pixels {
                    return Err(Reason::Pixels { expected: layer.pixels, found });
                }
                vec![link("", pointwise, [outputs, per_group, 1, 1])]
            }
            Self::DepthwiseSeparable => vec![
                link("depthwise", depthwise, [channels, 1, kh, kw]),
                link("pointwise", plain, [outputs, per_group, 1, 1]),
            ],
        };
        Ok(Chain { links, bias: Bias::Fresh })
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// No [`Kind`] has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("unknown kind of convolution `{name}`; {}", .nearest.map_or_else(
    || format!("there are {}", Kind::ALL.map(Kind::name).join(", ")),
    |meant| format!("did you mean `{meant}`?"),
))]
pub struct UnknownKind {
    /// The name.
    pub name: String,
    /// The kind that was probably meant.
    pub nearest: Option<&'static str>,
}

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(name: &str) -> Result<Self, UnknownKind> {
        let found = Self::ALL.into_iter().find(|kind| kind.name() == name);
        let nearest = || hint::nearest(name, Self::ALL.map(Self::name));
        found.ok_or_else(|| UnknownKind { name: name.to_owned(), nearest: nearest() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_known_by_name() {
        assert!(Kind::ALL.iter().all(|kind| kind.to_string().parse() == Ok(*kind)));
        let message = |name: &str| name.parse::<Kind>().expect_err("unknown").to_string();
        assert_eq!(message("seperable"), "unknown kind of convolution `seperable`; did you mean `separable`?");
        assert_eq!(
            message("tucker"),
            "unknown kind of convolution `tucker`; there are depthwise, separable, pointwise, depthwise_separable"
        );
    }
}
