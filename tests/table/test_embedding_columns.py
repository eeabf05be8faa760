"""The embeddings table: a row for each vector, what belongs to the request on the first one only, and nothing lost."""

from __future__ import annotations

import json
import struct
from base64 import b64encode
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import InvalidLine
from tests.jobs.wire import completion, expired, failure, put, request, result, success

FIXTURE = Path(__file__).parents[2] / "fixtures" / "embeddings"
URL = "/v1/embeddings"


def ask(custom_id: str, given: Any = "some text") -> bytes:
    """Make a request for vectors."""
    return request(custom_id, URL, input=given)


def vectors(custom_id: str, *values: Any, tokens: int = 4, **more: Any) -> bytes:
    """Make its answer."""
    data = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(values)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return result(custom_id, {"object": "list", "data": data, "model": "vec-1", "usage": usage, **more})


def joined(folder: Path, inputs: list[bytes], results: list[bytes], **options: Any) -> batchfiles.Join:
    """Join lines."""
    return batchfiles.join(put(folder / "in.jsonl", *inputs), put(folder / "out.jsonl", *results), **options)


def test_each_vector_is_a_row(tmp_path: Path) -> None:
    """In the order of the body, with its index and the text that it stands for."""
    job = joined(
        tmp_path, [ask("a", ["one", "two"]), ask("b", "three")], [vectors("b", [3.0]), vectors("a", [1.0, 0.5], [2.0, 0.25])]
    )
    assert job.report.table == "embeddings"
    rows = [(row["custom_id"], row["embedding_index"], row["input_text"], row["embedding"]) for row in job]
    assert rows == [("a", 0, "one", [1.0, 0.5]), ("a", 1, "two", [2.0, 0.25]), ("b", 0, "three", [3.0])]
    assert (job.report.inputs, job.report.rows) == (2, 3)


def test_what_belongs_to_the_request_stands_on_its_first_row_only(tmp_path: Path) -> None:
    """So that tokens may be summed; what tells where a row comes from is repeated."""
    first, second = joined(tmp_path, [ask("a", ["one", "two"])], [vectors("a", [1.0], [2.0], tokens=9)], bodies="all")
    for name in ("input_tokens", "total_tokens", "request_body", "response_body"):
        assert first[name] is not None, name
        assert second[name] is None, name
    for name in ("custom_id", "outcome", "status_code", "model", "endpoint", "attempts", "result_line_number", "input_source"):
        assert first[name] == second[name] is not None, name


def test_summed_tokens_are_those_of_the_wire(tmp_path: Path) -> None:
    """In the fixture, and in any other file."""
    (output,) = FIXTURE.glob("*_output.jsonl")
    used = [json.loads(line)["response"]["body"]["usage"] for line in output.read_bytes().splitlines()]
    table = batchfiles.join(FIXTURE).to_arrow()
    assert pc.sum(table["input_tokens"]).as_py() == sum(usage["prompt_tokens"] for usage in used)
    assert pc.sum(table["total_tokens"]).as_py() == sum(usage["total_tokens"] for usage in used)
    assert table.num_rows > len(used)


def test_the_fixture_is_complete() -> None:
    """Floats and base64, one text and several, token ids without text; the failed and the expired request have a row."""
    job = batchfiles.join(FIXTURE)
    rows = list(job)
    assert {row["custom_id"]: row["outcome"] for row in rows} == {
        **{f"vec-{number:02d}": "succeeded" for number in (1, 2, 3, 4, 5, 6, 7, 10)},
        "vec-08": "failed",
        "vec-09": "expired",
    }
    texts = {(row["custom_id"], row["embedding_index"]): row["input_text"] for row in rows}
    assert [texts["vec-02", index] for index in range(3)] == ["tram", "train", "ferry"]
    assert texts["vec-03", 0] is texts["vec-04", 0] is texts["vec-04", 1] is None
    assert texts["vec-05", 0] == "ein Plan des Kanals 🗺️"
    assert {len(row["embedding"]) for row in rows if row["embedding"] is not None} == {8}
    assert job.report.outcomes["succeeded"] == 8
    assert job.report.rows == len(rows) == len({(row["custom_id"], row["embedding_index"]) for row in rows})


def test_base64_and_floats_are_the_same_vector(tmp_path: Path) -> None:
    """Rounded to float32 once, by whichever side."""
    values = [0.1, -1e-7, 3.4e38, 0.0, 1.0]
    packed = b64encode(struct.pack("<5f", *values)).decode()
    one, other = joined(tmp_path, [ask("a"), ask("b")], [vectors("a", values), vectors("b", packed)])
    assert one["embedding"] == other["embedding"] == list(struct.unpack("<5f", struct.pack("<5f", *values)))


