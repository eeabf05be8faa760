"""Worker pools: the same products in the same order with any number of processes, clear errors, and no leaks."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import warnings
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa
import pytest

import batchfiles
from batchfiles import BatchFilesError, DuplicateCustomIdError, FileError, InvalidLineError, WorkerError
from batchfiles import workers as pool
from batchfiles.ids.index import digest
from batchfiles.workers import Job, Product, Spec, WorkerPool, cores
from tests.jobs.wire import put, request, success

SCHEMA = pa.schema([("number", pa.int64())])


class Everything(Job):
    """Yields a batch, bytes and a summary for each task."""

    made = 0

    def __init__(self, spec: Spec) -> None:
        Everything.made += 1
        self._factor = spec["factor"]

    @classmethod
    def schema_of(cls, spec: Spec) -> pa.Schema:
        """Return the schema of the batches."""
        return SCHEMA

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Print between the frames; the first task takes longest."""
        print("printed to standard output")
        os.write(1, b"written to descriptor 1\n")
        time.sleep(0.2 if task["number"] == 0 else 0)
        yield pa.record_batch([pa.array([task["number"] * self._factor])], schema=SCHEMA)
        yield b"\n\x00" * task["number"]
        yield {"number": task["number"], "made": Everything.made, "process": os.getpid()}


class Panic(BaseException):
    """What pyo3 makes of a panic is not an `Exception` either."""


class Raises(Job):
    """Raises the error that a task names."""

    def __init__(self, spec: Spec) -> None:
        self._spec = spec

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Raise, or exit."""
        yield b"first"
        match task["what"]:
            case "file":
                raise FileError("no room left", path="a.jsonl", number=28)
            case "line":
                raise InvalidLineError(
                    "no", code="invalid_embedding", path="a.jsonl", line_number=7, byte_offset=9, json_path="$.x"
                )
            case "duplicate":
                raise DuplicateCustomIdError("twice", custom_id="a", first_path="x", first_line_number=1, path="y", line_number=2)
            case "value":
                raise ValueError("some value")
            case "stubborn":
                raise Stubborn
            case "panic":
                raise Panic
            case "exit":
                os.write(2, b"a first word\nmy last words\n")
                os._exit(7)
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)


class Stubborn(Exception):
    """An exception that can't be pickled."""

    def __init__(self) -> None:
        super().__init__("can't be pickled")
        self.keep = lambda: None


class Hashes(Job):
    """Yields the hash of an id."""

    def __init__(self, spec: Spec) -> None: ...

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Hash."""
        yield {"digest": str(digest("a"))}


class Marks(Job):
    """Creates a file for each task that was started."""

    def __init__(self, spec: Spec) -> None:
        self._folder = Path(spec["folder"])

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Create a file."""
        (self._folder / str(task["number"])).touch()
        yield {}


class Slow(Job):
    """Yields its thread. A task that waits for another one ends when that one has begun."""

    ahead = 5
    began: ClassVar[dict[int, threading.Event]] = {}

    def __init__(self, spec: Spec) -> None:
        pass

    @classmethod
    def tasks(cls, count: int) -> list[Spec]:
        """Return tasks, of which none has begun."""
        cls.began = {number: threading.Event() for number in range(count)}
        return [{"number": number} for number in range(count)]

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Take some time."""
        Slow.began[task["number"]].set()
        time.sleep(0.02)
        if "after" in task:
            Slow.began[task["after"]].wait(60)
        yield {"thread": threading.get_ident(), "number": task["number"]}


def run(workers: int, job: type[Job], spec: Spec, tasks: list[Spec]) -> list[tuple[int, Product]]:
    """Run one job in a new pool."""
    with WorkerPool(workers) as worker_pool:
        return list(worker_pool.run(job, spec, tasks))


def failing(workers: int, what: str) -> BatchFilesError:
    """Run a task that raises, and return the exception."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - any exception
        run(workers, Raises, {}, [{"what": what}])
    return caught.value  # type: ignore[return-value]


def until(happened: Callable[[], bool], seconds: float = 120) -> bool:
    """Wait for other processes, for a long time on a busy machine."""
    end = time.monotonic() + seconds
    while not happened() and time.monotonic() < end:
        time.sleep(0.02)
    return happened()


def children() -> set[int]:
    """Return the child processes that were started and not waited for."""
    found: set[int] = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError):  # a thread that ended since it was listed; its children are another's now
            found.update(map(int, (task / "children").read_text().split()))
    return found


