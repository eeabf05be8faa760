"""Importing pyarrow without numpy and pandas, which take three quarters of the time and are used for nothing here."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

__all__ = ["import_pyarrow", "import_pyarrow_for"]

UNUSED = ("numpy", "pandas")


RUNS_ALONE = 18
"""The first version of pyarrow that runs without numpy; an older one complains on standard error, and refuses."""


def import_pyarrow() -> None:
    """Import pyarrow in a process that is all ours, such as a worker or the command line; others may want its numpy."""
    if "pyarrow" in sys.modules or "numpy" in sys.modules or _major_version() < RUNS_ALONE:
        return
    with _hidden(UNUSED):
        import pyarrow as pa
        import pyarrow._compute  # would import numpy later

        pa.array([0])  # pyarrow looks for pandas at its first conversion, and never again


def import_pyarrow_for(names: Iterable[str]) -> None:
    """Import pyarrow where it may be needed to read or write a file: a compressed one, or standard input, which may be.

    Args:
        names: The files, as the command line names them.
    """
    if any(name.endswith((".gz", ".bz2", ".zst", ".zstd", "-")) for name in names):
        import_pyarrow()


def _major_version() -> int:
    """Read the version of pyarrow from its folder: `importlib.metadata` takes as long as pyarrow itself. 0 if it isn't there."""
    spec = find_spec("pyarrow")
    for folder in (spec and spec.submodule_search_locations) or ():
        try:
            text = (Path(folder) / "_generated_version.py").read_text()
        except OSError:
            continue
        if found := re.search(r"version = '([0-9]+)\.", text):
            return int(found[1])
    return 0


@contextmanager
def _hidden(names: tuple[str, ...]) -> Iterator[None]:
    """Let modules be such as can't be imported; nothing that is imported already is touched."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # what Python takes for "can't be imported"
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
