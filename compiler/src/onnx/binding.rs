//! [`Binding`]: what a file leaves open about its inputs.

use std::collections::{BTreeMap, BTreeSet};

use super::constant::Shared;
use super::source::{Dim, Input};
use super::{Constant, Error, Missing};
use crate::TensorType;

/// The sizes, shapes and elements of a model's inputs that its file leaves open.
#[derive(Clone, Debug, Default)]
pub struct Binding {
    sizes: BTreeMap<String, usize>,
    shapes: BTreeMap<String, Vec<usize>>,
    constants: BTreeMap<String, Shared>,
}

impl Binding {
    /// Nothing is said.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Every dimension of this name has this size.
    #[must_use]
    pub fn size(mut self, name: impl Into<String>, size: usize) -> Self {
        self.sizes.insert(name.into(), size);
        self
    }

    /// The input of this name has this shape.
    #[must_use]
    pub fn shape(mut self, input: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        self.shapes.insert(input.into(), shape.into());
        self
    }

    /// The input of this name is a constant: the network no longer has it. For inputs that shapes depend on.
    #[must_use]
    pub fn constant(mut self, input: impl Into<String>, constant: impl Into<Constant>) -> Self {
        self.constants.insert(input.into(), Shared::new(constant.into()));
        self
    }

    /// The constant that an input is bound to.
    pub(super) fn constant_of(&self, input: &str) -> Option<&Shared> {
        self.constants.get(input)
    }

    /// The types of the inputs that stay inputs, or everything that does not fit or is missing.
    pub(super) fn types(&self, model: &str, inputs: &[Input]) -> Result<Vec<TensorType>, Error> {
        let fail = |message: String| Error::Binding { model: model.to_owned(), message };
        let names: BTreeSet<&str> = inputs.iter().map(|input| &*input.name).collect();
        if let Some(unknown) = self.shapes.keys().chain(self.constants.keys()).find(|name| !names.contains(&***name)) {
            return Err(fail(format!("there is no input `{unknown}`; there are {names:?}")));
        }
        let dims = || inputs.iter().flat_map(|input| input.dims.iter().flatten());
        let named: BTreeSet<&str> =
            dims().filter_map(|dim| if let Dim::Named(name) = dim { Some(&**name) } else { None }).collect();
        if let Some(unknown) = self.sizes.keys().find(|name| !named.contains(&***name)) {
            return Err(fail(format!("no input has a dimension `{unknown}`; there are {named:?}")));
        }
        let (mut types, mut missing) = (Vec::new(), Vec::new());
        for input in inputs.iter().filter(|input| !self.constants.contains_key(&input.name)) {
            if let Some(shape) = self.shape_of(model, input, &mut missing)? {
                types.push(TensorType { dtype: input.dtype, shape });
            }
        }
        if missing.is_empty() { Ok(types) } else { Err(Error::Unbound { model: model.to_owned(), missing }) }
    }

    /// The shape of an input; `None` where something is missing.
    fn shape_of(&self, model: &str, input: &Input, missing: &mut Vec<Missing>) -> Result<Option<Vec<usize>>, Error> {
        let name = &input.name;
        let Some(dims) = &input.dims else {
            if !self.shapes.contains_key(name) {
                missing.push(Missing::Shape { input: name.clone(), known: None });
            }
            return Ok(self.shapes.get(name).cloned());
        };
        if let Some(shape) = self.shapes.get(name) {
            let fits = |(dim, &size): (&Dim, &usize)| match dim {
                Dim::Size(expected) => *expected == size,
                Dim::Named(_) | Dim::Unknown => true,
            };
            if shape.len() != dims.len() || !dims.iter().zip(shape).all(fits) {
                let message = format!("input `{name}` is {}, given as {shape:?}", described(dims));
                return Err(Error::Binding { model: model.to_owned(), message });
            }
            return Ok(Some(shape.clone()));
        }
        if dims.contains(&Dim::Unknown) {
            missing.push(Missing::Shape { input: name.clone(), known: Some(described(dims)) });
            return Ok(None);
        }
        let mut shape = Vec::with_capacity(dims.len());
        for (dimension, dim) in dims.iter().enumerate() {
            match dim {
                Dim::Size(size) => shape.push(*size),
                Dim::Named(size) => match self.sizes.get(size) {
                    Some(&size) => shape.push(size),
                    None if missing.iter().any(|each| matches!(each, Missing::Size { name, .. } if name == size)) => {}
                    None => missing.push(Missing::Size { name: size.clone(), input: name.clone(), dimension }),
                },
                Dim::Unknown => {}
            }
        }
        Ok((shape.len() == dims.len()).then_some(shape))
    }
}

/// `[batch, 3, ?, ?]`
fn described(dims: &[Dim]) -> String {
    let dims: Vec<_> = dims
        .iter()
        .map(|dim| match dim {
            Dim::Size(size) => size.to_string(),
            Dim::Named(name) => name.clone(),
            Dim::Unknown => "?".to_owned(),
        })
        .collect();
    format!("[{}]", dims.join(", "))
}

#[cfg(test)]
mod tests {
    use convoke_runtime::DType;

    use super::*;

    #[test]
    fn everything_that_is_missing_is_named_once() {
        let input = |name: &str, dims| Input { name: name.to_owned(), dtype: DType::F32, dims };
        let batch = || Dim::Named("batch".to_owned());
        let inputs = [
            input("image", Some(vec![batch(), Dim::Size(3)])),
            input("mask", Some(vec![batch(), Dim::Unknown])),
            input("anything", None),
            input("again", Some(vec![batch()])),
        ];
        let error = Binding::new().types("model.onnx", &inputs).expect_err("three are missing");
        assert_eq!(
            error.to_string(),
            "model.onnx: the model's inputs have sizes that must be given:\n  \
             `batch`, dimension 0 of `image`: Binding::size(\"batch\", 1)\n  \
             the shape of `mask`, which is [batch, ?]: Binding::shape(\"mask\", [1, 3, 224, 224])\n  \
             the shape of `anything`: Binding::shape(\"anything\", [1, 3, 224, 224])"
        );
        let given = Binding::new().size("batch", 2).shape("mask", [2, 5]).shape("anything", []);
        let shapes: Vec<_> = given.types("model.onnx", &inputs).expect("all").into_iter().map(|ty| ty.shape).collect();
        assert_eq!(shapes, [vec![2, 3], vec![2, 5], vec![], vec![2]]);
    }
}
