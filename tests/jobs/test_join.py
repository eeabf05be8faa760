"""`join`: every request with its outcome, every result line accounted for, re-iterable."""

from __future__ import annotations

import errno
import gc
import gzip
import io
import json
import os
import re
import sys
import threading
import warnings
from itertools import pairwise
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import DuplicateCustomIdError, FileError, MismatchError
from batchfiles.jobs.join import accounting, scan
from batchfiles.jobs.join.lazy_join import Join
from tests.jobs.oracle import raw_value, response_body_of
from tests.jobs.wire import completion, expired, failure, put, request, result, success

SHAPES = Path(__file__).parents[2] / "fixtures" / "shapes"
ROWS = dict(re.findall(r"^\| `(\w+)\.jsonl` \|.*\| ([\w, -]+) \|$", (SHAPES / "README.md").read_text("utf-8"), re.MULTILINE))
RESULT_SHAPES = [SHAPES / f"{name}.jsonl" for name in ROWS if not name.startswith("input_")]
TASKS = scan.tasks


@pytest.fixture
def small_ranges(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut files into ranges of a few lines, as large files are."""
    monkeypatch.setattr(scan, "tasks", lambda sizes, *_: TASKS(sizes, 2_000))


def outcomes(job: Join) -> dict[str | None, str]:
    """Return the outcome of each request."""
    return {row["custom_id"]: row["outcome"] for row in job}


def numbers(job: Join) -> dict[str, int]:
    """Return the numbers of a report that are not 0, except those that every join has; the answers here have no tokens."""
    report = job.summarize().to_dict()
    return {
        name: value
        for name, value in report.items()
        if type(value) is int and value and name not in ("rows", "inputs", "result_lines", "no_token_counts")
    }


# One request, one row


def test_each_request_gets_its_result_in_the_order_of_the_requests(tmp_path: Path) -> None:
    """Results come in another order and in several files; a request without one is missing."""
    inputs = put(tmp_path / "in.jsonl", request("a"), request("b"), request("c"), request("d"))
    output = put(tmp_path / "batch_1_output.jsonl", success("c", "C"), success("a", "A"))
    errors = put(tmp_path / "batch_1_error.jsonl", failure("b"))
    job = batchfiles.join(errors, inputs, output)
    rows = list(job)
    assert [(row["custom_id"], row["outcome"], row["text"], row["attempts"]) for row in rows] == [
        ("a", "succeeded", "A", 1),
        ("b", "failed", None, 1),
        ("c", "succeeded", "C", 1),
        ("d", "missing", None, 0),
    ]
    assert (rows[0]["result_source"], rows[0]["result_line_number"], rows[0]["batch_id"]) == (str(output), 2, "batch_1")
    assert (rows[3]["input_source"], rows[3]["input_line_number"], rows[3]["retryable"]) == (str(inputs), 4, True)
    assert job.summarize().outcomes == {
        **dict.fromkeys(("incomplete", "expired", "cancelled", "no_response", "malformed"), 0),
        "succeeded": 2,
        "failed": 1,
        "missing": 1,
    }
    assert numbers(job) == {"used": 3, "missing": 1}


def test_a_repeated_request_gets_its_result_twice(tmp_path: Path) -> None:
    """Both rows are there, and the second is counted, with both places."""
    inputs = put(tmp_path / "in.jsonl", request("a"), request("b"), request("a"))
    job = batchfiles.join(inputs, put(tmp_path / "out.jsonl", success("a")))
    assert [row["outcome"] for row in job] == ["succeeded", "missing", "succeeded"]
    assert numbers(job) == {"used": 1, "missing": 1, "duplicate_inputs": 1}
    assert job.summarize().examples["duplicate"] == (f"{inputs}:3 (first at {inputs}:1)",)


def test_ids_are_compared_as_they_are_decoded(tmp_path: Path) -> None:
    r"""`"caf\u00e9"` and `"café"` are one id; `"a"` and `"A"`, `"1"` and `"01"`, `"é"` in one and in two code points are two."""
    inputs = put(tmp_path / "in.jsonl", *map(request, ("café", "a", "1", "e\u0301")))
    results = put(tmp_path / "out.jsonl", success("café").replace("é".encode(), b"\\u00E9"), *map(success, ("A", "01", "\xe9")))
    job = batchfiles.join(inputs, results)
    assert list(outcomes(job).values()) == ["succeeded", "missing", "missing", "missing"]
    assert job.summarize().unknown == 3


@pytest.mark.parametrize(
    ("lines", "text", "attempts", "counts"),
    [
        ([failure("a"), success("a", "yes")], "yes", 2, {"superseded": 1}),
        ([success("a", "yes"), failure("a", 500), expired("a")], "yes", 3, {"superseded": 2}),
        ([success("a", "cut", finish_reason="length", created=9), success("a", "yes", created=1)], "yes", 2, {"superseded": 1}),
        ([success("a", "cut", finish_reason="length"), failure("a")], "cut", 2, {"superseded": 1}),
        ([success("a", "late", created=9), success("a", "early", created=3)], "late", 2, {"superseded": 1, "conflicting": 1}),
        ([success("a", "first"), success("a", "second")], "second", 2, {"superseded": 1, "conflicting": 1}),
        ([success("a", "same"), success("a", "same")], "same", 2, {"superseded": 1}),
        (
            [success("a", "dated", created=1), success("a", "dateless", created=None)],
            "dated",
            2,
            {"superseded": 1, "conflicting": 1},
        ),
        ([b'{"custom_id": "a", "response": {', success("a", "yes")], "yes", 2, {"superseded": 1, "malformed_results": 1}),
    ],
)
def test_the_best_of_several_results_wins(
    tmp_path: Path, lines: list[bytes], text: str, attempts: int, counts: dict[str, int]
) -> None:
    """Succeeded before incomplete before the rest; among equals the later `created`, then the later line."""
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", *lines))
    assert [(row["text"], row["attempts"]) for row in job] == [(text, attempts)]
    assert numbers(job) == {"used": 1, **counts}


def test_transcripts_as_text_that_differ_are_a_conflict(tmp_path: Path) -> None:
    """Their bodies are not objects, and were compared as nothing; the same text twice is not a conflict."""
    asked = {"custom_id": "a", "method": "POST", "url": "/v1/audio/transcriptions", "body": {"model": "whisper-1"}}
    inputs = put(tmp_path / "in.jsonl", json.dumps(asked).encode())
    for texts, conflicting in ((["hello", "goodbye"], 1), (["hello", "hello"], 0)):
        bodies = [{"status_code": 200, "request_id": "r", "body": text} for text in texts]
        lines = [json.dumps({"custom_id": "a", "response": body, "error": None}).encode() for body in bodies]
        report = batchfiles.join(inputs, put(tmp_path / "out.jsonl", *lines)).summarize()
        assert (report.superseded, report.conflicting) == (1, conflicting)


@pytest.mark.parametrize("readable", [failure("a", 400), failure("a", 503), expired("a")])
@pytest.mark.parametrize(
    "damaged", [success("a")[:-20], b'{"id": "x", "custom_id": "a", "status": "done"}', b'{"custom_id": "a", "re']
)
def test_a_result_that_cannot_be_read_never_wins(tmp_path: Path, readable: bytes, damaged: bytes) -> None:
    """A torn line that came later was once preferred to a readable failure, which has more information."""
    put(tmp_path / "requests.jsonl", request("a"))
    for lines in ([readable, damaged], [damaged, readable]):
        put(tmp_path / "results.jsonl", *lines)
        joined = batchfiles.join(tmp_path)
        (row,) = joined
        assert row["outcome"] == batchfiles.outcome_of(json.loads(readable)).outcome
        assert (joined.summarize().malformed_results, joined.summarize().superseded) == (1, 1)


def test_of_equal_results_that_of_the_file_named_later_wins(tmp_path: Path) -> None:
    """The order of the arguments counts, not that of the names."""
    inputs = put(tmp_path / "in.jsonl", request("a"))
    one, two = (put(tmp_path / f"{name}.jsonl", success("a", name)) for name in ("one", "two"))
    assert [row["text"] for row in batchfiles.join(two, inputs, one)] == ["one"]
    assert [row["text"] for row in batchfiles.join(one, inputs, two)] == ["two"]


def test_ids_that_return_in_every_part_are_not_duplicates(tmp_path: Path) -> None:
    """Each part's results belong to its own requests, so that two of one id are not two for one request."""
    for part in ("one", "two"):
        put(tmp_path / f"{part}.jsonl", request("a", part=part))
        put(tmp_path / f"{part}_output.jsonl", success("a", part))
    rows = batchfiles.join(tmp_path, on_duplicate="error")
    assert [row["text"] for row in rows] == ["one", "two"]


def test_duplicates_may_be_refused(tmp_path: Path) -> None:
    """`on_duplicate="error"` names the request and the places of two results."""
    inputs = put(tmp_path / "in.jsonl", request("b"), request("a"))
    one, two = put(tmp_path / "one.jsonl", success("b"), success("a")), put(tmp_path / "two.jsonl", failure("a"))
    with pytest.raises(DuplicateCustomIdError, match="2 results for one request") as caught:
        batchfiles.join(inputs, one, two, on_duplicate="error").to_arrow()
    error = caught.value
    assert (error.custom_id, error.first_path, error.first_line_number, error.path, error.line_number) == (
        "a",
        str(one),
        2,
        str(two),
        1,
    )
    assert len(list(batchfiles.join(inputs, one, on_duplicate="error"))) == 2


def test_one_and_true_are_two_answers(tmp_path: Path) -> None:
    """Python treats 1 as true; JSON doesn't, and neither does the count of conflicts."""
    lines = [result("a", completion(index=1)), result("a", completion(index=True))]
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", *lines))
    assert numbers(job) == {"used": 1, "superseded": 1, "conflicting": 1}


# Lines that can't be read


@pytest.mark.parametrize(
    "line", [b'{"custom_id": "a"}', b'{"custom_id": "z", "custom_id": "a"}', b'{"custom_id": "a", "response']
)
def test_an_unreadable_result_belongs_to_its_request_if_the_id_can_be_read(tmp_path: Path, line: bytes) -> None:
    """It is a malformed result, not a missing one, and is among the rejects."""
    job = batchfiles.join(put(tmp_path / "out.jsonl", line), inputs=[put(tmp_path / "in.jsonl", request("a"))])
    assert [(row["outcome"], row["retryable"], row["attempts"]) for row in job] == [("malformed", True, 1)]
    assert numbers(job) == {"used": 1, "malformed_results": 1}
    job.write_rejects(tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_bytes() == line + b"\n"


def test_rows_and_files_agree_on_an_unreadable_result_with_two_ids(tmp_path: Path) -> None:
    """A table in memory is made with an exact scan, a file with a fast one; both use the id that decoding keeps."""
    inputs = put(tmp_path / "in.jsonl", request("b"))
    results = put(tmp_path / "out.jsonl", success("zz"), b'{"custom_id": "a", "custom_id": "b"}')
    carefully, quickly = batchfiles.join(inputs, results), batchfiles.join(inputs, results)
    quickly.to_parquet(tmp_path / "table.parquet")
    assert outcomes(carefully) == {"b": "malformed"}
    assert pq.read_table(tmp_path / "table.parquet").to_pylist() == list(carefully)
    assert numbers(carefully) == numbers(quickly) == {"used": 1, "unknown": 1, "malformed_results": 1}


@pytest.mark.parametrize("line", [b'{"custom_id": null}', b'{"custom_id": 7, "response": null, "error": null}', b"7", b"{"])
def test_an_empty_result_without_an_id_is_malformed(tmp_path: Path, line: bytes) -> None:
    """In `join` and in `export`; neither calls it unknown."""
    inputs, results = put(tmp_path / "in.jsonl", request("b")), put(tmp_path / "out.jsonl", success("b"), line)
    job = batchfiles.join(inputs, results)
    assert numbers(job) == {"used": 1, "malformed_results": 1, "malformed_unmatched": 1}
    assert job.summarize().examples == {"malformed": (f"{results}:2",)}
    assert [row["outcome"] for row in batchfiles.export(results)] == ["succeeded", "malformed"]


def test_a_good_result_without_an_id_is_unknown(tmp_path: Path) -> None:
    """Services write them: their request is unknown, and they are kept among the rejects."""
    line = success(None)
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("b")), put(tmp_path / "out.jsonl", line))
    assert numbers(job) == {"missing": 1, "unknown": 1}
    job.write_rejects(tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_bytes() == line + b"\n"


@pytest.mark.parametrize(
    ("line", "code", "message"),
    [
        (request(5), "invalid_type", "'custom_id' must be a string"),
        (request(None), "missing_required_parameter", "Missing required parameter: 'custom_id'."),
        (b"{", "invalid_json_line", None),
        (b"[1]", "invalid_json_line", "the line is JSON but not an object"),
    ],
)
def test_a_request_that_cannot_be_read_has_a_row_that_says_why(
    tmp_path: Path, line: bytes, code: str, message: str | None
) -> None:
    """Its row is in its place, and sending the same line again does not help."""
    inputs = put(tmp_path / "in.jsonl", request("a"), line, request("b"))
    job = batchfiles.join(inputs, put(tmp_path / "out.jsonl", success("a"), success("b")))
    row = list(job)[1]
    assert (row["custom_id"], row["outcome"], row["error_code"], row["retryable"]) == (None, "malformed", code, False)
    assert message in (None, row["error_message"])
    assert numbers(job) == {"used": 2, "malformed_inputs": 1}
    assert [(finding.code, finding.line_number) for finding in job.summarize().findings] == [(code, 2)]


@pytest.mark.parametrize(("native", "workers"), [("0", 1), ("0", 2), ("1", 1)])
@pytest.mark.parametrize("line", [success("a"), expired("a"), b'{"custom_id": "a", "error": null}', success(None)])
def test_a_result_among_the_requests_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, line: bytes, native: str, workers: int
) -> None:
    """Of a file with requests first and results after them, each result made a row more, and its answer was lost."""
    monkeypatch.setenv("BATCHFILES_NATIVE", native)
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b"), line)
    joined = batchfiles.join(inputs, put(tmp_path / "output.jsonl", success("b")), workers=workers)
    with pytest.raises(MismatchError, match=r"jq -c 'select\(\.body\)'") as caught:
        joined.to_parquet(tmp_path / "table.parquet")
    assert (caught.value.path, caught.value.line_number) == (str(inputs), 3)
    assert not (tmp_path / "table.parquet").exists()


