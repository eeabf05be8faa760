"""Rows of the requests table: the content of each cell, and how rows become Arrow batches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import batchfiles
from batchfiles import codec
from batchfiles.outcome import read
from batchfiles.table.rows import MISSING, REQUESTS, RequestRef, RequestRows, ResultRef, malformed_input, record_batch, schema
from tests.jobs.wire import completion, expired, failure, put, request, result, success

Row = dict[str, Any]


def found(line: bytes, **place: Any) -> ResultRef:
    """Make a result of a line."""
    value = codec.loads(line)
    where = {"source": "out.jsonl", "line_number": 7, "batch_id": "batch_1", "attempts": 1} | place
    return ResultRef(read(value), line, value, **where)


def request_ref(custom_id: str = "a", url: str | None = "/v1/chat/completions") -> RequestRef:
    """Make a request."""
    return RequestRef(custom_id, "in.jsonl", 3, url, "gpt-x", b'{"model": "gpt-x"}', {"model": "gpt-x"})


def rows(*pairs: tuple[RequestRef | None, ResultRef], keep: str = "auto") -> list[Row]:
    """Make a table of requests and their results."""
    columns = RequestRows(schema(), keep=keep)
    for one, other in pairs:
        columns.add(one, other)
    return columns.flush().to_pylist()  # type: ignore[no-any-return]


def filled(row: Row) -> Row:
    """Leave the nulls away."""
    return {name: value for name, value in row.items() if value is not None}


def test_an_answer_fills_its_columns() -> None:
    """The values of request, result, answer and files, each in its place."""
    body = completion("Hi", created=1_700_000_000) | {
        "usage": {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5, "prompt_tokens_details": {"cached_tokens": 1}}
    }
    (row,) = rows((request_ref(), found(result("a", body))))
    assert filled(row) == {
        "custom_id": "a",
        "outcome": "succeeded",
        "status_code": 200,
        "retryable": False,
        "endpoint": "/v1/chat/completions",
        "model": "gpt-x-1",
        "finish_reason": "stop",
        "text": "Hi",
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "cached_tokens": 1,
        "created_at": datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
        "batch_id": "batch_1",
        "batch_request_id": "batch_req_1",
        "response_id": "chatcmpl-1",
        "request_id": "req_1",
        "attempts": 1,
        "result_source": "out.jsonl",
        "result_line_number": 7,
        "input_source": "in.jsonl",
        "input_line_number": 3,
        "request_model": "gpt-x",
        "request_body": '{"model": "gpt-x"}',
    }


def test_failures_say_why() -> None:
    """An HTTP error with its body, and an error of the batch without one."""
    refused, late = rows((request_ref(), found(failure("a", 429, "Slow down"))), (request_ref(), found(expired("a"))))
    assert (refused["outcome"], refused["status_code"], refused["retryable"]) == ("failed", 429, True)
    assert (refused["error_type"], refused["error_message"]) == ("invalid_request_error", "Slow down")
    assert refused["response_body"] == '{"error": {"message": "Slow down", "type": "invalid_request_error"}}'
    assert (late["outcome"], late["error_code"], late["status_code"], late["response_body"]) == (
        "expired",
        "batch_expired",
        None,
        None,
    )


def test_what_is_missing_or_unreadable_is_a_row_too() -> None:
    """With the values of the request, and no more."""
    missing, malformed = rows(
        (request_ref(), MISSING),
        (RequestRef(None, "in.jsonl", 4, None, None, None, None), malformed_input("invalid_json_line", "no JSON")),
    )
    assert (missing["custom_id"], missing["outcome"], missing["retryable"], missing["attempts"]) == ("a", "missing", True, 0)
    assert missing["request_body"] == '{"model": "gpt-x"}'
    assert filled(malformed) == {
        "outcome": "malformed",
        "error_code": "invalid_json_line",
        "error_message": "no JSON",
        "retryable": False,
        "attempts": 0,
        "input_source": "in.jsonl",
        "input_line_number": 4,
    }


def test_a_result_may_be_without_its_request() -> None:
    """Its own id, and the endpoint that its body shows."""
    (row,) = rows((None, found(success("b"))))
    assert (row["custom_id"], row["endpoint"], row["input_source"], row["request_body"]) == (
        "b",
        "/v1/chat/completions",
        None,
        None,
    )
    (row,) = rows((None, found(success(None))))
    assert row["custom_id"] is None


def test_the_endpoint_of_a_request_without_url_is_that_of_its_answer() -> None:
    """Some services leave the url away."""
    (row,) = rows((request_ref(url=None), found(success("a"))))
    assert row["endpoint"] == "/v1/chat/completions"


UNUSUAL = completion() | {"logprobs_of_mine": [1]}


@pytest.mark.parametrize(
    ("line", "kept"),
    [
        pytest.param(success("a"), {"all"}, id="all of it is in columns"),
        pytest.param(result("a", UNUSUAL), {"all", "auto"}, id="more than columns say"),
        pytest.param(failure("a"), {"all", "auto"}, id="no success"),
        pytest.param(success("a", finish_reason="length"), {"all", "auto"}, id="incomplete"),
        pytest.param(success("a", created="yesterday"), {"all", "auto"}, id="a value that does not fit"),
        pytest.param(expired("a"), set(), id="no body"),
    ],
)
def test_a_body_is_kept_where_it_is_needed(line: bytes, kept: set[str]) -> None:
    """`auto` keeps bodies with more than the columns have, byte for byte."""
    for keep in ("all", "auto", "none"):
        (row,) = rows((request_ref(), found(line)), keep=keep)
        assert (row["response_body"] is not None) == (keep in kept)
        assert row["response_body"] is None or row["response_body"].encode() in line


def test_values_that_do_not_fit_are_null_and_counted() -> None:
    """A count that is a text, a number beyond int64, a time that is none: never coerced."""
    body = completion(created="yesterday") | {"usage": {"prompt_tokens": 2**64, "completion_tokens": 1.5, "total_tokens": "7"}}
    columns = RequestRows(schema())
    columns.add(request_ref(), found(result("a", body)))
    columns.add(request_ref(), found(success("a")))
    row = columns.flush().to_pylist()[0]
    assert [row[name] for name in ("created_at", "input_tokens", "output_tokens", "total_tokens")] == [None] * 4
    assert columns.conversion_errors == 4
    assert '"prompt_tokens": 18446744073709551616' in row["response_body"]


def test_vectors_have_no_column_here() -> None:
    """They keep their body, and are counted."""
    columns = RequestRows(schema())
    body = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [1.0]}], "model": "m"}
    columns.add(request_ref(), found(result("a", body)))
    columns.add(request_ref(), found(success("a")))
    vector, words = columns.flush().to_pylist()
    assert columns.embeddings == 1
    assert '"embedding": [1.0]' in vector["response_body"]
    assert (vector["outcome"], words["response_body"]) == ("succeeded", None)


def test_rows_leave_with_the_flush() -> None:
    """A batch has the rows added since the last one; without any, there is none."""
    columns = RequestRows(schema())
    assert columns.flush() is None
    columns.add(request_ref(), MISSING)
    columns.add(request_ref(), MISSING)
    assert len(columns) == 2
    assert columns.flush().num_rows == 2
    assert (len(columns), columns.flush()) == (0, None)


def test_a_batch_has_the_schema_whatever_the_rows() -> None:
    """Columns without a value keep their types."""
    columns = RequestRows(schema())
    for one in (MISSING, found(success("a")), found(failure("a"))):
        columns.add(request_ref(), one)
        batch = columns.flush()
        batch.validate(full=True)
        assert batch.schema.equals(schema(), check_metadata=True)


TEXTS = st.lists(st.none() | st.sampled_from(["a", "b", ""]) | st.text(), min_size=1, max_size=8)


@given(texts=TEXTS, bodies=st.lists(st.none() | st.text().map(str.encode), min_size=8, max_size=8))
def test_a_column_of_texts_is_what_was_put_in(texts: list[str | None], bodies: list[bytes | None]) -> None:
    """One value for all rows, none at all, or many; as text or as the bytes of one."""
    bodies = bodies[: len(texts)]
    one = pa.schema([("text", pa.string()), ("request_body", pa.string())])
    batch = record_batch(one, [tuple(texts), tuple(bodies)])
    batch.validate(full=True)
    assert batch["text"].to_pylist() == texts
    assert batch["request_body"].to_pylist() == [None if body is None else body.decode() for body in bodies]


def test_a_value_at_both_ends_is_not_taken_for_all() -> None:
    """Columns of one value are made at once, but only those."""
    word = "same"
    batch = record_batch(pa.schema([("text", pa.string())]), [(word, None, "other", word)])
    assert batch["text"].to_pylist() == ["same", None, "other", "same"]


def test_a_result_and_the_missing_one_have_a_cell_for_every_column() -> None:
    """Rows are plain tuples: one value too many would be in the wrong column."""
    columns = RequestRows(schema())
    assert {len(columns.row(request_ref(), one, True)) for one in (MISSING, found(success("a")))} == {len(REQUESTS)}


@pytest.mark.parametrize(
    ("texts", "results", "short", "surplus"),
    [
        (["one", "two"], 1, 1, 0),
        (["one", "two"], 2, 0, 0),
        (["one", "two"], 3, 0, 1),
        (["one", "two", "three"], 1, 2, 0),
        ("one", 1, 0, 0),
        ("one", 2, 0, 1),
        ([{"type": "text", "text": "one"}, {"type": "image_url", "image_url": {"url": "https://x.example"}}], 1, 0, 0),
        (None, 1, 0, 0),
    ],
)
def test_a_moderation_with_fewer_results_than_texts_is_counted(
    tmp_path: Path, texts: Any, results: int, short: int, surplus: int
) -> None:
    """One result for two texts does not cover the second; the parts of one message have one result."""
    verdict = {"flagged": False, "categories": {"hate": False}, "category_scores": {"hate": 0.1}}
    body = {"id": "m", "model": "mod-1", "results": [verdict] * results}
    without_scores = {**body, "results": [{"flagged": True}] * results}
    inputs = put(tmp_path / "in.jsonl", request("w"), *[request(name, "/v1/moderations", input=texts) for name in "ab"])
    job = batchfiles.join(inputs, put(tmp_path / "out.jsonl", success("w"), result("a", body), result("b", without_scores)))
    assert job.summarize().outcomes["succeeded"] == 3
    assert (job.summarize().short, job.summarize().surplus) == (2 * short, 2 * surplus)
