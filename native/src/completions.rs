//! Legacy completions, whose choices have a text instead of a message.

use std::borrow::Cow;

use serde::Deserialize;

use crate::answers::{self, Answer, ChatUsage, Filtered, Verdicts, all_safe, is_time};
use crate::chat::{StopToken, end};
use crate::facts::Facts;
use crate::grammar::{Checked, Object, Skipped, Text};

/// The body of a completion.
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
    // No column: a value that is not empty keeps the body.
    #[serde(default)]
    kv_transfer_params: Checked,
    #[serde(default)]
    prompt: Checked,
}

/// One choice.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "housekeeping keys are allowed, and have no column")]
struct Choice<'a> {
    #[serde(borrow)]
    text: Text<'a>,
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
    prompt_logprobs: Checked,
    #[serde(default)]
    token_ids: Checked,
    #[serde(default)]
    prompt_token_ids: Checked,
    #[serde(default)]
    stop_reason: StopToken,
    #[serde(default)]
    matched_stop: StopToken,
}

impl Choice<'_> {
    fn is_mapped(&self) -> bool {
        let extras = [self.logprobs, self.prompt_logprobs, self.token_ids, self.prompt_token_ids];
        extras.iter().all(|value| !value.is_filled())
            && !self.stop_reason.is_filled
            && !self.matched_stop.is_filled
            && self.content_filter_results.as_ref().is_none_or(Verdicts::are_safe)
    }
}

impl<'a> answers::Body<'a> for Body<'a> {
    fn endpoint(facts: &Facts) -> &str {
        &facts.endpoints.completion
    }

    fn answer<'b>(&'b self, facts: &'b Facts) -> Option<Answer<'b>> {
        let first = &self.choices.first()?.0;
        if self.object.as_str() != "text_completion" || !is_time(self.created) {
            return None;
        }
        let extras = [self.kv_transfer_params, self.prompt];
        let mut outcome = facts.succeeded.as_str();
        let mut is_mapped =
            self.choices.len() == 1 && extras.iter().all(|value| !value.is_filled()) && all_safe(&self.prompt_filter_results);
        let mut finish_reason = None;
        for (number, choice) in self.choices.iter().enumerate() {
            let end = end(&choice.0.finish_reason, &choice.0.native_finish_reason, facts)?;
            if number == 0 {
                finish_reason = end.finish_reason;
            }
            outcome = facts.worse(outcome, end.outcome);
            is_mapped = is_mapped && end.is_mapped && choice.0.is_mapped();
        }
        let has_several = self.choices.len() > 1;
        if !has_several && first.text.as_str().is_empty() && outcome == facts.succeeded {
            return None;
        }
        let texts = self.choices.iter().map(|choice| choice.0.text.as_str());
        Some(Answer {
            outcome,
            model: self.model.as_str(),
            response_id: self.id.as_str(),
            created: Some(self.created),
            finish_reason,
            text: Some(Cow::Borrowed(first.text.as_str())),
            texts: if has_several { texts.collect() } else { Vec::new() },
            counts: Some(self.usage.0.counts()?),
            is_mapped,
            ..Answer::default()
        })
    }
}
