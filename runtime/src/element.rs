//! [`Element`]: the types that tensors hold.

use std::fmt::Debug;

mod sealed {
    pub trait Sealed {}
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
