"""Writers whose calls to the system fail: a share of what `python -m tests.disk.faults` does with all of them."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="calls are counted by a library that a C compiler makes")

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "options",
    [
        ("--only", "csv.gz", "--only", "lines, jsonl.zst", "--step", "3"),
        ("--only", "parquet", "--step", "40"),
        ("--only", "arrow", "--kills", "5"),
    ],
    ids=lambda options: options[1],
)
def test_a_writer_whose_calls_fail_leaves_the_old_file_or_the_new_one(options: tuple[str, ...]) -> None:
    """Writes of Arrow and of compression libraries were counted by no test; only those of Python were."""
    command = [sys.executable, "-m", "tests.disk.faults", *options]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    lines = ran.stdout.splitlines()
    assert len(lines) == options.count("--only")
    assert all("0 torn" in line for line in lines)
    if "--kills" not in options:
        assert all(" error" in line and " killed" in line for line in lines)
