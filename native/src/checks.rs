//! Requests that are certainly without a finding: all but their ids and contents is as in a request that Python checked.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyString;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use crate::grammar::Text;
use crate::lines::Lines;
use crate::shapes::{Shape, TextShape};
use crate::skeletons::{Skeletons, Strings};

/// Urls that are known.
const MOST_ENDPOINTS: usize = 16;

/// The texts that are remembered, and the bytes of the longest one.
const MOST_KNOWN: usize = 64;
const LONGEST_KNOWN: usize = 256 * 1024;

/// The requests to one url.
struct Endpoint {
    url: Option<String>,
    body: Body,
}

/// What Python describes of a body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body {
    /// The keys of a body with the input of the model: a request with another shape there is not plain.
    contents: Vec<(String, Shape)>,
    /// Whether contents are counted.
    counts: bool,
    /// Parameters that have no rule but their shape: with another shape they are compared as they are.
    free: Vec<(String, Shape)>,
    /// Parameters that are compared as they are.
    compared: Vec<String>,
    /// All other parameters; None if they are compared as they are.
    others: Option<Shape>,
}

/// The checks of the requests of one file.
#[pyclass]
pub struct Checks {
    custom_id: TextShape,
    endpoints: Vec<Endpoint>,
    /// What is compared of requests without a finding, the latest first.
    known: Vec<Vec<u8>>,
    skeletons: Skeletons,
}

/// A request, read as far as its rest is one that is known.
struct Request<'a> {
    custom_id: Text<'a>,
    contents: u64,
}

/// The ids of plain requests, the numbers of the other lines, those of them of which only the rest is not known, and how many
/// contents the plain requests have together.
type Found<Id> = (Vec<Id>, Vec<usize>, Vec<usize>, u64);

#[pymethods]
impl Checks {
    #[new]
    fn new(custom_id: &str) -> PyResult<Self> {
        Ok(Checks { custom_id: described(custom_id)?, endpoints: Vec::new(), known: Vec::new(), skeletons: Skeletons::default() })
    }

    /// Return the ids of the plain requests, the numbers of the other lines, and as described for `Found`.
    ///
    /// Each line of `text` has its newline.
    fn check<'py>(&mut self, py: Python<'py>, text: &[u8]) -> Found<Bound<'py, PyString>> {
        let (ids, others, unknown, contents) = py.detach(|| self.find(text));
        (ids.iter().map(|id| PyString::new(py, id.as_str())).collect(), others, unknown, contents)
    }

    /// Remember a request without a finding: those that are equal to it in all that is compared have none either.
    ///
    /// `description` is that of the requests to its url.
    fn learn(&mut self, line: &[u8], url: Option<&str>, description: &str) -> PyResult<()> {
        let number = self.endpoints.iter().position(|known| known.url.as_deref() == url).unwrap_or(self.endpoints.len());
        if number == MOST_ENDPOINTS {
            return Ok(());
        }
        if number == self.endpoints.len() {
            self.endpoints.push(Endpoint { url: url.map(str::to_owned), body: described(description)? });
        }
        let (mut rest, mut strings) = (Vec::new(), Strings::default());
        let is_plain = read(line, &self.endpoints, number, true, &self.custom_id, &mut rest, &mut strings).is_some();
        if is_plain && rest.len() <= LONGEST_KNOWN && !self.known.contains(&rest) {
            self.known.truncate(MOST_KNOWN - 1);
            self.known.insert(0, rest);
        }
        Ok(())
    }
}

/// Read a description that Python wrote as JSON.
fn described<'a, T: Deserialize<'a>>(text: &'a str) -> PyResult<T> {
    serde_json::from_str(text).map_err(|error| PyValueError::new_err(error.to_string()))
}

impl Checks {
    fn find<'a>(&mut self, text: &'a [u8]) -> Found<Text<'a>> {
        let mut found: Found<Text> = (Vec::new(), Vec::new(), Vec::new(), 0);
        let (mut rest, mut strings) = (Vec::new(), Strings::default());
        let mut number = self.endpoints.len().saturating_sub(1);
        for (place, line) in Lines::of(text).map(|line| line.bytes).enumerate() {
            if self.endpoints.is_empty() {
                found.1.push(place);
                found.2.push(place);
                continue;
            }
            if let Some((custom_id, contents)) = self.skeletons.find(line) {
                found.0.push(custom_id.into());
                found.3 += contents;
                continue;
            }
            rest.clear();
            match read(line, &self.endpoints, number, false, &self.custom_id, &mut rest, &mut strings) {
                Some(request) if self.knows(&rest, &mut number) => {
                    self.skeletons.add(line, &mut strings, request.custom_id.as_str(), request.contents);
                    found.0.push(request.custom_id);
                    found.3 += request.contents;
                }
                Some(_) => {
                    found.1.push(place);
                    found.2.push(place);
                }
                None => found.1.push(place),
            }
        }
        found
    }

    /// Return whether a rest is known; the next line is compared with it first, and read as one of its endpoint.
    fn knows(&mut self, rest: &Vec<u8>, number: &mut usize) -> bool {
        let place = self.known.iter().position(|known| known == rest);
        if let Some(newer) = place.and_then(|place| self.known.get_mut(..=place)) {
            newer.rotate_right(1);
            *number = rest.first().map_or(0, |first| usize::from(*first));
        }
        place.is_some()
    }
}