@pytest.mark.parametrize(
    "line",
    [
        b'{"custom_id": "b", "params": {}}',
        b'{"custom_id": "b", "response": {}, "url": "/v1/x"}',
        b'{"response": {}, "error": null}',
        b'{"custom_id": "b", "response": {',
    ],
)
def test_a_line_that_is_neither_a_request_nor_a_result_has_a_row(tmp_path: Path, line: bytes) -> None:
    """Only what is certainly a result refuses the whole file."""
    inputs = put(tmp_path / "requests.jsonl", request("a", response="error"), line)
    joined = batchfiles.join(inputs, put(tmp_path / "output.jsonl", success("a")))
    assert outcomes(joined) == {"a": "succeeded", None: "malformed"}
    assert [finding.line_number for finding in joined.summarize().findings] == [2]


def test_a_single_path_for_inputs_is_not_a_list_of_letters(tmp_path: Path) -> None:
    """`inputs="requests.jsonl"` looked for a file called r; and a join of nothing made an empty table."""
    inputs = put(tmp_path / "requests.jsonl", request("a"))
    for single in (inputs, str(inputs)):
        with pytest.raises(TypeError, match="a list of files"):
            batchfiles.join(inputs=single)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="at least one file"):
        batchfiles.join()


def test_findings_that_are_not_listed_are_counted(tmp_path: Path) -> None:
    """Only a hundred of each range get a message, and the summary once counted only these."""
    results = put(tmp_path / "output.jsonl", success("a"), *[b"garbage"] * 250)
    exported = batchfiles.export(results)
    assert len(exported.summarize().findings) == 100
    assert exported.summarize().findings_not_listed == 150


