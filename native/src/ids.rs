//! Lines and the ids at their beginning, found without decoding: for jobs that copy lines, and for the index of results.
//!
//! An id is plain if decoding can give no other: it follows the opening brace, or one string with the key `id`; nothing up to its
//! end is an escape; and the key `custom_id` is nowhere else in the line, also not with letters as escapes.

use std::collections::HashSet;
use std::ops::Range;

use memchr::memmem::Finder;
use memchr::{memchr, memchr_iter, memchr2, memmem};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::grammar::RequestLine;
use crate::rows::MOST_BYTES;

/// The key of an id, without its quotes and with them.
const NAME: &[u8] = b"custom_id";
const KEY: &[u8] = b"\"custom_id\"";

/// What escapes of ASCII characters begin with.
const ESCAPE: &[u8] = b"\\u00";

/// Parts of the digests, by their last bits; as in `batchfiles.ids.unique`.
const PARTITIONS: usize = 64;

/// A position packs the file's number above this many bits of byte offset; as in `batchfiles.ids.index`.
const OFFSET_BITS: u32 = 48;

/// Finds plain ids.
struct IdFinder {
    key: Finder<'static>,
    escape: Finder<'static>,
}

impl IdFinder {
    fn new() -> Self {
        IdFinder { key: Finder::new(KEY), escape: Finder::new(ESCAPE) }
    }

    /// Return the id of a line; None if it is not plain.
    fn find<'a>(&self, line: &'a [u8]) -> Option<&'a str> {
        let (mut key, mut rest) = string(after(line, b'{')?)?;
        if key == b"id" {
            let (_, other) = string(after(rest, b':')?)?;
            (key, rest) = string(after(other, b',')?)?;
        }
        let (id, _) = string(after(rest, b':')?)?;
        let is_plain = key == NAME && self.is_once(line) && !self.is_escaped(line);
        if is_plain { std::str::from_utf8(id).ok() } else { None }
    }

    /// Return whether the key is in a line once.
    fn is_once(&self, line: &[u8]) -> bool {
        self.key.find_iter(line).take(2).count() == 1
    }

    /// Return whether a letter of the key is in a line as an escape.
    fn is_escaped(&self, line: &[u8]) -> bool {
        has_escape(line, &self.escape, NAME)
    }
}

/// Return whether one of some ASCII letters is in a text as an escape.
fn has_escape(text: &[u8], escape: &Finder, letters: &[u8]) -> bool {
    escape.find_iter(text).any(|at| {
        let digits = text.get(at + ESCAPE.len()..at + ESCAPE.len() + 2).and_then(|digits| std::str::from_utf8(digits).ok());
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()).is_some_and(|letter| letters.contains(&letter))
    })
}

/// Return what follows a byte, after white space.
fn after(text: &[u8], byte: u8) -> Option<&[u8]> {
    let start = text.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r'))?;
    text.get(start..)?.strip_prefix(&[byte])
}

/// Return a string without escapes, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = after(text, b'"')?;
    let end = memchr2(b'"', b'\\', text)?;
    let (string, rest) = text.split_at_checked(end)?;
    Some((string, rest.strip_prefix(b"\"")?))
}

/// The lines of a text, each with its newline.
fn lines(text: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        let rest = text.get(start..).filter(|rest| !rest.is_empty())?;
        let end = start + memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        Some(std::mem::replace(&mut start, end)..end)
    })
}

/// As Python's `bytes.isspace`.
fn is_blank(line: &[u8]) -> bool {
    line.iter().all(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c))
}

/// Return how many newlines a text has.
#[pyfunction]
pub fn count_newlines(py: Python, text: &[u8]) -> usize {
    py.detach(|| memchr_iter(b'\n', text).count())
}

/// Return whether a text has a word, or an escape of one of its letters, which are ASCII.
#[pyfunction]
pub fn may_hold(py: Python, text: &[u8], word: &[u8]) -> bool {
    py.detach(|| memmem::find(text, word).is_some() || has_escape(text, &Finder::new(ESCAPE), word))
}

/// Return the number of lines, the length of the longest with its newline, and the numbers of blank lines.
#[pyfunction]
pub fn measure_lines(py: Python, text: &[u8]) -> (usize, usize, Vec<usize>) {
    py.detach(|| {
        let (mut count, mut longest, mut blank) = (0, 0, Vec::new());
        for line in lines(text) {
            longest = longest.max(line.len());
            if text.get(line).is_some_and(is_blank) {
                blank.push(count);
            }
            count += 1;
        }
        (count, longest, blank)
    })
}

/// Selects the lines of listed ids.
#[pyclass]
pub struct ListedIds {
    ids: HashSet<String>,
    finder: IdFinder,
}

#[pymethods]
impl ListedIds {
    #[new]
    fn new(ids: HashSet<String>) -> Self {
        ListedIds { ids, finder: IdFinder::new() }
    }

    /// Return the lines whose id is listed or not plain: where each begins and ends, the id, and whether it is a plain request.
    fn find<'py>(&self, py: Python<'py>, text: &'py [u8]) -> Vec<(usize, usize, Option<&'py str>, bool)> {
        py.detach(|| {
            let mut found = Vec::new();
            for range in lines(text) {
                let Some(line) = text.get(range.clone()) else { continue };
                let id = self.finder.find(line);
                if id.is_none_or(|id| self.ids.contains(id)) {
                    found.push((range.start, range.end, id, id.is_some() && is_request(line)));
                }
            }
            found
        })
    }
}

