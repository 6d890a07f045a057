//! What becomes of each layer.

use std::fmt;

use super::Form;

/// What became of a layer.
#[derive(Clone, Debug, PartialEq)]
pub struct LayerOutcome {
    /// The name of its node in the graph that was factorised.
    pub layer: String,
    /// What became of it.
    pub outcome: Outcome,
}

/// What became of a layer.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Operators took its place.
    Rewritten {
        /// The names of their nodes in the new graph, first to last.
        nodes: Vec<String>,
    },
    /// It stays as it was.
    Kept(Reason),
}

/// Why a layer stays as it was. Pairs are [height, width].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Reason {
    /// The selection does not hold it.
    NotSelected,
    /// It is a linear layer, which has no window.
    Linear,
    /// Its weight depends on the network's input.
    Computed,
    /// Its window is one pixel.
    Pointwise,
    /// Its window is a row or a column.
    OneDimensional {
        /// Its taps.
        kernel: [usize; 2],
    },
    /// Each of its groups has a single input channel.
    Depthwise,
    /// A depthwise convolution makes a multiple of its channels.
    NoMultiple {
        /// Its input channels.
        inputs: usize,
        /// Its output channels.
        outputs: usize,
    },
    /// Windows of one pixel, without padding, make an image of another size.
    Pixels {
        /// The size of its result.
        expected: [usize; 2],
        /// The size that they would make.
        found: [usize; 2],
    },
    /// Its groups have several channels each: forms of trained layers are for one group, or one for each channel.
    Grouped,
    /// Its weight has an element that is not finite.
    NotFinite,
    /// No form is within the bound.
    FullRank,
    /// Within the bound, no form needs fewer multiply-accumulates.
    Bound {
        /// The one that needs the fewest.
        form: Form,
        /// What it needs.
        macs: u64,
        /// What the layer needs.
        layer: u64,
    },
    /// The fastest form within the bound takes no less time.
    Time {
        /// The form.
        form: Form,
        /// Its seconds.
        seconds: f64,
        /// The layer's.
        layer: f64,
    },
    /// The form needs no fewer multiply-accumulates.
    Macs {
        /// The layer's.
        layer: u64,
        /// The form's.
        form: u64,
    },
}

impl fmt::Display for LayerOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.layer)?;
        match &self.outcome {
            Outcome::Rewritten { nodes } => f.write_str(&nodes.join(", ")),
            Outcome::Kept(reason) => write!(f, "kept: {reason}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSelected => f.write_str("not selected"),
            Self::Linear => f.write_str("a linear layer has no window"),
            Self::Computed => f.write_str("its weight depends on the network's input"),
            Self::Pointwise => f.write_str("its window is one pixel"),
            Self::OneDimensional { kernel: [h, w] } => write!(f, "its window of {h}×{w} has one dimension"),
            Self::Depthwise => f.write_str("it is depthwise"),
            Self::NoMultiple { inputs, outputs } => {
                write!(f, "its {outputs} output channels are no multiple of its {inputs} input channels")
            }
            Self::Pixels { expected: [h, w], found: [fh, fw] } => {
                write!(f, "windows of one pixel make {fh}×{fw} pixels, it makes {h}×{w}")
            }
            Self::Grouped => f.write_str("its groups have several channels each"),
            Self::NotFinite => f.write_str("its weight is not finite"),
            Self::FullRank => f.write_str("no form is within the bound"),
            Self::Bound { form, macs, layer } => write!(f, "{form} takes {macs} MAC, it takes {layer}"),
            Self::Time { form, seconds, layer } => {
                write!(f, "{form} takes {:.1} µs, it takes {:.1} µs", 1e6 * seconds, 1e6 * layer)
            }
            Self::Macs { layer, form } => write!(f, "the form takes {form} MAC, it takes {layer}"),
        }
    }
}