needs_proc = pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="only Linux says which processes there are")


# Order


@pytest.mark.parametrize("workers", [1, 2, 3])
def test_products_come_in_the_order_of_the_tasks(workers: int) -> None:
    """Batches, bytes and summaries, with any order of completion and any output of libraries."""
    found = run(workers, Everything, {"factor": 10}, [{"number": number} for number in range(8)])
    assert [number for number, _ in found] == [number for number in range(8) for _ in range(3)]
    for number in range(8):
        batch, data, summary = [product for at, product in found if at == number]
        assert batch.to_pydict() == {"number": [number * 10]}
        assert batch.schema == SCHEMA
        assert data == b"\n\x00" * number
        assert summary["number"] == number


def test_workers_share_the_tasks() -> None:
    """All of them work, none of them in this process."""
    found = run(2, Everything, {"factor": 1}, [{"number": number} for number in range(8)])
    at_work = {product["process"] for _, product in found if isinstance(product, dict)}
    assert len(at_work) == 2
    assert os.getpid() not in at_work


def test_a_job_is_made_once_for_its_tasks_and_anew_for_another_specification() -> None:
    """A job opens expensive files once."""
    with WorkerPool(2) as worker_pool:
        for factor, most in ((1, 1), (2, 2), (2, 2)):
            found = list(worker_pool.run(Everything, {"factor": factor}, [{"number": number} for number in range(6)]))
            assert max(product["made"] for _, product in found if isinstance(product, dict)) <= most


def test_one_crew_does_one_job_after_the_other() -> None:
    """With the same processes, also without tasks."""
    with WorkerPool(2) as worker_pool:
        assert list(worker_pool.run(Hashes, {}, [])) == []
        digests = [product["digest"] for _, product in worker_pool.run(Hashes, {}, [{}] * 4)]
        assert list(worker_pool.run(Marks, {"folder": "/"}, [])) == []
        assert len(set(digests)) == 1


def test_workers_of_all_pools_hash_alike() -> None:
    """The index of ids of one pass is searched by the workers of the next."""
    digests = {product["digest"] for _ in range(2) for _, product in run(2, Hashes, {}, [{}] * 2)}
    assert len(digests) == 1


def test_no_worker_runs_far_ahead(tmp_path: Path) -> None:
    """Products wait in memory: two tasks per worker, until the first product is taken."""
    with WorkerPool(2) as worker_pool:
        found = worker_pool.run(Marks, {"folder": str(tmp_path)}, [{"number": number} for number in range(30)])
        next(found)
        until(lambda: len(list(tmp_path.iterdir())) >= 4)
        time.sleep(0.2)
        assert len(list(tmp_path.iterdir())) <= 2 * Job.ahead + 1
        assert len(list(found)) == 29
    assert len(list(tmp_path.iterdir())) == 30


def test_a_busy_consumer_has_a_core() -> None:
    """Two workers and a writer of Parquet shared two cores, until the workers were far ahead and the writer was alone."""
    with WorkerPool(2, in_threads=True) as worker_pool:
        found = worker_pool.run(Slow, {}, Slow.tasks(30))
        products = [next(found)]
        until(lambda: sum(event.is_set() for event in Slow.began.values()) >= 10)
        time.sleep(0.2)  # the consumer is busy
        products += found
    assert [product["number"] for _, product in products] == list(range(30))
    threads = Counter(product["thread"] for _, product in products[:10])
    assert min(threads.values()) <= 3, threads


def test_all_workers_go_on_while_the_consumer_waits() -> None:
    """Else a slow task would stop the worker that leaves its core to a busy consumer."""
    tasks = Slow.tasks(8)
    tasks[0]["after"] = 3
    with WorkerPool(2, in_threads=True) as worker_pool:
        started = time.monotonic()
        products = list(worker_pool.run(Slow, {}, tasks))
    assert [product["number"] for _, product in products] == list(range(8))
    assert time.monotonic() - started < 30


def test_a_crew_of_nobody_is_a_mistake() -> None:
    """At least this process works."""
    with pytest.raises(ValueError, match="1 or more"):
        WorkerPool(0)
    assert cores() >= 1


def test_there_are_at_most_eight_workers_for_each_core(monkeypatch: pytest.MonkeyPatch) -> None:
    """`--workers 99999` started a process for each, and the machine ran out of memory."""
    monkeypatch.setattr(pool, "cores", lambda: 1)
    with WorkerPool(99_999) as many:
        assert len(many._workers) == 8


