//! What a body says, whatever its endpoint, and the token counts of it.

use std::borrow::Cow;

use serde::Deserialize;

use crate::facts::{Facts, Kind};
use crate::grammar::{Entries, Nothing, Object, Skipped, Text};

/// A body that is an answer.
pub trait Body<'a>: Deserialize<'a> {
    /// The requests that it answers.
    const KIND: Kind = Kind::Text;

    /// Return its endpoint.
    fn endpoint(facts: &Facts) -> &str;

    /// Return what it says; None if it is not certain.
    fn answer<'b>(&'b self, facts: &'b Facts) -> Option<Answer<'b>>;
}

/// The values of columns, as in `batchfiles.bodies.answer`.
#[derive(Default)]
pub struct Answer<'a> {
    pub outcome: &'a str,
    pub model: &'a str,
    pub response_id: &'a str,
    /// Seconds since 1970.
    pub created: Option<i64>,
    pub finish_reason: Option<&'a str>,
    pub text: Option<Cow<'a, str>>,
    /// All texts, if there are several.
    pub texts: Vec<&'a str>,
    pub refusal: Option<Cow<'a, str>>,
    pub reasoning: Option<Cow<'a, str>>,
    /// Id, name and arguments.
    pub calls: Vec<[&'a str; 3]>,
    pub counts: Option<Counts>,
    pub moderation: Option<Moderation<'a>>,
    /// Whether the columns have everything.
    pub is_mapped: bool,
}

/// The columns of moderations.
pub struct Moderation<'a> {
    pub flagged: Option<bool>,
    pub categories: Option<Vec<&'a str>>,
    pub scores: Option<Vec<(&'a str, f64)>>,
    /// How many texts were judged.
    pub results: usize,
}

/// Year 10000, the end of Python's times, in seconds.
const YEAR_10000: i64 = 253_402_300_800;

/// Return whether a time is one that Python has.
pub fn is_time(seconds: i64) -> bool {
    (0..YEAR_10000).contains(&seconds)
}

/// The token counts of chat completions and legacy completions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "times and costs are allowed, and have no column")]
pub struct ChatUsage {
    prompt_tokens: i64,
    completion_tokens: i64,
    total_tokens: i64,
    prompt_tokens_details: Option<Object<InputDetails>>,
    completion_tokens_details: Option<Object<OutputDetails>>,
    #[serde(default)]
    queue_time: Skipped,
    #[serde(default)]
    prompt_time: Skipped,
    #[serde(default)]
    completion_time: Skipped,
    #[serde(default)]
    total_time: Skipped,
    #[serde(default)]
    cost: Skipped,
    #[serde(default)]
    cost_details: Skipped,
    #[serde(default)]
    is_byok: Skipped,
    #[serde(default)]
    prompt_audio_seconds: Skipped,
    #[serde(default)]
    num_search_queries: Skipped,
    #[serde(default)]
    search_context_size: Skipped,
}

impl ChatUsage {
    /// Return the counts if they agree.
    pub fn counts(&self) -> Option<Counts> {
        let numbers = [self.prompt_tokens, self.completion_tokens, self.total_tokens];
        counts(numbers, &self.prompt_tokens_details, &self.completion_tokens_details)
    }
}

/// The token counts of responses.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResponseUsage {
    input_tokens: i64,
    output_tokens: i64,
    total_tokens: i64,
    input_tokens_details: Option<Object<InputDetails>>,
    output_tokens_details: Option<Object<OutputDetails>>,
}

impl ResponseUsage {
    /// Return the counts if they agree.
    pub fn counts(&self) -> Option<Counts> {
        let numbers = [self.input_tokens, self.output_tokens, self.total_tokens];
        counts(numbers, &self.input_tokens_details, &self.output_tokens_details)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "text tokens are allowed, and have no column")]
