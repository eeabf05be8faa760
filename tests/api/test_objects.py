"""The objects of the API: what comes over the wire is read whole, and written as it came."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import (
    Batch,
    BatchError,
    BatchErrors,
    BatchRequestCounts,
    BatchUsage,
    FileDeleted,
    FileObject,
    ListBatchesResponse,
    ListFilesResponse,
    UnreadableResponse,
)
from batchfiles.api.batch import TIMES
from batchfiles.api.status import BATCH_STATUSES, TERMINAL

BATCH = {
    "id": "batch_abc123",
    "object": "batch",
    "endpoint": "/v1/chat/completions",
    "model": "gpt-5-2025-08-07",
    "errors": {
        "object": "list",
        "data": [{"code": "invalid_json_line", "message": "This line is not parseable.", "param": None, "line": 7}],
    },
    "input_file_id": "file-abc123",
    "completion_window": "24h",
    "status": "completed",
    "output_file_id": "file-cvaTdG",
    "error_file_id": "file-HOWS94",
    "created_at": 1711471533,
    "in_progress_at": 1711471538,
    "expires_at": 1711557933,
    "finalizing_at": 1711493133,
    "completed_at": 1711493163,
    "failed_at": None,
    "expired_at": None,
    "cancelling_at": None,
    "cancelled_at": None,
    "request_counts": {"total": 100, "completed": 95, "failed": 5},
    "usage": {
        "input_tokens": 1500,
        "input_tokens_details": {"cached_tokens": 1024},
        "output_tokens": 500,
        "output_tokens_details": {"reasoning_tokens": 300},
        "total_tokens": 2000,
    },
    "metadata": {"customer_id": "user_123456789"},
}
"""A batch with every key of the specification."""

FILE = {
    "id": "file-abc123",
    "object": "file",
    "bytes": 120000,
    "created_at": 1677610602,
    "filename": "requests.jsonl",
    "purpose": "batch",
    "status": "processed",
    "expires_at": 1680202602,
    "status_details": "fine",
}


def batch_with(**changed: Any) -> Batch:
    """Decode the batch above, with some keys changed."""
    return Batch.decode({**BATCH, **changed})


def test_a_batch_has_a_field_for_every_key_of_the_specification() -> None:
    """Nothing of it ends among the unknown keys, and it is written as it came."""
    batch = Batch.decode(BATCH)
    assert batch.extra == {}
    assert batch.encode() == BATCH
    assert batch.result_file_ids == ["file-cvaTdG", "file-HOWS94"]
    assert batch.errors == BatchErrors(data=[BatchError(code="invalid_json_line", message="This line is not parseable.", line=7)])
    assert batch.usage == BatchUsage(
        input_tokens=1500, output_tokens=500, total_tokens=2000, cached_tokens=1024, reasoning_tokens=300
    )


def test_a_file_and_the_lists_are_written_as_they_came() -> None:
    """Every key of the specification."""
    page = {"object": "list", "first_id": "batch_abc123", "last_id": "batch_abc123", "has_more": False, "data": [BATCH]}
    assert ListBatchesResponse.decode(page).encode() == page
    files = {**page, "first_id": "file-abc123", "last_id": "file-abc123", "data": [FILE]}
    assert ListFilesResponse.decode(files).encode() == files
    deleted = {"id": "file-abc123", "object": "file", "deleted": True}
    assert FileDeleted.decode(deleted).encode() == deleted


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({**BATCH, "zone": {"of": ["eu"]}}, Batch),
        ({**BATCH, "errors": {"object": "list", "data": [], "more": 1}}, Batch),
        ({**BATCH, "errors": {"object": "list", "data": [{**BATCH["errors"]["data"][0], "at": 2}]}}, Batch),  # type: ignore[index]
        ({**BATCH, "request_counts": {"total": 1, "completed": 0, "failed": 0, "cancelled": 1}}, Batch),
        ({**BATCH, "usage": {**BATCH["usage"], "cost": 0.5}}, Batch),  # type: ignore[dict-item]
        ({**FILE, "sha256": "e3b0"}, FileObject),
        ({"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False, "total": 0}, ListBatchesResponse),
    ],
)
def test_keys_that_nobody_knows_are_kept_where_they_stood(value: dict[str, Any], kind: Any) -> None:
    """A service may add keys on any day, and providers do."""
    assert kind.decode(value).encode() == value


@pytest.mark.parametrize("nothing", ["", None])
def test_a_file_that_is_not_there_has_no_id(nothing: str | None) -> None:
    """OpenAI and Azure write an empty text in the place of null."""
    batch = batch_with(output_file_id=nothing, error_file_id=nothing)
    assert (batch.output_file_id, batch.error_file_id, batch.result_file_ids) == (None, None, [])


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, word) for word in BATCH_STATUSES),
        *((word.upper(), word) for word in BATCH_STATUSES),
        ("PROGRESS", "in_progress"),
        ("canceled", "cancelled"),
        ("QUEUED", "validating"),
        ("RUNNING", "in_progress"),
        ("SUCCESS", "completed"),
        ("TIMEOUT_EXCEEDED", "expired"),
        ("CANCELLATION_REQUESTED", "cancelling"),
        ("JOB_STATE_CANCELLED", "cancelled"),
        ("Postprocessing", "postprocessing"),
    ],
)
def test_a_status_is_in_the_words_of_openai(word: str, status: str) -> None:
    """Whatever the case and the provider; a word that nobody knows stays, and is not the end."""
    batch = batch_with(status=word)
    assert batch.status == status
    assert batch.is_terminal == (status in TERMINAL)


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1711471533, 1711471533),
        (1711471533.0, 1711471533),
        ("2024-03-26T16:45:33Z", 1711471533),
        ("2024-03-26T16:45:33.250Z", 1711471533),
        ("2024-03-26T18:45:33+02:00", 1711471533),
        ("2024-03-26T16:45:33", 1711471533),
        ("", None),
        (None, None),
    ],
)
def test_times_are_seconds_since_1970(value: object, seconds: int | None) -> None:
    """Together and Novita write ISO 8601; without a zone it is UTC."""
    for name in TIMES:
        assert getattr(batch_with(**{name: value}), name) == seconds


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"id": None}, "id"),
        ({"id": ""}, "id"),
        ({"id": "../files"}, "id"),
        ({"status": 3}, "status"),
        ({"status": None}, "status"),
        ({"output_file_id": "file-1/content?x=1"}, "output_file_id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": True}, "created_at"),
        ({"created_at": 1.5}, "created_at"),
        ({"request_counts": []}, "request_counts"),
        ({"request_counts": {"total": "many"}}, "request_counts.total"),
        ({"usage": 7}, "usage"),
        ({"errors": "no"}, "errors"),
        ({"errors": {"data": {}}}, "errors.data"),
        ({"errors": {"data": [{"line": "7"}]}}, "line"),
        ({"metadata": {"a": 1}}, "metadata.a"),
    ],
)
def test_a_value_of_another_type_is_an_error_that_names_the_field(changed: dict[str, Any], field: str) -> None:
    """Ours, not a KeyError or an AttributeError."""
    with pytest.raises(UnreadableResponse, match=f"'{field}'"):
        batch_with(**changed)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(BATCH)), JSON_VALUES))
def test_whatever_stands_in_a_batch_it_is_read_or_is_our_error(changed: dict[str, Any]) -> None:
    """No other exception ever comes out of an answer."""
    try:
        batch = batch_with(**changed)
    except UnreadableResponse:
        return
    assert Batch.decode(batch.encode()) == batch


def test_null_counts_are_zeros() -> None:
    """Azure writes nulls before the validation is over, and Together leaves the object out."""
    assert batch_with(request_counts={"total": None, "completed": None, "failed": None}).request_counts == BatchRequestCounts()
    assert batch_with(request_counts=None).progress == 0.0


@pytest.mark.parametrize(
    "errors",
    [
        [{"message": "no good"}],
        {"message": "no good"},
        {"data": ["no good"]},
        {"object": "list", "data": [{"message": "no good"}]},
    ],
)
def test_errors_are_read_in_the_shapes_that_gateways_give_them(errors: object) -> None:
    """A bare list, one error alone, a bare sentence."""
    assert batch_with(errors=errors).errors == BatchErrors(data=[BatchError(message="no good")])


def test_progress_is_the_part_that_is_done() -> None:
    """Failures are done too; more than all never is."""
    assert Batch.decode(BATCH).progress == 1.0
    assert batch_with(request_counts={"total": 4, "completed": 1, "failed": 0}).progress == 0.25
    assert batch_with(request_counts={"total": 4, "completed": 9, "failed": 0}).progress == 1.0


def test_the_next_page_begins_after_the_last_id() -> None:
    """The last one of the page, where there is a next page."""
    page = {"data": [{"id": "batch_1", "status": "failed"}, {"id": "batch_2", "status": "failed"}]}
    assert ListBatchesResponse.decode({**page, "has_more": True}).after == "batch_2"
    assert ListBatchesResponse.decode({**page, "has_more": False}).after is None
    assert ListBatchesResponse.decode({"data": [], "has_more": True}).after is None
    assert [batch.id for batch in ListBatchesResponse.decode({"value": page["data"]}).data] == ["batch_1", "batch_2"]


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_:-]{0,30}", fullmatch=True)
WORDS = st.none() | st.text(min_size=1)
NUMBERS = st.none() | st.integers(0, 2**40)
COUNTS = st.integers(0, 2**40)
MORE = st.dictionaries(st.text(min_size=1).map(lambda text: f"x_{text}"), JSON_VALUES, max_size=2)
ERRORS = st.builds(BatchError, code=WORDS, message=WORDS, param=WORDS, line=NUMBERS, extra=MORE)
BATCHES = st.builds(
    Batch,
    id=IDS,
    endpoint=WORDS,
    input_file_id=st.none() | IDS,
    completion_window=WORDS,
    status=st.sampled_from(BATCH_STATUSES),
    model=WORDS,
    errors=st.none() | st.builds(BatchErrors, data=st.lists(ERRORS, max_size=3), extra=MORE),
    output_file_id=st.none() | IDS,
    error_file_id=st.none() | IDS,
    request_counts=st.builds(BatchRequestCounts, total=COUNTS, completed=COUNTS, failed=COUNTS, extra=MORE),
    usage=st.none()
    | st.builds(
        BatchUsage,
        input_tokens=COUNTS,
        output_tokens=COUNTS,
        total_tokens=COUNTS,
        cached_tokens=COUNTS,
        reasoning_tokens=COUNTS,
        extra=MORE,
    ),
    metadata=st.none() | st.dictionaries(st.text(), st.text(), max_size=3),
    extra=MORE,
    **dict.fromkeys(TIMES, NUMBERS),  # type: ignore[arg-type]
)
FILES = st.builds(
    FileObject,
    id=IDS,
    bytes=NUMBERS,
    created_at=NUMBERS,
    expires_at=NUMBERS,
    filename=WORDS,
    purpose=WORDS,
    status=WORDS,
    status_details=WORDS,
    extra=MORE,
)


@given(BATCHES)
def test_every_batch_survives_the_way_there_and_back(batch: Batch) -> None:
    """What is written is read as the same."""
    assert Batch.decode(batch.encode()) == batch


@given(FILES)
def test_every_file_survives_the_way_there_and_back(file: FileObject) -> None:
    """What is written is read as the same."""
    assert FileObject.decode(file.encode()) == file
