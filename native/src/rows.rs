//! From a plain line to a row. What decides an outcome comes from Python, as `Facts`.

use std::collections::HashMap;

use pyo3::prelude::*;
use serde::Deserialize;

use crate::columns::Columns;
use crate::grammar::{Body, Choice, Counts, ErrorObject, LineError, Message, Object, RequestBody, RequestLine, Response};
use crate::grammar::{ResultLine, Text, body_of_result};
use crate::vectors::{Asked, VectorFacts, may_have_vectors};

/// Lines longer than this are read by Python: the columns of a batch hold less than 2 GiB.
pub const MOST_BYTES: usize = 16 << 20;

/// Year 10000, the end of Python's times, in seconds.
pub const YEAR_10000: i64 = 253_402_300_800;

/// What the Python package knows about outcomes, so that it is written once.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Facts {
    /// `{finish reason: (value of the column, outcome)}`, only of answers.
    finish_reasons: HashMap<String, (String, String)>,
    /// `{error code of a line without a response: (outcome, retryable)}`.
    endings: HashMap<String, (String, bool)>,
    /// `{status of a failed request: retryable}`.
    statuses: HashMap<i32, bool>,
    /// `(outcome, retryable)` of a request without a result.
    missing: (String, bool),
    /// The outcome of an answer that is complete.
    pub succeeded: String,
    /// The outcome of a request with an error.
    failed: String,
    /// The endpoint of chat completions.
    endpoint: String,
    /// The endings of the urls of requests.
    urls: Vec<String>,
    /// `all`, `auto` or `none`: the response bodies that are kept.
    bodies: String,
    /// Whether the bodies of requests are kept.
    request_bodies: bool,
    /// What the table of vectors needs; None for the table of requests.
    pub vectors: Option<VectorFacts>,
}

impl Facts {
    /// Return whether the answers of a url have rows in this table; only if it is certain.
    fn has_url(&self, url: &str) -> bool {
        !url.contains('?') && self.urls.iter().any(|ending| url.ends_with(ending))
    }

    /// Return whether the response body of an answer is kept that the columns have in full.
    pub fn keeps_all(&self) -> bool {
        self.bodies == "all"
    }
}

/// Where a result line is.
pub struct ResultPlace<'a> {
    /// The number of the file.
    pub file: usize,
    /// The name of the file.
    pub source: &'a str,
    /// Counted from 1.
    pub line_number: i64,
    /// The batch of the file.
    pub batch_id: Option<&'a str>,
    /// How many results there are for the request; None without requests.
    pub attempts: Option<i32>,
}

/// A request line with its bytes.
pub struct Request<'a> {
    custom_id: Text<'a>,
    url: Text<'a>,
    model: Option<Text<'a>>,
    body: Option<&'a str>,
    /// What a request for vectors asks for; None in the table of requests.
    pub asked: Option<Asked<'a>>,
}

impl<'a> Request<'a> {
    /// Read a line; None if it is not plain.
    pub fn read(line: &'a [u8], facts: &Facts) -> Option<Self> {
        let text = plain_text(line)?;
        match &facts.vectors {
            Some(vectors) => Request::of(text, facts, |body: Object<Asked>| body.0.checked(vectors)),
            None => Request::of(text, facts, |RequestBody(model)| Some((model, None))),
        }
    }

    /// Read a line with a body of one kind, of which the model and more are taken.
    fn of<B: Deserialize<'a>>(
        text: &'a str,
        facts: &Facts,
        take: impl Fn(B) -> Option<(Option<Text<'a>>, Option<Asked<'a>>)>,
    ) -> Option<Self> {
        let line = serde_json::from_str::<RequestLine<B>>(text).ok()?;
        if !facts.has_url(line.url.as_str()) {
            return None;
        }
        let body = if facts.request_bodies { Some(line.body_of(text)?) } else { None };
        let (model, asked) = take(line.body)?;
        Some(Request { custom_id: line.custom_id, url: line.url, model, body, asked })
    }

    /// Return the id.
    pub fn custom_id(&self) -> &str {
        self.custom_id.as_str()
    }
}

