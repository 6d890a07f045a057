//! Zip archives of stored entries, as PyTorch writes them, read from their central directory at the end.
//!
//! Nothing is inflated or copied: an entry is a range of the file's bytes. Therefore entries that overlap gain nothing,
//! and what a directory may claim is bounded by its own length. Checksums are not verified: tensors are read where they
//! are mapped. The format is PKWARE's APPNOTE 6.3.10, sections 4.3 (records) and 4.5.3 (64-bit fields).

use std::collections::BTreeMap;
use std::ops::Range;

/// The entries of an archive.
#[derive(Debug)]
pub(super) struct Archive<'a> {
    /// By name: where the bytes lie in the file, or how else the entry is stored.
    entries: BTreeMap<&'a str, Result<Range<usize>, &'static str>>,
}

/// Bytes that are no such archive.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ZipError {
    /// A record is not where it should be.
    #[error("zip: expected {what} at byte {at} (is the file truncated?)")]
    Record {
        /// What should stand there.
        what: &'static str,
        /// Byte of the file.
        at: usize,
    },
    /// There is no end of the central directory.
    #[error("zip: there is no central directory in the file's last 64 KiB (is the file truncated?)")]
    End,
    /// The directory has more or fewer entries than it says.
    #[error("zip: the directory says that it has {stated} entries, it has {found}")]
    Count {
        /// Entries as stated.
        stated: u64,
        /// Entries that there are.
        found: u64,
    },
    /// An entry is not stored as it is.
    #[error("zip: entry `{name}` {how}; PyTorch stores entries as they are")]
    Entry {
        /// Its name.
        name: String,
        /// How it is stored.
        how: &'static str,
    },
    /// Two entries have one name.
    #[error("zip: there are two entries `{name}`")]
    Duplicate {
        /// The name.
        name: String,
    },
}

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";
const END_64: &[u8] = b"PK\x06\x06";
const LOCATOR_64: &[u8] = b"PK\x06\x07";

/// Bytes of the end record without its comment, and of the 64-bit locator before it.
const END_LEN: usize = 22;
const LOCATOR_64_LEN: usize = 20;

impl<'a> Archive<'a> {
    /// Reads the directory.
    pub(super) fn read(file: &'a [u8]) -> Result<Self, ZipError> {
        let directory = directory(file)?;
        let mut entries = BTreeMap::new();
        let mut at = directory.bytes.start;
        let mut found = 0;
        while at < directory.bytes.end {
            let record = Record::new(file, at..directory.bytes.end, CENTRAL, "an entry of the directory")?;
            let (name, bytes, next) = entry(file, &record, directory.bytes.start)?;
            if entries.insert(name, bytes).is_some() {
                return Err(ZipError::Duplicate { name: name.to_owned() });
            }
            at = next;
            found += 1;
        }
        let stated = directory.count;
        if found == stated { Ok(Self { entries }) } else { Err(ZipError::Count { stated, found }) }
    }

    /// The names, sorted.
    pub(super) fn names(&self) -> impl Iterator<Item = &'a str> {
        self.entries.keys().copied()
    }

    /// Where the bytes of an entry lie in the file; `None` where there is no such entry.
    pub(super) fn get(&self, name: &str) -> Result<Option<Range<usize>>, ZipError> {
        match self.entries.get(name) {
            Some(Err(how)) => Err(ZipError::Entry { name: name.to_owned(), how }),
            Some(Ok(bytes)) => Ok(Some(bytes.clone())),
            None => Ok(None),
        }
    }
}

struct Directory {
    bytes: Range<usize>,
    count: u64,
}

fn directory(file: &[u8]) -> Result<Directory, ZipError> {
    // A comment of at most 65,535 bytes may follow the end record, whose last field is its length.
    let earliest = file.len().saturating_sub(END_LEN + usize::from(u16::MAX));
    let latest = file.len().checked_sub(END_LEN).ok_or(ZipError::End)?;
    let comment_fits = |at: usize| file.len() - at - END_LEN == usize::from(u16_at(file, at + 20));
    let end = (earliest..=latest).rev().find(|at| file[*at..].starts_with(END) && comment_fits(*at));
    let end = end.ok_or(ZipError::End)?;
    let locator = end.checked_sub(LOCATOR_64_LEN).filter(|at| file[*at..].starts_with(LOCATOR_64));
    let (count, length, start, limit) = match locator {
        Some(locator) => {
            let at = clamped(u64_at(file, locator + 8));
            let record = Record::new(file, at..locator, END_64, "the 64-bit end of the directory")?;
            (record.u64(32)?, record.u64(40)?, record.u64(48)?, at)
        }
        None => (
            u64::from(u16_at(file, end + 10)),
            u64::from(u32_at(file, end + 12)),
            u64::from(u32_at(file, end + 16)),
            end,
        ),
    };
    let start = clamped(start);
    match start.checked_add(clamped(length)).filter(|stop| *stop <= limit) {
        Some(stop) => Ok(Directory { bytes: start..stop, count }),
        None => Err(ZipError::Record { what: "the directory", at: start }),
    }
}

