"""A file that changes while it is read once: the bytes that were read are neither the old file nor the new one."""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import batchfiles
from batchfiles import FileError
from batchfiles.jobs.get import find
from tests.jobs.wire import request, success

COUNT = 8_000
"""Lines, of which some thousands are read before the file changes."""


def cut(path: Path) -> None:
    """Let the file end in its middle, after a line."""
    data = path.read_bytes()
    os.truncate(path, data.index(b"\n", len(data) // 2) + 1 if path.suffix == ".jsonl" else len(data) // 2)


def rewrite(path: Path) -> None:
    """Write the same number of other bytes into it."""
    with path.open("r+b") as file:
        file.write(b" ")
    status = path.stat()
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))


def append(path: Path) -> None:
    """Write one more line."""
    with path.open("ab") as file:
        file.write(b"\n")


Step = Callable[[int, int | None], Any]

JOBS: dict[str, Callable[[Path, Path, Step], Any]] = {
    "validate": lambda path, _, step: batchfiles.validate(path, progress=step),
    "edit": lambda path, out, step: batchfiles.edit(path, output=out / "o.jsonl", values={"body.model": "m"}, progress=step),
    "merge": lambda path, out, step: batchfiles.merge(path, output=out / "o.jsonl", progress=step),
    "merge all": lambda path, out, step: batchfiles.merge(path, output=out / "o.jsonl", progress=step, on_duplicate="keep"),
    "split": lambda path, out, step: batchfiles.split(path, output=out / "parts", progress=step),
    "stats": lambda path, _, step: batchfiles.stats(path, progress=step),
    "get": lambda path, _, step: list(find("r-1", path, progress=step)),
    "read_inputs": lambda path, _, step: [step(1, None) for _ in batchfiles.read_inputs(path)],
}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
@pytest.mark.parametrize("change", [cut, rewrite, append])
@pytest.mark.parametrize("job", JOBS)
def test_a_file_that_changes_while_it_is_read_is_an_error(
    tmp_path: Path, job: str, change: Callable[[Path], None], suffix: str
) -> None:
    """`edit` copied 4,995 of 9,988 lines of a file that was cut meanwhile, and its exit code was 0; join and export noticed."""
    path = tmp_path / f"requests{suffix}"
    data = b"".join(request(f"r-{number}", padding=os.urandom(20).hex()) + b"\n" for number in range(COUNT))
    path.write_bytes(gzip.compress(data, 1) if suffix.endswith(".gz") else data)
    done = []

    def step(_done: int, _total: int | None) -> None:
        if not done:
            change(path)
        done.append(1)

    with pytest.raises((FileError, batchfiles.TruncatedFileError), match=r"changed while it was being read|damaged or cut short"):
        JOBS[job](path, tmp_path, step)
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name]


def test_a_file_that_was_replaced_by_another_one_is_read_to_its_end(tmp_path: Path) -> None:
    """Who renames a new file over it changes nothing of the one that is open."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(b"".join(success(f"r-{number}") + b"\n" for number in range(COUNT)))
    (tmp_path / "new").write_bytes(b"")
    records = batchfiles.read_outputs(path)
    next(records)
    (tmp_path / "new").rename(path)
    assert sum(1 for _ in records) == COUNT - 1
