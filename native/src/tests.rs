//! Property tests: arbitrary bytes never panic, and what is taken is strict JSON with the values that simple code finds in it.
//!
//! `PROPTEST_CASES=100000 cargo test` makes more examples than the default.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;
use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::columns::Columns;
use crate::facts::{Endpoints, Facts};
use crate::grammar::{Checked, body_of_result};
use crate::lines::Lines;
use crate::numbers::read_list;
use crate::rows::{Request, Requests, ResultPlace, Table};
use crate::skeletons::string;

/// The lines of the example files of the project that are not long.
pub static EXAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fixtures");
    let mut lines = vec![result(r#"{"error": {"message": "busy", "type": "server_error"}}"#, 500)];
    let folders = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| std::fs::read_dir(folder.path()).into_iter().flatten().flatten());
    for file in files.filter(|file| file.path().extension().is_some_and(|suffix| suffix == "jsonl")) {
        let text = std::fs::read(file.path()).unwrap_or_default();
        lines.extend(text.split(|byte| *byte == b'\n').filter(|line| (2..20_000).contains(&line.len())).map(<[u8]>::to_vec));
    }
    lines.sort_unstable();
    lines.dedup();
    assert!(lines.len() > 50, "the example files of the project are missing");
    lines
});

/// What is put into lines.
const PIECES: &[&str] = &[
    "\"",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "true",
    "-0",
    "1e400",
    "0.1",
    "01",
    "1.",
    "-",
    "\"\\ud83d\"",
    "\\u0063",
    "\\u00e9",
    "é",
    "\u{0}",
    "\n",
    " ",
    "\t",
    "\"custom_id\": \"x\"",
    "\"custom_id\"",
    "\"embedding\": [1.5]",
    "\"embedding\": \"AACAPw==\"",
    "{}",
    "[]",
    "\"error\": null",
    "9223372036854775808",
    "\u{feff}",
    "NaN",
    "\"body\"",
    "\"id\": 1,",
    "200",
    "\"stop\"",
];

