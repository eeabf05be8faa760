//! From plain lines to rows.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;

use crate::answers::Answer;
use crate::columns::Columns;
use crate::facts::{Facts, Kind};
use crate::grammar::{Checked, Failure, Object, ResultLine, Text, body_of_result, text};
use crate::requests::{RequestBody, RequestLine};
use crate::results::{Answered, Before, Family, failure_of, read_answer};
use crate::templates::{Fields, Template, Templates};
use crate::vectors::{Asked, may_have_vectors};

/// Lines longer than this are read by Python: the columns of a batch hold less than 2 GiB.
pub const MOST_BYTES: usize = 16 << 20;

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
    /// What answers it.
    pub kind: Kind,
    /// What is judged, in a request for moderations.
    input: Checked,
    /// What is asked for, in the table of vectors.
    pub asked: Option<Asked<'a>>,
    body: Option<&'a str>,
}

impl<'a> Request<'a> {
    /// Read a line; None if it is not plain.
    pub fn read(line: &'a [u8], facts: &Facts) -> Option<Self> {
        let text = plain_text(line)?;
        if let Some(vectors) = &facts.vectors {
            let (mut request, body) = Request::with_body::<Object<Asked>>(text, facts)?;
            (request.model, request.asked) = body.0.checked(vectors)?;
            return Some(request);
        }
        let (mut request, body) = Request::with_body::<RequestBody>(text, facts)?;
        if request.kind == Kind::Moderation && !body.has_one_input {
            return None;
        }
        (request.model, request.input) = (body.model, body.input);
        Some(request)
    }

    /// Read a line with a body of one type.
    fn with_body<B: Deserialize<'a>>(text: &'a str, facts: &Facts) -> Option<(Self, B)> {
        let line = serde_json::from_str::<RequestLine<B>>(text).ok()?;
        let kind = facts.kind(line.url.as_str())?;
        let kept = if facts.request_bodies { Some(line.body_of(text)?) } else { None };
        let RequestLine { custom_id, url, body, .. } = line;
        let input = Checked::default();
        Some((Request { custom_id, url, model: None, kind, input, asked: None, body: kept }, body))
    }

    /// Return the id.
    pub fn custom_id(&self) -> &str {
        self.custom_id.as_str()
    }

    /// Return all of it, for tests.
    #[cfg(test)]
    pub fn shown(&self) -> String {
        let is_text = self.kind == Kind::Text;
        format!("{:?}", (self.custom_id(), self.url.as_str(), text(&self.model), is_text, self.body))
    }

    /// Return what a template has of it; None if the template would not have all.
    fn fields(&self) -> Option<Fields> {
        let values = vec![Some(self.custom_id().to_owned()), text(&self.model).map(str::to_owned)];
        (self.kind == Kind::Text).then(|| Fields { values, rest: self.url.as_str().to_owned() })
    }

    /// Return whether an answer is of the kind that was asked for, and for each text there is a result.
    fn has_answer(&self, kind: Kind, answer: &Answer) -> bool {
        let wanted = match self.input {
            Checked::String { .. } => Some(1),
            Checked::List { count, are_strings: true } => Some(count as usize),
            _ => None,
        };
        let got = answer.moderation.as_ref().map(|moderation| moderation.results);
        self.kind == kind && wanted.zip(got).is_none_or(|(wanted, got)| wanted == got)
    }
}

/// Reads request lines, and keeps templates of them.
#[derive(Default)]
pub struct Requests(Templates<RequestMeaning>);

/// What requests with a template have in common.
struct RequestMeaning {
    url: String,
    /// The bytes after the body.
    tail: usize,
}

impl Requests {
    /// Read a line; None if it is not plain.
    pub fn read<'a>(&mut self, line: &'a [u8], facts: &Facts) -> Option<Request<'a>> {
        let text = plain_text(line)?;
        if let Some(request) = self.find(text, facts) {
            return Some(request);
        }
        let request = Request::read(line, facts)?;
        if request.kind == Kind::Text && self.0.may_learn() {
            let place = |body: &str| (body.as_ptr() as usize).checked_sub(text.as_ptr() as usize);
            let body = request.body.and_then(|body| Some((place(body)?, body.len())));
            let (mark, length) = body.unwrap_or_default();
            let meaning = RequestMeaning { url: request.url.as_str().to_owned(), tail: text.len().checked_sub(mark + length)? };
            self.0.keep(Template::learn(text, mark, |line| Request::read(line.as_bytes(), facts)?.fields()), meaning);
        }
        Some(request)
    }

    fn find<'a>(&mut self, line: &'a str, facts: &Facts) -> Option<Request<'a>> {
        let (template, meaning, values, mark) = self.0.find(line)?;
        let mut values = values.into_iter().enumerate();
        let mut next = || {
            let (field, value) = values.next()?;
            value.or_else(|| template.fixed(field).map(|text| Cow::Owned(text.to_owned()))).map(Text)
        };
        let (custom_id, model) = (next()?, next());
        let body = if facts.request_bodies { Some(line.get(mark..line.len().checked_sub(meaning.tail)?)?) } else { None };
        let url = Text(Cow::Owned(meaning.url.clone()));
        Some(Request { custom_id, url, model, kind: Kind::Text, input: Checked::default(), asked: None, body })
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

