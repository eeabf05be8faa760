"""The objects of the API: every key that is received is read, and written unchanged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from batchfiles import (
    APIResponseValidationError,
    Batch,
    BatchError,
    BatchErrors,
    BatchRequestCounts,
    BatchUsage,
    FileDeleted,
    FileObject,
    ListBatchesResponse,
    ListFilesResponse,
)
from batchfiles.api.batch import TIMES
from batchfiles.open_strings import STATES, BatchStatus

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
    return Batch.from_dict({**BATCH, **changed})


def test_a_batch_has_a_field_for_every_key_of_the_specification() -> None:
    """None of it is among the unknown keys, and it is written unchanged."""
    batch = Batch.from_dict(BATCH)
    assert batch.extra == {}
    assert batch.to_dict() == BATCH
    assert batch.result_file_ids == ["file-cvaTdG", "file-HOWS94"]
    assert batch.errors == BatchErrors(data=[BatchError(code="invalid_json_line", message="This line is not parseable.", line=7)])
    assert batch.usage == BatchUsage(
        input_tokens=1500, output_tokens=500, total_tokens=2000, cached_tokens=1024, reasoning_tokens=300
    )


def test_a_file_and_the_lists_are_written_unchanged() -> None:
    """Every key of the specification."""
    page = {"object": "list", "first_id": "batch_abc123", "last_id": "batch_abc123", "has_more": False, "data": [BATCH]}
    assert ListBatchesResponse.from_dict(page).to_dict() == page
    files = {**page, "first_id": "file-abc123", "last_id": "file-abc123", "data": [FILE]}
    assert ListFilesResponse.from_dict(files).to_dict() == files
    deleted = {"id": "file-abc123", "object": "file", "deleted": True}
    assert FileDeleted.from_dict(deleted).to_dict() == deleted


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({**BATCH, "zone": {"of": ["eu"]}}, Batch),
        ({**BATCH, "errors": {"object": "list", "data": [], "more": 1}}, Batch),
        ({**BATCH, "errors": {"object": "list", "data": [{**BATCH["errors"]["data"][0], "at": 2}]}}, Batch),  # type: ignore[index]
        ({**BATCH, "request_counts": {"total": 1, "completed": 0, "failed": 0, "cancelled": 1}}, Batch),
        ({**BATCH, "usage": {**BATCH["usage"], "cost": 0.5}}, Batch),  # type: ignore[dict-item]
        (
            {
                **BATCH,
                "usage": {
                    **BATCH["usage"],  # type: ignore[dict-item]
                    "input_tokens_details": {"cached_tokens": 1, "audio_tokens": 3},
                    "output_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 2},
                },
            },
            Batch,
        ),
        ({**FILE, "sha256": "e3b0"}, FileObject),
        ({"object": "list", "data": [], "first_id": None, "last_id": None, "has_more": False, "total": 0}, ListBatchesResponse),
    ],
)
def test_unknown_keys_are_kept_in_their_places(value: dict[str, Any], kind: Any) -> None:
    """A service may add keys on any day, and providers do."""
    assert kind.from_dict(value).to_dict() == value


@pytest.mark.parametrize("nothing", ["", None])
def test_a_file_that_is_not_there_has_no_id(nothing: str | None) -> None:
    """OpenAI and Azure write an empty string instead of null."""
    batch = batch_with(output_file_id=nothing, error_file_id=nothing)
    assert (batch.output_file_id, batch.error_file_id, batch.result_file_ids) == (None, None, [])


@pytest.mark.parametrize(
    ("word", "status"),
    [
        *((word, word) for word in BatchStatus.known()),
        *((word.upper(), word) for word in BatchStatus.known()),
        ("PROGRESS", "in_progress"),
        ("canceled", "cancelled"),
        ("QUEUED", "validating"),
        ("RUNNING", "in_progress"),
        ("SUCCESS", "completed"),
        ("TIMEOUT_EXCEEDED", "expired"),
        ("CANCELLATION_REQUESTED", "cancelling"),
        ("JOB_STATE_CANCELLED", "cancelled"),
        ("Postprocessing", "postprocessing"),
        ("BATCH_STATE_SUCCEEDED", "completed"),
        ("JOB_STATE_PARTIALLY_SUCCEEDED", "completed"),
        ("BATCH_STATUS_IN_PROGRESS", "in_progress"),
        ("STATE_FAILED", "failed"),
        ("MODEL_INVOCATION_JOB_STATUS_EXPIRED", "expired"),
        ("PartiallyCompleted", "completed"),
        ("InProgress", "in_progress"),
        ("INPROGRESS", "in_progress"),
        ("completed with errors", "completed"),
        ("Cancel-Requested", "cancelling"),
        ("BATCH_STATE_UNSPECIFIED", "batch_state_unspecified"),
        *((word, state.status) for word, state in STATES.items()),
        *((f"JOB_STATE_{word.upper()}", state.status) for word, state in STATES.items()),
        *((word.title().replace("_", ""), state.status) for word, state in STATES.items()),
    ],
)
def test_a_status_is_in_the_words_of_openai(word: str, status: str) -> None:
    """In any case and of any provider; an unknown status is kept, and is not final."""
    batch = batch_with(status=word)
    assert batch.status == status
    assert batch.is_terminal == BatchStatus(status).is_terminal


def test_every_word_has_a_source_and_the_state_may_be_called_so() -> None:
    """One table; Fireworks and Google write `state`, and an object for `status`."""
    assert all(state.source and state.status in BatchStatus.known() for state in STATES.values())
    assert batch_with(status={"code": "OK"}, state="JOB_STATE_COMPLETED").status == "completed"


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        (1711471533, 1711471533),
        (1711471533.0, 1711471533),
        (1711471533.5, 1711471533),
        (1711471533000, 1711471533),
        ("1711471533", 1711471533),
        ("1711471533.5", 1711471533),
        ("2024-03-26T16:45:33.123456789Z", 1711471533),
        ("Tue, 26 Mar 2024 16:45:33 GMT", 1711471533),
        (0, None),
        ("0001-01-01T00:00:00Z", None),
        ("2024-03-26T16:45:33Z", 1711471533),
        ("2024-03-26T16:45:33.250Z", 1711471533),
        ("2024-03-26T18:45:33+02:00", 1711471533),
        ("2024-03-26T16:45:33", 1711471533),
        ("", None),
        (None, None),
    ],
)
def test_times_are_seconds_since_1970(value: object, seconds: int | None) -> None:
    """Together and Novita write ISO 8601, Go a zero for never; without a zone it is UTC."""
    for name in TIMES:
        assert getattr(batch_with(**{name: value}), name) == seconds


def test_ids_may_be_numbers_and_a_null_may_be_written_as_a_word() -> None:
    """Gateways count their batches; "None" is what Python writes of a file that is not there."""
    batch = batch_with(id=12, input_file_id=7, output_file_id="None", error_file_id="null")
    assert (batch.id, batch.input_file_id, batch.output_file_id, batch.error_file_id) == ("12", "7", None, None)
    assert batch.notes == []


@pytest.mark.parametrize("value", [[], "batch", 7, None, {}, {"id": None}, {"id": ""}, {"id": "../files"}, {"id": "x", "a": 1}])
def test_what_is_not_a_batch_is_an_error(value: object) -> None:
    """No object, no id, or an object of something else."""
    with pytest.raises(APIResponseValidationError):
        Batch.from_dict({**BATCH, **value} if value and isinstance(value, dict) and "a" not in value else value)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"status": 3}, "status"),
        ({"status": None}, "status"),
        ({"endpoint": ["/v1/embeddings"]}, "endpoint"),
        ({"completion_window": 86400}, "completion_window"),
        ({"model": {"id": "m"}}, "model"),
        ({"error_file_id": {}}, "error_file_id"),
        ({"output_file_id": "file-1/content?x=1"}, "output_file_id"),
        ({"input_file_id": 0}, "input_file_id"),
        ({"input_file_id": True}, "input_file_id"),
        ({"created_at": "yesterday"}, "created_at"),
        ({"created_at": True}, "created_at"),
        ({"created_at": 10**400}, "created_at"),
        ({"completed_at": {"seconds": 1}}, "completed_at"),
        ({"request_counts": []}, "request_counts"),
        ({"request_counts": {"total": "many"}}, "request_counts.total"),
        ({"request_counts": {"total": 1.5}}, "request_counts.total"),
        ({"request_counts": {"total": -1}}, "request_counts.total"),
        ({"usage": 7}, "usage"),
        ({"usage": {"input_tokens_details": [1]}}, "usage.input_tokens_details"),
        ({"errors": 5}, "errors"),
        ({"errors": {"data": {}}}, "data"),
        ({"errors": {"data": [7]}}, "errors.data[0]"),
        ({"errors": {"data": [{"line": "x"}]}}, "errors.data[0].line"),
        ({"metadata": "a=1"}, "metadata"),
    ],
)
def test_an_odd_value_costs_no_other_field_and_is_noted(changed: dict[str, Any], field: str) -> None:
    """One odd value must not hide a paid batch."""
    batch = batch_with(**changed)
    assert (batch.id, batch.metadata == BATCH["metadata"]) == ("batch_abc123", "metadata" not in changed)
    place = next(iter(batch.odd))
    assert place.endswith(field)
    assert batch.notes[0].startswith(f"{place!r} is ")
    assert batch.notes[0].endswith(": read as null")
    if field in ("endpoint", "error_file_id", "created_at", "completion_window", "output_file_id", "usage", "metadata"):
        assert getattr(batch, field) is None
    assert Batch.from_dict(batch.to_dict()) == batch


@pytest.mark.parametrize(
    ("changed", "read"),
    [
        ({"request_counts": {"total": "7", "completed": "5.0", "failed": 2.0}}, {"total": 7, "completed": 5, "failed": 2}),
        ({"usage": {"input_tokens": "12"}}, {"input_tokens": 12}),
        ({"metadata": {"a": 1, "b": None, "c": ["x"], "d": True}}, {"a": "1", "c": '["x"]', "d": "true"}),
        ({"metadata": []}, {}),
        ({"errors": "no"}, BatchErrors(data=[BatchError(message="no")])),
        ({"errors": [{"line": "7", "code": 400}]}, BatchErrors(data=[BatchError(line=7, code="400")])),
    ],
)
def test_numbers_in_strings_and_other_plain_forms_are_read(changed: dict[str, Any], read: object) -> None:
    """They have the same meaning with or without quotation marks."""
    batch = batch_with(**changed)
    found = getattr(batch, next(iter(changed)))
    if isinstance(read, dict) and not isinstance(found, dict):
        assert {name: getattr(found, name) for name in read} == read
    else:
        assert found == read
    assert batch.notes == []


def test_a_batch_of_a_list_that_can_not_be_read_costs_no_other() -> None:
    """It is left out, and there is a note; where none can be read, that is an error."""
    page = ListBatchesResponse.from_dict({"data": [BATCH, {"status": "completed"}, 7], "has_more": "false", "last_id": 3})
    assert [batch.id for batch in page.data] == ["batch_abc123"]
    assert list(page.odd) == ["data[1]", "data[2]", "last_id"]
    assert page.has_more is False
    with pytest.raises(APIResponseValidationError):
        ListBatchesResponse.from_dict({"data": [{"status": "completed"}]})
    with pytest.raises(APIResponseValidationError):
        ListFilesResponse.from_dict({"data": "none"})


def test_a_file_with_odd_values_is_read() -> None:
    """The size as a string, a status that is an object."""
    file = FileObject.from_dict({**FILE, "bytes": "120000", "status": {"code": 1}, "created_at": 1677610602.75})
    assert (file.bytes, file.status, file.created_at, list(file.odd)) == (120000, None, 1677610602, ["status"])


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children) | st.dictionaries(st.text(), children),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(sorted(BATCH)), JSON_VALUES))
def test_any_batch_is_read_or_is_our_error(changed: dict[str, Any]) -> None:
    """No answer raises another exception."""
    try:
        batch = batch_with(**changed)
    except APIResponseValidationError:
        return
    assert Batch.from_dict(batch.to_dict()) == batch


def test_null_counts_are_zeros() -> None:
    """Azure writes nulls until the validation has ended, and Together leaves the object out."""
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
    assert Batch.from_dict(BATCH).progress == 1.0
    assert batch_with(request_counts={"total": 4, "completed": 1, "failed": 0}).progress == 0.25
    assert batch_with(request_counts={"total": 4, "completed": 9, "failed": 0}).progress == 1.0
    assert batch_with(request_counts={"total": 1, "completed": 10**400, "failed": 0}).progress == 1.0


def test_the_next_page_begins_after_the_last_id() -> None:
    """The last one of the page, where there is a next page."""
    page = {"data": [{"id": "batch_1", "status": "failed"}, {"id": "batch_2", "status": "failed"}]}
    assert ListBatchesResponse.from_dict({**page, "has_more": True}).after == "batch_2"
    assert ListBatchesResponse.from_dict({**page, "has_more": False}).after is None
    assert ListBatchesResponse.from_dict({"data": [], "has_more": True}).after is None
    assert [batch.id for batch in ListBatchesResponse.from_dict({"value": page["data"]}).data] == ["batch_1", "batch_2"]


IDS = st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_:-]{0,30}", fullmatch=True)
WORDS = st.none() | st.text(min_size=1)
NUMBERS = st.none() | st.integers(0, 2**40)
MOMENTS = st.none() | st.integers(1, 2**37)
COUNTS = st.integers(0, 2**40)
MORE = st.dictionaries(st.text(min_size=1).map(lambda text: f"x_{text}"), JSON_VALUES, max_size=2)
ERRORS = st.builds(BatchError, code=WORDS, message=WORDS, param=WORDS, line=NUMBERS, extra=MORE)
BATCHES = st.builds(
    Batch,
    id=IDS,
    endpoint=WORDS,
    input_file_id=st.none() | IDS,
    completion_window=WORDS,
    status=st.sampled_from(BatchStatus.known()),
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
    **dict.fromkeys(TIMES, MOMENTS),  # type: ignore[arg-type]
)
FILES = st.builds(
    FileObject,
    id=IDS,
    bytes=NUMBERS,
    created_at=MOMENTS,
    expires_at=MOMENTS,
    filename=WORDS,
    purpose=WORDS,
    status=WORDS,
    status_details=WORDS,
    extra=MORE,
)


@given(BATCHES)
def test_every_batch_survives_the_way_there_and_back(batch: Batch) -> None:
    """Writing and reading it gives an equal one."""
    assert Batch.from_dict(batch.to_dict()) == batch


@given(FILES)
def test_every_file_survives_the_way_there_and_back(file: FileObject) -> None:
    """Writing and reading it gives an equal one."""
    assert FileObject.from_dict(file.to_dict()) == file