@pytest.mark.parametrize("dimensions", [None, 2])
@pytest.mark.parametrize("order", ["vectors first", "vectors last"])
def test_a_request_without_a_vector_has_a_row(tmp_path: Path, dimensions: int | None, order: str) -> None:
    """Missing, failed, expired, malformed, or answered with words, which is no response: its vector is null."""
    inputs = [ask(name) for name in ("missing", "failed", "expired", "malformed", "words")]
    inputs.insert(0 if order == "vectors first" else 5, ask("vector"))
    lines = [
        vectors("vector", [1.0, 2.0]),
        failure("failed"),
        expired("expired"),
        b'{"custom_id": "malformed", ',
        success("words"),
    ]
    job = joined(tmp_path, inputs, lines, dimensions=dimensions)
    table = job.to_arrow()
    table.validate(full=True)
    rows = {row["custom_id"]: row for row in table.to_pylist()}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "vector": "succeeded",
        "missing": "missing",
        "failed": "failed",
        "expired": "expired",
        "malformed": "malformed",
        "words": "no_response",
    }
    assert [name for name, row in rows.items() if row["embedding"] is not None] == ["vector"]
    assert all(row["request_body"] is not None for row in rows.values())
    assert '"content": "Hi"' in rows["words"]["response_body"]
    assert rows["vector"]["response_body"] is None
    assert rows["failed"]["embedding_index"] is None
    assert table["embedding"].type == (pa.list_(pa.float32()) if dimensions is None else pa.list_(pa.float32(), 2))
    job.to_parquet(tmp_path / "table.parquet")
    assert pq.read_table(tmp_path / "table.parquet").to_pylist() == table.to_pylist()


@pytest.mark.parametrize("workers", [1, 2])
def test_a_vector_of_another_length_names_its_line(tmp_path: Path, workers: int) -> None:
    """And says what to do; nothing is written."""
    job = joined(
        tmp_path, [ask("a"), ask("b")], [vectors("b", [1.0, 2.0]), vectors("a", [1.0, 2.0, 3.0])], dimensions=2, workers=workers
    )
    with pytest.raises(InvalidLine, match="3 dimensions and not 2: say --dimensions 3") as caught:
        job.to_parquet(tmp_path / "table.parquet")
    assert (caught.value.path, caught.value.line_number) == (str(tmp_path / "out.jsonl"), 2)
    assert caught.value.role == "output"
    assert not (tmp_path / "table.parquet").exists()
    assert len(list(joined(tmp_path, [ask("a"), ask("b")], [vectors("b", [1.0, 2.0]), vectors("a", [1.0])]))) == 2


@pytest.mark.parametrize("value", ["not base64!", [1.0, "2"], [True], {"a": 1}, None, [1e39]])
def test_a_vector_that_can_not_be_read_keeps_its_body(tmp_path: Path, value: Any) -> None:
    """It is counted, and none of the request's vectors is half there."""
    job = joined(tmp_path, [ask("a"), ask("b")], [vectors("a", [1.0], value), vectors("b", [2.0])])
    broken, good = job
    assert (broken["outcome"], broken["embedding"], broken["embedding_index"]) == ("succeeded", None, None)
    assert json.loads(broken["response_body"])["data"][1]["embedding"] == value
    assert (good["embedding"], good["response_body"]) == ([2.0], None)
    assert job.report.misfits == 1


def test_an_answer_without_vectors_is_a_row_without_a_vector(tmp_path: Path) -> None:
    """An empty list of them is no response, and no reason to drop the request."""
    (row,) = joined(tmp_path, [ask("a", [])], [vectors("a")])
    assert (row["custom_id"], row["outcome"], row["embedding"], row["total_tokens"]) == ("a", "no_response", None, 4)


def test_texts_are_found_by_index(tmp_path: Path) -> None:
    """Also where the vectors come in another order, or are more than the texts."""
    line = json.loads(vectors("a", [0.0], [1.0], [9.0]))
    line["response"]["body"]["data"].reverse()
    rows = list(joined(tmp_path, [ask("a", ["zero", "one"])], [json.dumps(line).encode()]))
    assert [(row["embedding_index"], row["input_text"], row["embedding"]) for row in rows] == [
        (2, None, [9.0]),
        (1, "one", [1.0]),
        (0, "zero", [0.0]),
    ]


