"""A job that is called again and again keeps nothing in memory: servers and notebooks live long."""

from __future__ import annotations

import gc
import os
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import batchfiles

CALLS = int(os.environ.get("BATCHFILES_CALLS", "20"))
"""Calls of each job; 10000 are the whole test."""

MOST = 40_000 if CALLS < 100 else 1_000_000
"""Bytes of Python objects after all calls, for caches of a fixed size."""

FOLDER = Path(__file__).parents[2] / "fixtures" / "chat_completions"
REQUESTS = FOLDER / "requests.jsonl"
RESULTS = [str(path) for path in sorted(FOLDER.glob("batch_*.jsonl"))]

JOBS: dict[str, Callable[[Path], Any]] = {
    "validate": lambda _: batchfiles.validate(REQUESTS),
    "read_outputs": lambda _: [batchfiles.outcome_of(record) for record in batchfiles.read_outputs(*RESULTS)],
    "edit": lambda out: batchfiles.edit(REQUESTS, output=out / "e.jsonl", values={"body.model": "m"}, overwrite=True),
    "export": lambda _: batchfiles.export(*RESULTS).to_arrow(),
    "join": lambda _: batchfiles.join(REQUESTS, *RESULTS).to_arrow(),
}


@pytest.mark.parametrize("job", JOBS)
def test_memory_does_not_grow_with_the_number_of_calls(job: str, tmp_path: Path) -> None:
    """Measured after a few calls, which fill the caches."""
    for _ in range(3):
        JOBS[job](tmp_path)
    gc.collect()
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(CALLS):
            JOBS[job](tmp_path)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert grown < MOST