/// One change of a line.
#[derive(Clone, Debug)]
enum Edit {
    Byte(Index, u8),
    Remove(Index, usize),
    Insert(Index, &'static str),
    Repeat(Index, usize, Index),
    Nest(Index, usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    prop_oneof![
        (any::<Index>(), any::<u8>()).prop_map(|(at, byte)| Edit::Byte(at, byte)),
        (any::<Index>(), 1..30usize).prop_map(|(at, count)| Edit::Remove(at, count)),
        (any::<Index>(), select(PIECES)).prop_map(|(at, piece)| Edit::Insert(at, piece)),
        (any::<Index>(), 1..60usize, any::<Index>()).prop_map(|(from, count, to)| Edit::Repeat(from, count, to)),
        (any::<Index>(), 1..200usize).prop_map(|(at, count)| Edit::Nest(at, count)),
    ]
}

fn edited(mut line: Vec<u8>, edits: &[Edit]) -> Vec<u8> {
    for edit in edits {
        let place = |at: &Index, line: &[u8]| at.index(line.len() + 1);
        let range = |at: &Index, count: usize, line: &[u8]| -> Range<usize> {
            let start = place(at, line);
            start..(start + count).min(line.len())
        };
        match edit {
            Edit::Byte(at, byte) => {
                let range = range(at, 1, &line);
                line.splice(range, [*byte]);
            }
            Edit::Remove(at, count) => drop(line.drain(range(at, *count, &line))),
            Edit::Insert(at, piece) => {
                let at = place(at, &line);
                line.splice(at..at, piece.bytes());
            }
            Edit::Repeat(from, count, to) => {
                let copy = line.get(range(from, *count, &line)).unwrap_or_default().to_vec();
                let to = place(to, &line);
                line.splice(to..to, copy);
            }
            Edit::Nest(at, count) => {
                let at = place(at, &line);
                line.splice(at..at, "[".repeat(*count).into_bytes().into_iter().chain("]".repeat(*count).into_bytes()));
            }
        }
    }
    line
}

/// Return lines that are nearly plain, from templates.
pub fn nearly(templates: &'static [Vec<u8>]) -> impl Strategy<Value = Vec<u8>> {
    (select(templates), vec(edit(), 0..4)).prop_map(|(line, edits)| edited(line, &edits))
}

/// Return a result line with a body.
pub fn result(body: &str, status: u16) -> Vec<u8> {
    let head = r#"{"id": "batch_req_1", "custom_id": "a", "response": {"status_code": "#;
    format!(r#"{head}{status}, "request_id": "r", "body": {body}}}, "error": null}}"#).into_bytes()
}

/// Facts such as the Python package passes.
pub fn facts() -> Facts {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let ends = || HashMap::from([("completed".to_owned(), ("succeeded".to_owned(), None))]);
    Facts {
        finish_reasons: ["stop", "length", "tool_calls"]
            .map(|word| (word.to_owned(), (word.to_owned(), "succeeded".to_owned())))
            .into_iter()
            .collect(),
        outcomes: words(&["succeeded", "incomplete", "failed"]),
        response_ends: [ends(), ends()],
        endings: HashMap::from([("batch_expired".to_owned(), ("expired".to_owned(), true))]),
        statuses: (400..600).map(|status| (status, status >= 500)).collect(),
        missing: ("missing".to_owned(), true),
        succeeded: "succeeded".to_owned(),
        failed: "failed".to_owned(),
        endpoints: Endpoints {
            chat: "/v1/chat/completions".to_owned(),
            completion: "/v1/completions".to_owned(),
            response: "/v1/responses".to_owned(),
            moderation: "/v1/moderations".to_owned(),
        },
        text_urls: words(&["/chat/completions", "/responses", "/completions"]),
        moderation_urls: words(&["/moderations"]),
        bodies: "all".to_owned(),
        request_bodies: true,
        vectors: None,
    }
}

/// The place of a result that has no meaning for a test.
pub const PLACE: ResultPlace = ResultPlace { file: 0, source: "results.jsonl", line_number: 1, batch_id: None, attempts: None };

/// A simple reader of strict JSON, in place of the libraries: what it does not read must not be taken.
pub struct Reader<'a> {
    rest: &'a [u8],
    depth: usize,
    /// The values of `custom_id` in the object of the line itself, as they are written.
    pub ids: Vec<&'a [u8]>,
}

impl<'a> Reader<'a> {
    /// Read a line; None if it is not one JSON value of at most 127 levels in UTF-8.
    pub fn read(line: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(line).ok()?;
        let mut reader = Reader { rest: line, depth: 0, ids: Vec::new() };
        reader.value()?;
        reader.rest.is_empty().then_some(reader)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_ascii_start();
        // trim_ascii_start also removes form feeds, which are no space in JSON; none is in a string that was read.
    }

    fn byte(&mut self, byte: u8) -> Option<()> {
        self.rest = self.rest.strip_prefix(&[byte])?;
        self.space();
        Some(())
    }

    fn text(&mut self) -> Option<&'a [u8]> {
        let inner = self.rest.strip_prefix(b"\"")?;
        let mut at = 0;
        loop {
            match inner.get(at)? {
                b'"' => break,
                b'\\' if inner.get(at + 1) == Some(&b'u') => {
                    let unit = |at: usize| u32::from_str_radix(std::str::from_utf8(inner.get(at..at + 4)?).ok()?, 16).ok();
                    let is_hex = |at: usize| inner.get(at..at + 4).is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit));
                    let first = unit(at + 2).filter(|_| is_hex(at + 2))?;
                    at += 6;
                    if (0xDC00..0xE000).contains(&first) {
                        return None;
                    }
                    if (0xD800..0xDC00).contains(&first) {
                        let is_pair = inner.get(at..at + 2) == Some(b"\\u") && is_hex(at + 2);
                        let second = unit(at + 2).filter(|_| is_pair)?;
                        at += 6;
                        (0xDC00..0xE000).contains(&second).then_some(())?;
                    }
                }
                b'\\' => {
                    inner.get(at + 1).filter(|byte| b"\"\\/bfnrt".contains(byte))?;
                    at += 2;
                }
                0..0x20 => return None,
                _ => at += 1,
            }
        }
        self.rest = inner.get(at + 1..)?;
        self.space();
        inner.get(..at)
    }

    fn number(&mut self) -> Option<()> {
        let length = number_length(self.rest)?;
        self.rest = self.rest.get(length..)?;
        self.space();
        Some(())
    }

    fn value(&mut self) -> Option<()> {
        self.space();
        match self.rest.first()? {
            b'{' | b'[' if self.depth == 127 => None,
            b'{' => {
                self.byte(b'{')?;
                self.depth += 1;
                while self.rest.first() != Some(&b'}') {
                    let key = self.text()?;
                    self.byte(b':')?;
                    let before = self.rest;
                    self.value()?;
                    if self.depth == 1 && key == b"custom_id" {
                        self.ids.push(before.get(..before.len() - self.rest.len())?);
                    }
                    self.separator(b'}')?;
                }
                self.depth -= 1;
                self.byte(b'}')
            }
            b'[' => {
                self.byte(b'[')?;
                self.depth += 1;
                while self.rest.first() != Some(&b']') {
                    self.value()?;
                    self.separator(b']')?;
                }
                self.depth -= 1;
                self.byte(b']')
            }
            b'"' => self.text().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            _ => {
                let word = [&b"null"[..], b"true", b"false"].into_iter().find(|word| self.rest.starts_with(word))?;
                self.rest = self.rest.get(word.len()..)?;
                self.space();
                Some(())
            }
        }
    }

    /// Read a comma before another value, or nothing before the end.
    fn separator(&mut self, end: u8) -> Option<()> {
        if self.rest.first() == Some(&end) {
            return Some(());
        }
        self.byte(b',')?;
        (self.rest.first()? != &end).then_some(())
    }
}

