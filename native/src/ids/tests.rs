//! Ids that are found without decoding are those that decoding finds.

use proptest::prelude::*;

use super::IdFinder;
use crate::tests::{EXAMPLES, Reader, nearly};

proptest! {
    /// In a line of JSON the id is the value of the only key with its name.
    #[test]
    fn plain_ids_are_those_of_the_key(line in nearly(&EXAMPLES)) {
        if let (Some(id), Some(reader)) = (IdFinder::new().find(&line), Reader::read(&line)) {
            prop_assert_eq!(reader.ids.len(), 1);
            let decoded = serde_json::from_slice::<String>(reader.ids[0]).ok();
            prop_assert_eq!(decoded.as_deref(), Some(id));
        }
    }

    /// In any bytes there is an id or none.
    #[test]
    fn any_bytes_have_an_id_or_none(line in "[{\"\\\\: ,a-i_u0-9é\\x00]{0,60}") {
        let id = IdFinder::new().find(line.as_bytes());
        prop_assert!(id.is_none_or(|id| line.contains(id)));
    }
}

/// Most example lines have a plain id, so that the properties say something.
#[test]
fn many_examples_have_a_plain_id() {
    let finder = IdFinder::new();
    let found = EXAMPLES.iter().filter(|line| finder.find(line).is_some()).count();
    assert!(found > EXAMPLES.len() / 2, "{found} of {}", EXAMPLES.len());
}
