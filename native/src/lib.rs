//! Reads the plain lines of batch files into columns. The Python package `batchfiles` reads all other lines.

mod answers;
mod chat;
mod checks;
mod columns;
mod completions;
mod facts;
mod grammar;
mod ids;
mod index;
mod lines;
mod moderations;
mod numbers;
mod requests;
mod responses;
mod results;
mod retries;
mod rows;
mod shapes;
mod skeletons;
mod templates;
#[cfg(test)]
mod tests;
mod totals;
mod vectors;

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use crate::columns::Allocator;
use crate::facts::Facts;
use crate::index::{Entries, Entry, Found, Index, IndexSpec, digests};
use crate::lines::Lines;
use crate::rows::{MOST_BYTES, RequestPlace, Requests, ResultPlace, Table};

/// Result files that are open at the same time.
const OPEN_FILES: usize = 16;

/// A result file.
#[derive(FromPyObject)]
struct ResultFile {
    name: String,
    path: PathBuf,
    part: Option<i64>,
    batch_id: Option<String>,
}

/// The rows of plain lines.
#[pyclass]
struct Rows {
    table: Table,
    requests: Requests,
    files: Vec<ResultFile>,
    open: Vec<(usize, File)>,
    index: Option<Index>,
    entries: Entries,
}

/// Places of lines that are not plain: the number of the line in its block, its first and last byte, and the rows that wait
/// before it.
type Others = Vec<(usize, usize, usize, usize)>;

#[pymethods]
impl Rows {
    #[new]
    #[pyo3(signature = (facts, files, index=None))]
    fn new(facts: Facts, files: Vec<ResultFile>, index: Option<IndexSpec>) -> PyResult<Self> {
        let index = index.map(Index::open).transpose()?;
        Ok(Rows {
            table: Table::new(facts),
            requests: Requests::default(),
            files,
            open: Vec::new(),
            index,
            entries: Entries::default(),
        })
    }

    fn __len__(&self) -> usize {
        self.table.count
    }

    /// Add the rows of plain result lines, and return the places of the others.
    fn add_results(&mut self, text: &Bound<PyBytes>, file: usize, line_number: i64) -> Others {
        let (py, text) = (text.py(), text.as_bytes());
        py.detach(|| {
            let Some(result_file) = self.files.get(file) else { return Others::new() };
            let mut others = Others::new();
            for (number, line) in Lines::of(text).enumerate() {
                let place = ResultPlace {
                    file,
                    source: &result_file.name,
                    line_number: line_number + number as i64,
                    batch_id: result_file.batch_id.as_deref(),
                    attempts: None,
                };
                if !self.table.add(line.bytes, &place, None) {
                    others.push((number, line.start, line.end(), self.table.count));
                }
            }
            others
        })
    }

    /// Add the rows of plain requests with at most one result, if it is plain, and an entry for each line.
    ///
    /// `digests_of` is called once with the ids in UTF-8, and returns those digests that the index has.
    ///
    /// Returns the places of the other lines, and the numbers of the index entries that were used.
    fn add_requests(
        &mut self,
        text: &Bound<PyBytes>,
        source: &str,
        file: u32,
        line_number: u32,
        offset: u64,
        digests_of: &Bound<PyAny>,
    ) -> PyResult<(Others, Vec<u64>)> {
        let (py, text) = (text.py(), text.as_bytes());
        let Rows { table: Table { facts, .. }, requests, .. } = &mut *self;
        let requests: Vec<_> = py.detach(|| Lines::of(text).map(|line| (requests.read(line.bytes, facts), line)).collect());
        let ids = requests.iter().flat_map(|(request, _)| request).map(|request| request.custom_id().as_bytes());
        let mut digests = digests(digests_of, ids)?.into_iter();
        self.entries.begin();
        for (number, (request, line)) in requests.iter().enumerate() {
            let digest = request.as_ref().and_then(|_| digests.next());
            self.entries.push(digest, file, offset + line.start as u64, line.bytes.len(), line_number + number as u32);
        }
        Ok(py.detach(|| {
            let (mut others, mut used, mut bytes) = (Others::new(), Vec::new(), Vec::new());
            for (number, (request, line)) in requests.iter().enumerate() {
                let line_number = i64::from(line_number) + number as i64;
                let place = request.as_ref().map(|request| RequestPlace { request, source, line_number });
                let plain = place.zip(self.entries.digest(number));
                if !plain.is_some_and(|(place, digest)| self.add_request(&place, digest, file, &mut used, &mut bytes)) {
                    others.push((number, line.start, line.end(), self.table.count));
                }
            }
            (others, used)
        }))
    }

