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
from batchfiles import InvalidLineError
from tests.jobs.wire import completion, expired, failure, put, request, result, success

FIXTURE = Path(__file__).parents[2] / "fixtures" / "embeddings"
URL = "/v1/embeddings"


def ask(custom_id: str, given: Any = "some text", **more: Any) -> bytes:
    """Make a request for vectors."""
    return request(custom_id, URL, input=given, **more)


def vectors(custom_id: str, *values: Any, tokens: int = 4, **more: Any) -> bytes:
    """Make its answer."""
    data = [{"object": "embedding", "index": index, "embedding": value} for index, value in enumerate(values)]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return result(custom_id, {"object": "list", "data": data, "model": "vec-1", "usage": usage, **more})


def joined(folder: Path, inputs: list[bytes], results: list[bytes], **options: Any) -> batchfiles.Join:
    """Join lines."""
    return batchfiles.join(put(folder / "in.jsonl", *inputs), put(folder / "out.jsonl", *results), **options)


def test_each_vector_is_a_row(tmp_path: Path) -> None:
    """In the order of the body, with its index and its text."""
    job = joined(
        tmp_path, [ask("a", ["one", "two"]), ask("b", "three")], [vectors("b", [3.0]), vectors("a", [1.0, 0.5], [2.0, 0.25])]
    )
    assert job.summarize().table == "embeddings"
    rows = [(row["custom_id"], row["embedding_index"], row["input_text"], row["embedding"]) for row in job]
    assert rows == [("a", 0, "one", [1.0, 0.5]), ("a", 1, "two", [2.0, 0.25]), ("b", 0, "three", [3.0])]
    assert (job.summarize().inputs, job.summarize().rows) == (2, 3)


def test_values_of_the_request_are_on_its_first_row_only(tmp_path: Path) -> None:
    """So that tokens may be summed; the columns that locate a row are repeated."""
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
    assert job.summarize().outcomes["succeeded"] == 8
    assert job.summarize().rows == len(rows) == len({(row["custom_id"], row["embedding_index"]) for row in rows})


def test_base64_and_floats_are_the_same_vector(tmp_path: Path) -> None:
    """Rounded to float32 once, by either side."""
    values = [0.1, -1e-7, 3.4e38, 0.0, 1.0]
    packed = b64encode(struct.pack("<5f", *values)).decode()
    one, other = joined(tmp_path, [ask("a"), ask("b")], [vectors("a", values), vectors("b", packed)])
    assert one["embedding"] == other["embedding"] == list(struct.unpack("<5f", struct.pack("<5f", *values)))


@pytest.mark.parametrize("dimensions", [None, 2])
@pytest.mark.parametrize("order", ["vectors first", "vectors last"])
def test_a_request_without_a_vector_has_a_row(tmp_path: Path, dimensions: int | None, order: str) -> None:
    """Missing, failed, expired, malformed, or answered with text, which is `no_response`: its vector is null."""
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
    """With the remedy; nothing is written."""
    job = joined(
        tmp_path, [ask("a"), ask("b")], [vectors("b", [1.0, 2.0]), vectors("a", [1.0, 2.0, 3.0])], dimensions=2, workers=workers
    )
    with pytest.raises(InvalidLineError, match=r"3 dimensions and not 2: name 3 \(--dimensions\)") as caught:
        job.to_parquet(tmp_path / "table.parquet")
    assert (caught.value.path, caught.value.line_number) == (str(tmp_path / "out.jsonl"), 2)
    assert caught.value.role == "output"
    assert not (tmp_path / "table.parquet").exists()
    assert len(list(joined(tmp_path, [ask("a"), ask("b")], [vectors("b", [1.0, 2.0]), vectors("a", [1.0])]))) == 2


@pytest.mark.parametrize("value", ["not base64!", [1.0, "2"], [True], {"a": 1}, None, [1e39]])
def test_a_vector_that_can_not_be_read_keeps_its_body(tmp_path: Path, value: Any) -> None:
    """It is counted, its row has its text, and the vectors around it are there."""
    job = joined(
        tmp_path, [ask("a", ["one", "two", "three"]), ask("b")], [vectors("a", [1.0], value, [3.0]), vectors("b", [2.0])]
    )
    first, broken, third, good = job
    assert (first["embedding"], third["embedding"]) == ([1.0], [3.0])
    assert (broken["outcome"], broken["embedding"], broken["embedding_index"]) == ("succeeded", None, 1)
    assert broken["input_text"] == "two"
    assert json.loads(first["response_body"])["data"][1]["embedding"] == value
    assert (good["embedding"], good["response_body"]) == ([2.0], None)
    assert (job.summarize().conversion_errors, job.summarize().short) == (1, 0)