/// Rows that wait to become a batch.
pub struct Table {
    pub columns: Columns,
    pub facts: Facts,
    /// How many rows wait.
    pub count: usize,
    /// How many rows there were by outcome.
    pub outcomes: HashMap<String, u64>,
    before: Before,
}

/// What a row has of a result.
#[derive(Default)]
pub struct Found<'a> {
    pub outcome: &'a str,
    pub retryable: bool,
    pub status_code: Option<i32>,
    pub request_id: Option<&'a str>,
    pub batch_request_id: Option<&'a str>,
    /// Code, type, param and message.
    pub error: [Option<&'a str>; 4],
    /// The endpoint that the body shows.
    pub endpoint: Option<&'a str>,
    pub body: Option<&'a str>,
}

impl Table {
    /// Make an empty table.
    pub fn new(facts: Facts) -> Self {
        let mut columns = Columns::default();
        columns.embedding.dimensions = facts.vectors.as_ref().and_then(|vectors| vectors.dimensions);
        Table { columns, facts, count: 0, outcomes: HashMap::new(), before: Before::default() }
    }

    /// Add the rows of a result line; false if the line is not plain, or is of another request.
    pub fn add(&mut self, line: &[u8], place: &ResultPlace, request: Option<&RequestPlace>) -> bool {
        let has_vectors = self.facts.vectors.is_some();
        if has_vectors && may_have_vectors(line) {
            return self.add_vectors(line, place, request);
        }
        let Some(text) = plain_text(line) else { return false };
        let (mut made, before) = self.parts();
        if has_vectors {
            return made.add_failure(text, place, request);
        }
        let Before { last, templates } = before;
        if let Some(is_added) = templates.read(text, |answered| made.add_answer(text, answered, place, request)) {
            return is_added;
        }
        let facts = made.facts;
        last.find(|family| match family {
            Family::Failure => made.add_failure(text, place, request),
            family => read_answer(text, facts, family, templates, |answered| made.add_answer(text, answered, place, request))
                .unwrap_or(false),
        })
    }

    /// Return where rows go, and what is known from the lines before.
    fn parts(&mut self) -> (Made<'_>, &mut Before) {
        let Table { columns, facts, count, outcomes, before, .. } = self;
        (Made { columns, facts, count, outcomes }, before)
    }

    /// Add the row of a request without a result.
    pub fn add_missing(&mut self, request: &RequestPlace) {
        let Table { columns, facts, count, outcomes, .. } = self;
        let (outcome, retryable) = &facts.missing;
        *count += 1;
        tally(outcomes, outcome);
        add_result(columns, &Found { outcome, retryable: *retryable, ..Found::default() }, None);
        add_nothing(columns, facts);
        add_request(columns, Some(request), request.request.custom_id(), None, true);
    }
}

/// Where rows go.
struct Made<'t> {
    columns: &'t mut Columns,
    facts: &'t Facts,
    count: &'t mut usize,
    outcomes: &'t mut HashMap<String, u64>,
}

impl Made<'_> {
    /// Add the row of an answer; false if it is the answer to another request.
    fn add_answer(&mut self, line: &str, answered: &Answered, place: &ResultPlace, request: Option<&RequestPlace>) -> bool {
        let (answer, facts) = (&answered.answer, self.facts);
        let is_its = |request: &Request| request.custom_id() == answered.custom_id && request.has_answer(answered.kind, answer);
        if request.is_some_and(|place| !is_its(place.request)) {
            return false;
        }
        let is_whole = answer.is_mapped && answer.outcome == facts.succeeded;
        let is_kept = facts.bodies == "all" || (facts.bodies != "none" && !is_whole);
        let found = Found {
            outcome: answer.outcome,
            status_code: Some(answered.status_code),
            request_id: answered.request_id,
            batch_request_id: answered.id,
            endpoint: Some(answered.endpoint),
            body: if is_kept { body_of_result(line) } else { None },
            ..Found::default()
        };
        *self.count += 1;
        tally(self.outcomes, answer.outcome);
        add_result(self.columns, &found, Some(place));
        add_values(self.columns, Some(answer));
        add_request(self.columns, request, answered.custom_id, found.endpoint, true);
        true
    }

    /// Add the row of a request that failed or was not sent; false if the line is not plain.
    fn add_failure(&mut self, line: &str, place: &ResultPlace, request: Option<&RequestPlace>) -> bool {
        let Some(result) = read::<Failure>(line, request) else { return false };
        let facts = self.facts;
        let Some(mut found) = failure_of(&result, facts) else { return false };
        found.batch_request_id = text(&result.id);
        found.body = if found.status_code.is_none() || facts.bodies == "none" { None } else { body_of_result(line) };
        *self.count += 1;
        tally(self.outcomes, found.outcome);
        add_result(self.columns, &found, Some(place));
        add_nothing(self.columns, facts);
        add_request(self.columns, request, result.custom_id.as_str(), None, true);
        true
    }
}