LATIN_1 = success("a", "caf\xe9").decode().encode("latin-1")


@pytest.mark.parametrize("native", ["0", "1"])
def test_the_report_says_why_results_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, native: str) -> None:
    """A file in Latin-1 gave a count and neither a line nor a reason; the findings are those of `export`."""
    monkeypatch.setenv("BATCHFILES_NATIVE", native)
    inputs = put(tmp_path / "in.jsonl", request("a"), request("b"))
    results = put(tmp_path / "out.jsonl", success("b"), LATIN_1, LATIN_1.replace(b'"a"', b'"x"'), b'{"custom_id": 7}', b"[")
    report = batchfiles.join(inputs, results).summarize()
    found = [(each.line_number, each.code, each.message) for each in report.findings]
    byte = LATIN_1.index(b"\xe9") + 1
    assert found[:3] == [
        (2, "invalid_json_line", f"not valid UTF-8 (byte {byte})"),
        (3, "invalid_json_line", f"not valid UTF-8 (byte {byte})"),
        (4, "missing_required_parameter", "the line has neither 'response' nor 'error'"),
    ]
    assert report.findings == batchfiles.export(results).summarize().findings
    assert report.examples == {"malformed": tuple(f"{results}:{number}" for number in (2, 3, 4, 5))}
    assert (report.malformed_results, report.malformed_unmatched, report.findings_not_listed) == (4, 3, 0)
    assert "out.jsonl:2: error: not valid UTF-8" in " ".join(str(report).split())


@pytest.mark.usefixtures("small_ranges")
@pytest.mark.parametrize("workers", [1, 2])
def test_the_first_malformed_results_are_listed_and_the_others_counted(tmp_path: Path, workers: int) -> None:
    """A hundred have a message; lines that are too long have it from the scan, once."""
    ids = [str(number) for number in range(120)]
    lines = [line for each in ids for line in (success(each), LATIN_1.replace(b'"a"', f'"{each}"'.encode()))]
    results = put(tmp_path / "out.jsonl", *lines, success("0", "y" * 5_000), success("x", "y" * 5_000))
    inputs = put(tmp_path / "in.jsonl", *map(request, ids))
    report = batchfiles.join(inputs, results, max_line_bytes=1_000, workers=workers).summarize()
    assert [each.line_number for each in report.findings] == [*range(2, 202, 2), 241, 242]
    assert (report.malformed_results, report.malformed_unmatched, report.findings_not_listed) == (122, 1, 20)
    assert report.examples["malformed"] == tuple(f"{results}:{number}" for number in (2, 4, 6, 8, 10))


