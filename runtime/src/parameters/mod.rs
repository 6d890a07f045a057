//! [`Parameters`]: the named tensors that a network was trained to.

mod check;
mod file;
mod float;
mod format;
mod info;
mod json;
mod nearest;
mod safetensors;
mod torch;

pub use check::{Misshapen, Missing, ParameterErrors};
pub use file::{FileError, MappedFile};
pub use format::FormatError;
pub use safetensors::SafetensorsError;
pub use torch::{PickleError, TorchError, ZipError};

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::OnceLock;

use crate::network::ValueInfo;
use crate::tensor::{check_len, checked_len};
use crate::weights::Source;
use crate::{AlignedVec, ShapeError, Tensor, TensorView};
use info::Info;

/// Named float32 tensors, in the order of their names.
///
/// The names are those of PyTorch's `state_dict`. What comes from a file stays there: it is mapped, and read as the
/// weights of a network are prepared from it.
#[derive(Clone, Default)]
pub struct Parameters {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone)]
struct Entry {
    shape: Vec<usize>,
    data: Data,
}

#[derive(Clone)]
enum Data {
    Owned(AlignedVec<f32>),
    /// Little-endian float32.
    Mapped {
        file: MappedFile,
        bytes: Range<usize>,
        /// The elements, once somebody asks for them where the bytes are not theirs.
        copy: OnceLock<AlignedVec<f32>>,
    },
    /// Little-endian float32 in the program itself, aligned.
    Static(&'static [u8]),
}

impl Parameters {
    /// The tensors of a file, safetensors or PyTorch's, as [`Parameters::load`] reads it. They are copied.
    ///
    /// # Errors
    /// [`FormatError`] where the bytes are not such a file, or hold more than parameters.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::from_infos(bytes, |_| None)
    }

    /// As [`Parameters::from_bytes`], of a file that is part of the program: what can be read there is not copied. That
    /// asks for bytes that are [`Aligned`](crate::Aligned).
    ///
    /// # Errors
    /// As [`Parameters::from_bytes`].
    pub fn from_static(bytes: &'static [u8]) -> Result<Self, FormatError> {
        Self::from_infos(bytes, |info| {
            let elements = &bytes[info.bytes.clone()];
            (info.is_plain() && as_elements(elements).is_some()).then_some(Data::Static(elements))
        })
    }

    /// As [`Parameters::from_bytes`], leaving in the file what can be read there.
    fn from_mapped(file: &MappedFile) -> Result<Self, FormatError> {
        Self::from_infos(file.as_ref(), |info| {
            let mapped = || Data::Mapped { file: file.clone(), bytes: info.bytes.clone(), copy: OnceLock::new() };
            info.is_plain().then(mapped)
        })
    }

    /// The tensors of a file, their elements from `in_place` or else copied.
    fn from_infos(file: &[u8], in_place: impl Fn(&Info) -> Option<Data>) -> Result<Self, FormatError> {
        let mut parameters = Self::default();
        for info in format::parse(file)? {
            let data = in_place(&info).unwrap_or_else(|| Data::Owned(info.to_f32(file)));
            if parameters.entries.contains_key(&info.name) {
                return Err(FormatError::Duplicate { name: info.name });
            }
            parameters.entries.insert(info.name, Entry { shape: info.shape, data });
        }
        Ok(parameters)
    }

    /// These tensors under these names; of several with one name, the last.
    pub fn from_tensors(tensors: impl IntoIterator<Item = (String, Tensor)>) -> Self {
        let mut parameters = Self::default();
        tensors.into_iter().for_each(|(name, tensor)| parameters.insert(name, tensor));
        parameters
    }

    /// Adds a tensor, in place of one of this name.
    pub fn insert(&mut self, name: impl Into<String>, tensor: Tensor) {
        let (shape, data) = tensor.into_parts();
        self.entries.insert(name.into(), Entry { shape, data: Data::Owned(data) });
    }

