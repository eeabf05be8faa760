//! Chat completions, and the ends of choices, which legacy completions have too.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error, Visitor};

use crate::answers::{self, Answer, ChatUsage, Filtered, Verdicts, all_safe, is_time};
use crate::facts::Facts;
use crate::grammar::{Checked, Object, Skipped, Text, given, text};

/// The body of a chat completion.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
pub struct Body<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    object: Text<'a>,
    created: i64,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    choices: Vec<Object<Choice<'a>>>,
    usage: Object<ChatUsage>,
    #[serde(default)]
    error: (),
    #[serde(borrow)]
    prompt_filter_results: Option<Vec<Object<Filtered<'a>>>>,
    // Housekeeping.
    #[serde(default)]
    system_fingerprint: Skipped,
    #[serde(default)]
    service_tier: Skipped,
    #[serde(default)]
    x_groq: Skipped,
    #[serde(default)]
    metadata: Skipped,
    #[serde(default)]
    prompt_cache_key: Skipped,
    #[serde(default)]
    safety_identifier: Skipped,
    #[serde(default)]
    user: Skipped,
    // No column: a value that is not empty keeps the body.
    #[serde(default)]
    prompt_logprobs: Checked,
    #[serde(default)]
    prompt_token_ids: Checked,
    #[serde(default)]
    kv_transfer_params: Checked,
    #[serde(default)]
    prompt: Checked,
    #[serde(default)]
    provider: Checked,
    #[serde(default)]
    citations: Checked,
    #[serde(default)]
    search_results: Checked,
    #[serde(default)]
    time_info: Checked,
    #[serde(default)]
    timings: Checked,
}

/// One choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
struct Choice<'a> {
    #[serde(borrow)]
    message: Object<Message<'a>>,
    #[serde(borrow)]
    finish_reason: Option<Text<'a>>,
    #[serde(borrow)]
    native_finish_reason: Option<Text<'a>>,
    #[serde(default)]
    error: (),
    #[serde(borrow)]
    content_filter_results: Option<Verdicts<'a>>,
    #[serde(default)]
    index: Skipped,
    #[serde(default)]
    seed: Skipped,
    #[serde(default)]
    logprobs: Checked,
    #[serde(default)]
    token_ids: Checked,
    #[serde(default)]
    stop_reason: StopToken,
    #[serde(default)]
    matched_stop: StopToken,
}

/// The message of a choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "keys without a value are allowed, and have no column")]
struct Message<'a> {
    #[serde(borrow)]
    content: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning_content: Option<Text<'a>>,
    #[serde(borrow)]
    reasoning: Option<Text<'a>>,
    #[serde(borrow)]
    tool_calls: Option<Vec<Object<ToolCall<'a>>>>,
    #[serde(default)]
    function_call: (),
    #[serde(default)]
    audio: (),
    #[serde(default)]
    role: Skipped,
    #[serde(default)]
    prefix: Skipped,
    #[serde(default)]
    annotations: Checked,
    #[serde(default)]
    reasoning_details: Checked,
    #[serde(default)]
    provider_specific_fields: Checked,
}

/// A call of a function.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
struct ToolCall<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    function: Object<Function<'a>>,
    #[serde(rename = "type", default)]
    kind: Skipped,
    #[serde(default)]
    index: Skipped,
}

/// The function that is called.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Function<'a> {
    #[serde(borrow)]
    name: Text<'a>,
    #[serde(borrow)]
    arguments: Text<'a>,
}

/// The string or the token that ended a text; a token has no column, and is not missed.
#[derive(Default)]
pub struct StopToken {
    /// Whether it is a string.
    pub is_filled: bool,
}

impl<'de> Deserialize<'de> for StopToken {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StopVisitor)
    }
}

struct StopVisitor;

impl<'de> Visitor<'de> for StopVisitor {
    type Value = StopToken;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a string, a 64-bit integer or null")
    }

    fn visit_i64<E>(self, _: i64) -> Result<StopToken, E> {
        Ok(StopToken { is_filled: false })
    }

    fn visit_u64<E: Error>(self, token: u64) -> Result<StopToken, E> {
        i64::try_from(token).map(|_| StopToken { is_filled: false }).map_err(E::custom)
    }

    fn visit_str<E>(self, text: &str) -> Result<StopToken, E> {
        Ok(StopToken { is_filled: !text.is_empty() })
    }

    fn visit_unit<E>(self) -> Result<StopToken, E> {
        Ok(StopToken { is_filled: false })
    }
}

