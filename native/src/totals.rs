//! Sums over plain results: outcomes, endpoints, lengths, and tokens by model.

use std::collections::HashMap;

use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::facts::Facts;
use crate::results::{Before, Plain, read_plain};

/// Lengths in buckets, as `batchfiles.jobs.stats.report.LengthHistogram` counts them.
#[derive(Default)]
struct Lengths {
    /// `{greatest length of a bucket: how many lengths are in it}`.
    buckets: HashMap<u64, u64>,
    total: u128,
    minimum: Option<u64>,
    maximum: u64,
}

impl Lengths {
    /// Add a length, of which so many leading bits are kept.
    fn add(&mut self, length: u64, kept_bits: u32) {
        let shift = (u64::BITS - length.leading_zeros()).saturating_sub(kept_bits);
        *self.buckets.entry(length | ((1 << shift) - 1)).or_default() += 1;
        self.total += u128::from(length);
        self.minimum = Some(self.minimum.map_or(length, |least| least.min(length)));
        self.maximum = self.maximum.max(length);
    }
}

/// The buckets of lengths, their sum, the least and the greatest.
type TakenLengths = (HashMap<u64, u64>, u128, Option<u64>, u64);

/// The sums of one model: how many results and tokens there are, for each tier that a request may exceed.
struct Model {
    name: Option<String>,
    /// The numbers of input tokens above which its prices differ, ascending.
    steps: Vec<u64>,
    /// Results, and then tokens: input, output, cached, reasoning, cache write. First those that exceed no step.
    tiers: Vec<[u128; 6]>,
}

impl Model {
    fn add(&mut self, counts: Option<[u64; 5]>) {
        let [input, others @ ..] = counts.unwrap_or_default();
        let exceeded = self.steps.partition_point(|step| *step < input);
        if let Some(sums) = self.tiers.get_mut(exceeded) {
            let more = [1, input].into_iter().chain(others);
            for (sum, count) in sums.iter_mut().zip(more) {
                *sum += u128::from(count);
            }
        }
    }
}

/// What is counted of a line.
struct Line {
    bytes: usize,
    outcome: usize,
    endpoint: usize,
    model: usize,
    characters: Option<usize>,
    /// Tokens: input, output, cached, reasoning, cache write.
    counts: Option<[u64; 5]>,
    /// The id of a success.
    success: Option<String>,
}

/// Names, and how often each was counted.
#[derive(Default)]
struct Names(Vec<(Option<String>, u64)>);

impl Names {
    /// Return the number of a name.
    fn number(&mut self, name: Option<&str>) -> usize {
        let found = self.0.iter().position(|(known, _)| known.as_deref() == name);
        found.unwrap_or_else(|| {
            self.0.push((name.map(str::to_owned), 0));
            self.0.len() - 1
        })
    }

    fn add(&mut self, number: usize) {
        if let Some((_, count)) = self.0.get_mut(number) {
            *count += 1;
        }
    }

    /// Return the counts that are not 0, and start again.
    fn take(&mut self) -> Vec<(Option<String>, u64)> {
        std::mem::take(&mut self.0).into_iter().filter(|(_, count)| *count > 0).collect()
    }
}

/// Counts plain results.
#[pyclass]
pub struct Totals {
    facts: Facts,
    kept_bits: u32,
    before: Before,
    outcomes: Names,
    endpoints: Names,
    models: Vec<Model>,
    /// The number of the last model, which is mostly that of the next one.
    last_model: usize,
    /// Of lines in bytes, of texts in characters, of input tokens and of output tokens.
    lengths: [Lengths; 4],
}

/// The sums of a model in a tier: its name, the step that is exceeded or 0, and the sums.
type TakenModel = (Option<String>, u64, [u128; 6]);

#[pymethods]
impl Totals {
    #[new]
    fn new(facts: Facts, kept_bits: u32) -> Self {
        Totals {
            facts,
            kept_bits,
            before: Before::default(),
            outcomes: Names::default(),
            endpoints: Names::default(),
            models: Vec::new(),
            last_model: 0,
            lengths: std::array::from_fn(|_| Lengths::default()),
        }
    }

    /// Count plain results, and return the numbers of the other lines and the ids of successes.
    ///
    /// `steps_of` is called with the models that are new and the number of other lines. It returns the steps of each of them, or
    /// None: then nothing is counted, and None is returned.
    fn add(&mut self, lines: Vec<Bound<PyBytes>>, steps_of: &Bound<PyAny>) -> PyResult<Option<(Vec<usize>, Vec<String>)>> {
        let (py, lines) = (steps_of.py(), slices(&lines));
        let known = self.models.len();
        let (lines, others) = py.detach(|| self.read(&lines));
        let new: Vec<_> = self.models.iter().skip(known).map(|model| model.name.as_deref()).collect();
        if !new.is_empty() {
            let Some(steps) = steps_of.call1((new, others.len()))?.extract::<Option<Vec<Vec<u64>>>>()? else {
                self.models.truncate(known);
                return Ok(None);
            };
            for (model, steps) in self.models.iter_mut().skip(known).zip(steps) {
                model.tiers = vec![[0; 6]; steps.len() + 1];
                model.steps = steps;
            }
        }
        Ok(Some((others, py.detach(|| lines.into_iter().filter_map(|line| self.count(line)).collect()))))
    }