    /// Adds a tensor that lies in a file from byte `start` on, as little-endian float32 row by row, in place of one of
    /// this name. It stays there.
    ///
    /// # Errors
    /// [`ShapeError`] where the file does not have as many elements.
    pub fn insert_mapped(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        file: &MappedFile,
        start: usize,
    ) -> Result<(), ShapeError> {
        let len = checked_len::<f32>(shape)? * size_of::<f32>();
        let rest = file.as_ref().len().saturating_sub(start);
        if rest < len {
            check_len::<f32>(shape, rest / size_of::<f32>())?;
        }
        let data = Data::Mapped { file: file.clone(), bytes: start..start + len, copy: OnceLock::new() };
        self.entries.insert(name.into(), Entry { shape: shape.to_vec(), data });
        Ok(())
    }

    /// The tensor of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TensorView<'_>> {
        self.entries.get(name).map(Entry::view)
    }

    /// The shapes of all tensors, by name: nothing is read.
    fn shapes(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &*entry.shape))
    }

    /// The tensor of this name, to evaluate weights from: where it lies.
    pub(crate) fn source(&self, name: &str) -> Option<Source<'_>> {
        self.entries.get(name).map(|entry| match &entry.data {
            Data::Mapped { file, bytes, .. } => Source::bytes(&entry.shape, &file.as_ref()[bytes.clone()]),
            Data::Owned(_) | Data::Static(_) => entry.view().into(),
        })
    }

    /// The elements of the tensor of this name, row-major, for writing. What lies in a file is copied from there first.
    #[must_use]
    pub fn get_mut(&mut self, name: &str) -> Option<&mut [f32]> {
        let Entry { data, .. } = self.entries.get_mut(name)?;
        if !matches!(data, Data::Owned(_)) {
            *data = Data::Owned(data.elements().into());
        }
        match data {
            Data::Owned(elements) => Some(elements),
            Data::Mapped { .. } | Data::Static(_) => None,
        }
    }

    /// Lets the system take back the memory of a tensor that lies in a file, from which it is read again when needed.
    pub(crate) fn release(&self, name: &str) {
        if let Some(Entry { data: Data::Mapped { file, bytes, .. }, .. }) = self.entries.get(name) {
            file.release(bytes);
        }
    }

    /// The names, sorted.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// Names and tensors, sorted by name.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, TensorView<'_>)> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), entry.view()))
    }

    /// The number of tensors.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is no tensor.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Whether these are the parameters that a network expects: all of them, in the right shapes, and no other.
    ///
    /// # Errors
    /// All that are missing, superfluous or of another shape, in one error.
    pub fn check(&self, expected: &[ValueInfo]) -> Result<(), ParameterErrors> {
        check::check(self, expected)
    }
}

impl Entry {
    fn view(&self) -> TensorView<'_> {
        TensorView::new(&self.shape, self.data.elements()).expect("entries have as many elements as their shape")
    }
}

impl Data {
    fn elements(&self) -> &[f32] {
        match self {
            Self::Owned(elements) => elements,
            Self::Mapped { file, bytes, copy } => {
                let bytes = &file.as_ref()[bytes.clone()];
                as_elements(bytes).unwrap_or_else(|| {
                    copy.get_or_init(|| {
                        let mut elements = AlignedVec::zeroed(bytes.len() / size_of::<f32>());
                        read_elements(bytes, &mut elements);
                        elements
                    })
                })
            }
            Self::Static(bytes) => as_elements(bytes).expect("`from_static` has checked"),
        }
    }
}

/// The float32 that these bytes are, where they are aligned and this machine's order is little-endian.
pub(crate) fn as_elements(bytes: &[u8]) -> Option<&[f32]> {
    // SAFETY: every pattern of four bytes is a float32; `align_to` itself sees to bounds and alignment.
    let (before, elements, after) = unsafe { bytes.align_to::<f32>() };
    (cfg!(target_endian = "little") && before.is_empty() && after.is_empty()).then_some(elements)
}