def test_texts_are_there_without_the_bodies(tmp_path: Path) -> None:
    """`request_bodies="none"` leaves the body away and not what it was read for."""
    (row,) = joined(tmp_path, [ask("a", "some text")], [vectors("a", [1.0])], request_bodies="none")
    assert (row["input_text"], row["request_body"]) == ("some text", None)


# Which table


MIXED = {
    "vectors first": [ask("v"), request("w")],
    "words first": [request("w"), ask("v")],
}


@pytest.mark.parametrize("order", MIXED)
@pytest.mark.parametrize("files", ["one file", "two files"])
def test_requests_of_several_endpoints_make_the_requests_table(tmp_path: Path, order: str, files: str) -> None:
    """Whatever comes first, in one file or in several: words have no column in the other table, vectors keep their body."""
    lines = MIXED[order]
    if files == "one file":
        inputs = [put(tmp_path / "in.jsonl", *lines)]
    else:
        inputs = [put(tmp_path / f"in-{number}.jsonl", line) for number, line in enumerate(lines)]
    results = put(tmp_path / "out.jsonl", vectors("v", [1.0]), success("w", "words"))
    job = batchfiles.join(*inputs, results)
    rows = {row["custom_id"]: row for row in job}
    assert job.report.table == "requests"
    assert rows["w"]["text"] == "words"
    assert json.loads(rows["v"]["response_body"])["data"][0]["embedding"] == [1.0]
    assert job.report.embeddings_in_requests == 1
    assert job.report.rows == 2


@pytest.mark.parametrize(
    ("lines", "table"),
    [
        ([ask("a")], "embeddings"),
        ([ask("a"), b"", b"{broken"], "embeddings"),
        ([b"{broken", ask("a")], "embeddings"),
        ([request("a", "/embeddings")], "embeddings"),
        ([json.dumps({"body": {}, "url": URL, "method": "POST", "custom_id": "a"}).encode()], "embeddings"),
        ([request("a")], "requests"),
        ([request("a", "/v1/other")], "requests"),
        ([json.dumps({"custom_id": "a", "body": {"input": "x"}}).encode()], "requests"),
        ([], "requests"),
    ],
)
def test_the_urls_choose_the_table(tmp_path: Path, lines: list[bytes], table: str) -> None:
    """All requests must be for vectors; lines that can't be read have no say."""
    assert batchfiles.join(inputs=[put(tmp_path / "in.jsonl", *lines)]).report.table == table


def test_the_table_may_be_named(tmp_path: Path) -> None:
    """An option is stronger than what the requests say."""
    job = joined(tmp_path, [ask("a")], [vectors("a", [1.0])], table="requests")
    assert (job.schema, job.report.embeddings_in_requests) == (batchfiles.schema(), 1)
    assert joined(tmp_path, [request("a")], [success("a")], table="embeddings").schema == batchfiles.schema("embeddings")


@pytest.mark.parametrize(
    ("files", "table"),
    [
        ([[vectors("a", [1.0])]], "embeddings"),
        ([[failure("a"), vectors("b", [1.0])]], "embeddings"),
        ([[vectors("a", [1.0])], [failure("a")]], "embeddings"),
        ([[vectors("a", [1.0])], [success("a")]], "requests"),
        ([[failure("a")]], "requests"),
        ([[]], "requests"),
    ],
)
def test_an_export_chooses_by_the_first_success_of_each_file(tmp_path: Path, files: list[list[bytes]], table: str) -> None:
    """It has no requests to ask."""
    job = batchfiles.export(*[put(tmp_path / f"{number}.jsonl", *lines) for number, lines in enumerate(files)])
    assert job.report.table == table
    assert job.report.rows == sum(map(len, files))


def test_an_export_of_vectors_knows_no_texts(tmp_path: Path) -> None:
    """They stand in the requests."""
    job = batchfiles.export(put(tmp_path / "out.jsonl", vectors("a", [1.0], [2.0]), failure("b"), b"{"))
    rows = [(row["custom_id"], row["outcome"], row["embedding"], row["input_text"]) for row in job]
    assert rows == [
        ("a", "succeeded", [1.0], None),
        ("a", "succeeded", [2.0], None),
        ("b", "failed", None, None),
        (None, "malformed", None, None),
    ]


def test_a_completion_in_a_table_of_vectors_is_not_lost(tmp_path: Path) -> None:
    """It has no vector, and keeps its body, also where its request was for one."""
    (row,) = joined(tmp_path, [ask("a")], [result("a", completion("words"))])
    assert "words" in row["response_body"]