# What goes wrong


@pytest.mark.parametrize("workers", [1, 2])
def test_exceptions_arrive_as_they_were(workers: int) -> None:
    """With their types and attributes, including `errno`, from any process."""
    error = failing(workers, "file")
    assert isinstance(error, FileError)
    assert (error.errno, error.path, error.reason, str(error)) == (28, "a.jsonl", "no room left", "a.jsonl: no room left")
    error = failing(workers, "line")
    assert isinstance(error, InvalidLineError)
    assert (error.code, error.path, error.line_number, error.json_path) == ("invalid_embedding", "a.jsonl", 7, "$.x")
    error = failing(workers, "duplicate")
    assert isinstance(error, DuplicateCustomIdError)
    assert (error.custom_id, error.first_path, error.line_number) == ("a", "x", 2)
    assert repr(failing(workers, "value")) == "ValueError('some value')"


def test_an_exception_that_cannot_travel_is_told_in_words() -> None:
    """Its name and its message."""
    assert str(failing(2, "stubborn")) == "Stubborn: can't be pickled"


@pytest.mark.parametrize(("what", "status"), [("exit", "7"), ("killed", "-9")])
def test_a_worker_that_dies_is_said_in_words(what: str, status: str) -> None:
    """With its status, its last output, and what to try."""
    error = failing(2, what)
    assert isinstance(error, WorkerError)
    assert f"ended with status {status}" in str(error)
    assert ("my last words" in str(error)) == (what == "exit")
    assert "--workers 1" in str(error)


@needs_proc
def test_a_join_whose_worker_is_killed_fails_and_leaves_nothing(tmp_path: Path) -> None:
    """No files and no processes; the pool can be started again."""
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(20)])
    results = put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(20)])
    before = children()

    def kill(done: int, total: int) -> None:
        for pid in (children() - before) if armed else ():
            os.kill(pid, signal.SIGKILL)
        armed.clear()

    armed = [True]
    job = batchfiles.join(inputs, results, workers=2, progress=kill)
    with pytest.raises(WorkerError, match="status -9"):
        job.to_parquet(tmp_path / "table.parquet")
    assert sorted(tmp_path.iterdir()) == [inputs, results]
    assert children() == before
    assert job.to_parquet(tmp_path / "table.parquet").used == 20


# Where none can be started


@pytest.mark.parametrize("started", [0, 1, 2])
def test_without_processes_one_does_it_all(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, started: int) -> None:
    """If the system allows none or too few, the started ones are ended and this process works alone."""
    real = subprocess.Popen
    made: list[subprocess.Popen[bytes]] = []

    def scarce(*arguments: Any, **options: Any) -> subprocess.Popen[bytes]:
        if len(made) == started:
            raise BlockingIOError(11, "Resource temporarily unavailable")
        made.append(real(*arguments, **options))
        return made[-1]

    inputs, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    monkeypatch.setattr(pool.subprocess, "Popen", scarce)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        job = batchfiles.join(inputs, results, workers=3)
        assert [row["outcome"] for row in job] == ["succeeded"]
        gc.collect()
    assert [process.poll() is not None for process in made] == [True] * started


def test_what_others_have_indexed_is_of_no_use_to_one_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A pass without workers after one with workers finds every result: it builds its own index."""
    inputs, results = put(tmp_path / "in.jsonl", request("a")), put(tmp_path / "out.jsonl", success("a"))
    job = batchfiles.join(inputs, results, workers=2)
    assert [row["outcome"] for row in job] == ["succeeded"]

    def refuse(*_: Any, **__: Any) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    with monkeypatch.context() as patched:
        patched.setattr(pool.subprocess, "Popen", refuse)
        assert [row["outcome"] for row in job] == ["succeeded"]
    assert [row["outcome"] for row in job] == ["succeeded"]


def test_a_script_needs_no_main_guard(tmp_path: Path) -> None:
    """Without warnings or running twice; the script's `sys.path` and working directory apply to the workers too."""
    put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(50)])
    put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(50)])
    script = tmp_path / "script.py"
    script.write_text(
        "import batchfiles\n"
        "from batchfiles.jobs.join import scan\n"
        "real = scan.tasks\n"
        "scan.tasks = lambda sizes, *_: real(sizes, 2000)\n"
        "print(sum(row['outcome'] == 'succeeded' for row in batchfiles.join('in.jsonl', 'out.jsonl', workers=2)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", str(script)], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300
    )
    assert (done.stdout, done.stderr, done.returncode) == ("50\n", "", 0)