def test_a_line_that_is_too_long_is_a_malformed_line(tmp_path: Path) -> None:
    """It is counted like any other, its neighbours keep their numbers, and its bytes are among the rejects."""
    long = success("x", "y" * 5_000)
    inputs = put(tmp_path / "in.jsonl", request("a"), request("b", padding="y" * 5_000), request("c"))
    job = batchfiles.join(inputs, put(tmp_path / "out.jsonl", long, success("a"), success("c")), max_line_bytes=1_000)
    assert [(row["outcome"], row["error_code"], row["result_line_number"]) for row in job] == [
        ("succeeded", None, 2),
        ("malformed", "line_too_long", None),
        ("succeeded", None, 3),
    ]
    assert job.summarize().result_lines == 3
    assert numbers(job) == {"used": 2, "malformed_inputs": 1, "malformed_results": 1, "malformed_unmatched": 1}
    job.write_rejects(tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_bytes() == long + b"\n"


@pytest.mark.usefixtures("small_ranges")
def test_a_line_that_is_longer_than_a_range_is_met_once(tmp_path: Path) -> None:
    """Lines after it keep their numbers, in any range."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(30)])
    results = put(tmp_path / "out.jsonl", success("x", "y" * 9_000), *[success(str(number)) for number in range(30)])
    job = batchfiles.join(inputs, results, max_line_bytes=1_000)
    assert [row["result_line_number"] for row in job] == list(range(2, 32))
    assert numbers(job) == {"used": 30, "malformed_results": 1, "malformed_unmatched": 1}


def test_a_repaired_line_counts_once(tmp_path: Path) -> None:
    """However often it is fetched, requested or not, with an id or without."""
    half = b"\\ud83d"
    inputs = put(tmp_path / "in.jsonl", request("a"), request("a"), request("a", text="CUT").replace(b"CUT", half))
    lines = [success(custom_id, "CUT").replace(b"CUT", half) for custom_id in ("a", "nobody's", None)]
    job = batchfiles.join(inputs, put(tmp_path / "out.jsonl", *lines))
    assert [row["text"] for row in job] == ["\ufffd"] * 3
    assert job.summarize().repaired_lines == 4


def test_the_summary_names_each_reason_why_a_line_is_repaired(tmp_path: Path) -> None:
    """A time of 1e400 became null, and the summary spoke only of surrogates and NaN."""
    line = success("a", created=777).replace(b"777", b"1e400")
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", line))
    words = " ".join(str(job.summarize()).split())
    assert (
        "1 line in JSON that is not strict, read anyway: half a surrogate pair, NaN, or a number too large for a float" in words
    )


def test_a_line_that_is_malformed_is_not_repaired_too(tmp_path: Path) -> None:
    """Request or result, with an id or without: an unusable line is counted once, as malformed."""
    half = b'"\\ud83d"'
    inputs = put(tmp_path / "in.jsonl", b'{"custom_id": 1, "body": %b}' % half, request("a"))
    lines = [b'{"custom_id": "a", "text": %b}' % half, b'{"custom_id": "b", "text": %b}' % half, b'{"text": %b}' % half]
    job = batchfiles.join(put(tmp_path / "out.jsonl", success("x")), put(tmp_path / "more_output.jsonl", *lines), inputs=[inputs])
    assert (job.summarize().malformed_inputs, job.summarize().malformed_results, job.summarize().repaired_lines) == (1, 3, 0)


@pytest.mark.parametrize("way", ["rows", "file"])
def test_bytes_that_are_not_an_id_may_share_the_digest_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    """Such a line is malformed and has no request; the file has not changed, with rows and with a file as output."""
    modules = [module for name, module in sys.modules.items() if name.startswith("batchfiles.")]
    for name, same in (
        ("digest", lambda _: 7),
        ("digest_of_bytes", lambda _: 7),
        ("digests_of_bytes", lambda ids: [7] * len(ids)),
    ):
        for module in modules:
            if hasattr(module, name):
                monkeypatch.setattr(module, name, same)
    lines = [success("x").replace(b'"x"', b'"\xff"'), success("b"), success("a")]
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", *lines))
    if way == "file":
        job.to_parquet(tmp_path / "table.parquet")
    assert outcomes(job) == {"a": "succeeded"}
    assert numbers(job) == {"used": 1, "unknown": 1, "malformed_results": 1, "malformed_unmatched": 1}


def test_what_is_noticed_about_result_files_is_in_the_report(tmp_path: Path) -> None:
    """A byte order mark and a missing last newline are warnings with their places."""
    results = put(tmp_path / "out.jsonl")
    results.write_bytes(b"\xef\xbb\xbf" + success("a") + b"\n\n" + success("b"))
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a"), request("b")), results)
    assert set(outcomes(job).values()) == {"succeeded"}
    assert [(finding.code, finding.path, finding.line_number) for finding in job.summarize().findings] == [
        ("byte_order_mark", str(results), 1),
        ("missing_newline", str(results), 3),
    ]
    assert job.summarize().blank_lines == 1


# The shapes that break other tools


@pytest.fixture(scope="module")
def shapes() -> Join:
    """All shapes, joined at once, with every body."""
    return batchfiles.join(*RESULT_SHAPES, inputs=[SHAPES / "requests.jsonl"], table="requests", bodies="all")


def test_every_shape_gets_the_outcome_of_its_row(shapes: Join) -> None:
    """The join gives each line the outcome in the README of the shapes; only the best line of a request is its result."""
    rank = {"succeeded": 2, "incomplete": 1}
    told = {}
    for path in RESULT_SHAPES:
        lines = path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")
        places = [number for number, line in enumerate(lines, 1) if line.strip()]
        told |= {(str(path), number): word for number, word in zip(places, ROWS[path.stem].split(", "), strict=True)}
    rows = list(shapes)
    for row in rows:
        if row["outcome"] != "missing":
            assert row["outcome"] == told.pop((row["result_source"], row["result_line_number"])), row["result_source"]
    # One has no line at all, the other one has an unreadable id.
    assert [row["custom_id"] for row in rows if row["outcome"] == "missing"] == ["whole_batch_error-1", "single_quotes"]
    # What is left was superseded by something no worse, or has no id.
    left = {(Path(name).stem, number): word for (name, number), word in told.items()}
    best = {Path(row["result_source"]).stem: row["outcome"] for row in rows if row["result_source"]}
    for (name, _), word in left.items():
        if name in ("duplicate_results", "conflicting_results"):
            assert rank.get(best[name], 0) >= rank.get(word, 0)
    assert sorted(left) == [
        ("conflicting_results", 1),
        ("cut_before_id", 1),
        ("duplicate_results", 1),
        ("id_null", 1),
        *[("not_an_object", number) for number in range(1, 6)],
        ("single_quotes", 1),
    ]


def test_no_line_of_the_shapes_is_lost(shapes: Join, tmp_path: Path) -> None:
    """The rejects hold the very bytes of every line that did not make it into the table, or only as malformed."""
    lines = [
        line for path in RESULT_SHAPES for line in path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n") if line.strip()
    ]
    report = shapes.summarize()
    assert report.result_lines == len(lines) == sum(len(ROWS[path.stem].split(", ")) for path in RESULT_SHAPES)
    assert report.inputs == report.rows == sum(report.outcomes.values())
    assert report.result_lines == report.used + report.superseded + report.unknown + report.malformed_unmatched
    assert (report.unknown, report.superseded, report.conflicting, report.missing) == (1, 2, 1, 2)
    shapes.write_rejects(tmp_path / "rejects.jsonl")
    rejects = (tmp_path / "rejects.jsonl").read_bytes().split(b"\n")
    assert rejects.pop() == b""
    assert [line for line in lines if line in rejects] == rejects
    assert len(rejects) == report.unknown + report.superseded + report.malformed_results


def test_bodies_of_the_shapes_are_the_bytes_of_their_lines(shapes: Join) -> None:
    """Byte for byte, with their keys in any order and repeated."""
    for row in shapes:
        for kind in ("request", "response"):
            source, number = (
                (row["input_source"], row["input_line_number"])
                if kind == "request"
                else (
                    row["result_source"],
                    row["result_line_number"],
                )
            )
            if source is None or row["outcome"] == "malformed":
                continue
            line = Path(source).read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n")[number - 1]
            if "huge_integer" in source:
                line = re.sub(rb"\d{1000,}", lambda digits: b'"' + digits[0] + b'"', line)  # more than `json` reads
            right = raw_value(line, "body") if kind == "request" else response_body_of(line, json.loads(line, parse_int=float))
            found = row[f"{kind}_body"]
            if "huge_integer" in source and found is not None:
                found = re.sub(r"\d{1000,}", lambda digits: f'"{digits[0]}"', found)
            assert found == right


@pytest.mark.parametrize("path", RESULT_SHAPES, ids=lambda path: path.stem)
def test_a_shape_alone_is_joined_to_the_same_by_fast_and_exact_scans(path: Path, tmp_path: Path) -> None:
    """A file and the rows in memory agree, also where a key is repeated."""
    job = batchfiles.join(path, inputs=[SHAPES / "requests.jsonl"], table="requests")
    job.to_parquet(tmp_path / "table.parquet")
    other = batchfiles.join(path, inputs=[SHAPES / "requests.jsonl"], table="requests")
    assert pq.read_table(tmp_path / "table.parquet").to_pylist() == other.to_arrow().to_pylist()
    assert numbers(job) == numbers(other)


# Again and again


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("small_ranges")
def test_a_join_may_be_taken_as_often_as_one_likes(tmp_path: Path, workers: int) -> None:
    """Rows, table, file and folder are the same each time, and so is the report; workers of one pass find what others indexed."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(60)])
    results = put(tmp_path / "out.jsonl", *[success(str(number), f"text {number}") for number in range(5, 65)])
    job = batchfiles.join(inputs, results, workers=workers)
    rows = list(job)
    assert [row["text"] for row in rows] == [None] * 5 + [f"text {number}" for number in range(5, 60)]
    first = numbers(job)
    assert first == {"used": 55, "missing": 5, "unknown": 5}
    assert list(job) == rows
    assert job.to_arrow().to_pylist() == rows
    job.to_parquet(tmp_path / "table.parquet")
    assert pq.read_table(tmp_path / "table.parquet").to_pylist() == rows
    job.to_parquet(tmp_path / "parts", min_file_bytes=0)
    parts = sorted((tmp_path / "parts").iterdir())
    assert len(parts) > 1
    assert [row for part in parts for row in pq.read_table(part).to_pylist()] == rows
    assert numbers(job) == first


def test_rejects_do_not_depend_on_a_pass_that_was_given_up(tmp_path: Path) -> None:
    """Looking at the first row starts its own pass and leaves the report of the last whole one alone."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(3_000)])
    results = put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(3_001)])
    job = batchfiles.join(inputs, results)
    assert job.summarize().unknown == 1
    rows = iter(job)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    job.write_rejects(tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_bytes() == success("3000") + b"\n"


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.usefixtures("small_ranges")
def test_two_passes_at_once_do_not_disturb_each_other(tmp_path: Path, workers: int) -> None:
    """Each has separate marks and workers; the numbers are right in any order of their ends."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(100)])
    results = put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(101)])
    job = batchfiles.join(inputs, results, workers=workers)
    early = iter(job)
    first = next(early)
    rows = list(job)
    assert [first, *early] == rows
    assert [(one, two) for one, two in zip(job, job, strict=True) if one != two] == []
    assert numbers(job) == {"used": 100, "unknown": 1}


