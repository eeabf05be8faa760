"""`export`: a row for each result line, in the order of the files, for any line."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import FileError, MismatchError
from batchfiles.jobs.join import scan
from tests.jobs.wire import completion, expired, failure, put, request, result, success

SHAPES = Path(__file__).parents[2] / "fixtures" / "shapes"
ROWS = dict(re.findall(r"^\| `(\w+)\.jsonl` \|.*\| ([\w, -]+) \|$", (SHAPES / "README.md").read_text("utf-8"), re.MULTILINE))
RESULT_SHAPES = [SHAPES / f"{name}.jsonl" for name in ROWS if not name.startswith("input_")]
TASKS = scan.tasks


def test_each_result_is_a_row_in_the_order_of_the_files(tmp_path: Path) -> None:
    """Also results of one request: only a join chooses between them."""
    output = put(tmp_path / "batch_1_output.jsonl", success("b", "B"), b"", success("a", "A"))
    errors = put(tmp_path / "batch_1_error.jsonl", failure("c"), expired("b"))
    job = batchfiles.export(output, errors)
    rows = [(row["custom_id"], row["outcome"], row["text"], row["result_source"], row["result_line_number"]) for row in job]
    assert rows == [
        ("b", "succeeded", "B", str(output), 1),
        ("a", "succeeded", "A", str(output), 3),
        ("c", "failed", None, str(errors), 1),
        ("b", "expired", None, str(errors), 2),
    ]
    report = job.summarize()
    assert (report.rows, report.result_lines, report.blank_lines, report.malformed_results) == (4, 4, 1, 0)


def test_what_only_requests_know_is_null(tmp_path: Path) -> None:
    """The columns are those of a join anyway."""
    table = batchfiles.export(put(tmp_path / "batch_1_output.jsonl", success("a"))).to_arrow()
    (row,) = table.to_pylist()
    assert table.schema == batchfiles.schema()
    assert {row[name] for name in ("input_source", "input_line_number", "request_model", "request_body", "attempts")} == {None}
    assert (row["batch_id"], row["endpoint"], row["model"]) == ("batch_1", "/v1/chat/completions", "gpt-x-1")


@pytest.mark.parametrize("path", RESULT_SHAPES, ids=lambda path: path.stem)
def test_every_line_of_a_shape_has_the_outcome_of_its_row(path: Path) -> None:
    """As in the README of the shapes, line by line."""
    job = batchfiles.export(path, table="requests", bodies="all")
    assert [row["outcome"] for row in job] == ROWS[path.stem].split(", ")
    report = job.summarize()
    assert report.rows == report.result_lines == sum(report.outcomes.values())
    assert report.malformed_results == report.outcomes["malformed"]


@pytest.mark.parametrize("workers", [1, 2])
def test_all_shapes_at_once_lose_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """In ranges of a few lines, by one process or by two, as rows and as parts."""
    monkeypatch.setattr(scan, "tasks", lambda sizes, *_: TASKS(sizes, 700))
    job = batchfiles.export(*RESULT_SHAPES, table="requests", workers=workers)
    rows = list(job)
    places = [
        (str(path), number)
        for path in RESULT_SHAPES
        for number, line in enumerate(path.read_bytes().removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1)
        if line.strip()
    ]
    assert [(row["result_source"], row["result_line_number"]) for row in rows] == places
    assert [row["outcome"] for row in rows] == [word for path in RESULT_SHAPES for word in ROWS[path.stem].split(", ")]
    job.to_parquet(tmp_path / "parts")
    assert [row for part in sorted((tmp_path / "parts").iterdir()) for row in pq.read_table(part).to_pylist()] == rows


def test_values_that_are_not_results_are_malformed(tmp_path: Path) -> None:
    """Arrays, texts and numbers are JSON and no lines of a batch; the id is kept where there is one."""
    lines = [
        b"[]",
        b'"a"',
        b"5",
        b"null",
        b'{"custom_id": "a"}',
        b'{"custom_id": 7, "response": null}',
        b'{"custom_id": "b", "re',
    ]
    job = batchfiles.export(put(tmp_path / "out.jsonl", success("ok"), *lines))
    rows = list(job)[1:]
    assert [row["outcome"] for row in rows] == ["malformed"] * 7
    assert [row["custom_id"] for row in rows] == [None, None, None, None, "a", None, "b"]
    assert [row["error_code"] for row in rows[4:]] == ["missing_required_parameter", "invalid_type", "invalid_json_line"]
    assert [(finding.line_number, finding.code) for finding in job.summarize().findings][:2] == [
        (2, "invalid_json_line"),
        (3, "invalid_json_line"),
    ]


@pytest.mark.parametrize("gone", [b'"custom_id": null, ', b""])
def test_a_result_without_an_id_is_a_finding_and_a_row(tmp_path: Path, gone: bytes) -> None:
    """The row had no id and no word warned of it; only `join` reported such lines."""
    without = success("b").replace(b'"custom_id": "b", ', gone)
    export = batchfiles.export(put(tmp_path / "output.jsonl", success("a"), without))
    rows = export.to_arrow().select(["custom_id", "outcome"]).to_pylist()
    assert rows == [{"custom_id": "a", "outcome": "succeeded"}, {"custom_id": None, "outcome": "succeeded"}]
    assert [(finding.code, finding.line_number) for finding in export.report.findings] == [("missing_required_parameter", 2)]


def test_a_line_that_is_too_long_is_a_row_of_its_batch(tmp_path: Path) -> None:
    """Also as the first line of a file, and in the second of two files."""
    long = success("x", "y" * 5_000)
    one = put(tmp_path / "batch_1_output.jsonl", long, success("a"))
    two = put(tmp_path / "batch_2_output.jsonl", long, success("b"), long)
    job = batchfiles.export(one, two, max_line_bytes=1_000)
    rows = [(row["custom_id"], row["outcome"], row["batch_id"], row["error_code"], row["result_line_number"]) for row in job]
    assert rows == [
        ("x", "malformed", "batch_1", "line_too_long", 1),
        ("a", "succeeded", "batch_1", None, 2),
        ("x", "malformed", "batch_2", "line_too_long", 1),
        ("b", "succeeded", "batch_2", None, 2),
        ("x", "malformed", "batch_2", "line_too_long", 3),
    ]
    assert (job.summarize().result_lines, job.summarize().malformed_results) == (5, 3)


def test_requests_are_out_of_place(tmp_path: Path) -> None:
    """Refused with their name, before anything is made."""
    inputs = put(tmp_path / "in.jsonl", request("a"))
    with pytest.raises(MismatchError, match="holds requests, and results were expected") as caught:
        batchfiles.export(put(tmp_path / "out.jsonl", success("a")), inputs)
    assert caught.value.path == str(inputs)


def test_nothing_to_export_is_an_empty_table(tmp_path: Path) -> None:
    """With its columns."""
    table = batchfiles.export(put(tmp_path / "out.jsonl")).to_arrow()
    assert (table.num_rows, table.schema) == (0, batchfiles.schema())


@pytest.mark.parametrize("rows_before", [0, 1])
def test_a_file_that_grows_is_an_error_and_never_half_a_table(tmp_path: Path, rows_before: int) -> None:
    """Before or during a pass; a new export takes the file as it is."""
    results = put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(2_000)])
    job = batchfiles.export(results)
    rows = iter(job)
    for _ in range(rows_before):
        next(rows)
    with results.open("ab") as file:
        file.write(success("late") + b"\n")
    with pytest.raises(FileError, match=r"out\.jsonl: the file changed while"):
        list(rows)
    with pytest.raises(FileError, match=r"out\.jsonl: the file changed while"):
        _ = job.summarize()
    assert batchfiles.export(results).summarize().rows == 2_001


@pytest.mark.parametrize("workers", [1, 2])
def test_an_export_may_be_taken_twice_and_at_once(tmp_path: Path, workers: int) -> None:
    """Each pass is independent."""
    job = batchfiles.export(put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(50)]), workers=workers)
    assert [one["custom_id"] for one, two in zip(job, job, strict=True) if one == two] == [str(number) for number in range(50)]
    assert len(list(job)) == 50


@pytest.mark.parametrize("workers", [1, 2])
def test_findings_have_the_line_numbers_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """For any division of the files, also where a range ends with a line that is too long or begins with blank ones."""
    lines = [
        b"[]",
        success("a"),
        b"",
        success("x", "y" * 900),
        b"",
        b"{",
        success("b"),
        success("y", "y" * 900),
        success("c"),
        b"7",
    ]
    files = [put(tmp_path / f"batch_{number}_output.jsonl", *lines) for number in (1, 2)]
    files[1].write_bytes(files[1].read_bytes()[:-1])
    whole = batchfiles.export(*files, max_line_bytes=800)
    rows = list(whole)
    numbers = [finding.line_number for finding in whole.report.findings]
    assert sorted(numbers) == sorted([1, 4, 6, 8, 10] * 2 + [10])
    for size in (1, 30, 300, 1000):
        monkeypatch.setattr(scan, "tasks", lambda sizes, *_, size=size: TASKS(sizes, size))
        job = batchfiles.export(*files, max_line_bytes=800, workers=workers)
        assert list(job) == rows
        assert job.summarize().findings == whole.report.findings


@pytest.mark.parametrize("workers", [1, 2])
def test_a_vector_of_another_length_is_named_by_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    """Also where its range does not begin the file."""
    monkeypatch.setattr(scan, "tasks", lambda sizes, *_: TASKS(sizes, 300))
    vector = (
        b'{"custom_id": "%d", "response": {"status_code": 200, "request_id": "r", "body": {"object": "list", "data": ['
        b'{"object": "embedding", "index": 0, "embedding": [%s]}], "model": "m"}}, "error": null}'
    )
    lines = [vector % (number, b"0.5, 0.25" if number == 7 else b"0.5") for number in range(9)]
    files = [put(tmp_path / "one.jsonl", *lines[:5]), put(tmp_path / "two.jsonl", *lines)]
    with pytest.raises(batchfiles.InvalidLineError, match="2 dimensions") as caught:
        list(batchfiles.export(*files, dimensions=1, workers=workers))
    assert (caught.value.path, caught.value.line_number) == (str(files[1]), 8)


def test_vectors_without_token_counts_are_counted_too(tmp_path: Path) -> None:
    """In the table of vectors as in the other one; the second line states them."""
    body = {"object": "list", "model": "m", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}]}
    path = put(
        tmp_path / "batch_1_output.jsonl",
        result("a", body),
        result("b", body | {"usage": {"prompt_tokens": 3, "total_tokens": 3}}),
    )
    for table in ("embeddings", "requests"):
        job = batchfiles.export(path, table=table)
        assert [row["input_tokens"] for row in job] == [None, 3]
        assert job.summarize().no_token_counts == 1


def test_counts_next_to_the_answer_are_in_the_columns(tmp_path: Path) -> None:
    """On the second line, after one that is read the short way; what a provider writes to a cache is the last column."""
    plain = {"prompt_tokens_details": {"cached_tokens": 0}, "completion_tokens_details": {"reasoning_tokens": 0}}
    details = {"prompt_tokens_details": {"cached_tokens": 128, "cache_write_tokens": 7},
        "completion_tokens_details": {"reasoning_tokens": 2809}}  # fmt: skip
    usages = [
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15, **plain},
        {"prompt_tokens": 10120, "completion_tokens": 1499, "total_tokens": 14428, **details},
    ]
    lines = [result(str(number), completion() | {"usage": usage}) for number, usage in enumerate(usages)]
    table = batchfiles.export(put(tmp_path / "batch_1_output.jsonl", *lines)).to_arrow()
    assert table["output_tokens"].to_pylist() == [5, 4308]
    assert table["total_tokens"].to_pylist() == [15, 14428]
    assert table.column_names[-1] == "cache_write_tokens"
    assert table["cache_write_tokens"].to_pylist() == [None, 7]
    assert table["response_body"].to_pylist() == [None, None]
