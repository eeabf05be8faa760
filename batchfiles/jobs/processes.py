"""Worker processes, seen from the one that leads them."""

from __future__ import annotations

import fcntl
import json
import os
import pickle
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, cast

from batchfiles import codec
from batchfiles.errors import WorkerFailed
from batchfiles.jobs.crew import Job, Product, Spec

__all__ = ["BATCH", "BYTES", "DONE", "FAILED", "HEADER", "Processes"]

BATCH, BYTES, DONE, FAILED = b"B", b"D", b"R", b"E"
HEADER = 9
"""A frame is one letter, eight bytes of length, and the payload."""

PIPE_BYTES = 1024 * 1024
"""What a worker may write without being waited for; the system's own 64 KiB make ten times as many switches."""

HASH_KEY = secrets.randbelow(2**32)
"""All workers that this process ever starts hash alike, with a key that no input can know: the index of ids is built by some and
searched by others, those of a later pass among them."""

AHEAD = 2
"""Tasks a worker may be ahead of the one whose products are being taken: what they yield waits in memory."""


class Processes:
    """A number of running workers.

    Raises:
        OSError: None could be started.
    """

    def __init__(self, count: int) -> None:
        self._workers: list[_Worker] = []
        try:
            for _ in range(count):
                self._workers.append(_Worker(HASH_KEY))
        except OSError:
            self.close()
            raise

    def close(self) -> None:
        """End the workers, wherever they are."""
        for worker in self._workers:
            worker.close()

    def run(self, job: type[Job], spec: Spec, tasks: Sequence[Spec]) -> Iterator[tuple[int, Product]]:
        """Do as `Crew.run` says."""
        products: list[queue.SimpleQueue[tuple[bytes, Any]]] = [queue.SimpleQueue() for _ in tasks]
        numbers = iter(range(len(tasks)))
        room = threading.Semaphore(len(self._workers) * AHEAD)
        stop = threading.Event()
        lock = threading.Lock()
        order = {"job": f"{job.__module__}:{job.__qualname__}", "spec": spec}

        def lead(worker: _Worker) -> None:
            while True:
                room.acquire()
                with lock:
                    number = next(numbers, None)
                if number is None or stop.is_set():
                    room.release()
                    return
                try:
                    worker.do({**order, "task": tasks[number]}, products[number])
                except Exception as error:  # noqa: BLE001 - it is raised again by the process that takes the products
                    products[number].put((FAILED, error))
                    return

        threads = [threading.Thread(target=lead, args=(worker,), daemon=True) for worker in self._workers]
        for thread in threads:
            thread.start()
        try:
            schema = job.schema_of(spec)
            for number, waiting in enumerate(products):
                while True:
                    kind, product = waiting.get()
                    if kind == FAILED:
                        raise product  # noqa: TRY301 - an exception of the worker's
                    if kind == BATCH:
                        product = _record_batch(product, schema)
                    yield number, product
                    if kind == DONE:
                        break
                room.release()
        except BaseException:
            stop.set()
            room.release(len(threads))  # none may wait for it for ever
            self.close()
            raise


def _record_batch(payload: bytes, schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    return pa.ipc.read_record_batch(pa.py_buffer(payload), schema)


class _Worker:
    """One process and its two pipes."""

    def __init__(self, seed: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = self._started(seed)
        except OSError:
            self._errors.close()
            raise
        self._orders = cast("IO[bytes]", self._process.stdin)
        self._frames = cast("IO[bytes]", self._process.stdout)
        with suppress(AttributeError, OSError):  # Linux only, and only where the administrator allows as much
            fcntl.fcntl(self._frames.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def _started(self, seed: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-m", "batchfiles.jobs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # The worker must find the same modules, also where a script has changed its path.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
                "PYTHONHASHSEED": str(seed),
            },
        )

    def do(self, order: Spec, products: queue.SimpleQueue[tuple[bytes, Any]]) -> None:
        """Give one order and pass on what comes back, up to the frame that ends it.

        Raises:
            WorkerFailed: The process ended.
        """
        try:
            self._orders.write(json.dumps(order).encode() + b"\n")  # not codec: a path need not be UTF-8
            self._orders.flush()
        except OSError:
            raise self._failure() from None
        while True:
            header = self._frames.read(HEADER)
            if len(header) < HEADER:
                raise self._failure()
            kind, size = header[:1], int.from_bytes(header[1:], "little")
            payload = self._frames.read(size)
            if len(payload) < size:
                raise self._failure()
            if kind == FAILED:
                raise pickle.loads(payload)  # noqa: S301 - our own process on our own pipe
            products.put((kind, codec.loads(payload) if kind == DONE else payload))
            if kind == DONE:
                return

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()
        for stream in (self._orders, self._frames, self._errors):
            try:
                stream.close()
            except OSError:  # a pipe that broke with bytes still in its buffer
                continue

    def _failure(self) -> WorkerFailed:
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        return WorkerFailed(
            f"a worker process ended with status {self._process.returncode}{last}. If memory is short, try --workers 1"
        )