/// Return how long the number of JSON at the beginning of a text is.
pub fn number_length(text: &[u8]) -> Option<usize> {
    let digits = |at: usize| text.get(at..).unwrap_or_default().iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = usize::from(text.first() == Some(&b'-'));
    at += match (text.get(at)?, digits(at)) {
        (b'0', _) => 1,
        (_, 0) => return None,
        (_, count) => count,
    };
    if text.get(at) == Some(&b'.') {
        at += 1 + Some(digits(at + 1)).filter(|count| *count > 0)?;
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        at += 1 + sign + Some(digits(at + 1 + sign)).filter(|count| *count > 0)?;
    }
    Some(at)
}

/// Return the floats of a list of numbers, and how long it is with its bracket; None for other texts and for `-0`.
fn simple_list(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    let is_space = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\r' | b'\n');
    let spaces = |at: usize| text.get(at..).unwrap_or_default().iter().take_while(|byte| is_space(byte)).count();
    let (mut floats, mut at) = (Vec::new(), 0);
    loop {
        at += spaces(at);
        let length = number_length(text.get(at..)?)?;
        let number = std::str::from_utf8(text.get(at..at + length)?).ok().filter(|number| *number != "-0")?;
        let float = number.parse::<f64>().ok()? as f32;
        floats.extend_from_slice(&Some(float).filter(|float| float.is_finite())?.to_le_bytes());
        at += length;
        at += spaces(at);
        match text.get(at)? {
            b']' => return Some((floats, at + 1)),
            b',' => at += 1,
            _ => return None,
        }
    }
}

/// Return numbers as texts: short and long, exact and not.
pub fn number() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => any::<f32>().prop_map(|float| float.to_string()),
        2 => any::<f64>().prop_map(|float| format!("{float:e}")),
        2 => (-1.0..1.0f64, 0..20usize).prop_map(|(float, digits)| format!("{float:.digits$}")),
        2 => "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,25})?([eE][+-]?[0-9]{1,3})?",
        1 => "[-+0-9.eE]{0,8}",
        1 => select(&["-0", "-0.0", "1e39", "3.4028236e38", "1e-46", "NaN", "null", "9007199254740993", "0.00000000000000000000001"])
            .prop_map(str::to_owned),
    ]
}

