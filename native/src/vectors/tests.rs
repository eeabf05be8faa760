//! Vectors are the numbers and the base64 of their line.

use std::sync::LazyLock;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use super::VectorFacts;
use crate::facts::Facts;
use crate::rows::Table;
use crate::tests::{PLACE, Reader, facts, nearly, number, result};

static LINES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let texts = ["[0.5, -0.25, 1e-3]", "[ 1 , 2 ]", "\"AACAPwAAAEA=\"", "\"zcxMPg==\"", "[0.012345678901234567, -7]"];
    texts.iter().map(|text| line(&[(*text).to_owned()])).chain([line(&["[1]".to_owned(), "[2.5]".to_owned()])]).collect()
});

fn line(vectors: &[String]) -> Vec<u8> {
    let items: Vec<String> = vectors
        .iter()
        .enumerate()
        .map(|(index, vector)| format!(r#"{{"object": "embedding", "index": {index}, "embedding": {vector}}}"#))
        .collect();
    let usage = r#""usage": {"prompt_tokens": 3, "total_tokens": 3}"#;
    result(&format!(r#"{{"object": "list", "data": [{}], "model": "m", {usage}}}"#, items.join(", ")), 200)
}

fn table() -> Table {
    let vectors = VectorFacts {
        endpoint: "/v1/embeddings".to_owned(),
        urls: vec!["/embeddings".to_owned()],
        formats: vec!["float".to_owned(), "base64".to_owned()],
        dimensions: None,
        text_sizes: Vec::new(),
    };
    Table::new(Facts { vectors: Some(vectors), ..facts() })
}

/// Return the bytes of base64 with padding, decoded one sextet at a time; None if it is not canonical.
fn simple_base64(text: &str) -> Option<Vec<u8>> {
    let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let digits = text.trim_end_matches('=');
    let padding = text.len() - digits.len();
    let mut bits = Vec::new();
    for digit in digits.chars() {
        let value = alphabet.find(digit)?;
        bits.extend((0..6).rev().map(|bit| value >> bit & 1 == 1));
    }
    let is_padded = text.len().is_multiple_of(4) && padding <= 2 && bits.len() % 8 == 2 * padding;
    let (bytes, rest) = bits.as_chunks::<8>();
    let is_canonical = is_padded && rest.iter().all(|bit| !bit);
    is_canonical.then(|| bytes.iter().map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | u8::from(*bit))).collect())
}

/// Return the vectors of a line that was taken, found by a search for their key.
fn simple_vectors(line: &str) -> Option<Vec<u8>> {
    let mut floats = Vec::new();
    for value in line.split("\"embedding\"").skip(1).filter_map(|rest| rest.trim_start().strip_prefix(':')) {
        match value.trim_start().split_at_checked(1)? {
            ("[", list) => {
                for number in list.split_once(']')?.0.split(',') {
                    floats.extend_from_slice(&(number.trim().parse::<f64>().ok()? as f32).to_le_bytes());
                }
            }
            (_, text) => floats.extend(simple_base64(text.split_once('"')?.0)?),
        }
    }
    Some(floats)
}

fn check(line: &[u8]) -> Result<bool, TestCaseError> {
    let mut table = table();
    let is_taken = table.add(line, &PLACE, None);
    if is_taken {
        let text = std::str::from_utf8(line).unwrap_or_default();
        prop_assert!(Reader::read(line).is_some());
        if text.contains("\"embedding\"") {
            let floats = simple_vectors(text);
            prop_assert_eq!(Some(&*table.columns.embedding.values()), floats.as_ref());
        }
    }
    Ok(is_taken)
}

proptest! {
    /// Whatever is changed in a line, a vector that is taken has the numbers of the line.
    #[test]
    fn vectors_are_those_of_the_line(line in nearly(&LINES)) {
        check(&line)?;
    }

    /// Lists of any numbers have the floats of the standard library.
    #[test]
    fn lists_have_their_numbers(vectors in vec(vec(number(), 1..6), 1..4)) {
        check(&line(&vectors.iter().map(|numbers| format!("[{}]", numbers.join(", "))).collect::<Vec<_>>()))?;
    }

    /// Texts in base64, with padding and without, canonical and not, have the bytes of simple code.
    #[test]
    fn texts_have_their_bytes(text in "[A-Za-z0-9+/=]{0,24}", padding in select(&["", "=", "=="])) {
        check(&line(&[format!("\"{text}{padding}\"")]))?;
    }

    /// All floats that were encoded are read, if the first shows the format.
    #[test]
    fn floats_in_base64_come_back(floats in vec(any::<f32>(), 1..20)) {
        use base64::Engine;
        let bytes: Vec<u8> = floats.iter().flat_map(|float| float.to_le_bytes()).collect();
        let text = base64::engine::general_purpose::STANDARD.encode(&bytes);
        prop_assert_eq!(simple_base64(&text), Some(bytes.clone()));
        prop_assert_eq!(check(&line(&[format!("\"{text}\"")]))?, !matches!(bytes[3], 0 | 0x80));
    }
}

/// The lines without a change are taken, so that the properties say something.
#[test]
fn examples_are_taken() {
    assert!(LINES.iter().all(|line| matches!(check(line), Ok(true))));
}
