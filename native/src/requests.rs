//! Request lines.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};

use crate::grammar::{Checked, Text};

/// A request line with a body of one type.
pub struct RequestLine<'a, B = RequestBody<'a>> {
    /// The id.
    pub custom_id: Text<'a>,
    /// The url.
    pub url: Text<'a>,
    /// The body.
    pub body: B,
    /// The key of the body, whose place in memory is that in the line.
    body_key: &'a str,
}

impl<'de, B: Deserialize<'de>> Deserialize<'de> for RequestLine<'de, B> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor(PhantomData))
    }
}

struct RequestVisitor<B>(PhantomData<B>);

impl<'de, B: Deserialize<'de>> Visitor<'de> for RequestVisitor<B> {
    type Value = RequestLine<'de, B>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a request whose last key is the body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RequestLine<'de, B>, A::Error> {
        let (mut custom_id, mut method, mut url, mut body) = (None, None, None, None);
        let mut body_key = None;
        while let Some(key) = members.next_key::<Text>()? {
            // After the body comes no other key, so that its bytes end before the last brace of the line.
            let is_new = match key.as_str() {
                "custom_id" if body.is_none() => custom_id.replace(members.next_value::<Text>()?).is_none(),
                "method" if body.is_none() => method.replace(members.next_value::<Text>()?).is_none(),
                "url" if body.is_none() => url.replace(members.next_value::<Text>()?).is_none(),
                "body" => {
                    if let Cow::Borrowed(key) = key.0 {
                        body_key = Some(key);
                    }
                    body.replace(members.next_value::<B>()?).is_none()
                }
                _ => false,
            };
            if !is_new {
                return Err(A::Error::custom("another key, or a key twice"));
            }
        }
        match (custom_id, url, body, body_key) {
            (Some(custom_id), Some(url), Some(body), Some(body_key)) => Ok(RequestLine { custom_id, url, body, body_key }),
            _ => Err(A::Error::custom("a key is missing")),
        }
    }
}

/// The body of a request, of which only these are read.
pub struct RequestBody<'a> {
    /// The model.
    pub model: Option<Text<'a>>,
    /// What is judged, in a request for moderations.
    pub input: Checked,
    /// Whether there is one such key at most.
    pub has_one_input: bool,
}

impl<'de> Deserialize<'de> for RequestBody<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(BodyVisitor)
    }
}

struct BodyVisitor;

impl<'de> Visitor<'de> for BodyVisitor {
    type Value = RequestBody<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RequestBody<'de>, A::Error> {
        let (mut model, mut input, mut has_one_input) = (None, None, true);
        while let Some(key) = members.next_key::<Text>()? {
            match key.as_str() {
                "model" => {
                    if model.replace(members.next_value::<Text>()?).is_some() {
                        return Err(A::Error::custom("a key twice"));
                    }
                }
                "input" => has_one_input &= input.replace(members.next_value::<Checked>()?).is_none(),
                _ => drop(members.next_value::<Checked>()?),
            }
        }
        Ok(RequestBody { model, input: input.unwrap_or_default(), has_one_input })
    }
}

impl<B> RequestLine<'_, B> {
    /// Return the bytes of the body, which is the last value of the line.
    pub fn body_of<'a>(&self, line: &'a str) -> Option<&'a str> {
        let key = (self.body_key.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        let rest = line.get(key + self.body_key.len()..)?.strip_prefix('"')?.trim_ascii_start().strip_prefix(':')?;
        Some(rest.trim_ascii().strip_suffix('}')?.trim_ascii_end())
    }
}
