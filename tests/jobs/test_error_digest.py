"""The digest of errors: the same ones together, with their number and a first place."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles.jobs.stats.error_digest as module
from batchfiles import MismatchError, error_digest
from batchfiles.jobs.stats.error_digest import folded
from tests.jobs.wire import completion, expired, failure, put, request, result, success


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ("Expected a value <= 2, but got 3.5 instead.", "Expected a value <= <n>, but got <n> instead."),
        ("Limit 30000, Used 29,000. Try again in 6.2s, or in 1m3s.", "Limit <n>, Used <n>. Try again in <n>, or in <n>."),
        ("The server said 503: 100% busy", "The server said <n>: <n> busy"),
        ("The model `gpt-9` does not exist", "The model `…` does not exist"),
        ("Unknown value: 'wizard' or \"mage\"", "Unknown value: '…' or \"…\""),
        ("This model's limit is reached; don't retry", "This model's limit is reached; don't retry"),
        ("Rate limit of gpt-4o-mini for org-Ab12Cd34Ef", "Rate limit of gpt-4o-mini for <id>"),
        ("request req_011CQvN3 failed", "request <id> failed"),
        ("id 79f43c3b-9c23-4bdf-a93b-dba80dab38ba here", "id <id> here"),
        ("hash 59fe1cfa35378c5e7ca98ba620e2864f", "hash <id>"),
        ("No such image: https://example.org/a.png?x=1", "No such image: <url>"),
        ("context_length_exceeded, internationalization", "context_length_exceeded, internationalization"),
        ("two\n  lines\t", "two lines"),
        ("", ""),
    ],
)
def test_what_differs_from_request_to_request_is_folded(message: str, words: str) -> None:
    """Words, names of models and apostrophes stay."""
    assert folded(message) == words


def test_the_parameter_that_is_blamed_keeps_its_name() -> None:
    """Else all wrong parameters would be one error; the number of the message is folded."""
    assert folded("Unknown parameter: 'temprature'.", "temprature") == "Unknown parameter: 'temprature'."
    assert folded("Invalid 'messages[3].role': 'wizard'", "messages[3].role") == "Invalid 'messages[<n>].role': '…'"


@pytest.mark.parametrize(
    "text", ["1" * 999 + "x", "1s" * 499 + "x", "1," * 499 + "x", "'" * 999, 'a"' * 499, "req_" * 249, "a1" * 499]
)
def test_no_message_takes_long(text: str) -> None:
    """No pattern is tried repeatedly; after a thousand characters nothing is looked at."""
    start = time.perf_counter()
    folded(text)
    assert len(folded(text * 1000)) < 4000
    assert time.perf_counter() - start < 1


@given(
    st.integers(0, 10**30), st.uuids(), st.text(st.characters(exclude_characters="'\n", exclude_categories=["Cs"]), max_size=50)
)
def test_messages_that_differ_in_these_only_are_the_same(number: int, uuid: object, text: str) -> None:
    """With any numbers, ids and quotations."""
    words = "In request {} the value '{}' is above {}."
    assert folded(words.format(uuid, text, number)) == "In request <id> the value '…' is above <n>."


def test_the_same_errors_are_counted_together_the_most_frequent_first(tmp_path: Path) -> None:
    """With the place and the full message of the first one."""
    path = put(
        tmp_path / "error.jsonl",
        success("fine"),
        expired("late"),
        *(failure(f"big-{number}", 400, f"Got {number} tokens") for number in (7, 8, 9)),
        failure("busy", 429, "Got 1 tokens"),
    )
    digest = error_digest(path)
    assert (digest.results, digest.errors, digest.other) == (6, 5, 0)
    assert [(each.outcome, each.status_code, each.count, each.retryable) for each in digest.groups] == [
        ("failed", 400, 3, False),
        ("expired", None, 1, True),
        ("failed", 429, 1, True),
    ]
    first = digest.groups[0]
    assert (first.message, first.example) == ("Got <n> tokens", "Got 7 tokens")
    assert (first.path, first.line_number, first.custom_id, first.share) == (str(path), 3, "big-7", 0.5)
    assert first.custom_ids == ()


def test_codes_tell_errors_apart(tmp_path: Path) -> None:
    """For an answer that stopped early it is why it stopped."""
    lines = [result(str(number), completion(finish_reason=reason)) for number, reason in enumerate(["length", "content_filter"])]
    groups = error_digest(put(tmp_path / "out.jsonl", *lines)).groups
    assert [(each.outcome, each.code, each.message) for each in groups] == [
        ("incomplete", "length", None),
        ("incomplete", "content_filter", None),
    ]


def test_ids_are_listed_as_many_as_are_asked_for(tmp_path: Path) -> None:
    """None is all of them."""
    path = put(tmp_path / "error.jsonl", *(failure(str(number)) for number in range(5)), failure("x", 500))
    assert [each.custom_ids for each in error_digest(path, ids=2).groups] == [("0", "1"), ("x",)]
    assert [len(each.custom_ids) for each in error_digest(path, ids=None).groups] == [5, 1]


def test_what_is_too_much_to_keep_is_counted_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory stays bounded for any messages."""
    monkeypatch.setattr(module, "MOST_GROUPS", 3)
    monkeypatch.setattr(module, "MOST_IDS", 4)
    path = put(tmp_path / "error.jsonl", *(failure(f"id-{each}", 400, f"Error {each}") for each in "aabbbccdeef"))
    digest = error_digest(path, ids=None)
    assert [(each.message, each.count) for each in digest.groups] == [("Error b", 3), ("Error a", 2), ("Error c", 2)]
    assert (digest.errors, digest.other) == (11, 4)
    assert sum(len(each.custom_ids) for each in digest.groups) == 4
    assert digest.ids_dropped == 3


def test_lines_that_can_not_be_read_are_errors_too(tmp_path: Path) -> None:
    """The id is that of the line if it can be read."""
    path = put(tmp_path / "out.jsonl", success("1"), b'{"id": "b", "custom_id": "2", "resp', success("3", "x" * 5000))
    groups = error_digest(path, max_line_bytes=1000).groups
    assert [(each.outcome, each.code, each.line_number, each.custom_id) for each in groups] == [
        ("malformed", "invalid_json_line", 2, "2"),
        ("malformed", "line_too_long", 3, None),
    ]
    assert [each.retryable for each in groups] == [True, False]  # what was not read may be an answer that was paid for


def test_requests_in_a_folder_are_passed_over(tmp_path: Path) -> None:
    """But requests alone have no errors, and that is a slip."""
    requests = put(tmp_path / "requests.jsonl", request("1"))
    with pytest.raises(MismatchError, match="errors are in output files"):
        error_digest(requests)
    put(tmp_path / "error.jsonl", failure("1"))
    digest = error_digest(tmp_path)
    assert (digest.results, digest.errors, digest.skipped) == (1, 1, (str(requests),))
    with pytest.raises(TypeError):
        error_digest()


def test_results_without_errors_have_an_empty_digest(tmp_path: Path) -> None:
    """So has an empty error file."""
    assert error_digest(put(tmp_path / "out.jsonl", success("1"))).groups == ()
    (tmp_path / "empty.jsonl").touch()
    assert error_digest(tmp_path / "empty.jsonl").results == 0


def test_the_whole_of_it_is_plain_values_for_json(tmp_path: Path) -> None:
    """With the same names."""
    value = json.loads(json.dumps(error_digest(put(tmp_path / "error.jsonl", failure("1")), ids=1).to_dict()))
    assert value["groups"][0]["custom_ids"] == ["1"]
    assert value["errors"] == 1
