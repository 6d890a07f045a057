//! Forms that trained layers take.

use std::fmt;

/// What a trained layer was written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A window of one pixel: all other taps are zero.
    Pointwise,
    /// So many groups: weights between them are zero.
    Grouped {
        /// The groups; as many as channels make it depthwise.
        groups: usize,
    },
    /// K×1, then 1×K for each channel of the result: each filter is a product of a column and a row.
    Outer,
    /// Depthwise, then pointwise; so many filters for each input channel.
    ///
    /// Guo et al., "Network Decoupling: From Regular to Depthwise Separable Convolutions", arXiv:1808.05517.
    DepthwiseSeparable {
        /// Filters for each input channel.
        filters: usize,
    },
    /// K×1 and 1×K for each input channel, so many pairs of them, then pointwise.
    ///
    /// Jaderberg, Vedaldi and Zisserman, arXiv:1405.3866, scheme 1.
    SeparableBasis {
        /// Filters for each input channel.
        filters: usize,
    },
    /// K×1 to so many channels, then 1×K.
    ///
    /// Jaderberg, Vedaldi and Zisserman, arXiv:1405.3866, scheme 2.
    Separable {
        /// The channels between.
        rank: usize,
    },
    /// Pointwise to `input` channels, the window to `output` channels, pointwise to all: Tucker-2. A rank that is the
    /// layer's own number of channels leaves the pointwise convolution out.
    ///
    /// Kim et al., "Compression of Deep Convolutional Neural Networks for Fast and Low Power Mobile Applications",
    /// arXiv:1511.06530, section 3.1.
    Tucker {
        /// The channels before the window.
        input: usize,
        /// The channels after it.
        output: usize,
    },
    /// A product of two matrices: of a pointwise convolution or linear layer.
    LowRank {
        /// The features between.
        rank: usize,
    },
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pointwise => f.write_str("pointwise"),
            Self::Grouped { groups } => write!(f, "grouped({groups})"),
            Self::Outer => f.write_str("outer"),
            Self::DepthwiseSeparable { filters } => write!(f, "depthwise_separable({filters})"),
            Self::SeparableBasis { filters } => write!(f, "separable_basis({filters})"),
            Self::Separable { rank } => write!(f, "separable({rank})"),
            Self::Tucker { input, output } => write!(f, "tucker({input}, {output})"),
            Self::LowRank { rank } => write!(f, "low_rank({rank})"),
        }
    }
}
