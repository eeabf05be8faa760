"""Lines above `max_line_bytes`: each is a line and a finding, and a file with only such lines is not empty."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import batchfiles
from batchfiles import MismatchError, stats
from batchfiles.inputs.kinds import classify
from batchfiles.io.lines import blocks
from batchfiles.io.sources import Source
from batchfiles.limits import LINE_CAP
from batchfiles.table import rows
from batchfiles.table.preview import first_rows
from batchfiles.table.rows import record_batch
from tests.jobs.wire import failure, put, request, success

CAP = 1000
LONG_REQUEST = request("a", padding="x" * CAP)
LONG_RESULT = success("a", "x" * CAP)


CHAT = sorted((Path(__file__).parents[2] / "fixtures" / "chat_completions").glob("*.jsonl"))
REQUESTS = next(path for path in CHAT if path.name == "requests.jsonl")


@pytest.mark.parametrize(
    "job",
    [
        lambda folder: batchfiles.join(*CHAT, max_line_bytes=0),
        lambda folder: batchfiles.export(CHAT[0], max_line_bytes=0),
        lambda folder: batchfiles.validate(REQUESTS, max_line_bytes=0),
        lambda folder: batchfiles.stats(*CHAT, max_line_bytes=0),
        lambda folder: batchfiles.get("ticket-0001", *CHAT, max_line_bytes=0),
        lambda folder: batchfiles.error_digest(CHAT[0], max_line_bytes=0),
        lambda folder: batchfiles.merge(REQUESTS, output=folder / "m.jsonl", max_line_bytes=0),
        lambda folder: batchfiles.edit(REQUESTS, output=folder / "e.jsonl", values={"body.model": "x"}, max_line_bytes=0),
        lambda folder: batchfiles.retry(*CHAT, output=folder / "r.jsonl", max_line_bytes=0),
        lambda folder: list(batchfiles.read_outputs(CHAT[0], max_line_bytes=0)),
    ],
)
def test_a_maximum_below_1_is_refused(job: Callable[[Path], object], tmp_path: Path) -> None:
    """All lines were too long, and a join counted each of them as malformed."""
    with pytest.raises(ValueError, match="max_line_bytes is 1 or more, not 0"):
        job(tmp_path)
    assert list(tmp_path.iterdir()) == []


TEXT = int(os.environ.get("BATCHFILES_TEST_TEXT", "20"))
"""Megabytes of text in one table, in answers of 2 MB."""


def test_much_text_comes_back_equal(tmp_path: Path) -> None:
    """An Arrow column of strings holds 2 GB; more text than that is in several row groups, and none of it is lost."""
    count = TEXT // 2
    texts = [f"{number} é\n".ljust(40, chr(97 + number % 26)) * 50_000 for number in range(13)]
    with (tmp_path / "output.jsonl").open("wb") as file:
        file.writelines(success(f"r-{number}", texts[number % 13]) + b"\n" for number in range(count))
    inputs = put(tmp_path / "requests.jsonl", *(request(f"r-{number}") for number in range(count)))
    report = batchfiles.join(inputs, tmp_path / "output.jsonl", bodies="none").to_parquet(tmp_path / "t.parquet")
    assert report.outcomes["succeeded"] == count
    digests = [hashlib.sha256(text.encode()).digest() for text in texts]
    found = 0
    for batch in pq.ParquetFile(tmp_path / "t.parquet").iter_batches(8, columns=["custom_id", "text"]):
        for custom_id, text in zip(*map(list, batch.columns), strict=True):
            assert custom_id.as_py() == f"r-{found}"
            assert hashlib.sha256(text.as_py().encode()).digest() == digests[found % 13]
            found += 1
    assert found == count


def test_rows_with_long_results_are_in_small_batches(tmp_path: Path) -> None:
    """A thousand answers of 2 MB were one batch: 4 GB of memory, and more text than Arrow keeps in one array."""
    count, text = 500, "x" * 200_000
    inputs = put(tmp_path / "requests.jsonl", *(request(f"r-{number}") for number in range(count)))
    results = put(tmp_path / "output.jsonl", *(success(f"r-{number}", text) for number in range(count)))
    batches = list(batchfiles.join(inputs, results, bodies="none").to_batches())
    assert sum(batch.num_rows for batch in batches) == count
    assert max(batch.nbytes for batch in batches) < 64_000_000


LISTS = 1_000_000
"""Bytes of a line with many small lists."""


def read_all(folder: Path, longest: int) -> list[str]:
    """Return what is wrong with the results."""
    errors: list[batchfiles.DataError] = []
    results = batchfiles.read_outputs(folder / "output.jsonl", max_line_bytes=longest, on_error=errors.append)
    assert [record.custom_id for record in results][-1] == "b"
    return [error.code for error in errors]


def validated(folder: Path, longest: int) -> list[str]:
    """Return the findings that are errors."""
    report = batchfiles.validate(folder / "requests.jsonl", max_line_bytes=longest)
    assert report.files[0].requests == 2
    return [finding.code for finding in report.findings if finding.severity == "error"]


def joined(folder: Path, longest: int) -> list[str]:
    """Return the findings of a join, which reads the second request and its result in any case."""
    report = batchfiles.join(folder, max_line_bytes=longest).to_parquet(folder.with_suffix(".parquet"), overwrite=True)
    assert report.outcomes["succeeded"] == 2 - bool(report.findings)
    return [finding.code for finding in report.findings]


def retried(folder: Path, longest: int) -> list[str]:
    """Return the findings of a retry of all requests."""
    output = folder.with_suffix(".jsonl")
    report = batchfiles.retry(folder, output=output, only=["succeeded", "malformed"], overwrite=True, max_line_bytes=longest)
    return [finding.code for finding in report.findings]


LIST_JOBS = {"read_outputs": (read_all, 1), "validate": (validated, 1), "join": (joined, 2), "retry": (retried, 2)}
"""Jobs, and how many decoded lines they hold: a request and its result are held together."""

PEAKS = """
import sys
from pathlib import Path
from tests.jobs.test_long_lines import LIST_JOBS

