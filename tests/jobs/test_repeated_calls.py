"""A job that is called again and again keeps nothing in memory: servers and notebooks live long."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import batchfiles
from batchfiles.io.temporary import CLEARED_AT, MOST_FOLDERS, clear_leftovers

CALLS = int(os.environ.get("BATCHFILES_CALLS", "30"))
"""Calls of each job; 10000 are the whole test."""

TRACED = max(20, CALLS // 10)
"""Calls whose Python objects are counted, which makes them slow."""

MOST = 40_000 if TRACED < 100 else 1_000_000
"""Bytes of Python objects after these calls, for caches of a fixed size."""

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "fixtures" / "chat_completions"
REQUESTS = FOLDER / "requests.jsonl"
RESULTS = [str(path) for path in sorted(FOLDER.glob("batch_*.jsonl"))]

LINES = REQUESTS.read_bytes().splitlines()

JOBS: dict[str, Callable[[Path], Any]] = {
    "decode_input": lambda _: [batchfiles.encode_input(batchfiles.decode_input(line)) for line in LINES],
    "read_outputs": lambda _: [batchfiles.outcome_of(record) for record in batchfiles.read_outputs(*RESULTS)],
    "validate": lambda _: batchfiles.validate(REQUESTS),
    "stats": lambda _: batchfiles.stats(REQUESTS, *RESULTS),
    "error_digest": lambda _: batchfiles.error_digest(REQUESTS, *RESULTS),
    "get": lambda _: batchfiles.get("a", REQUESTS, *RESULTS),
    "edit": lambda out: batchfiles.edit(REQUESTS, output=out / "e.jsonl", values={"body.model": "m"}, overwrite=True),
    "merge": lambda out: batchfiles.merge(REQUESTS, output=out / "m.jsonl", overwrite=True),
    "split": lambda out: batchfiles.split(REQUESTS, output=out / "parts", max_requests=10, overwrite=True),
    "retry": lambda out: batchfiles.retry(REQUESTS, *RESULTS, output=out / "r.jsonl", every=True, overwrite=True),
    "export": lambda _: batchfiles.export(*RESULTS).to_arrow(),
    "join": lambda _: batchfiles.join(REQUESTS, *RESULTS).to_arrow(),
    "to_parquet": lambda out: batchfiles.join(REQUESTS, *RESULTS).to_parquet(out / "t.parquet", overwrite=True),
}


OURS = [tracemalloc.Filter(False, tracemalloc.__file__), tracemalloc.Filter(False, "*/coverage/*")]
"""Without the tools that measure: coverage keeps a record of each thread."""


def size(snapshot: tracemalloc.Snapshot) -> int:
    """Return the bytes of the objects that the jobs have made."""
    return sum(each.size for each in snapshot.filter_traces(OURS).traces)


def grown(call: Callable[[Path], Any], folder: Path) -> int:
    """Return the bytes of Python objects that calls keep."""
    tracemalloc.start()
    try:
        gc.collect()
        before = size(tracemalloc.take_snapshot())
        for _ in range(TRACED):
            call(folder)
        gc.collect()
        return size(tracemalloc.take_snapshot()) - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("job", JOBS)
def test_memory_does_not_grow_with_the_number_of_calls(job: str, tmp_path: Path) -> None:
    """After a few calls, which fill the caches; twice, for Python's table of names may grow by a megabyte at any time."""
    for _ in range(3):
        JOBS[job](tmp_path)
    assert min(grown(JOBS[job], tmp_path) for _ in range(2)) < MOST


def test_the_measure_finds_what_a_job_keeps(tmp_path: Path) -> None:
    """Else none of the above would fail."""
    kept: list[bytes] = []
    assert grown(lambda _: kept.append(bytes(10_000)), tmp_path) >= TRACED * 10_000
    assert grown(lambda _: None, tmp_path) < MOST


def test_a_process_remembers_few_folders(tmp_path: Path) -> None:
    """A server that writes into a new folder for each job kept the name of each."""
    for number in range(MOST_FOLDERS + 10):
        clear_leftovers(tmp_path / str(number))
    assert len(CLEARED_AT) <= MOST_FOLDERS


GROWTH = """
import gc
import sys
from pathlib import Path
from tests.jobs.test_repeated_calls import JOBS

def resident():
    gc.collect()
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmRSS"))

call, folder = JOBS[sys.argv[1]], Path(sys.argv[2])
for _ in range(20):
    call(folder)
before = resident()
for _ in range(int(sys.argv[3])):
    call(folder)
print(resident() - before)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs /proc")
@pytest.mark.parametrize("job", JOBS)
def test_the_process_does_not_grow_with_the_number_of_calls(job: str, tmp_path: Path) -> None:
    """What pyarrow and orjson allocate is not counted by Python: the memory of the process is, after 30 calls."""
    command = [sys.executable, "-c", GROWTH, job, str(tmp_path), str(CALLS)]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert int(ran.stdout) <= 4 * 1024
