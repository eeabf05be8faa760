//! Lines that differ from an earlier one only in values that may be any: they are compared with it, and not parsed.
//!
//! A template is learned from a line that the grammar takes. Each string and number of the line is replaced by another one. If the
//! grammar takes the changed line too, and one field has the new value or no field has changed, lines with any such value there
//! have the same meaning. All other bytes are compared. So the grammar is in one place, and a template follows from it.
//!
//! This is right for strings that the grammar compares with words and with the empty string only, if no unknown word has the
//! meaning of the line, and for numbers that have no limits. Code that uses the numbers of a template checks their limits again.

use std::borrow::Cow;

use crate::skeletons::string_length;

/// Templates that are kept, the latest first.
const MOST: usize = 8;

/// The lines and the numbers of their values from which templates are learned.
const LONGEST: usize = 64 * 1024;
const MOST_VALUES: usize = 200;

/// Learning takes as long as parsing some hundred lines, so it is done once in so many lines, and a few times at the beginning.
const LINES_OF_A_TEMPLATE: u32 = 1024;
const FIRST: u32 = 8;

/// Lines that are compared in vain before templates are not tried for a while, and how long that is.
const MOST_MISSES: u32 = 64;
const REST: u32 = 1024;

/// What the grammar reads in a line.
#[derive(PartialEq)]
pub struct Fields {
    /// Decoded strings, and integers in their shortest form.
    pub values: Vec<Option<String>>,
    /// What else there is; other words are another meaning.
    pub rest: String,
}

/// The values of a line by the numbers of its fields; None for those that all lines with the template have.
pub type Values<'a> = Vec<Option<Cow<'a, str>>>;

/// What lines have in common.
pub struct Template {
    parts: Vec<Part>,
    end: Vec<u8>,
    fixed: Vec<Option<String>>,
    /// A place in a line: the number of a part, and the bytes after its beginning.
    mark: (usize, usize),
}

/// Bytes that are the same in all lines, and the value after them.
struct Part {
    before: Vec<u8>,
    form: Form,
    /// None for a value without a field.
    field: Option<usize>,
}

/// A value of a line.
struct Place {
    start: usize,
    end: usize,
    form: Form,
    /// Whether it may be any value, and the field that it is.
    slot: Option<Option<usize>>,
}

/// How a value is written.
#[derive(Clone, Copy, PartialEq)]
enum Form {
    /// A string that is not empty, without its quotes.
    Text,
    /// Up to 18 digits.
    Integer,
    /// Up to 18 digits before a point and after it.
    Decimal,
}

impl Template {
    /// Learn from a line that `read` takes; None if it is too long, or its values depend on each other.
    ///
    /// `mark` is a place in the line that is no part of a value.
    pub fn learn(line: &str, mark: usize, read: impl Fn(&str) -> Option<Fields>) -> Option<Self> {
        if line.len() > LONGEST {
            return None;
        }
        let (own, mut places) = (read(line)?, places(line)?);
        // The fields that change with some values, and their new values.
        let changed = |changes: &[(&Place, &str)]| -> Option<Vec<(usize, Option<String>)>> {
            let other = read(&replaced(line, changes))?;
            let is_same = own.rest == other.rest && own.values.len() == other.values.len();
            let pairs = own.values.iter().zip(other.values).enumerate();
            is_same.then(|| pairs.filter(|(_, (old, new))| *old != new).map(|(field, (_, new))| (field, new)).collect())
        };
        let mut slots: Vec<Option<Option<usize>>> = Vec::new();
        for place in &places {
            let slot = probes(line.get(place.start..place.end)?, place.form).into_iter().find_map(|probe| {
                let fields = changed(&[(place, &probe)])?;
                match fields.as_slice() {
                    [] => Some(None),
                    [(field, value)] => (value.as_ref() == Some(&probe)).then_some(Some(*field)),
                    _ => None,
                }
            });
            slots.push(slot);
        }
        // Two numbers of which one is a sum.
        for (first, one) in places.iter().enumerate() {
            for (second, other) in places.iter().enumerate().skip(first + 1) {
                let known = [slots.get(first)?, slots.get(second)?];
                let is_tied = known.iter().any(|slot| slot.is_none()) && known.iter().all(|slot| **slot != Some(None));
                if !is_tied || one.form != Form::Integer || other.form != Form::Integer {
                    continue;
                }
                let (a, b) = (next(line.get(one.start..one.end)?)?, next(line.get(other.start..other.end)?)?);
                let changes = if a == b { None } else { changed(&[(one, &a), (other, &b)]) };
                let Some(fields) = changes.filter(|fields| fields.len() == 2) else { continue };
                for (number, value) in [(first, a), (second, b)] {
                    let field = fields.iter().find(|(_, new)| new.as_ref() == Some(&value)).map(|(field, _)| *field)?;
                    let slot = slots.get_mut(number)?;
                    if slot.is_some_and(|known| known != Some(field)) {
                        return None;
                    }
                    *slot = Some(Some(field));
                }
            }
        }
        for (place, slot) in places.iter_mut().zip(slots) {
            place.slot = slot;
        }
        places.retain(|place| place.slot.is_some());
        // All strings are the same: no two of them may be compared with each other.
        let texts: Vec<_> = places.iter().filter(|place| place.form == Form::Text).map(|place| (place, PROBES[1])).collect();
        let mut expected = own.values.clone();
        for field in texts.iter().filter_map(|(place, _)| place.slot.flatten()) {
            *expected.get_mut(field)? = Some(PROBES[1].to_owned());
        }
        let all = read(&replaced(line, &texts))?;
        if all.values != expected || all.rest != own.rest {
            return None;
        }
        let template = Template::of(line, &places, own.values, mark)?;
        let (values, found) = template.read(line)?;
        let is_own = found == mark && (0..values.len()).all(|field| template.value(&values, field) == template.fixed(field));
        is_own.then_some(template)
    }

