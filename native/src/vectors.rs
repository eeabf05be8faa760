//! The table of vectors: plain answers of `/v1/embeddings` and their requests.
//!
//! A list of numbers is read once, by `numbers`: it is cut out of the line, and the grammar reads the short line that is left, with
//! an empty list in its place. The key before the list ends with a quote, so that no string contains the list; and the grammar has
//! empty lists in one place only. So the short line is plain only if the whole line is, and its lists are the vectors in their order.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use memchr::memmem;
use pyo3::prelude::*;
use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Visitor};

use crate::answers::is_time;
use crate::grammar::{Checked, Object, Text, body_of_result, given, text};
use crate::numbers::{after_space, read_list};
use crate::rows::{Found, MOST_BYTES, RequestPlace, ResultPlace, Table, add_request, add_result, plain_text, read, tally};

/// The key of a vector.
const KEY: &[u8] = b"\"embedding\"";

/// What the Python package knows about vectors.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct VectorFacts {
    /// The endpoint of embeddings.
    endpoint: String,
    /// The endings of the urls of requests.
    pub urls: Vec<String>,
    /// The formats that a request may ask for, whose texts are floats of 32 bits.
    formats: Vec<String>,
    /// The length of all vectors; None for any.
    pub dimensions: Option<usize>,
    /// For each result file, the sizes in bytes of the vectors that are texts, by model; empty with requests.
    text_sizes: Vec<HashMap<String, usize>>,
}

/// The body of an answer with vectors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Body<'a> {
    #[serde(borrow)]
    object: Text<'a>,
    #[serde(borrow)]
    data: Vec<Object<Item<'a>>>,
    #[serde(borrow)]
    model: Text<'a>,
    usage: Object<Usage>,
    #[serde(borrow)]
    id: Option<Text<'a>>,
    created: Option<i64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the name of the object is allowed, and has no column")]
struct Item<'a> {
    #[serde(borrow)]
    object: Option<Text<'a>>,
    index: i32,
    #[serde(borrow)]
    embedding: Embedding<'a>,
}

/// A vector: the place of a list that was cut out, or a text in base64.
enum Embedding<'a> {
    List,
    Text(&'a str),
}

impl<'de: 'a, 'a> Deserialize<'de> for Embedding<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EmbeddingVisitor)
    }
}

struct EmbeddingVisitor;

impl<'de> Visitor<'de> for EmbeddingVisitor {
    type Value = Embedding<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an empty list, or a string without escapes")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Embedding<'de>, E> {
        Ok(Embedding::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Embedding<'de>, A::Error> {
        match items.next_element::<Checked>()? {
            None => Ok(Embedding::List),
            Some(_) => Err(A::Error::custom("a list that was not cut out")),
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "an empty key is allowed")]
struct Usage {
    prompt_tokens: i64,
    completion_tokens: Option<i64>,
    total_tokens: i64,
    #[serde(default)]
    prompt_tokens_details: (),
}

impl Usage {
    /// Return whether the sum is the total, if there are two parts.
    fn agrees(&self) -> bool {
        self.completion_tokens.is_none_or(|output| {
            self.prompt_tokens >= 0 && output >= 0 && self.prompt_tokens.checked_add(output) == Some(self.total_tokens)
        })
    }
}

/// The body of a request for vectors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the user is allowed, and has no column")]
pub struct Asked<'a> {
    #[serde(borrow)]
    model: Option<Text<'a>>,
    #[serde(borrow)]
    input: Texts<'a>,
    #[serde(borrow)]
    encoding_format: Option<Text<'a>>,
    dimensions: Option<usize>,
    user: Option<Checked>,
}

/// A text, or several.
struct Texts<'a>(Vec<Text<'a>>);

impl<'de: 'a, 'a> Deserialize<'de> for Texts<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor)
    }
}

struct TextsVisitor;

impl<'de> Visitor<'de> for TextsVisitor {
    type Value = Texts<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string or a list of strings")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Texts<'de>, E> {
        Ok(Texts(vec![Text(Cow::Borrowed(text))]))
    }

    fn visit_str<E>(self, text: &str) -> Result<Texts<'de>, E> {
        Ok(Texts(vec![Text(Cow::Owned(text.to_owned()))]))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Texts<'de>, A::Error> {
        let mut texts = Vec::new();
        while let Some(text) = items.next_element()? {
            texts.push(text);
        }
        Ok(Texts(texts))
    }
}

impl<'a> Asked<'a> {
    /// Return the model and the rest; None if the vectors may be of another format.
    pub fn checked(mut self, facts: &VectorFacts) -> Option<(Option<Text<'a>>, Option<Self>)> {
        let is_known = match &self.encoding_format {
            Some(format) => facts.formats.iter().any(|known| known == format.as_str()),
            None => true,
        };
        if is_known { Some((self.model.take(), Some(self))) } else { None }
    }
}

/// Return whether a line has the key of a vector.
pub fn may_have_vectors(line: &[u8]) -> bool {
    memmem::find(line, KEY).is_some()
}

