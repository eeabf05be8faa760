"""A worker process: takes orders on standard input, a JSON object a line, and answers in frames on standard output."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import signal
import sys
from typing import Any

from batchfiles import codec
from batchfiles.jobs.crew import Job, Spec
from batchfiles.jobs.lean_import import import_pyarrow
from batchfiles.jobs.processes import BATCH, BYTES, DONE, FAILED

__all__ = ["main"]


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
