"""Who does the work of a job: this process alone, or worker processes that each take the next task.

A job is a class that is built from a JSON-able specification and whose `run(task)` yields record batches or bytes, and at last
a dict, the task's summary. Tasks are ranges of files, so that each is a unit of its own. What they yield arrives in the order of
the tasks, whoever did them.

Workers are `sys.executable -m …` subprocesses: spawned ones die in scripts without a main guard, forked ones warn beside threads,
and daemonic ones may not have children (all tried). Where none can be started, this process does it all.
"""

from __future__ import annotations

import os
from collections.abc import Generator, Sequence
from contextlib import closing
from typing import Any, Self, TypeAlias

__all__ = ["Crew", "Job", "Product", "Spec", "cores"]

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


class Crew:
    """Runs jobs, one after the other, with the same workers.

    Args:
        workers: How many processes decode; 1 means this one.
        leader_works: Whether this process is one of several: one less has to start and to send its batches, a tenth of the
            processor time of an export of 500 MB. Not for jobs that take digests of ids, which are others in each process.
    """

    def __init__(self, workers: int = 1, *, leader_works: bool = False) -> None:
        if workers < 1:
            raise ValueError("workers must be 1 or more")
        self._wanted = workers
        self._leader_works = leader_works
        self._workers: Any = None

    def __enter__(self) -> Self:
        """Start the workers, so that they import while this process still looks at the files."""
        if self._wanted > 1:
            from batchfiles.jobs.processes import Processes

            try:
                self._workers = Processes(self._wanted - self._leader_works, leader_works=self._leader_works)
            except OSError:  # no more processes allowed here: one does it all
                self._workers = None
        return self

    def __exit__(self, *_: object) -> None:
        if self._workers is not None:
            self._workers.close()
            self._workers = None

    @property
    def is_apart(self) -> bool:
        """Whether other processes do the work; their digests of ids are others than this one's."""
        return self._workers is not None

    def run(self, job: type[Job], spec: Spec, tasks: Sequence[Spec]) -> Generator[tuple[int, Product], None, None]:
        """Do all tasks; yields `(task number, product)` in the order of the tasks.

        Whoever may stop before the end closes the generator, as `contextlib.closing` does: an exception keeps it alive else.

        Raises:
            WorkerFailed: A worker died.
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