def test_an_answer_without_vectors_is_a_row_without_a_vector(tmp_path: Path) -> None:
    """An empty list of them is `no_response`, and the request keeps its row."""
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
    """`request_bodies="none"` leaves out the body, but not the texts from it."""
    (row,) = joined(tmp_path, [ask("a", "some text")], [vectors("a", [1.0])], request_bodies="none")
    assert (row["input_text"], row["request_body"]) == ("some text", None)


# In another encoding


HALVES = "ADgAtAAwADw="
"""0.5, -0.25, 0.125 and 1.0 as float16; as float32 it would be two other numbers."""


@pytest.mark.parametrize(
    ("request_ref", "sent", "vector"),
    [
        ({"encoding_format": "base64", "embed_dtype": "float16"}, HALVES, [0.5, -0.25, 0.125, 1.0]),
        ({"encoding_format": "base64", "embed_dtype": "bfloat16"}, "AD+AvgA+gD8=", [0.5, -0.25, 0.125, 1.0]),
        ({"encoding_format": "base64", "embed_dtype": "float16", "endianness": "big"}, "OAC0ADAAPAA=", [0.5, -0.25, 0.125, 1.0]),
        ({"encoding_format": "base64", "output_dtype": "int8"}, "Af+Afw==", [1.0, -1.0, -128.0, 127.0]),
        ({"output_dtype": "binary", "output_dimension": 32}, [1, -1, -128, 127], [1.0, -1.0, -128.0, 127.0]),
        ({"encoding_format": "base64_binary", "dimensions": 32}, "Af+Afw==", [1.0, 255.0, 128.0, 127.0]),
    ],
)
@pytest.mark.parametrize("request_bodies", ["all", "none"])
def test_the_encoding_is_what_the_request_asked_for(
    tmp_path: Path, request_ref: dict[str, Any], sent: Any, vector: list[float], request_bodies: str
) -> None:
    """With `embed_dtype` vLLM writes float16, and the answer does not state it."""
    inputs = [ask("plain"), ask("a", **request_ref), ask("b", **request_ref)]
    lines = [vectors("b", sent), vectors("a", sent), vectors("plain", [5.0])]
    job = joined(tmp_path, inputs, lines, request_bodies=request_bodies)
    assert [(row["custom_id"], row["embedding"]) for row in job] == [("plain", [5.0]), ("a", vector), ("b", vector)]
    assert all(row["response_body"] is None for row in job)
    assert (job.summarize().conversion_errors, job.summarize().wrong_dimensions) == (0, 0)


def test_an_encoding_that_is_not_known_is_a_conversion_error(tmp_path: Path) -> None:
    """Its bytes could be anything; a list of numbers is one under any name."""
    inputs = [ask("a", encoding_format="packed9"), ask("b", encoding_format="packed9")]
    job = joined(tmp_path, inputs, [vectors("a", HALVES), vectors("b", [1.0])])
    text, numbers = job
    assert (text["embedding"], text["embedding_index"], text["input_text"]) == (None, 0, "some text")
    assert json.loads(text["response_body"])["data"][0]["embedding"] == HALVES
    assert (numbers["embedding"], numbers["response_body"], job.summarize().conversion_errors) == ([1.0], None, 1)


def packed(*values: float) -> str:
    """Return a vector as OpenAI writes it."""
    return b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("place", [0, 1, 3])
@pytest.mark.parametrize(
    "text",
    ["AQID", packed(1.0, 2.0, 3.0), "AQAAAAIAAAA=", "not base64"],
    ids=["not whole numbers", "another length", "denormal", "not base64"],
)
def test_an_export_takes_no_text_for_float32_that_can_not_be(tmp_path: Path, text: str, place: int, workers: int) -> None:
    """It has no request to ask: the vector is null, the body is kept, and the value is counted."""
    lines = [vectors(f"v{number}", packed(number, 2.0)) for number in range(3)]
    lines.insert(place, vectors("other", text))
    job = batchfiles.export(put(tmp_path / "out.jsonl", *lines), workers=workers)
    rows = {row["custom_id"]: row for row in job}
    assert {custom_id: row["embedding"] for custom_id, row in rows.items()} == {
        "other": None,
        **{f"v{number}": [number, 2.0] for number in range(3)},
    }
    assert (rows["other"]["embedding_index"], rows["v0"]["response_body"], job.summarize().conversion_errors) == (0, None, 1)
    assert json.loads(rows["other"]["response_body"])["data"][0]["embedding"] == text


