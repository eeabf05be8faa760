//! Requests that are certainly not sent again: those whose one result is an answer, or that have none.

use std::collections::{HashMap, HashSet};
use std::fs::File;

use memchr::memmem;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::facts::{Facts, Kind};
use crate::ids::IdFinder;
use crate::index::{Entries, Entry, Found, Index, IndexSpec, digests};
use crate::lines::Lines;
use crate::results::{Before, read_plain};
use crate::rows::{MOST_BYTES, Request, Requests};
use crate::{ResultFile, read};

/// Which requests are left out, as `batchfiles.jobs.retry` says.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
struct Choice {
    /// `{outcome of an answer: statuses}`: requests with such an answer are left out.
    left_out: HashMap<String, HashSet<i32>>,
    /// Whether requests without a result are left out.
    leaves_missing: bool,
    /// Words of the urls whose answers are not texts.
    other_urls: Vec<String>,
    /// Whether the places of all lines are kept.
    keeps_entries: bool,
}

/// Places of lines: the number of the line in its text, its first and last byte.
type Others = Vec<(usize, usize, usize)>;

/// How many requests are left out: the outcome and the status of their answers.
type LeftOut = HashMap<(String, i32), usize>;

/// Finds the requests that are certainly left out.
#[pyclass]
pub struct Retries {
    facts: Facts,
    choice: Choice,
    files: Vec<ResultFile>,
    index: Index,
    open: Vec<(usize, File)>,
    entries: Entries,
    finder: IdFinder,
    before: Before,
    requests: Requests,
}

#[pymethods]
impl Retries {
    #[new]
    fn new(facts: Facts, choice: Choice, files: Vec<ResultFile>, index: IndexSpec) -> PyResult<Self> {
        Ok(Retries {
            facts,
            choice,
            files,
            index: Index::open(index)?,
            open: Vec::new(),
            entries: Entries::default(),
            finder: IdFinder::new(),
            before: Before::default(),
            requests: Requests::default(),
        })
    }

    /// Count the requests of a text that are certainly left out.
    ///
    /// Returns the places of the other lines, the index entries that were used, how many requests have no result, and how many
    /// have an answer.
    ///
    /// - `part`: The number of the file among those of the index.
    /// - `file`: The number of the file in its entries.
    /// - `digests_of`: Called once with the plain ids in UTF-8.
    fn leave_out(
        &mut self,
        text: &Bound<PyBytes>,
        part: i64,
        file: u32,
        line_number: u32,
        offset: u64,
        digests_of: &Bound<PyAny>,
    ) -> PyResult<(Others, Vec<u64>, usize, LeftOut)> {
        let (py, text) = (text.py(), text.as_bytes());
        let finder = &self.finder;
        let lines: Vec<_> = py.detach(|| Lines::of(text).map(|line| (finder.find(line.bytes), line)).collect());
        let mut digests = digests(digests_of, lines.iter().filter_map(|(id, _)| id.map(str::as_bytes)))?.into_iter();
        let lines: Vec<_> = lines.into_iter().map(|(id, line)| (id.and_then(|id| Some((id, digests.next()?))), line)).collect();
        if self.choice.keeps_entries {
            self.entries.begin();
            for (number, (id, line)) in lines.iter().enumerate() {
                let digest = id.map(|(_, digest)| digest);
                self.entries.push(digest, file, offset + line.start as u64, line.bytes.len(), line_number + number as u32);
            }
        }
        Ok(py.detach(|| {
            let (mut others, mut used, mut missing, mut left_out) = (Others::new(), Vec::new(), 0, LeftOut::new());
            let mut bytes = Vec::new();
            for (number, (id, line)) in lines.iter().enumerate() {
                // A line that can't be read is reported, whatever its result is.
                let plain_id = id.filter(|_| !may_be_result(line.bytes) && self.is_request(line.bytes));
                let is_left_out = plain_id.is_some_and(|(id, digest)| match self.index.find(digest) {
                    Found::Nothing if self.choice.leaves_missing => {
                        missing += 1;
                        true
                    }
                    Found::One(entry) => self.answer_of(line.bytes, id, &entry, part, &mut bytes).is_some_and(|answer| {
                        used.push(entry.number);
                        *left_out.entry(answer).or_default() += 1;
                        true
                    }),
                    _ => false,
                });
                if !is_left_out {
                    others.push((number, line.start, line.end()));
                }
            }
            (others, used, missing, left_out)
        }))
    }

    /// Give lines of the last text their digests, from the line with this number on.
    fn set_digests(&mut self, number: usize, digests: Vec<Option<u64>>) {
        self.entries.set(number, &digests);
    }

    /// Return the packed entries of the lines that have a digest, and forget them.
    fn take_entries<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.entries.take())
    }
}

/// Return whether a line may be a result: it has `response` or `error`, and no `body` before it; as in
/// `batchfiles.inputs.file_mistakes`.
fn may_be_result(line: &[u8]) -> bool {
    let head = memmem::find(line, b"\"body\"").and_then(|end| line.get(..end)).unwrap_or(line);
    memmem::find(head, b"\"response\"").is_some() || memmem::find(head, b"\"error\"").is_some()
}

impl Retries {
    /// Return whether a line is certainly a request.
    fn is_request(&mut self, line: &[u8]) -> bool {
        self.requests.read(line, &self.facts).is_some()
    }

    /// Return the outcome and the status of the answer to a request that is left out; None if that is not certain.
    fn answer_of(&mut self, request: &[u8], id: &str, entry: &Entry, part: i64, line: &mut Vec<u8>) -> Option<(String, i32)> {
        let Retries { facts, choice, files, open, finder, before, .. } = self;
        let file = files.get(entry.file).filter(|file| file.part.is_none_or(|own| own == part))?;
        if entry.length > MOST_BYTES {
            return None;
        }
        read(open, entry, file, line).ok()?;
        let found = read_plain(line, facts, before, |result| {
            let (_, _, kind) = result.answer?;
            let status = result.status_code?;
            let is_left_out = choice.left_out.get(result.outcome).is_some_and(|statuses| statuses.contains(&status));
            (is_left_out && result.custom_id == id).then(|| (kind, result.outcome.to_owned(), status))
        });
        let (kind, outcome, status) = found.flatten()?;
        let is_asked_for = match kind {
            Kind::Text => !choice.other_urls.iter().any(|word| finder.may_hold(request, word)),
            kind => Request::read(request, facts)?.kind == kind,
        };
        is_asked_for.then_some((outcome, status))
    }
}
