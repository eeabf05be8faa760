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

/// Booleans without nulls.
#[derive(Default)]
pub struct Flags(Bits);

impl Flags {
    /// Add a row.
    pub fn push(&mut self, flag: bool) {
        self.0.push(flag);
    }
}

impl Column for Flags {
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        let buffers = [py.None().into_bound(py), PyBytes::new(py, &column.0.bytes).into_any()];
        Ok(Some((0, PyList::new(py, buffers)?)))
    }
}

/// Lists of function calls: id, name and arguments.
#[derive(Default)]
pub struct Calls {
    valid: Bits,
    ends: Vec<u8>,
    count: i32,
    fields: [Texts; 3],
}

impl Calls {
    /// Add one call to the row that `end` finishes.
    pub fn push(&mut self, call: [&str; 3]) {
        for (field, text) in self.fields.iter_mut().zip(call) {
            field.push(Some(text));
        }
        self.count += 1;
    }

    /// Finish a row; None if it has no list.
    pub fn end(&mut self, is_list: bool) {
        self.valid.push(is_list);
        self.ends.extend_from_slice(&self.count.to_ne_bytes());
    }
}

impl Column for Calls {
    /// The buffers of the list, and then those of each field of its items.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let offsets = [&[0; 4], column.ends.as_slice()].concat();
        let buffers = PyList::new(py, [validity(py, &column.valid).into_pyobject(py)?, PyBytes::new(py, &offsets).into_any()])?;
        for buffer in column.fields.iter().map(|field| field.buffers(py)).collect::<PyResult<Vec<_>>>()? {
            buffers.call_method1("extend", (buffer.1,))?;
        }
        Ok(Some((column.valid.zeros, buffers)))
    }
}

/// Vectors of floats of 32 bits, in lists of any length or of one.
#[derive(Default)]
pub struct Vectors {
    valid: Bits,
    ends: Vec<u8>,
    data: Vec<u8>,
    /// The bytes of `data` that belong to rows.
    used: usize,
    /// The length of all vectors; None for any.
    pub dimensions: Option<usize>,
}

impl Vectors {
    /// Return where the values of the next rows go, as little-endian bytes.
    pub fn values(&mut self) -> &mut Vec<u8> {
        &mut self.data
    }

    /// Forget the values that no row has.
    pub fn forget(&mut self) {
        self.data.truncate(self.used);
    }

    /// Add a row with the next bytes of the values, or without a vector.
    pub fn push(&mut self, size: Option<usize>) {
        self.valid.push(size.is_some());
        // A null in lists of one length takes the room of a vector.
        self.used += size.unwrap_or_else(|| 4 * self.dimensions.unwrap_or_default());
        if size.is_none() {
            self.data.resize(self.used, 0);
        }
        self.ends.extend_from_slice(&((self.used / 4) as i32).to_ne_bytes());
    }
}

impl Column for Vectors {
    /// `[validity, offsets, values]`, or `[validity, values]` of lists of one length.
    fn take<'py>(&mut self, py: Python<'py>) -> PyResult<Option<Buffers<'py>>> {
        let empty = Vectors { data: Vec::with_capacity(self.data.len()), dimensions: self.dimensions, ..Vectors::default() };
        let column = std::mem::replace(self, empty);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = PyList::new(py, [validity(py, &column.valid)])?;
        if column.dimensions.is_none() {
            buffers.append(PyBytes::new(py, &[&[0; 4], column.ends.as_slice()].concat()))?;
        }
        buffers.append(PyBytes::new(py, &column.data))?;
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
    refusal: Texts,
    reasoning: Texts,
    tool_calls: Calls,
    input_tokens: Numbers<8>,
    output_tokens: Numbers<8>,
    total_tokens: Numbers<8>,
    cached_tokens: Numbers<8>,
    reasoning_tokens: Numbers<8>,
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
    embedding_index: Numbers<4>,
    input_text: Texts,
    embedding: Vectors,
}