proptest! {
    /// The lines of a text are those between its newlines, also if it comes in two blocks that are cut after a line.
    #[test]
    fn lines_are_between_newlines(lines in vec(vec(any::<u8>().prop_filter("a newline", |byte| *byte != b'\n'), 0..40), 0..20),
                                  end in vec(any::<u8>().prop_filter("a newline", |byte| *byte != b'\n'), 0..20), cut in any::<Index>()) {
        let mut text: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
        text.extend(&end);
        let ends: Vec<usize> = (0..=text.len()).filter(|at| *at == 0 || text.get(at - 1) == Some(&b'\n')).collect();
        let (first, second) = text.split_at(ends[cut.index(ends.len())]);
        let found: Vec<_> = Lines::of(&text).map(|line| (line.start, line.bytes.to_vec())).collect();
        let apart = Lines::of(first).map(|line| (line.start, line.bytes.to_vec()));
        let apart = apart.chain(Lines::of(second).map(|line| (line.start + first.len(), line.bytes.to_vec())));
        prop_assert_eq!(&found, &apart.collect::<Vec<_>>());
        prop_assert_eq!(found.iter().map(|(_, bytes)| bytes).collect::<Vec<_>>(), lines.iter().collect::<Vec<_>>());
    }

    /// Numbers are those of `str::parse`, rounded to 32 bits; nothing else is a list.
    #[test]
    fn numbers_are_those_of_the_standard_library(numbers in vec(number(), 0..80), separator in select(&[",", ", ", " , ", ",\n", ";"]),
                                                 end in select(&["]", " ]", "]}", "", ",]", "] , [1]"])) {
        let text = numbers.join(separator) + end;
        let mut floats = Vec::new();
        let found = read_list(text.as_bytes(), &mut floats).map(|rest| (floats, text.len() - rest.len()));
        prop_assert_eq!(found, simple_list(text.as_bytes()));
    }

    /// Any bytes are a list of numbers or not, as simple code says.
    #[test]
    fn any_bytes_are_a_list_or_not(text in vec(select(b"0123456789-+.eE, ]\t\"".as_slice()), 0..60)) {
        let mut floats = Vec::new();
        let found = read_list(&text, &mut floats).map(|rest| (floats, text.len() - rest.len()));
        prop_assert_eq!(found, simple_list(&text));
    }

    /// A string ends where JSON says so.
    #[test]
    fn strings_are_strict(text in "(\\PC|[\"\\\\ud8cDf0-9nx\\x00-\\x1f]){0,30}\"?.{0,5}") {
        let quoted = format!("\"{text}");
        let mut reader = Reader { rest: quoted.as_bytes(), depth: 0, ids: Vec::new() };
        let simple = reader.text();
        prop_assert_eq!(string(text.as_bytes()).map(|(text, _)| text.as_bytes()), simple);
    }

    /// A value that is checked and dropped is strict JSON of at most 127 levels, and all such values are taken.
    #[test]
    fn checked_values_are_strict(line in nearly(&EXAMPLES)) {
        let is_taken = serde_json::from_slice::<Checked>(&line).is_ok();
        // Numbers beyond a float of 64 bits, and spaces that only this project's simple reader knows, are the differences.
        prop_assert!(!is_taken || Reader::read(&line).is_some());
    }

    /// A result line that is taken is strict JSON with one id, and its body is in it.
    #[test]
    fn results_that_are_taken_are_strict(line in nearly(&EXAMPLES)) {
        let mut table = Table::new(facts());
        if table.add(&line, &PLACE, None) {
            let reader = Reader::read(&line);
            prop_assert_eq!(reader.map(|reader| reader.ids.len()), Some(1));
            prop_assert_eq!(table.count, 1);
            prop_assert_eq!(table.outcomes.values().sum::<u64>(), 1);
            let text = std::str::from_utf8(&line).unwrap_or_default();
            if let Some(body) = body_of_result(text) {
                let is_object = body.starts_with('{') && Reader::read(body.as_bytes()).is_some();
                prop_assert!(is_object);
            }
        } else {
            prop_assert_eq!(table.count, 0);
        }
    }

    /// A request that is taken is strict JSON with the id that it shows.
    #[test]
    fn requests_that_are_taken_are_strict(line in nearly(&EXAMPLES)) {
        let facts = facts();
        if let Some(request) = Request::read(&line, &facts) {
            let ids = Reader::read(&line).map(|reader| reader.ids).unwrap_or_default();
            prop_assert_eq!(ids.len(), 1);
            let id = serde_json::from_slice::<String>(ids[0]).ok();
            prop_assert_eq!(id.as_deref(), Some(request.custom_id()));
        }
    }

    /// A result line has the same row after others whose templates it may have, as alone.
    #[test]
    fn templates_say_what_the_grammar_says(line in select(EXAMPLES.clone()),
                                           edits in vec(vec(edit(), 0..3), 1..6), bodies in select(&["all", "auto"])) {
        let lines: Vec<_> = edits.iter().map(|edits| edited(line.clone(), edits)).collect();
        let facts = || Facts { bodies: bodies.to_owned(), ..facts() };
        let mut table = Table::new(facts());
        for each in std::iter::once(&line).chain(&lines) {
            let mut alone = Table::new(facts());
            let before = table.count;
            let is_taken = table.add(each, &PLACE, None);
            prop_assert_eq!(is_taken, alone.add(each, &PLACE, None));
            prop_assert_eq!(table.count - before, alone.count);
            prop_assert_eq!(format!("{:?}", table.columns), format!("{:?}", alone.columns));
            table.columns = Columns::default();
        }
    }

    /// A request has the same values after others whose templates it may have, as alone.
    #[test]
    fn templates_of_requests_say_what_the_grammar_says(line in select(EXAMPLES.clone()),
                                                       edits in vec(vec(edit(), 0..3), 1..6), request_bodies in any::<bool>()) {
        let facts = Facts { request_bodies, ..facts() };
        let mut requests = Requests::default();
        for each in std::iter::once(line.clone()).chain(edits.iter().map(|edits| edited(line.clone(), edits))) {
            let found = requests.read(&each, &facts).map(|request| request.shown());
            prop_assert_eq!(found, Request::read(&each, &facts).map(|request| request.shown()));
        }
    }

    /// Bytes without any form end in nothing, not in a panic.
    #[test]
    fn any_bytes_are_read(line in vec(any::<u8>(), 0..300)) {
        let facts = facts();
        prop_assert!(Request::read(&line, &facts).is_none());
        prop_assert!(!Table::new(facts).add(&line, &PLACE, None));
    }
}

/// Lines of any depth are read with a bounded stack, and none beyond 127 levels is taken.
#[test]
fn nesting_is_bounded() {
    for (depth, is_plain) in [(10, true), (122, true), (130, false), (1_000_000, false)] {
        for (open, close) in [("[", "]"), ("{\"a\": ", "}")] {
            let value = format!("{}1{}", open.repeat(depth), close.repeat(depth));
            let line =
                format!(r#"{{"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {{"x": {value}}}}}"#);
            assert_eq!(Request::read(line.as_bytes(), &facts()).is_some(), is_plain, "{depth} levels of {open}");
        }
    }
}

/// The examples have lines of both roles that are taken, so that the properties say something.
#[test]
fn many_examples_are_taken() {
    let results = EXAMPLES.iter().filter(|line| Table::new(facts()).add(line, &PLACE, None)).count();
    let requests = EXAMPLES.iter().filter(|line| Request::read(line, &facts()).is_some()).count();
    assert!(results > 15 && requests > 15, "{results} results and {requests} requests of {}", EXAMPLES.len());
}
