//! Requests without a finding: a line has the same verdict in each order and in each block.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::Checks;
use crate::tests::{Reader, nearly};

/// A description such as Python writes, of a body with messages.
const BODY: &str = r#"{
    "contents": [["messages", {"lists": [{"item": {"object": {"keys": [["role", {"text": {"words": ["user", "system"]}}, true],
        ["content", {"text": {"least": 1}}, true]], "others": null, "most": null, "longest_key": null, "some_of": []}},
        "least": 1, "most": null, "is_one": false}]}]],
    "counts": true,
    "free": [["user", {"text": {"most": 5}, "null": true}], ["seed", {"integer": [null, 100]}], ["top_p", {"number": [0, 1]}]],
    "compared": ["model"],
    "others": {"any": true}
}"#;

static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let bodies = [
        r#"{"model": "m", "messages": [{"role": "user", "content": "Why?"}]}"#,
        r#"{"model": "m", "messages": [{"role": "system", "content": "Be\nkind"}, {"role": "user", "content": "é"}], "seed": 7}"#,
        r#"{"messages": [{"content": "a", "role": "user"}], "model": "m", "user": "me", "top_p": 0.5, "metadata": {"a": [1, {}]}}"#,
    ];
    let line = |body| format!(r#"{{"custom_id": "id-1", "method": "POST", "url": "/v1/chat/completions", "body": {body}}}"#);
    bodies.into_iter().map(|body| line(body).into_bytes()).collect()
});

fn checks() -> Checks {
    let learned = Checks::new(r#"{"least": 1, "most": 64}"#).and_then(|mut checks| {
        for line in LINES.iter() {
            checks.learn(line, Some("/v1/chat/completions"), BODY)?;
        }
        Ok(checks)
    });
    learned.unwrap_or_else(|_| unreachable!("the description fits"))
}

/// Return for each line its id, or None, and how many contents there are.
fn verdicts(checks: &mut Checks, lines: &[Vec<u8>]) -> (Vec<Option<String>>, u64) {
    let text: Vec<u8> = lines.iter().flat_map(|line| line.iter().copied().chain([b'\n'])).collect();
    let (ids, others, unknown, contents) = checks.find(&text);
    assert!(unknown.iter().all(|number| others.contains(number)));
    let mut ids = ids.iter();
    let found =
        (0..lines.len()).map(|number| if others.contains(&number) { None } else { ids.next().map(|id| id.as_str().to_owned()) });
    (found.collect(), contents)
}

proptest! {
    /// What was compared with an earlier line has the verdict that parsing gives, in one block and in two.
    #[test]
    fn a_line_has_one_verdict(lines in vec(nearly(&LINES), 1..12), cut in any::<Index>()) {
        let lines: Vec<Vec<u8>> = lines.into_iter().filter(|line| !line.contains(&b'\n')).collect();
        let (together, contents) = verdicts(&mut checks(), &lines);
        let (first, second) = lines.split_at(cut.index(lines.len() + 1));
        let mut used = checks();
        let (mut apart, mut sum) = verdicts(&mut used, first);
        let (found, more) = verdicts(&mut used, second);
        apart.extend(found);
        sum += more;
        prop_assert_eq!((&apart, sum), (&together, contents));
        for (line, id) in lines.iter().zip(&together) {
            prop_assert_eq!(&verdicts(&mut checks(), std::slice::from_ref(line)).0[0], id);
            if let Some(id) = id {
                let ids = Reader::read(line).map(|reader| reader.ids).unwrap_or_default();
                prop_assert_eq!(ids.len(), 1);
                let decoded = serde_json::from_slice::<String>(ids[0]).ok();
                prop_assert_eq!(decoded.as_ref(), Some(id));
            }
        }
    }

    /// Any bytes have a verdict.
    #[test]
    fn any_bytes_have_a_verdict(line in vec(any::<u8>(), 0..200)) {
        let mut checks = checks();
        prop_assert!(checks.find(&line).0.is_empty());
    }
}

/// The lines without a change are taken, so that the properties say something.
#[test]
fn examples_are_taken() {
    assert!(verdicts(&mut checks(), &LINES).0.iter().all(Option::is_some));
}