    fn of(line: &str, places: &[Place], fixed: Vec<Option<String>>, at: usize) -> Option<Self> {
        let (mut parts, mut end, mut mark) = (Vec::new(), 0, None);
        for place in places {
            if mark.is_none() && at <= place.start {
                mark = Some((parts.len(), at.checked_sub(end)?));
            }
            let before = line.get(end..place.start)?.as_bytes().to_vec();
            parts.push(Part { before, form: place.form, field: place.slot? });
            end = place.end;
        }
        let mark = mark.or_else(|| Some((parts.len(), at.checked_sub(end)?)))?;
        Some(Template { parts, end: line.get(end..)?.as_bytes().to_vec(), fixed, mark })
    }

    /// Return the values of a line and the place of its mark; None if the line has not this template.
    pub fn read<'a>(&self, line: &'a str) -> Option<(Values<'a>, usize)> {
        let bytes = line.as_bytes();
        let mut values = vec![None; self.fixed.len()];
        let (mut at, mut mark) = (0, 0);
        for (number, part) in self.parts.iter().enumerate() {
            if number == self.mark.0 {
                mark = at + self.mark.1;
            }
            let rest = bytes.get(at..)?.strip_prefix(part.before.as_slice())?;
            at += part.before.len();
            let (length, has_escapes) = match part.form {
                Form::Text => string_length(rest).filter(|(length, _)| *length > 0)?,
                form => (number_length(rest, form)?, false),
            };
            if let Some(value) = part.field.and_then(|field| values.get_mut(field)) {
                let text = line.get(at..at + length)?;
                let decoded = || serde_json::from_str::<String>(line.get(at - 1..at + length + 1)?).ok();
                *value = Some(if has_escapes { Cow::Owned(decoded()?) } else { Cow::Borrowed(text) });
            }
            at += length;
        }
        if self.parts.len() == self.mark.0 {
            mark = at + self.mark.1;
        }
        (bytes.get(at..)? == self.end.as_slice()).then_some((values, mark))
    }

    /// Return the value of a field.
    pub fn value<'b>(&'b self, values: &'b Values, field: usize) -> Option<&'b str> {
        values.get(field)?.as_deref().or_else(|| self.fixed(field))
    }

    /// Return the value that a field has in all lines.
    pub fn fixed(&self, field: usize) -> Option<&str> {
        self.fixed.get(field)?.as_deref()
    }
}

/// What strings are replaced by: words that no service says.
const PROBES: [&str; 2] = ["~ a probe ~", "~ another ~"];

/// Return what a value is replaced by; one of them fits if any value does.
fn probes(text: &str, form: Form) -> Vec<String> {
    match form {
        Form::Text => vec![PROBES[0].to_owned()],
        Form::Integer => [next(text), text.parse().ok().and_then(|number: u64| Some(number.checked_sub(1)?.to_string()))]
            .into_iter()
            .flatten()
            .collect(),
        Form::Decimal => vec![if text == "0.5" { "1.5" } else { "0.5" }.to_owned()],
    }
}

