//! The formats of files of parameters, told apart by their first bytes.

use super::info::Info;
use super::safetensors::{self, SafetensorsError};
use super::torch::{self, TorchError};

/// The first bytes of a zip archive: the header of its first entry.
const ZIP: &[u8] = b"PK\x03\x04";

/// The first bytes of PyTorch's format before version 1.6: a pickle of a number.
const TORCH_BEFORE_1_6: &[u8] = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19";

/// The tensors of a file. Names may repeat.
pub(super) fn parse(file: &[u8]) -> Result<Vec<Info>, FormatError> {
    if file.starts_with(ZIP) {
        Ok(torch::parse(file)?)
    } else if file.starts_with(TORCH_BEFORE_1_6) {
        Err(TorchError::Before16.into())
    } else {
        Ok(safetensors::parse(file)?)
    }
}

/// Bytes that are not a file of parameters in a format that is read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// Neither a zip archive nor a file in the format safetensors.
    #[error("{0}")]
    Safetensors(#[from] SafetensorsError),
    /// A zip archive, but none of PyTorch with tensors.
    #[error("{0}")]
    Torch(#[from] TorchError),
    /// Two tensors have one name.
    #[error("there are two tensors `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
}
