//! Lines and the ids at their beginning, found without decoding: for jobs that copy lines, and for the index of results.
//!
//! An id is plain if decoding can give no other: it follows the opening brace, or one string with the key `id`; nothing up to its
//! end is an escape; and the key `custom_id` is nowhere else in the line, also not with letters as escapes.

use std::collections::HashSet;

use memchr::memmem::Finder;
use memchr::{memchr_iter, memchr2, memmem};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::index::{Entries, digests};
use crate::lines::Lines;
use crate::requests::RequestLine;
use crate::rows::MOST_BYTES;

/// The key of an id, without its quotes and with them.
const NAME: &[u8] = b"custom_id";
const KEY: &[u8] = b"\"custom_id\"";

/// What escapes of ASCII characters begin with.
const ESCAPE: &[u8] = b"\\u00";

/// Parts of the digests, by their last bits; as in `batchfiles.ids.unique`.
const PARTITIONS: usize = 64;

/// Finds plain ids.
pub struct IdFinder {
    key: Finder<'static>,
    escape: Finder<'static>,
}

impl IdFinder {
    /// Make one.
    pub fn new() -> Self {
        IdFinder { key: Finder::new(KEY), escape: Finder::new(ESCAPE) }
    }

    /// Return the id of a line; None if it is not plain.
    pub fn find<'a>(&self, line: &'a [u8]) -> Option<&'a str> {
        let (mut key, mut rest) = string(after(line, b'{')?)?;
        if key == b"id" {
            let (_, other) = string(after(rest, b':')?)?;
            (key, rest) = string(after(other, b',')?)?;
        }
        let (id, _) = string(after(rest, b':')?)?;
        let is_plain = key == NAME && self.is_once(line) && !self.is_escaped(line);
        if is_plain { std::str::from_utf8(id).ok() } else { None }
    }

    /// Return whether a line has a word, or an escape of one of its letters, which are ASCII.
    pub fn may_hold(&self, line: &[u8], word: &str) -> bool {
        memmem::find(line, word.as_bytes()).is_some() || has_escape(line, &self.escape, word.as_bytes())
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

/// Return the number of lines, the length of the longest with its newline, and the numbers of blank lines. The last line may have
/// no newline.
#[pyfunction]
pub fn measure_lines(py: Python, text: &[u8]) -> (usize, usize, Vec<usize>) {
    py.detach(|| {
        let (mut count, mut longest, mut blank, mut start) = (0, 0, Vec::new(), 0);
        let last = if text.last().is_none_or(|byte| *byte == b'\n') { None } else { Some(text.len()) };
        for end in memchr_iter(b'\n', text).map(|at| at + 1).chain(last) {
            longest = longest.max(end - start);
            if text.get(start..end).is_some_and(is_blank) {
                blank.push(count);
            }
            count += 1;
            start = end;
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
            for line in Lines::of(text) {
                let id = self.finder.find(line.bytes);
                if id.is_none_or(|id| self.ids.contains(id)) {
                    found.push((line.start, line.end() + 1, id, id.is_some() && is_request(line.bytes)));
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
        let ids = py.detach(|| {
            let ids = Lines::of(text).map(|line| self.finder.find(line.bytes).filter(|id| id.is_ascii()));
            ids.collect::<Option<Vec<_>>>()
        });
        let Some(ids) = ids else { return Ok(None) };
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
pub struct IndexEntries {
    entries: Entries,
    finder: IdFinder,
}

#[pymethods]
impl IndexEntries {
    #[new]
    fn new() -> Self {
        IndexEntries { entries: Entries::default(), finder: IdFinder::new() }
    }

    /// Add one line.
    fn add(&mut self, digest: u64, file: u32, offset: u64, length: u32, line_number: u32) {
        self.entries.push(Some(digest), file, offset, length as usize, line_number);
    }

    /// Add lines, and return the places of those whose id is not plain: their numbers in the text, first and last bytes.
    ///
    /// `digests_of` is called once with the plain ids in UTF-8.
    fn add_lines(
        &mut self,
        text: &Bound<PyBytes>,
        file: u32,
        offset: u64,
        line_number: u32,
        digests_of: &Bound<PyAny>,
    ) -> PyResult<Vec<(usize, usize, usize)>> {
        let (py, text) = (text.py(), text.as_bytes());
        let finder = &self.finder;
        let lines: Vec<_> = py.detach(|| Lines::of(text).map(|line| (finder.find(line.bytes), line)).collect());
        let mut digests = digests(digests_of, lines.iter().filter_map(|(id, _)| id.map(str::as_bytes)))?.into_iter();
        self.entries.begin();
        let mut others = Vec::new();
        for (number, (id, line)) in lines.iter().enumerate() {
            let digest = id.and_then(|_| digests.next());
            self.entries.push(digest, file, offset + line.start as u64, line.bytes.len(), line_number + number as u32);
            if digest.is_none() {
                others.push((number, line.start, line.end()));
            }
        }
        Ok(others)
    }

    /// Give a line of the last text its digest.
    fn set_digest(&mut self, number: usize, digest: u64) {
        self.entries.set(number, &[Some(digest)]);
    }

    /// Return the packed entries of the lines that have a digest, and forget them.
    fn take<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.entries.take())
    }
}

#[cfg(test)]
mod tests;
