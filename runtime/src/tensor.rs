//! [`Tensor`]: dense elements with a shape.

use std::fmt;

use crate::{ALIGNMENT, AlignedVec, Element, MAX_WHOLE};

/// A dense tensor, row-major, beginning on a boundary of 64 bytes.
///
/// ```
/// use convoke_runtime::Tensor;
///
/// let image = Tensor::from_vec(&[1, 1, 2, 2], vec![0.0, 0.5, 1.0, 0.25])?;
/// assert_eq!(image.shape(), [1, 1, 2, 2]);
/// assert_eq!(image.argmax(), Some(2));
/// # Ok::<(), convoke_runtime::ShapeError>(())
/// ```
#[derive(Clone, PartialEq)]
pub struct Tensor<T: Element = f32> {
    shape: Vec<usize>,
    data: AlignedVec<T>,
}

impl<T: Element> Tensor<T> {
    /// A tensor of zeros.
    ///
    /// # Panics
    /// Where the shape has more elements than memory has addresses; [`Tensor::try_zeros`] returns an error instead.
    #[must_use]
    pub fn zeros(shape: &[usize]) -> Self {
        Self::try_zeros(shape).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A tensor of zeros, of a shape that nobody has checked.
    ///
    /// # Errors
    /// [`ShapeError::Overflow`].
    pub fn try_zeros(shape: &[usize]) -> Result<Self, ShapeError> {
        let len = checked_len::<T>(shape)?;
        Ok(Self { shape: shape.to_vec(), data: AlignedVec::zeroed(len) })
    }

    /// A tensor of these elements, row-major. They are copied, to where the alignment is right.
    ///
    /// # Errors
    /// [`ShapeError`] where the shape does not have as many elements.
    #[expect(clippy::needless_pass_by_value, reason = "the caller is done with the vector")]
    pub fn from_vec(shape: &[usize], elements: Vec<T>) -> Result<Self, ShapeError> {
        Self::from_slice(shape, &elements)
    }

    /// A tensor of a copy of these elements, row-major.
    ///
    /// # Errors
    /// [`ShapeError`] where the shape does not have as many elements.
    pub fn from_slice(shape: &[usize], elements: &[T]) -> Result<Self, ShapeError> {
        check_len::<T>(shape, elements.len())?;
        Ok(Self { shape: shape.to_vec(), data: elements.into() })
    }

    /// The dimensions, outermost first.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The elements, row-major.
    #[must_use]
    pub fn data(&self) -> &[T] {
        &self.data
    }

    /// The elements, row-major, for writing.
    #[must_use]
    pub fn data_mut(&mut self) -> &mut [T] {
        &mut self.data
    }

    /// The same elements in another shape.
    ///
    /// # Errors
    /// [`ShapeError`] where the shape does not have as many elements.
    pub fn reshape(mut self, shape: &[usize]) -> Result<Self, ShapeError> {
        check_len::<T>(shape, self.data.len())?;
        self.shape.clear();
        self.shape.extend_from_slice(shape);
        Ok(self)
    }

    fn map<U: Element>(&self, f: impl Fn(T) -> U) -> Tensor<U> {
        let mut result = Tensor::zeros(&self.shape);
        for (to, &from) in result.data_mut().iter_mut().zip(self.data()) {
            *to = f(from);
        }
        result
    }

    /// Shape and elements.
    pub(crate) fn into_parts(self) -> (Vec<usize>, AlignedVec<T>) {
        (self.shape, self.data)
    }

    /// The address of the first element, valid while the tensor lives, wherever it is moved.
    pub(crate) const fn as_mut_ptr(&mut self) -> *mut T {
        self.data.as_mut_ptr()
    }
}

impl Tensor<i64> {
    /// The same numbers as float32, as [`Model::run`](crate::Model::run) takes integers.
    ///
    /// # Errors
    /// The first number beyond [`MAX_WHOLE`], of which float32 may have none.
    pub fn to_f32(&self) -> Result<Tensor, RangeError> {
        match self.data.iter().position(|element| element.unsigned_abs() > MAX_WHOLE.unsigned_abs()) {
            Some(index) => Err(RangeError { index, found: self.data[index] }),
            None => Ok(self.map(|element| element as f32)),
        }
    }
}

impl Tensor<bool> {
    /// 1 for true and 0 for false, as [`Model::run`](crate::Model::run) takes truth values.
    #[must_use]
    pub fn to_f32(&self) -> Tensor {
        self.map(|element| f32::from(u8::from(element)))
    }
}

impl Tensor {
    /// The integers, rounded toward zero; beyond 64 bits the nearest, and 0 for NaN.
    #[must_use]
    pub fn to_i64(&self) -> Tensor<i64> {
        self.map(|element| element as i64)
    }

