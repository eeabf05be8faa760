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
pub struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

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

/// Any JSON value, checked and dropped. `serde::de::IgnoredAny` is not used: it accepts lone surrogates and any depth.
#[derive(Default)]
pub struct Checked;

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
        Ok(Checked)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_str<E>(self, _: &str) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_unit<E>(self) -> Result<Checked, E> {
        Ok(Checked)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Checked, A::Error> {
        while items.next_element::<Checked>()?.is_some() {}
        Ok(Checked)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Checked, A::Error> {
        while members.next_entry::<Checked, Checked>()?.is_some() {}
        Ok(Checked)
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
type Nothing = Option<[Checked; 0]>;

/// A request line.
pub struct RequestLine<'a> {
    /// The id.
    pub custom_id: Text<'a>,
    /// The url.
    pub url: Text<'a>,
    /// The model that the body names.
    pub model: Option<Text<'a>>,
    /// The key of the body, whose place in memory is that in the line.
    body_key: &'a str,
}

impl<'de> Deserialize<'de> for RequestLine<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(RequestVisitor)
    }
}

struct RequestVisitor;

impl<'de> Visitor<'de> for RequestVisitor {
    type Value = RequestLine<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a request whose last key is the body")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<RequestLine<'de>, A::Error> {
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
                    body.replace(members.next_value::<RequestBody>()?).is_none()
                }
                _ => false,
            };
            if !is_new {
                return Err(A::Error::custom("another key, or a key twice"));
            }
        }
        match (custom_id, url, body, body_key) {
            (Some(custom_id), Some(url), Some(body), Some(body_key)) => {
                Ok(RequestLine { custom_id, url, model: body.0, body_key })
            }
            _ => Err(A::Error::custom("a key is missing")),
        }
    }
}

/// The body of a request, of which only the model is read.
struct RequestBody<'a>(Option<Text<'a>>);

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
        let mut model = None;
        while let Some(key) = members.next_key::<Text>()? {
            if key.as_str() != "model" {
                members.next_value::<Checked>()?;
            } else if model.replace(members.next_value::<Text>()?).is_some() {
                return Err(A::Error::custom("a key twice"));
            }
        }
        Ok(RequestBody(model))
    }
}

impl RequestLine<'_> {
    /// Return the bytes of the body, which is the last value of the line.
    pub fn body_of<'a>(&self, line: &'a str) -> Option<&'a str> {
        let key = (self.body_key.as_ptr() as usize).checked_sub(line.as_ptr() as usize)?;
        let rest = line.get(key + self.body_key.len()..)?.strip_prefix('"')?.trim_ascii_start().strip_prefix(':')?;
        Some(rest.trim_ascii().strip_suffix('}')?.trim_ascii_end())
    }
}

/// A result line.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultLine<'a> {
    /// The service's id of the line.
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    /// The id of the request.
    #[serde(borrow)]
    pub custom_id: Text<'a>,
    /// The response; null for a request that was not sent.
    #[serde(borrow)]
    pub response: Option<Object<Response<'a>>>,
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
#[serde(deny_unknown_fields)]
pub struct Response<'a> {
    /// The HTTP status.
    pub status_code: i32,
    /// The service's id of the HTTP request.
    #[serde(borrow)]
    pub request_id: Text<'a>,
    /// The body: an answer or an error.
    #[serde(borrow)]
    pub body: Object<Body<'a>>,
}

/// A chat completion, or an object with the key `error` and no other. Keys without a column are checked only.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
pub struct Body<'a> {
    #[serde(borrow)]
    pub id: Option<Text<'a>>,
    #[serde(borrow)]
    pub object: Option<Text<'a>>,
    pub created: Option<i64>,
    #[serde(borrow)]
    pub model: Option<Text<'a>>,
    #[serde(borrow)]
    pub choices: Option<[Object<Choice<'a>>; 1]>,
    pub usage: Option<Object<Usage>>,
    #[serde(borrow)]
    pub error: Option<Object<ErrorObject<'a>>>,
    system_fingerprint: Option<Checked>,
    service_tier: Option<Checked>,
    x_groq: Option<Checked>,
    metadata: Option<Checked>,
    prompt_cache_key: Option<Checked>,
    safety_identifier: Option<Checked>,
    user: Option<Checked>,
    #[serde(default)]
    prompt_logprobs: (),
    #[serde(default)]
    prompt_token_ids: (),
    #[serde(default)]
    kv_transfer_params: (),
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

/// One choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
pub struct Choice<'a> {
    #[serde(borrow)]
    pub finish_reason: Text<'a>,
    #[serde(borrow)]
    pub message: Object<Message<'a>>,
    index: Option<Checked>,
    seed: Option<Checked>,
    #[serde(default)]
    logprobs: (),
    #[serde(default)]
    stop_reason: (),
    #[serde(default)]
    token_ids: (),
}