# Nothing is left


def left() -> set[object]:
    """Return this process's open files, threads and children."""
    files = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        with suppress(FileNotFoundError):  # that of the listing itself
            files.add((name, os.readlink(f"/proc/self/fd/{name}")))  # noqa: PTH115
    return {*files, *threading.enumerate(), *children()}


@needs_proc
@pytest.mark.parametrize("end", ["all of it", "part of it", "an exception", "an exception outside", "nothing of it"])
def test_no_process_thread_or_descriptor_is_left(end: str) -> None:
    """After any end of the work, even if the caller still holds products."""
    held: list[object] = []

    def work() -> None:
        with WorkerPool(2) as worker_pool:
            if end == "an exception":
                with pytest.raises(ValueError, match="some value") as caught:
                    list(worker_pool.run(Raises, {}, [{"what": "value"}] * 4))
                held.append(caught)
                return
            found = worker_pool.run(Everything, {"factor": 1}, [{"number": number} for number in range(5)])
            held.append(found)
            if end == "nothing of it":
                return
            next(found)
            if end == "all of it":
                list(found)
            elif end == "part of it":
                found.close()
            else:
                raise KeyError(end)

    with suppress(KeyError):
        work()  # what is made once for all time is made now
    before = left()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with suppress(KeyError):
            work()
        assert left() - before == set()
        held.clear()
        gc.collect()
    assert left() - before == set()


@needs_proc
@pytest.mark.parametrize("by", ["forgetting", "an exception in a circle"])
def test_a_crew_that_nobody_closes_ends_when_nobody_holds_it(by: str) -> None:
    """Its processes, threads and files, in any thread in which the garbage collector runs."""
    before = left()
    worker_pool = WorkerPool(2).__enter__()
    found = worker_pool.run(Everything, {"factor": 1}, [{"number": number} for number in range(50)])
    next(found)
    assert len(left() - before) > 4
    if by != "forgetting":
        circle: list[object] = [found, worker_pool]
        circle.append(circle)
        del circle
    del found, worker_pool
    collector = threading.Thread(target=gc.collect)
    collector.start()
    collector.join()
    assert left() - before == set()


@needs_proc
def test_an_impatient_user_leaves_nothing_behind_either(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupt at the end of a pool still joins the threads: closing a pipe while a thread reads from it is a crash."""
    before = left()
    real = threading.Thread.join
    interruptions = iter([KeyboardInterrupt] * 3)

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        for interruption in interruptions:
            raise interruption
        real(thread, timeout)

    worker_pool = WorkerPool(2).__enter__()
    found = worker_pool.run(Everything, {"factor": 1}, [{"number": number} for number in range(50)])
    next(found)
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "join", join)
        with pytest.raises(KeyboardInterrupt):
            found.close()
    assert left() - before == set()


@pytest.mark.parametrize("held", ["rows", "circle", "exception"])
def test_a_program_may_end_in_the_middle_of_a_join(tmp_path: Path, held: str) -> None:
    """Workers and threads end before the interpreter, without output, even if the rows are still referenced."""
    put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(3_000)])
    put(tmp_path / "out.jsonl", *[success(str(number)) for number in range(3_000)])
    script = tmp_path / "script.py"
    script.write_text(
        "import gc, sys\n"
        "import batchfiles\n"
        "from batchfiles.jobs.join import scan\n"
        "real = scan.tasks\n"
        "scan.tasks = lambda sizes, *_: real(sizes, 2000)\n"
        "gc.disable()\n"
        "rows = iter(batchfiles.join('in.jsonl', 'out.jsonl', workers=2, temp_dir='room'))\n"
        "print(next(rows)['outcome'])\n"
        f"held = {held!r}\n"
        "if held == 'circle':\n"
        "    circle = [rows]\n"
        "    circle.append(circle)\n"
        "    del rows, circle\n"
        "if held == 'exception':\n"
        "    def fail(rows):\n"
        "        for row in rows:\n"
        "            raise SystemExit(5)\n"
        "    fail(rows)\n"
        "sys.exit(5)\n"
    )
    (tmp_path / "room").mkdir()
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=300)
    assert (done.stdout, done.stderr, done.returncode) == ("succeeded\n", "", 5)
    assert list((tmp_path / "room").iterdir()) == []


@needs_proc
def test_a_fork_of_the_leader_leaves_its_workers_alone() -> None:
    """A copy of a pool in a forked process does not end the workers."""
    with WorkerPool(2) as worker_pool:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of threads: there are none at work
            pid = os.fork()
        if not pid:
            try:
                worker_pool.__exit__()
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert len(list(worker_pool.run(Hashes, {}, [{}] * 4))) == 4


@needs_proc
def test_workers_go_when_their_leader_is_killed(tmp_path: Path) -> None:
    """Their standard input ends, and so do they."""
    script = (
        "import time\n"
        "from batchfiles.workers import WorkerPool\n"
        "with WorkerPool(2) as worker_pool:\n"
        "    print(*[worker._process.pid for worker in worker_pool._workers], flush=True)\n"
        "    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as leader:
        assert leader.stdout is not None
        pids = [int(pid) for pid in leader.stdout.readline().split()]
        leader.kill()
    assert len(pids) == 2
    assert until(lambda: not any(alive(pid) for pid in pids))


def alive(pid: int) -> bool:
    """Return whether a process runs; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("end", ["success", "exception", "closed early"])
def test_temporary_files_are_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    """After a success, after an exception, and after an early close."""
    room = tmp_path / "room"
    room.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(room))
    inputs = put(tmp_path / "in.jsonl", *[request(str(number)) for number in range(2_000)])
    results = put(tmp_path / "out.jsonl", success("1"), success("1"))
    job = batchfiles.join(inputs, results, workers=2, on_duplicate="error" if end == "exception" else "best")
    if end == "success":
        job.to_parquet(tmp_path / "table.parquet")
    elif end == "exception":
        with pytest.raises(DuplicateCustomIdError):
            job.to_parquet(tmp_path / "table.parquet")
        assert not (tmp_path / "table.parquet").exists()
    else:
        rows = iter(job)
        next(rows)
        rows.close()  # type: ignore[attr-defined]
    job.close()
    assert list(room.rglob("*")) == []