    /// Return the numbers of the lines that are not plain, or not successes.
    fn without_successes(&mut self, py: Python, lines: Vec<Bound<PyBytes>>) -> Vec<usize> {
        let (Totals { facts, before, .. }, lines) = (self, slices(&lines));
        py.detach(|| {
            let mut is_other = |line| read_plain(line, facts, before, |result| result.outcome == facts.succeeded) != Some(true);
            lines.iter().enumerate().filter(|(_, line)| is_other(line)).map(|(number, _)| number).collect()
        })
    }

    /// Return outcomes, endpoints, models and lengths, and forget them.
    #[expect(clippy::type_complexity, reason = "each is a type of Python")]
    fn take(&mut self) -> (Vec<(Option<String>, u64)>, Vec<(Option<String>, u64)>, Vec<TakenModel>, Vec<TakenLengths>) {
        let mut models = Vec::new();
        for model in std::mem::take(&mut self.models) {
            let above = std::iter::once(0).chain(model.steps);
            let tiers = above.zip(model.tiers).filter(|(_, [results, ..])| *results > 0);
            models.extend(tiers.map(|(above, sums)| (model.name.clone(), above, sums)));
        }
        let lengths = std::mem::replace(&mut self.lengths, std::array::from_fn(|_| Lengths::default()));
        let lengths = lengths.map(|each| (each.buckets, each.total, each.minimum, each.maximum));
        (self.outcomes.take(), self.endpoints.take(), models, lengths.into())
    }
}

impl Totals {
    /// Read lines; models that are new have no steps yet. Also returns the numbers of the lines that are not plain.
    fn read(&mut self, texts: &[&[u8]]) -> (Vec<Line>, Vec<usize>) {
        let (mut lines, mut others) = (Vec::new(), Vec::new());
        let Totals { facts, before, outcomes, endpoints, models, last_model, .. } = self;
        for (number, text) in texts.iter().enumerate() {
            let found = read_plain(text, facts, before, |result| {
                let answer = result.answer.map(|(answer, _, _)| answer);
                *last_model = place_of(models, answer.map(|answer| answer.model), *last_model);
                Line {
                    bytes: text.len(),
                    outcome: outcomes.number(Some(result.outcome)),
                    endpoint: endpoints.number(result.answer.map(|(_, endpoint, _)| endpoint)),
                    model: *last_model,
                    characters: answer.and_then(|answer| answer.text.as_ref()).map(|text| text.chars().count()),
                    counts: counts_of(result),
                    success: (result.outcome == facts.succeeded).then(|| result.custom_id.to_owned()),
                }
            });
            match found {
                Some(found) => lines.push(found),
                None => others.push(number),
            }
        }
        (lines, others)
    }

    /// Count a line, and return its id if it is a success.
    fn count(&mut self, line: Line) -> Option<String> {
        self.outcomes.add(line.outcome);
        self.endpoints.add(line.endpoint);
        if let Some(model) = self.models.get_mut(line.model) {
            model.add(line.counts);
        }
        let tokens = |number: usize| line.counts.and_then(|counts| counts.get(number).copied());
        let found = [Some(line.bytes as u64), line.characters.map(|count| count as u64), tokens(0), tokens(1)];
        for (lengths, length) in self.lengths.iter_mut().zip(found) {
            if let Some(length) = length {
                lengths.add(length, self.kept_bits);
            }
        }
        line.success
    }
}

fn slices<'a>(lines: &'a [Bound<PyBytes>]) -> Vec<&'a [u8]> {
    lines.iter().map(|line| line.as_bytes()).collect()
}

/// Return the number of a model, which is added if it is new.
fn place_of(models: &mut Vec<Model>, name: Option<&str>, last: usize) -> usize {
    let is_named = |model: &Model| model.name.as_deref() == name;
    if models.get(last).is_some_and(is_named) {
        return last;
    }
    models.iter().position(is_named).unwrap_or_else(|| {
        models.push(Model { name: name.map(str::to_owned), steps: Vec::new(), tiers: Vec::new() });
        models.len() - 1
    })
}

/// Return the token counts of a result, which are not negative.
fn counts_of(result: &Plain) -> Option<[u64; 5]> {
    let counts = result.answer?.0.counts.as_ref()?;
    let parts = [counts.cached, counts.reasoning, counts.cache_write].map(Option::unwrap_or_default);
    let [cached, reasoning, cache_write] = parts.map(i64::unsigned_abs);
    Some([counts.input.unsigned_abs(), counts.output.unsigned_abs(), cached, reasoning, cache_write])
}