/// Return whether a line is certainly a request.
fn is_request(line: &[u8]) -> bool {
    let text = if line.len() > MOST_BYTES { None } else { std::str::from_utf8(line).ok() };
    text.is_some_and(|text| serde_json::from_str::<RequestLine>(text).is_ok())
}

/// Reads the ids of many lines, and keeps their digests.
#[pyclass]
pub struct PlainIds {
    known: HashSet<i64>,
    digests: [Vec<i64>; PARTITIONS],
    finder: IdFinder,
}

#[pymethods]
impl PlainIds {
    #[new]
    fn new(known: HashSet<i64>) -> Self {
        PlainIds { known, digests: std::array::from_fn(|_| Vec::new()), finder: IdFinder::new() }
    }

    /// Keep the digests of the ids of a text, and return the ids, with a newline between; None if not all are plain, ASCII and new.
    fn read<'py>(&mut self, py: Python<'py>, text: &[u8]) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let finder = &self.finder;
        let id_of = |line| finder.find(text.get(line)?).filter(|id| id.is_ascii());
        let Some(ids) = py.detach(|| lines(text).map(id_of).collect::<Option<Vec<_>>>()) else { return Ok(None) };
        let digests = ids.iter().map(|id| digest(py, id)).collect::<PyResult<Vec<_>>>()?;
        if digests.iter().any(|digest| self.known.contains(digest)) {
            return Ok(None);
        }
        for digest in digests {
            if let Some(part) = self.digests.get_mut(digest as usize % PARTITIONS) {
                part.push(digest);
            }
        }
        Ok(Some(PyBytes::new(py, ids.join("\n").as_bytes())))
    }

    /// Return the digests by their last bits, and forget them.
    fn take<'py>(&mut self, py: Python<'py>) -> Vec<Bound<'py, PyBytes>> {
        let parts = std::mem::replace(&mut self.digests, std::array::from_fn(|_| Vec::new()));
        parts.iter().map(|part| PyBytes::new(py, &packed(part, i64::to_ne_bytes))).collect()
    }
}

/// Return the digests that are there more than once.
#[pyfunction]
pub fn repeated(py: Python, digests: &[u8]) -> Vec<i64> {
    py.detach(|| {
        let mut digests: Vec<i64> = digests.as_chunks::<8>().0.iter().map(|bytes| i64::from_ne_bytes(*bytes)).collect();
        digests.sort_unstable();
        let mut found: Vec<i64> = digests.iter().zip(digests.iter().skip(1)).filter(|(a, b)| a == b).map(|(a, _)| *a).collect();
        found.dedup();
        found
    })
}

/// Python's hash of an id.
fn digest(py: Python, id: &str) -> PyResult<i64> {
    Ok(PyBytes::new(py, id.as_bytes()).hash()? as i64)
}

/// Return the bytes of numbers, one after the other.
fn packed<T: Copy, const SIZE: usize>(numbers: &[T], bytes: fn(T) -> [u8; SIZE]) -> Vec<u8> {
    numbers.iter().flat_map(|number| bytes(*number)).collect()
}

/// Entries of the index of results, in the order of the lines.
#[pyclass]
#[derive(Default)]
pub struct IndexEntries {
    digests: Vec<u64>,
    positions: Vec<u64>,
    lengths: Vec<u32>,
    line_numbers: Vec<u32>,
}

#[pymethods]
impl IndexEntries {
    #[new]
    fn new() -> Self {
        IndexEntries::default()
    }

    fn __len__(&self) -> usize {
        self.digests.len()
    }

    /// Add one line.
    fn add(&mut self, digest: u64, file: u64, offset: u64, length: u32, line_number: u32) {
        self.digests.push(digest);
        self.positions.push(file << OFFSET_BITS | offset);
        self.lengths.push(length);
        self.line_numbers.push(line_number);
    }

    /// Add neighbouring lines of a file, which are given without their newlines.
    ///
    /// `digest_of` gets the number of each line whose id is not plain in `lines`, its number in the file and its offset, and
    /// returns its digest; None to leave it out.
    fn add_lines(
        &mut self,
        lines: Vec<Bound<PyBytes>>,
        file: u64,
        offset: u64,
        line_number: u32,
        digest_of: &Bound<PyAny>,
    ) -> PyResult<()> {
        let py = digest_of.py();
        let texts: Vec<&[u8]> = lines.iter().map(|line| line.as_bytes()).collect();
        let finder = IdFinder::new();
        let ids: Vec<_> = py.detach(|| texts.iter().map(|line| finder.find(line)).collect());
        let (mut offset, mut line_number) = (offset, line_number);
        for (number, (line, id)) in texts.iter().zip(ids).enumerate() {
            let digest = match id {
                Some(id) => Some(digest(py, id)? as u64),
                None => digest_of.call1((number, line_number, offset))?.extract()?,
            };
            if let Some(digest) = digest {
                self.add(digest, file, offset, u32::try_from(line.len())?, line_number);
            }
            offset += line.len() as u64 + 1;
            line_number = line_number.saturating_add(1);
        }
        Ok(())
    }

    /// Pack the columns one after the other, as `batchfiles.ids.index` does.
    fn to_bytes<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        let mut bytes = packed(&self.digests, u64::to_ne_bytes);
        bytes.extend(packed(&self.positions, u64::to_ne_bytes));
        bytes.extend(packed(&self.lengths, u32::to_ne_bytes));
        bytes.extend(packed(&self.line_numbers, u32::to_ne_bytes));
        PyBytes::new(py, &bytes)
    }
}