/// The request of a row and its place.
pub struct RequestPlace<'a> {
    /// The request.
    pub request: &'a Request<'a>,
    /// The name of the file.
    pub source: &'a str,
    /// Counted from 1.
    pub line_number: i64,
}

/// Return the text of a line; None if it is too long, or not UTF-8.
pub fn plain_text(line: &[u8]) -> Option<&str> {
    if line.len() > MOST_BYTES { None } else { std::str::from_utf8(line).ok() }
}

fn given<'a>(text: &'a Option<Text>) -> Option<&'a str> {
    text.as_ref().map(|text| text.as_str()).filter(|text| !text.is_empty())
}

/// Rows that wait to become a batch.
pub struct Table {
    pub columns: Columns,
    pub facts: Facts,
    /// How many rows wait.
    pub count: usize,
    /// How many rows there were by outcome.
    pub outcomes: HashMap<String, u64>,
}

/// What a result says.
enum Meaning<'a> {
    Answer { response: &'a Response<'a>, choice: &'a Choice<'a>, outcome: &'a str, finish_reason: &'a str, counts: Counts },
    Failure { response: &'a Response<'a>, error: &'a ErrorObject<'a>, retryable: bool },
    Ending { error: &'a LineError<'a>, outcome: &'a str, retryable: bool },
}

impl Table {
    /// Make an empty table.
    pub fn new(facts: Facts) -> Self {
        let mut columns = Columns::default();
        columns.embedding.dimensions = facts.vectors.as_ref().and_then(|vectors| vectors.dimensions);
        Table { columns, facts, count: 0, outcomes: HashMap::new() }
    }

    /// Add the rows of a result line; false if the line is not plain, or is of another request.
    pub fn add(&mut self, line: &[u8], place: &ResultPlace, request: Option<&RequestPlace>) -> bool {
        if self.facts.vectors.is_some() && may_have_vectors(line) {
            self.add_vectors(line, place, request)
        } else {
            self.add_result(line, place, request)
        }
    }

    /// Add the row of a result line without vectors.
    fn add_result(&mut self, line: &[u8], place: &ResultPlace, request: Option<&RequestPlace>) -> bool {
        let Some(text) = plain_text(line) else { return false };
        let Ok(mut result) = serde_json::from_str::<Object<ResultLine>>(text).map(|object| object.0) else {
            return false;
        };
        if request.is_some_and(|place| place.request.custom_id() != result.custom_id.as_str()) {
            return false;
        }
        let usage = result.response.as_mut().and_then(|response| response.0.body.0.usage.take());
        let Table { columns, facts, count, outcomes } = self;
        let Some(meaning) = meaning(&result, usage.and_then(|usage| usage.0.counts()), facts) else { return false };
        if facts.vectors.is_some() && matches!(meaning, Meaning::Answer { .. }) {
            return false;
        }
        let (keeps_all, keeps_some) = (facts.keeps_all(), facts.bodies != "none");
        let is_whole = matches!(&meaning, Meaning::Answer { outcome, .. } if *outcome == facts.succeeded);
        let kept = result.response.is_some() && (keeps_all || (keeps_some && !is_whole));
        let body = if kept { body_of_result(text) } else { None };
        let outcome = match &meaning {
            Meaning::Answer { outcome, .. } | Meaning::Ending { outcome, .. } => outcome,
            Meaning::Failure { .. } => facts.failed.as_str(),
        };
        *count += 1;
        tally(outcomes, outcome);
        columns.outcome.push(Some(outcome));
        add_meaning(columns, &meaning);
        columns.batch_request_id.push(result.id.as_ref().map(|id| id.as_str()));
        columns.response_body.push(body);
        let endpoint = matches!(meaning, Meaning::Answer { .. }).then_some(facts.endpoint.as_str());
        add_request(columns, request, result.custom_id.as_str(), endpoint, true);
        columns.batch_id.push(place.batch_id);
        columns.attempts.push(place.attempts);
        columns.result_source.push(Some(place.source));
        columns.result_line_number.push(Some(place.line_number));
        add_no_vector(columns, facts);
        true
    }

