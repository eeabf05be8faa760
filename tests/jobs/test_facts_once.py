"""The kind of a file, and the place of a table, are found once and passed on."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from batchfiles import export, join, parts, retry, split
from batchfiles.cli.main import exit_code
from batchfiles.inputs.kinds import LINES_LOOKED_AT

FIXTURES = Path(__file__).parents[2] / "fixtures"


@contextmanager
def calls(*functions: str) -> Iterator[Counter[str]]:
    """Count the calls of functions of the package, each named as `module:function`."""
    found: Counter[str] = Counter()

    def count(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            name = f"{frame.f_globals.get('__name__', '').removeprefix('batchfiles.')}:{frame.f_code.co_name}"
            if name in functions:
                found[name] += 1

    before = sys.getprofile()
    sys.setprofile(count)
    try:
        yield found
    finally:
        sys.setprofile(before)


def test_the_table_of_an_embeddings_file_is_looked_for_once(tmp_path: Path) -> None:
    """A file of requests for vectors is read to its end to choose the table, and `join` did that three times."""
    with calls("inputs.kinds:table_of_inputs") as found, join(FIXTURES / "embeddings") as joined:
        joined.to_parquet(tmp_path / "t.parquet")
        assert joined.schema.names[-1]
        assert joined.report.table == "embeddings"
    assert found == {"inputs.kinds:table_of_inputs": 1}


def test_the_manifest_of_a_folder_is_read_once(tmp_path: Path) -> None:
    """A join of a campaign folder read the manifest again for each thing that it asked of it."""
    requests, results = FIXTURES / "chat_completions" / "requests.jsonl", FIXTURES / "chat_completions"
    split(requests, output=tmp_path / "week", max_requests=5)
    for number, path in enumerate(sorted(results.glob("batch_*.jsonl"))):
        shutil.copy(path, tmp_path / "week" / f"requests-0000{number + 1}_output.jsonl")
    with calls("campaign:read_manifest") as found, join(tmp_path / "week") as joined:
        assert joined.summarize().inputs == 16
    assert found == {"campaign:read_manifest": 1}


def test_a_part_is_joined_without_a_look_at_the_manifest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of a campaign with a relative path read the manifest again: it looked for it by another path."""
    split(FIXTURES / "chat_completions" / "requests.jsonl", output=tmp_path / "week", max_requests=5)
    monkeypatch.chdir(tmp_path)
    listed = parts("week")
    with calls("campaign:read_manifest") as found:
        assert [part.join().summarize().inputs for part in listed] == [5, 5, 5, 1]
    assert found == {}


def test_a_command_parses_its_output_and_its_inputs_once(tmp_path: Path) -> None:
    """`join` parsed the place of its table seven times: each time a remote one asks for the credentials and the region."""
    files = FIXTURES / "chat_completions"
    requests, results = str(files / "requests.jsonl"), str(next(files.glob("*_output.jsonl")))
    outputs = ["-o", str(tmp_path / "t.parquet"), "--rejects", str(tmp_path / "r"), "--report", str(tmp_path / "report.json")]
    args = ["join", "--pair", f"{requests}={results}", str(files), *outputs, "--workers", "1"]
    with calls("io.remote_path:located") as found:
        assert exit_code(args) == 0
    assert (tmp_path / "t.parquet").exists()
    assert found == {"io.remote_path:located": len(["requests", "results", "folder", "table", "rejects", "report"])}


def test_retry_opens_a_file_that_may_be_a_table_once_to_tell(tmp_path: Path) -> None:
    """What a file is was asked by its name and again by its first line."""
    table = tmp_path / "t.parquet"
    files = FIXTURES / "chat_completions"
    with join(files) as joined:
        joined.to_parquet(table)
    with calls("io.remote_path:located", "table.open:_format_of") as found:
        retry(files / "requests.jsonl", table, output=tmp_path / "again.jsonl")
    assert found["io.remote_path:located"] == len(["requests", "table", "output"])
    assert found["table.open:_format_of"] == 3  # both files to tell, and the table to read it


def test_an_error_file_is_not_read_for_a_success(tmp_path: Path) -> None:
    """An export looked for a success in the whole error file, in Python, before it began: a tenth of its time."""
    lines = (FIXTURES / "chat_completions").glob("*_error.jsonl")
    (tmp_path / "a_error.jsonl").write_bytes(b"".join(path.read_bytes() for path in lines) * 100)
    shutil.copy(next((FIXTURES / "chat_completions").glob("*_output.jsonl")), tmp_path / "b_output.jsonl")
    with calls("inputs.kinds:_endpoint_of_success") as found, export(tmp_path) as exported:
        assert exported.schema.names[-1]
    assert 0 < found["inputs.kinds:_endpoint_of_success"] <= LINES_LOOKED_AT + 1
    vectors = next((FIXTURES / "embeddings").glob("*_output.jsonl"))
    assert export(tmp_path / "a_error.jsonl", vectors).summarize().table == "embeddings"


def test_a_late_success_decides_on_the_table(tmp_path: Path) -> None:
    """The success of another endpoint may be far from the beginning of its file."""
    failures = next((FIXTURES / "chat_completions").glob("*_error.jsonl")).read_bytes()
    success = next((FIXTURES / "chat_completions").glob("*_output.jsonl")).read_bytes()
    (tmp_path / "late.jsonl").write_bytes(failures * LINES_LOOKED_AT + success)
    vectors = sorted((FIXTURES / "embeddings").glob("*_output.jsonl"))
    assert export(*vectors).summarize().table == "embeddings"
    assert export(*vectors, tmp_path / "late.jsonl").summarize().table == "requests"
