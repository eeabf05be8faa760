"""Importing pyarrow without numpy, which takes three quarters of the time and is used for nothing here."""

from __future__ import annotations

import sys

__all__ = ["import_pyarrow"]


def import_pyarrow() -> None:
    """Import pyarrow in a process that is all ours, such as a worker or the command line; others may want its numpy.

    From version 18 on pyarrow runs without numpy. An older one refuses, and gets it.
    """
    if "pyarrow" in sys.modules or "numpy" in sys.modules:
        return
    sys.modules["numpy"] = None  # type: ignore[assignment]  # what Python takes for "can't be imported"
    try:
        import pyarrow  # noqa: F401, ICN001
    except ImportError:
        for name in [name for name in sys.modules if name == "pyarrow" or name.startswith("pyarrow.")]:
            del sys.modules[name]
    finally:
        del sys.modules["numpy"]