    /// Which elements are not 0.
    #[must_use]
    pub fn to_bool(&self) -> Tensor<bool> {
        self.map(|element| element != 0.0)
    }

    /// The index of the largest element, of several the first; `None` where there is none but NaN.
    #[must_use]
    pub fn argmax(&self) -> Option<usize> {
        let mut best = None;
        for (index, &value) in self.data.iter().enumerate() {
            if !value.is_nan() && best.is_none_or(|(_, most)| value > most) {
                best = Some((index, value));
            }
        }
        best.map(|(index, _)| index)
    }

    /// Index and value of the `count` largest elements, largest first, of equal ones the first first; NaN is left out.
    #[must_use]
    pub fn top(&self, count: usize) -> Vec<(usize, f32)> {
        let mut elements: Vec<(usize, f32)> =
            self.data.iter().copied().enumerate().filter(|(_, value)| !value.is_nan()).collect();
        elements.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        elements.truncate(count);
        elements
    }

    /// Shape and elements, borrowed.
    #[must_use]
    pub fn view(&self) -> TensorView<'_> {
        TensorView { shape: &self.shape, data: &self.data }
    }
}

impl<T: Element> fmt::Debug for Tensor<T> {
    /// Type, shape and the first elements: `f32[1, 10] [0.1, 0.2, …]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 8;
        write!(f, "{}{:?} [", T::NAME, self.shape)?;
        for (index, element) in self.data.iter().take(SHOWN).enumerate() {
            write!(f, "{}{element:?}", if index > 0 { ", " } else { "" })?;
        }
        f.write_str(if self.data.len() > SHOWN { ", …]" } else { "]" })
    }
}

/// A borrowed float32 tensor: a shape and as many elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TensorView<'a> {
    shape: &'a [usize],
    data: &'a [f32],
}

impl<'a> TensorView<'a> {
    /// A view of these elements, row-major.
    ///
    /// # Errors
    /// [`ShapeError`] where the shape does not have as many elements.
    pub fn new(shape: &'a [usize], data: &'a [f32]) -> Result<Self, ShapeError> {
        check_len::<f32>(shape, data.len())?;
        Ok(Self { shape, data })
    }

    /// The dimensions, outermost first.
    #[must_use]
    pub const fn shape(&self) -> &'a [usize] {
        self.shape
    }

    /// The elements, row-major.
    #[must_use]
    pub const fn data(&self) -> &'a [f32] {
        self.data
    }

    /// A tensor of its own.
    #[must_use]
    pub fn to_tensor(&self) -> Tensor {
        Tensor { shape: self.shape.to_vec(), data: self.data.into() }
    }
}

/// An integer that float32 may not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("element {index} is {found}, expected at most {MAX_WHOLE} in magnitude: the integers of a run are float32")]
pub struct RangeError {
    /// The element, row-major.
    pub index: usize,
    /// Its value.
    pub found: i64,
}

/// A shape that does not fit the elements.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ShapeError {
    /// More elements than memory has addresses.
    #[error("a tensor of shape {shape:?} exceeds the address space")]
    Overflow {
        /// The shape.
        shape: Vec<usize>,
    },
    /// Another number of elements than the shape has.
    #[error("shape {shape:?} has {expected} elements, {found} are given")]
    Count {
        /// The shape.
        shape: Vec<usize>,
        /// Its elements.
        expected: usize,
        /// The elements given.
        found: usize,
    },
}

/// The number of elements of `shape`, or `None` where the elements of `size` bytes each exceed the address space.
pub(crate) fn count(shape: &[usize], size: usize) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    let count = shape.iter().try_fold(1_usize, |count, dim| count.checked_mul(*dim))?;
    (count.checked_mul(size)? <= isize::MAX as usize - ALIGNMENT).then_some(count)
}