/// Read a request, and write what is compared into `rest`; None if it is not plain.
fn read<'a>(
    line: &'a [u8],
    endpoints: &[Endpoint],
    number: usize,
    is_certain: bool,
    custom_id: &TextShape,
    rest: &mut Vec<u8>,
    strings: &mut Strings,
) -> Option<Request<'a>> {
    let text = str::from_utf8(line).ok()?;
    let mut deserializer = serde_json::Deserializer::from_str(text);
    rest.push(0);
    strings.start(line);
    let visitor = LineVisitor { endpoints, number, is_certain, rest, strings };
    let (number, request) = deserializer.deserialize_map(visitor).ok()?;
    deserializer.end().ok()?;
    *rest.first_mut()? = u8::try_from(number).ok()?;
    custom_id.read(request.custom_id.as_str(), false, strings).then_some(request)
}

/// Add a piece to a rest: its kind, its length and its text, so that two rests are equal only if their pieces are.
fn add(rest: &mut Vec<u8>, kind: u8, text: &str) {
    rest.push(kind);
    rest.extend_from_slice(&text.len().to_ne_bytes());
    rest.extend_from_slice(text.as_bytes());
}

struct LineVisitor<'s> {
    endpoints: &'s [Endpoint],
    /// Which endpoint it is, if no url says so.
    number: usize,
    /// Whether the url does not matter.
    is_certain: bool,
    rest: &'s mut Vec<u8>,
    strings: &'s mut Strings,
}

impl<'de> Visitor<'de> for LineVisitor<'_> {
    type Value = (usize, Request<'de>);

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a request")
    }

    fn visit_map<A: MapAccess<'de>>(mut self, mut members: A) -> Result<Self::Value, A::Error> {
        let (mut custom_id, mut body) = (None, None);
        while let Some(key) = members.next_key::<Text>()? {
            let key = key.as_str();
            let is_new = match key {
                "custom_id" => {
                    add(self.rest, b'i', "");
                    custom_id.replace(members.next_value::<Text>()?).is_none()
                }
                "body" => {
                    add(self.rest, b'{', "");
                    let endpoint = self.endpoints.get(self.number).ok_or_else(|| A::Error::custom("no endpoint"))?;
                    let contents =
                        members.next_value_seed(BodySeed { body: &endpoint.body, rest: self.rest, strings: self.strings })?;
                    add(self.rest, b'}', "");
                    body.replace(contents).is_none()
                }
                _ => {
                    let value = members.next_value::<&RawValue>()?.get();
                    add(self.rest, b'k', key);
                    add(self.rest, b'v', value);
                    if key == "url" && !self.is_certain && body.is_none() {
                        self.choose(value);
                    }
                    true
                }
            };
            if !is_new {
                return Err(A::Error::custom("a key twice"));
            }
        }
        let (Some(custom_id), Some(contents)) = (custom_id, body) else { return Err(A::Error::custom("a key is missing")) };
        Ok((self.number, Request { custom_id, contents }))
    }
}

impl LineVisitor<'_> {
    /// Choose the endpoint of a url, which is a JSON text, if it is known.
    fn choose(&mut self, url: &str) {
        let is_it = |endpoint: &Endpoint| {
            let inner = url.strip_prefix('"').and_then(|inner| inner.strip_suffix('"'));
            inner.is_some() && endpoint.url.as_deref() == inner
        };
        if !self.endpoints.get(self.number).is_some_and(is_it) {
            self.number = self.endpoints.iter().position(is_it).unwrap_or(self.number);
        }
    }
}

/// Reads a body, and returns how many contents it has.
struct BodySeed<'s> {
    body: &'s Body,
    rest: &'s mut Vec<u8>,
    strings: &'s mut Strings,
}

impl<'de> DeserializeSeed<'de> for BodySeed<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<u64, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for BodySeed<'_> {
    type Value = u64;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<u64, A::Error> {
        let BodySeed { body, rest, strings } = self;
        let (mut contents, mut seen) = (0, 0u64);
        while let Some(key) = members.next_key::<Text>()? {
            let key = key.as_str();
            add(rest, b'k', key);
            if let Some(place) = body.contents.iter().position(|(name, _)| name == key) {
                let bit = 1u64.checked_shl(place as u32).unwrap_or(0);
                let shape = body.contents.get(place).filter(|_| bit != 0 && seen & bit == 0);
                let (_, shape) = shape.ok_or_else(|| A::Error::custom("a content twice"))?;
                let count = members.next_value_seed(shape.seed(strings))?.count;
                contents += if body.counts { count } else { 0 };
                seen |= bit;
                continue;
            }
            let is_compared = body.compared.iter().any(|name| name == key);
            let free = body.free.iter().find(|(name, _)| name == key).map(|(_, shape)| shape);
            let shape = if is_compared { None } else { free.or(body.others.as_ref()) };
            let value = members.next_value::<&RawValue>()?.get();
            if !shape.is_some_and(|shape| shape.fits(value, strings)) {
                add(rest, b'v', value);
            }
        }
        Ok(contents)
    }
}

#[cfg(test)]
mod tests;
