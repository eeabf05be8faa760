//! Responses: output items with the reasoning, the message and the calls.

use std::borrow::Cow;

use serde::Deserialize;

use crate::answers::{self, Answer, Filtered, ResponseUsage, all_safe, is_time};
use crate::facts::Facts;
use crate::grammar::{Checked, Object, Skipped, Text, given, text};

/// The body of a response.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping and echoes of the request are allowed, and have no column")]
pub struct Body<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    object: Text<'a>,
    created_at: i64,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    status: Text<'a>,
    #[serde(borrow)]
    output: Vec<Object<Item<'a>>>,
    usage: Object<ResponseUsage>,
    #[serde(borrow)]
    incomplete_details: Option<Object<Details<'a>>>,
    #[serde(default)]
    error: (),
    #[serde(borrow)]
    content_filters: Option<Vec<Object<Filtered<'a>>>>,
    // Housekeeping.
    #[serde(default)]
    completed_at: Skipped,
    #[serde(default)]
    billing: Skipped,
    #[serde(default)]
    service_tier: Skipped,
    // Echoes of the request.
    #[serde(default)]
    background: Skipped,
    #[serde(default)]
    conversation: Skipped,
    #[serde(default)]
    frequency_penalty: Skipped,
    #[serde(default)]
    instructions: Skipped,
    #[serde(default)]
    max_output_tokens: Skipped,
    #[serde(default)]
    max_tool_calls: Skipped,
    #[serde(default)]
    metadata: Skipped,
    #[serde(default)]
    parallel_tool_calls: Skipped,
    #[serde(default)]
    presence_penalty: Skipped,
    #[serde(default)]
    previous_response_id: Skipped,
    #[serde(default)]
    prompt: Skipped,
    #[serde(default)]
    prompt_cache_key: Skipped,
    #[serde(default)]
    prompt_cache_options: Skipped,
    #[serde(default)]
    prompt_cache_retention: Skipped,
    #[serde(default)]
    reasoning: Skipped,
    #[serde(default)]
    safety_identifier: Skipped,
    #[serde(default)]
    store: Skipped,
    #[serde(default)]
    temperature: Skipped,
    #[serde(default)]
    text: Skipped,
    #[serde(default)]
    tool_choice: Skipped,
    #[serde(default)]
    tools: Skipped,
    #[serde(default)]
    top_logprobs: Skipped,
    #[serde(default)]
    top_p: Skipped,
    #[serde(default)]
    truncation: Skipped,
    #[serde(default)]
    user: Skipped,
    // No column: a value that is not empty keeps the body.
    #[serde(default)]
    output_text: Checked,
    #[serde(default)]
    kv_transfer_params: Checked,
    #[serde(default)]
    input_messages: Checked,
    #[serde(default)]
    output_messages: Checked,
}

/// Why a response is not complete.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Details<'a> {
    #[serde(borrow)]
    reason: Text<'a>,
}

/// An item of the output: a message, reasoning or a call.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
struct Item<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    role: Option<Text<'a>>,
    #[serde(borrow)]
    phase: Option<Text<'a>>,
    #[serde(borrow)]
    content: Option<Vec<Object<Part<'a>>>>,
    #[serde(borrow)]
    summary: Option<Vec<Object<Part<'a>>>>,
    #[serde(borrow)]
    call_id: Option<Text<'a>>,
    #[serde(borrow)]
    name: Option<Text<'a>>,
    #[serde(borrow)]
    arguments: Option<Text<'a>>,
    #[serde(borrow)]
    input: Option<Text<'a>>,
    #[serde(default)]
    encrypted_content: Checked,
    #[serde(default)]
    id: Skipped,
}

/// A part of a message or of reasoning.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Part<'a> {
    #[serde(borrow, rename = "type")]
    kind: Text<'a>,
    #[serde(borrow)]
    text: Option<Text<'a>>,
    #[serde(borrow)]
    refusal: Option<Text<'a>>,
    #[serde(default)]
    annotations: Checked,
    #[serde(default)]
    logprobs: Checked,
}

/// What the items say.
#[derive(Default)]
struct Output<'a> {
    /// The parts of the message; None without one that has a text.
    message: Option<Vec<&'a str>>,
    refusals: Vec<&'a str>,
    reasoning: Vec<&'a str>,
    calls: Vec<[&'a str; 3]>,
    /// Whether an item is not finished.
    is_cut: bool,
    /// Whether a part has something without a column.
    has_more: bool,
}