/// Reads little-endian float32.
pub(crate) fn read_elements(bytes: &[u8], elements: &mut [f32]) {
    elements.iter_mut().zip(bytes.as_chunks().0).for_each(|(to, from)| *to = f32::from_le_bytes(*from));
}

impl fmt::Debug for Parameters {
    /// Names and shapes.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.entries.iter().map(|(name, entry)| (name, &entry.shape))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Aligned;

    #[test]
    fn in_the_program_are_read_there() {
        static FILE: Aligned<[u8; 64 + 8]> = Aligned({
            let header = *br#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}  "#;
            let mut file = [0; 64 + 8];
            file[0] = header.len() as u8;
            let mut at = 0;
            while at < header.len() {
                file[8 + at] = header[at];
                at += 1;
            }
            // 1 as float32.
            [file[66], file[67]] = [0x80, 0x3f];
            file
        });
        let parameters = Parameters::from_static(&FILE.0).unwrap();
        let elements = parameters.get("a").unwrap().data();
        assert_eq!(elements, [1.0, 0.0]);
        assert_eq!(elements.as_ptr().cast(), &raw const FILE.0[64]);
        let mut own = parameters.clone();
        own.get_mut("a").unwrap()[1] = 2.0;
        assert_eq!(own.get("a").unwrap().data(), [1.0, 2.0]);
        assert!(Parameters::from_static(&FILE.0[..70]).is_err());
    }

    #[test]
    fn in_a_file_are_read_wherever_they_lie() {
        let path = std::env::temp_dir().join(format!("convoke-mapped-{}", std::process::id()));
        let elements = [1.0_f32, -2.5, 3.0];
        let bytes: Vec<u8> = [7_u8, 7].into_iter().chain(elements.into_iter().flat_map(f32::to_le_bytes)).collect();
        std::fs::write(&path, &bytes).unwrap();
        let file = MappedFile::open(&path).unwrap();
        let mut parameters = Parameters::default();
        parameters.insert_mapped("all", &[3], &file, 2).unwrap();
        parameters.insert_mapped("none", &[2, 0], &file, 14).unwrap();
        assert_eq!(parameters.get("all").unwrap().data(), elements);
        assert!(parameters.get("none").unwrap().data().is_empty());
        // Once more, from the copy, and once more from the file.
        assert_eq!(parameters.get("all").unwrap().data(), elements);
        let sources = [parameters.source("all").unwrap()];
        parameters.release("all");
        let mut read = [0.0; 3];
        crate::weights::Evaluator::new(&sources)
            .evaluate(&[crate::weights::WeightOp::Parameter(0)], &mut read)
            .unwrap();
        assert_eq!(read, elements);
        for (shape, start) in [(&[3][..], 3), (&[4], 0), (&[1], usize::MAX), (&[usize::MAX, 2], 0)] {
            assert!(parameters.insert_mapped("beyond", shape, &file, start).is_err(), "{shape:?} at {start}");
        }
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn are_found_by_name() {
        let tensor = |value| Tensor::from_vec(&[1], vec![value]).unwrap();
        let parameters = Parameters::from_tensors([("b".to_owned(), tensor(2.0)), ("a".to_owned(), tensor(1.0))]);
        assert_eq!(parameters.names().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(parameters.get("b").unwrap().data(), [2.0]);
        assert!(parameters.get("c").is_none());
        assert_eq!(parameters.iter().map(|(_, view)| view.data()[0]).collect::<Vec<_>>(), [1.0, 2.0]);
        assert_eq!((parameters.len(), parameters.is_empty()), (2, false));
        let mut changed = parameters.clone();
        changed.get_mut("a").unwrap()[0] = 3.0;
        assert!(changed.get_mut("c").is_none());
        assert_eq!(["a", "b"].map(|name| changed.get(name).unwrap().data()[0]), [3.0, 2.0]);
        assert_eq!(parameters.get("a").unwrap().data(), [1.0]);
        assert_eq!(format!("{parameters:?}"), r#"{"a": [1], "b": [1]}"#);
    }
}
