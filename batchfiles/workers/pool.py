"""Who does the work of a job: this process alone, or worker processes that each take the next task.

A job is a class that is built from a JSON-able specification and whose `run(task)` yields record batches or bytes, and at last
a dict, the task's summary. Tasks are ranges of files, so that each is a unit of its own. What they yield arrives in the order of
the tasks, whoever did them.

Workers are `sys.executable -m …` subprocesses: spawned ones die in scripts without a main guard, forked ones warn beside threads,
and daemonic ones may not have children (all tried). Where none can be started, this process does it all.

Worker processes, seen from the one that leads them.
"""

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
import weakref
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain, islice, repeat
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias, cast

from batchfiles import codec
from batchfiles.errors import WorkerError
from batchfiles.table.writer import run_uninterrupted

if TYPE_CHECKING:
    pass

__all__ = [
    "BATCH",
    "BYTES",
    "DONE",
    "FAILED",
    "HEADER",
    "Job",
    "Product",
    "Spec",
    "WorkerPool",
    "WorkerProcesses",
    "cores",
]


WORTH_PROCESSES_FROM = 24 * 1024 * 1024
"""Bytes for which starting a worker process, 0.2 s, pays."""
MOST_WORKERS = 4
"""Workers that one writer of one file keeps up with."""


Spec: TypeAlias = dict[str, Any]
Product: TypeAlias = Any
"""A `pyarrow.RecordBatch`, bytes, or the dict that ends a task."""


class Job:
    """What a crew can do."""

    def __init__(self, spec: Spec) -> None:
        raise NotImplementedError

    @classmethod
    def schema_of(cls, spec: Spec) -> Any:  # noqa: ANN401, ARG003 - pyarrow has no types; most jobs yield no batches
        """Return the schema of the record batches; None if the job yields none."""
        return None

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Do one task."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of files."""


def cores() -> int:
    """Return how many processor cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class WorkerPool:
    """Runs jobs, one after the other, with the same workers.

    Args:
        workers: How many processes decode; 1 means this one.
        main_works: Whether this process is one of several: one less has to start and to send its batches, a tenth of the
            processor time of an export of 500 MB. Not for jobs that take digests of ids, which are others in each process.
    """

    def __init__(self, workers: int = 1, *, main_works: bool = False) -> None:
        if workers < 1:
            raise ValueError("workers must be 1 or more")
        self._wanted = workers
        self._leader_works = main_works
        self._workers: Any = None

    def __enter__(self) -> Self:
        """Start the workers, so that they import while this process still looks at the files."""
        if self._wanted > 1:
            try:
                self._workers = WorkerProcesses(self._wanted - self._leader_works, main_works=self._leader_works)
            except OSError:  # no more processes allowed here: one does it all
                self._workers = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    @property
    def uses_processes(self) -> bool:
        """Whether other processes do the work; their digests of ids are others than this one's."""
        return self._workers is not None

    def run(self, job: type[Job], spec: Spec, tasks: Sequence[Spec]) -> Generator[tuple[int, Product], None, None]:
        """Do all tasks; yields `(task number, product)` in the order of the tasks.

        Whoever may stop before the end closes the generator, as `contextlib.closing` does: an exception keeps it alive else.

        Raises:
            WorkerError: A worker died.
            BatchFilesError: Whatever the job raised.
        """
        if self._workers is not None:  # also for a single task: digests agree among the workers only (see processes)
            yield from self._workers.run(job, spec, tasks)
            return
        doer = job(spec)
        try:
            for number, task in enumerate(tasks):
                with closing(doer.run(task)) as products:
                    for product in products:
                        yield number, product
        finally:
            doer.close()


BATCH, BYTES, DONE, FAILED = b"B", b"D", b"R", b"E"
HEADER = 9
"""A frame is one letter, eight bytes of length, and the payload."""

PIPE_BYTES = 1024 * 1024
"""What a worker may write without being waited for; the system's own 64 KiB make ten times as many switches."""

HASH_KEY = secrets.randbelow(2**32)
"""All workers that this process ever starts hash alike, with a key that no input can know: the index of ids is built by some and
searched by others, those of a later pass among them."""

TASKS_AHEAD = 2
"""Tasks a worker may be ahead of the one whose products are being taken: what they yield waits in memory."""


class WorkerProcesses:
    """A number of running workers.

    They end when somebody says so, when nobody holds this object any more, or when the program ends: whichever comes first, once,
    and before the interpreter stops its daemon threads wherever they are, one of them maybe with a lock in its hands.

    Args:
        count: How many processes to start.
        main_works: Whether this process does tasks too, in a thread; not for jobs that take digests of ids.

    Raises:
        OSError: None could be started.
    """

    def __init__(self, count: int, *, main_works: bool = False) -> None:
        self._leader_works = main_works
        self._workers: list[_Worker] = []
        self._task_runs: list[_TaskRun] = []
        self._end = weakref.finalize(self, _end, self._workers, self._task_runs, os.getpid())
        try:
            for _ in range(count):
                self._workers.append(_Worker(HASH_KEY))
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """End the workers, wherever they are, and the threads that lead them."""
        self._end()

    def run(self, job: type[Job], spec: Spec, tasks: Sequence[Spec]) -> Generator[tuple[int, Product], None, None]:
        """Do as `Crew.run` says."""
        workers: list[_Worker | _LocalWorker] = [*self._workers]
        if self._leader_works:
            workers.append(_LocalWorker(job))
        task_run = _TaskRun({"job": f"{job.__module__}:{job.__qualname__}", "spec": spec}, tasks, len(workers))
        self._task_runs.append(task_run)
        try:
            task_run.start(workers)
            schema = job.schema_of(spec)
            for number, kind, product in task_run.products():
                yield number, _record_batch(product, schema) if kind == BATCH and type(product) is bytes else product
        except BaseException:
            self.close()
            raise
        run_uninterrupted(*(thread.join for thread in task_run.threads()))
        self._task_runs.remove(task_run)