/// An entry's name, where its bytes lie or how else it is stored, and the byte after its record in the directory.
type Entry<'a> = (&'a str, Result<Range<usize>, &'static str>, usize);

/// The entry that a record of the directory describes. Data ends before byte `limit`.
fn entry<'a>(file: &'a [u8], record: &Record<'a>, limit: usize) -> Result<Entry<'a>, ZipError> {
    let [name_len, extra_len, comment_len] = [28, 30, 32].map(|at| record.u16(at).map(usize::from));
    let (name_len, extra_len) = (name_len?, extra_len?);
    let next = 46 + name_len + extra_len + comment_len?;
    let name = str::from_utf8(record.slice(46..46 + name_len)?);
    let name = name.map_err(|_| ZipError::Record { what: "a name in UTF-8", at: record.at + 46 })?;
    let extra = record.slice(46 + name_len..46 + name_len + extra_len)?;
    record.slice(next..next)?;
    let entry = |bytes| (name, bytes, record.at + next);

    if record.u16(8)? & 1 != 0 {
        return Ok(entry(Err("is encrypted")));
    }
    if record.u16(10)? != 0 {
        return Ok(entry(Err("is compressed")));
    }
    // Fields that do not fit in 32 bits are all ones, and stand in the extra field, in this order.
    let mut wide = wide_fields(extra);
    let mut field = |at| -> Result<Option<usize>, ZipError> {
        let narrow = record.u32(at)?;
        let field = if narrow == u32::MAX { wide.next() } else { Some(u64::from(narrow)) };
        Ok(field.map(clamped))
    };
    let (Some(size), Some(stored), Some(offset)) = (field(24)?, field(20)?, field(42)?) else {
        return Ok(entry(Err("lacks a 64-bit field")));
    };
    if stored != size {
        return Ok(entry(Err("has two sizes")));
    }
    let local = Record::new(file, offset..limit, LOCAL, "the header of an entry")?;
    let (local_name, local_extra) = (usize::from(local.u16(26)?), usize::from(local.u16(28)?));
    if local.slice(30..30 + local_name)? != name.as_bytes() {
        return Ok(entry(Err("has two names")));
    }
    let start = offset + 30 + local_name + local_extra;
    let end = start.checked_add(size).filter(|end| *end <= limit);
    Ok(entry(end.map(|end| start..end).ok_or("exceeds the file")))
}

/// The numbers of the extra field with 64-bit ones.
fn wide_fields(mut extra: &[u8]) -> impl Iterator<Item = u64> {
    let mut fields: &[u8] = &[];
    while let [a, b, c, d, rest @ ..] = extra {
        let (id, length) = (u16::from_le_bytes([*a, *b]), u16::from_le_bytes([*c, *d]));
        let (field, rest) = rest.split_at(usize::from(length).min(rest.len()));
        if id == 1 {
            fields = field;
            break;
        }
        extra = rest;
    }
    fields.as_chunks().0.iter().map(|bytes| u64::from_le_bytes(*bytes))
}

/// A record: bytes from its signature to what it may not exceed.
struct Record<'a> {
    bytes: &'a [u8],
    /// Its place in the file.
    at: usize,
    /// What it is.
    what: &'static str,
}

impl<'a> Record<'a> {
    fn new(file: &'a [u8], range: Range<usize>, signature: &[u8], what: &'static str) -> Result<Self, ZipError> {
        let at = range.start;
        let bytes = file.get(range).filter(|bytes| bytes.starts_with(signature));
        bytes.map(|bytes| Self { bytes, at, what }).ok_or(ZipError::Record { what, at })
    }

    fn slice(&self, range: Range<usize>) -> Result<&'a [u8], ZipError> {
        self.bytes.get(range).ok_or(ZipError::Record { what: self.what, at: self.at })
    }

    fn u16(&self, at: usize) -> Result<u16, ZipError> {
        Ok(u16_at(self.slice(at..at + 2)?, 0))
    }

    fn u32(&self, at: usize) -> Result<u32, ZipError> {
        Ok(u32_at(self.slice(at..at + 4)?, 0))
    }

    fn u64(&self, at: usize) -> Result<u64, ZipError> {
        Ok(u64_at(self.slice(at..at + 8)?, 0))
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    std::array::from_fn(|i| bytes[at + i])
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(bytes_at(bytes, at))
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes_at(bytes, at))
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes_at(bytes, at))
}

/// A place or length, where one that no memory has becomes the largest that there is.
fn clamped(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
