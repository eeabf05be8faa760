"""A pool of worker processes or threads, of which each takes the next task of a job.

A job is a class that is created from a JSON specification. Its `run(task)` yields record batches or bytes, and finally a dict,
the summary of the task. Tasks are independent, such as ranges of files. Products arrive in the order of the tasks.

Workers are `sys.executable -c …` subprocesses: with multiprocessing, spawned workers fail in scripts without a main guard, forked
ones warn in programs with threads, and daemonic ones can't have children. If none can be started, this process does all tasks.
"""

from __future__ import annotations

import fcntl
import gc
import importlib
import json
import logging
import os
import pickle
import queue
import secrets
import signal
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, suppress
from itertools import chain, islice, repeat
from pathlib import Path
from typing import IO, Any, Self, TypeAlias, cast

from batchfiles import codec
from batchfiles.errors import WorkerError
from batchfiles.io.arrow import import_pyarrow
from batchfiles.io.threads import run_uninterrupted

LOG = logging.getLogger(__name__)

PROCESSES_FROM_BYTES = 24 * 1024 * 1024
"""Bytes for which starting a worker process, 0.2 s, pays."""
MOST_WORKERS = 4
"""Workers that one writer of one file keeps up with."""


Spec: TypeAlias = dict[str, Any]
Product: TypeAlias = Any
"""A `pyarrow.RecordBatch`, bytes, or the dict that ends a task."""


class Job:
    """The base class of jobs."""

    ahead = 2
    """Tasks per worker that run ahead of the consumer; their products wait in memory."""

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
        """Close files."""


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


BATCH, BYTES, DONE, FAILED = b"B", b"D", b"R", b"E"
HEADER = 9
"""A frame is one letter, eight bytes of length, and the payload."""

PIPE_BYTES = 1024 * 1024
"""The buffer of a worker's output; the default of 64 KiB makes ten times as many context switches."""

HASH_KEY = secrets.randbelow(2**32)
"""The random hash key of all workers: some build the index of ids, and others search it, also in later passes."""


class WorkerPool:
    """Runs jobs, one after the other, with the same workers.

    The workers end with the `with` block, when this object is collected, or at the exit of the program, before the interpreter
    stops daemon threads, which may hold locks.

    Args:
        workers: The number of processes; 1 for only this one. There are at most eight for each core.
        main_works: Whether this process is one of several. This saves the start of one process and the transfer of its batches,
            10 % of the processor time of an export of 500 MB. Not for jobs that hash ids: this process has another hash key.
        in_threads: Whether the workers are threads of this process: for jobs that run mostly without the interpreter lock.
    """

    def __init__(self, workers: int = 1, *, main_works: bool = False, in_threads: bool = False) -> None:
        if workers < 1:
            raise ValueError("workers must be 1 or more")
        workers = min(workers, 8 * cores())  # more would only fill the memory
        self._wanted = workers
        self._threads = workers if in_threads and workers > 1 else int(main_works)
        self._processes = 0 if in_threads else workers - main_works
        self._workers: list[_Worker] = []
        self._task_runs: list[_TaskRun] = []
        self._close: Callable[[], object] = lambda: None

    def __enter__(self) -> Self:
        """Start the workers, which import modules while this process reads the files."""
        self._workers, self._task_runs = [], []
        if self._wanted > 1:
            self._close = weakref.finalize(self, _end, self._workers, self._task_runs, os.getpid())
            try:
                for _ in range(self._processes):
                    self._workers.append(_Worker(HASH_KEY))
            except BaseException as error:
                self.__exit__()
                if not isinstance(error, OSError):  # without permission for more processes, this one works alone
                    raise
            LOG.info("%d worker processes, %d threads", len(self._workers), self._threads)
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        self._workers = []

    @property
    def uses_processes(self) -> bool:
        """Whether other processes run the tasks; they hash ids with another key than this one."""
        return bool(self._workers)

    def run(self, job: type[Job], spec: Spec, tasks: Sequence[Spec]) -> Generator[tuple[int, Product], None, None]:
        """Run all tasks, and yield `(task number, product)` in the order of the tasks.

        Close the generator if you stop early, for example with `contextlib.closing`.

        Raises:
            WorkerError: A worker died.
            BatchFilesError: Any error of the job.
        """
        if self._workers or self._threads > 1:  # also for a single task: only the workers hash alike (see `HASH_KEY`)
            yield from self._run_in_workers(job, spec, tasks)
            return
        with closing(job(spec)) as running:
            for number, task in enumerate(tasks):
                with closing(running.run(task)) as products:
                    for product in products:
                        yield number, product

    def _run_in_workers(self, job: type[Job], spec: Spec, tasks: Sequence[Spec]) -> Generator[tuple[int, Product], None, None]:
        workers: list[_Worker | _LocalWorker] = [*self._workers, *(_LocalWorker(job) for _ in range(self._threads))]
        task_run = _TaskRun({"job": f"{job.__module__}:{job.__qualname__}", "spec": spec}, tasks, len(workers) * job.ahead)
        self._task_runs.append(task_run)
        try:
            task_run.start(workers)
            schema = job.schema_of(spec)
            for number, kind, product in task_run.products():
                yield number, _record_batch(product, schema) if kind == BATCH and type(product) is bytes else product
        except BaseException:
            self._close()
            raise
        run_uninterrupted(*(thread.join for thread in task_run.threads()))
        self._task_runs.remove(task_run)


