"""Every command that opens lines names a file that holds none: with the cure, and no exit code of 0."""

from __future__ import annotations

import gzip
import io
import json
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from batchfiles.cli.main import exit_code
from tests.jobs.wire import put, request, success


def zipped() -> bytes:
    """Make a ZIP archive of results."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("batch_output.jsonl", success("a").decode())
    return sink.getvalue()


def tarred() -> bytes:
    """Make a compressed tar archive of results."""
    sink = io.BytesIO()
    with tarfile.open(fileobj=sink, mode="w:gz") as archive:
        info = tarfile.TarInfo("batch_output.jsonl")
        info.size = len(success("a"))
        archive.addfile(info, io.BytesIO(success("a")))
    return sink.getvalue()


def parquet() -> bytes:
    """Make a Parquet file."""
    sink = io.BytesIO()
    pq.write_table(pa.table({"custom_id": ["a"]}), sink)
    return sink.getvalue()


OTHERS = {
    "zip": (zipped(), "the file is a ZIP archive: extract its files first"),
    "tar.gz": (tarred(), "the gzip data holds a tar archive: extract its files first"),
    "Parquet": (parquet(), "the file is a Parquet file, and JSONL is expected here"),
    "xz": (b"\xfd7zXZ\0\0\x04" + bytes(40), "the file is xz data: decompress it first, with xz -d"),
}


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize(
    "command",
    [
        ["join", "{inputs}", "{file}", "-o", "{out}.parquet"],
        ["join", "-i", "{inputs}", "{file}", "-o", "{out}.parquet"],
        ["join", "-i", "{file}", "{results}", "-o", "{out}.parquet"],
        ["export", "{file}", "-o", "{out}.parquet"],
        ["stats", "{file}"],
        ["errors", "{file}"],
        ["get", "{file}", "--id", "a"],
        ["split", "{file}", "-o", "{out}"],
        ["merge", "{file}", "-o", "{out}.jsonl"],
        ["edit", "{file}", "-o", "{out}.jsonl", "--set", "body.n=1"],
        ["retry", "{inputs}", "{file}", "-o", "{out}.jsonl"],
        ["retry", "{inputs}", "-o", "{out}.jsonl", "--ids", "{file}"],
    ],
    ids=" ".join,
)
def test_a_file_without_lines_is_named(command: list[str], kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`export` wrote a table of malformed rows and `join -i` called every request missing, both with exit code 0."""
    data, words = OTHERS[kind]
    reads_tables = command[0] in ("stats", "errors", "get") or (command[0] == "retry" and "--ids" not in command)
    if kind == "Parquet" and reads_tables:  # whatever their names
        words = "has no column outcome"
    names = {
        "inputs": put(tmp_path / "requests.jsonl", request("a")),
        "results": put(tmp_path / "results.jsonl", success("a")),
        "out": tmp_path / "out",
        "file": tmp_path / "batch_1_output.jsonl.gz",
    }
    names["file"].write_bytes(data)
    assert exit_code([each.format(**names) for each in command]) == 2
    assert f"batch_1_output.jsonl.gz: {words}" in capsys.readouterr().err
    assert not list(tmp_path.glob("out*.*"))


@pytest.mark.parametrize("kind", OTHERS)
def test_validate_finds_it(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As one finding, and the good files next to it are checked."""
    data, words = OTHERS[kind]
    (tmp_path / "a.jsonl.gz").write_bytes(data)
    put(tmp_path / "b.jsonl", request("b"), request("b"))
    assert exit_code(["validate", str(tmp_path), "--json"]) == 1
    report = json.loads(capsys.readouterr().out)
    found = [
        (Path(each["path"]).name, each["code"], each["message"]) for each in report["findings"] if each["severity"] == "error"
    ]
    [(code, message)] = [(code, message) for name, code, message in found if name == "a.jsonl.gz"]
    assert code == "mismatch"
    assert words.removeprefix("the ") in message
    assert ("b.jsonl", "duplicate_custom_id") in [each[:2] for each in found]


@pytest.mark.parametrize("kind", ["zip", "xz", "tar.gz"])
def test_readers_of_tables_name_it_too(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`show` and `prepare` know Parquet, and no archives."""
    data, words = OTHERS[kind]
    (tmp_path / "t.csv").write_bytes(data)
    put(tmp_path / "template.json", b'{"model": "m"}')
    prepare = ["prepare", str(tmp_path / "t.csv"), "-o", str(tmp_path / "r.jsonl"), "--template", str(tmp_path / "template.json")]
    for command in (["show", str(tmp_path / "t.csv")], [*prepare, "--id", "{{id}}", "--url", "/v1/x"]):
        assert exit_code(command) == 2
        assert f"t.csv: {words}" in capsys.readouterr().err


def test_a_name_that_promises_gzip_is_held_to_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The first byte of a download was lost, and its bytes were read as lines."""
    file = tmp_path / "batch_1_output.jsonl.gz"
    file.write_bytes(gzip.compress(success("a"))[1:])
    assert exit_code(["export", str(file), "-o", str(tmp_path / "out.parquet")]) == 3
    words = "the gzip data is damaged or cut short: its first bytes are neither that nor text"
    assert f"batch_1_output.jsonl.gz: {words}" in capsys.readouterr().err
    assert exit_code(["validate", str(file), "--json"]) == 1
    findings = json.loads(capsys.readouterr().out)["findings"]
    assert [(each["code"], each["message"]) for each in findings if each["severity"] == "error"] == [
        ("truncated_file", f"The file can't be read to its end: {words}.")
    ]
