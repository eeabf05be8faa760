"""Writing beside decoding: the writer has a thread of its own, since Arrow lets go of the interpreter while it works."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any, Protocol

__all__ = ["insist", "written"]

WAITING_BATCHES = 6
"""Batches that may wait for the writer: some megabytes."""


class _Table(Protocol):
    def write(self, batch: Any) -> None: ...  # noqa: ANN401 - pyarrow has no types


def written(products: Iterable[Any], table: _Table) -> Iterator[Any]:
    """Write every record batch among the products to the table, and yield the other products.

    However this ends, nobody writes to the table any more when it has ended.

    Raises:
        Exception: Whatever the writer raised, as soon as it is known.
    """
    import pyarrow as pa

    waiting: queue.Queue[Any] = queue.Queue(WAITING_BATCHES)
    failures: list[BaseException] = []
    given_up = False

    def write() -> None:
        while (batch := waiting.get()) is not None:
            if failures or given_up:
                continue  # keep taking, so that nobody waits for room for ever
            try:
                table.write(batch)
            except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that gives the batches
                failures.append(error)

    writer = threading.Thread(target=write, name="batchfiles-writer", daemon=True)
    writer.start()
    try:
        for product in products:
            if failures:
                break
            if isinstance(product, pa.RecordBatch):
                waiting.put(product)
            else:
                yield product
    except BaseException:
        given_up = True
        raise
    finally:
        insist(partial(waiting.put, None), writer.join)  # a table that is closed while it is written to is a crash
    if failures:
        # Taken out of the list: its traceback holds this frame, and a circle would keep the products alive, files and all, until
        # the garbage collector comes by, which may be as the interpreter ends.
        raise failures.pop()


def insist(*actions: Callable[[], object]) -> None:
    """Do one thing after the other, such as waiting for threads, and do it to the end also where somebody is impatient.

    Raises:
        BaseException: The last interruption, when all is done.
    """
    interruption: BaseException | None = None
    for action in actions:
        done = False
        while not done:
            try:
                action()
                done = True
            except BaseException as error:  # noqa: BLE001 - it is raised again
                interruption = error
    if interruption is not None:
        try:
            raise interruption
        finally:
            del interruption  # its traceback holds this frame
