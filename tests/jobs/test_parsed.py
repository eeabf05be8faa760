"""Typed answers in a join and in an export: `parsed` and `parse_error`, with any decoder and any format."""

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
from batchfiles import MismatchError
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
    """Return the two columns, by id."""
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
    assert (job.summarize().rows, job.summarize().parse_errors, job.summarize().outcomes["succeeded"]) == (5, 2, 4)


@pytest.mark.parametrize("workers", [1, 2])
def test_an_export_takes_a_schema_that_somebody_names(files: tuple[Path, Path], workers: int) -> None:
    """There are no requests to ask."""
    job = batchfiles.export(files[1], parsed=True, schema=BOOK, workers=workers)
    assert typed(job) == EXPECTED
    assert job.summarize().parse_errors == 2
    with pytest.raises(ValueError, match="parsed needs schema= here"):
        batchfiles.export(files[1], parsed=True)


def test_without_the_option_there_are_no_such_columns(files: tuple[Path, Path]) -> None:
    """Nor with a schema in the requests."""
    job = batchfiles.join(*files)
    assert job.to_arrow().schema == batchfiles.schema()
    assert job.summarize().parse_errors == 0


def test_the_responses_api_has_its_schema_in_text_format(tmp_path: Path) -> None:
    """The other place of the same."""
    wanted = {"format": {"type": "json_schema", "name": "n", "schema": {"type": "integer"}}}
    requests = put(tmp_path / "requests.jsonl", request("a", RESPONSES, text=wanted))
    part = {"type": "output_text", "text": "5", "annotations": []}
    item = {"type": "message", "role": "assistant", "status": "completed", "content": [part]}
    body = {"id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": "m", "output": [item]}
    results = put(tmp_path / "out.jsonl", result("a", body))
    assert typed(batchfiles.join(requests, results, parsed=True)) == {"a": (5, None)}


OTHER = {"type": "object", "properties": {"title": {"type": "string"}, "copies": {"type": "integer"}}}


@pytest.mark.parametrize("workers", [1, 2])
def test_answers_to_requests_of_another_kind_are_not_errors(tmp_path: Path, workers: int) -> None:
    """A batch may mix schemas, prose and tools: other answers are null and counted, and are not paid for again."""
    turned = dict(reversed(BOOK.items()))
    requests = put(
        tmp_path / "requests.jsonl",
        asking("prose", None),
        asking("a"),
        asking("b", OTHER),
        request("object", response_format={"type": "json_object"}),
        request("text", response_format={"type": "text"}),
        request("tool", tools=[{"type": "function", "function": {"name": "f", "strict": True, "parameters": BOOK}}]),
        asking("d", turned),
        asking("bad"),
        asking("e", OTHER),
    )
    books = [success(custom_id, '{"title": "Map", "copies": 1}') for custom_id in ("a", "b", "d", "object")]
    words = [success(custom_id, "Gladly.") for custom_id in ("prose", "text", "tool", "bad")]
    results = put(tmp_path / "out.jsonl", *books, *words, failure("e"))
    job = batchfiles.join(requests, results, parsed=True, workers=workers)
    found = typed(job)
    assert {custom_id for custom_id, (value, _) in found.items() if value is not None} == {"a", "d"}
    assert {custom_id: reason for custom_id, (_, reason) in found.items() if reason is not None} == {
        "bad": "the text is not JSON: expecting value (character 1)"
    }
    report = job.summarize()
    assert (report.parse_errors, report.no_schema, report.other_schema) == (1, 4, 1)
    assert report.examples["other_schema"] == ("b",)


def test_a_named_schema_is_for_all_answers_that_fit_it(tmp_path: Path) -> None:
    """Where some requests ask for a schema, those that don't want other answers; where none does, all must fit."""
    requests = [asking("a"), asking("b", OTHER), asking("c", None), asking("d", None), asking("e", OTHER)]
    answers = [success(custom_id, '{"title": "Map", "copies": 1}') for custom_id in "abc"]
    results = put(tmp_path / "out.jsonl", *answers, success("d", "Gladly."), success("e", "Gladly."))
    mixed = put(tmp_path / "mixed.jsonl", *requests)
    job = batchfiles.join(mixed, results, parsed=True, schema=OTHER)
    reason = "the text is not JSON: expecting value (character 1)"
    one = ({"title": "Map", "copies": 1}, None)
    assert typed(job) == {**dict.fromkeys("abc", one), "d": (None, None), "e": (None, reason)}
    assert (job.summarize().parse_errors, job.summarize().no_schema, job.summarize().other_schema) == (1, 1, 0)
    without = put(tmp_path / "without.jsonl", *requests[2:4])
    job = batchfiles.join(without, results, parsed=True, schema=OTHER)
    assert typed(job) == {"c": one, "d": (None, reason)}
    assert (job.summarize().parse_errors, job.summarize().no_schema) == (1, 0)


