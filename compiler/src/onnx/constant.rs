//! [`Constant`]: a tensor whose elements the importer knows.

use std::ops::Deref;
use std::sync::{Arc, OnceLock};

use convoke_runtime::parameters::MappedFile;
use convoke_runtime::{DType, MAX_WHOLE, Parameters, Tensor};

use crate::TensorType;

/// The most elements of a constant that an import makes by itself, such as a `ConstantOfShape`.
pub(super) const MAX_ELEMENTS: usize = 1 << 24;

/// A tensor whose elements are known when a model is imported: an initializer, or what shape arithmetic gives.
///
/// Integers of all widths are `i64`, floats of all widths `f32`.
#[derive(Clone, Debug, PartialEq)]
pub struct Constant {
    /// The initializer's name, which is that of a parameter of the network where the elements are float32.
    pub name: Option<String>,
    /// The elements.
    pub elements: Elements,
    /// The least and the largest number of the type of integers that the file gives, where that is narrower than `i64`.
    pub bounds: Option<[i64; 2]>,
}

/// The elements of a [`Constant`].
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Elements {
    F32(Floats),
    I64(Tensor<i64>),
    Bool(Tensor<bool>),
}

/// Float32 elements, which stay in the model's file until somebody asks for them.
#[derive(Clone, Debug)]
pub struct Floats {
    shape: Vec<usize>,
    tensor: OnceLock<Tensor>,
    /// The file, and the first element's byte.
    file: Option<(MappedFile, usize)>,
}

impl Floats {
    /// Elements that lie in a file, from byte `start` on; `None` where it has not as many.
    pub(super) fn mapped(shape: &[usize], file: &MappedFile, start: usize) -> Option<Self> {
        Parameters::default().insert_mapped("", shape, file, start).ok()?;
        Some(Self { shape: shape.to_vec(), tensor: OnceLock::new(), file: Some((file.clone(), start)) })
    }

    /// Their dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Makes them a parameter.
    pub(super) fn add_to(&self, parameters: &mut Parameters, name: String) {
        match &self.file {
            Some((file, start)) => {
                parameters.insert_mapped(name, &self.shape, file, *start).expect("`mapped` has tried it");
            }
            None => parameters.insert(name, Tensor::clone(self)),
        }
    }
}

impl Deref for Floats {
    type Target = Tensor;

    fn deref(&self) -> &Tensor {
        self.tensor.get_or_init(|| {
            let mut read = Parameters::default();
            self.add_to(&mut read, String::new());
            let view = read.get("").expect("it was added");
            Tensor::from_slice(view.shape(), view.data()).expect("as many as the shape has")
        })
    }
}

impl PartialEq for Floats {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl From<Tensor> for Floats {
    fn from(tensor: Tensor) -> Self {
        Self { shape: tensor.shape().to_vec(), tensor: tensor.into(), file: None }
    }
}

macro_rules! from {
    ($($element:ty => $variant:ident),+) => {$(
        impl From<Tensor<$element>> for Constant {
            fn from(tensor: Tensor<$element>) -> Self {
                Self { name: None, elements: Elements::$variant(tensor.into()), bounds: None }
            }
        }
    )+};
}

from!(f32 => F32, i64 => I64, bool => Bool);

impl Constant {
    /// One number.
    #[must_use]
    pub fn scalar(value: f32) -> Self {
        let mut tensor = Tensor::zeros(&[]);
        tensor.data_mut()[0] = value;
        tensor.into()
    }

    /// A list of integers.
    #[must_use]
    pub fn ints(values: &[i64]) -> Self {
        let mut tensor = Tensor::zeros(&[values.len()]);
        tensor.data_mut().copy_from_slice(values);
        tensor.into()
    }

    /// Its dimensions.
    #[must_use]
    pub fn shape(&self) -> &[usize] {
        match &self.elements {
            Elements::F32(tensor) => tensor.shape(),
            Elements::I64(tensor) => tensor.shape(),
            Elements::Bool(tensor) => tensor.shape(),
        }
    }

    /// The type of its elements.
    #[must_use]
    pub const fn dtype(&self) -> DType {
        match &self.elements {
            Elements::F32(_) => DType::F32,
            Elements::I64(_) => DType::I64,
            Elements::Bool(_) => DType::Bool,
        }
    }

