"""The programs that are compared, as commands."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from batchfiles.native import SWITCH
from benchmarks.data import Batch
from benchmarks.rounds import Command

__all__ = ["afresh", "batchfiles", "duckdb", "is_compiled", "python"]


def python(module: str, *arguments: str | Path) -> list[str]:
    """Return the command that runs a module in a new interpreter."""
    return [sys.executable, "-m", module, *map(str, arguments)]


def batchfiles(command: str, files: Sequence[str], output: Path, *, compiled: bool = False) -> Command:
    """Return what runs our command line, in pure Python or with compiled code; it prints its counts as JSON."""
    program = "from batchfiles.cli.main import run; run()"
    switch = f"{SWITCH}={int(compiled)}"
    return afresh(output, ["env", switch, sys.executable, "-c", program, command, *files, "-o", str(output), "--json"])


def is_compiled() -> bool:
    """Return whether compiled code is installed."""
    return find_spec("batchfiles_native") is not None


def duckdb(files: Batch, output: Path, *arguments: str) -> Command:
    """Return what runs a join in DuckDB; it prints its counts as JSON."""
    return afresh(output, python("benchmarks.rivals.duckdb_join", *files.files, "-o", output, *arguments))


def afresh(output: Path, command: Sequence[str]) -> Command:
    """Remove an earlier run's output before a command starts: nothing is overwritten, and the disk doesn't fill."""

    def ready() -> Sequence[str]:
        if output.is_dir():
            shutil.rmtree(output)
        output.unlink(missing_ok=True)
        return command

    return ready
