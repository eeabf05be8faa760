//! The plain grammar: the shapes of lines that have one meaning, as types. `docs/native.md` describes it.
//!
//! Whatever does not fit these types is read by Python. Derived structs refuse unknown and repeated keys, and `Checked` reads the
//! values that no column has as strictly as all others, so that a line is plain only if all of it is strict JSON.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::Deserialize;
use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A string, borrowed from the line if it has no escapes.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Text<'a>(#[serde(borrow)] pub Cow<'a, str>);

impl Text<'_> {
    /// Return the decoded string.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Text<'a> {
    fn from(text: &'a str) -> Self {
        Text(Cow::Borrowed(text))
    }
}

/// Return a string that is there, also if it is empty.
pub fn text<'a>(text: &'a Option<Text>) -> Option<&'a str> {
    text.as_ref().map(Text::as_str)
}

/// Return a string that is there and not empty.
pub fn given<'a>(text: &'a Option<Text>) -> Option<&'a str> {
    text.as_ref().map(Text::as_str).filter(|text| !text.is_empty())
}

/// Any JSON value, checked and dropped.
///
/// `serde::de::IgnoredAny` is not used: it accepts lone surrogates and any depth.
#[derive(Clone, Copy, Default)]
pub enum Checked {
    /// Null, or no such key.
    #[default]
    Null,
    /// A string.
    String { is_empty: bool },
    /// A list, and whether it has only strings.
    List { count: u32, are_strings: bool },
    /// An object.
    Object { is_empty: bool },
    /// A number, true or false.
    Scalar,
}

impl Checked {
    /// Return whether it has content, unlike null and empty strings, lists and objects.
    pub fn is_filled(self) -> bool {
        match self {
            Checked::Null => false,
            Checked::String { is_empty } | Checked::Object { is_empty } => !is_empty,
            Checked::List { count, .. } => count > 0,
            Checked::Scalar => true,
        }
    }
}

impl<'de> Deserialize<'de> for Checked {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CheckedVisitor)
    }
}

struct CheckedVisitor;

impl<'de> Visitor<'de> for CheckedVisitor {
    type Value = Checked;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Checked, E> {
        Ok(Checked::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked::Scalar)
    }

    fn visit_str<E>(self, text: &str) -> Result<Checked, E> {
        Ok(Checked::String { is_empty: text.is_empty() })
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        let (mut count, mut are_strings) = (0, true);
        while let Some(item) = items.next_element::<Checked>()? {
            count += 1;
            are_strings = are_strings && matches!(item, Checked::String { .. });
        }
        Ok(Checked::List { count, are_strings })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Checked, A::Error> {
        let mut is_empty = true;
        while members.next_entry::<Checked, Checked>()?.is_some() {
            is_empty = false;
        }
        Ok(Checked::Object { is_empty })
    }
}

/// Any JSON value of a key that has no meaning for the table.
#[derive(Default)]
pub struct Skipped;

impl<'de> Deserialize<'de> for Skipped {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Checked::deserialize(deserializer).map(|_| Skipped)
    }
}

/// An object with the keys of a struct. A derived struct alone also accepts a list of its values.
pub struct Object<T>(pub T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(PhantomData))
    }
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<Object<T>, A::Error> {
        T::deserialize(MapAccessDeserializer::new(members)).map(Object)
    }
}

/// A null, or a list without items.
pub type Nothing = Option<[Checked; 0]>;

/// Members of an object with keys of any name, each of them once.
pub struct Entries<'a, T>(pub Vec<(Text<'a>, T)>);

/// Objects with more members are read by Python: each key is compared with all others.
const MOST_ENTRIES: usize = 64;

impl<'de: 'a, 'a, T: Deserialize<'de>> Deserialize<'de> for Entries<'a, T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

struct EntriesVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesVisitor<T> {
    type Value = Entries<'de, T>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Entries<'de, T>, A::Error> {
        let mut found: Vec<(Text, T)> = Vec::new();
        while let Some((key, value)) = members.next_entry::<Text, T>()? {
            if found.len() == MOST_ENTRIES || found.iter().any(|(other, _)| other.as_str() == key.as_str()) {
                return Err(A::Error::custom("too many keys, or a key twice"));
            }
            found.push((key, value));
        }
        Ok(Entries(found))
    }
}

/// A result line whose response has a body of the type `B`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "B: Deserialize<'de>"))]
pub struct ResultLine<'a, B> {
    /// The service's id of the line.
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    /// The id of the request.
    #[serde(borrow)]
    pub custom_id: Text<'a>,
    /// The response; null for a request that was not sent.
    #[serde(borrow)]
    pub response: Option<Object<Response<'a, B>>>,
    /// The error of a request that was not sent.
    #[serde(borrow)]
    pub error: Option<Object<LineError<'a>>>,
}

/// The error of a line without a response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineError<'a> {
    /// Such as `batch_expired`.
    #[serde(borrow)]
    pub code: Text<'a>,
    /// A sentence.
    #[serde(borrow)]
    pub message: Option<Text<'a>>,
}

/// The response of a result.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, bound(deserialize = "B: Deserialize<'de>"))]
pub struct Response<'a, B> {
    /// The HTTP status.
    pub status_code: i32,
    /// The service's id of the HTTP request.
    #[serde(borrow)]
    pub request_id: Option<Text<'a>>,
    /// The body: an answer or an error.
    pub body: Object<B>,
}

/// The body of a request that failed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failure<'a> {
    /// The error.
    #[serde(borrow)]
    pub error: Object<ErrorObject<'a>>,
}

/// The error object of a failed request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ErrorObject<'a> {
    #[serde(borrow)]
    pub message: Text<'a>,
    #[serde(borrow, rename = "type")]
    pub kind: Option<Text<'a>>,
    #[serde(borrow)]
    pub param: Option<Text<'a>>,
    #[serde(borrow)]
    pub code: Option<Text<'a>>,
}

/// The bytes of the body of a line that is a `ResultLine` with a response and without an error.
pub fn body_of_result(line: &str) -> Option<&str> {
    last_body(line).or_else(|| decoded_body(line))
}

/// Return the body of `…"body": {…}}}` or `…"body": {…}}, "error": null}`; None for other lines.
///
/// Before the body are strings and numbers only. If they have no escapes, the first key with its name is the key. The response is
/// the only object of the line, and the body the only one of the response, so the braces at the end are theirs.
fn last_body(line: &str) -> Option<&str> {
    let (head, value) = line.split_at_checked(line.find("\"body\"")?)?;
    let value = value.strip_prefix("\"body\"")?.trim_ascii_start().strip_prefix(':')?.trim_ascii_start();
    let rest = value.trim_ascii_end().strip_suffix('}')?.trim_ascii_end();
    let response = match rest.strip_suffix("null") {
        Some(rest) => rest.trim_ascii_end().strip_suffix(':')?.trim_ascii_end().strip_suffix("\"error\"")?.trim_ascii_end(),
        None => rest,
    };
    let response = response.strip_suffix(',').unwrap_or(response).trim_ascii_end();
    let body = response.strip_suffix('}')?.trim_ascii_end();
    (body.ends_with('}') && !head.contains('\\')).then_some(body)
}

fn decoded_body(line: &str) -> Option<&str> {
    #[derive(Deserialize)]
    struct Line<'a> {
        #[serde(borrow)]
        response: Inner<'a>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        body: &'a RawValue,
    }
    serde_json::from_str::<Line>(line).ok().map(|found| found.response.body.get())
}