    /// Its type.
    #[must_use]
    pub fn ty(&self) -> TensorType {
        TensorType { dtype: self.dtype(), shape: self.shape().to_vec() }
    }

    /// The number of its elements.
    #[must_use]
    pub fn len(&self) -> usize {
        match &self.elements {
            // Of that of a file nothing is read.
            Elements::F32(floats) => floats.shape().iter().product(),
            Elements::I64(tensor) => tensor.data().len(),
            Elements::Bool(tensor) => tensor.data().len(),
        }
    }

    /// Whether it has no element.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of an integer tensor.
    #[must_use]
    pub fn as_ints(&self) -> Option<&[i64]> {
        match &self.elements {
            Elements::I64(tensor) => Some(tensor.data()),
            Elements::F32(_) | Elements::Bool(_) => None,
        }
    }

    /// The elements of a float tensor.
    #[must_use]
    pub fn as_floats(&self) -> Option<&[f32]> {
        match &self.elements {
            Elements::F32(tensor) => Some(tensor.data()),
            Elements::I64(_) | Elements::Bool(_) => None,
        }
    }

    /// The only element, as a float.
    pub(crate) fn number(&self) -> Result<f32, super::Unsupported> {
        let fail = || super::Unsupported::new(format!("a constant is {}, expected one number", self.ty()));
        let tensor = self.run_time().map_err(|_| fail())?;
        if let [number] = tensor.data() { Ok(*number) } else { Err(fail()) }
    }

    /// The elements as a run holds them, or the first integer that float32 does not hold. What is larger than any
    /// dimension means "to the end" in shape arithmetic, and may be rounded.
    pub(crate) fn run_time(&self) -> Result<Tensor, i64> {
        const FAR: u64 = 1 << 30;
        let exact = |value: i64| value.unsigned_abs() <= MAX_WHOLE.unsigned_abs() || value as f32 as i64 == value;
        match &self.elements {
            Elements::F32(floats) => Ok(Tensor::clone(floats)),
            Elements::Bool(tensor) => Ok(tensor.to_f32()),
            Elements::I64(tensor) => {
                let mut result = Tensor::zeros(tensor.shape());
                for (to, &from) in result.data_mut().iter_mut().zip(tensor.data()) {
                    if !exact(from) && from.unsigned_abs() < FAR {
                        return Err(from);
                    }
                    *to = from as f32;
                }
                Ok(result)
            }
        }
    }

    /// The elements as float32, rounded where that does not hold them.
    pub(crate) fn rounded(&self) -> Tensor {
        match &self.elements {
            Elements::F32(floats) => Tensor::clone(floats),
            Elements::Bool(tensor) => tensor.to_f32(),
            Elements::I64(tensor) => {
                let mut result = Tensor::zeros(tensor.shape());
                result.data_mut().iter_mut().zip(tensor.data()).for_each(|(to, &from)| *to = from as f32);
                result
            }
        }
    }

    /// The constant of type `dtype` that a run holds as `tensor`.
    pub(crate) fn from_run_time(dtype: DType, tensor: Tensor) -> Self {
        match dtype {
            DType::F32 => tensor.into(),
            DType::I64 => tensor.to_i64().into(),
            DType::Bool => tensor.to_bool().into(),
        }
    }
}

/// A constant in use.
pub type Shared = Arc<Constant>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_that_float32_lacks_are_found() {
        let far = Constant::ints(&[i64::MAX, i64::MIN, (1 << 31) - 1, -3, MAX_WHOLE]);
        let back = Constant::from_run_time(DType::I64, far.run_time().expect("far is far"));
        assert_eq!(back.as_ints(), Some(&[i64::MAX, i64::MIN, 1 << 31, -3, MAX_WHOLE][..]));
        assert_eq!(Constant::ints(&[MAX_WHOLE + 2]).run_time().map(|_| ()), Ok(()));
        assert_eq!(Constant::ints(&[0, MAX_WHOLE + 1]).run_time().map(|_| ()), Err(MAX_WHOLE + 1));
    }
}
