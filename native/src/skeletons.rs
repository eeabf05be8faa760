//! Lines that differ from an earlier one only in strings: most lines of a file are compared, and not parsed.

/// Skeletons that are kept, the latest first.
const MOST: usize = 4;

/// The strings of a line whose text does not matter, except for its length.
#[derive(Default)]
pub struct Strings {
    /// Where the line is in memory.
    base: usize,
    length: usize,
    found: Vec<Place>,
    /// Whether a string has escapes, so that it was decoded elsewhere in memory.
    is_decoded: bool,
}

/// The text of a string in its line.
struct Place {
    start: usize,
    end: usize,
    lengths: Lengths,
}

/// How many characters a string may have.
#[derive(Clone, Copy)]
pub struct Lengths {
    pub least: usize,
    pub most: Option<usize>,
}

impl Lengths {
    /// Return whether a string, as it is written in the line, certainly has such a length.
    pub fn fit(self, text: &str, has_escapes: bool) -> bool {
        // Characters are counted only if the bytes do not decide.
        if self.least <= text.len().min(1) && self.most.is_none_or(|most| text.len() <= most) {
            return true;
        }
        let count = text.chars().count();
        !has_escapes && self.least <= count && self.most.is_none_or(|most| count <= most)
    }
}

impl Strings {
    /// Forget all strings, and take those of a line.
    pub fn start(&mut self, line: &[u8]) {
        *self = Strings {
            base: line.as_ptr() as usize,
            length: line.len(),
            found: std::mem::take(&mut self.found),
            ..Strings::default()
        };
        self.found.clear();
    }

    /// Add a string of the line.
    pub fn add(&mut self, text: &str, lengths: Lengths) {
        match (text.as_ptr() as usize).checked_sub(self.base) {
            Some(start) if start + text.len() <= self.length => {
                self.found.push(Place { start, end: start + text.len(), lengths });
            }
            _ => self.is_decoded = true,
        }
    }

    /// Demand a text of all but the first ones.
    pub fn forbid_empty(&mut self, count: usize) {
        for string in self.found.iter_mut().skip(count) {
            string.lengths.least = string.lengths.least.max(1);
        }
    }

    /// Return how many there are.
    pub fn count(&self) -> usize {
        self.found.len()
    }

    /// Forget all but the first ones.
    pub fn truncate(&mut self, count: usize) {
        self.found.truncate(count);
    }
}

/// A line without the texts of its strings.
struct Skeleton {
    /// What comes before each string, with its quote, and its length.
    parts: Vec<(Vec<u8>, Lengths)>,
    end: Vec<u8>,
    /// Which string is the id.
    custom_id: usize,
    contents: u64,
}

/// The skeletons of the latest lines.
#[derive(Default)]
pub struct Skeletons(Vec<Skeleton>);

impl Skeletons {
    /// Return the id of a line that has one of the skeletons, and how many contents it has.
    pub fn find<'a>(&mut self, line: &'a [u8]) -> Option<(&'a str, u64)> {
        let (place, found) =
            self.0.iter().enumerate().find_map(|(place, skeleton)| Some((place, skeleton.custom_id_of(line)?)))?;
        self.0.swap(0, place);
        Some((found, self.0.first()?.contents))
    }

    /// Keep the skeleton of a line with these strings.
    pub fn add(&mut self, line: &[u8], strings: &mut Strings, custom_id: &str, contents: u64) {
        strings.found.sort_unstable_by_key(|string| string.start);
        let id_start = (custom_id.as_ptr() as usize).checked_sub(strings.base);
        let is_id = |string: &Place| Some(string.start) == id_start;
        let Some(custom_id) = strings.found.iter().position(is_id).filter(|_| !strings.is_decoded) else { return };
        let mut parts = Vec::with_capacity(strings.found.len());
        let mut at = 0;
        for string in &strings.found {
            let Some(before) = line.get(at..string.start) else { return };
            parts.push((before.to_vec(), string.lengths));
            at = string.end;
        }
        let Some(end) = line.get(at..) else { return };
        self.0.truncate(MOST - 1);
        self.0.insert(0, Skeleton { parts, end: end.to_vec(), custom_id, contents });
    }
}

impl Skeleton {
    /// Return the id of a line; None if it has another skeleton, or a string that must be parsed.
    fn custom_id_of<'a>(&self, line: &'a [u8]) -> Option<&'a str> {
        let (mut rest, mut custom_id) = (line, None);
        for (number, (before, lengths)) in self.parts.iter().enumerate() {
            let (text, has_escapes) = string(rest.strip_prefix(before.as_slice())?)?;
            if !lengths.fit(text, has_escapes) || (number == self.custom_id && has_escapes) {
                return None;
            }
            if number == self.custom_id {
                custom_id = Some(text);
            }
            rest = rest.get(before.len() + text.len()..)?;
        }
        custom_id.filter(|_| rest == self.end.as_slice())
    }
}

/// Return the text of a JSON string up to its closing quote, and whether it has escapes; None if it is not strict JSON.
pub fn string(bytes: &[u8]) -> Option<(&str, bool)> {
    let (length, has_escapes) = string_length(bytes)?;
    Some((str::from_utf8(bytes.get(..length)?).ok()?, has_escapes))
}

/// Return how long the text of a JSON string is, as `string` does; its bytes are not checked to be UTF-8.
pub fn string_length(bytes: &[u8]) -> Option<(usize, bool)> {
    let (mut at, mut has_escapes) = (0, false);
    loop {
        at += plain_bytes(bytes.get(at..)?);
        match bytes.get(at)? {
            b'"' => return Some((at, has_escapes)),
            b'\\' => at += escape(bytes.get(at..)?)?,
            _ => return None,
        }
        has_escapes = true;
    }
}

/// Return how many bytes come before the next quote, backslash or control character.
fn plain_bytes(bytes: &[u8]) -> usize {
    let is_special = |byte: &u8| *byte < 0x20 || *byte == b'"' || *byte == b'\\';
    // Without a branch for each byte, the compiler compares many at once.
    let chunks = bytes.as_chunks::<32>().0.iter();
    let start = 32 * chunks.take_while(|chunk| !chunk.iter().fold(false, |found, byte| found | is_special(byte))).count();
    let rest = bytes.get(start..).unwrap_or_default();
    start + rest.iter().position(is_special).unwrap_or(rest.len())
}

/// Return the length of an escape; None if there is no such escape, or it is half a surrogate pair.
fn escape(bytes: &[u8]) -> Option<usize> {
    match bytes.get(1)? {
        b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Some(2),
        b'u' => match unit(bytes)? {
            0xD800..0xDC00 => (0xDC00..0xE000).contains(&unit(bytes.get(6..)?)?).then_some(12),
            0xDC00..0xE000 => None,
            _ => Some(6),
        },
        _ => None,
    }
}

/// Return the number of an escape like `\u00e9`.
fn unit(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.get(..6)?.strip_prefix(b"\\u")?;
    digits.iter().try_fold(0, |number, digit| Some(number * 16 + char::from(*digit).to_digit(16)?))
}