@pytest.mark.parametrize("at", [1, 2])
def test_a_repeated_id_never_shows_as_anything_but_the_right_row(tmp_path: Path, at: int) -> None:
    """A fast scan that took the first of two ids is discarded, also if its pass ended before that was noticed."""
    inputs = put(tmp_path / "in.jsonl", request("b"), request("d"))
    results = put(tmp_path / "out.jsonl", success("b"), success("q")[:-1] + b', "custom_id": "d"}')
    calls = []

    def interrupt(*done: int) -> None:
        calls.append(done)
        if len(calls) == at:
            raise KeyboardInterrupt

    job = batchfiles.join(inputs, results, progress=interrupt)
    with pytest.raises(KeyboardInterrupt):
        job.to_parquet(tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()
    assert outcomes(job) == {"b": "succeeded", "d": "succeeded"}
    assert numbers(job) == {"used": 2}


def test_refused_duplicates_do_not_spoil_the_next_pass(tmp_path: Path) -> None:
    """After a write that was refused, the rows are refused for the same reason and no other."""
    inputs = put(tmp_path / "in.jsonl", request("b"), request("d"))
    results = put(tmp_path / "out.jsonl", success("b"), success("b"), success("d")[:-1] + b', "custom_id": "q"}')
    job = batchfiles.join(inputs, results, on_duplicate="error")
    with pytest.raises(DuplicateCustomIdError):
        job.to_parquet(tmp_path / "table.parquet")
    with pytest.raises(DuplicateCustomIdError):
        list(job)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda path: path.write_bytes(b""), id="emptied"),
        pytest.param(lambda path: path.write_bytes(success("c", "Ho") + b"\n" + success("d", "Ho") + b"\n"), id="other ids"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:-20]), id="cut"),
    ],
)
def test_a_result_file_that_changes_between_two_passes_is_an_error(tmp_path: Path, change: Any) -> None:
    """Nothing is made up from an index that doesn't fit any more."""
    results = put(tmp_path / "out.jsonl", success("a"), success("b"))
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a"), request("b")), results)
    assert len(list(job)) == 2
    change(results)
    with pytest.raises(FileError, match=r"file changed while"):
        list(job)
    with pytest.raises(FileError):
        job.to_parquet(tmp_path / "table.parquet")
    assert not (tmp_path / "table.parquet").exists()


