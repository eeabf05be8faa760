"""The files of a folder: each is read, known, or reported as not read; and the kind of each file, given in any way."""

from __future__ import annotations

import gzip
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

import batchfiles
from batchfiles import MismatchError
from batchfiles.cli.main import exit_code
from batchfiles.native import SWITCH
from tests.jobs.wire import expired, failure, put, request, success


def outcomes(*files: Any, **options: Any) -> list[str]:
    """Join, and return the outcomes of the requests."""
    return [row["outcome"] for row in batchfiles.join(*files, **options)]


# Skipped files


def test_results_under_other_names_are_read_and_the_rest_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Results of Fireworks, JSON lines in a `.json` file and a folder were next to the requests, and all were missing."""
    put(tmp_path / "requests.jsonl", *(request(name) for name in "abc"))
    put(tmp_path / "results.json", success("a"))
    put(tmp_path / "error-data", failure("b"))
    put(tmp_path / "results" / "out.jsonl", success("c"))
    (tmp_path / "notes.txt").write_text("to do\n")
    (tmp_path / ".hidden").write_text("mine\n")
    job = batchfiles.join(tmp_path)
    assert [row["outcome"] for row in job] == ["succeeded", "failed", "missing"]
    assert job.summarize().not_read == 2
    assert set(job.summarize().examples["not_read"]) == {str(tmp_path / "notes.txt"), str(tmp_path / "results")}
    arguments = ["join", str(tmp_path), "-o", str(tmp_path / "table.parquet"), "--fail-on", "not_read"]
    for options in ([], ["--force", "--report", str(tmp_path / "report.json")], ["--force", "--json"]):
        assert exit_code([*arguments, *options]) == 1
        said = capsys.readouterr()
        assert "2 paths not read, in the folders that were given" in said.err or "3 paths not read" in said.err
    assert json.loads(said.out)["not_read"] == 3  # the report of the call before


@pytest.mark.parametrize("name", ["pipe", "batch_1.json"])
def test_a_pipe_in_a_folder_is_named_and_not_opened(name: str, tmp_path: Path) -> None:
    """To look at its first line, `join` waited forever for a writer."""
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "out.jsonl", success("a"))
    os.mkfifo(tmp_path / name)
    job = batchfiles.join(tmp_path)
    assert [row["outcome"] for row in job] == ["succeeded"]
    assert job.summarize().examples["not_read"] == (str(tmp_path / name),)


@pytest.mark.parametrize(
    "name",
    [
        "BIJOutputSet.jsonl",
        "error-data",
        "results.json",
        "results.json.gz",
        "output.jsonl.txt",
        "batch_output",
        "file-abc123",
        "prediction-model-00001",
        "result.out",
        "000000000000",
    ],
)
def test_names_of_services_and_scripts_are_read(tmp_path: Path, name: str) -> None:
    """The first line decides, because services name results by ids, by other words, or by numbers."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    text = success("a") + b"\n" + expired("b") + b"\n"
    (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
    job = batchfiles.join(tmp_path)
    assert [row["outcome"] for row in job] == ["succeeded", "expired"]
    assert job.summarize().not_read == 0
    assert batchfiles.stats(tmp_path).results.count == 2
    assert batchfiles.error_digest(tmp_path).results == 2
    assert len(batchfiles.get("a", tmp_path)) == 2


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("template.json", b'{"method": "POST", "url": "/v1/chat/completions", "body": {"model": "m"}}'),
        ("log.json", b'{"id": 7, "error": "out of luck"}\n'),
        ("table.csv", b"custom_id,response\na,b\n"),
        ("table.parquet", b"PAR1 and so on"),
        ("archive.zip", b"PK\x03\x04"),
        ("batch_1_output.jsonl.part", success("a")[:40]),
        ("empty", b""),
        ("damaged.json.gz", gzip.compress(success("a"), mtime=0)[:30]),
    ],
)
def test_what_holds_no_results_is_named(tmp_path: Path, name: str, text: bytes) -> None:
    """Also a download that is not finished."""
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "out.jsonl", success("a"))
    (tmp_path / name).write_bytes(text)
    report = batchfiles.join(tmp_path).summarize()
    assert (report.used, report.not_read, report.examples["not_read"]) == (1, 1, (str(tmp_path / name),))
    assert batchfiles.stats(tmp_path).examples["not_read"] == (str(tmp_path / name),)
    assert batchfiles.error_digest(tmp_path).not_read == 1
    assert batchfiles.export(tmp_path / "out.jsonl").summarize().not_read == 0