    /// Give lines of the last block their digests, from the line with this number in the block on.
    fn set_digests(&mut self, number: usize, digests: Vec<Option<u64>>) {
        self.entries.set(number, &digests);
    }

    /// Return the packed entries of the lines that have a digest, and forget them.
    fn take_entries<'py>(&mut self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.entries.take())
    }

    /// Return the buffers of the columns and the number of rows, and forget them. `allocate` makes a buffer of some bytes.
    fn take<'py>(&mut self, allocate: &Bound<'py, PyAny>) -> PyResult<(Bound<'py, PyDict>, usize)> {
        Ok((self.table.columns.take(&Allocator(allocate))?, std::mem::take(&mut self.table.count)))
    }

    /// Return how many rows there were by outcome since the last call.
    fn take_outcomes(&mut self) -> HashMap<String, u64> {
        std::mem::take(&mut self.table.outcomes)
    }
}

impl Rows {
    /// Add the row of a request with its result or without; false if the result is not plain, or there are several.
    fn add_request(
        &mut self,
        request: &RequestPlace,
        digest: u64,
        input_file: u32,
        used: &mut Vec<u64>,
        line: &mut Vec<u8>,
    ) -> bool {
        match self.index.as_ref().map(|index| index.find(digest)) {
            Some(Found::Nothing) => {
                self.table.add_missing(request);
                true
            }
            Some(Found::One(entry)) if self.add_pair(request, &entry, input_file, line) => {
                used.push(entry.number);
                true
            }
            _ => false,
        }
    }

    /// Add the row of a request with its result; false if it is not plain, or belongs to another part.
    fn add_pair(&mut self, request: &RequestPlace, entry: &Entry, input_file: u32, line: &mut Vec<u8>) -> bool {
        let Rows { table, files, open, .. } = self;
        let Some(file) = files.get(entry.file).filter(|file| file.part.is_none_or(|part| part == i64::from(input_file))) else {
            return false;
        };
        if entry.length > MOST_BYTES || read(open, entry, file, line).is_err() {
            return false;
        }
        let place = ResultPlace {
            file: entry.file,
            source: &file.name,
            line_number: i64::from(entry.line_number),
            batch_id: file.batch_id.as_deref(),
            attempts: Some(1),
        };
        table.add(line, &place, Some(request))
    }
}

/// Read the bytes of a line.
fn read(open: &mut Vec<(usize, File)>, entry: &Entry, of: &ResultFile, line: &mut Vec<u8>) -> std::io::Result<()> {
    line.resize(entry.length, 0);
    if let Some((_, file)) = open.iter().find(|(number, _)| *number == entry.file) {
        return file.read_exact_at(line, entry.offset);
    }
    let file = File::open(&of.path)?;
    file.read_exact_at(line, entry.offset)?;
    if open.len() == OPEN_FILES {
        open.remove(0);
    }
    open.push((entry.file, file));
    Ok(())
}

#[pymodule]
mod batchfiles_native {
    #[pymodule_export]
    use super::Rows;
    #[pymodule_export]
    use crate::checks::Checks;
    #[pymodule_export]
    use crate::ids::{IndexEntries, ListedIds, PlainIds, count_newlines, may_hold, measure_lines, repeated};

    #[pymodule_export]
    use crate::retries::Retries;
    #[pymodule_export]
    use crate::totals::Totals;

    #[pymodule_export]
    const VERSION: &str = env!("CARGO_PKG_VERSION");
}
