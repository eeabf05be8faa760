"""The thread that writes: it ends with its file, and nothing waits for the garbage collector."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import pyarrow as pa
import pytest

from batchfiles.table.writer import WAITING_BYTES, written

BATCH = pa.record_batch([pa.array([1])], names=["number"])


class Broken:
    """A table whose reader has gone."""

    def write(self, batch: Any) -> None:
        """Refuse."""
        raise BrokenPipeError(32, "Broken pipe")


class Slow:
    """A table that is slow."""

    def __init__(self) -> None:
        self.began, self.go_on = threading.Event(), threading.Event()
        self.written = 0

    def write(self, batch: Any) -> None:
        """Wait for the event."""
        self.began.set()
        self.go_on.wait(60)
        self.written += 1


def test_products_are_let_go_with_the_exception_of_the_writer() -> None:
    """A reference cycle would keep files and processes until the garbage collector runs, maybe at the exit of the interpreter."""
    closed = []

    def endless() -> Iterator[Any]:
        try:
            while True:
                yield BATCH
        finally:
            closed.append(True)

    gc.collect()
    gc.disable()
    try:
        with pytest.raises(BrokenPipeError):
            use_up(endless())
        assert closed == [True]
    finally:
        gc.enable()


def use_up(products: Iterator[Any]) -> None:
    """Write to a table that refuses, and return only the kind of the error."""
    with suppress(BrokenPipeError):
        list(written(products, Broken()))
    del products
    raise BrokenPipeError


def test_nobody_writes_any_more_when_an_impatient_user_has_interrupted_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table that is closed while a thread writes to it crashes the process."""
    table = Slow()
    interruptions = iter([KeyboardInterrupt, KeyboardInterrupt])
    real = threading.Thread.join

    def join(thread: threading.Thread, timeout: float | None = None) -> None:
        for interruption in interruptions:
            raise interruption
        table.go_on.set()
        real(thread, timeout)

    def interrupted() -> Iterator[Any]:
        yield BATCH
        yield BATCH
        table.began.wait(60)
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Thread, "join", join)
    with pytest.raises(KeyboardInterrupt):
        list(written(interrupted(), table))
    assert table.written == 1  # and the waiting batches are dropped
    assert "batchfiles-writer" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("size", [64 * 1024, 5 * 1024 * 1024])
def test_batches_wait_for_the_writer_by_their_bytes(size: int) -> None:
    """Six small batches could wait: the workers of an export waited, too, while a row group of thirty batches was written."""
    batch = pa.record_batch([pa.array([bytes(size)], pa.binary())], names=["bytes"])
    most = -(-WAITING_BYTES // size) + 2  # one is being written, and one waits for room
    table, taken, is_full = Slow(), 0, threading.Event()

    def endless() -> Iterator[Any]:
        nonlocal taken
        for taken in range(1, 2 * most):
            if taken > most:
                is_full.set()
            yield batch

    thread = threading.Thread(target=lambda: list(written(endless(), table)))
    thread.start()
    try:
        assert table.began.wait(60)
        assert not is_full.wait(0.5)
        assert taken == most
    finally:
        table.go_on.set()
        thread.join()
    assert table.written == 2 * most - 1
