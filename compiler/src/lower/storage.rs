//! How a tensor lies in memory: layout, halo, strides.

use std::fmt;

use super::{LowerError, Target};
use crate::TensorType;

/// The order of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Layout {
    /// Row-major: N C H W.
    Plain,
    /// nChw*B*c: N ⌈C/B⌉ H W B, *B* being the target's block. Lanes past C hold finite values that no result
    /// depends on. Tensors of rank 4 (N C H W) and 2 (N C, as H = W = 1) can have it.
    Blocked,
}

/// Rows and columns of zeros around each plane, so that a convolution reads its padding like any other pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Halo {
    /// Rows above.
    pub top: usize,
    /// Columns to the left.
    pub left: usize,
    /// Rows below.
    pub bottom: usize,
    /// Columns to the right.
    pub right: usize,
}

impl Halo {
    /// No halo.
    pub const NONE: Self = Self { top: 0, left: 0, bottom: 0, right: 0 };

    /// The smallest halo that contains both.
    #[must_use]
    pub fn union(self, other: Self) -> Self {
        Self {
            top: self.top.max(other.top),
            left: self.left.max(other.left),
            bottom: self.bottom.max(other.bottom),
            right: self.right.max(other.right),
        }
    }
}

/// A tensor's place in memory, in elements: planes of `block` channels, each with its halo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Storage {
    /// The layout.
    pub layout: Layout,
    /// Channels of one block; 1 for [`Layout::Plain`].
    pub block: usize,
    /// Images.
    pub n: usize,
    /// Channels.
    pub c: usize,
    /// Rows, without halo.
    pub h: usize,
    /// Columns, without halo.
    pub w: usize,
    /// Zeros around each plane.
    pub halo: Halo,
}

impl Storage {
    /// The storage of a tensor. A plain tensor whose rank is neither 2 nor 4 is one row.
    ///
    /// # Errors
    /// If it has more elements than kernels can address, or its rank has no blocked layout.
    pub fn new(ty: &TensorType, layout: Layout, halo: Halo, target: &Target) -> Result<Self, LowerError> {
        let (n, c, h, w) = match (ty.shape[..].as_ref(), layout) {
            (&[n, c, h, w], _) => (n, c, h, w),
            (&[n, c], _) => (n, c, 1, 1),
            (shape, Layout::Plain) => (1, 1, 1, shape.iter().product()),
            (_, Layout::Blocked) => return Err(LowerError::NoBlockedLayout { ty: ty.clone() }),
        };
        let block = if layout == Layout::Blocked { target.block() } else { 1 };
        let storage = Self { layout, block, n, c, h, w, halo };
        let height = h.checked_add(halo.top + halo.bottom);
        let width = w.checked_add(halo.left + halo.right);
        let len = [Some(n), Some(c.next_multiple_of(block)), height, width]
            .into_iter()
            .try_fold(1_usize, |product, extent| product.checked_mul(extent?));
        match len {
            Some(len) if u32::try_from(len).is_ok() => Ok(storage),
            _ => Err(LowerError::TooLarge { ty: ty.clone() }),
        }
    }

    /// One row of `len` elements.
    #[must_use]
    pub const fn row(len: usize) -> Self {
        Self { layout: Layout::Plain, block: 1, n: 1, c: 1, h: 1, w: len, halo: Halo::NONE }
    }

    /// Blocks of channels.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.c.div_ceil(self.block)
    }

    /// Elements between rows of a plane.
    #[must_use]
    pub fn pitch(&self) -> usize {
        (self.w + self.halo.left + self.halo.right) * self.block
    }

    /// Elements of one plane: between blocks of channels.
    #[must_use]
    pub fn plane(&self) -> usize {
        (self.h + self.halo.top + self.halo.bottom) * self.pitch()
    }

    /// Elements of one image.
    #[must_use]
    pub fn image(&self) -> usize {
        self.blocks() * self.plane()
    }

    /// Elements in all.
    #[must_use]
    pub fn len(&self) -> usize {
        self.n * self.image()
    }

    /// Whether there are no elements.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The element of pixel (0, 0) of a plane, past its halo.
    #[must_use]
    pub fn origin(&self) -> usize {
        self.halo.top * self.pitch() + self.halo.left * self.block
    }

    /// Elements from one index to the next in each dimension of a plain tensor of this shape, from
    /// [`origin`](Self::origin) on.
    #[must_use]
    pub fn strides(&self, shape: &[usize]) -> Vec<usize> {
        match shape.len() {
            4 => vec![self.image(), self.plane(), self.pitch(), 1],
            2 => vec![self.image(), self.plane()],
            rank => (0..rank).map(|dim| shape[dim + 1..].iter().product()).collect(),
        }
    }

    /// Whether the rows of a plane follow one another without a gap.
    #[must_use]
    pub fn dense(&self) -> bool {
        self.halo == Halo::NONE
    }
}

impl fmt::Display for Storage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            Layout::Plain => write!(f, "nchw")?,
            Layout::Blocked => write!(f, "nChw{}c", self.block)?,
        }
        let Halo { top, left, bottom, right } = self.halo;
        if self.halo != Halo::NONE {
            write!(f, "+[{top}, {left}, {bottom}, {right}]")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use convoke_runtime::Isa;

    #[test]
    fn blocked_planes_hold_their_halo() {
        let target = Target::new(Isa::Avx512);
        let halo = Halo { top: 1, left: 2, bottom: 3, right: 4 };
        let storage =
            Storage::new(&TensorType::f32([2, 20, 5, 7]), Layout::Blocked, halo, &target).expect("it is small");
        assert_eq!((storage.blocks(), storage.block), (2, 16));
        assert_eq!((storage.pitch(), storage.plane()), (13 * 16, 9 * 13 * 16));
        assert_eq!(storage.origin(), 13 * 16 + 2 * 16);
        assert_eq!(storage.len(), 2 * 2 * 9 * 13 * 16);
        assert_eq!(storage.to_string(), "nChw16c+[1, 2, 3, 4]");
    }

    #[test]
    fn two_dimensions_are_channels_of_one_pixel() {
        let target = Target::new(Isa::Avx2);
        let storage =
            Storage::new(&TensorType::f32([3, 10]), Layout::Blocked, Halo::NONE, &target).expect("it is small");
        assert_eq!((storage.n, storage.c, storage.h, storage.w, storage.len()), (3, 10, 1, 1, 48));
    }

    #[test]
    fn hostile_sizes_are_refused() {
        let target = Target::new(Isa::Avx2);
        for shape in [vec![usize::MAX, 2, 2, 2], vec![1, 1 << 20, 1 << 10, 1 << 10]] {
            let ty = TensorType::f32(shape);
            let error = Storage::new(&ty, Layout::Blocked, Halo::NONE, &target).expect_err("it is too large");
            assert_eq!(error, LowerError::TooLarge { ty });
        }
        let ty = TensorType::f32([1, 2, 3]);
        let error = Storage::new(&ty, Layout::Blocked, Halo::NONE, &target).expect_err("rank 3 has no channels");
        assert_eq!(error, LowerError::NoBlockedLayout { ty });
    }
}
