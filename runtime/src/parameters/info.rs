//! Where a tensor lies in a file, and its elements as float32.

use std::ops::Range;

use super::float::{from_bf16, from_f16};
use crate::AlignedVec;

/// The end of the names of BatchNorm's counters in PyTorch, which only training reads.
pub(super) const COUNTER: &str = "num_batches_tracked";

/// A tensor in a file.
#[derive(Debug)]
pub(super) struct Info {
    pub(super) name: String,
    pub(super) dtype: DType,
    pub(super) shape: Vec<usize>,
    /// Where its elements lie in the file: as many bytes as shape and type ask for, or, with strides, from its first
    /// element to its last.
    pub(super) bytes: Range<usize>,
    /// Elements from one index of each dimension to the next; `None` where they lie row by row without gaps.
    pub(super) strides: Option<Vec<usize>>,
}

/// The types of elements that become float32.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum DType {
    F16,
    Bf16,
    F32,
    F64,
}

impl Info {
    /// Whether its bytes are its elements, little-endian.
    pub(super) fn is_plain(&self) -> bool {
        self.dtype == DType::F32 && self.strides.is_none()
    }

    /// The elements in `file`, row by row.
    pub(super) fn to_f32(&self, file: &[u8]) -> AlignedVec<f32> {
        let elements = self.dtype.to_f32(&file[self.bytes.clone()]);
        match &self.strides {
            Some(strides) => gather(&elements, &self.shape, strides),
            None => elements,
        }
    }
}

/// The elements at these strides, row by row.
fn gather(elements: &[f32], shape: &[usize], strides: &[usize]) -> AlignedVec<f32> {
    let mut rows = AlignedVec::zeroed(shape.iter().product());
    let mut index = vec![0; shape.len()];
    let mut at = 0;
    for row in rows.iter_mut() {
        *row = elements[at];
        for dimension in (0..shape.len()).rev() {
            index[dimension] += 1;
            at += strides[dimension];
            if index[dimension] < shape[dimension] {
                break;
            }
            at -= strides[dimension] * index[dimension];
            index[dimension] = 0;
        }
    }
    rows
}

impl DType {
    /// Bytes of an element.
    pub(super) const fn size(self) -> usize {
        match self {
            Self::F16 | Self::Bf16 => 2,
            Self::F32 => 4,
            Self::F64 => 8,
        }
    }

    /// Little-endian elements of this type as float32.
    fn to_f32(self, bytes: &[u8]) -> AlignedVec<f32> {
        let mut elements = AlignedVec::zeroed(bytes.len() / self.size());
        match self {
            Self::F16 => convert(bytes, &mut elements, |bytes| from_f16(u16::from_le_bytes(bytes))),
            Self::Bf16 => convert(bytes, &mut elements, |bytes| from_bf16(u16::from_le_bytes(bytes))),
            Self::F32 => convert(bytes, &mut elements, f32::from_le_bytes),
            Self::F64 => convert(bytes, &mut elements, |bytes| f64::from_le_bytes(bytes) as f32),
        }
        elements
    }
}

fn convert<const SIZE: usize>(bytes: &[u8], elements: &mut [f32], element: impl Fn([u8; SIZE]) -> f32) {
    let (chunks, _) = bytes.as_chunks();
    for (to, from) in elements.iter_mut().zip(chunks) {
        *to = element(*from);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gathers_rows() {
        let elements: Vec<f32> = (0_u8..12).map(f32::from).collect();
        let table: [(&[usize], &[usize], &[f32]); 5] = [
            (&[2, 3], &[3, 1], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0]),
            (&[3, 2], &[1, 3], &[0.0, 3.0, 1.0, 4.0, 2.0, 5.0]),
            (&[2, 2, 2], &[6, 1, 2], &[0.0, 2.0, 1.0, 3.0, 6.0, 8.0, 7.0, 9.0]),
            (&[3], &[0], &[0.0; 3]),
            (&[], &[], &[0.0]),
        ];
        for (shape, strides, expected) in table {
            assert_eq!(&*gather(&elements, shape, strides), expected, "{shape:?} {strides:?}");
        }
    }
}