def test_an_export_compares_the_lengths_within_a_file_and_a_model(tmp_path: Path) -> None:
    """Two files, or two models of one file, may have vectors of different lengths; so may lists of numbers."""
    one = put(
        tmp_path / "1.jsonl", vectors("a", packed(1.0)), vectors("b", packed(1.0, 2.0), model="vec-2"), vectors("c", [1, 2, 3])
    )
    two = put(tmp_path / "2.jsonl", vectors("d", packed(1.0, 2.0)), vectors("e", packed(1.0, 2.0), model=None))
    job = batchfiles.export(one, two)
    assert [len(row["embedding"]) for row in job] == [1, 2, 3, 2, 2]
    assert job.summarize().conversion_errors == 0


def test_a_vector_in_several_types_is_taken_in_one_and_its_body_kept(tmp_path: Path) -> None:
    """Cohere answers in as many types as were asked for; the table has one column."""
    body = {"embeddings": {"int8": [[5, 6], [7, 8]], "float": [[0.5, 0.75], [1.0, 2.0]]}, "model": "vec-1"}
    request_ref = ask("a", ["one", "two"], embedding_types=["int8", "float"])
    first, second = joined(tmp_path, [request_ref], [result("a", body)])
    assert (first["embedding"], second["embedding"], second["input_text"]) == ([0.5, 0.75], [1.0, 2.0], "two")
    assert json.loads(first["response_body"]) == body


# Fewer or more than requested


def test_a_text_without_a_vector_has_a_row(tmp_path: Path) -> None:
    """A server that answers two texts with one vector loses nothing in silence; a vector of another length is named."""
    job = joined(
        tmp_path, [ask("z"), ask("a", ["one", "two"], dimensions=2)], [vectors("a", [1.0, 2.0, 3.0]), vectors("z", [1.0])]
    )
    rows = [(row["custom_id"], row["embedding_index"], row["input_text"], row["embedding"], row["total_tokens"]) for row in job]
    assert rows == [("z", 0, "some text", [1.0], 4), ("a", 0, "one", [1.0, 2.0, 3.0], 4), ("a", 1, "two", None, None)]
    assert {row["outcome"] for row in job} == {"succeeded"}
    report = job.summarize()
    assert (report.short, report.wrong_dimensions, report.surplus, report.conversion_errors) == (1, 1, 0, 0)
    assert (report.examples["short"], report.examples["wrong_dimensions"]) == (("a",), ("a (3, not 2)",))


@pytest.mark.parametrize(
    ("given", "sent", "indexes", "short", "surplus"),
    [
        (["one", "two", "three"], [(2, 1.0)], [2, 0, 1], 2, 0),
        (["one", "two", "three"], [(1, 1.0), (0, 2.0), (2, 3.0)], [1, 0, 2], 0, 0),
        ([[1, 2], [3, 4]], [(1, 1.0)], [1, 0], 1, 0),
        ([1, 2, 3], [(0, 1.0)], [0], 0, 0),
        ([1, 2, 3], [(0, 1.0), (1, 2.0)], [0, 1], 0, 1),
        ("one", [(0, 1.0), (5, 2.0)], [0, 5], 0, 1),
        ("one", [(1, 1.0)], [1, 0], 1, 1),
        ([{"text": "one"}, {"image": "…"}], [(0, 1.0)], [0, 1], 1, 0),
    ],
)
@pytest.mark.parametrize("dimensions", [None, 1])
def test_texts_and_vectors_are_compared_by_index(
    tmp_path: Path, given: Any, sent: list[Any], indexes: list[int], short: int, surplus: int, dimensions: int | None
) -> None:
    """A list of tokens is one text, and a list of lists as many as it has; an index beyond them is counted too."""
    line = json.loads(vectors("a"))
    line["response"]["body"]["data"] = [{"object": "embedding", "index": index, "embedding": [value]} for index, value in sent]
    job = joined(tmp_path, [ask("a", given)], [json.dumps(line).encode()], dimensions=dimensions)
    table = job.to_arrow()
    table.validate(full=True)
    rows = table.to_pylist()
    assert [row["embedding_index"] for row in rows] == indexes
    assert [row["embedding"] for row in rows] == [[value] for _, value in sent] + [None] * (len(indexes) - len(sent))
    assert (job.summarize().short, job.summarize().surplus) == (short, surplus)


