//! What a plain result says, for jobs that make no rows.

use std::borrow::Cow;

use crate::answers::{Answer, Body, Counts, is_time};
use crate::facts::{Facts, Kind};
use crate::grammar::{ErrorObject, Failure, Response, ResultLine, given, text};
use crate::rows::{Found, plain_text, read};
use crate::templates::{Fields, Template, Templates, Values};
use crate::{chat, completions, moderations, responses};

/// The types of bodies.
#[derive(Clone, Copy, Default, PartialEq)]
pub enum Family {
    #[default]
    Chat,
    Response,
    Completion,
    Moderation,
    Failure,
}

const FAMILIES: [Family; 5] = [Family::Chat, Family::Response, Family::Completion, Family::Moderation, Family::Failure];

impl Family {
    /// Find the family of a line and become it. The first one that is tried is that of the line before, which it mostly is.
    pub fn find(&mut self, mut is_of: impl FnMut(Family) -> bool) -> bool {
        let last = *self;
        let others = FAMILIES.into_iter().filter(|family| *family != last);
        let found = std::iter::once(last).chain(others).find(|family| is_of(*family));
        *self = found.unwrap_or(last);
        found.is_some()
    }
}

/// A plain result.
pub struct Plain<'a> {
    /// The id of the request.
    pub custom_id: &'a str,
    /// The outcome.
    pub outcome: &'a str,
    /// The HTTP status.
    pub status_code: Option<i32>,
    /// What is said, the endpoint, and which requests it answers; None for a failure.
    pub answer: Option<(&'a Answer<'a>, &'a str, Kind)>,
}

/// What is known from the lines before.
#[derive(Default)]
pub struct Before {
    pub last: Family,
    pub templates: AnswerTemplates,
}

/// Read a line and pass on what it says; None if it is not plain.
pub fn read_plain<T>(line: &[u8], facts: &Facts, before: &mut Before, mut take: impl FnMut(&Plain) -> T) -> Option<T> {
    let text = plain_text(line)?;
    let Before { last, templates } = before;
    if let Some(taken) = templates.read(text, |answered| take(&answered.plain())) {
        return Some(taken);
    }
    let mut found = None;
    last.find(|family| {
        found = match family {
            Family::Failure => read_failure(text, facts, &mut take),
            family => read_answer(text, facts, family, templates, |answered| take(&answered.plain())),
        };
        found.is_some()
    });
    found
}

/// Read an answer and pass it on, and learn from it; None if the line is not one of the family.
pub fn read_answer<T>(
    text: &str,
    facts: &Facts,
    family: Family,
    templates: &mut AnswerTemplates,
    take: impl FnOnce(&Answered) -> T,
) -> Option<T> {
    of_family(text, facts, family, |answered| {
        templates.learn(text, family, answered, facts);
        take(answered)
    })
}

/// Read an answer and pass it on; None if the line is not one of the family.
fn of_family<T>(text: &str, facts: &Facts, family: Family, take: impl FnOnce(&Answered) -> T) -> Option<T> {
    fn answer<'a, B: Body<'a>, T>(text: &'a str, facts: &Facts, take: impl FnOnce(&Answered) -> T) -> Option<T> {
        Some(take(&Answered::of(&read::<B>(text, None)?, facts)?))
    }
    match family {
        Family::Chat => answer::<chat::Body, T>(text, facts, take),
        Family::Response => answer::<responses::Body, T>(text, facts, take),
        Family::Completion => answer::<completions::Body, T>(text, facts, take),
        Family::Moderation => answer::<moderations::Body, T>(text, facts, take),
        Family::Failure => None,
    }
}

fn read_failure<T>(text: &str, facts: &Facts, take: &mut impl FnMut(&Plain) -> T) -> Option<T> {
    let result = read::<Failure>(text, None)?;
    let found = failure_of(&result, facts)?;
    let custom_id = result.custom_id.as_str();
    Some(take(&Plain { custom_id, outcome: found.outcome, status_code: found.status_code, answer: None }))
}

/// Return the response of a result and what it says; None if that is not certain, or there is an error.
pub fn answer_of<'a, 'b, B: Body<'a>>(
    result: &'b ResultLine<'a, B>,
    facts: &'b Facts,
) -> Option<(&'b Response<'a, B>, Answer<'b>)> {
    let response = &result.response.as_ref()?.0;
    let is_success = result.error.is_none() && (200..300).contains(&response.status_code);
    let answer = response.body.0.answer(facts).filter(|_| is_success)?;
    Some((response, answer))
}

/// Return what a row has of a request that failed or was not sent, except the body; None if that is not certain.
pub fn failure_of<'b>(result: &'b ResultLine<Failure>, facts: &'b Facts) -> Option<Found<'b>> {
    match (&result.response, &result.error) {
        (Some(response), None) => {
            let (response, error) = (&response.0, &response.0.body.0.error.0);
            let retryable = facts.statuses.get(&response.status_code).filter(|_| is_plain_error(error))?;
            Some(Found {
                outcome: &facts.failed,
                retryable: *retryable,
                status_code: Some(response.status_code),
                request_id: given(&response.request_id),
                error: [given(&error.code), given(&error.kind), given(&error.param), Some(error.message.as_str())],
                ..Found::default()
            })
        }
        (None, Some(error)) => {
            let error = &error.0;
            let (outcome, retryable) = facts.endings.get(error.code.as_str())?;
            let said = [Some(error.code.as_str()), None, None, given(&error.message)];
            Some(Found { outcome, retryable: *retryable, error: said, ..Found::default() })
        }
        _ => None,
    }
}

