//! Types of tensors.

use std::fmt;

pub use convoke_runtime::DType;

/// Element type and shape of a tensor; prints as `f32[1, 3, 224, 224]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TensorType {
    /// The type of its elements.
    pub dtype: DType,
    /// Its dimensions, outermost first.
    pub shape: Vec<usize>,
}

impl TensorType {
    /// A float32 tensor of this shape.
    #[must_use]
    pub fn f32(shape: impl Into<Vec<usize>>) -> Self {
        Self { dtype: DType::F32, shape: shape.into() }
    }

    /// The number of dimensions.
    #[must_use]
    pub fn rank(&self) -> usize {
        self.shape.len()
    }

    /// The number of elements, which memory can hold in a graph that is valid; see [`bytes`](Self::bytes).
    #[must_use]
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    /// The bytes of a tensor of this type; `None` where they exceed the address space.
    #[must_use]
    pub fn bytes(&self) -> Option<usize> {
        let bytes = self.shape.iter().try_fold(self.dtype.bytes(), |bytes, &size| bytes.checked_mul(size))?;
        (bytes <= isize::MAX.unsigned_abs()).then_some(bytes)
    }
}

impl fmt::Display for TensorType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{:?}", self.dtype, self.shape)
    }
}
