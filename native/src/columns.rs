//! Columns in the memory layout of Arrow: the bytes of validity, offsets and values, which Python wraps without a loop.

use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList};

/// Bits, least significant first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    count: usize,
    zeros: usize,
}

impl Bits {
    fn push(&mut self, bit: bool) {
        if self.count.is_multiple_of(8) {
            self.bytes.push(0);
        }
        if bit {
            if let Some(last) = self.bytes.last_mut() {
                *last |= 1 << (self.count % 8);
            }
        } else {
            self.zeros += 1;
        }
        self.count += 1;
    }
}

/// A column of one type: null or a value in each row.
pub trait Column {
    /// Return the number of nulls and the buffers; None if all rows are null.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>>;
}

/// The number of nulls, and `[validity, values]`, or `[validity, offsets, values]` of strings.
pub type Buffers<'py> = (usize, Bound<'py, PyList>);

fn validity<'py>(py: Python<'py>, valid: &Bits) -> Option<Bound<'py, PyBytes>> {
    (valid.zeros > 0).then(|| PyBytes::new(py, &valid.bytes))
}

/// Strings.
#[derive(Default)]
pub struct Texts {
    valid: Bits,
    ends: Vec<u8>,
    data: Vec<u8>,
}

impl Texts {
    /// Add a row.
    pub fn push(&mut self, text: Option<&str>) {
        self.valid.push(text.is_some());
        self.data.extend_from_slice(text.unwrap_or_default().as_bytes());
        // Rows of a batch are taken from some MiB of lines of at most `MOST_BYTES` each.
        self.ends.extend_from_slice(&(self.data.len() as i32).to_ne_bytes());
    }

    fn buffers<'py>(&self, py: Python<'py>) -> PyResult<Buffers<'py>> {
        let offsets = [&[0; 4], self.ends.as_slice()].concat();
        let buffers = (validity(py, &self.valid), PyBytes::new(py, &offsets), PyBytes::new(py, &self.data));
        Ok((self.valid.zeros, PyList::new(py, [buffers.0.into_pyobject(py)?, buffers.1.into_any(), buffers.2.into_any()])?))
    }
}

impl Column for Texts {
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let found = if self.valid.zeros == self.valid.count { None } else { Some(self.buffers(py)?) };
        *self = Texts { data: Vec::with_capacity(self.data.len()), ..Texts::default() };
        Ok(found)
    }
}

/// Integers of 32 or 64 bits.
#[derive(Default)]
pub struct Numbers<const WIDTH: usize> {
    valid: Bits,
    data: Vec<u8>,
}

impl Numbers<8> {
    /// Add a row.
    pub fn push(&mut self, number: Option<i64>) {
        self.valid.push(number.is_some());
        self.data.extend_from_slice(&number.unwrap_or_default().to_ne_bytes());
    }
}

impl Numbers<4> {
    /// Add a row.
    pub fn push(&mut self, number: Option<i32>) {
        self.valid.push(number.is_some());
        self.data.extend_from_slice(&number.unwrap_or_default().to_ne_bytes());
    }
}

impl<const WIDTH: usize> Column for Numbers<WIDTH> {
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = [validity(py, &column.valid).into_pyobject(py)?, PyBytes::new(py, &column.data).into_any()];
        Ok(Some((column.valid.zeros, PyList::new(py, buffers)?)))
    }
}

/// Booleans.
#[derive(Default)]
pub struct Flags {
    valid: Bits,
    data: Bits,
}

impl Flags {
    /// Add a row.
    pub fn push(&mut self, flag: impl Into<Option<bool>>) {
        let flag = flag.into();
        self.valid.push(flag.is_some());
        self.data.push(flag.unwrap_or_default());
    }
}

impl Column for Flags {
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = [validity(py, &column.valid).into_pyobject(py)?, PyBytes::new(py, &column.data.bytes).into_any()];
        Ok(Some((column.valid.zeros, PyList::new(py, buffers)?)))
    }
}

/// Lists of items with `WIDTH` strings each: texts, or function calls with id, name and arguments.
pub struct Lists<const WIDTH: usize> {
    valid: Bits,
    ends: Vec<u8>,
    count: i32,
    fields: [Texts; WIDTH],
}

impl<const WIDTH: usize> Default for Lists<WIDTH> {
    fn default() -> Self {
        Lists { valid: Bits::default(), ends: Vec::new(), count: 0, fields: std::array::from_fn(|_| Texts::default()) }
    }
}