/// How a choice ended.
pub struct End<'a> {
    /// The value of the column.
    pub finish_reason: Option<&'a str>,
    /// The outcome.
    pub outcome: &'a str,
    /// Whether the column has all of it.
    pub is_mapped: bool,
}

/// Return how a choice ended, from its own reason and that of a provider's provider; None if a word is not known.
pub fn end<'a>(reason: &Option<Text>, native: &Option<Text>, facts: &'a Facts) -> Option<End<'a>> {
    let meaning = |word: &str| facts.finish_reasons.get(word);
    let (word, is_mapped) = match (text(reason), text(native)) {
        (None, None) => return Some(End { finish_reason: None, outcome: &facts.succeeded, is_mapped: true }),
        (Some(word), Some(native)) => (word, meaning(native)? == meaning(word)?),
        (Some(word), None) | (None, Some(word)) => (word, true),
    };
    let (finish_reason, outcome) = meaning(word)?;
    Some(End { finish_reason: Some(finish_reason), outcome, is_mapped })
}

impl Choice<'_> {
    fn is_mapped(&self) -> bool {
        let extras = [self.logprobs, self.token_ids];
        extras.iter().all(|value| !value.is_filled())
            && !self.stop_reason.is_filled
            && !self.matched_stop.is_filled
            && self.content_filter_results.as_ref().is_none_or(Verdicts::are_safe)
    }
}

impl Message<'_> {
    /// Return whether there is an answer.
    fn says_something(&self) -> bool {
        let has_calls = self.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
        given(&self.content).is_some() || given(&self.refusal).is_some() || has_calls
    }

    /// Return the reasoning under either name, and whether there is no other.
    fn reasoning(&self) -> (Option<&str>, bool) {
        let (first, second) = (given(&self.reasoning_content), given(&self.reasoning));
        let differ = first.is_some() && second.is_some() && first != second;
        (first.or(second), !differ)
    }

    fn is_mapped(&self) -> bool {
        let extras = [self.annotations, self.reasoning_details, self.provider_specific_fields];
        extras.iter().all(|value| !value.is_filled()) && self.reasoning().1
    }
}

impl<'a> answers::Body<'a> for Body<'a> {
    fn endpoint(facts: &Facts) -> &str {
        &facts.endpoints.chat
    }

    fn answer<'b>(&'b self, facts: &'b Facts) -> Option<Answer<'b>> {
        let first = &self.choices.first()?.0;
        if self.object.as_str() != "chat.completion" || !is_time(self.created) {
            return None;
        }
        let (mut outcome, mut is_mapped) = (facts.succeeded.as_str(), self.choices.len() == 1 && self.is_mapped());
        let mut finish_reason = None;
        for (number, choice) in self.choices.iter().enumerate() {
            let end = end(&choice.0.finish_reason, &choice.0.native_finish_reason, facts)?;
            if number == 0 {
                finish_reason = end.finish_reason;
            }
            let message = &choice.0.message.0;
            if end.outcome == facts.succeeded && !message.says_something() {
                return None;
            }
            outcome = facts.worse(outcome, end.outcome);
            is_mapped = is_mapped && end.is_mapped && choice.0.is_mapped() && message.is_mapped();
        }
        let message = &first.message.0;
        let texts = || self.choices.iter().filter_map(|choice| text(&choice.0.message.0.content));
        let calls = message.tool_calls.iter().flatten();
        Some(Answer {
            outcome,
            model: self.model.as_str(),
            response_id: self.id.as_str(),
            created: Some(self.created),
            finish_reason,
            text: text(&message.content).map(Cow::Borrowed),
            texts: if texts().nth(1).is_some() { texts().collect() } else { Vec::new() },
            refusal: text(&message.refusal).map(Cow::Borrowed),
            reasoning: message.reasoning().0.map(Cow::Borrowed),
            calls: calls.map(|call| call.0.values()).collect(),
            counts: Some(self.usage.0.counts()?),
            moderation: None,
            is_mapped,
        })
    }
}

impl Body<'_> {
    fn is_mapped(&self) -> bool {
        let extras = [
            self.prompt_logprobs,
            self.prompt_token_ids,
            self.kv_transfer_params,
            self.prompt,
            self.provider,
            self.citations,
            self.search_results,
            self.time_info,
            self.timings,
        ];
        extras.iter().all(|value| !value.is_filled()) && all_safe(&self.prompt_filter_results)
    }
}

impl ToolCall<'_> {
    fn values(&self) -> [&str; 3] {
        [self.id.as_str(), self.function.0.name.as_str(), self.function.0.arguments.as_str()]
    }
}
