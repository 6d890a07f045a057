//! The file format safetensors: eight bytes with the length of a header, the header in JSON, and the tensors' bytes.
//!
//! ```text
//! {"conv1.weight": {"dtype": "F32", "shape": [6, 1, 5, 5], "data_offsets": [0, 600]}, …}
//! ```
//!
//! Offsets count from the end of the header; the tensors cover all bytes there, without gaps or overlaps. Nothing in
//! a file is believed before it is checked, and what is allocated stays within a small multiple of the file's size.
//! The format is described at <https://github.com/huggingface/safetensors>.

use std::io::{self, Write};

use super::Parameters;
use super::info::{COUNTER, DType, Info};
use super::json::{Json, JsonError, write_string};
use crate::tensor::count;

/// Bytes that hold the length of the header.
const LENGTH: usize = 8;

/// The type that the header calls so.
fn dtype(name: &str) -> Option<DType> {
    match name {
        "F16" => Some(DType::F16),
        "BF16" => Some(DType::Bf16),
        "F32" => Some(DType::F32),
        "F64" => Some(DType::F64),
        _ => None,
    }
}

/// A tensor as the header describes it.
struct Description {
    name: String,
    dtype: String,
    shape: Vec<usize>,
    offsets: [usize; 2],
}

/// The tensors of a file, but for BatchNorm's counters, in the order in which they lie there. Names may repeat.
pub(super) fn parse(file: &[u8]) -> Result<Vec<Info>, SafetensorsError> {
    let (length, rest) = file.split_first_chunk().ok_or(SafetensorsError::Length { found: file.len() })?;
    let stated = u64::from_le_bytes(*length);
    let header = usize::try_from(stated).ok().and_then(|length| rest.get(..length));
    let header = header.ok_or(SafetensorsError::Header { stated, found: rest.len() })?;
    let data = LENGTH + header.len()..file.len();

    let mut tensors = describe(header)?;
    tensors.sort_unstable_by_key(|tensor| tensor.offsets);
    let mut infos = Vec::with_capacity(tensors.len());
    let mut end = 0;
    for tensor in &tensors {
        let [from, to] = tensor.offsets;
        if from != end || to < from || to > data.len() {
            return Err(SafetensorsError::Offsets { name: tensor.name.clone(), from, to, next: end, data: data.len() });
        }
        end = to;
        infos.extend(tensor.check(data.start)?);
    }
    if end != data.len() {
        return Err(SafetensorsError::Trailing { end, data: data.len() });
    }
    Ok(infos)
}

/// The tensors that a header describes, in its order.
fn describe(header: &[u8]) -> Result<Vec<Description>, SafetensorsError> {
    let text = str::from_utf8(header).map_err(|error| SafetensorsError::Utf8 { at: error.valid_up_to() })?;
    let mut tensors = Vec::new();
    let mut json = Json::new(text);
    let parsed = json.object(|json, name| {
        if name == "__metadata__" {
            return json.object(|json, _| json.string().map(drop));
        }
        let at = json.position();
        let (mut dtype, mut shape, mut offsets) = (None, None, None);
        json.object(|json, key| {
            let at = json.position();
            match key.as_str() {
                "dtype" => dtype = Some(json.string()?),
                "shape" => shape = Some(json.numbers()?),
                "data_offsets" => {
                    let pair = json.numbers()?.try_into();
                    offsets = Some(pair.map_err(|_| JsonError { at, expected: "two numbers" })?);
                }
                _ => return Err(JsonError { at, expected: "`dtype`, `shape` or `data_offsets`" }),
            }
            Ok(())
        })?;
        match (dtype, shape, offsets) {
            (Some(dtype), Some(shape), Some(offsets)) => tensors.push(Description { name, dtype, shape, offsets }),
            _ => return Err(JsonError { at, expected: "`dtype`, `shape` and `data_offsets`" }),
        }
        Ok(())
    });
    match parsed.and_then(|()| json.end()) {
        Ok(()) => Ok(tensors),
        Err(JsonError { at, expected }) => Err(SafetensorsError::Json { at, expected }),
    }
}

