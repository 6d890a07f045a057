//! [`File`]: a model in memory or on disk.

use std::path::Path;

use convoke_runtime::parameters::MappedFile;
use prost::Message;
use prost::bytes::Bytes;

use super::source::{Input, Model};
use super::tensor::External;
use super::{Binding, Error, Imported, decode, import, proto};

/// An ONNX file, decoded.
#[derive(Clone, Debug)]
pub struct File {
    model: Model,
}

impl File {
    /// Reads a file; its external data lies in its folder. Weights stay in the files, which are mapped: nobody may change
    /// them while the model or its parameters are in use.
    ///
    /// # Errors
    /// [`Error`], where it cannot be read or is not valid.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, Error> {
        let path = path.as_ref();
        let file = MappedFile::open(path).map_err(|error| Error::Read { path: path.to_owned(), error })?;
        let folder = path.parent().map(|folder| if folder == Path::new("") { Path::new(".") } else { folder });
        let external = External::of_file(file.clone(), folder.map(Path::to_owned));
        Self::read(&path.display().to_string(), Bytes::from_owner(file), &external)
    }

    /// Reads a model in memory; `external` has the content of each file that it refers to, by name.
    ///
    /// # Errors
    /// [`Error`], where it is not valid.
    pub fn from_bytes(
        bytes: impl Into<Bytes>,
        external: impl IntoIterator<Item = (String, Bytes)>,
    ) -> Result<Self, Error> {
        Self::read("model", bytes.into(), &External::in_memory(external.into_iter().collect()))
    }

    fn read(name: &str, bytes: Bytes, external: &External) -> Result<Self, Error> {
        let invalid = |(place, message)| Error::Invalid { model: name.to_owned(), place, message };
        let message = proto::Model::decode(bytes).map_err(|error| invalid(("bytes".to_owned(), error.to_string())))?;
        Ok(Self { model: decode::model(name, &message, external).map_err(invalid)? })
    }

    /// The model's inputs, initializers left out.
    #[must_use]
    pub fn inputs(&self) -> &[Input] {
        &self.model.graph.inputs
    }

    /// The names of its outputs.
    #[must_use]
    pub fn outputs(&self) -> &[String] {
        &self.model.graph.outputs
    }

    /// The network, with what the file leaves open as `binding` says.
    ///
    /// # Errors
    /// [`Error`] names everything that `binding` does not say, or every node that is not supported.
    pub fn import(&self, binding: &Binding) -> Result<Imported, Error> {
        import::import(&self.model, binding)
    }
}