@pytest.mark.parametrize(
    "body",
    [
        {"response_format": {"type": "json_schema", "schema": {"type": "integer"}}},
        {"response_format": {"type": "json_object", "schema": {"type": "integer"}}},
        {"structured_outputs": {"json": {"type": "integer"}}},
        {"guided_json": {"type": "integer"}},
        {"text": {"format": {"type": "json_schema", "name": "n", "strict": True, "schema": {"type": "integer"}}}},
    ],
)
@pytest.mark.parametrize("escaped", [False, True])
def test_the_schema_is_found_wherever_services_take_it(tmp_path: Path, body: dict[str, Any], escaped: bool) -> None:
    """Together and Fireworks put it into `response_format` itself, vLLM next to it; a key may be written with escapes."""
    line = request("a", **body)
    if escaped:
        line = line.replace(b"json", rb"\u006ason").replace(b"schema", rb"s\u0063hema")
    requests = put(tmp_path / "requests.jsonl", asking("p", None), line)
    results = put(tmp_path / "out.jsonl", success("p", "Gladly."), success("a", "5"))
    job = batchfiles.join(requests, results, parsed=True)
    assert (typed(job), job.summarize().no_schema) == ({"p": (None, None), "a": (5, None)}, 1)


def test_only_answers_that_failed_to_parse_are_sent_again(tmp_path: Path) -> None:
    """`retry --only parse_error` pays for those and for no good one."""
    requests = put(tmp_path / "requests.jsonl", asking("p", None), asking("a"), asking("b", OTHER), asking("bad"))
    good = '{"title": "Map", "copies": 1}'
    results = put(tmp_path / "out.jsonl", success("p", "Gladly."), success("a", good), success("b", good), success("bad", "?"))
    batchfiles.join(requests, results, parsed=True).to_parquet(tmp_path / "t.parquet")
    report = batchfiles.retry(requests, tmp_path / "t.parquet", output=tmp_path / "again.jsonl", only=["parse_error"])
    assert report.written == 1
    assert json.loads((tmp_path / "again.jsonl").read_bytes())["custom_id"] == "bad"


FENCED = {
    "plain": ("{}", False),
    "json": ("```json\n{}\n```", True),
    "upper case": ("```JSON\n{}\n```", True),
    "no language": ("```\n{}\n```", True),
    "another language": ("```javascript\n{}\n```", True),
    "more words": ('```json title="a.json"\n{}\n```', True),
    "tildes": ("~~~json\n{}\n~~~", True),
    "longer": ("````json\n{}\n````", True),
    "white space around": ("\n  ```json\n\n{}\n\n```\n\n ", True),
    "carriage returns": ("```json\r\n{}\r\n```\r\n", True),
    "one line": ("```{}```", True),
    "one line with a language": ("``` json {} ```", True),
    "begun on the first line": ("```json{}\n```", True),
}


@pytest.mark.parametrize("name", FENCED)
@pytest.mark.parametrize("value", ['{"title": "Map", "copies": 1}', '{\n "title": "A ``` b\\n```\\n",\n "copies": null\n}'])
def test_one_fenced_block_is_read(tmp_path: Path, name: str, value: str) -> None:
    """Models wrap JSON in Markdown against the instructions; `text` keeps it unchanged, and it is counted."""
    form, is_fenced = FENCED[name]
    text = form.replace("{}", value)
    requests = put(tmp_path / "requests.jsonl", asking("a"), asking("b"))
    results = put(tmp_path / "out.jsonl", success("a", text), success("b", text))
    for job in (batchfiles.join(requests, results, parsed=True), batchfiles.export(results, parsed=True, schema=BOOK)):
        for row in job:
            parsed = {key: item for key, item in (row["parsed"] or {}).items() if key in ("title", "copies")}
            assert (parsed, row["parse_error"], row["text"]) == (json.loads(value), None, text)
        assert (job.summarize().fenced, job.summarize().parse_errors) == (2 * is_fenced, 0)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("```json\n5\n```\n```json\n6\n```", 11),
        ("Here it is:\n```json\n5\n```", 1),
        ("```json\n5\n```\nAnything else?", 1),
        ("```json\n5\n", 1),
        ("```json\n5\n~~~", 1),
        ("````json\n5\n```", 1),
        ("``5``", 1),
        ("```", 1),
        ("``````", 1),
        ("```json\n```", 9),
        ('```json\n{"a": }\n```', 15),
    ],
)
def test_anything_else_in_fences_is_not_json(tmp_path: Path, text: str, place: int) -> None:
    """Two blocks, text around one, a fence that does not end; the message counts the characters of the whole text."""
    results = put(tmp_path / "out.jsonl", success("a", text))
    job = batchfiles.export(results, parsed=True, schema={"type": "integer"})
    ((value, reason),) = typed(job).values()
    assert value is None
    assert reason is not None
    assert reason.startswith("the text is not JSON: ")
    assert f"(character {place})" in reason
    assert (job.summarize().fenced, job.summarize().parse_errors) == (0, 1)