def peak():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) / 1024

job, ordinary, hostile = LIST_JOBS[sys.argv[1]][0], Path(sys.argv[2]), Path(sys.argv[3])
job(ordinary, int(sys.argv[4]))
before = peak()
for longest in map(int, sys.argv[4:]):
    found = job(hostile, longest)
    print(peak() - before, "line_too_long" in found)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("job", LIST_JOBS)
def test_a_line_of_many_small_lists_takes_thirty_times_its_bytes_at_most(job: str, tmp_path: Path) -> None:
    """A list of 3 bytes is an object of 56 and a pointer; a line above the limit is not decoded, and the next line is read."""
    for name, count in (("ordinary", 1), ("hostile", LISTS // 3)):
        many = b"[" + b",".join([b"[]"] * count) + b"]"
        lines = [line.replace(b'"many"', many) for line in (request("a", metadata="many"), success("a", "many"))]
        put(tmp_path / name / "requests.jsonl", lines[0], request("b"))
        put(tmp_path / name / "output.jsonl", lines[1], success("b"))
    folders = [str(tmp_path / "ordinary"), str(tmp_path / "hostile")]
    command = [sys.executable, "-c", PEAKS, job, *folders, str(LISTS // 2), str(LISTS + 1000)]
    ran = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    (above, was_above), (below, was_below) = (line.split() for line in ran.stdout.splitlines())
    assert (was_above, was_below) == ("True", "False")
    assert float(above) <= 16
    assert float(below) <= 16 + 30 * LIST_JOBS[job][1] * LISTS / 2**20


def test_more_text_than_a_batch_takes_is_in_several(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order, and each with all columns; one value that is too long for a batch is an error."""
    columns = [("a", "b", "c", "d", "e"), ("x" * 9, "", "y" * 9, "z" * 9, None)]
    schema = pa.schema({"id": pa.string(), "text": pa.string()})

    def limited(schema: pa.Schema, columns: list[Any]) -> pa.RecordBatch:
        if sum(len(value or "") for value in columns[1]) > 10:
            pa.RecordBatch.from_arrays([pa.chunked_array([columns[0]]), pa.chunked_array([columns[1]])], schema=schema)
        return record_batch(schema, columns)

    monkeypatch.setattr(rows, "record_batch", limited)
    monkeypatch.setattr(rows, "MUCH_TEXT", 9)
    batches = list(rows.record_batches(schema, columns))
    assert [batch["id"].to_pylist() for batch in batches] == [["a", "b"], ["c"], ["d", "e"]]
    assert [value for batch in batches for value in batch["text"].to_pylist()] == list(columns[1])
    with pytest.raises(TypeError, match="ChunkedArray"):
        list(rows.record_batches(schema, [("a",), ("x" * 11,)]))


@pytest.mark.parametrize("newline", [b"\n", b""])
@pytest.mark.parametrize(
    ("line", "file_role"),
    [
        (LONG_REQUEST, "inputs"),
        (b'{"custom_id": "a", "body": {"x": "' + b"x" * CAP, "inputs"),
        (LONG_RESULT, "results"),
        (failure("a", message="x" * 9 * CAP), "results"),
        (b'{"custom_id": "a", "response": {"body": {"x": "' + b"x" * 90 * CAP, "results"),
    ],
)
def test_a_file_of_long_lines_is_what_their_beginnings_say(tmp_path: Path, line: bytes, file_role: str, newline: bytes) -> None:
    """Such a result file was "empty": all requests were missing, sent again and paid for again, without a message."""
    path = tmp_path / "lines.jsonl"
    path.write_bytes(line + b"\n" + line + newline)
    assert classify(Source("lines.jsonl", path=path), max_line_bytes=CAP) == file_role


def test_a_file_of_ambiguous_long_lines_is_not_empty(tmp_path: Path) -> None:
    """Their kind is unknown, and that is reported."""
    path = put(tmp_path / "lines.jsonl", b"x" * 9 * CAP)
    with pytest.raises(MismatchError, match="no line that can be read"):
        classify(Source("lines.jsonl", path=path), max_line_bytes=CAP)


def test_every_job_reports_result_files_of_long_lines_only(tmp_path: Path) -> None:
    """As a line and a finding; and a retry by results of which none can be read is refused."""
    inputs = put(tmp_path / "requests.jsonl", request("a"), request("b"))
    results = put(tmp_path / "results.jsonl", LONG_RESULT, success("b", "y" * CAP))
    joined = batchfiles.join(inputs, results, max_line_bytes=CAP).summarize()
    exported = batchfiles.export(results, max_line_bytes=CAP).summarize()
    counted = stats(inputs, results, max_line_bytes=CAP)
    for found in (joined, exported):
        assert found.result_lines == found.malformed_results == 2
        assert [(each.code, each.line_number) for each in found.findings] == [("line_too_long", 1), ("line_too_long", 2)]
    assert [file.role for file in counted.files] == ["inputs", "results"]
    more = put(tmp_path / "more.jsonl", success("b"))
    report = batchfiles.retry(inputs, results, more, output=tmp_path / "retry.jsonl", max_line_bytes=CAP)
    assert [each.code for each in report.findings] == ["line_too_long"] * 2


def test_a_table_of_requests_that_are_all_too_long_has_their_rows(tmp_path: Path) -> None:
    """The request file was "empty", and a join of it a wrong call."""
    inputs = put(tmp_path / "requests.jsonl", LONG_REQUEST)
    rows = list(batchfiles.join(inputs, put(tmp_path / "results.jsonl", success("a")), max_line_bytes=CAP))
    assert [(row["outcome"], row["error_code"]) for row in rows] == [("malformed", "line_too_long")]


def test_first_looks_read_what_the_job_reads(tmp_path: Path) -> None:
    """Above the limit of the first look, and below that of the job: 2,048 vectors of 3,072 numbers are 100 MB in one line."""
    padding = "x" * (LINE_CAP + 1)
    body: dict[str, Any] = {"object": "list", "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}], "model": "m"}
    answer = {"status_code": 200, "request_id": "r", "body": {**body, "padding": padding}}
    line = json.dumps({"id": "x", "custom_id": "a", "response": answer, "error": None}).encode()
    results = put(tmp_path / "results.jsonl", line)
    exported = batchfiles.export(results, max_line_bytes=2 * LINE_CAP, bodies="none")
    assert "embedding" in exported.schema.names
    inputs = put(tmp_path / "requests.jsonl", request("a", "/v1/embeddings", input="x", padding=padding))
    joined = batchfiles.join(inputs, results, max_line_bytes=2 * LINE_CAP, bodies="none", request_bodies="none")
    assert [row["outcome"] for row in joined] == ["succeeded"]
    assert "embedding" in joined.schema.names


def test_show_and_prepare_pass_over_no_long_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one shows it as a row with a reason; the other refuses the table, also where it is the last line."""
    monkeypatch.setattr("batchfiles.table.preview.blocks", partial(blocks, max_line_bytes=CAP))
    path = put(tmp_path / "table.jsonl", b'{"id": "1"}', b'{"id": "' + b"2" * CAP + b'"}')
    rows = first_rows(str(path), 10).rows
    assert rows[0] == {"id": "1"}
    assert "above the limit" in rows[1]["(malformed)"]
    template = {
        "method": "POST",
        "url": "/v1/chat/completions",
        "body": {"model": "m", "messages": [{"role": "user", "content": "x"}]},
    }
    with pytest.raises(batchfiles.InvalidLineError, match=r"table\.jsonl:2: .* above the limit"):
        batchfiles.prepare(path, template=template, id_template="{{id}}", output=tmp_path / "out.jsonl", max_line_bytes=CAP)


def test_a_list_of_ids_has_no_long_lines(tmp_path: Path) -> None:
    """Ids in one line are not a list: the line was skipped, and nothing was sent again."""
    inputs = put(tmp_path / "requests.jsonl", request("a"))
    ids = put(tmp_path / "ids.txt", b"a," * (LINE_CAP // 2 + 1))
    with pytest.raises(MismatchError, match="one custom_id a line"):
        batchfiles.retry(inputs, ids=ids, output=tmp_path / "retry.jsonl")
