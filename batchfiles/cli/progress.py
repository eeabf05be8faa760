"""How far a job is, on standard error: a bar on a terminal, a line now and then elsewhere, nothing for what is quick."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self, TextIO

from batchfiles.cli.live_line import LiveLine
from batchfiles.cli.terminal import visible

if TYPE_CHECKING:
    from batchfiles.streams.sources import Source

__all__ = ["Progress", "total_of"]

QUIET_SECONDS = 1.0
"""What takes less than this shows nothing."""

REDRAW_SECONDS = 0.1
"""A bar that is drawn more often only costs time."""

LINE_SECONDS = 10.0
"""Where there is no terminal, the log gets a line this often."""

BAR_WIDTH = 24
USUAL_WIDTH = 80
"""In a narrower terminal the words are more use than the bar."""


class Progress:
    """The bytes that are done of those there are.

    Standard error is used, never standard output, so that data can be piped. `--json` is for programs: commands pass `quiet`
    then, and nothing is shown at all.

    Args:
        label: What is being done, in a word or two.
        total: The bytes there are; None where nobody knows, such as for a pipe.
        quiet: Show nothing.
        stream: Where to write; None is standard error.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        label: str,
        total: int | None,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = visible(label)
        self._total = total
        self._line = LiveLine(stream, quiet=quiet)
        self._clock = clock
        self._start = clock()
        on_terminal = self._line.on_terminal
        self._pause = REDRAW_SECONDS if on_terminal else LINE_SECONDS
        self._next = float("inf") if quiet else self._start + (QUIET_SECONDS if on_terminal else LINE_SECONDS)
        self._done = 0

    def add(self, more: int) -> None:
        """Say how many bytes are done beside those that were told before."""
        self.update(self._done + more)

    def update(self, done: int) -> None:
        """Say how many bytes are done by now; cheap enough to be called for every block."""
        self._done = done
        now = self._clock()
        if now < self._next:
            return
        self._next = now + self._pause
        words = self._words(done, now - self._start)
        if self._line.on_terminal:
            self._line.draw(words)
        else:
            self._line.leave(words)

    def close(self) -> None:
        """Take the bar away; lines in a log stay."""
        self._line.erase()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _words(self, done: int, seconds: float) -> str:
        speed = done / seconds if seconds > 0 else 0.0
        parts = [self._label]
        if self._total:
            share = min(done / self._total, 1.0)
            if self._line.on_terminal and shutil.get_terminal_size().columns >= USUAL_WIDTH:
                full = round(share * BAR_WIDTH)
                parts.append(f"[{'#' * full}{'-' * (BAR_WIDTH - full)}]")
            parts.append(f"{share:4.0%}  {done / 1e6:,.1f} of {self._total / 1e6:,.1f} MB")
        else:
            parts.append(f"{done / 1e6:,.1f} MB")
        parts.append(f"{speed / 1e6:,.0f} MB/s")
        if self._total and speed:
            parts.append(f"{_duration(max(self._total - done, 0) / speed)} left")
        return "  ".join(parts)


def total_of(sources: list[Source]) -> int | None:
    """Return the bytes there are to read; None if that can't be known, as for a pipe or a compressed file."""
    sizes = [source.size() if source.is_seekable_text() else None for source in sources]
    known = [count for count in sizes if count is not None]
    return sum(known) if len(known) == len(sizes) else None


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d} h"
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
