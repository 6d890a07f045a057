//! IDX, the file format of MNIST: a header of big-endian words, then bytes. The files are compressed with gzip.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;

/// The first three bytes of an IDX file of unsigned bytes; the fourth is the number of dimensions.
const MAGIC: [u8; 3] = [0, 0, 8];
/// More bytes than any file of MNIST has; a header that promises more is not trusted with memory.
const LIMIT: usize = 1 << 28;

/// An array of bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Idx<const RANK: usize> {
    /// Its dimensions, outermost first.
    pub(crate) shape: [usize; RANK],
    /// Its elements, row-major.
    pub(crate) bytes: Vec<u8>,
}

/// A file that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("{}: {reason}", path.display())]
pub(crate) struct FileError {
    path: PathBuf,
    reason: IdxError,
}

/// What is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum IdxError {
    /// It cannot be opened, is not gzip, or ends early.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// It is of another format, or of other elements than bytes.
    #[error("expected an IDX file of unsigned bytes, which begins with 00 00 08; found {:02x} {:02x} {:02x}", found[0], found[1], found[2])]
    Magic { found: [u8; 3] },
    #[error("expected {expected} dimensions, found {found}")]
    Rank { expected: usize, found: u8 },
    #[error("dimensions {shape:?} make more than {LIMIT} bytes")]
    TooLarge { shape: Vec<usize> },
    #[error("dimensions {shape:?} make {expected} bytes, the file has {}", if *more { "more".to_owned() } else { found.to_string() })]
    Length { shape: Vec<usize>, expected: usize, found: usize, more: bool },
}

/// Reads the file at `path`, compressed with gzip.
pub(crate) fn read<const RANK: usize>(path: &Path) -> Result<Idx<RANK>, FileError> {
    let read = || parse(GzDecoder::new(File::open(path)?));
    read().map_err(|reason| FileError { path: path.to_owned(), reason })
}

/// Reads an array of `RANK` dimensions.
pub(crate) fn parse<const RANK: usize>(mut reader: impl Read) -> Result<Idx<RANK>, IdxError> {
    let mut header = [0; 4];
    reader.read_exact(&mut header)?;
    let [a, b, c, rank] = header;
    if [a, b, c] != MAGIC {
        return Err(IdxError::Magic { found: [a, b, c] });
    }
    if usize::from(rank) != RANK {
        return Err(IdxError::Rank { expected: RANK, found: rank });
    }
    let mut shape = [0; RANK];
    for dimension in &mut shape {
        let mut word = [0; 4];
        reader.read_exact(&mut word)?;
        *dimension = u32::from_be_bytes(word) as usize;
    }
    let expected = shape
        .iter()
        .try_fold(1_usize, |product, dimension| product.checked_mul(*dimension))
        .filter(|product| *product <= LIMIT)
        .ok_or_else(|| IdxError::TooLarge { shape: shape.to_vec() })?;
    let mut bytes = Vec::new();
    reader.take(expected as u64 + 1).read_to_end(&mut bytes)?;
    if bytes.len() != expected {
        let (found, more) = (bytes.len(), bytes.len() > expected);
        return Err(IdxError::Length { shape: shape.to_vec(), expected, found, more });
    }
    Ok(Idx { shape, bytes })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(header: [u8; 4], shape: &[u32], bytes: usize) -> Vec<u8> {
        let dimensions = shape.iter().flat_map(|dimension| dimension.to_be_bytes());
        header.into_iter().chain(dimensions).chain((0..bytes).map(|i| i as u8)).collect()
    }

    #[test]
    fn reads_what_it_describes() {
        let idx = parse::<3>(&*file([0, 0, 8, 3], &[2, 1, 3], 6)).unwrap();
        assert_eq!(idx, Idx { shape: [2, 1, 3], bytes: vec![0, 1, 2, 3, 4, 5] });
    }

    #[test]
    fn refuses_everything_else() {
        let message = |bytes: &[u8]| parse::<2>(bytes).unwrap_err().to_string();
        let table: [(Vec<u8>, &str); 7] = [
            (vec![0, 0], "failed to fill whole buffer"),
            (file([0x50, 0x4b, 3, 4], &[], 0), "begins with 00 00 08; found 50 4b 03"),
            (file([0, 0, 8, 3], &[1, 2, 3], 6), "expected 2 dimensions, found 3"),
            (file([0, 0, 8, 2], &[7], 0), "failed to fill whole buffer"),
            (file([0, 0, 8, 2], &[u32::MAX, u32::MAX], 0), "make more than"),
            (file([0, 0, 8, 2], &[2, 3], 5), "[2, 3] make 6 bytes, the file has 5"),
            (file([0, 0, 8, 2], &[2, 3], 9), "[2, 3] make 6 bytes, the file has more"),
        ];
        for (bytes, expected) in table {
            let message = message(&bytes);
            assert!(message.contains(expected), "{message:?} lacks {expected:?}");
        }
    }

    #[test]
    fn names_the_file() {
        let error = read::<1>(Path::new("no/such/file.gz")).unwrap_err();
        assert!(error.to_string().starts_with("no/such/file.gz: "), "{error}");
        let error = read::<1>(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))).unwrap_err();
        assert!(error.to_string().ends_with("invalid gzip header"), "{error}");
    }
}