fn next(text: &str) -> Option<String> {
    text.parse().ok().map(|number: u64| (number + 1).to_string())
}

/// Return a line with other values; the places are in order.
fn replaced(line: &str, changes: &[(&Place, &str)]) -> String {
    let (mut text, mut end) = (String::with_capacity(line.len() + 32), 0);
    for (place, value) in changes {
        text.push_str(line.get(end..place.start).unwrap_or_default());
        text.push_str(value);
        end = place.end;
    }
    text.push_str(line.get(end..).unwrap_or_default());
    text
}

/// Return the values of a line that is JSON; None if there are too many.
fn places(line: &str) -> Option<Vec<Place>> {
    let bytes = line.as_bytes();
    let (mut at, mut is_key) = (0, false);
    let (mut in_objects, mut found) = (Vec::new(), Vec::new());
    while let Some(byte) = bytes.get(at) {
        let (mut length, mut form) = (1, None);
        match byte {
            b'{' | b'[' => {
                is_key = *byte == b'{';
                in_objects.push(is_key);
            }
            b'}' | b']' => drop(in_objects.pop()),
            b',' => is_key = in_objects.last() == Some(&true),
            b':' => is_key = false,
            b'"' => {
                let (inner, _) = string_length(bytes.get(at + 1..)?)?;
                form = (!is_key && inner > 0).then_some((1, inner, Form::Text));
                length = inner + 2;
            }
            b'0'..=b'9' | b'-' => {
                let rest = bytes.get(at..)?;
                length = rest.iter().take_while(|byte| matches!(byte, b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E')).count();
                let fits = |form: &Form| number_length(rest, *form) == Some(length);
                form = [Form::Integer, Form::Decimal].into_iter().find(fits).map(|form| (0, length, form));
            }
            _ => {}
        }
        if let Some((before, length, form)) = form {
            found.push(Place { start: at + before, end: at + before + length, form, slot: None });
        }
        at += length;
    }
    (found.len() <= MOST_VALUES).then_some(found)
}

/// Return the length of the number that bytes begin with; None if it has another form.
fn number_length(bytes: &[u8], form: Form) -> Option<usize> {
    let digits = |bytes: &[u8]| bytes.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let whole = digits(bytes);
    if !(1..=18).contains(&whole) || (whole > 1 && bytes.first() == Some(&b'0')) {
        return None;
    }
    if form == Form::Integer {
        return Some(whole);
    }
    let fraction = digits(bytes.get(whole..)?.strip_prefix(b".")?);
    (1..=18).contains(&fraction).then_some(whole + 1 + fraction)
}

/// The templates of the latest lines, each with the meaning of its lines.
pub struct Templates<M> {
    kept: Vec<(Template, M)>,
    /// Lines since templates were learned, as far as they count.
    lines: u32,
    misses: u32,
    resting: u32,
}

impl<M> Default for Templates<M> {
    fn default() -> Self {
        Templates { kept: Vec::new(), lines: FIRST * LINES_OF_A_TEMPLATE, misses: 0, resting: 0 }
    }
}

impl<M> Templates<M> {
    /// Return the template of a line with its meaning, the values of the line and the place of its mark.
    pub fn find<'a>(&mut self, line: &'a str) -> Option<(&Template, &M, Values<'a>, usize)> {
        self.lines = (self.lines + 1).min(FIRST * LINES_OF_A_TEMPLATE);
        if self.resting > 0 {
            self.resting -= 1;
            return None;
        }
        let mut kept = self.kept.iter().enumerate();
        let Some((place, (values, mark))) = kept.find_map(|(place, (template, _))| Some((place, template.read(line)?))) else {
            self.misses += 1;
            if self.misses > MOST_MISSES {
                (self.misses, self.resting) = (0, REST);
            }
            return None;
        };
        self.misses = self.misses.saturating_sub(1);
        self.kept.get_mut(..=place)?.rotate_right(1);
        let (template, meaning) = self.kept.first()?;
        Some((template, meaning, values, mark))
    }

    /// Return whether a template may be learned now.
    pub fn may_learn(&self) -> bool {
        self.resting == 0 && self.lines >= LINES_OF_A_TEMPLATE
    }

    /// Keep a template that was learned; None if the line had none.
    pub fn keep(&mut self, template: Option<Template>, meaning: M) {
        self.lines = self.lines.saturating_sub(LINES_OF_A_TEMPLATE);
        if let Some(template) = template {
            self.kept.truncate(MOST - 1);
            self.kept.insert(0, (template, meaning));
        }
    }
}
