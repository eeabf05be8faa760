"""The fixtures themselves: nothing is missing from them, and each is as odd as its row."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import orjson
import pytest

FIXTURES = Path(__file__).parent.parent / "fixtures"
SHAPES = FIXTURES / "shapes"
ENDPOINTS = ("chat_completions", "responses", "completions", "embeddings", "moderations", "images", "azure")
OUTCOMES = {"succeeded", "incomplete", "failed", "expired", "cancelled", "no_response", "malformed"}
INPUT_VERDICTS = {
    "-",
    "finding",
    "invalid_json_line",
    "invalid_url",
    "mismatched_model",
    "missing_required_parameter",
    "duplicate_custom_id",
    "streaming_unsupported",
    "unknown_parameter",
}
OWN_LINE_ENDS = {"crlf", "blank_lines", "bom", "no_last_newline", "cut_line", "cut_before_id", "lone_carriage_return"}


def rows() -> dict[str, list[str]]:
    """Read the README's table: the name of a shape, and what each of its lines is."""
    table = re.findall(r"^\| `(\w+)\.jsonl` \|.*\| ([\w, -]+) \|$", (SHAPES / "README.md").read_text("utf-8"), re.MULTILINE)
    assert len(table) == len(dict(table))
    return {name: outcomes.split(", ") for name, outcomes in table}


def lines(path: Path) -> list[bytes]:
    """Return the lines that are not blank, free of byte order mark and line end."""
    data = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    return [line.removesuffix(b"\r") for line in data.split(b"\n") if line.strip()]


def decode(line: bytes) -> Any:
    """Decode as leniently as the standard library can, integers of any length included; a line that it refuses is malformed."""
    return json.loads(line.decode("utf-8"), parse_int=float)


def ids(path: Path) -> list[str]:
    """Return the `custom_id` of every line."""
    return [orjson.loads(line)["custom_id"] for line in lines(path)]


RESULT_SHAPES = sorted(name for name in rows() if not name.startswith("input_"))
INPUT_SHAPES = sorted(name for name in rows() if name.startswith("input_"))


def test_every_shape_has_a_row_and_every_row_a_shape() -> None:
    """The table and the folder name the same files, and there are many of them."""
    files = {path.stem for path in SHAPES.glob("*.jsonl")} - {"requests"}
    assert files == set(rows())
    assert len(files) >= 80


@pytest.mark.parametrize("name", RESULT_SHAPES)
def test_a_shape_names_an_outcome_for_every_line(name: str) -> None:
    """The outcomes of a row are as many as the lines of its file, and are known ones."""
    assert len(rows()[name]) == len(lines(SHAPES / f"{name}.jsonl")) > 0
    assert set(rows()[name]) <= OUTCOMES


@pytest.mark.parametrize("name", RESULT_SHAPES)
def test_only_malformed_lines_cannot_be_decoded_to_a_result(name: str) -> None:
    """Every other line decodes to an object with an id, which is a string except in the shape without ids."""
    for line, outcome in zip(lines(SHAPES / f"{name}.jsonl"), rows()[name], strict=True):
        try:
            value = decode(line)
        except ValueError:
            value = None
        assert isinstance(value, dict) == (outcome != "malformed")
        assert not isinstance(value, dict) or isinstance(value["custom_id"], str) == (name != "id_null")


@pytest.mark.parametrize("name", INPUT_SHAPES)
def test_an_input_shape_names_an_outcome_for_every_line(name: str) -> None:
    """The known outcomes of a row are as many as the lines of its file, and are codes of OpenAI's or one of two words."""
    assert len(rows()[name]) == len(lines(SHAPES / f"{name}.jsonl")) > 0
    assert set(rows()[name]) <= INPUT_VERDICTS


def test_every_outcome_is_shown() -> None:
    """No outcome that a single line can have is without a shape."""
    assert {outcome for name in RESULT_SHAPES for outcome in rows()[name]} == OUTCOMES


def test_every_result_has_a_request_and_only_one_request_has_no_result() -> None:
    """The requests belong to the shapes, malformed ones too where the id is before the damage."""
    requests = ids(SHAPES / "requests.jsonl")
    assert len(requests) == len(set(requests))
    answered = set()
    for name in RESULT_SHAPES:
        for line in lines(SHAPES / f"{name}.jsonl"):
            # The raw bytes, because the damage is after the id; the last id wins, as with any repeated key.
            found = re.findall(rb'[\'"]custom_id[\'"]: ?[\'"]([^\'"]*)[\'"]', line)
            answered |= {json.loads(b'"' + custom_id + b'"') for custom_id in found[-1:]}
    assert answered <= set(requests)
    assert set(requests) - answered == {"whole_batch_error-1"}