impl Table {
    /// Add a row for each vector of an answer; false if the line is not plain, or is of another request.
    pub fn add_vectors(&mut self, line: &[u8], place: &ResultPlace, request: Option<&RequestPlace>) -> bool {
        let added = self.try_vectors(line, place, request).is_some();
        self.columns.embedding.forget();
        added
    }

    fn try_vectors(&mut self, line: &[u8], place: &ResultPlace, request: Option<&RequestPlace>) -> Option<()> {
        let Table { columns, facts, count, outcomes, .. } = self;
        let known = facts.vectors.as_ref()?;
        let mut sizes = Vec::new();
        let short = without_lists(line, columns.embedding.values(), &mut sizes)?;
        let result = read::<Body>(plain_text(&short)?, request)?;
        let response = &result.response.as_ref()?.0;
        let body = &response.body.0;
        let is_answer = result.error.is_none()
            && (200..300).contains(&response.status_code)
            && body.object.as_str() == "list"
            && body.created.is_none_or(is_time)
            && body.usage.0.agrees()
            && !body.data.is_empty()
            && body.data.iter().enumerate().all(|(place, item)| usize::try_from(item.0.index) == Ok(place));
        if !is_answer || line.len() > MOST_BYTES {
            return None;
        }
        if sizes.is_empty() {
            let wanted = known.text_sizes.get(place.file).and_then(|sizes| sizes.get(body.model.as_str()));
            decode(&body.data, columns.embedding.values(), &mut sizes)?;
            if wanted.is_some_and(|wanted| sizes.iter().any(|size| size != wanted)) {
                return None;
            }
        } else if !body.data.iter().all(|item| matches!(item.0.embedding, Embedding::List)) {
            return None;
        }
        let has_length = |length: Option<usize>| length.is_none_or(|length| sizes.iter().all(|size| *size == 4 * length));
        let asked = request.and_then(|place| place.request.asked.as_ref());
        let fits = sizes.len() == body.data.len()
            && has_length(known.dimensions)
            && asked.is_none_or(|asked| asked.input.0.len() == sizes.len() && has_length(asked.dimensions));
        if !fits {
            return None;
        }
        let mut found = Found {
            outcome: &facts.succeeded,
            status_code: Some(response.status_code),
            request_id: given(&response.request_id),
            batch_request_id: text(&result.id),
            endpoint: Some(&known.endpoint),
            body: if facts.bodies == "all" { Some(body_of_result(plain_text(line)?)?) } else { None },
            ..Found::default()
        };
        let usage = &body.usage.0;
        *count += sizes.len();
        tally(outcomes, found.outcome);
        for (number, (item, size)) in body.data.iter().zip(sizes).enumerate() {
            let is_first = number == 0; // only the first row has the tokens and the bodies
            found.body = found.body.filter(|_| is_first);
            add_result(columns, &found, Some(place));
            add_request(columns, request, result.custom_id.as_str(), found.endpoint, is_first);
            columns.model.push(Some(body.model.as_str()));
            columns.response_id.push(text(&body.id));
            columns.created_at.push(body.created.map(|seconds| seconds * 1_000_000));
            columns.input_tokens.push(is_first.then_some(usage.prompt_tokens));
            columns.output_tokens.push(usage.completion_tokens.filter(|_| is_first));
            columns.total_tokens.push(is_first.then_some(usage.total_tokens));
            columns.embedding_index.push(Some(item.0.index));
            columns.input_text.push(asked.and_then(|asked| asked.input.0.get(number)).map(Text::as_str));
            columns.embedding.push(Some(size));
        }
        Some(())
    }
}

/// Cut the lists of numbers out of a line, and leave empty ones; None if a list has anything else.
///
/// - `values`: Where the numbers go.
/// - `sizes`: Where the size of each list in bytes goes.
fn without_lists<'a>(line: &'a [u8], values: &mut Vec<u8>, sizes: &mut Vec<usize>) -> Option<Cow<'a, [u8]>> {
    let (mut short, mut done) = (Vec::new(), line);
    let mut rest = line;
    while let Some(at) = memmem::find(rest, KEY) {
        rest = rest.get(at + KEY.len()..)?;
        let Some(list) = after_space(rest).strip_prefix(b":").and_then(|value| after_space(value).strip_prefix(b"[")) else {
            continue;
        };
        let start = values.len();
        short.extend_from_slice(done.get(..done.len() - list.len())?);
        short.push(b']');
        rest = read_list(list, values)?;
        done = rest;
        sizes.push(values.len() - start);
    }
    if sizes.is_empty() {
        return Some(Cow::Borrowed(line));
    }
    short.extend_from_slice(done);
    Some(Cow::Owned(short))
}

/// Decode vectors that are texts; None if one is not floats of 32 bits for certain.
fn decode(data: &[Object<Item>], values: &mut Vec<u8>, sizes: &mut Vec<usize>) -> Option<()> {
    for item in data {
        let Embedding::Text(text) = item.0.embedding else { return None };
        let start = values.len();
        STANDARD.decode_vec(text, values).ok()?;
        let found = values.get(start..)?;
        // A first number that is zero or denormal can show another format.
        if found.len() % 4 != 0 || matches!(found.get(3)?, 0 | 0x80) {
            return None;
        }
        sizes.push(found.len());
    }
    Some(())
}

#[cfg(test)]
mod tests;