/// Read a line; None if it is not a result with such a body, or is of another request.
pub fn read<'a, B: Deserialize<'a>>(text: &'a str, request: Option<&RequestPlace>) -> Option<ResultLine<'a, B>> {
    let result = serde_json::from_str::<Object<ResultLine<B>>>(text).ok()?.0;
    request.is_none_or(|place| place.request.custom_id() == result.custom_id.as_str()).then_some(result)
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

/// Add what a row has of its result; place None: there is none.
pub fn add_result(columns: &mut Columns, found: &Found, place: Option<&ResultPlace>) {
    columns.outcome.push(Some(found.outcome));
    columns.retryable.push(found.retryable);
    columns.status_code.push(found.status_code);
    columns.request_id.push(found.request_id);
    columns.batch_request_id.push(found.batch_request_id);
    let [code, kind, param, message] = found.error;
    columns.error_code.push(code);
    columns.error_type.push(kind);
    columns.error_param.push(param);
    columns.error_message.push(message);
    columns.response_body.push(found.body);
    columns.batch_id.push(place.and_then(|place| place.batch_id));
    columns.attempts.push(place.map_or(Some(0), |place| place.attempts));
    columns.result_source.push(place.map(|place| place.source));
    columns.result_line_number.push(place.map(|place| place.line_number));
}

/// Add the nulls of a row without an answer.
fn add_nothing(columns: &mut Columns, facts: &Facts) {
    add_values(columns, None);
    if facts.vectors.is_some() {
        columns.embedding_index.push(None);
        columns.input_text.push(None);
        columns.embedding.push(None);
    }
}

fn add_values(columns: &mut Columns, answer: Option<&Answer>) {
    columns.model.push(answer.map(|answer| answer.model));
    columns.response_id.push(answer.map(|answer| answer.response_id));
    columns.created_at.push(answer.and_then(|answer| answer.created).map(|seconds| seconds * 1_000_000));
    columns.finish_reason.push(answer.and_then(|answer| answer.finish_reason));
    columns.text.push(answer.and_then(|answer| answer.text.as_deref()));
    columns.texts.push(answer.map(|answer| answer.texts.as_slice()).filter(|texts| !texts.is_empty()));
    columns.refusal.push(answer.and_then(|answer| answer.refusal.as_deref()));
    columns.reasoning.push(answer.and_then(|answer| answer.reasoning.as_deref()));
    columns.tool_calls.push(answer.map(|answer| answer.calls.as_slice()).filter(|calls| !calls.is_empty()));
    let counts = answer.and_then(|answer| answer.counts.as_ref());
    columns.input_tokens.push(counts.map(|counts| counts.input));
    columns.output_tokens.push(counts.map(|counts| counts.output));
    columns.total_tokens.push(counts.map(|counts| counts.total));
    columns.cached_tokens.push(counts.and_then(|counts| counts.cached));
    columns.reasoning_tokens.push(counts.and_then(|counts| counts.reasoning));
    columns.cache_write_tokens.push(counts.and_then(|counts| counts.cache_write));
    let moderation = answer.and_then(|answer| answer.moderation.as_ref());
    columns.flagged.push(moderation.and_then(|moderation| moderation.flagged));
    columns.flagged_categories.push(moderation.and_then(|moderation| moderation.categories.as_deref()));
    columns.category_scores.push(moderation.and_then(|moderation| moderation.scores.as_deref()));
}

/// Add what a row has of its request; only the first row of a request has the body.
pub fn add_request(columns: &mut Columns, place: Option<&RequestPlace>, custom_id: &str, endpoint: Option<&str>, is_first: bool) {
    columns.custom_id.push(Some(custom_id));
    let request = place.map(|place| place.request);
    columns.endpoint.push(request.map(|request| request.url.as_str()).or(endpoint));
    columns.request_model.push(request.and_then(|request| text(&request.model)));
    columns.request_body.push(request.and_then(|request| request.body).filter(|_| is_first));
    columns.input_source.push(place.map(|place| place.source));
    columns.input_line_number.push(place.map(|place| place.line_number));
}
