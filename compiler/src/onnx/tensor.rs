//! The elements of a file's tensors, and the files in which they may lie.

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Component, Path, PathBuf};

use convoke_runtime::parameters::MappedFile;
use convoke_runtime::{Element, Tensor};
use prost::Message;
use prost::bytes::Bytes;

use super::constant::{Constant, Elements, Floats};
use super::proto::{self, DataLocation, DataType};

/// The fewest elements that stay in a file: others are read at once, as shape arithmetic asks for them.
const MAPPED_ELEMENTS: usize = 256;

/// Where tensors lie: in the model's own file, or beside it.
#[derive(Debug, Default)]
pub(super) struct External {
    /// The folder of the model's file, if it came from one.
    folder: Option<PathBuf>,
    /// Contents by name, which go before files.
    contents: HashMap<String, Bytes>,
    /// The files so far.
    files: RefCell<HashMap<PathBuf, MappedFile>>,
}

impl Constant {
    /// The tensor of a protobuf message `TensorProto`, which files hold that come with models.
    ///
    /// # Errors
    /// Says what is wrong with it.
    pub fn decode(bytes: &[u8]) -> Result<Self, String> {
        let tensor = proto::Tensor::decode(bytes).map_err(|error| error.to_string())?;
        decode(&tensor, &External::default())
    }
}

/// Decodes a tensor, or says what is wrong with it.
pub(super) fn decode(tensor: &proto::Tensor, external: &External) -> Result<Constant, String> {
    let shape: Vec<usize> = tensor
        .dims
        .iter()
        .map(|&dim| usize::try_from(dim))
        .collect::<Result<_, _>>()
        .map_err(|_| format!("has the shape {:?}, which is none", tensor.dims))?;
    // The elements are all there before any memory is reserved for them.
    let raw = match tensor.data_location() {
        DataLocation::Default => tensor.raw_data.clone(),
        DataLocation::External => external.read(&tensor.external_data)?,
    };
    let constant = elements_of(tensor, external, &shape, &raw)?;
    Ok(Constant { bounds: super::node::bounds(tensor.data_type.into()), ..constant })
}

/// The elements, raw or listed.
fn elements_of(tensor: &proto::Tensor, external: &External, shape: &[usize], raw: &Bytes) -> Result<Constant, String> {
    let i32s = || tensor.int32_data.iter().copied();
    match tensor.data_type() {
        DataType::Float => match external.in_file(shape, raw) {
            Some(floats) => Ok(Constant { name: None, elements: Elements::F32(floats), bounds: None }),
            None => elements(shape, raw, f32::from_le_bytes, tensor.float_data.iter().copied()),
        },
        DataType::Double => {
            elements(shape, raw, |b| f64::from_le_bytes(b) as f32, tensor.double_data.iter().map(|&x| x as f32))
        }
        DataType::Float16 => {
            elements(shape, raw, |b| half(u16::from_le_bytes(b)), i32s().map(|bits| half(bits as u16)))
        }
        DataType::Bfloat16 => {
            let float = |bits: u16| f32::from_bits(u32::from(bits) << 16);
            elements(shape, raw, |b| float(u16::from_le_bytes(b)), i32s().map(|bits| float(bits as u16)))
        }
        DataType::Int8 => elements(shape, raw, |b| i64::from(i8::from_le_bytes(b)), i32s().map(i64::from)),
        DataType::Int16 => elements(shape, raw, |b| i64::from(i16::from_le_bytes(b)), i32s().map(i64::from)),
        DataType::Int32 => elements(shape, raw, |b| i64::from(i32::from_le_bytes(b)), i32s().map(i64::from)),
        DataType::Uint8 => elements(shape, raw, |b| i64::from(u8::from_le_bytes(b)), i32s().map(i64::from)),
        DataType::Uint16 => elements(shape, raw, |b| i64::from(u16::from_le_bytes(b)), i32s().map(i64::from)),
        DataType::Int64 => elements(shape, raw, i64::from_le_bytes, tensor.int64_data.iter().copied()),
        DataType::Uint32 => {
            elements(shape, raw, |b| i64::from(u32::from_le_bytes(b)), tensor.uint64_data.iter().map(|&x| saturated(x)))
        }
        DataType::Uint64 => {
            elements(shape, raw, |b| saturated(u64::from_le_bytes(b)), tensor.uint64_data.iter().map(|&x| saturated(x)))
        }
        DataType::Bool => elements(shape, raw, |[byte]: [u8; 1]| byte != 0, i32s().map(|x| x != 0)),
        other => Err(format!("has elements of type {other:?}, which is not supported")),
    }
}

