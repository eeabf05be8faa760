//! Shapes of JSON values, which Python describes: what a rule accepts without a finding, for values that have no other rule.

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

use crate::grammar::{Checked, Text};
use crate::skeletons::{Lengths, Strings, string};

/// What a value may be: each kind of JSON value that is not named is not of this shape.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Shape {
    any: bool,
    null: bool,
    boolean: bool,
    integer: Option<(Option<i64>, Option<i64>)>,
    number: Option<(Option<f64>, Option<f64>)>,
    text: Option<TextShape>,
    /// The first item decides which one it is.
    lists: Vec<ListShape>,
    object: Option<ObjectShape>,
    /// By key and value: such an object has this shape.
    tags: Vec<(String, Vec<(String, ObjectShape)>)>,
}

/// A string of a length in characters, or one of some words.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TextShape {
    least: usize,
    most: Option<usize>,
    words: Vec<String>,
}

/// A list of values of one shape.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListShape {
    item: Shape,
    least: usize,
    most: Option<usize>,
    /// Whether it counts as one, whatever its length.
    is_one: bool,
}

/// An object.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct ObjectShape {
    /// At most 64 keys, the shapes of their values, and whether they must be there.
    keys: Vec<(String, Shape, bool)>,
    /// The values of all other keys; None if there may be none.
    others: Option<Box<Shape>>,
    most: Option<usize>,
    longest_key: Option<usize>,
    /// One of these keys must have a value that is neither null nor empty.
    some_of: Vec<String>,
}

/// What is known of a value of a shape.
#[derive(Clone, Copy)]
pub struct Matched {
    /// Whether it is or may be null or empty.
    is_empty: bool,
    /// The items of a list, 1 for other values.
    pub count: u64,
}

const ONE: Matched = Matched { is_empty: false, count: 1 };

/// Nothing is known of it.
const ANY: Matched = Matched { is_empty: true, count: 1 };

impl Shape {
    /// Return the seed that reads a value of this shape, and collects its strings.
    pub fn seed<'s>(&'s self, strings: &'s mut Strings) -> Seed<'s> {
        Seed { shape: self, strings }
    }

    /// Return whether a JSON text has this shape, and collect its strings if it has.
    pub fn fits(&self, text: &str, strings: &mut Strings) -> bool {
        let before = strings.count();
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let fits = self.seed(strings).deserialize(&mut deserializer).is_ok_and(|_| deserializer.end().is_ok());
        if !fits {
            strings.truncate(before);
        }
        fits
    }
}

impl TextShape {
    /// Return whether a string has this shape, as it is written in the line, and collect it if its text does not matter.
    pub fn read(&self, text: &str, has_escapes: bool, strings: &mut Strings) -> bool {
        if !self.words.is_empty() {
            return !has_escapes && self.words.iter().any(|word| word == text);
        }
        let lengths = Lengths { least: self.least, most: self.most };
        let fits = lengths.fit(text, has_escapes);
        if fits {
            strings.add(text, lengths);
        }
        fits
    }
}

/// Reads a value of a shape.
pub struct Seed<'s> {
    shape: &'s Shape,
    strings: &'s mut Strings,
}

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Matched;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Matched, D::Error> {
        if self.shape.any {
            return Checked::deserialize(deserializer).map(|_| ANY);
        }
        let Some(text_shape) = &self.shape.text else { return deserializer.deserialize_any(self) };
        // As it is written, because a decoded string has no place in the line.
        let value = <&RawValue>::deserialize(deserializer)?.get();
        let Some(inner) = value.strip_prefix('"') else {
            return serde_json::Deserializer::from_str(value).deserialize_any(self).map_err(D::Error::custom);
        };
        let (text, has_escapes) = string(inner.as_bytes()).ok_or_else(|| D::Error::custom("not strict"))?;
        matched::<D::Error>(text_shape.read(text, has_escapes, self.strings))?;
        Ok(Matched { is_empty: text.is_empty(), ..ONE })
    }
}

/// Return what a value is if it fits.
fn matched<E: Error>(fits: bool) -> Result<Matched, E> {
    if fits { Ok(ONE) } else { Err(E::custom("not of the shape")) }
}

fn is_within<N: PartialOrd>(number: &N, low: Option<N>, high: Option<N>) -> bool {
    low.is_none_or(|low| *number >= low) && high.is_none_or(|high| *number <= high)
}

