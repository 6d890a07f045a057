//! Named tensors in numpy's `.npz` files: a zip archive of `.npy` files.

use std::error::Error;
use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::path::Path;

use convoke::{Graph, Tensor};
use npyz::{NpyFile, Order, TypeChar, WriterBuilder, npz};
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

/// The arrays of a file.
#[derive(Debug)]
pub(crate) struct Arrays {
    /// The file, for messages.
    file: String,
    tensors: Vec<(String, Tensor)>,
}

impl Arrays {
    /// Reads a file; see [`read`].
    pub(crate) fn read(path: &Path) -> Result<Self, Box<dyn Error>> {
        Ok(Self { file: path.display().to_string(), tensors: read(path)? })
    }

    /// The array of this name.
    pub(crate) fn find(&self, name: &str) -> Option<&Tensor> {
        self.tensors.iter().find(|(known, _)| known == name).map(|(_, tensor)| tensor)
    }

    /// The arrays `in:NAME` of a network's inputs, in its order; where there is one of each, the name does not matter.
    pub(crate) fn inputs(&self, graph: &Graph) -> Result<Vec<&Tensor>, Box<dyn Error>> {
        self.all("in", graph.inputs().iter().map(|id| graph.node(*id).name.as_str()).collect())
    }

    /// The arrays `out:NAME` of a network's outputs, in the same way.
    pub(crate) fn outputs(&self, graph: &Graph) -> Result<Vec<&Tensor>, Box<dyn Error>> {
        self.all("out", graph.outputs().iter().map(|(name, _)| name.as_str()).collect())
    }

    fn all(&self, kind: &str, names: Vec<&str>) -> Result<Vec<&Tensor>, Box<dyn Error>> {
        let found: Vec<(&str, &Tensor)> = self
            .tensors
            .iter()
            .filter_map(|(name, tensor)| Some((name.strip_prefix(kind)?.strip_prefix(':')?, tensor)))
            .collect();
        if let ([_], [(_, tensor)]) = (&names[..], &found[..]) {
            return Ok(vec![tensor]);
        }
        let find = |name: &&str| found.iter().find(|(known, _)| known == name).map(|(_, tensor)| *tensor);
        let missing: Vec<_> =
            names.iter().filter(|name| find(name).is_none()).map(|name| format!("`{kind}:{name}`")).collect();
        if !missing.is_empty() {
            return Err(format!("{}: there is no array {}", self.file, missing.join(", ")).into());
        }
        Ok(names.iter().filter_map(find).collect())
    }
}

/// The arrays of a file in its order, as float32; arrays of other types of numbers are converted.
fn read(path: &Path) -> Result<Vec<(String, Tensor)>, Box<dyn Error>> {
    let place = |error: &dyn ToString| format!("{}: {}", path.display(), error.to_string());
    let file = File::open(path).map_err(|error| place(&error))?;
    let mut archive = ZipArchive::new(BufReader::new(file)).map_err(|error| place(&error))?;
    let mut tensors = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|error| place(&error))?;
        let file = entry.name().map_err(|error| place(&error))?.into_owned();
        let Some(name) = npz::array_name_from_file_name(&file).map(str::to_owned) else { continue };
        let tensor = NpyFile::new(entry).map_err(Into::into).and_then(tensor);
        tensors.push((name.clone(), tensor.map_err(|error| place(&format!("array `{name}`: {error}")))?));
    }
    Ok(tensors)
}

fn tensor(array: NpyFile<impl std::io::Read>) -> Result<Tensor, Box<dyn Error>> {
    if array.order() == Order::Fortran && array.shape().len() > 1 {
        return Err("is in Fortran's order; save a C-contiguous array".into());
    }
    let shape = array.shape().iter().map(|&dim| usize::try_from(dim)).collect::<Result<Vec<_>, _>>()?;
    let npyz::DType::Plain(ty) = array.dtype() else { return Err("has fields, not numbers".into()) };
    let elements: Vec<f32> = match (ty.type_char(), ty.size_field()) {
        (TypeChar::Float, 4) => array.into_vec()?,
        (TypeChar::Float, 8) => array.into_vec::<f64>()?.into_iter().map(|value| value as f32).collect(),
        (TypeChar::Int, 8) => array.into_vec::<i64>()?.into_iter().map(|value| value as f32).collect(),
        (TypeChar::Int, 4) => array.into_vec::<i32>()?.into_iter().map(|value| value as f32).collect(),
        (TypeChar::Uint, 1) => array.into_vec::<u8>()?.into_iter().map(f32::from).collect(),
        (TypeChar::Bool, 1) => array.into_vec::<bool>()?.into_iter().map(|value| f32::from(u8::from(value))).collect(),
        _ => {
            return Err(
                format!("has elements of type {ty}; float32, float64, int32, int64, uint8 and bool are read").into()
            );
        }
    };
    Ok(Tensor::from_vec(&shape, elements)?)
}

/// Writes a file of these tensors.
pub(crate) fn write(path: &Path, tensors: &[(String, &Tensor)]) -> Result<(), Box<dyn Error>> {
    let file = File::create(path).map_err(|error| format!("cannot write {}: {error}", path.display()))?;
    let mut archive = ZipWriter::new(BufWriter::new(file));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored).large_file(true);
    for (name, tensor) in tensors {
        archive.start_file(npz::file_name_from_array_name(name), options)?;
        let shape: Vec<u64> = tensor.shape().iter().map(|&dim| dim as u64).collect();
        let array = npyz::WriteOptions::new().default_dtype().shape(&shape).writer(&mut archive).begin_nd();
        let mut array = array?;
        array.extend(tensor.data().iter().copied())?;
        array.finish()?;
    }
    archive.finish()?.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let path = std::env::temp_dir().join(format!("convoke-npz-{}.npz", std::process::id()));
        let a = Tensor::from_vec(&[2, 3], vec![1.0, -2.0, 3.5, f32::INFINITY, 0.0, 1e-40]).unwrap();
        let b = Tensor::from_vec(&[], vec![7.0]).unwrap();
        write(&path, &[("in:x".to_owned(), &a), ("a/b".to_owned(), &b)]).unwrap();
        let read = read(&path).unwrap();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(read, [("in:x".to_owned(), a), ("a/b".to_owned(), b)]);
    }
}