def _end(workers: list[_Worker], task_runs: list[_TaskRun], main: int) -> None:
    """Kill the workers, join the threads that read from them, and then close the pipes."""
    if os.getpid() != main:  # a fork has a copy of the objects, but neither the threads nor the workers
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
    """The queues of tasks and products of one job, and a thread for each worker.

    While the consumer is busy, the last worker begins no task, to leave its core to the consumer. When all of them worked on two
    cores, a writer of Parquet had two thirds of a core, until all tasks ahead were done and it was alone.

    Args:
        order: The job, for each worker.
        tasks: The tasks.
        ahead: The number of tasks that run ahead of the consumer.
    """

    def __init__(self, order: Spec, tasks: Sequence[Spec], ahead: int) -> None:
        self._order = order
        self._tasks = tasks
        self._products: list[queue.SimpleQueue[tuple[bytes, Any]]] = [queue.SimpleQueue() for _ in tasks]
        # Only simple queues between the threads: they are safe if the garbage collector ends all this at any point.
        self._to_do: queue.SimpleQueue[int | None] = queue.SimpleQueue()
        self._not_given = chain(range(len(tasks)), repeat(None))
        for number in islice(self._not_given, ahead):
            self._to_do.put(number)
        self._asked: queue.SimpleQueue[None] = queue.SimpleQueue()  # an item for each product that the consumer asked for
        self._is_awaited = False
        self._threads: list[threading.Thread] = []
        self._is_stopped = False

    def start(self, workers: Sequence[_Worker | _LocalWorker]) -> None:
        """Start the threads."""
        for worker in workers:
            # Daemon threads, because the exit of the program would wait for others before the workers are ended.
            arguments = worker, worker is workers[-1] is not workers[0]
            thread = threading.Thread(target=self._feed, args=arguments, name="batchfiles-worker", daemon=True)
            thread.start()
            self._threads.append(thread)

    def _feed(self, worker: _Worker | _LocalWorker, is_last: bool) -> None:
        """Give a worker one task after the other, until there are none or one fails."""
        number = None
        try:
            while (number := self._to_do.get()) is not None and not self._is_stopped:
                worker.do({**self._order, "task": self._tasks[number]}, self._products[number])
                if is_last:
                    self._wait_for_consumer()
            worker.leave()
        except BaseException as error:  # noqa: BLE001 - raised again by `products`, also a panic of compiled code
            self._products[number or 0].put((FAILED, error))

    def _wait_for_consumer(self) -> None:
        """Wait until the consumer asks for a product, unless it waits for one."""
        while not self._asked.empty():  # only one thread takes these
            self._asked.get()
        if not self._is_awaited:
            self._asked.get()

    def _ask(self) -> None:
        self._is_awaited = True
        self._asked.put(None)

    def products(self) -> Iterator[tuple[int, bytes, Any]]:
        """Yield number, kind and product in the order of the tasks; raise the errors of tasks."""
        for number, waiting in enumerate(self._products):
            kind = b""
            while kind != DONE:
                self._ask()
                kind, product = waiting.get()
                self._is_awaited = False
                if kind == FAILED:
                    try:
                        raise product
                    finally:
                        del product  # breaks the reference cycle between its traceback and this frame
                yield number, kind, product
            self._to_do.put(next(self._not_given))
        self._ask()

    def stop(self) -> None:
        """Give no more tasks."""
        self._is_stopped = True
        for _ in self._threads:
            self._to_do.put(None)
        self._ask()

    def threads(self) -> list[threading.Thread]:
        """Return the threads to join, without the current one, in which the garbage collector may run."""
        return [thread for thread in self._threads if thread is not threading.current_thread()]