def test_what_is_named_beside_its_folder_is_not_passed_over(tmp_path: Path) -> None:
    """Neither a file nor a folder of the folder; the files of this package are known."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "results" / "out.jsonl", success("a"))
    put(tmp_path / "more.data", b"", success("b"))
    batch = {"id": "batch_1", "object": "batch", "status": "completed", "input_file_id": "file-1"}
    (tmp_path / "batch_1.json").write_text(json.dumps(batch, indent=2))
    (tmp_path / "run.journal").write_text("{}\n")
    every = [tmp_path / name for name in ("requests.jsonl", "results", "more.data", "batch_1.json")]
    for files in ([tmp_path, tmp_path / "results"], [tmp_path / "results", tmp_path], [*every, tmp_path], every):
        job = batchfiles.join(*files)
        assert [row["outcome"] for row in job] == ["succeeded", "succeeded"]
        assert job.summarize().not_read == 0


def test_requests_without_a_single_result_are_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--fail-on no_results` makes an exit code of it; an empty error file has no results."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "batch_1_error.jsonl")
    output = ["-o", str(tmp_path / "table.parquet")]
    assert exit_code(["join", str(tmp_path), *output]) == 0
    assert "2 requests without a result: no result file was found" in " ".join(capsys.readouterr().err.split())
    assert exit_code(["join", str(tmp_path), *output, "--force", "--fail-on", "no_results"]) == 1
    put(tmp_path / "out.jsonl", success("a"))
    assert exit_code(["join", str(tmp_path), *output, "--force", "--fail-on", "no_results"]) == 0


def test_a_folder_without_lines_names_what_it_holds(tmp_path: Path) -> None:
    """They may be the intended ones."""
    put(tmp_path / "results.json", success("a"))
    with pytest.raises(batchfiles.FileError, match=r"no \.jsonl file .*; it holds results\.json: name the files"):
        batchfiles.join(tmp_path)


# Results in a folder of requests


def test_a_folder_with_results_is_validated_anyway(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With results in it, 200 findings said that they are not requests."""
    put(tmp_path / "requests.jsonl", request("a", messages=[{"role": "user", "content": "Hi"}]))
    put(tmp_path / "batch_1_output.jsonl", success("a"))
    put(tmp_path / "error-data", failure("a"))
    (tmp_path / "old").mkdir()
    for source in (tmp_path, tmp_path / "*.jsonl"):
        report = batchfiles.validate(source)
        assert (report.ok, [Path(file.name).name for file in report.files]) == (True, ["requests.jsonl"])
        assert str(tmp_path / "batch_1_output.jsonl") in report.examples["not_read"]
        assert report.to_dict()["not_read"] == report.not_read
    assert batchfiles.validate(tmp_path).not_read == 3
    assert exit_code(["validate", str(tmp_path), "--strict"]) == 0
    assert f"not read: {tmp_path / 'old'}" in capsys.readouterr().err
    assert not batchfiles.validate(tmp_path / "batch_1_output.jsonl").ok  # named, so it is meant
    (tmp_path / "requests.jsonl").unlink()
    with pytest.raises(MismatchError, match="no file holds requests; not read: "):
        batchfiles.validate(tmp_path)


def test_split_and_errors_name_what_they_pass_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each reads one kind, and reports the other as not read."""
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "batch_1_error.jsonl", failure("a"))
    assert exit_code(["split", str(tmp_path), "-o", str(tmp_path.with_name("parts"))]) == 0
    assert f"not read: {tmp_path / 'batch_1_error.jsonl'}" in capsys.readouterr().err
    assert exit_code(["errors", str(tmp_path)]) == 0
    assert f"1 request file skipped: {tmp_path / 'requests.jsonl'}" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["requests.jsonl.gz", "requests.JSONL.gz", "requests.jsonl.bz2", "requests.jsonl.zst"])
def test_a_compressed_name_gives_no_warning(tmp_path: Path, name: str) -> None:
    """`submit` and `run` send it plain under its plain name, so that `--strict` can be used."""
    text = request("a", messages=[{"role": "user", "content": "Hi"}]) + b"\n"
    (tmp_path / name).write_bytes(text)
    assert batchfiles.validate(tmp_path / name, strict=True).ok
    (tmp_path / "requests.txt.gz").write_bytes(text)
    assert batchfiles.validate(tmp_path / "requests.txt.gz").warnings == {"invalid_file_name": 1}


# What a file must be


def parquet(path: Path) -> None:
    """Write a table."""
    pq.write_table(pa.table({"custom_id": ["a"], "text": ["b"]}), path)


def arrow(path: Path) -> None:
    """Write an Arrow file."""
    table = pa.table({"custom_id": ["a"]})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
        writer.write_table(table)


def zipped(path: Path) -> None:
    """Write results into a zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("out.jsonl", success("a"))


