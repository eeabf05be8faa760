"""Typed answers in a join and in an export: `parsed` and `parse_error`, whoever decodes and whatever the file is."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import Mismatch
from tests.jobs.wire import completion, failure, put, request, result, success

BOOK = {
    "type": "object",
    "properties": {
        "title": {"type": "string"},
        "copies": {"type": ["integer", "null"]},
        "due": {"type": "string", "format": "date-time"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "notes": {},
    },
    "required": ["title", "copies"],
    "additionalProperties": False,
}
TYPE = pa.struct(
    [
        ("title", pa.string()),
        ("copies", pa.int64()),
        ("due", pa.string()),
        ("tags", pa.list_(pa.string())),
        ("notes", pa.string()),
    ]
)
ATLAS = {"title": "Atlas", "copies": 3, "due": "2026-08-01T12:00:00Z", "tags": ["maps"], "notes": [2**70, {"a": None}]}
RESPONSES = "/v1/responses"


def asking(custom_id: str, schema: Any = BOOK) -> bytes:
    """Make a request that asks for a schema, or for none."""
    if schema is None:
        return request(custom_id)
    wanted = {"type": "json_schema", "json_schema": {"name": "book", "strict": True, "schema": schema}}
    return request(custom_id, response_format=wanted)


def message(custom_id: str, **words: Any) -> bytes:
    """Make a result whose message has these keys."""
    body = completion()
    body["choices"][0]["message"] = {"role": "assistant", **words}
    return result(custom_id, body)


def typed(rows: Any) -> dict[str, tuple[Any, str | None]]:
    """Return what the two columns say, by id."""
    return {row["custom_id"]: (row["parsed"], row["parse_error"]) for row in rows}


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Write five requests with their results: two answers that fit, two that don't, and a failure."""
    requests = put(tmp_path / "requests.jsonl", *(asking(custom_id) for custom_id in "abcde"))
    results = put(
        tmp_path / "batch_1_output.jsonl",
        success("a", json.dumps(ATLAS)),
        success("b", '{"title": "Map", "copies": null}'),
        success("c", '{"title": "Map"}'),
        success("d", "I can't do that."),
        failure("e"),
    )
    return requests, results


EXPECTED = {
    "a": ({**ATLAS, "notes": '[1180591620717411303424,{"a":null}]'}, None),
    "b": ({"title": "Map", "copies": None, "due": None, "tags": None, "notes": None}, None),
    "c": (None, "$.copies is missing"),
    "d": (None, "the text is not JSON: expecting value (character 1)"),
    "e": (None, None),
}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_join_takes_the_schema_of_the_first_request(files: tuple[Path, Path], workers: int) -> None:
    """No row is lost, and the text is kept beside."""
    job = batchfiles.join(*files, parsed=True, workers=workers)
    table = job.to_arrow()
    assert table.schema == job.schema == batchfiles.schema(parsed=BOOK)
    assert table.schema.field("parsed").type == TYPE
    assert typed(table.to_pylist()) == EXPECTED
    assert table["text"].to_pylist()[3] == "I can't do that."
    assert (job.report.rows, job.report.parse_errors, job.report.outcomes["succeeded"]) == (5, 2, 4)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_export_takes_a_schema_that_somebody_names(files: tuple[Path, Path], workers: int) -> None:
    """There are no requests to ask."""
    job = batchfiles.export(files[1], parsed=True, schema=BOOK, workers=workers)
    assert typed(job) == EXPECTED
    assert job.report.parse_errors == 2
    with pytest.raises(ValueError, match="parsed takes a schema here"):
        batchfiles.export(files[1], parsed=True)


def test_without_the_option_there_are_no_such_columns(files: tuple[Path, Path]) -> None:
    """Nor with a schema in the requests."""
    job = batchfiles.join(*files)
    assert job.to_arrow().schema == batchfiles.schema()
    assert job.report.parse_errors == 0


def test_the_responses_api_has_its_schema_in_text_format(tmp_path: Path) -> None:
    """The other place of the same."""
    wanted = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "integer"}}}
    requests = put(tmp_path / "requests.jsonl", request("a", RESPONSES, text=wanted))
    part = {"type": "output_text", "text": "5", "annotations": []}
    item = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    body = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item]}
    results = put(tmp_path / "out.jsonl", result("a", body))
    assert typed(batchfiles.join(requests, results, parsed=True)) == {"a": (5, None)}