struct InputDetails {
    cached_tokens: Option<i64>,
    cache_write_tokens: Option<i64>,
    audio_tokens: Option<i64>,
    image_tokens: Option<i64>,
    video_tokens: Option<i64>,
    #[serde(default)]
    text_tokens: Skipped,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "counts without a column are allowed")]
struct OutputDetails {
    reasoning_tokens: Option<i64>,
    audio_tokens: Option<i64>,
    image_tokens: Option<i64>,
    video_tokens: Option<i64>,
    #[serde(default)]
    text_tokens: Skipped,
    #[serde(default)]
    accepted_prediction_tokens: Skipped,
    #[serde(default)]
    rejected_prediction_tokens: Skipped,
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

/// Return the counts if each part is in its whole and the sum is the total; None if a provider counts in another way.
fn counts(
    [input, output, total]: [i64; 3],
    asked: &Option<Object<InputDetails>>,
    given: &Option<Object<OutputDetails>>,
) -> Option<Counts> {
    let (asked, given) = (asked.as_ref().map(|details| &details.0), given.as_ref().map(|details| &details.0));
    let counts = Counts {
        input,
        output,
        total,
        cached: asked.and_then(|asked| asked.cached_tokens),
        reasoning: given.and_then(|given| given.reasoning_tokens),
        cache_write: asked.and_then(|asked| asked.cache_write_tokens),
    };
    let others = [
        asked.map(|asked| [asked.audio_tokens, asked.image_tokens, asked.video_tokens]),
        given.map(|given| [given.audio_tokens, given.image_tokens, given.video_tokens]),
    ];
    let agrees = counts.agree() && others.iter().flatten().flatten().all(|tokens| tokens.unwrap_or(0) == 0);
    agrees.then_some(counts)
}

impl Counts {
    /// Return whether each part is in its whole and the sum is the total.
    pub fn agree(&self) -> bool {
        let [read, written, thought] = [self.cached, self.cache_write, self.reasoning].map(Option::unwrap_or_default);
        [self.input, self.output, read, written, thought].iter().all(|count| *count >= 0)
            && self.input.checked_add(self.output) == Some(self.total)
            && read.checked_add(written).is_some_and(|part| part <= self.input)
            && thought <= self.output
    }
}

/// The verdicts of Azure's content filter by category.
pub type Verdicts<'a> = Entries<'a, Object<Verdict<'a>>>;

/// The verdict on one category.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "details are there and empty")]
pub struct Verdict<'a> {
    filtered: Option<bool>,
    detected: Option<bool>,
    #[serde(borrow, default = "safe")]
    severity: Text<'a>,
    #[serde(default)]
    details: Nothing,
}

fn safe<'a>() -> Text<'a> {
    Text(Cow::Borrowed("safe"))
}

/// What the filter says of one prompt or answer.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "the place of the text has no column")]
pub struct Filtered<'a> {
    #[serde(borrow)]
    content_filter_results: Verdicts<'a>,
    blocked: Option<bool>,
    #[serde(default)]
    prompt_index: Skipped,
    #[serde(default)]
    source_type: Skipped,
    #[serde(default)]
    content_filter_offsets: Skipped,
    #[serde(default)]
    content_filter_raw: Nothing,
}

impl Verdicts<'_> {
    /// Return whether nothing was found.
    pub fn are_safe(&self) -> bool {
        let is_safe =
            |found: &Verdict| found.filtered != Some(true) && found.detected != Some(true) && found.severity.as_str() == "safe";
        self.0.iter().all(|(_, verdict)| is_safe(&verdict.0))
    }
}

/// Return whether nothing was found in any prompt or answer.
pub fn all_safe(found: &Option<Vec<Object<Filtered>>>) -> bool {
    let is_safe = |entry: &Filtered| entry.blocked != Some(true) && entry.content_filter_results.are_safe();
    found.as_ref().is_none_or(|found| found.iter().all(|entry| is_safe(&entry.0)))
}