def test_where_there_is_no_answer_in_words_both_are_null(tmp_path: Path) -> None:
    """A refusal, a tool call with or without an empty text, a result that is missing, a request that can't be read.

    An empty refusal hides nothing: answers next to it were lost, and counted nowhere.
    """
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    requests = put(tmp_path / "requests.jsonl", *(asking(custom_id) for custom_id in "abcdefg"), b"{")
    results = put(
        tmp_path / "out.jsonl",
        message("a", content=None, refusal="No."),
        message("b", content="{}", refusal="No."),
        message("c", content=None, tool_calls=[call]),
        message("d", content="", tool_calls=[call]),
        message("e", content=""),
        message("g", content="No.", refusal=""),
    )
    job = batchfiles.join(requests, results, parsed=True)
    assert typed(job) == {
        **dict.fromkeys(["a", "b", "c", "d", "f", None], (None, None)),
        **dict.fromkeys(["e", "g"], (None, "the text is not JSON: expecting value (character 1)")),
    }
    assert (job.summarize().rows, job.summarize().parse_errors) == (8, 2)


def test_the_schema_is_the_first_in_a_request_that_can_be_read(tmp_path: Path) -> None:
    """A broken line does not affect the others."""
    requests = put(tmp_path / "requests.jsonl", b"{", b"", asking("a", {"type": "integer"}))
    results = put(tmp_path / "out.jsonl", success("a", "5"))
    assert typed(batchfiles.join(requests, results, parsed=True))["a"] == (5, None)


def test_requests_without_a_usable_schema_are_named(tmp_path: Path) -> None:
    """Before any row is made, with what to do."""
    without = put(tmp_path / "without.jsonl", asking("a", None), request("b", response_format={"type": "json_object"}))
    with pytest.raises(MismatchError, match=r"without\.jsonl: no request asks for a JSON Schema.*use schema="):
        batchfiles.join(without, parsed=True)
    broken = put(tmp_path / "broken.jsonl", asking("a", {"$ref": "#/$defs/none"}))
    with pytest.raises(MismatchError, match=r"broken\.jsonl:1: .*leads nowhere.*use schema= with another"):
        batchfiles.join(broken, parsed=True)
    deep: Any = {}
    for _ in range(300):
        deep = {"items": deep}
    with pytest.raises(MismatchError, match=r"deep\.jsonl:1: the JSON Schema can't be used"):
        batchfiles.join(put(tmp_path / "deep.jsonl", asking("a", deep)), parsed=True)
    with pytest.raises(MismatchError, match="no request asks for a JSON Schema"):
        batchfiles.join(put(tmp_path / "empty.jsonl"), parsed=True)


def test_vectors_have_no_typed_answers(tmp_path: Path) -> None:
    """Whether the table was named or chosen by the files."""
    vectors = put(tmp_path / "vectors.jsonl", request("a", "/v1/embeddings", input="Hi"))
    for options in ({}, {"table": "embeddings"}):
        with pytest.raises(ValueError, match="vectors are not texts"):
            batchfiles.join(vectors, parsed=True, schema=BOOK, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"schema": BOOK}, {"parse_dates": True}])
def test_its_options_go_with_parsed(files: tuple[Path, Path], options: Any) -> None:
    """None is silently ignored."""
    with pytest.raises(ValueError, match="goes with parsed"):
        batchfiles.join(*files, **options)


def test_the_type_never_depends_on_the_answers(tmp_path: Path) -> None:
    """Two days' tables of one schema can be concatenated, with any answers."""
    requests = put(tmp_path / "requests.jsonl", asking("a"))
    none = batchfiles.join(requests, put(tmp_path / "1.jsonl", success("a", "[]")), parsed=True).to_arrow()
    some = batchfiles.join(requests, put(tmp_path / "2.jsonl", success("a", json.dumps(ATLAS))), parsed=True).to_arrow()
    assert pa.concat_tables([none, some]).num_rows == 2


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["t.parquet", "parts"])
def test_parquet_holds_the_column_and_the_schema(files: tuple[Path, Path], tmp_path: Path, name: str, workers: int) -> None:
    """The JSON Schema is in the metadata: a reader of the file can check the answers again."""
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


def test_columns_of_ones_own_follow_the_typed_answers(files: tuple[Path, Path]) -> None:
    """Both options together, and neither moves the columns of the other."""
    own = pa.table({"key": ["a", "c"], "shelf": [1, 2]})
    table = batchfiles.join(*files, parsed=True, with_table=own, id_template="{{key}}").to_arrow()
    assert table.schema.names[: len(batchfiles.schema()) + 2] == batchfiles.schema(parsed=BOOK).names
    assert typed(table.to_pylist()) == EXPECTED
    assert table["shelf"].to_pylist() == [1, None, 2, None, None]
