//! Weights are expressions over parameters, evaluated once before the first run.

mod elementwise;
mod error;
mod evaluate;
mod pack;
mod phases;
mod shape;
mod transpose;
mod view;
mod winograd;

pub use error::WeightError;
pub use evaluate::{Evaluator, Source};

use std::borrow::Cow;

/// One instruction of a weight expression in postfix form: it takes its operands from a stack of tensors and pushes
/// its result. An expression leaves exactly one tensor.
#[derive(Clone, Debug, PartialEq)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub enum WeightOp {
    /// Pushes the parameter with this index in [`NetworkParts::parameters`](crate::network::NetworkParts::parameters).
    Parameter(u32),
    /// Pushes a constant of shape `shape`.
    Literal {
        /// Its shape.
        shape: Cow<'static, [usize]>,
        /// Its values, row-major; a single value fills the shape.
        values: Cow<'static, [f32]>,
    },
    /// `a + b`, with numpy's broadcasting, as for the three that follow.
    Add,
    /// `a − b`.
    Sub,
    /// `a · b`.
    Mul,
    /// `a / b`.
    Div,
    /// `1 / √(a + epsilon)`.
    Rsqrt {
        /// Added under the root.
        epsilon: f32,
    },
    /// The same elements in another shape.
    Reshape(Cow<'static, [usize]>),
    /// Dimensions in another order: result dimension `i` is source dimension `order[i]`.
    Transpose(Cow<'static, [usize]>),
    /// Some of the operand's elements, row-major counted: a slice, a diagonal. The result's element at index `i` is the
    /// operand's at `start + Σ i · strides`.
    View {
        /// The first element.
        start: usize,
        /// From one index of each dimension to the next.
        strides: Cow<'static, [usize]>,
        /// The result's shape.
        shape: Cow<'static, [usize]>,
    },
    /// Taps … Kh Kw of a convolution of this stride to … Sh Sw Th Tw: those that pixels of its input meet whose row is φ
    /// and whose column ψ beyond a multiple of the stride, `[φ, ψ, t, τ] = taps[firstₕ + φ − Sh·t, firstᵥ + ψ − Sw·τ]`,
    /// zero where there is no such tap. Of stride 1, with `first` the last tap, taps turned by 180°.
    Phases {
        /// Sh and Sw, pixels between windows.
        stride: [u32; 2],
        /// The tap that the first place meets in phase 0.
        first: [u32; 2],
        /// Th and Tw, places.
        taps: [u32; 2],
    },
    /// Weights O I Kh Kw of a convolution in groups of `outputs` output channels to those of one in groups of `groups` of
    /// them, O (groups·I) Kh Kw: each output channel keeps the input channels of its group, the others are 0.
    BlockDiagonal {
        /// Output channels of a group.
        outputs: u32,
        /// Neighbouring groups that become one.
        groups: u32,
    },
    /// Weights O I Kh Kw (or O I) to the layout of [`Conv`](crate::kernels::Conv):
    /// `[groups of nr blocks][⌈I/inner⌉][kh][kw][inner][nr][block]`, zero where O runs out; where the number of blocks is
    /// no multiple of `nr`, the last group is narrower, and where I is none of `inner`, the last `inner`.
    PackConv {
        /// Output channels of one block.
        block: u32,
        /// Blocks of one group.
        nr: u32,
        /// Input channels of one block; 1 for a planar source.
        inner: u32,
    },
    /// Weights O I 3 3, transformed for F(m, 3) of [`winograd`](crate::kernels::winograd): for each point of `G g Gᵀ`,
    /// counted by rows, what [`PackConv`](Self::PackConv) makes of a 1×1 convolution. The transform is computed in
    /// float64 and rounded once.
    PackWinograd {
        /// Rows and columns of a tile of results, 2 or 4.
        m: u32,
        /// Output channels of one block.
        block: u32,
        /// Blocks of one group.
        nr: u32,
        /// Input channels of one block.
        inner: u32,
    },
    /// Weights C 1 Kh Kw to `[⌈C/block⌉][kh][kw][block]`, zero where C runs out.
    PackDepthwise {
        /// Channels of one block.
        block: u32,
    },
    /// A vector, padded with zeros to a multiple of `block`.
    PackVector {
        /// Elements of one block.
        block: u32,
    },
}