def test_a_request_that_asks_for_something_else_is_an_error_of_its_row(tmp_path: Path) -> None:
    """Unless somebody named the schema: then only the answer counts. The order of keys is no difference."""
    other = {"type": "object", "properties": {"title": {"type": "string"}, "copies": {"type": "integer"}}}
    turned = dict(reversed(BOOK.items()))
    requests = put(
        tmp_path / "requests.jsonl", asking("a"), asking("b", other), asking("c", None), asking("d", turned), asking("e", other)
    )
    answers = [success(custom_id, '{"title": "Map", "copies": 1}') for custom_id in "abcd"]
    results = put(tmp_path / "out.jsonl", *answers, failure("e"))
    found = typed(batchfiles.join(requests, results, parsed=True))
    first = f"unlike the first one ({requests}:1)"
    assert {custom_id: reason for custom_id, (_, reason) in found.items()} == {
        "a": None,
        "b": f"the request asks for another JSON Schema, {first}",
        "c": f"the request asks for no JSON Schema, {first}",
        "d": None,
        "e": None,
    }
    assert found["b"][0] is None
    named = typed(batchfiles.join(requests, results, parsed=True, schema=other))
    assert [named[custom_id] for custom_id in "abcd"] == [({"title": "Map", "copies": 1}, None)] * 4


def test_where_there_is_no_answer_in_words_both_are_null(tmp_path: Path) -> None:
    """A refusal, a tool call with or without an empty text, a result that is missing, a request that can't be read."""
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    requests = put(tmp_path / "requests.jsonl", *(asking(custom_id) for custom_id in "abcdef"), b"{")
    results = put(
        tmp_path / "out.jsonl",
        message("a", content=None, refusal="No."),
        message("b", content="{}", refusal="No."),
        message("c", content=None, tool_calls=[call]),
        message("d", content="", tool_calls=[call]),
        message("e", content=""),
    )
    job = batchfiles.join(requests, results, parsed=True)
    assert typed(job) == {
        **dict.fromkeys(["a", "b", "c", "d", "f", None], (None, None)),
        "e": (None, "the text is not JSON: expecting value (character 1)"),
    }
    assert (job.report.rows, job.report.parse_errors) == (7, 1)


def test_the_first_request_is_the_first_that_can_be_read(tmp_path: Path) -> None:
    """A broken line says nothing about the others."""
    requests = put(tmp_path / "requests.jsonl", b"{", b"", asking("a", {"type": "integer"}))
    results = put(tmp_path / "out.jsonl", success("a", "5"))
    assert typed(batchfiles.join(requests, results, parsed=True))["a"] == (5, None)


def test_requests_without_a_usable_schema_are_named(tmp_path: Path) -> None:
    """Before any row is made, with what to do."""
    without = put(tmp_path / "without.jsonl", asking("a", None), asking("b"))
    with pytest.raises(Mismatch, match=r"without\.jsonl:1: the first request asks for no JSON Schema.*--schema"):
        batchfiles.join(without, parsed=True)
    broken = put(tmp_path / "broken.jsonl", asking("a", {"$ref": "#/$defs/none"}))
    with pytest.raises(Mismatch, match=r"broken\.jsonl:1: .*leads nowhere.*name another schema"):
        batchfiles.join(broken, parsed=True)
    deep: Any = {}
    for _ in range(300):
        deep = {"items": deep}
    with pytest.raises(Mismatch, match=r"deep\.jsonl:1: the JSON Schema can't be used"):
        batchfiles.join(put(tmp_path / "deep.jsonl", asking("a", deep)), parsed=True)
    with pytest.raises(Mismatch, match="there is no request"):
        batchfiles.join(put(tmp_path / "empty.jsonl"), parsed=True)


def test_vectors_have_no_typed_answers(tmp_path: Path) -> None:
    """Whether the table was named or chosen by the files."""
    vectors = put(tmp_path / "vectors.jsonl", request("a", "/v1/embeddings", input="Hi"))
    for options in ({}, {"table": "embeddings"}):
        with pytest.raises(ValueError, match="vectors are no texts"):
            batchfiles.join(vectors, parsed=True, schema=BOOK, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"schema": BOOK}, {"parse_dates": True}])
