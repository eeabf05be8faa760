//! What the Python package knows about outcomes, so that it is written once.

use std::collections::HashMap;

use pyo3::prelude::*;

use crate::vectors::VectorFacts;

/// What `table.plain_rows` passes.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Facts {
    /// `{finish reason: (value of the column, outcome)}`, only of answers.
    pub finish_reasons: HashMap<String, (String, String)>,
    /// The outcomes of choices from best to worst.
    pub outcomes: Vec<String>,
    /// `{status of a response: (outcome, finish reason)}`, only of answers: of those without calls, and of those with calls.
    pub response_ends: [HashMap<String, (String, Option<String>)>; 2],
    /// `{error code of a line without a response: (outcome, retryable)}`.
    pub endings: HashMap<String, (String, bool)>,
    /// `{status of a failed request: retryable}`.
    pub statuses: HashMap<i32, bool>,
    /// `(outcome, retryable)` of a request without a result.
    pub missing: (String, bool),
    /// The outcome of an answer that is complete.
    pub succeeded: String,
    /// The outcome of a request with an error.
    pub failed: String,
    /// The endpoint of each family of answers.
    pub endpoints: Endpoints,
    /// The endings of urls whose answers are texts.
    pub text_urls: Vec<String>,
    /// The endings of urls whose answers are moderations.
    pub moderation_urls: Vec<String>,
    /// `all`, `auto` or `none`: the response bodies that are kept.
    pub bodies: String,
    /// Whether the bodies of requests are kept.
    pub request_bodies: bool,
    /// What the table of vectors needs; None for the table of requests.
    pub vectors: Option<VectorFacts>,
}

/// The endpoints of answers.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Endpoints {
    pub chat: String,
    pub completion: String,
    pub response: String,
    pub moderation: String,
}

/// What answers a request.
#[derive(Clone, Copy, PartialEq)]
pub enum Kind {
    /// An answer of any endpoint for texts.
    Text,
    /// Moderations.
    Moderation,
    /// Vectors, in their table.
    Vectors,
}

impl Facts {
    /// Return what answers a request with a url; None if it is not certain.
    pub fn kind(&self, url: &str) -> Option<Kind> {
        let ends = |endings: &[String]| !url.contains('?') && endings.iter().any(|ending| url.ends_with(ending));
        if let Some(vectors) = &self.vectors {
            return ends(&vectors.urls).then_some(Kind::Vectors);
        }
        if ends(&self.text_urls) { Some(Kind::Text) } else { ends(&self.moderation_urls).then_some(Kind::Moderation) }
    }

    /// Return the worse one of two outcomes of choices.
    pub fn worse<'a>(&self, one: &'a str, other: &'a str) -> &'a str {
        if one == other {
            return one;
        }
        let rank = |outcome: &str| self.outcomes.iter().position(|known| known == outcome);
        if rank(other) > rank(one) { other } else { one }
    }
}