/// The largest integers of 64 unsigned bits, which only ever mean "to the end", as the largest of 63.
fn saturated(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A tensor of raw little-endian elements, or where there are none, of listed ones.
fn elements<T: Element, const N: usize>(
    shape: &[usize],
    raw: &[u8],
    element: impl Fn([u8; N]) -> T,
    listed: impl ExactSizeIterator<Item = T>,
) -> Result<Constant, String>
where
    Constant: From<Tensor<T>>,
{
    let count = shape.iter().try_fold(1_usize, |count, &dim| count.checked_mul(dim));
    let (raw, rest) = raw.as_chunks::<N>();
    let found = if raw.is_empty() { listed.len() } else { raw.len() };
    if count != Some(found) || !rest.is_empty() {
        let bytes = if rest.is_empty() { String::new() } else { format!(" and {} bytes", rest.len()) };
        return Err(format!("has the shape {shape:?} and {found} elements{bytes}"));
    }
    let mut tensor = Tensor::try_zeros(shape).map_err(|error| error.to_string())?;
    if raw.is_empty() {
        tensor.data_mut().iter_mut().zip(listed).for_each(|(to, from)| *to = from);
    } else {
        tensor.data_mut().iter_mut().zip(raw).for_each(|(to, from)| *to = element(*from));
    }
    Ok(tensor.into())
}

/// The value of a binary16.
fn half(bits: u16) -> f32 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, fraction) = (bits >> 10 & 0x1f, f32::from(bits & 0x3ff));
    sign * match exponent {
        0 => fraction * 2.0_f32.powi(-24),
        31 if fraction == 0.0 => f32::INFINITY,
        31 => f32::NAN,
        exponent => (1024.0 + fraction) * 2.0_f32.powi(i32::from(exponent) - 25),
    }
}

impl External {
    /// Tensors in a model's file, and in others of its folder.
    pub(super) fn of_file(model: MappedFile, folder: Option<PathBuf>) -> Self {
        Self { folder, files: RefCell::new(HashMap::from([(PathBuf::new(), model)])), ..Self::default() }
    }

    /// Tensors in memory.
    pub(super) fn in_memory(contents: HashMap<String, Bytes>) -> Self {
        Self { contents, ..Self::default() }
    }

    /// The elements that these bytes are, where they are a tensor's and lie in a file.
    fn in_file(&self, shape: &[usize], raw: &Bytes) -> Option<Floats> {
        let len = shape.iter().try_fold(size_of::<f32>(), |len, &dim| len.checked_mul(dim))?;
        if len != raw.len() || len < MAPPED_ELEMENTS * size_of::<f32>() {
            return None;
        }
        let files = self.files.borrow();
        let place = |file: &MappedFile| raw.as_ptr().addr().checked_sub(file.as_ref().as_ptr().addr());
        files.values().find_map(|file| place(file).and_then(|start| Floats::mapped(shape, file, start)))
    }

