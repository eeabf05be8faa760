//! Columns in the memory layout of Arrow: the bytes of validity, offsets and values, which Python wraps without a loop.

use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyMemoryView};

/// Memory of the values of a column that is kept from one batch to the next.
const KEPT_BYTES: usize = 16 << 20;

/// Bits, least significant first.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
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
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>>;
}

/// The number of nulls, and `[validity, values]`, or `[validity, offsets, values]` of strings.
pub type Buffers<'py> = (usize, Bound<'py, PyList>);

/// Copies bytes into buffers that a function of Python allocates, `pyarrow.allocate_buffer`: its pool uses memory again.
pub struct Allocator<'a, 'py>(pub &'a Bound<'py, PyAny>);

impl<'py> Allocator<'_, 'py> {
    fn copy(&self, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
        let buffer = self.0.call1((bytes.len(),))?;
        if !bytes.is_empty() {
            // pyarrow calls its bytes signed.
            let view = PyMemoryView::from(&buffer)?.call_method1("cast", ("B",))?;
            PyBuffer::<u8>::get(&view)?.copy_from_slice(self.0.py(), bytes)?;
        }
        Ok(buffer)
    }

    fn validity(&self, valid: &Bits) -> PyResult<Bound<'py, PyAny>> {
        if valid.zeros > 0 { self.copy(&valid.bytes) } else { Ok(self.0.py().None().into_bound(self.0.py())) }
    }

    fn list(&self, buffers: impl IntoIterator<Item = Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(self.0.py(), buffers.into_iter().collect::<Vec<_>>())
    }
}

/// Strings.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
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

    fn buffers<'py>(&self, to: &Allocator<'_, 'py>) -> PyResult<Buffers<'py>> {
        let offsets = [&[0; 4], self.ends.as_slice()].concat();
        Ok((self.valid.zeros, to.list([to.validity(&self.valid)?, to.copy(&offsets)?, to.copy(&self.data)?])?))
    }

    fn clear(&mut self) {
        self.valid = Bits::default();
        self.ends.clear();
        self.data = kept(std::mem::take(&mut self.data));
    }
}

/// Return the memory of values for the next rows, unless these were unusually long.
fn kept(mut data: Vec<u8>) -> Vec<u8> {
    if data.capacity() > KEPT_BYTES {
        return Vec::new();
    }
    data.clear();
    data
}

impl Column for Texts {
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>> {
        let found = if self.valid.zeros == self.valid.count { None } else { Some(self.buffers(to)?) };
        self.clear();
        Ok(found)
    }
}

/// Integers of 32 or 64 bits.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
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
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        Ok(Some((column.valid.zeros, to.list([to.validity(&column.valid)?, to.copy(&column.data)?])?)))
    }
}

/// Booleans.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
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
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        Ok(Some((column.valid.zeros, to.list([to.validity(&column.valid)?, to.copy(&column.data.bytes)?])?)))
    }
}

/// Lists of items with `WIDTH` strings each: texts, or function calls with id, name and arguments.
#[cfg_attr(test, derive(Debug))]
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
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = list_buffers(to, &column.valid, &column.ends)?;
        for field in &column.fields {
            buffers.call_method1("extend", (field.buffers(to)?.1,))?;
        }
        Ok(Some((column.valid.zeros, buffers)))
    }
}

fn list_buffers<'py>(to: &Allocator<'_, 'py>, valid: &Bits, ends: &[u8]) -> PyResult<Bound<'py, PyList>> {
    to.list([to.validity(valid)?, to.copy(&[&[0; 4], ends].concat())?])
}

/// Maps of strings to floats.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
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
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::take(self);
        if column.valid.zeros == column.valid.count {
            return Ok(None);
        }
        let buffers = list_buffers(to, &column.valid, &column.ends)?;
        buffers.call_method1("extend", (column.keys.buffers(to)?.1,))?;
        buffers.append(to.0.py().None())?;
        buffers.append(to.copy(&column.values)?)?;
        Ok(Some((column.valid.zeros, buffers)))
    }
}

/// Vectors of floats of 32 bits, in lists of any length or of one.
#[derive(Default)]
#[cfg_attr(test, derive(Debug))]
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
    /// The buffers of the list, of which those of one length have no offsets, and then those of the numbers.
    fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Option<Buffers<'py>>> {
        let column = std::mem::replace(self, Vectors { dimensions: self.dimensions, ..Vectors::default() });
        let mut found = None;
        if column.valid.zeros < column.valid.count {
            let buffers = match column.dimensions {
                Some(_) => to.list([to.validity(&column.valid)?])?,
                None => list_buffers(to, &column.valid, &column.ends)?,
            };
            buffers.append(to.0.py().None())?;
            buffers.append(to.copy(&column.data)?)?;
            found = Some((column.valid.zeros, buffers));
        }
        self.data = kept(column.data);
        Ok(found)
    }
}

macro_rules! columns {
    ($($name:ident: $kind:ty,)*) => {
        /// The columns of the table that plain lines fill, by their names in the table.
        #[derive(Default)]
        #[cfg_attr(test, derive(Debug))]
        pub struct Columns {
            $(pub $name: $kind,)*
        }

        impl Columns {
            /// Return the buffers of all columns that are not null in all rows, and start again.
            pub fn take<'py>(&mut self, to: &Allocator<'_, 'py>) -> PyResult<Bound<'py, PyDict>> {
                let found = PyDict::new(to.0.py());
                $(if let Some(buffers) = self.$name.take(to)? {
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
    embedding_index: Numbers<4>,
    input_text: Texts,
    embedding: Vectors,
}