impl<'a> Output<'a> {
    /// Add an item; None if it is not plain.
    fn add(&mut self, item: &'a Item) -> Option<()> {
        let is_call = item.call_id.is_some() || item.name.is_some() || item.arguments.is_some() || item.input.is_some();
        let is_message = item.role.is_some() || item.phase.is_some();
        self.has_more |= item.encrypted_content.is_filled();
        match item.kind.as_str() {
            "message" if !is_call && item.summary.is_none() => self.add_message(item),
            "reasoning" if !is_call && !is_message => self.add_reasoning(item),
            "function_call" if !is_message && item.input.is_none() => self.add_call(item, &item.arguments),
            "custom_tool_call" if !is_message && item.arguments.is_none() => self.add_call(item, &item.input),
            _ => None,
        }
    }

    fn add_message(&mut self, item: &'a Item) -> Option<()> {
        // Of several messages, Python chooses one. Commentary is not the answer.
        let is_answer = text(&item.role).is_none_or(|role| role == "assistant");
        if !is_answer || self.message.is_some() || text(&item.phase).is_some_and(|phase| phase != "final_answer") {
            return None;
        }
        let mut texts = Vec::new();
        for part in item.content.as_ref()? {
            let part = &part.0;
            self.has_more |= part.annotations.is_filled() || part.logprobs.is_filled();
            match (part.kind.as_str(), text(&part.text), text(&part.refusal)) {
                ("output_text", Some(words), None) => texts.push(words),
                ("refusal", None, Some(words)) => self.refusals.push(words),
                _ => return None,
            }
        }
        if !texts.is_empty() {
            self.is_cut |= text(&item.status).is_some_and(|status| status != "completed");
            self.message = Some(texts);
        }
        Some(())
    }

    fn add_reasoning(&mut self, item: &'a Item) -> Option<()> {
        for part in item.summary.iter().flatten().chain(item.content.iter().flatten()) {
            let part = &part.0;
            self.has_more |= part.annotations.is_filled() || part.logprobs.is_filled() || given(&part.refusal).is_some();
            self.reasoning.push(text(&part.text)?);
        }
        Some(())
    }

    fn add_call(&mut self, item: &'a Item, arguments: &'a Option<Text>) -> Option<()> {
        if item.content.is_some() || item.summary.is_some() {
            return None;
        }
        self.is_cut |= text(&item.status).is_some_and(|status| status != "completed");
        self.calls.push([text(&item.call_id)?, text(&item.name)?, text(arguments)?]);
        Some(())
    }
}

fn joined<'a>(texts: &[&'a str], separator: &str) -> Option<Cow<'a, str>> {
    match texts {
        [] => None,
        [text] => Some(Cow::Borrowed(text)),
        _ => Some(Cow::Owned(texts.join(separator))),
    }
}

impl<'a> answers::Body<'a> for Body<'a> {
    fn endpoint(facts: &Facts) -> &str {
        &facts.endpoints.response
    }

    fn answer<'b>(&'b self, facts: &'b Facts) -> Option<Answer<'b>> {
        if self.object.as_str() != "response" || !is_time(self.created_at) {
            return None;
        }
        let mut found = Output::default();
        self.output.iter().try_for_each(|item| found.add(&item.0))?;
        let [without_calls, with_calls] = &facts.response_ends;
        let ends = if found.calls.is_empty() { without_calls } else { with_calls };
        let (outcome, finish_reason) = ends.get(self.status.as_str())?;
        let is_complete = *outcome == facts.succeeded;
        let says_something = |texts: &[&str]| texts.iter().any(|text| !text.is_empty());
        let is_empty =
            !says_something(found.message.as_deref().unwrap_or_default()) && found.refusals.is_empty() && found.calls.is_empty();
        if is_complete && (is_empty || found.is_cut || self.incomplete_details.is_some()) {
            return None;
        }
        let finish_reason = match &self.incomplete_details {
            Some(details) => Some(facts.finish_reasons.get(details.0.reason.as_str())?.0.as_str()),
            None => finish_reason.as_deref(),
        };
        let extras = [self.output_text, self.kv_transfer_params, self.input_messages, self.output_messages];
        Some(Answer {
            outcome,
            model: self.model.as_str(),
            response_id: self.id.as_str(),
            created: Some(self.created_at),
            finish_reason,
            text: found.message.as_deref().and_then(|texts| joined(texts, "")),
            refusal: joined(&found.refusals, "\n\n"),
            reasoning: joined(&found.reasoning, "\n\n"),
            counts: Some(self.usage.0.counts()?),
            is_mapped: !found.has_more && extras.iter().all(|value| !value.is_filled()) && all_safe(&self.content_filters),
            calls: found.calls,
            ..Answer::default()
        })
    }
}