def _end(workers: list[_Worker], task_runs: list[_TaskRun], leader: int) -> None:
    """End workers, then the threads that read from them, and only then close what those have read from."""
    if os.getpid() != leader:  # a fork of the process that leads them has a copy of this object, and neither threads nor workers
        return
    for worker in workers:
        worker.kill()
    for task_run in task_runs:
        task_run.stop()
    try:
        run_uninterrupted(*(thread.join for task_run in task_runs for thread in task_run.threads()))
    finally:
        for worker in workers:
            worker.close()


class _TaskRun:
    """One job's tasks on their way to the workers, each of which is led by a thread, and its products on their way back.

    Args:
        order: What each worker needs to know about the job.
        tasks: What is to be done.
        leaders: How many threads there will be.
    """

    def __init__(self, order: Spec, tasks: Sequence[Spec], leaders: int) -> None:
        self._order = order
        self._tasks = tasks
        self._products: list[queue.SimpleQueue[tuple[bytes, Any]]] = [queue.SimpleQueue() for _ in tasks]
        # Nothing but simple queues between the threads: they are safe wherever the garbage collector may end all this.
        self._to_do: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._not_given = chain(range(len(tasks)), repeat(None))
        for number in islice(self._not_given, leaders * TASKS_AHEAD):
            self._to_do.put(number)
        self._threads: list[threading.Thread] = []

    def start(self, workers: Sequence[_Worker | _LocalWorker]) -> None:
        """Begin."""
        for worker in workers:
            # Daemons: else the program's end would wait for them before anybody could end them.
            thread = threading.Thread(target=self._lead, args=(worker,), name="batchfiles-leader", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _lead(self, worker: _Worker | _LocalWorker) -> None:
        """Give a worker one task after the other, until there are none or one fails."""
        while (number := self._to_do.get()) is not None:
            try:
                worker.do({**self._order, "task": self._tasks[number]}, self._products[number])
            except Exception as error:  # noqa: BLE001 - it is raised again by the process that takes the products
                self._products[number].put((FAILED, error))
                return

    def products(self) -> Iterator[tuple[int, bytes, Any]]:
        """Yield number, kind and product in the order of the tasks, and give the next task where one is done.

        Raises:
            Exception: Whatever a task raised.
        """
        for number, waiting in enumerate(self._products):
            kind = b""
            while kind != DONE:
                kind, product = waiting.get()
                if kind == FAILED:
                    try:
                        raise product  # an exception of the worker's
                    finally:
                        del product  # its traceback holds this frame, which would hold it
                yield number, kind, product
            self._to_do.put(next(self._not_given))

    def stop(self) -> None:
        """Give no more tasks; what a worker is doing goes on until the worker ends."""
        for _ in self._threads:
            self._to_do.put(None)

    def threads(self) -> list[threading.Thread]:
        """Return the threads to wait for: not the one that waits, in which the garbage collector may be at work."""
        return [thread for thread in self._threads if thread is not threading.current_thread()]


def _record_batch(payload: bytes, schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    return pa.ipc.read_record_batch(pa.py_buffer(payload), schema)


class _LocalWorker:
    """A worker that is no process of its own: it runs in the thread that leads it."""

    def __init__(self, job: type[Job]) -> None:
        self._job = job

    def do(self, order: Spec, products: queue.SimpleQueue[tuple[bytes, Any]]) -> None:
        """Do one task, as `_Worker.do` does, and pass on what it yields as it is.

        Raises:
            Exception: Whatever the job raised.
        """
        doer = self._job(order["spec"])
        try:
            for product in doer.run(order["task"]):
                kind = DONE if isinstance(product, dict) else BYTES if isinstance(product, bytes) else BATCH
                products.put((kind, product))
        finally:
            doer.close()


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
            [sys.executable, "-m", "batchfiles.workers.worker"],
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
            WorkerError: The process ended.
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

    def kill(self) -> None:
        """End the process, and so whatever is read from it."""
        self._process.kill()

    def close(self) -> None:
        """Close the pipes of a process that was killed; nobody may be reading from them any more."""
        self._process.wait()
        for stream in (self._orders, self._frames, self._errors):
            try:
                stream.close()
            except OSError:  # a pipe that broke with bytes still in its buffer
                continue

    def _failure(self) -> WorkerError:
        self._process.wait()
        self._errors.seek(0)
        said = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        last = f": {said[-1]}" if said else ""
        return WorkerError(
            f"a worker process ended with status {self._process.returncode}{last}. If memory is short, try --workers 1"
        )
