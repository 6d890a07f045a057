//! Parameters in files.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use memmap2::Mmap;
#[cfg(target_os = "linux")]
use memmap2::UncheckedAdvice;

use super::{FormatError, Parameters, safetensors};

/// A file in memory: mapped, not read. Clones share it.
///
/// As with every mapped file, nobody may change it while it is in use: put a new one in its place instead.
#[derive(Clone, Debug)]
pub struct MappedFile(Arc<Mmap>);

impl MappedFile {
    /// Maps a file.
    ///
    /// # Errors
    /// What the system says.
    pub fn open(path: impl AsRef<Path>) -> io::Result<Self> {
        let file = File::open(path)?;
        // SAFETY: the file is only read through this mapping; that no other process changes it meanwhile is what is
        // asked of the caller.
        let mapped = unsafe { Mmap::map(&file) }?;
        Ok(Self(Arc::new(mapped)))
    }

    /// Lets the system take back the memory of these bytes, which are read from the file again when needed.
    pub(super) fn release(&self, bytes: &Range<usize>) {
        // SAFETY: the mapping is of a file, shared and never written: its pages come back as they were.
        #[cfg(target_os = "linux")]
        let _ = unsafe { self.0.unchecked_advise_range(UncheckedAdvice::DontNeed, bytes.start, bytes.len()) };
        // Elsewhere what pages cost is up to the system.
        #[cfg(not(target_os = "linux"))]
        let _ = bytes;
    }
}

impl AsRef<[u8]> for MappedFile {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Parameters {
    /// The parameters in a file: safetensors, or a dict of tensors as `torch.save` writes it (`.pth`, `.pt`) from
    /// PyTorch 1.6 on. Its first bytes tell which.
    ///
    /// Nothing of a PyTorch file is executed: what its pickle holds besides tensors, dicts, lists, tuples, texts and
    /// numbers is refused. The dict may be in another, as checkpoints have it, under `state_dict`,
    /// `model_state_dict`, `model`, `net` or `params`; a `module.` before all names, of `DataParallel`, is left out.
    ///
    /// The file is mapped, not read; float32 tensors stay in it, float16, bfloat16 and float64 are converted, and
    /// BatchNorm's counters `num_batches_tracked` are left out. Nobody may change a [`MappedFile`] that is in use;
    /// [`Parameters::save`] puts a new one in its place.
    ///
    /// # Errors
    /// [`FileError`] names the file.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, FileError> {
        load(path.as_ref())
    }

    /// Writes a safetensors file, float32, sorted by name. A file that was there before is replaced at once when all
    /// is written: who has it mapped keeps the old one.
    ///
    /// # Errors
    /// [`FileError::Write`], and then the file that was there before is still there.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<(), FileError> {
        let path = path.as_ref();
        save(self, path).map_err(|error| FileError::Write { path: path.to_owned(), error })
    }
}

fn load(path: &Path) -> Result<Parameters, FileError> {
    let file = MappedFile::open(path).map_err(|error| FileError::Read { path: path.to_owned(), error })?;
    Parameters::from_mapped(&file).map_err(|error| FileError::Format { path: path.to_owned(), error })
}

fn save(parameters: &Parameters, path: &Path) -> io::Result<()> {
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(format!(".{}.partial", std::process::id()));
    let partial = path.with_file_name(name);
    let written = (|| {
        let mut out = BufWriter::new(File::create(&partial)?);
        safetensors::write(parameters, &mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&partial, path)
    })();
    if written.is_err() {
        // The error that is reported is the first one; a file that is not there needs no removal.
        let _ = fs::remove_file(&partial);
    }
    written
}

/// A file of parameters that cannot be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FileError {
    /// The system does not let us read it.
    #[error("cannot read {}: {error}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The system does not let us write it.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// It is no file of parameters.
    #[error("{}: {error}", path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        error: FormatError,
    },
}