    /// Add the row of a request without a result.
    pub fn add_missing(&mut self, request: &RequestPlace) {
        let Table { columns, facts, count, outcomes } = self;
        let (outcome, retryable) = &facts.missing;
        *count += 1;
        tally(outcomes, outcome);
        columns.outcome.push(Some(outcome));
        columns.retryable.push(*retryable);
        add_error(columns, [None; 4]);
        add_answer(columns, None);
        columns.status_code.push(None);
        columns.request_id.push(None);
        columns.batch_request_id.push(None);
        columns.response_body.push(None);
        add_request(columns, Some(request), request.request.custom_id(), None, true);
        columns.batch_id.push(None);
        columns.attempts.push(Some(0));
        columns.result_source.push(None);
        columns.result_line_number.push(None);
        add_no_vector(columns, facts);
    }
}

/// Count an outcome.
pub fn tally(outcomes: &mut HashMap<String, u64>, outcome: &str) {
    match outcomes.get_mut(outcome) {
        Some(count) => *count += 1,
        None => {
            outcomes.insert(outcome.to_owned(), 1);
        }
    }
}

/// Return what a result says; None if it is not certain.
fn meaning<'a>(result: &'a ResultLine, counts: Option<Counts>, facts: &'a Facts) -> Option<Meaning<'a>> {
    let Some(response) = &result.response else {
        let error = &result.error.as_ref()?.0;
        let (outcome, retryable) = facts.endings.get(error.code.as_str())?;
        return Some(Meaning::Ending { error, outcome, retryable: *retryable });
    };
    let response = &response.0;
    if result.error.is_some() || response.request_id.as_str().is_empty() {
        return None;
    }
    let body = &response.body.0;
    if let Some(error) = &body.error {
        let retryable = *facts.statuses.get(&response.status_code)?;
        let error = &error.0;
        return (is_alone(body) && is_plain_error(error)).then_some(Meaning::Failure { response, error, retryable });
    }
    let [choice] = body.choices.as_ref()?;
    let choice = &choice.0;
    let (finish_reason, outcome) = facts.finish_reasons.get(choice.finish_reason.as_str())?;
    let has_keys = body.id.is_some() && body.model.is_some() && body.created.is_some_and(|at| (0..YEAR_10000).contains(&at));
    let is_chat = body.object.as_ref().is_some_and(|object| object.as_str() == "chat.completion");
    let is_success = (200..300).contains(&response.status_code);
    if !(has_keys && is_chat && is_success && is_plain_message(&choice.message.0)) {
        return None;
    }
    Some(Meaning::Answer { response, choice, outcome, finish_reason, counts: counts? })
}

/// Return whether a body has no key of an answer.
fn is_alone(body: &Body) -> bool {
    body.id.is_none() && body.object.is_none() && body.created.is_none() && body.model.is_none() && body.choices.is_none()
}

/// Return whether an error is one, and not that of a batch or a code for success.
fn is_plain_error(error: &ErrorObject) -> bool {
    let words = [given(&error.code), given(&error.kind), Some(error.message.as_str())];
    let is_success = given(&error.code).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    let is_ending = words.iter().flatten().any(|word| word.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("batch_")));
    !error.message.as_str().is_empty() && !is_success && !is_ending
}

/// Return whether a message has one text or a refusal or calls, and its reasoning under one name.
fn is_plain_message(message: &Message) -> bool {
    let has_calls = message.tool_calls.as_ref().is_some_and(|calls| !calls.is_empty());
    let reasonings = [&message.reasoning_content, &message.reasoning];
    let is_read_once = match reasonings.map(|text| text.as_ref().map(|text| text.as_str())) {
        [Some(text), None] | [None, Some(text)] => !text.is_empty(),
        [None, None] => true,
        _ => false,
    };
    is_read_once && (given(&message.content).is_some() || given(&message.refusal).is_some() || has_calls)
}

