//! The index of results by id, which `batchfiles.ids.index` writes: read by position, in bounded memory.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

/// A position packs the file's number above this many bits of byte offset; as in `batchfiles.ids.index`.
const OFFSET_BITS: u32 = 48;

/// The line of a result in its file.
pub struct Entry {
    /// The number of the entry.
    pub number: u64,
    /// The number of the file.
    pub file: usize,
    /// Where the line begins.
    pub offset: u64,
    /// Its bytes.
    pub length: usize,
    /// Counted from 1.
    pub line_number: u32,
}

/// What the index has for an id.
pub enum Found {
    /// No result.
    Nothing,
    /// One result, or another id with the same digest.
    One(Entry),
    /// Several entries, or the index can't be read.
    Unclear,
}

/// Where the index is.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct IndexSpec {
    path: PathBuf,
    count: u64,
    shift: u32,
    starts: Vec<u64>,
}

/// Entries of an index that is kept in memory, 24 bytes each; a longer one is read from its file.
const MOST_ENTRIES: u64 = 1 << 20;

/// An open index: the columns digests (64 bits), positions (64), lengths (32) and line numbers (32), one after the other.
pub struct Index {
    stored: Stored,
    count: u64,
    shift: u32,
    starts: Vec<u64>,
}

enum Stored {
    Memory(Vec<u8>),
    Disk(File),
}

impl Stored {
    fn read<'a>(&'a self, buffer: &'a mut [u8], offset: u64) -> Option<&'a [u8]> {
        match self {
            Stored::Memory(bytes) => bytes.get(offset as usize..)?.get(..buffer.len()),
            Stored::Disk(file) => file.read_exact_at(buffer, offset).ok().map(|()| &*buffer),
        }
    }

    fn number<const SIZE: usize>(&self, offset: u64) -> Option<[u8; SIZE]> {
        self.read(&mut [0; SIZE], offset)?.try_into().ok()
    }
}

impl Index {
    /// Open an index.
    pub fn open(spec: IndexSpec) -> Result<Self> {
        let stored = match spec.count {
            0 => Stored::Memory(Vec::new()),
            1..=MOST_ENTRIES => Stored::Memory(std::fs::read(spec.path)?),
            _ => Stored::Disk(File::open(spec.path)?),
        };
        Ok(Index { stored, count: spec.count, shift: spec.shift, starts: spec.starts })
    }

    /// Return what the index has for a digest.
    pub fn find(&self, digest: u64) -> Found {
        if self.count == 0 { Found::Nothing } else { self.look(digest).unwrap_or(Found::Unclear) }
    }

    fn look(&self, digest: u64) -> Option<Found> {
        let bucket = digest.checked_shr(self.shift).unwrap_or(0) as usize;
        let (start, end) = (*self.starts.get(bucket)?, *self.starts.get(bucket + 1)?);
        let mut near = [0; 512];
        let near = self.stored.read(near.get_mut(..8 * end.saturating_sub(start) as usize)?, 8 * start)?;
        let mut digests = near.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        let Some(place) = digests.position(|other| other == digest) else { return Some(Found::Nothing) };
        if digests.next() == Some(digest) {
            return None;
        }
        let number = start + place as u64;
        let position = u64::from_ne_bytes(self.stored.number(8 * (self.count + number))?);
        Some(Found::One(Entry {
            number,
            file: (position >> OFFSET_BITS) as usize,
            offset: position & ((1 << OFFSET_BITS) - 1),
            length: u32::from_ne_bytes(self.stored.number(16 * self.count + 4 * number)?) as usize,
            line_number: u32::from_ne_bytes(self.stored.number(20 * self.count + 4 * number)?),
        }))
    }
}

/// Return the digests of ids in UTF-8 that a function of Python makes of all of them.
pub fn digests<'a>(digests_of: &Bound<PyAny>, ids: impl Iterator<Item = &'a [u8]>) -> PyResult<Vec<u64>> {
    let py = digests_of.py();
    digests_of.call1((PyList::new(py, ids.map(|id| PyBytes::new(py, id)).collect::<Vec<_>>())?,))?.extract()
}

/// Entries of an index that is built, in the order of the lines, as `batchfiles.ids.index.IndexEntries` has them.
#[derive(Default)]
pub struct Entries {
    digests: Vec<Option<u64>>,
    positions: Vec<u64>,
    lengths: Vec<u32>,
    line_numbers: Vec<u32>,
    block: usize,
}

impl Entries {
    /// Begin a block.
    pub fn begin(&mut self) {
        self.block = self.digests.len();
    }

    /// Add a line; without a digest it has no entry.
    pub fn push(&mut self, digest: Option<u64>, file: u32, offset: u64, length: usize, line_number: u32) {
        self.digests.push(digest);
        self.positions.push(u64::from(file) << OFFSET_BITS | offset);
        self.lengths.push(length as u32);
        self.line_numbers.push(line_number);
    }

    /// Return the digest of a line of the block.
    pub fn digest(&self, number: usize) -> Option<u64> {
        self.digests.get(self.block + number).copied().flatten()
    }

    /// Change the digests of lines of the block, from this one on.
    pub fn set(&mut self, number: usize, digests: &[Option<u64>]) {
        for (own, digest) in self.digests.iter_mut().skip(self.block + number).zip(digests) {
            *own = *digest;
        }
    }

    /// Pack the columns one after the other, and start again.
    pub fn take(&mut self) -> Vec<u8> {
        let Entries { digests, positions, lengths, line_numbers, .. } = std::mem::take(self);
        let has_digest = || digests.iter().map(Option::is_some);
        let wide = |numbers: Vec<u64>| -> Vec<[u8; 8]> { kept(numbers, has_digest()).map(u64::to_ne_bytes).collect() };
        let narrow = |numbers: Vec<u32>| -> Vec<[u8; 4]> { kept(numbers, has_digest()).map(u32::to_ne_bytes).collect() };
        let own: Vec<[u8; 8]> = digests.iter().flatten().map(|digest| digest.to_ne_bytes()).collect();
        [own.concat(), wide(positions).concat(), narrow(lengths).concat(), narrow(line_numbers).concat()].concat()
    }
}

fn kept<T>(numbers: Vec<T>, has_digest: impl Iterator<Item = bool>) -> impl Iterator<Item = T> {
    numbers.into_iter().zip(has_digest).filter_map(|(number, has)| has.then_some(number))
}