def _record_batch(payload: bytes, schema: Any) -> Any:  # noqa: ANN401 - pyarrow has no types
    import pyarrow as pa

    return pa.ipc.read_record_batch(pa.py_buffer(payload), schema)


class _LocalWorker:
    """A worker in a thread of this process."""

    def __init__(self, job: type[Job]) -> None:
        self._job = job
        self._running: Job | None = None

    def do(self, order: Spec, products: queue.SimpleQueue[tuple[bytes, Any]]) -> None:
        """Run one task, and pass on its products unchanged."""
        self._running = self._running or self._job(order["spec"])
        try:
            for product in self._running.run(order["task"]):
                kind = DONE if isinstance(product, dict) else BYTES if isinstance(product, bytes) else BATCH
                products.put((kind, product))
        except BaseException:
            self.leave()
            raise

    def leave(self) -> None:
        """Close the job."""
        running, self._running = self._running, None
        if running is not None:
            running.close()


class _Worker:
    """A worker process and its pipes."""

    def __init__(self, seed: int) -> None:
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in close()
        try:
            self._process = self._started(seed)
        except OSError:
            self._errors.close()
            raise
        self._orders = cast("IO[bytes]", self._process.stdin)
        self._frames = cast("IO[bytes]", self._process.stdout)
        with suppress(AttributeError, OSError):  # Linux only, and limited by the administrator
            fcntl.fcntl(self._frames.fileno(), fcntl.F_SETPIPE_SZ, PIPE_BYTES)

    def _started(self, seed: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", "from batchfiles.workers import work; work()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            # The worker must find the same modules, even if a script has changed `sys.path`.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(entry or str(Path.cwd()) for entry in sys.path),
                "PYTHONHASHSEED": str(seed),
            },
        )

    def do(self, order: Spec, products: queue.SimpleQueue[tuple[bytes, Any]]) -> None:
        """Run one task, and pass on its products; `WorkerError` if the process ended."""
        try:
            self._orders.write(json.dumps(order).encode() + b"\n")  # not codec: a path may not be UTF-8
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
                raise pickle.loads(payload)  # noqa: S301 - from our own process
            products.put((kind, codec.loads(payload) if kind == DONE else payload))
            if kind == DONE:
                return

    def leave(self) -> None:
        """Do nothing: the process keeps its job until it gets another one."""

    def kill(self) -> None:
        """Kill the process."""
        self._process.kill()

    def close(self) -> None:
        """Close the pipes of a killed process, from which no thread may read any more."""
        self._process.wait()
        for stream in (self._orders, self._frames, self._errors):
            with suppress(OSError):  # a broken pipe with bytes in its buffer
                stream.close()

    def _failure(self) -> WorkerError:
        self._process.wait()
        self._errors.seek(0)
        output = self._errors.read()[-2000:].decode(errors="replace").strip().splitlines()
        last = f": {output[-1]}" if output else ""
        return WorkerError(
            f"a worker process ended with status {self._process.returncode}{last}. If memory is low, use one (--workers 1)"
        )


def work() -> None:
    """Run orders in a worker process, until standard input ends, which also happens when the main process dies.

    Orders are lines of JSON; the answers are frames on standard output.
    """
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