def test_the_leader_may_be_one_of_the_workers() -> None:
    """The products are the same and in order, with one process less; a pool of one starts no process."""
    tasks = [{"number": number} for number in range(9)]
    with WorkerPool(2, main_works=True) as worker_pool:
        assert len(worker_pool._workers) == 1
        products = list(worker_pool.run(Everything, {"factor": 3}, tasks))
    assert [number for number, _ in products] == sorted(list(range(9)) * 3)
    assert [product.column(0).to_pylist() for _, product in products[::3]] == [[3 * number] for number in range(9)]
    assert [product for _, product in products[1::3]] == [b"\n\x00" * number for number in range(9)]
    assert os.getpid() in {product["process"] for _, product in products[2::3]}
    with WorkerPool(1, main_works=True) as worker_pool:
        assert not worker_pool.uses_processes


def test_what_the_leader_raises_as_a_worker_is_raised_in_its_turn() -> None:
    """Also if it can't be pickled; no thread is left."""
    before = threading.active_count()
    for what, kind in (("line", InvalidLineError), ("value", ValueError), ("stubborn", (Stubborn, RuntimeError))):
        with pytest.raises(kind), WorkerPool(2, main_works=True) as worker_pool:
            list(worker_pool.run(Raises, {}, [{"what": what}] * 4))
    assert threading.active_count() == before


def test_threads_give_what_processes_give() -> None:
    """In the order of the tasks; each thread makes its job once, and no process is started."""
    tasks = [{"number": number} for number in range(9)]
    with WorkerPool(2) as processes, WorkerPool(2, in_threads=True) as threads:
        assert not threads.uses_processes
        found = [list(pool.run(Everything, {"factor": 3}, tasks)) for pool in (processes, threads)]
    for (number, product), (other, same) in zip(*found, strict=True):
        assert (number, type(product)) == (other, type(same))
        assert product == same or isinstance(product, dict)
    assert {product["process"] for _, product in found[1][2::3]} == {os.getpid()}


@pytest.mark.parametrize(("what", "kind"), [("line", InvalidLineError), ("stubborn", (Stubborn, RuntimeError)), ("panic", Panic)])
def test_what_a_thread_raises_is_raised_in_its_turn(what: str, kind: type[BaseException]) -> None:
    """Also what is not an `Exception`: the leader would wait forever. No thread is left."""
    before = threading.active_count()
    with pytest.raises(kind), WorkerPool(2, in_threads=True) as worker_pool:
        list(worker_pool.run(Raises, {}, [{"what": what}] * 4))
    assert threading.active_count() == before