impl<const WIDTH: usize> Lists<WIDTH> {
    fn add<'a>(&mut self, items: Option<impl Iterator<Item = [&'a str; WIDTH]>>) {
        self.valid.push(items.is_some());
        for item in items.into_iter().flatten() {
            for (field, text) in self.fields.iter_mut().zip(item) {
                field.push(Some(text));
            }
            self.count += 1;
        }
        self.ends.extend_from_slice(&self.count.to_ne_bytes());
    }
}

impl Lists<1> {
    /// Add a row.
    pub fn push(&mut self, texts: Option<&[&str]>) {
        self.add(texts.map(|texts| texts.iter().map(|text| [*text])));
    }
}

impl Lists<3> {
    /// Add a row.
    pub fn push(&mut self, calls: Option<&[[&str; 3]]>) {
        self.add(calls.map(|calls| calls.iter().copied()));
    }
}

impl<const WIDTH: usize> Column for Lists<WIDTH> {
    /// The buffers of the list, and then those of each string of its items.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = list_buffers(py, &column.valid, &column.ends)?;
        for field in &column.fields {
            buffers.call_method1("extend", (field.buffers(py)?.1,))?;
        }
        Ok(Some((column.valid.zeros, buffers)))
    }
}

fn list_buffers<'py>(py: Python<'py>, valid: &Bits, ends: &[u8]) -> PyResult<Bound<'py, PyList>> {
    let offsets = [&[0; 4], ends].concat();
    PyList::new(py, [validity(py, valid).into_pyobject(py)?, PyBytes::new(py, &offsets).into_any()])
}

/// Maps of strings to floats.
#[derive(Default)]
pub struct Scores {
    valid: Bits,
    ends: Vec<u8>,
    count: i32,
    keys: Texts,
    values: Vec<u8>,
}

impl Scores {
    /// Add a row.
    pub fn push(&mut self, scores: Option<&[(&str, f64)]>) {
        self.valid.push(scores.is_some());
        for (key, score) in scores.unwrap_or_default() {
            self.keys.push(Some(key));
            self.values.extend_from_slice(&score.to_ne_bytes());
            self.count += 1;
        }
        self.ends.extend_from_slice(&self.count.to_ne_bytes());
    }
}

impl Column for Scores {
    /// The buffers of the list, and then those of the keys and of the values.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = list_buffers(py, &column.valid, &column.ends)?;
        buffers.call_method1("extend", (column.keys.buffers(py)?.1,))?;
        buffers.append(py.None())?;
        buffers.append(PyBytes::new(py, &column.values))?;
        Ok(Some((column.valid.zeros, buffers)))
    }
}

macro_rules! columns {
    ($($name:ident: $kind:ty,)*) => {
        /// The columns of the table that plain lines fill, by their names in the table.
        #[derive(Default)]
        pub struct Columns {
            $(pub $name: $kind,)*
        }

        impl Columns {
            /// Return the buffers of all columns that are not null in all rows, and start again.
            pub fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
                let found = PyDict::new(py);
                $(if let Some(buffers) = self.$name.take(py)? {
                    found.set_item(stringify!($name), buffers)?;
                })*
                Ok(found)
            }
        }
    };
}

columns! {
    custom_id: Texts,
    outcome: Texts,
    status_code: Numbers<4>,
    error_code: Texts,
    error_type: Texts,
    error_param: Texts,
    error_message: Texts,
    retryable: Flags,
    endpoint: Texts,
    model: Texts,
    finish_reason: Texts,
    text: Texts,
    texts: Lists<1>,
    refusal: Texts,
    reasoning: Texts,
    tool_calls: Lists<3>,
    input_tokens: Numbers<8>,
    output_tokens: Numbers<8>,
    total_tokens: Numbers<8>,
    cached_tokens: Numbers<8>,
    reasoning_tokens: Numbers<8>,
    flagged: Flags,
    flagged_categories: Lists<1>,
    category_scores: Scores,
    created_at: Numbers<8>,
    batch_id: Texts,
    batch_request_id: Texts,
    response_id: Texts,
    request_id: Texts,
    attempts: Numbers<4>,
    result_source: Texts,
    result_line_number: Numbers<8>,
    input_source: Texts,
    input_line_number: Numbers<8>,
    request_model: Texts,
    request_body: Texts,
    response_body: Texts,
    cache_write_tokens: Numbers<8>,
}