pub(crate) fn checked_len<T: Element>(shape: &[usize]) -> Result<usize, ShapeError> {
    count(shape, size_of::<T>()).ok_or_else(|| ShapeError::Overflow { shape: shape.to_vec() })
}

pub(crate) fn check_len<T: Element>(shape: &[usize], found: usize) -> Result<(), ShapeError> {
    let expected = checked_len::<T>(shape)?;
    if expected == found { Ok(()) } else { Err(ShapeError::Count { shape: shape.to_vec(), expected, found }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holds_what_it_is_given() {
        let tensor = Tensor::from_vec(&[2, 3], vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        assert_eq!((tensor.shape(), tensor.data()), (&[2, 3][..], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0][..]));
        let tensor = tensor.reshape(&[3, 2]).unwrap();
        assert_eq!((tensor.shape(), tensor.data()[5]), (&[3, 2][..], 6.0));
        assert_eq!(tensor.view().to_tensor(), tensor);
        assert_eq!(Tensor::<f32>::zeros(&[]).data(), [0.0], "a scalar has one element");
        assert_eq!(Tensor::<i64>::zeros(&[3, 0]).data(), [0_i64; 0]);
        assert_eq!(Tensor::from_slice(&[2], &[true, false]).unwrap().data(), [true, false]);
    }

    #[test]
    fn refuses_shapes_that_do_not_fit() {
        let error = Tensor::from_vec(&[2, 3], vec![1.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "shape [2, 3] has 6 elements, 5 are given");
        assert!(Tensor::<f32>::zeros(&[4]).reshape(&[5]).is_err());
        assert!(TensorView::new(&[3], &[0.0; 4]).is_err());
        // Overflow of the product, of the bytes, and of a product that wraps round to the right count.
        let half = 1 << (usize::BITS / 2);
        for shape in [&[usize::MAX, 2][..], &[usize::MAX / 8][..], &[half, half][..]] {
            assert_eq!(Tensor::<f32>::try_zeros(shape), Err(ShapeError::Overflow { shape: shape.to_vec() }));
            assert!(Tensor::<f32>::from_slice(shape, &[]).is_err());
        }
        assert_eq!(Tensor::<f32>::from_slice(&[half, half, 0], &[]).unwrap().data(), [0.0_f32; 0]);
    }

    #[test]
    fn other_types_come_and_go_as_float32() {
        let whole = Tensor::from_slice(&[3], &[-MAX_WHOLE, 0, MAX_WHOLE]).unwrap();
        assert_eq!(whole.to_f32().unwrap().to_i64(), whole);
        let error = Tensor::from_slice(&[2], &[0, MAX_WHOLE + 1]).unwrap().to_f32().unwrap_err();
        assert_eq!(error, RangeError { index: 1, found: MAX_WHOLE + 1 });
        assert_eq!(
            Tensor::from_slice(&[4], &[1.9, -1.9, f32::NAN, f32::INFINITY]).unwrap().to_i64().data(),
            [1, -1, 0, i64::MAX]
        );
        let truth = Tensor::from_slice(&[2], &[true, false]).unwrap();
        assert_eq!(truth.to_f32().data(), [1.0, 0.0]);
        assert_eq!(truth.to_f32().to_bool(), truth);
    }

    #[test]
    fn finds_the_largest() {
        let tensor = Tensor::from_vec(&[6], vec![f32::NAN, -1.0, 7.0, 3.0, 7.0, f32::NEG_INFINITY]).unwrap();
        assert_eq!(tensor.argmax(), Some(2));
        assert_eq!(tensor.top(3), [(2, 7.0), (4, 7.0), (3, 3.0)]);
        assert_eq!(tensor.top(100).len(), 5);
        assert_eq!(Tensor::from_vec(&[2], vec![f32::NAN; 2]).unwrap().argmax(), None);
        assert_eq!(Tensor::from_vec(&[1], vec![f32::NEG_INFINITY]).unwrap().argmax(), Some(0));
    }

    #[test]
    fn prints_briefly() {
        assert_eq!(format!("{:?}", Tensor::from_vec(&[1, 2], vec![1.0, 2.5]).unwrap()), "f32[1, 2] [1.0, 2.5]");
        let shown = format!("{:?}", Tensor::<f32>::zeros(&[3, 224, 224]));
        assert_eq!(shown, "f32[3, 224, 224] [0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, …]");
    }
}