/// The message of a choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "keys without a value are allowed, and have no column")]
pub struct Message<'a> {
    #[serde(borrow)]
    pub content: Option<Text<'a>>,
    #[serde(borrow)]
    pub refusal: Option<Text<'a>>,
    #[serde(borrow)]
    pub reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    pub reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    pub tool_calls: Option<Vec<Object<ToolCall<'a>>>>,
    role: Option<Checked>,
    annotations: Nothing,
    #[serde(default)]
    function_call: (),
    #[serde(default)]
    audio: (),
}

/// A call of a function.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
pub struct ToolCall<'a> {
    #[serde(borrow)]
    pub id: Text<'a>,
    #[serde(borrow)]
    pub function: Object<Function<'a>>,
    #[serde(rename = "type")]
    kind: Option<Checked>,
    index: Option<Checked>,
}

/// The function that is called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Function<'a> {
    #[serde(borrow)]
    pub name: Text<'a>,
    #[serde(borrow)]
    pub arguments: Text<'a>,
}

/// The token counts.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "times and costs are allowed, and have no column")]
pub struct Usage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    prompt_tokens_details: Option<Object<InputDetails>>,
    completion_tokens_details: Option<Object<OutputDetails>>,
    queue_time: Option<Checked>,
    prompt_time: Option<Checked>,
    completion_time: Option<Checked>,
    total_time: Option<Checked>,
    cost: Option<Checked>,
    cost_details: Option<Checked>,
    is_byok: Option<Checked>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "text tokens are allowed, and have no column")]
struct InputDetails {
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    audio_tokens: Option<i64>,
    text_tokens: Option<Checked>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "counts without a column are allowed")]
struct OutputDetails {
    reasoning_tokens: Option<i64>,
    audio_tokens: Option<i64>,
    text_tokens: Option<Checked>,
    accepted_prediction_tokens: Option<Checked>,
    rejected_prediction_tokens: Option<Checked>,
}

/// The counts of the table.
pub struct Counts {
    pub input: i64,
    pub output: i64,
    pub total: i64,
    pub cached: Option<i64>,
    pub reasoning: Option<i64>,
    pub cache_write: Option<i64>,
}

impl Usage {
    /// Return the counts if each part is in its whole and the sum is the total; None if a provider counts in another way.
    pub fn counts(self) -> Option<Counts> {
        let asked = self.prompt_tokens_details.map(|details| details.0).unwrap_or_default();
        let given = self.completion_tokens_details.map(|details| details.0).unwrap_or_default();
        let found = Counts {
            input: self.prompt_tokens,
            output: self.completion_tokens,
            total: self.total_tokens,
            cached: asked.cached_tokens,
            reasoning: given.reasoning_tokens,
            cache_write: asked.cache_write_tokens,
        };
        let (cached, written, reasoning) =
            (found.cached.unwrap_or(0), found.cache_write.unwrap_or(0), found.reasoning.unwrap_or(0));
        let agrees = [found.input, found.output, cached, written, reasoning].iter().all(|count| *count >= 0)
            && found.input.checked_add(found.output) == Some(found.total)
            && cached.checked_add(written).is_some_and(|part| part <= found.input)
            && reasoning <= found.output
            && asked.audio_tokens.unwrap_or(0) == 0
            && given.audio_tokens.unwrap_or(0) == 0;
        agrees.then_some(found)
    }
}

/// The bytes of the body of a line that is a `ResultLine`.
pub fn body_of_result(line: &str) -> Option<&str> {
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