def test_its_options_go_with_parsed(files: tuple[Path, Path], options: Any) -> None:
    """None is taken and ignored."""
    with pytest.raises(ValueError, match="goes with parsed"):
        batchfiles.join(*files, **options)


def test_the_type_never_depends_on_the_answers(tmp_path: Path) -> None:
    """Two days' tables of one schema can be put under each other, whatever came."""
    requests = put(tmp_path / "requests.jsonl", asking("a"))
    none = batchfiles.join(requests, put(tmp_path / "1.jsonl", success("a", "[]")), parsed=True).to_arrow()
    some = batchfiles.join(requests, put(tmp_path / "2.jsonl", success("a", json.dumps(ATLAS))), parsed=True).to_arrow()
    assert pa.concat_tables([none, some]).num_rows == 2


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["t.parquet", "parts"])
def test_parquet_holds_the_column_and_the_schema(files: tuple[Path, Path], tmp_path: Path, name: str, workers: int) -> None:
    """The JSON Schema stands in the metadata: who reads the file can check the answers again."""
    job = batchfiles.join(*files, parsed=True, parse_dates=True, workers=workers)
    job.to_parquet(tmp_path / name)
    table = pq.read_table(tmp_path / name)
    assert typed(table.to_pylist())["a"][0]["due"] == datetime(2026, 8, 1, 12, tzinfo=UTC)
    part = next((tmp_path / name).iterdir()) if name == "parts" else tmp_path / name
    assert json.loads(pq.read_schema(part).metadata[b"batchfiles.json_schema"]) == BOOK


def test_jsonl_and_csv_nest_the_answer_as_json(files: tuple[Path, Path], tmp_path: Path) -> None:
    """Times in the one form that the other columns have."""
    job = batchfiles.join(*files, parsed=True, parse_dates=True)
    job.write(tmp_path / "t.jsonl")
    job.write(tmp_path / "t.csv")
    lines = typed(map(json.loads, (tmp_path / "t.jsonl").read_text().splitlines()))
    expected = {**EXPECTED["a"][0], "due": "2026-08-01T12:00:00.000000Z"}
    assert lines == {**EXPECTED, "a": (expected, None)}
    with (tmp_path / "t.csv").open(newline="") as file:
        cells = typed(csv.DictReader(file))
    assert json.loads(cells["a"][0]) == expected
    assert cells["c"] == ("", "$.copies is missing")


def test_duckdb_and_polars_read_the_column(files: tuple[Path, Path], tmp_path: Path) -> None:
    """From a file, and from the job itself."""
    duckdb, polars = pytest.importorskip("duckdb"), pytest.importorskip("polars")
    job = batchfiles.join(*files, parsed=True)
    path = tmp_path / "t.parquet"
    job.to_parquet(path)
    query = "SELECT custom_id, parsed.copies, parsed.tags[1], parse_error FROM {} WHERE parsed.title IS NOT NULL ORDER BY 1"
    expected = [("a", 3, "maps", None), ("b", None, None, None)]
    assert duckdb.sql(query.format(f"'{path}'")).fetchall() == expected
    assert duckdb.sql(query.format("job")).fetchall() == expected
    for frame in (polars.read_parquet(path), polars.DataFrame(job)):
        titles = frame.select(polars.col("parsed").struct.field("title")).to_series()
        assert titles.to_list() == ["Atlas", "Map", None, None, None]


def test_columns_of_ones_own_stand_behind_the_typed_answers(files: tuple[Path, Path]) -> None:
    """Both options together, and neither moves what was there before."""
    own = pa.table({"key": ["a", "c"], "shelf": [1, 2]})
    table = batchfiles.join(*files, parsed=True, with_table=own, id="{{key}}").to_arrow()
    assert table.schema.names[: len(batchfiles.schema()) + 2] == batchfiles.schema(parsed=BOOK).names
    assert typed(table.to_pylist()) == EXPECTED
    assert table["shelf"].to_pylist() == [1, None, 2, None, None]