    /// The bytes that the entries `location`, `offset` and `length` mean.
    fn read(&self, entries: &[proto::StringStringEntry]) -> Result<Bytes, String> {
        let entry = |key: &str| entries.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str());
        let number = |key: &str| {
            entry(key)
                .map(|text| text.parse::<u64>().map_err(|_| format!("has the external {key} `{text}`")))
                .transpose()
        };
        let location = entry("location").ok_or("has no external location")?;
        let (offset, length) = (number("offset")?.unwrap_or(0), number("length")?);
        if let Some(content) = self.contents.get(location) {
            let rest = usize::try_from(offset)
                .ok()
                .filter(|&start| start <= content.len())
                .map(|start| content.slice(start..));
            let part = rest.and_then(|rest| match length {
                None => Some(rest),
                Some(length) => {
                    usize::try_from(length).ok().filter(|&end| end <= rest.len()).map(|end| rest.slice(..end))
                }
            });
            return part.ok_or_else(|| format!("reaches beyond the {} bytes of `{location}`", content.len()));
        }
        let folder = self.folder.as_deref().ok_or_else(|| format!("lies in `{location}`, which is not given"))?;
        let path = within(folder, location)?;
        let file = self.map(&path)?;
        let bytes = Bytes::from_owner(file);
        let size = bytes.len();
        let number = |number: u64| usize::try_from(number).ok();
        let end = length.map_or(Some(size), |length| number(offset.checked_add(length)?)).filter(|&end| end <= size);
        let Some(range) = number(offset).zip(end).filter(|(start, end)| start <= end) else {
            return Err(format!("reaches beyond the {size} bytes of {}", path.display()));
        };
        Ok(bytes.slice(range.0..range.1))
    }

    /// The file, mapped once.
    fn map(&self, path: &Path) -> Result<MappedFile, String> {
        if let Some(file) = self.files.borrow().get(path) {
            return Ok(file.clone());
        }
        let file = MappedFile::open(path)
            .map_err(|error| format!("lies in {}, which cannot be read: {error}", path.display()))?;
        self.files.borrow_mut().insert(path.to_owned(), file.clone());
        Ok(file)
    }
}

/// The file that a model in `folder` calls `location`, if it lies in that folder, links followed.
fn within(folder: &Path, location: &str) -> Result<PathBuf, String> {
    let refused = || format!("lies in `{location}`, outside of the model's folder");
    if !Path::new(location).components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir)) {
        return Err(refused());
    }
    let resolve = |path: &Path| {
        path.canonicalize().map_err(|error| format!("lies in {}, which cannot be read: {error}", path.display()))
    };
    let (folder, path) = (resolve(folder)?, resolve(&folder.join(location))?);
    if path.starts_with(&folder) { Ok(path) } else { Err(refused()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn halves() {
        let table =
            [(0x3c00, 1.0), (0xc000, -2.0), (0x0001, 2.0_f32.powi(-24)), (0x7bff, 65504.0), (0x7c00, f32::INFINITY)];
        for (bits, value) in table {
            assert_eq!(half(bits), value);
        }
        assert!(half(0x7e00).is_nan() && half(0x8000).is_sign_negative());
    }

    #[test]
    fn external_data_stays_in_the_folder() {
        let folder = std::env::temp_dir().join(format!("convoke-external-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("inner")).expect("a folder");
        std::fs::write(folder.join("weights.bin"), [0, 0, 128, 63, 0, 0, 0, 64]).expect("a file");
        let external = External { folder: Some(folder.clone()), ..External::default() };
        let read = |location: &str, offset: &str, length: &str| {
            let entry = |key: &str, value: &str| proto::StringStringEntry { key: key.into(), value: value.into() };
            let entries = vec![entry("location", location), entry("offset", offset), entry("length", length)];
            let tensor = proto::Tensor {
                dims: vec![1],
                data_type: DataType::Float.into(),
                data_location: DataLocation::External.into(),
                external_data: entries,
                ..proto::Tensor::default()
            };
            decode(&tensor, &external)
        };
        assert_eq!(read("weights.bin", "4", "4").expect("two").as_floats(), Some(&[2.0][..]));
        assert_eq!(read("./weights.bin", "0", "4").expect("one").as_floats(), Some(&[1.0][..]));
        for location in ["../weights.bin", "/etc/hostname", "inner/../../weights.bin"] {
            let error = read(location, "0", "4").expect_err("outside");
            assert_eq!(error, format!("lies in `{location}`, outside of the model's folder"));
        }
        assert!(read("weights.bin", "8", "4").expect_err("too far").starts_with("reaches beyond the 8 bytes"));
        assert!(read("weights.bin", "-1", "4").expect_err("no number").contains("offset `-1`"));
        assert!(read("weights.bin", "0", "18446744073709551615").is_err());
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink("/etc/hostname", folder.join("link")).expect("a link");
            assert!(read("link", "0", "4").expect_err("outside").ends_with("outside of the model's folder"));
        }
        std::fs::remove_dir_all(folder).expect("it is ours");
    }
}