impl Seed<'_> {
    fn takes_integer(&self, number: i128) -> bool {
        let integer = |(low, high): (Option<i64>, Option<i64>)| is_within(&number, low.map(i128::from), high.map(i128::from));
        self.shape.integer.is_some_and(integer) || self.takes_number(number as f64)
    }

    fn takes_number(&self, number: f64) -> bool {
        self.shape.number.is_some_and(|(low, high)| is_within(&number, low, high))
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Matched;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        formatter.write_str("a value of the shape")
    }

    fn visit_unit<E: Error>(self) -> Result<Matched, E> {
        matched(self.shape.null).map(|_| Matched { is_empty: true, count: 0 })
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Matched, E> {
        matched(self.shape.boolean)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Matched, E> {
        matched(self.takes_integer(number.into()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Matched, E> {
        matched(self.takes_integer(number.into()))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Matched, E> {
        matched(self.takes_number(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Matched, A::Error> {
        let mut count = 0;
        let list = match self.shape.lists.as_slice() {
            [list] => list,
            lists => {
                let Some(first) = items.next_element::<&RawValue>()? else { return Err(A::Error::custom("no item")) };
                count = 1;
                let list = lists.iter().find(|list| list.item.fits(first.get(), self.strings));
                list.ok_or_else(|| A::Error::custom("an item of no shape"))?
            }
        };
        while items.next_element_seed(list.item.seed(self.strings))?.is_some() {
            count += 1;
        }
        matched::<A::Error>(is_within(&count, Some(list.least), list.most))?;
        Ok(Matched { is_empty: count == 0, count: if list.is_one { 1 } else { count as u64 } })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Matched, A::Error> {
        let mut object = self.shape.object.as_ref().map(Members::new);
        // Values before the one that decides about the shape.
        let mut before: Vec<(Text<'de>, &'de RawValue)> = Vec::new();
        while let Some(key) = members.next_key::<Text>()? {
            if let Some(object) = &mut object {
                object.add(key.as_str(), self.strings, |shape, strings| members.next_value_seed(shape.seed(strings)))?;
                continue;
            }
            let value = members.next_value::<&RawValue>()?;
            let shape = self.shape.tagged(key.as_str(), value.get());
            before.push((key, value));
            if let Some(shape) = shape {
                let chosen = object.insert(Members::new(shape));
                for (key, value) in before.drain(..) {
                    chosen.add(key.as_str(), self.strings, |shape, strings| {
                        let mut deserializer = serde_json::Deserializer::from_str(value.get());
                        shape.seed(strings).deserialize(&mut deserializer).map_err(A::Error::custom)
                    })?;
                }
            }
        }
        let object = object.filter(Members::is_complete).ok_or_else(|| A::Error::custom("an incomplete object"))?;
        Ok(Matched { is_empty: object.count == 0, count: 1 })
    }
}

impl Shape {
    /// Return the shape of the objects that have this value.
    fn tagged(&self, key: &str, value: &str) -> Option<&ObjectShape> {
        let (_, kinds) = self.tags.iter().find(|(tag, _)| tag == key)?;
        let value = serde_json::from_str::<Text>(value).ok()?;
        kinds.iter().find(|(kind, _)| kind == value.as_str()).map(|(_, shape)| shape)
    }
}

/// The members of an object so far.
struct Members<'s> {
    shape: &'s ObjectShape,
    seen: u64,
    count: usize,
    has_some: bool,
}

impl<'s> Members<'s> {
    fn new(shape: &'s ObjectShape) -> Self {
        Members { shape, seen: 0, count: 0, has_some: shape.some_of.is_empty() }
    }

    /// Take a member, whose value is read by the shape that its key has.
    fn add<E: Error>(
        &mut self,
        key: &str,
        strings: &mut Strings,
        read: impl FnOnce(&Shape, &mut Strings) -> Result<Matched, E>,
    ) -> Result<(), E> {
        self.count += 1;
        let Some(place) = self.shape.keys.iter().position(|(name, ..)| name == key) else {
            let is_short = self.shape.longest_key.is_none_or(|most| key.len() <= most || key.chars().count() <= most);
            let others = self.shape.others.as_deref().filter(|_| is_short);
            return read(others.ok_or_else(|| E::custom("another key"))?, strings).map(drop);
        };
        let bit = 1u64.checked_shl(place as u32).unwrap_or(0);
        let shape = self.shape.keys.get(place).filter(|_| bit != 0 && self.seen & bit == 0);
        let (_, shape, _) = shape.ok_or_else(|| E::custom("a key twice"))?;
        let before = strings.count();
        let found = read(shape, strings)?;
        self.seen |= bit;
        if !found.is_empty && self.shape.some_of.iter().any(|name| name == key) {
            self.has_some = true;
            strings.forbid_empty(before);
        }
        Ok(())
    }

    fn is_complete(&self) -> bool {
        let mut needed = self.shape.keys.iter().enumerate().filter(|(_, (.., is_needed))| *is_needed);
        needed.all(|(place, _)| self.seen >> place & 1 == 1)
            && self.has_some
            && self.shape.most.is_none_or(|most| self.count <= most)
    }
}
