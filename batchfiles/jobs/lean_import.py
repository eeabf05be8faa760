"""Importing pyarrow without numpy and pandas, which take three quarters of the time and are used for nothing here."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["import_pyarrow"]

UNUSED = ("numpy", "pandas")


def import_pyarrow() -> None:
    """Import pyarrow in a process that is all ours, such as a worker or the command line; others may want its numpy.

    From version 18 on pyarrow runs without numpy. An older one refuses, and gets it.
    """
    if "pyarrow" in sys.modules or "numpy" in sys.modules:
        return
    with _hidden(UNUSED):
        try:
            import pyarrow as pa
            import pyarrow._compute  # would import numpy later
        except ImportError:
            for name in [name for name in sys.modules if name == "pyarrow" or name.startswith("pyarrow.")]:
                del sys.modules[name]
        else:
            pa.array([0])  # pyarrow looks for pandas at its first conversion, and never again


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