def append(path: Path) -> None:
    """Let a file grow by a line."""
    with path.open("ab") as file:
        file.write((request if path.name == "in.jsonl" else success)("c") + b"\n")


def rewrite(path: Path) -> None:
    """Write other bytes of the same length into a file."""
    data, status = path.read_bytes(), path.stat()
    path.write_bytes(data.replace(b"gpt-x", b"gpt-y"))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def replace(path: Path) -> None:
    """Replace a file by another one."""
    other = put(path.with_suffix(".new"), success("a", "Another text"))
    other.replace(path)


@pytest.mark.parametrize("change", [append, rewrite, replace])
@pytest.mark.parametrize("name", ["in.jsonl", "out.jsonl"])
@pytest.mark.parametrize("when", ["before", "meanwhile", "at the end"])
def test_no_pass_takes_a_part_of_a_change_for_the_whole(tmp_path: Path, change: Any, name: str, when: str) -> None:
    """A file that changes before or during a pass is an error; a new join takes the file as it is."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(3_000)])
    results = put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(3_000)])
    job = batchfiles.join(inputs, results)
    if when == "before":
        change(tmp_path / name)
    rows = iter(job)
    for _ in range({"meanwhile": 1, "at the end": 3_000}.get(when, 0)):
        next(rows)
    if when != "before":
        change(tmp_path / name)
    with pytest.raises(FileError, match=f"{name}: the file changed while"):
        list(rows)
    with pytest.raises(FileError, match=f"{name}: the file changed while"):
        _ = job.summarize()
    if change is not replace:
        assert batchfiles.join(inputs, results).summarize().inputs == 3_000 + (change is append and name == "in.jsonl")


def test_rejects_are_not_copied_from_a_file_that_has_changed(tmp_path: Path) -> None:
    """The places of the lines are those of the file as it was."""
    results = put(tmp_path / "out.jsonl", success("a"), success("nobody's"))
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a")), results)
    list(job)
    rewrite(results)
    with pytest.raises(FileError, match=r"out\.jsonl: the file changed while"):
        job.write_rejects(tmp_path / "rejects.jsonl")
    assert not (tmp_path / "rejects.jsonl").exists()


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("gone", ["in.jsonl", "out.jsonl"])
def test_a_file_that_is_gone_is_an_error_with_its_name(tmp_path: Path, gone: str, workers: int) -> None:
    """Between two passes, or before the first one; for the rejects too."""
    job = batchfiles.join(
        put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"), success("b")), workers=workers
    )
    list(job)
    (tmp_path / gone).rename(tmp_path / "elsewhere")
    with pytest.raises(FileError, match=f"{re.escape(gone)}: no such file") as caught:
        list(job)
    assert caught.value.errno == errno.ENOENT
    if gone == "out.jsonl":
        with pytest.raises(FileError, match=f"{re.escape(gone)}: no such file"):
            job.write_rejects(tmp_path / "rejects.jsonl")
        assert not (tmp_path / "rejects.jsonl").exists()


def test_a_closed_join_says_that_its_files_are_gone(tmp_path: Path) -> None:
    """It does not make up rows, nor create a folder."""
    job = batchfiles.join(put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a")))
    list(job)
    job.close()
    with pytest.raises(FileError, match="no such file"):
        list(job)


# No leftovers


def descriptors() -> int:
    """Count what this process has open."""
    gc.collect()
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="only Linux says what is open")


@needs_proc
@pytest.mark.parametrize("workers", [1, 2])
def test_no_pass_leaves_a_file_open(tmp_path: Path, workers: int) -> None:
    """Whether it ended, was given up or failed."""
    inputs = put(tmp_path / "in.jsonl", request("a"))
    results = put(tmp_path / "out.jsonl", success("a"), success("a"))
    job = batchfiles.join(inputs, results, workers=workers)
    list(job)
    before = descriptors()
    for _ in range(3):
        list(job)
        rows = iter(job)
        next(rows)
        rows.close()  # type: ignore[attr-defined]
        with pytest.raises(DuplicateCustomIdError):
            list(batchfiles.join(inputs, results, workers=workers, on_duplicate="error"))
    assert descriptors() <= before


def test_temporary_files_go_when_the_join_does(tmp_path: Path) -> None:
    """Closed or dropped, and without a ResourceWarning; also where there was nothing to join."""
    inputs = put(tmp_path / "in.jsonl", request("a"))
    results = put(tmp_path / "out.jsonl", success("a"))
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(success("b") + b"\n"))
    room = tmp_path / "room"
    room.mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with batchfiles.join(inputs, results, packed, temp_dir=room) as job:
            list(job)
            assert any(room.iterdir())
        assert not any(room.iterdir())
        job = batchfiles.join(inputs, results, packed, temp_dir=room)
        rows = iter(job)
        next(rows)
        del rows, job
        gc.collect()
        assert not any(room.iterdir())
        with pytest.raises(MismatchError, match="no file holds requests"):
            batchfiles.join(results, packed, temp_dir=room)
        gc.collect()
        assert not any(room.iterdir())


def test_the_index_of_the_requests_goes_with_its_pass(tmp_path: Path) -> None:
    """Only what a later pass can use is kept: the index of the results."""
    room = tmp_path / "room"
    room.mkdir()
    inputs, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    with batchfiles.join(inputs, results, temp_dir=room) as job:
        for _ in range(3):
            list(job)
        names = [path.name for path in room.rglob("*") if path.is_file()]
        assert not [name for name in names if name.endswith("inputs.index")]
        assert len([name for name in names if name.endswith("results.index")]) == 1


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("end", ["given up", "refused", "file changed"])
def test_what_a_pass_has_made_goes_with_it_where_it_does_not_end(tmp_path: Path, end: str, workers: int) -> None:
    """After many looks at the first row of a join, or many that fail, its temporary folder is not larger."""
    room = tmp_path / "room"
    room.mkdir()
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(2_000)], request("0"))
    results = put(tmp_path / "out.jsonl", success("0"), success("0"))
    how = "error" if end == "refused" else "best"
    with batchfiles.join(inputs, results, temp_dir=room, workers=workers, on_duplicate=how) as job:
        for _ in range(2):
            rows = iter(job)
            if end == "given up":
                next(rows)
                rows.close()  # type: ignore[attr-defined]
            elif end == "refused":
                with pytest.raises(DuplicateCustomIdError):
                    next(rows)
            else:
                next(rows)
                append(inputs if workers == 1 else results)
                with pytest.raises(FileError, match="changed while"):
                    list(rows)
                break
        assert [path for path in room.rglob("*") if path.is_file()] == []


def test_a_file_that_changes_while_its_ids_are_compared_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The index of the requests is closed silently, though the pass is given up in the middle."""
    inputs = put(tmp_path / "in.jsonl", request("a"), request("a"), request("b"), request("b"))
    real = accounting.fetch

    def cut(descriptor: int, place: Any, name: str) -> bytes:
        os.truncate(inputs, 10)
        return real(descriptor, place, name)

    monkeypatch.setattr(accounting, "fetch", cut)
    with pytest.raises(FileError, match=r"in\.jsonl: the file changed while"):
        list(batchfiles.join(put(tmp_path / "out.jsonl", success("a")), inputs))


