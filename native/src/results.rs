//! What a plain result says, for jobs that make no rows.

use crate::answers::{Answer, Body};
use crate::facts::{Facts, Kind};
use crate::grammar::{ErrorObject, Failure, Response, ResultLine, given};
use crate::rows::{Found, plain_text, read};
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

/// Read a line and pass on what it says; None if it is not plain.
pub fn read_plain<T>(line: &[u8], facts: &Facts, last: &mut Family, mut take: impl FnMut(&Plain) -> T) -> Option<T> {
    let text = plain_text(line)?;
    let mut found = None;
    last.find(|family| {
        found = match family {
            Family::Chat => read_answer::<chat::Body, T>(text, facts, &mut take),
            Family::Response => read_answer::<responses::Body, T>(text, facts, &mut take),
            Family::Completion => read_answer::<completions::Body, T>(text, facts, &mut take),
            Family::Moderation => read_answer::<moderations::Body, T>(text, facts, &mut take),
            Family::Failure => read_failure(text, facts, &mut take),
        };
        found.is_some()
    });
    found
}

fn read_answer<'a, B: Body<'a>, T>(text: &'a str, facts: &Facts, take: &mut impl FnMut(&Plain) -> T) -> Option<T> {
    let result = read::<B>(text, None)?;
    let (response, answer) = answer_of(&result, facts)?;
    Some(take(&Plain {
        custom_id: result.custom_id.as_str(),
        outcome: answer.outcome,
        status_code: Some(response.status_code),
        answer: Some((&answer, B::endpoint(facts), B::KIND)),
    }))
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

/// Return whether an error is one, and not that of a batch or a code for success.
fn is_plain_error(error: &ErrorObject) -> bool {
    let words = [given(&error.code), given(&error.kind), Some(error.message.as_str())];
    let is_success = given(&error.code).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()));
    let is_ending = words.iter().flatten().any(|word| word.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("batch_")));
    !error.message.as_str().is_empty() && !is_success && !is_ending
}
