"""A worker process: takes orders on standard input, a JSON object a line, and answers in frames on standard output.

Importing pyarrow without numpy and pandas, which take three quarters of the time and are used for nothing here.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import re
import signal
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from batchfiles import codec
from batchfiles.workers.pool import BATCH, BYTES, DONE, FAILED, Job, Spec

__all__ = ["import_pyarrow", "import_pyarrow_for", "main"]


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


def main() -> None:
    """Work until the orders end, which they also do when the leading process dies."""
    # Ctrl-C reaches the whole group, and so does the end of a terminal: the leader decides what to do with it, a worker only goes
    # when its orders end.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Decoded JSON has no cycles; a collector that walks it again and again costs a tenth of the decoding.
    gc.disable()
    import_pyarrow()
    sink = os.dup(1)
    os.dup2(2, 1)  # nothing that a library prints may get between the frames
    jobs: dict[tuple[str, str], Job] = {}
    for line in sys.stdin.buffer:
        order = json.loads(line)
        try:
            _do(order, jobs, sink)
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - it is raised again by the leader
            _send(sink, FAILED, _pickled(error))
        gc.collect(1)


def _do(order: Spec, jobs: dict[tuple[str, str], Job], sink: int) -> None:
    key = (order["job"], json.dumps(order["spec"]))
    if key not in jobs:
        module, name = order["job"].split(":")
        while jobs:
            jobs.popitem()[1].close()
        jobs[key] = getattr(importlib.import_module(module), name)(order["spec"])
    for product in jobs[key].run(order["task"]):
        if isinstance(product, dict):
            _send(sink, DONE, codec.dumps(product))
        elif isinstance(product, bytes):
            _send(sink, BYTES, product)
        else:
            _send(sink, BATCH, product.serialize())


def _send(sink: int, kind: bytes, payload: Any) -> None:  # noqa: ANN401 - bytes or a pyarrow buffer
    view = memoryview(payload).cast("B")
    os.write(sink, kind + len(view).to_bytes(8, "little"))
    while view:
        view = view[os.write(sink, view) :]


def _pickled(error: Exception) -> bytes:
    try:
        return pickle.dumps(error)
    except Exception:  # noqa: BLE001 - an exception that can't travel is told in words
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
