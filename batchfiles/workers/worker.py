"""A worker process: it reads orders from standard input, one JSON object per line, and writes frames to standard output.

It imports pyarrow without numpy and pandas, which take three quarters of the import time and are not used.
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
from batchfiles.workers import BATCH, BYTES, DONE, FAILED, Job, Spec

UNUSED = ("numpy", "pandas")


RUNS_ALONE = 18
"""The first version of pyarrow that runs without numpy."""


def import_pyarrow() -> None:
    """Import pyarrow without numpy, in a process that does not need numpy: a worker or the command line."""
    if "pyarrow" in sys.modules or "numpy" in sys.modules or _major_version() < RUNS_ALONE:
        return
    with _hidden(UNUSED):
        import pyarrow as pa
        import pyarrow._compute  # would import numpy later

        pa.array([0])  # pyarrow looks for pandas only at its first conversion


def import_pyarrow_for(names: Iterable[str]) -> None:
    """Import pyarrow if one of these files is compressed, or may be because it is standard input."""
    if any(name.endswith((".gz", ".bz2", ".zst", ".zstd", "-")) for name in names):
        import_pyarrow()


def _major_version() -> int:
    """Return the version of pyarrow, or 0; read from its folder because `importlib.metadata` is as slow as the import."""
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
    """Make modules impossible to import, unless they are imported already."""
    hidden = [name for name in names if name not in sys.modules]
    for name in hidden:
        sys.modules[name] = None  # type: ignore[assignment]  # `import` raises ModuleNotFoundError
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]


def main() -> None:
    """Run orders until standard input ends, which also happens when the main process dies."""
    # Ctrl-C and the end of the terminal reach the whole process group; the main process decides, and closes standard input.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    # Decoded JSON has no cycles; the garbage collector would take 10 % of the decoding time.
    gc.disable()
    import_pyarrow()
    sink = os.dup(1)
    os.dup2(2, 1)  # libraries must not print between the frames
    jobs: dict[tuple[str, str], Job] = {}
    for line in sys.stdin.buffer:
        order = json.loads(line)
        try:
            _do(order, jobs, sink)
        except BrokenPipeError:
            return
        except Exception as error:  # noqa: BLE001 - raised again in the main process
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
    except Exception:  # noqa: BLE001 - an exception that can't be pickled
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


if __name__ == "__main__":
    main()
