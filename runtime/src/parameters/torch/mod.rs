//! Files of `torch.save`, from PyTorch 1.6 on: zip archives with a pickle, `data.pkl`, and the elements of each storage
//! in a file `data/0`, `data/1`, … of its own.
//!
//! ```text
//! {"conv1.weight": tensor, …}                    what `state_dict` gives
//! {"state_dict": {…}, "epoch": 90, …}            a checkpoint: also `model_state_dict`, `model`, `net`, `params`
//! ```
//!
//! Where all names begin with `module.`, as `DataParallel` makes them, that is left out. What is copied of a file stays
//! within four times its size.

mod opcode;
mod pickle;
mod zip;

pub use pickle::PickleError;
pub use zip::ZipError;

use std::ops::Range;

use self::pickle::{Id, Pickle, Storage, Tensor, Value};
use self::zip::Archive;
use super::info::{COUNTER, DType, Info};
use crate::tensor::count;

/// Where a checkpoint keeps the tensors of the network, the first that it has.
const NESTED: [&str; 5] = ["state_dict", "model_state_dict", "model", "net", "params"];

/// What `DataParallel` and its kin put before every name.
const WRAPPER: &str = "module.";

/// The tensors of a file, but for BatchNorm's counters, in the order of its dict. Names may repeat.
pub(super) fn parse(file: &[u8]) -> Result<Vec<Info>, TorchError> {
    let archive = Archive::read(file)?;
    let mut roots = archive.names().filter_map(|name| name.strip_suffix("/data.pkl"));
    let root = roots.find(|root| !root.contains('/')).ok_or(TorchError::NoPickle)?;
    let entry = |name: &str| archive.get(&format!("{root}/{name}"));
    if entry("constants.pkl")?.is_some() {
        return Err(TorchError::Script);
    }
    if entry("byteorder")?.is_some_and(|bytes| &file[bytes] == b"big") {
        return Err(TorchError::BigEndian);
    }
    let pickle = Pickle::read(&file[entry("data.pkl")?.ok_or(TorchError::NoPickle)?])?;
    let mut infos = Vec::new();
    // Names may share a storage, which may not multiply what is copied.
    let mut elements = 0;
    for (name, value) in tensors(&pickle)? {
        let Some(dtype) = float(name, &value.storage)? else { continue };
        let storage = entry(&format!("data/{}", value.storage.key))?;
        let place = storage.and_then(|storage| locate(value, dtype, &storage));
        let place = place.ok_or_else(|| TorchError::Tensor { name: name.to_owned(), shape: value.shape.clone() });
        let (bytes, count) = place?;
        elements += count;
        if elements > file.len() {
            return Err(TorchError::Size { name: name.to_owned() });
        }
        let strides = (!is_contiguous(value)).then(|| value.strides.clone());
        infos.push(Info { name: name.to_owned(), dtype, shape: value.shape.clone(), bytes, strides });
    }
    if infos.iter().all(|info| info.name.starts_with(WRAPPER)) {
        infos.iter_mut().for_each(|info| drop(info.name.drain(..WRAPPER.len())));
    }
    Ok(infos)
}

/// Names and tensors of the network.
fn tensors<'p, 'a>(pickle: &'p Pickle<'a>) -> Result<Vec<(&'a str, &'p Tensor<'a>)>, TorchError> {
    let Value::Dict(outer) = pickle.root() else { return Err(TorchError::NoDict) };
    let nested = |name: &&str| {
        let entry = outer.iter().rfind(|(key, _)| *pickle.get(*key) == Value::Text(name))?;
        match pickle.get(entry.1) {
            Value::Dict(entries) => Some(entries),
            _ => None,
        }
    };
    let entries: &[(Id, Id)] = NESTED.iter().find_map(nested).unwrap_or(outer);
    let tensor = |(key, value): &(Id, Id)| match (pickle.get(*key), pickle.get(*value)) {
        (Value::Text(name), Value::Tensor(tensor)) => Ok((*name, &**tensor)),
        (Value::Text(name), _) => Err(TorchError::NoTensor { name: (*name).to_owned() }),
        _ => Err(TorchError::NoDict),
    };
    entries.iter().map(tensor).collect()
}