FOREIGN: dict[str, Any] = {
    "x.parquet": parquet,
    "x.arrow": arrow,
    "x.zip": zipped,
    "x.csv": b"ticket,text\n1,broken\n2,lost\n",
    "quoted.csv": b'"id","text"\n"1","{""a"": 1}"\n',
    "x.tsv": b"1\tbroken\n",
    "notes.txt": b"Dear Sir,\nno.\n",
    "array.json": b"[" + success("a") + b"]\n",
    "lines_in_array.json": b"[\n" + success("a") + b",\n" + success("b") + b"\n]\n",
    "pretty.json": json.dumps(json.loads(success("a")), indent=2).encode(),
    "pretty_request.json": json.dumps(json.loads(request("a")), indent=4).encode(),
    "utf16.jsonl": "\n".join(line.decode() for line in (success("a"), success("b"))).encode("utf-16"),
    "reviews.jsonl": b'{"text": "great", "stars": 5}\n{"text": "bad", "stars": 1}\n',
}


@pytest.fixture(params=list(FOREIGN))
def foreign(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Write a file that holds neither requests nor results."""
    path = tmp_path / request.param
    made = FOREIGN[request.param]
    if isinstance(made, bytes):
        path.write_bytes(made)
    else:
        made(path)
    return path


def test_a_file_that_holds_no_lines_of_a_batch_is_refused_everywhere(
    foreign: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It once made a table of malformed rows with exit code 0, where a command or `-i` determined the kind of the file."""
    requests, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    output = ["-o", str(tmp_path / "table.parquet")]
    for arguments in (
        ["export", str(foreign), *output],
        ["join", "-i", str(foreign), str(results), *output],
        ["join", str(requests), str(foreign), *output],
        ["join", "-i", str(requests), str(foreign), *output],
        ["join", str(results), "--pair", f"{requests}={foreign}", *output],
        ["stats", str(foreign)],
        ["errors", str(foreign)],
        ["get", "--id", "a", str(foreign)],
    ):
        assert exit_code(arguments) == 2, arguments
        assert foreign.name in capsys.readouterr().err
        assert not (tmp_path / "table.parquet").exists()


def test_a_template_among_json_files_is_not_a_request(tmp_path: Path) -> None:
    """`join *.json` once read one of four lines as four malformed requests, and one of one line as a request without an id."""
    put(tmp_path / "in.json", request("a"))
    put(tmp_path / "out.json", success("a"))
    template = {"method": "POST", "url": "/v1/chat/completions", "body": {"model": "m", "messages": []}}
    for text in (
        json.dumps(template),
        json.dumps(template, indent=1),
        json.dumps({"custom_id": "{{id}}", **template}),
        json.dumps(template, indent="\t"),
    ):
        (tmp_path / "template.json").write_text(text)
        with pytest.raises(MismatchError, match=r"template\.json: "):
            batchfiles.join(*sorted(tmp_path.glob("*.json")))
    (tmp_path / "template.json").unlink()
    assert outcomes(*tmp_path.glob("*.json")) == ["succeeded"]


def test_bad_lines_before_good_ones_cost_nothing(tmp_path: Path) -> None:
    """The first good line decides the role of a file that begins like another one, also if the role is given."""
    for head in (b"{", b"[]", b"Dear Sir,", b"1,2", b"\xff\xfe{\x00"):
        requests = put(tmp_path / "in.jsonl", head, request("a"))
        results = put(tmp_path / "out.jsonl", head, success("a"))
        assert outcomes(requests, results) == ["malformed", "succeeded"]
        assert outcomes(results, inputs=[requests]) == ["malformed", "succeeded"]


def test_results_of_other_work_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Results of other requests once gave `missing 100 %, unknown 4,847` and exit code 0."""
    docs = put(tmp_path / "docs.jsonl", request("doc-1"), request("doc-2"))
    out = put(tmp_path / "out.jsonl", success("review-1"), failure("review-2"), success("review-3"))
    for output in ("table.parquet", "table.csv", "parts"):
        assert exit_code(["join", str(docs), str(out), "-o", str(tmp_path / output)]) == 2
        assert f"{out}: 0 of 3 results belong to a request of {docs}" in capsys.readouterr().err
        assert not (tmp_path / output).exists()
    with pytest.raises(MismatchError, match="0 of 3 results belong"):
        list(batchfiles.join(docs, out))
    put(out, success("review-1"), failure("doc-2"))
    assert outcomes(docs, out) == ["missing", "failed"]


# Lines above `max_line_bytes`


@pytest.mark.parametrize("workers", [1, 2])
def test_a_result_that_is_too_long_keeps_its_row(tmp_path: Path, workers: int) -> None:
    """It was missing and was sent again, without a report of the limit; the others are unchanged."""
    put(tmp_path / "requests.jsonl", *(request(name) for name in "abcd"))
    long = success("b", "x" * 3000)
    lines = [success("a"), long, success("c", "x" * 3000).replace(b'"id": "batch_req_1", ', b""), success("d")]
    put(tmp_path / "out.jsonl", *lines)
    job = batchfiles.join(tmp_path, max_line_bytes=1000, workers=workers)
    rows = [(row["outcome"], row["error_code"], row["retryable"], row["result_line_number"]) for row in job]
    too_long = ("malformed", "line_too_long", False)
    assert rows == [("succeeded", None, False, 1), (*too_long, 2), (*too_long, 3), ("succeeded", None, False, 4)]
    report = job.summarize()
    assert (report.used, report.malformed_results, report.malformed_unmatched, report.result_lines) == (4, 2, 0, 4)
    job.write_rejects(tmp_path / "rejects")
    assert (tmp_path / "rejects").read_bytes() == b"".join(line + b"\n" for line in lines[1:3])
    exported = [(row["custom_id"], row["error_code"]) for row in batchfiles.export(tmp_path / "out.jsonl", max_line_bytes=1000)]
    assert exported == [("a", None), ("b", "line_too_long"), ("c", "line_too_long"), ("d", None)]


def test_a_result_that_is_too_long_is_not_sent_again(tmp_path: Path) -> None:
    """It may be an answer that was paid for: only who names it sends it again."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "out.jsonl", success("a", "x" * 3000), expired("b"))
    for options, written in (
        ({}, 1),
        ({"every": True}, 1),
        ({"only": ["line_too_long"]}, 1),
        ({"only": ["malformed", "expired"]}, 2),
    ):
        report = batchfiles.retry(
            tmp_path, output=tmp_path.with_name("again.jsonl"), max_line_bytes=1000, overwrite=True, **options
        )
        assert report.written == written
        if options.get("only") is None:
            assert [group.left_out for group in report.groups if group.error_code == "line_too_long"] == ["result line too long"]


def test_a_long_line_whose_id_is_far_away_belongs_to_no_request(tmp_path: Path) -> None:
    """As any line whose id can't be read; where the result of another one is, it changes nothing."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    value = json.loads(success("a", "x" * 3000))
    put(
        tmp_path / "out.jsonl",
        json.dumps({"response": value["response"], "custom_id": "a", "error": None}).encode(),
        success("b"),
    )
    report = batchfiles.join(tmp_path, max_line_bytes=1000).summarize()
    assert (report.missing, report.malformed_unmatched, report.used) == (1, 1, 1)


def test_a_file_of_one_long_line_is_known_by_its_beginning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its kind was unknown, and the file counted as empty."""
    from batchfiles.io import lines

    monkeypatch.setenv(SWITCH, "0")  # compiled code finds the lines itself
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "out.jsonl", success("a", "x" * 5000))
    splitter = lines.LineSplitter.__init__
    monkeypatch.setattr(lines.LineSplitter, "__init__", lambda self, max_line_bytes=0: splitter(self, min(max_line_bytes, 1000)))
    rows = [(row["outcome"], row["error_code"]) for row in batchfiles.join(tmp_path)]
    assert rows == [("malformed", "line_too_long")]