/// A plain result that is an answer.
pub struct Answered<'b> {
    /// The service's id of the line.
    pub id: Option<&'b str>,
    /// The id of the request.
    pub custom_id: &'b str,
    pub status_code: i32,
    /// The service's id of the HTTP request, if it is not empty.
    pub request_id: Option<&'b str>,
    /// The requests that it answers.
    pub kind: Kind,
    pub endpoint: &'b str,
    pub answer: Answer<'b>,
}

impl<'b> Answered<'b> {
    /// Return what a line says; None if that is not certain.
    pub fn of<'a, B: Body<'a>>(result: &'b ResultLine<'a, B>, facts: &'b Facts) -> Option<Self> {
        let (response, answer) = answer_of(result, facts)?;
        Some(Answered {
            id: text(&result.id),
            custom_id: result.custom_id.as_str(),
            status_code: response.status_code,
            request_id: given(&response.request_id),
            kind: B::KIND,
            endpoint: B::endpoint(facts),
            answer,
        })
    }

    /// Return what jobs read that make no rows.
    fn plain(&self) -> Plain<'_> {
        Plain {
            custom_id: self.custom_id,
            outcome: self.answer.outcome,
            status_code: Some(self.status_code),
            answer: Some((&self.answer, self.endpoint, self.kind)),
        }
    }

    /// Return what a template has of it; None if the template would not have all.
    ///
    /// A body with something that has no column has no template: a word in it may be one of many that mean the same, while another
    /// word means that there is nothing.
    fn fields(&self) -> Option<Fields> {
        let answer = &self.answer;
        let counts = answer.counts.as_ref()?;
        if self.kind != Kind::Text || !answer.is_mapped || !answer.texts.is_empty() || answer.moderation.is_some() {
            return None;
        }
        let strings = [
            self.id,
            Some(self.custom_id),
            self.request_id,
            Some(answer.response_id),
            Some(answer.model),
            answer.text.as_deref(),
            answer.refusal.as_deref(),
            answer.reasoning.as_deref(),
        ];
        let numbers = [
            answer.created,
            Some(counts.input),
            Some(counts.output),
            Some(counts.total),
            counts.cached,
            counts.reasoning,
            counts.cache_write,
        ];
        let strings = strings.into_iter().chain(answer.calls.iter().flatten().map(|text| Some(*text)));
        let values = numbers.iter().map(|number| number.map(|number| number.to_string()));
        let rest = (answer.outcome, answer.finish_reason, self.status_code, answer.calls.len());
        Some(Fields { values: values.chain(strings.map(|text| text.map(str::to_owned))).collect(), rest: format!("{rest:?}") })
    }

    /// Return what a line with a template says; None if its numbers don't agree.
    fn from_values(template: &'b Template, meaning: &'b Meaning, values: &'b Values) -> Option<Self> {
        let number = |field: usize| -> Option<Option<i64>> {
            template.value(values, field).map_or(Some(None), |text| text.parse().ok().map(Some))
        };
        let string = |field: usize| template.value(values, field);
        let counts = Counts {
            input: number(1)??,
            output: number(2)??,
            total: number(3)??,
            cached: number(4)?,
            reasoning: number(5)?,
            cache_write: number(6)?,
        };
        let created = number(0)?;
        if !counts.agree() || !created.is_none_or(is_time) {
            return None;
        }
        let calls = (0..meaning.calls).map(|call| 15 + 3 * call);
        let answer = Answer {
            outcome: &meaning.outcome,
            model: string(11)?,
            response_id: string(10)?,
            created,
            finish_reason: meaning.finish_reason.as_deref(),
            text: string(12).map(Cow::Borrowed),
            refusal: string(13).map(Cow::Borrowed),
            reasoning: string(14).map(Cow::Borrowed),
            calls: calls.map(|at| Some([string(at)?, string(at + 1)?, string(at + 2)?])).collect::<Option<_>>()?,
            counts: Some(counts),
            is_mapped: true,
            ..Answer::default()
        };
        Some(Answered {
            id: string(7),
            custom_id: string(8)?,
            status_code: meaning.status_code,
            request_id: string(9),
            kind: Kind::Text,
            endpoint: &meaning.endpoint,
            answer,
        })
    }
}

/// What answers with a template have in common.
struct Meaning {
    endpoint: String,
    outcome: String,
    finish_reason: Option<String>,
    status_code: i32,
    /// How many calls there are.
    calls: usize,
}

/// The templates of answers.
#[derive(Default)]
pub struct AnswerTemplates(Templates<Meaning>);

impl AnswerTemplates {
    /// Pass on what a line says that has a template; None if it has none.
    pub fn read<T>(&mut self, line: &str, take: impl FnOnce(&Answered) -> T) -> Option<T> {
        let (template, meaning, values, _) = self.0.find(line)?;
        Some(take(&Answered::from_values(template, meaning, &values)?))
    }

    /// Learn from the line of an answer, if it is time.
    pub fn learn(&mut self, line: &str, family: Family, answered: &Answered, facts: &Facts) {
        if answered.answer.is_mapped && self.0.may_learn() {
            let answer = &answered.answer;
            let meaning = Meaning {
                endpoint: answered.endpoint.to_owned(),
                outcome: answer.outcome.to_owned(),
                finish_reason: answer.finish_reason.map(str::to_owned),
                status_code: answered.status_code,
                calls: answer.calls.len(),
            };
            self.0.keep(Template::learn(line, 0, |line| of_family(line, facts, family, |answered| answered.fields())?), meaning);
        }
    }
}

/// Return whether an error is one, and not that of a batch or a code for success.
fn is_plain_error(error: &ErrorObject) -> bool {
    let words = [given(&error.code), given(&error.kind), Some(error.message.as_str())];
    let is_success = given(&error.code).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    let is_ending = words.iter().flatten().any(|word| word.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("batch_")));
    !error.message.as_str().is_empty() && !is_success && !is_ending
}