@pytest.mark.parametrize("name", sorted(set(RESULT_SHAPES) - OWN_LINE_ENDS))
def test_other_shapes_end_their_lines_with_a_newline(name: str) -> None:
    """One oddity a file: shapes that are not about line ends have ordinary ones."""
    data = (SHAPES / f"{name}.jsonl").read_bytes()
    assert data.endswith(b"\n")
    assert b"\r" not in data
    assert b"\n\n" not in data


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("raw_line_separators", ["\u2028".encode(), "\u2029".encode(), "\x85".encode()]),
        ("crlf", [b"}\r\n{", b"}\r\n"]),
        ("lone_carriage_return", [b",\r"]),
        ("blank_lines", [b"\n\n", b" \t\n", b"\r\n"]),
        ("bom", [b"\xef\xbb\xbf{"]),
        ("lone_surrogate", [rb'\ud83d"', rb"\udcda\ud83d"]),
        ("sglang_nan", [b": NaN", b": Infinity", b": -Infinity"]),
        ("big_numbers", [b"18446744073709551616", b"9223372036854775808", b"1e3"]),
        ("escaped_id", [rb"caf\u00e9"]),
        ("escaped_control_characters", [rb"\u0000", rb"\u001c"]),
        ("compact_json", [b'","custom_id":"']),
    ],
)
def test_the_bytes_that_make_a_shape_odd_are_still_there(name: str, marks: list[bytes]) -> None:
    """An editor or a version control that fixes files would be noticed."""
    data = (SHAPES / f"{name}.jsonl").read_bytes()
    assert all(mark in data for mark in marks)


@pytest.mark.parametrize("name", ["lone_surrogate", "sglang_nan", "huge_integer"])
def test_shapes_for_the_slow_path_are_refused_by_orjson(name: str) -> None:
    """Each line can be decoded with the standard library and not with orjson."""
    for line in lines(SHAPES / f"{name}.jsonl"):
        decode(line)
        with pytest.raises(orjson.JSONDecodeError):
            orjson.loads(line)


@pytest.mark.parametrize("folder", ENDPOINTS)
def test_results_of_an_endpoint_belong_to_its_requests(folder: str) -> None:
    """Ids are unique on both sides, no result is without its request, and a result is in one file."""
    requests = ids(FIXTURES / folder / "requests.jsonl")
    results = [custom_id for path in sorted((FIXTURES / folder).glob("batch_*.jsonl")) for custom_id in ids(path)]
    assert len(requests) == len(set(requests)) >= 3
    assert len(results) == len(set(results))
    assert set(results) <= set(requests)


@pytest.mark.parametrize("folder", ENDPOINTS[:5])
def test_an_endpoint_shows_successes_failures_and_an_expired_request(folder: str) -> None:
    """The files are written as OpenAI writes them, in another order than the requests."""
    (output,) = (FIXTURES / folder).glob("batch_*_output.jsonl")
    (error,) = (FIXTURES / folder).glob("batch_*_error.jsonl")
    for path in (output, error):
        for line in lines(path):
            assert list(orjson.loads(line)) == ["id", "custom_id", "response", "error"]
            assert line.startswith(b'{"id": "batch_req_')
    assert all(orjson.loads(line)["response"]["status_code"] == 200 for line in lines(output))
    failures = [orjson.loads(line) for line in lines(error)]
    assert sum(line["response"] is None and line["error"]["code"] == "batch_expired" for line in failures) >= 1
    assert sum(line["error"] is None and "error" in line["response"]["body"] for line in failures) >= 1
    assert ids(output) != sorted(ids(output), key=ids(FIXTURES / folder / "requests.jsonl").index)


@pytest.mark.parametrize(("folder", "custom_id"), [("chat_completions", "ticket-0015"), ("responses", "doc-a16")])
def test_one_request_is_answered_nowhere(folder: str, custom_id: str) -> None:
    """A join has something to find missing."""
    counted = Counter(custom_id for path in (FIXTURES / folder).glob("*.jsonl") for custom_id in ids(path))
    assert [name for name, count in counted.items() if count == 1] == [custom_id]


def test_a_batch_that_failed_wholly_has_no_output_file() -> None:
    """The service leaves the output file away, and all requests are in the error file."""
    (error,) = (FIXTURES / "all_failed").glob("batch_*.jsonl")
    assert error.name.endswith("_error.jsonl")
    assert sorted(ids(error)) == sorted(ids(FIXTURES / "all_failed" / "requests.jsonl"))


def test_files_of_no_bytes_are_empty() -> None:
    """Azure writes an error file of no bytes, and a batch of nothing has two such files."""
    empty = {path.parent.name for path in FIXTURES.glob("*/*.jsonl") if not path.stat().st_size}
    assert empty == {"azure", "empty"}
    assert [path.stat().st_size for path in (FIXTURES / "empty").iterdir()] == [0, 0]


def test_lines_of_other_providers_lack_what_makes_a_batch_line() -> None:
    """None of them has both an id and a body, or an id and a response."""
    paths = sorted((FIXTURES / "other_providers").glob("*.jsonl"))
    assert len(paths) == 8
    for path in paths:
        for line in lines(path):
            keys = set(orjson.loads(line))
            assert not {"custom_id", "body"} <= keys
            assert not {"custom_id", "response"} <= keys