def test_the_largest_answers_of_services_are_below_the_limit() -> None:
    """Ten images of 5 MB in base64, and 2,048 vectors of 3,072 numbers with 20 digits each."""
    from batchfiles.limits import RESULT_LINE_CAP

    assert max(10 * 5_000_000 * 4 // 3, 2048 * 3072 * 21) < RESULT_LINE_CAP


COPYING = {
    "retry": lambda folder, to: batchfiles.retry(folder, output=to),
    "merge": lambda folder, to: batchfiles.merge(folder, output=to),
    "edit": lambda folder, to: batchfiles.edit(folder, output=to, values={"body.n": 1}),
}


@pytest.mark.parametrize("command", COPYING)
def test_commands_that_write_lines_name_what_they_pass_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    """`retry` paid again for answers in a subfolder, and `merge` and `edit` did not report the results next to the requests."""
    folder = tmp_path / "data"
    put(folder / "requests.jsonl", *(request(name) for name in "abc"))
    put(folder / "error-data", failure("b"))
    put(folder / "results" / "out.jsonl", success("c"))
    report = COPYING[command](folder, tmp_path / "out.jsonl")
    named = {str(folder / "results")} if command == "retry" else {str(folder / "results"), str(folder / "error-data")}
    assert (report.not_read, set(report.examples["not_read"])) == (len(named), named)
    assert report.to_dict()["not_read"] == len(named)
    more = ["--set", "body.n=1"] if command == "edit" else []
    assert exit_code([command, str(folder), "-o", str(tmp_path / "again.jsonl"), *more]) == 0
    assert f"not read: {folder / 'results'}" in capsys.readouterr().err


def test_get_names_what_it_passes_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The result may be in a folder that was not searched."""
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "results" / "out.jsonl", success("a"))
    assert exit_code(["get", "--id", "a", str(tmp_path)]) == 0
    assert f"not read: {tmp_path / 'results'}" in capsys.readouterr().err


def test_merge_of_a_folder_of_results_reads_those_under_other_names(tmp_path: Path) -> None:
    """Fireworks' `error-data` is next to its `BIJOutputSet.jsonl`, and its failures belong to the results."""
    put(tmp_path / "in" / "BIJOutputSet.jsonl", success("a"))
    put(tmp_path / "in" / "error-data", failure("b"))
    report = batchfiles.merge(tmp_path / "in", output=tmp_path / "out.jsonl")
    assert (report.lines, report.not_read) == (2, 0)


@pytest.mark.parametrize("command", ["merge", "split"])
def test_a_campaign_folder_means_its_parts_and_the_rest_is_named(tmp_path: Path, command: str) -> None:
    """Results, retry files and foreign files in it were skipped silently."""
    path = put(tmp_path / "requests.jsonl", request("a"), request("b"))
    folder = tmp_path / "campaign"
    batchfiles.split(path, output=folder, max_requests=1)
    put(folder / "requests-00001_output.jsonl", success("a"))
    put(folder / "error-data", failure("b"))
    (folder / "notes.txt").write_text("to do\n")
    report: Any
    if command == "merge":
        report = batchfiles.merge(folder, output=tmp_path / "merged.jsonl")
        assert (tmp_path / "merged.jsonl").read_bytes() == path.read_bytes()
    else:
        report = batchfiles.split(folder, output=tmp_path / "again")
        assert report.requests == 2
    names = {Path(name).name for name in report.examples["not_read"]}
    assert (report.not_read, names) == (3, {"requests-00001_output.jsonl", "error-data", "notes.txt"})


@pytest.mark.parametrize("command", ["validate", "split", "merge", "edit", "get"])
def test_remote_folders_are_looked_into_as_local_ones(tmp_path: Path, command: str) -> None:
    """What a file holds was asked of local files only, and `validate` of a remote folder raised a ValueError about a spool."""
    put(tmp_path / "data" / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "data" / "error-data", failure("b"))
    there = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    calls: dict[str, Any] = {
        "validate": lambda: batchfiles.validate("data", filesystem=there),
        "split": lambda: batchfiles.split("data", output="parts", filesystem=there),
        "merge": lambda: batchfiles.merge("data", output="/merged.jsonl", filesystem=there),
        "edit": lambda: batchfiles.edit("data", output="/edited.jsonl", values={"body.n": 1}, filesystem=there),
        "get": lambda: batchfiles.get("b", "data", filesystem=there),
    }
    found = calls[command]()
    if command == "get":
        assert [each.role for each in found] == ["request", "result"]
    else:
        assert (found.not_read, found.examples["not_read"]) == (1, ("data/error-data",))


# What earlier commands wrote into the folder


def test_a_table_in_jsonl_is_skipped_like_one_in_another_format(tmp_path: Path) -> None:
    """`join . -o out.jsonl` made every later command on the folder an error, and could not be repeated with --force."""
    put(tmp_path / "requests.jsonl", request("a"), request("b"))
    put(tmp_path / "output.jsonl", success("a"))
    table = tmp_path / "joined.jsonl"
    for overwrite in ([], ["--force"]):
        assert exit_code(["join", str(tmp_path), "-o", str(table), *overwrite]) == 0
    report = batchfiles.join(tmp_path).summarize()
    assert (report.outcomes["succeeded"], report.outcomes["missing"], report.not_read) == (1, 1, 1)
    assert batchfiles.stats(tmp_path).examples["not_read"] == (str(table),)
    assert [file.name for file in batchfiles.validate(tmp_path).files] == [str(tmp_path / "requests.jsonl")]
    assert batchfiles.retry(tmp_path, output=tmp_path.with_name("again.jsonl"), overwrite=True).written == 1
    assert batchfiles.error_digest(tmp_path).errors == 0
    assert batchfiles.stats(table).results.count == 1  # which is read if it is named


def test_rejects_are_not_written_into_the_folder_that_is_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """They are result lines: the next command counted them, and their tokens, once more."""
    put(tmp_path / "day" / "requests.jsonl", request("a"))
    put(tmp_path / "day" / "output.jsonl", success("a"), success("x"))
    words = ["join", str(tmp_path / "day"), "-o", str(tmp_path / "joined.parquet"), "--rejects"]
    assert exit_code([*words, str(tmp_path / "day" / "rejects.jsonl")]) == 2
    assert "--rejects is in a folder that is read, where its lines count again: choose another folder" in capsys.readouterr().err
    assert exit_code([*words, str(tmp_path / "rejects.jsonl")]) == 0
    assert (tmp_path / "rejects.jsonl").read_bytes() == success("x") + b"\n"


@pytest.mark.parametrize("command", [["validate", ""], ["retry", "", "-o", "x.jsonl"], ["join", ".", "-o", ""]])
def test_an_empty_name_is_not_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    """A variable of the shell that is not set: the whole current folder was read, or written into."""
    put(tmp_path / "requests.jsonl", request("a"))
    put(tmp_path / "output.jsonl", success("a"))
    monkeypatch.chdir(tmp_path)
    assert exit_code(command) == 2
    assert capsys.readouterr().err == "batchfiles: error: the name of a file or folder is empty: the current folder is .\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["output.jsonl", "requests.jsonl"]


@pytest.mark.parametrize("name", ["requests.jsonl", "output.jsonl", "./link.jsonl"])
def test_a_table_or_rejects_never_replace_a_file_that_is_read(tmp_path: Path, name: str) -> None:
    """The library replaced results that were paid for by the table; only the command refused."""
    requests, results = put(tmp_path / "requests.jsonl", request("a")), put(tmp_path / "output.jsonl", success("a"), success("x"))
    (tmp_path / "link.jsonl").symlink_to(results)
    before = requests.read_bytes(), results.read_bytes()
    job = batchfiles.join(requests, results)
    calls: list[Any] = [job.write, job.write_rejects]
    if name != "requests.jsonl":
        calls.append(batchfiles.export(results).write)
    for write in calls:
        with pytest.raises(ValueError, match="is a file that is read: choose another name for the output"):
            write(tmp_path / name, overwrite=True)
    assert (requests.read_bytes(), results.read_bytes()) == before


@pytest.mark.parametrize("before", [b"", b"\xef\xbb\xbf", b"\n" * 5000])
@pytest.mark.parametrize("custom_id", ["a", "x" * 10_000, '\\"' * 3_000])
def test_a_found_table_is_recognized_by_its_beginning(tmp_path: Path, before: bytes, custom_id: str) -> None:
    """4,096 bytes decide, or more if an id is longer: a folder of 2,000 compressed files took 6 s when much of each was read."""
    put(tmp_path / "requests.jsonl", request("a"))
    row = json.dumps({"custom_id": custom_id, "outcome": "succeeded", "retryable": False}).encode()
    (tmp_path / "table.jsonl.gz").write_bytes(gzip.compress(before + row + b"\n"))
    assert batchfiles.stats(tmp_path).examples["not_read"] == (str(tmp_path / "table.jsonl.gz"),)
