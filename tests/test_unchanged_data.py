"""Data that general tools change silently is kept: from the wire through a join and a Parquet file into four readers.

Each kind of data here was lost or changed by some reader of JSON that guesses types from the first lines, splits lines as
text, or reads numbers as floats.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles.jobs.join.lazy_join import Join
from tests.jobs.wire import completion, failure, put, request, result, success

Columns = dict[str, list[Any]]


def by_pyarrow(path: Path, names: list[str]) -> Columns:
    """Read with pyarrow."""
    return pq.read_table(path, columns=names).to_pydict()  # type: ignore[no-any-return]


def by_duckdb(path: Path, names: list[str]) -> Columns:
    """Read with DuckDB."""
    with duckdb.connect() as connection:
        rows = connection.execute(f"SELECT {', '.join(names)} FROM read_parquet(?)", [str(path)]).fetchall()
    return {name: [row[place] for row in rows] for place, name in enumerate(names)}


def by_polars(path: Path, names: list[str]) -> Columns:
    """Read with polars."""
    return pl.read_parquet(path, columns=names).select(names).to_dict(as_series=False)


def by_pandas(path: Path, names: list[str]) -> Columns:
    """Read with pandas; a null is None here, with any null of pandas."""
    frame = pd.read_parquet(path, columns=names)
    return {name: [None if value is None or value != value else value for value in frame[name]] for name in names}


READERS = [by_pyarrow, by_duckdb, by_polars, by_pandas]
Reader = Callable[[Path, list[str]], Columns]


def written(folder: Path, inputs: list[bytes], results: list[bytes], **options: Any) -> tuple[Path, Join]:
    """Join lines and write the table."""
    job = batchfiles.join(put(folder / "in.jsonl", *inputs), put(folder / "out.jsonl", *results), **options)
    job.to_parquet(folder / "table.parquet")
    return folder / "table.parquet", job


IDS = [
    "00123",
    "123",
    "12345678901234567890",
    "12345678901234567891",
    "9007199254740993",
    "9007199254740992",
    "2026-08-01",
    "2026-08-01T12:00:00Z",
    "01/02/03",
    "1e5",
    "0x10",
    "1_000",
    "-0",
    "NaN",
    "Infinity",
    "null",
    "None",
    "true",
    "",
    " padded ",
    "6BA7B810-9DAD-11D1-80B4-00C04FD430C8",
    "6ba7b810-9dad-11d1-80b4-00c04fd430c8",
    "{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}",
    "caf\u00e9",
    "cafe\u0301",
    "line\u2028separator",
    "=1+1",
]
"""Each of them is another id to some reader, or the same as its neighbour."""


@pytest.fixture(scope="module")
def ids(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Join requests of all these ids with their results, in the reverse order."""
    path, job = written(
        tmp_path_factory.mktemp("ids"), [request(name) for name in IDS], [success(name, name) for name in IDS[::-1]]
    )
    assert (job.summarize().used, job.summarize().duplicate_inputs) == (len(IDS), 0)
    return path


@pytest.mark.parametrize("reader", READERS)
def test_ids_stay_what_they_are(ids: Path, reader: Reader) -> None:
    """Zeros in front, twenty digits, dates, capital letters of UUIDs: an id is a text, and finds its own result."""
    found = reader(ids, ["custom_id", "text"])
    assert found == {"custom_id": IDS, "text": IDS}


LATE = 20_600
"""More lines than the 20,480 from which DuckDB guesses the types of JSON."""


@pytest.fixture(scope="module")
def late(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[bytes]]:
    """Join a file in which everything unusual is at the very end."""
    lines = [success(str(number)) for number in range(LATE - 4)]
    unusual = completion("late") | {"a_late_key": {"deep": [1, "two"]}}
    call = completion() | {
        "choices": [
            {
                "index": 0,
                "finish_reason": "tool_calls",
                "message": {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}],
                },
            }
        ]
    }
    lines += [
        json.dumps(
            {
                "id": "r",
                "custom_id": "late error",
                "response": None,
                "error": {"code": "batch_expired", "message": "Too late."},
            }
        ).encode(),
        result("late key", unusual),
        result("late call", call),
        failure("late status", 500, "Oh no"),
    ]
    names = [str(number) for number in range(LATE - 4)] + ["late error", "late key", "late call", "late status"]
    path, job = written(tmp_path_factory.mktemp("late"), [request(name) for name in names], lines)
    assert job.summarize().used == LATE
    return path, lines


@pytest.mark.parametrize("reader", READERS)
def test_what_first_appears_late_is_there(late: tuple[Path, list[bytes]], reader: Reader) -> None:
    """An `error` object, a key of the body, tool calls and a body of another shape after 20,480 ordinary lines."""
    path, lines = late
    names = ["custom_id", "outcome", "error_code", "error_message", "text", "response_body"]
    found = reader(path, names)
    assert len(found["custom_id"]) == LATE
    assert set(found["outcome"][:-4]) == {"succeeded"}
    assert set(found["response_body"][:-4]) == set(found["error_code"][:-4]) == {None}
    rows = {row[0]: row[1:] for row in zip(*[found[name][-4:] for name in names], strict=True)}
    assert rows["late error"] == ("expired", "batch_expired", "Too late.", None, None)
    assert rows["late key"][:4] == ("succeeded", None, None, "late")
    assert rows["late key"][4].encode() in lines[-3]
    assert json.loads(rows["late key"][4])["a_late_key"] == {"deep": [1, "two"]}
    assert rows["late status"][:3] == ("failed", None, "Oh no")


def test_late_tool_calls_are_there(late: tuple[Path, list[bytes]]) -> None:
    """As a list of structs, not as text."""
    calls = pq.read_table(late[0], columns=["tool_calls"])["tool_calls"]
    assert calls.null_count == LATE - 1
    assert calls[-2].as_py() == [{"id": "call_1", "name": "f", "arguments": '{"a": 1}'}]