/// The type of a tensor's elements; `None` for a counter.
fn float(name: &str, storage: &Storage<'_>) -> Result<Option<DType>, TorchError> {
    match storage.dtype {
        Ok(dtype) => Ok(Some(dtype)),
        Err(_) if name.ends_with(COUNTER) => Ok(None),
        Err(dtype) => Err(TorchError::DType { name: name.to_owned(), dtype }),
    }
}

/// The bytes of the file from a tensor's first element to its last, and the number of its elements; `None` where they
/// exceed the storage.
fn locate(tensor: &Tensor<'_>, dtype: DType, storage: &Range<usize>) -> Option<(Range<usize>, usize)> {
    let count = count(&tensor.shape, dtype.size().max(size_of::<f32>()))?;
    let span = if count == 0 {
        0
    } else {
        let mut reaches =
            tensor.shape.iter().zip(&tensor.strides).map(|(extent, stride)| (extent - 1).checked_mul(*stride));
        reaches.try_fold(1_usize, |sum, reach| sum.checked_add(reach?))?
    };
    let start = storage.start.checked_add(tensor.offset.checked_mul(dtype.size())?)?;
    let end = start.checked_add(span.checked_mul(dtype.size())?)?;
    (end <= storage.end).then_some((start..end, count))
}

/// Whether the elements lie row by row without gaps. Dimensions of one element have no stride to speak of.
fn is_contiguous(tensor: &Tensor<'_>) -> bool {
    let mut expected = 1;
    tensor.shape.contains(&0)
        || tensor.shape.iter().zip(&tensor.strides).rev().all(|(extent, stride)| {
            let fits = *extent == 1 || *stride == expected;
            expected *= extent;
            fits
        })
}

/// Bytes that are not a file of parameters as PyTorch writes them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TorchError {
    /// A file of PyTorch before version 1.6, or saved as such.
    #[error(
        "PyTorch: this is the format from before PyTorch 1.6; load it there and save it again: torch.save(torch.load(FILE), FILE)"
    )]
    Before16,
    /// The archive cannot be read.
    #[error("PyTorch: {0}")]
    Zip(#[from] ZipError),
    /// The pickle cannot be read, or holds more than tensors.
    #[error("PyTorch: {0}")]
    Pickle(#[from] PickleError),
    /// The archive is not PyTorch's.
    #[error("PyTorch: the archive has no `data.pkl`")]
    NoPickle,
    /// A program of TorchScript.
    #[error("PyTorch: this is a program of TorchScript; save the parameters: torch.save(module.state_dict(), FILE)")]
    Script,
    /// Elements with their most significant byte first.
    #[error("PyTorch: the elements are big-endian; save them on a little-endian machine")]
    BigEndian,
    /// What was saved is no dict of tensors by name.
    #[error("PyTorch: this is no dict with names; save the parameters: torch.save(module.state_dict(), FILE)")]
    NoDict,
    /// An entry is no tensor.
    #[error("PyTorch: `{name}` is no tensor; parameters are a dict of tensors, or that under `state_dict` or `model`")]
    NoTensor {
        /// Its name.
        name: String,
    },
    /// A tensor's type is none that becomes float32.
    #[error("PyTorch: tensor `{name}` is of type {dtype}; a parameter is float32, float16, bfloat16 or float64")]
    DType {
        /// Its name.
        name: String,
        /// Its type.
        dtype: &'static str,
    },
    /// A tensor exceeds its storage.
    #[error("PyTorch: tensor `{name}` of shape {shape:?} exceeds its storage (is the file truncated?)")]
    Tensor {
        /// Its name.
        name: String,
        /// Its shape.
        shape: Vec<usize>,
    },
    /// Tensors share storages so often that there are more elements than the file has bytes.
    #[error("PyTorch: up to tensor `{name}` there are more elements than the file has bytes")]
    Size {
        /// Its name.
        name: String,
    },
}