@pytest.mark.usefixtures("small_ranges")
def test_threads_end_with_their_pass(tmp_path: Path) -> None:
    """Also after a look at one row."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(300)])
    results = put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(300)])
    before = set(threading.enumerate())
    job = batchfiles.join(inputs, results, workers=2)
    rows = iter(job)
    next(rows)
    rows.close()  # type: ignore[attr-defined]
    job.to_parquet(tmp_path / "table.parquet")
    new = set(threading.enumerate()) - before
    for thread in new:
        thread.join(timeout=120)
    assert not [thread for thread in new if thread.is_alive()]


# Messages


def test_progress_goes_from_nothing_to_all_the_bytes(tmp_path: Path) -> None:
    """Each call reports more than the last one, and the last one reports all bytes."""
    inputs, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    calls: list[tuple[int, int]] = []
    list(batchfiles.join(inputs, results, progress=lambda *call: calls.append(call)))
    total = inputs.stat().st_size + results.stat().st_size
    assert all(one[0] < two[0] for one, two in pairwise(calls))
    assert calls[-1] == (total, total)


def test_a_report_is_plain_json(tmp_path: Path) -> None:
    """For programs: findings, files and examples included."""
    inputs = put(tmp_path / "in.jsonl", request("a"), b"{")
    job = batchfiles.join(inputs, put(tmp_path / "out.jsonl", success("a"), success("b"), b"{"))
    told = json.loads(json.dumps(job.summarize().to_dict()))
    assert (told["inputs"], told["used"], told["unknown"], told["malformed_results"]) == (2, 1, 1, 1)
    assert [file["role"] for file in told["files"]] == ["inputs", "results"]
    assert told["findings"][0]["code"] == "invalid_json_line"


def test_bodies_are_kept_as_asked(tmp_path: Path) -> None:
    """`auto` keeps values without a column, `all` everything, `none` nothing; the request's body is left out on demand."""
    inputs = put(tmp_path / "in.jsonl", request("a"), request("b"))
    results = put(tmp_path / "out.jsonl", success("a"), failure("b"))

    def kept(column: str, **options: Any) -> list[bool]:
        return [row[column] is not None for row in batchfiles.join(inputs, results, **options)]

    assert kept("response_body") == [False, True]
    assert kept("response_body", bodies="all") == [True, True]
    assert kept("response_body", bodies="none") == [False, False]
    assert kept("request_body") == [True, True]
    assert kept("request_body", request_bodies="none") == [False, False]


def test_streams_and_compressed_files_are_joined_like_files(tmp_path: Path) -> None:
    """A source without offsets is copied first."""
    inputs = io.BytesIO(request("a") + b"\n" + request("b") + b"\n")
    packed = tmp_path / "out.jsonl.gz"
    packed.write_bytes(gzip.compress(success("b", "B") + b"\n"))
    rows = list(batchfiles.join(inputs, packed))
    assert [(row["custom_id"], row["text"], row["input_source"], row["result_source"]) for row in rows] == [
        ("a", None, "<stream>", None),
        ("b", "B", "<stream>", str(packed)),
    ]