TEXTS = [
    "before\u2028after",
    "before\u2029after",
    "before\x85after",
    "before\x0bafter\x0cafter\x1cafter\x1dafter\x1eafter",
    "carriage\rreturn\r\nnewline\n",
    "tab\tnull\x00end",
    "\ufeffmark",
    "a\u0301 \u200d \U0001f9d1\u200d\U0001f680 \u202eright to left",
    " leading and trailing ",
    '"quoted", comma; semicolon | \\ backslash',
    "NULL",
    "nan",
    "",
]


@pytest.mark.parametrize("escaped", [True, False])
@pytest.mark.parametrize("reader", READERS)
def test_texts_stay_what_they_are(tmp_path: Path, reader: Reader, escaped: bool) -> None:
    """Line ends of text-mode readers and empty values of CSV readers, raw or escaped in the file."""
    names = [f"id {number}" for number in range(len(TEXTS))]
    results = [
        json.dumps(json.loads(success(name, text)), ensure_ascii=escaped).encode()
        for name, text in zip(names, TEXTS, strict=True)
    ]
    path, job = written(tmp_path, [request(name, messages=text) for name, text in zip(names, TEXTS, strict=True)], results)
    assert job.summarize().used == len(TEXTS)
    found = reader(path, ["custom_id", "text", "request_body"])
    assert found["text"] == TEXTS
    assert [json.loads(body)["messages"] for body in found["request_body"]] == TEXTS


@pytest.mark.parametrize("reader", READERS)
def test_bodies_keep_every_byte(tmp_path: Path, reader: Reader) -> None:
    """Numbers that no type holds, white space, repeated keys, escapes: nothing is rewritten."""
    bodies = [
        '{"model": "m", "seed": 123456789012345678901234567890, "temperature": 1.0, "top_p": 1e-7}',
        '{ "model" :\t"m" , "metadata" : { "zip" : "00123" , "when" : "2026-08-01" } }',
        '{"model": "m", "a": 1, "a": 2, "text": "\\u00e9\\/\\ud83d\\ude00 é"}',
        '{"model": "m", "big": 18446744073709551616, "float": 0.1000000000000000055511151231257827}',
    ]
    inputs = [
        b'{"custom_id": "%d", "method": "POST", "url": "/v1/x", "body": %s}' % (number, body.encode())
        for number, body in enumerate(bodies)
    ]
    results = [
        b'{"custom_id": "%d", "response": {"status_code": 200, "body": %s, "request_id": "r"}, "error": null}'
        % (number, body.encode())
        for number, body in enumerate(bodies)
    ]
    path, _ = written(tmp_path, inputs, results, bodies="all")
    assert reader(path, ["request_body", "response_body"]) == {"request_body": bodies, "response_body": bodies}


@pytest.fixture(scope="module")
def long(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Join a line of 20 MB, between two short ones."""
    text = "".join(f"{number:07d} é\u2028" for number in range(20_000_000 // 13))
    path, job = written(
        tmp_path_factory.mktemp("long"),
        [request("before"), request("long"), request("after")],
        [success("before", "b"), success("long", text), success("after", "a")],
    )
    assert len(text.encode()) > 19_000_000
    assert job.summarize().used == 3
    return path, text


@pytest.mark.parametrize("reader", READERS)
def test_a_line_of_20_mb_is_a_line(long: tuple[Path, str], reader: Reader) -> None:
    """Not cut, not refused, and its neighbours keep their places."""
    path, text = long
    found = reader(path, ["custom_id", "text"])
    assert found["custom_id"] == ["before", "long", "after"]
    assert (found["text"][0], found["text"][2]) == ("b", "a")
    assert hashlib.sha256(found["text"][1].encode()).digest() == hashlib.sha256(text.encode()).digest()


def by_duckdb_filter(before: Path, after: Path) -> None:
    """Write the line "a" with DuckDB."""
    with duckdb.connect() as connection:
        connection.execute(f"COPY (SELECT * FROM read_json('{before}') WHERE custom_id = 'a') TO '{after}' (FORMAT json)")


def by_polars_filter(before: Path, after: Path) -> None:
    """Write the line "a" with polars."""
    pl.read_ndjson(before).filter(pl.col("custom_id") == "a").write_ndjson(after)


@pytest.mark.parametrize("choose", [by_duckdb_filter, by_polars_filter])
def test_validate_finds_requests_that_a_query_engine_changed(tmp_path: Path, choose: Callable[[Path, Path], None]) -> None:
    """Both engines write the properties of all tools into each schema, as null, and the service refuses such a request."""
    lines = []
    for custom_id, key in (("a", "city"), ("b", "zone")):
        parameters = {"type": "object", "properties": {key: {"type": "string"}}}
        body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
        body |= {"tools": [{"type": "function", "function": {"name": f"by_{key}", "parameters": parameters}}]}
        line = {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        lines.append(json.dumps(line).encode())
    before, after = put(tmp_path / "before.jsonl", *lines), tmp_path / "after.jsonl"
    choose(before, after)
    assert batchfiles.validate(before).findings == ()
    (finding,) = batchfiles.validate(after).findings
    assert finding.code == "invalid_function_parameters"
    assert finding.json_path == "$.body.tools[0].function.parameters.properties.zone"
    assert finding.message == "Invalid schema for function 'by_city': None is not of type 'object', 'boolean'."
    batchfiles.retry(before, output=tmp_path / "kept.jsonl", ids=put(tmp_path / "ids.txt", b"a"))
    assert (tmp_path / "kept.jsonl").read_bytes() == lines[0] + b"\n"