fn add_meaning(columns: &mut Columns, meaning: &Meaning) {
    match meaning {
        Meaning::Answer { response, choice, finish_reason, counts, .. } => {
            columns.status_code.push(Some(response.status_code));
            columns.request_id.push(Some(response.request_id.as_str()));
            columns.retryable.push(false);
            add_error(columns, [None; 4]);
            add_answer(columns, Some((&response.body.0, &choice.message.0, finish_reason, counts)));
        }
        Meaning::Failure { response, error, retryable } => {
            columns.status_code.push(Some(response.status_code));
            columns.request_id.push(Some(response.request_id.as_str()));
            columns.retryable.push(*retryable);
            add_error(columns, [given(&error.code), given(&error.kind), given(&error.param), Some(error.message.as_str())]);
            add_answer(columns, None);
        }
        Meaning::Ending { error, retryable, .. } => {
            columns.status_code.push(None);
            columns.request_id.push(None);
            columns.retryable.push(*retryable);
            add_error(columns, [Some(error.code.as_str()), None, None, given(&error.message)]);
            add_answer(columns, None);
        }
    }
}

/// Finish a row of the table of vectors that has none.
fn add_no_vector(columns: &mut Columns, facts: &Facts) {
    if facts.vectors.is_some() {
        columns.embedding_index.push(None);
        columns.input_text.push(None);
        columns.embedding.push(None);
    }
}

/// Add the error of a row.
pub fn add_error(columns: &mut Columns, [code, kind, param, message]: [Option<&str>; 4]) {
    columns.error_code.push(code);
    columns.error_type.push(kind);
    columns.error_param.push(param);
    columns.error_message.push(message);
}

fn add_answer(columns: &mut Columns, answer: Option<(&Body, &Message, &str, &Counts)>) {
    let body = answer.map(|(body, ..)| body);
    let message = answer.map(|(_, message, ..)| message);
    let counts = answer.map(|(.., counts)| counts);
    columns.model.push(body.and_then(|body| body.model.as_ref()).map(|text| text.as_str()));
    columns.response_id.push(body.and_then(|body| body.id.as_ref()).map(|text| text.as_str()));
    columns.created_at.push(body.and_then(|body| body.created).map(|seconds| seconds * 1_000_000));
    columns.finish_reason.push(answer.map(|(_, _, finish_reason, _)| finish_reason));
    columns.text.push(message.and_then(|message| message.content.as_ref()).map(|text| text.as_str()));
    columns.refusal.push(message.and_then(|message| message.refusal.as_ref()).map(|text| text.as_str()));
    let reasoning = message.and_then(|message| message.reasoning_content.as_ref().or(message.reasoning.as_ref()));
    columns.reasoning.push(reasoning.map(|text| text.as_str()));
    let calls = message.and_then(|message| message.tool_calls.as_deref()).unwrap_or_default();
    for call in calls {
        let function = &call.0.function.0;
        columns.tool_calls.push([call.0.id.as_str(), function.name.as_str(), function.arguments.as_str()]);
    }
    columns.tool_calls.end(!calls.is_empty());
    columns.input_tokens.push(counts.map(|counts| counts.input));
    columns.output_tokens.push(counts.map(|counts| counts.output));
    columns.total_tokens.push(counts.map(|counts| counts.total));
    columns.cached_tokens.push(counts.and_then(|counts| counts.cached));
    columns.reasoning_tokens.push(counts.and_then(|counts| counts.reasoning));
    columns.cache_write_tokens.push(counts.and_then(|counts| counts.cache_write));
}

/// Add what a row has from its request; only the first row of a request has the body.
pub fn add_request(columns: &mut Columns, place: Option<&RequestPlace>, custom_id: &str, endpoint: Option<&str>, is_first: bool) {
    columns.custom_id.push(Some(custom_id));
    let request = place.map(|place| place.request);
    columns.endpoint.push(request.map(|request| request.url.as_str()).or(endpoint));
    columns.request_model.push(request.and_then(|request| request.model.as_ref()).map(|text| text.as_str()));
    columns.request_body.push(request.and_then(|request| request.body).filter(|_| is_first));
    columns.input_source.push(place.map(|place| place.source));
    columns.input_line_number.push(place.map(|place| place.line_number));
}
