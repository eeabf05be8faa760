//! The index of results by id, which `batchfiles.ids.index` writes: read by position, in bounded memory.

use std::fs::File;
use std::io::Result;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use pyo3::prelude::*;

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

/// An open index: the columns digests (64 bits), positions (64), lengths (32) and line numbers (32), one after the other.
pub struct Index {
    file: Option<File>,
    count: u64,
    shift: u32,
    starts: Vec<u64>,
}

impl Index {
    /// Open an index.
    pub fn open(spec: IndexSpec) -> Result<Self> {
        let file = if spec.count == 0 { None } else { Some(File::open(spec.path)?) };
        Ok(Index { file, count: spec.count, shift: spec.shift, starts: spec.starts })
    }

    /// Return what the index has for a digest.
    pub fn find(&self, digest: u64) -> Found {
        match &self.file {
            Some(file) => self.look(file, digest).unwrap_or(Found::Unclear),
            None => Found::Nothing,
        }
    }

    fn look(&self, file: &File, digest: u64) -> Result<Found> {
        let bucket = digest.checked_shr(self.shift).unwrap_or(0) as usize;
        let (Some(start), Some(end)) = (self.starts.get(bucket), self.starts.get(bucket + 1)) else { return Ok(Found::Unclear) };
        let mut near = [0; 512];
        let Some(near) = near.get_mut(..8 * end.saturating_sub(*start) as usize) else { return Ok(Found::Unclear) };
        file.read_exact_at(near, 8 * start)?;
        let mut digests = near.as_chunks::<8>().0.iter().map(|bytes| u64::from_ne_bytes(*bytes));
        let Some(place) = digests.position(|other| other == digest) else { return Ok(Found::Nothing) };
        if digests.next() == Some(digest) {
            return Ok(Found::Unclear);
        }
        let number = start + place as u64;
        let position = u64::from_ne_bytes(read(file, 8 * (self.count + number))?);
        Ok(Found::One(Entry {
            number,
            file: (position >> OFFSET_BITS) as usize,
            offset: position & ((1 << OFFSET_BITS) - 1),
            length: u32::from_ne_bytes(read(file, 16 * self.count + 4 * number)?) as usize,
            line_number: u32::from_ne_bytes(read(file, 20 * self.count + 4 * number)?),
        }))
    }
}

fn read<const SIZE: usize>(file: &File, offset: u64) -> Result<[u8; SIZE]> {
    let mut bytes = [0; SIZE];
    file.read_exact_at(&mut bytes, offset)?;
    Ok(bytes)
}