@pytest.mark.parametrize(
    "options",
    [{"on_duplicate": "first"}, {"table": "rows"}, {"bodies": "some"}, {"table": "requests", "dimensions": 3}, {"workers": 0}],
)
def test_an_option_that_does_not_exist_is_a_mistake(tmp_path: Path, options: dict[str, Any]) -> None:
    """A ValueError, before or as the work begins."""
    inputs, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    with pytest.raises(ValueError, match=r"\w"):
        list(batchfiles.join(inputs, results, **options))


def test_an_empty_batch_is_an_empty_table(tmp_path: Path) -> None:
    """No rows, the usual columns, and nothing to reject."""
    empty = put(tmp_path / "in.jsonl")
    job = batchfiles.join(inputs=[empty])
    assert job.to_arrow().num_rows == 0
    assert job.to_arrow().schema == batchfiles.schema()
    job.write_rejects(tmp_path / "rejects.jsonl")
    assert (tmp_path / "rejects.jsonl").read_bytes() == b""
    job.to_parquet(tmp_path / "parts")
    assert [path.name for path in (tmp_path / "parts").iterdir()] == ["part-00000.parquet"]


def test_the_places_that_a_report_names_are_the_first_ones(tmp_path: Path) -> None:
    """The index is sorted by digests, which differ from run to run; the examples once did too."""
    ids = [f"id-{number}" for number in range(40)]
    inputs = put(tmp_path / "in.jsonl", *map(request, [*ids, *ids]))
    one = put(tmp_path / "one.jsonl", *(success(custom_id, "one") for custom_id in ids))
    two = put(tmp_path / "two.jsonl", *(success(custom_id, "two") for custom_id in [*ids, *(f"other-{n}" for n in range(40))]))
    job = batchfiles.join(inputs, one, two)
    job.to_arrow()
    assert job.summarize().examples["conflicting"] == tuple(f"{one}:{number}" for number in range(1, 6))
    assert job.summarize().examples["unknown"] == tuple(f"{two}:{number}" for number in range(41, 46))
    assert job.summarize().examples["duplicate"] == tuple(f"{inputs}:{n + 40} (first at {inputs}:{n})" for n in range(1, 6))


# Bodies that are not an answer


ECHO = {"model": "gpt-x", "messages": [{"role": "user", "content": "hi"}]}
VECTORS = {"object": "list", "data": [{"index": 0, "embedding": [0.5]}]}


@pytest.mark.parametrize(
    ("url", "body", "outcome", "code"),
    [
        ("/v1/chat/completions", ECHO, "no_response", "unrecognized_body"),
        ("/v1/chat/completions", {"object": "chat.completion", "choices": []}, "no_response", "empty_answer"),
        ("/v1/chat/completions", {"hello": "world"}, "no_response", "unrecognized_body"),
        ("/v1/chat/completions", VECTORS, "no_response", "unrecognized_body"),
        ("/v1/chat/completions", {"text": "hi", "usage": {"seconds": 1}}, "no_response", "unrecognized_body"),
        ("/v1/embeddings", completion(), "no_response", "unrecognized_body"),
        ("/v1/moderations", completion(), "no_response", "unrecognized_body"),
        ("/v1/responses", {"type": "message", "content": [{"type": "text", "text": "Hi"}]}, "succeeded", None),
        ("/v1/images/generations", {"data": [{"url": "u"}]}, "succeeded", None),
        ("/v1/my/service", {"hello": "world"}, "succeeded", None),
    ],
)
def test_a_body_that_does_not_answer_its_request(tmp_path: Path, url: str, body: Any, outcome: str, code: str | None) -> None:
    """The request's url decides; it is on the second line, after an ordinary one. A retry selects the same requests."""
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b", url))
    output = put(tmp_path / "output.jsonl", success("a"), result("b", body))
    rows = list(batchfiles.join(output, inputs=[inputs], table="requests"))
    assert [row["outcome"] for row in rows] == ["succeeded", outcome]
    assert (rows[1]["error_code"], rows[1]["retryable"]) == (code, code is not None)
    assert json.loads(rows[1]["response_body"]) == body
    report = batchfiles.retry(inputs, output, output=tmp_path / "retry.jsonl")
    assert report.written == (code is not None)


def test_a_transcript_that_is_a_string_is_its_text(tmp_path: Path) -> None:
    """A request for text or subtitles is answered so; it failed, and a retry of all failures paid for it again."""
    words = "WEBVTT\n\n00:00.000 --> 00:01.000\nhello"
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b", "/v1/audio/transcriptions"))
    output = put(tmp_path / "output.jsonl", success("a"), result("b", words))
    row = list(batchfiles.join(output, inputs=[inputs]))[1]
    assert (row["outcome"], row["text"], row["error_message"], row["retryable"]) == ("succeeded", words, None, False)
    assert batchfiles.retry(inputs, output, output=tmp_path / "retry.jsonl", every=True).written == 0


def test_a_real_answer_is_better_than_the_request_sent_back(tmp_path: Path) -> None:
    """Also where the wrong body came later, and is not empty."""
    inputs = put(tmp_path / "requests.jsonl", request("a"))
    wrong = result("a", {"hello": "world", "created": 9})
    rows = list(batchfiles.join(put(tmp_path / "output.jsonl", success("a", "real"), wrong), inputs=[inputs]))
    assert [(row["outcome"], row["text"], row["attempts"]) for row in rows] == [("succeeded", "real", 2)]


def test_reasons_that_nobody_knows_are_counted_and_named(tmp_path: Path) -> None:
    """With the first ones; the bodies are kept."""
    inputs = put(tmp_path / "requests.jsonl", *map(request, "abc"))
    lines = [success("a"), success("b", finish_reason="tired"), success("c", finish_reason="bored")]
    job = batchfiles.join(put(tmp_path / "output.jsonl", *lines), inputs=[inputs])
    assert [row["response_body"] is None for row in job] == [True, False, False]
    assert (job.summarize().unknown_finish_reason, job.summarize().examples["unknown_finish_reason"]) == (2, ("tired", "bored"))
