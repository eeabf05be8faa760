"""Work in background threads: hashing, writing and waiting for the disk release the interpreter lock. And progress of jobs."""

from __future__ import annotations

import os
import stat
import sys
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, BinaryIO, Self, TypeAlias, TypeVar

from batchfiles.io.sources import Source
from batchfiles.layout import size as byte_size

PIECE = 512 * 1024
"""Bytes to hand over at a time. Each piece is hashed and written without the interpreter lock; after it the lock must be taken
back from a busy thread: with pieces of 256 KiB the writer was the slower one, and a split of 240 MB took 0.7 s for 0.5 s. Larger
ones fall out of the CPU's cache."""

WAITING = 32
"""Things that may wait to be done: with the pieces above, 16 MB. They bridge the moments in which the disk takes nothing."""

SYNCED = 128 * 1024 * 1024
"""Bytes after which a growing file is synced: 240 MB take 0.1 s and more, and all of them at the end would be a wait."""

SYNCED_IN_BACKGROUND = 16 * 1024 * 1024
"""The same where the sync has its own thread, beside that of the writer."""


class BackgroundWriter:
    """A thread that does one thing after the other, and raises an error when the next one is asked for.

    Args:
        name: What the thread is called.
    """

    def __init__(self, name: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._waiting: deque[Future[None]] = deque()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(wait=True, cancel_futures=True)

    def do(self, action: Callable[[], None]) -> None:
        """Have something done after all that waits.

        Raises:
            OSError: What was asked for earlier could not be done.
        """
        if len(self._waiting) >= WAITING:
            self._waiting.popleft().result()
        self._waiting.append(self._thread.submit(action))

    def finish(self) -> None:
        """Wait until everything is done.

        Raises:
            OSError: Something could not be done.
        """
        while self._waiting:
            self._waiting.popleft().result()


class BackgroundFile:
    """An open file that its own thread writes to.

    Leaving a `with` block waits for the thread; what is not written yet by then is, unless the block is left by an exception.

    Args:
        file: Where the bytes go; nothing else may write to it meanwhile.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._background = BackgroundWriter("batchfiles-writer")
        self._disk = DiskFile(file)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._background:
            if kind is None:
                self._background.finish()

    def write(self, data: bytes) -> int:
        """Take bytes; they are written soon.

        Raises:
            OSError: Earlier ones could not be written.
        """
        self._background.do(partial(self._write, data))
        return len(data)

    def _write(self, data: bytes) -> None:
        write_all(self._file, data)
        if self._disk.has_grown(SYNCED):
            self._disk.sync()


class DiskFile:
    """An open file that is synced while it grows, so that the wait at its end is short. A pipe or a device never grows.

    An error of a sync must be raised: the system reports it once, and the sync at the end would find nothing.

    Args:
        file: The file; nothing happens to one without a descriptor.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._descriptor: int | None = None
        self._synced = 0
        with suppress(OSError, AttributeError):
            descriptor = file.fileno()
            status = os.fstat(descriptor)
            if stat.S_ISREG(status.st_mode):
                self._descriptor, self._synced = descriptor, status.st_size
        self._thread = BackgroundWriter("batchfiles-sync")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._thread:
            if kind is None:
                self._thread.finish()

    def has_grown(self, size: int) -> bool:
        """Return whether the file has so many bytes more than the last time that it had."""
        if self._descriptor is None:
            return False
        found = os.fstat(self._descriptor).st_size
        if found - self._synced < size:
            return False
        self._synced = found
        return True

    def sync(self) -> None:
        """Wait until the bytes are on the disk.

        Raises:
            OSError: They can't be brought there.
        """
        if self._descriptor is not None:
            SYNC(self._descriptor)

    def sync_in_background(self) -> None:
        """Sync what has been written in another thread, if it is much.

        Raises:
            OSError: An earlier sync failed.
        """
        if self.has_grown(SYNCED_IN_BACKGROUND):
            self._thread.do(self.sync)


SYNC = getattr(os, "fdatasync", os.fsync)  # macOS has only the second


def write_all(sink: BinaryIO, data: bytes) -> None:
    """Write all of it: an unbuffered file may take a part only, and one that returns None has taken all."""
    taken = sink.write(data)
    while taken is not None and taken < len(data):
        data = data[taken:]
        taken = sink.write(data)


def run_uninterrupted(*actions: Callable[[], object]) -> None:
    """Run actions to their end, such as waiting for threads, also if they are interrupted.

    Raises:
        BaseException: The last interruption, after all actions.
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


Progress: TypeAlias = Callable[[int, int | None], None]
"""Called repeatedly with the bytes done and all bytes; None where their number is unknown, as for a pipe or a compressed file.
Where a function takes one, `True` shows a bar: that of tqdm if it is installed, else a line on standard error."""


CallableT = TypeVar("CallableT", bound=Callable[[int, int], object])


def progress_of(progress: CallableT | bool | None, label: str) -> CallableT | ProgressBar | None:
    """Return the callable that a job calls: that of the caller, a bar for True, and None for False and None.

    Args:
        progress: What the caller gave.
        label: The name of the job.

    Raises:
        TypeError: It is something else.
    """
    if progress is None or progress is False:
        return None
    if progress is True:
        return ProgressBar(label)
    if isinstance(progress, bool) or not callable(progress):
        raise TypeError(f"progress is True, or is called as progress(done, total): not {type(progress).__name__}")
    return progress


LINE_SECONDS = 10.0
REDRAW_SECONDS = 0.1
"""The pause between two lines of a bar, and on a terminal between two pictures of the same line."""


class ProgressBar:
    """A bar that shows the bytes done: of tqdm if it is installed, in notebooks too; else a line on standard error.

    It appears with the first call, and is closed at the total or with this object. A pass that starts again has a new bar.

    Args:
        label: The name of the job.
        clock: Returns seconds, for tests.
    """

    def __init__(self, label: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._label = label
        self._clock = clock
        self._tqdm = _tqdm()
        self._bar: Any = None
        self._done = 0
        self._next = 0.0
        self._drawn = False

    def __call__(self, done: int, total: int | None) -> None:
        """Show that so many bytes are done; 0 as the total is unknown too."""
        total = total or None
        if done < self._done:
            self.close()
        is_first, self._done = not self._done, done
        if self._tqdm is None:
            self._draw(done, total, is_first=is_first)
        else:
            if self._bar is None:
                self._bar = self._tqdm(total=total, desc=self._label, unit="B", unit_scale=True)
            self._bar.update(done - self._bar.n)
        if total is not None and done >= total:
            self.close()

    def close(self) -> None:
        """Leave the bar as it is, and end its line."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        if self._drawn:
            self._drawn = False
            print(file=sys.stderr, flush=True)  # noqa: T201 - the end of the line
        self._done = 0

    def __del__(self) -> None:
        with suppress(Exception):  # at the exit of the interpreter
            self.close()

    def _draw(self, done: int, total: int | None, *, is_first: bool) -> None:
        now, on_terminal = self._clock(), sys.stderr.isatty()
        is_last = total is not None and done >= total
        if is_first:
            self._next = now + (0.0 if on_terminal else LINE_SECONDS)
        if now < self._next and not is_last:
            return
        self._next = now + (REDRAW_SECONDS if on_terminal else LINE_SECONDS)
        share = f"{done / total:4.0%}  {byte_size(done)} of {byte_size(total)}" if total else byte_size(done)
        self._drawn = on_terminal
        start, end = ("\r", "") if on_terminal else ("", "\n")
        print(f"{start}{self._label}: {share}", end=end, file=sys.stderr, flush=True)  # noqa: T201 - what the caller asked for


def _tqdm() -> Any:  # noqa: ANN401 - tqdm has no types
    """Return the bar of tqdm for a notebook or a terminal; None if it is not installed."""
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # without ipywidgets it warns, and draws with text
            from tqdm.auto import tqdm
    except ImportError:
        return None
    return tqdm


def in_steps(progress: Progress | None, total: int | None) -> Callable[[int], None]:
    """Return a function that takes the bytes of each step and reports their sum, but not again if a later step has none."""
    done = 0

    def step(size: int) -> None:
        nonlocal done
        has_changed = size > 0 or not done
        done += size
        if progress is not None and has_changed:
            progress(done, total)

    return step


def in_phases(progress: Progress | None, total: int, *phases: tuple[int, float]) -> list[Callable[[int], None]]:
    """Return a function for each phase of a job that takes the bytes of a step; together they report from 0 to the total.

    Phases are weighted by their cost, so that what is left to do is proportional to the time that is left.

    Args:
        progress: Called with the part of `total` that is done.
        total: What is reported as the whole.
        *phases: The bytes of the steps of each phase, and the cost of all of them, in any unit.
    """
    whole = sum(cost for size, cost in phases if size) or 1.0
    spent = [0] * len(phases)

    def step(phase: int, size: int) -> None:
        spent[phase] += size
        if progress is not None:
            done = sum(cost * part / size for part, (size, cost) in zip(spent, phases, strict=True) if size)
            progress(min(round(total * done / whole), total), total)

    return [partial(step, number) for number in range(len(phases))]


def source_steps(progress: Progress | None, sources: Iterable[Source]) -> Callable[[int], None] | None:
    """Return the function for steps through sources; None without a callback, so that no file is looked at for it."""
    return None if progress is None else in_steps(progress, total_of(sources))


def total_of(sources: Iterable[Source]) -> int | None:
    """Return the bytes there are to read; None if that can't be known, as for a pipe or a compressed file."""
    sizes = [source.size() if source.is_seekable_text() else None for source in sources]
    known = [count for count in sizes if count is not None]
    return sum(known) if len(known) == len(sizes) else None
