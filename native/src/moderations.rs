//! Moderations: flags and scores of one text or several.

use serde::Deserialize;
use serde::de::{Deserializer, Error};
use serde_json::value::RawValue;

use crate::answers::{self, Answer, ChatUsage, Moderation, is_time};
use crate::facts::{Facts, Kind};
use crate::grammar::{Entries, Object, Text};

/// The body of a moderation.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Body<'a> {
    #[serde(borrow)]
    id: Text<'a>,
    #[serde(borrow)]
    model: Text<'a>,
    #[serde(borrow)]
    results: Vec<Object<Verdict<'a>>>,
    created: Option<i64>,
    usage: Option<Object<ChatUsage>>,
    #[serde(default)]
    #[expect(dead_code, reason = "a key without a value")]
    error: (),
    #[serde(default)]
    #[expect(dead_code, reason = "a key without a value")]
    object: (),
}

/// The result of one text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict<'a> {
    flagged: Option<bool>,
    #[serde(borrow)]
    categories: Option<Entries<'a, Option<bool>>>,
    #[serde(borrow)]
    category_scores: Option<Entries<'a, Score>>,
    #[serde(borrow)]
    category_applied_input_types: Option<Entries<'a, Option<Vec<Text<'a>>>>>,
}

/// A number, exactly as Python reads it.
#[derive(Clone, Copy)]
struct Score(f64);

/// Floats have all integers up to this one.
const EXACT: i64 = 1 << 53;

impl<'de> Deserialize<'de> for Score {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // serde_json's own floats may differ in the last bit.
        let digits = <&RawValue>::deserialize(deserializer)?.get();
        let score = match digits.parse::<i64>() {
            Ok(number) if (-EXACT..=EXACT).contains(&number) => Some(number as f64),
            Ok(_) => None,
            Err(_) if digits.contains(['.', 'e', 'E']) => digits.parse::<f64>().ok().filter(|score| score.is_finite()),
            Err(_) => None,
        };
        score.map(Score).ok_or_else(|| D::Error::custom("not a score"))
    }
}

impl Verdict<'_> {
    /// Return whether only a text was judged.
    fn is_of_text(&self) -> bool {
        let is_text = |kinds: &Option<Vec<Text>>| {
            kinds.as_ref().is_none_or(|kinds| kinds.is_empty() || matches!(kinds.as_slice(), [kind] if kind.as_str() == "text"))
        };
        self.category_applied_input_types.iter().flat_map(|kinds| &kinds.0).all(|(_, kinds)| is_text(kinds))
    }
}

impl<'a> answers::Body<'a> for Body<'a> {
    const KIND: Kind = Kind::Moderation;

    fn endpoint(facts: &Facts) -> &str {
        &facts.endpoints.moderation
    }

    fn answer<'b>(&'b self, facts: &'b Facts) -> Option<Answer<'b>> {
        let results = || self.results.iter().map(|result| &result.0);
        let are_results = results().all(|result| result.flagged.is_some() || result.category_scores.is_some());
        if self.results.is_empty() || !are_results || !self.created.is_none_or(is_time) {
            return None;
        }
        let counts = match &self.usage {
            Some(usage) => Some(usage.0.counts()?),
            None => None,
        };
        Some(Answer {
            outcome: &facts.succeeded,
            model: self.model.as_str(),
            response_id: self.id.as_str(),
            created: self.created,
            counts,
            moderation: Some(Moderation {
                flagged: results().filter_map(|result| result.flagged).reduce(|one, other| one || other),
                categories: flagged_categories(results()),
                scores: scores(results())?,
                results: self.results.len(),
            }),
            is_mapped: self.results.len() == 1 && results().all(Verdict::is_of_text),
            ..Answer::default()
        })
    }
}

/// Return the names of the categories that are true in any result, sorted; None if no result has categories.
fn flagged_categories<'a>(results: impl Iterator<Item = &'a Verdict<'a>>) -> Option<Vec<&'a str>> {
    let mut known = results.filter_map(|result| result.categories.as_ref()).peekable();
    known.peek()?;
    let flagged = known.flat_map(|categories| &categories.0).filter(|(_, is_flagged)| *is_flagged == Some(true));
    let mut names: Vec<_> = flagged.map(|(name, _)| name.as_str()).collect();
    names.sort_unstable();
    names.dedup();
    Some(names)
}

/// More categories are counted by Python: each is compared with all others.
const MOST_CATEGORIES: usize = 64;

/// Return each category with its highest score, in the order of the body, or that no result has scores; None if there are too many.
fn scores<'a>(results: impl Iterator<Item = &'a Verdict<'a>>) -> Option<Option<Vec<(&'a str, f64)>>> {
    let mut known = results.filter_map(|result| result.category_scores.as_ref()).peekable();
    if known.peek().is_none() {
        return Some(None);
    }
    let mut highest: Vec<(&str, f64)> = Vec::new();
    for (name, score) in known.flat_map(|scores| &scores.0) {
        if let Some((_, best)) = highest.iter_mut().find(|(other, _)| *other == name.as_str()) {
            *best = if score.0 >= *best { score.0 } else { *best };
        } else if highest.len() < MOST_CATEGORIES {
            highest.push((name.as_str(), score.0));
        } else {
            return None;
        }
    }
    Some(Some(highest))
}
