"""The description of the API finds wrong answers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.testing.description import BATCH, DELETED, FILE, FILES, check_answer, faults_of

GOOD_FILE: dict[str, Any] = {
    "id": "file-1",
    "object": "file",
    "bytes": 1,
    "created_at": 2,
    "filename": "a.jsonl",
    "purpose": "batch",
    "status": "processed",
}


def test_what_is_as_described_has_no_faults() -> None:
    """With and without the optional keys."""
    assert faults_of(GOOD_FILE, FILE, "$") == []
    assert faults_of({**GOOD_FILE, "expires_at": None}, FILE, "$") == []
    empty = {"object": "list", "data": [], "has_more": False, "first_id": None, "last_id": None}
    assert faults_of(empty, FILES, "$") == []


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({"bytes": "1"}, "$.bytes is '1'"),
        ({"bytes": True}, "$.bytes is True"),
        ({"bytes": None}, "$.bytes is None"),
        ({"purpose": "batches"}, "$.purpose is 'batches'"),
        ({"size": 1}, "$.size is not described"),
    ],
)
def test_another_type_word_or_key_is_a_fault(change: dict[str, Any], fault: str) -> None:
    """The error has the path."""
    assert faults_of({**GOOD_FILE, **change}, FILE, "$") == [fault]


def test_faults_are_found_inside_of_lists_maps_and_objects() -> None:
    """A list of files, the metadata and the errors of a batch."""
    page = {"object": "list", "data": [GOOD_FILE, {**GOOD_FILE, "id": 1}], "has_more": False, "first_id": None}
    assert faults_of(page, FILES, "$") == ["$.last_id is missing", "$.data[1].id is 1"]
    batch = {"metadata": {"k": 1}, "errors": {"data": [{"line": "1"}]}, "request_counts": []}
    assert set(faults_of(batch, BATCH, "$")) >= {
        "$.id is missing",
        "$.metadata.k is 1",
        "$.errors.data[0].line is '1'",
        "$.request_counts is not an object",
    }


def test_an_answer_is_checked_by_its_call() -> None:
    """A deletion is not a file, and an error response has an error."""
    deleted = {"id": "file-1", "object": "file", "deleted": True}
    assert faults_of(deleted, DELETED, "$") == []
    check_answer("DELETE", "/files/file-1", 200, deleted)
    with pytest.raises(AssertionError):
        check_answer("GET", "/files/file-1", 200, deleted)
    with pytest.raises(AssertionError):
        check_answer("GET", "/files/file-1", 404, deleted)
    with pytest.raises(KeyError):
        check_answer("GET", "/models", 200, deleted)