def test_two_vectors_for_one_text_are_none(tmp_path: Path) -> None:
    """The right one is unknown; two equal ones are one vector. Both are counted, and the key stays unique."""
    line = json.loads(vectors("a", [1.0], [2.0], [3.0]))
    data = line["response"]["body"]["data"]
    data[1]["index"] = 0
    again = json.loads(vectors("b", [1.0], [1.0]))
    again["response"]["body"]["data"][1]["index"] = 0
    job = joined(tmp_path, [ask("a", ["x", "y", "z"]), ask("b")], [json.dumps(each).encode() for each in (line, again)])
    rows = [(row["custom_id"], row["embedding_index"], row["embedding"], row["response_body"] is not None) for row in job]
    assert rows == [("a", 0, None, True), ("a", 2, [3.0], False), ("a", 1, None, False), ("b", 0, [1.0], False)]
    report = job.summarize()
    assert (report.repeated_index, report.short, report.conversion_errors) == (2, 1, 1)


@pytest.mark.parametrize("key", ["dimensions", "output_dimension"])
def test_a_vector_of_other_dimensions_is_counted(tmp_path: Path, key: str) -> None:
    """It stays in the table: the user decides whether it is useful."""
    inputs = [ask(custom_id, **{key: 2}) for custom_id in "abc"]
    lines = [vectors("a", [1.0, 2.0]), vectors("b", [1.0]), vectors("c", packed(1.0, 2.0, 3.0))]
    job = joined(tmp_path, inputs, lines)
    assert [len(row["embedding"]) for row in job] == [2, 1, 3]
    assert job.summarize().wrong_dimensions == 2
    assert job.summarize().examples["wrong_dimensions"] == ("b (1, not 2)", "c (3, not 2)")


def test_a_failed_request_is_one_row(tmp_path: Path) -> None:
    """Without an answer nothing can be short."""
    job = joined(tmp_path, [ask("a", ["one", "two"]), ask("b", ["one", "two"])], [failure("a")])
    assert [(row["custom_id"], row["embedding_index"]) for row in job] == [("a", None), ("b", None)]
    assert job.summarize().short == 0


def test_texts_without_a_vector_are_counted_in_the_other_table_too(tmp_path: Path) -> None:
    """Files that mix endpoints make the requests table, whose row is the whole answer."""
    job = joined(tmp_path, [request("w"), ask("a", ["one", "two"])], [success("w"), vectors("a", [1.0])])
    assert (job.summarize().table, job.summarize().embeddings_in_requests, job.summarize().short) == ("requests", 1, 1)


# Which table


MIXED = {
    "vectors first": [ask("v"), request("w")],
    "words first": [request("w"), ask("v")],
}


@pytest.mark.parametrize("order", MIXED)
@pytest.mark.parametrize("files", ["one file", "two files"])
def test_requests_of_several_endpoints_make_the_requests_table(tmp_path: Path, order: str, files: str) -> None:
    """In any order, in one file or in several: words have no column in the other table, vectors keep their body."""
    lines = MIXED[order]
    if files == "one file":
        inputs = [put(tmp_path / "in.jsonl", *lines)]
    else:
        inputs = [put(tmp_path / f"in-{number}.jsonl", line) for number, line in enumerate(lines)]
    results = put(tmp_path / "out.jsonl", vectors("v", [1.0]), success("w", "words"))
    job = batchfiles.join(*inputs, results)
    rows = {row["custom_id"]: row for row in job}
    assert job.summarize().table == "requests"
    assert rows["w"]["text"] == "words"
    assert json.loads(rows["v"]["response_body"])["data"][0]["embedding"] == [1.0]
    assert job.summarize().embeddings_in_requests == 1
    assert job.summarize().rows == 2


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
    """All requests must be for vectors; unreadable lines don't count."""
    assert batchfiles.join(inputs=[put(tmp_path / "in.jsonl", *lines)]).summarize().table == table


def test_the_table_may_be_named(tmp_path: Path) -> None:
    """An option is stronger than the requests."""
    job = joined(tmp_path, [ask("a")], [vectors("a", [1.0])], table="requests")
    assert (job.schema, job.summarize().embeddings_in_requests) == (batchfiles.schema(), 1)
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
    assert job.summarize().table == table
    assert job.summarize().rows == sum(map(len, files))


def test_an_export_of_vectors_knows_no_texts(tmp_path: Path) -> None:
    """They are in the requests."""
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
