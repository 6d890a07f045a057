//! [`Element`]: the types that tensors hold.

use std::fmt::{self, Debug};

mod sealed {
    pub trait Sealed {}
}

/// The largest integer of a run, and the negative of the smallest: up to it, float32 holds all, and each apart from its
/// neighbours.
pub const MAX_WHOLE: i64 = 1 << f32::MANTISSA_DIGITS;

/// The type of a tensor's elements. In a run, all are float32: see [`Model::run`](crate::Model::run).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "object", derive(serde::Serialize, serde::Deserialize))]
pub enum DType {
    /// IEEE 754 binary32.
    F32,
    /// Signed 64-bit integers: indices and shapes.
    I64,
    /// Truth values.
    Bool,
}

impl DType {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::F32, Self::I64, Self::Bool];

    /// The name in graphs and in `cnn!`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::F32 => f32::NAME,
            Self::I64 => i64::NAME,
            Self::Bool => bool::NAME,
        }
    }

    /// Whether a float32 element of a run is a value of this type: any number, a whole one up to [`MAX_WHOLE`], or 0
    /// or 1.
    #[must_use]
    pub fn holds(self, element: f32) -> bool {
        match self {
            Self::F32 => true,
            Self::I64 => element.abs() <= MAX_WHOLE as f32 && element.trunc() == element,
            Self::Bool => element == 0.0 || element == 1.0,
        }
    }

    /// The bytes of one element.
    #[must_use]
    pub const fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::I64 => 8,
            Self::Bool => 1,
        }
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A type that a [`Tensor`](crate::Tensor) holds. Memory of zeros is a valid value of each, which is why no other
/// crate can add one.
pub trait Element: Copy + Default + PartialEq + Debug + Send + Sync + 'static + sealed::Sealed {
    /// The name in messages and in graphs: `f32`, `i64` or `bool`.
    const NAME: &'static str;
}

macro_rules! elements {
    ($($type:ident)*) => {
        $(impl sealed::Sealed for $type {}
        impl Element for $type {
            const NAME: &'static str = stringify!($type);
        })*
    };
}

elements!(f32 i64 bool);
