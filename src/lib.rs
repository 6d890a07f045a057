//! Convoke compiles convolutional networks to CPU code.

pub use convoke_macros::cnn;
pub use convoke_runtime as runtime;