impl Description {
    /// What it says, where type, shape and size agree; `None` for a counter. Offsets count from byte `start`.
    fn check(&self, start: usize) -> Result<Option<Info>, SafetensorsError> {
        let Some(dtype) = dtype(&self.dtype) else {
            if self.name.ends_with(COUNTER) {
                return Ok(None);
            }
            return Err(SafetensorsError::DType { name: self.name.clone(), dtype: self.dtype.clone() });
        };
        let [from, to] = self.offsets;
        // An element occupies four bytes in memory, at least.
        let size = dtype.size().max(size_of::<f32>());
        if count(&self.shape, size).is_none_or(|count| count * dtype.size() != to - from) {
            return Err(SafetensorsError::Size {
                name: self.name.clone(),
                dtype: self.dtype.clone(),
                shape: self.shape.clone(),
                found: to - from,
            });
        }
        let (name, shape) = (self.name.clone(), self.shape.clone());
        Ok(Some(Info { name, dtype, shape, bytes: start + from..start + to, strides: None }))
    }
}

/// Writes `parameters` in this format, sorted by name.
pub(super) fn write(parameters: &Parameters, out: &mut impl Write) -> io::Result<()> {
    let mut header = String::from("{");
    let mut offset = 0;
    for (name, tensor) in parameters.iter() {
        if offset > 0 || header.len() > 1 {
            header.push(',');
        }
        write_string(name, &mut header);
        let end = offset + size_of_val(tensor.data());
        header += &format!(r#":{{"dtype":"F32","shape":{:?},"data_offsets":[{offset},{end}]}}"#, tensor.shape());
        offset = end;
    }
    header.push('}');
    // With spaces, so that the elements are aligned in the file.
    header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(LENGTH) - header.len()));
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header.as_bytes())?;
    for (_, tensor) in parameters.iter() {
        for element in tensor.data() {
            out.write_all(&element.to_le_bytes())?;
        }
    }
    Ok(())
}

/// Bytes that are not a file in the format safetensors, or not one of parameters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SafetensorsError {
    /// Too short for the length of the header.
    #[error("safetensors: the file has {found} bytes, its first {LENGTH} should state the header's length")]
    Length {
        /// Bytes of the file.
        found: usize,
    },
    /// The header exceeds the file.
    #[error("safetensors: the header should have {stated} bytes, {found} are left (is the file truncated?)")]
    Header {
        /// Bytes of the header, as stated.
        stated: u64,
        /// Bytes of the file after that statement.
        found: usize,
    },
    /// The header is not UTF-8.
    #[error("safetensors: byte {at} of the header is not UTF-8")]
    Utf8 {
        /// The first byte of the header that is not.
        at: usize,
    },
    /// The header is not the JSON that it should be.
    #[error("safetensors: expected {expected} at byte {at} of the header")]
    Json {
        /// Byte of the header.
        at: usize,
        /// What should stand there.
        expected: &'static str,
    },
    /// A tensor does not lie where it should.
    #[error(
        "safetensors: tensor `{name}` lies at bytes {from}..{to}; it should begin at {next}, where the tensor before \
         ends, and end within the {data} bytes of data (is the file truncated?)"
    )]
    Offsets {
        /// Its name.
        name: String,
        /// Its first byte.
        from: usize,
        /// The byte after its last.
        to: usize,
        /// Where the tensor before it ends.
        next: usize,
        /// Bytes of all tensors.
        data: usize,
    },
    /// A tensor's bytes are not as many as its type and shape ask for.
    #[error("safetensors: tensor `{name}` of type {dtype} and shape {shape:?} cannot have {found} bytes")]
    Size {
        /// Its name.
        name: String,
        /// Its type.
        dtype: String,
        /// Its shape.
        shape: Vec<usize>,
        /// Its bytes.
        found: usize,
    },
    /// A tensor's type is none that becomes float32.
    #[error("safetensors: tensor `{name}` is of type {dtype}; a parameter is F32, F16, BF16 or F64")]
    DType {
        /// Its name.
        name: String,
        /// Its type.
        dtype: String,
    },
    /// Bytes that belong to no tensor.
    #[error("safetensors: the tensors end at byte {end} of {data} bytes of data")]
    Trailing {
        /// Where they end.
        end: usize,
        /// Bytes after the header.
        data: usize,
    },
}
