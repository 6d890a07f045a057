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
pub use file::FileError;
pub use format::FormatError;
pub use safetensors::SafetensorsError;
pub use torch::{PickleError, TorchError, ZipError};

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;
#[cfg(target_os = "linux")]
use memmap2::UncheckedAdvice;

use crate::network::ValueInfo;
use crate::{AlignedVec, Tensor, TensorView};
use info::{DType, Info};

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
    /// Little-endian float32, aligned, as `Data::mapped` has checked.
    Mapped {
        file: Arc<Mmap>,
        bytes: Range<usize>,
    },
    /// The same, in the program itself.
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
            Data::in_place(elements, info).then_some(Data::Static(elements))
        })
    }

    /// As [`Parameters::from_bytes`], leaving in the file what can be read there.
    fn from_mapped(file: &Arc<Mmap>) -> Result<Self, FormatError> {
        Self::from_infos(file, |info| Data::mapped(file, info))
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
        for (name, tensor) in tensors {
            let (shape, data) = tensor.into_parts();
            parameters.entries.insert(name, Entry { shape, data: Data::Owned(data) });
        }
        parameters
    }

    /// The tensor of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<TensorView<'_>> {
        self.entries.get(name).map(Entry::view)
    }

    /// Lets the system take back the memory of a tensor that lies in a file, from which it is read again when needed.
    pub(crate) fn release(&self, name: &str) {
        if let Some(Entry { data: Data::Mapped { file, bytes }, .. }) = self.entries.get(name) {
            // SAFETY: the mapping is of a file, shared and never written: its pages come back as they were.
            #[cfg(target_os = "linux")]
            let _ = unsafe { file.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
            // Elsewhere what pages cost is up to the system.
            #[cfg(not(target_os = "linux"))]
            let _ = (file, bytes);
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
    /// The elements of a tensor in `file`, where they can be used as they lie there.
    fn mapped(file: &Arc<Mmap>, info: &Info) -> Option<Self> {
        let bytes = info.bytes.clone();
        Self::in_place(&file[bytes.clone()], info).then(|| Self::Mapped { file: Arc::clone(file), bytes })
    }

    /// Whether a tensor's bytes are its elements.
    fn in_place(bytes: &[u8], info: &Info) -> bool {
        cfg!(target_endian = "little")
            && info.dtype == DType::F32
            && info.strides.is_none()
            && bytes.as_ptr().cast::<f32>().is_aligned()
    }

    fn elements(&self) -> &[f32] {
        let bytes = match self {
            Self::Owned(elements) => return elements,
            Self::Mapped { file, bytes } => &file[bytes.clone()],
            Self::Static(bytes) => bytes,
        };
        // SAFETY: every pattern of four bytes is a float32; `align_to` itself sees to bounds and alignment.
        let (before, elements, after) = unsafe { bytes.align_to::<f32>() };
        debug_assert!(before.is_empty() && after.is_empty());
        elements
    }
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
        assert!(Parameters::from_static(&FILE.0[..70]).is_err());
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
        assert_eq!(format!("{parameters:?}"), r#"{"a": [1], "b": [1]}"#);
    }
}
