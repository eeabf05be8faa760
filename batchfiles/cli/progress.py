"""How far a job is, on standard error: a bar on a terminal, a line now and then elsewhere, nothing for what is quick.

News on standard error: on a terminal a line that is drawn anew, elsewhere lines that stay; and the log as such lines.
"""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self, TextIO

import click

from batchfiles.cli.text import cut, visible

if TYPE_CHECKING:
    pass

__all__ = ["Progress", "StatusLine", "say", "speaking"]


ERASE_LINE = "\r\x1b[K"


class _Voice:
    """What is written to standard error.

    Attributes:
        is_quiet: Whether only errors are.
        drawn: The line that is drawn now, or None.
    """

    is_quiet: bool = False
    drawn: StatusLine | None = None


VOICE = _Voice()


def say(words: str) -> None:
    """Say something on standard error, above the line that is drawn there; nothing with `-q`."""
    if VOICE.is_quiet:
        return
    if VOICE.drawn is not None:
        VOICE.drawn.put_above(visible(words))
    else:
        click.echo(visible(words), err=True)


class _Speaking(logging.Handler):
    """Writes log records to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say one entry."""
        say(f"batchfiles: {record.getMessage()}")


@contextmanager
def speaking(*, quiet: bool, verbose: bool) -> Iterator[None]:
    """Show the log on standard error inside the block.

    Args:
        quiet: Show nothing, and none of the news either.
        verbose: Show each step, and not only retries and problems.
    """
    logger = logging.getLogger("batchfiles")
    handler = _Speaking()
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    before = logger.level, VOICE.is_quiet
    if verbose and not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    VOICE.is_quiet = quiet
    try:
        yield
    finally:
        logger.removeHandler(handler)
        level, VOICE.is_quiet = before
        logger.setLevel(level)


class StatusLine:
    """The last line of a terminal, and above it the lines that stay. That nobody reads them is no reason to end the job.

    Args:
        stream: Where to write; None is standard error.
        quiet: Write nothing.

    Attributes:
        on_terminal: Whether a line can be drawn anew.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._drawn = False
        self._words = ""
        self.on_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def draw(self, words: str) -> None:
        """Draw the line anew, as far as it fits; where there is no terminal, there is no such line."""
        if self.on_terminal and not self._quiet:
            self._drawn = True
            self._words = words
            VOICE.drawn = self
            self._write(ERASE_LINE + cut(words, shutil.get_terminal_size().columns - 1))

    def leave(self, words: str) -> None:
        """Write a line that stays, in the place of the one that was drawn."""
        self._drawn = False
        VOICE.drawn = None
        self._write(f"{ERASE_LINE if self.on_terminal else ''}{words}\n")

    def put_above(self, words: str) -> None:
        """Write a line that stays above the one that is drawn."""
        drawn = self._words
        self.leave(words)
        self.draw(drawn)

    def erase(self) -> None:
        """Take the line away that was drawn."""
        if self._drawn:
            self._drawn = False
            VOICE.drawn = None
            self._write(ERASE_LINE)

    def _write(self, text: str) -> None:
        if self._quiet or VOICE.is_quiet:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # nobody reads it any more
            self._quiet = True


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
        total: The bytes there are, if they are known before the first step.
        quiet: Show nothing.
        stream: Where to write; None is standard error.
        clock: Seconds, for tests.
    """

    def __init__(
        self,
        label: str,
        total: int | None = None,
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._label = visible(label)
        self._total = total
        self._line = StatusLine(stream, quiet=quiet)
        self._clock = clock
        self._start = clock()
        on_terminal = self._line.on_terminal
        self._pause = REDRAW_SECONDS if on_terminal else LINE_SECONDS
        self._next = float("inf") if quiet else self._start + (QUIET_SECONDS if on_terminal else LINE_SECONDS)

    def update(self, done: int, total: int | None = None) -> None:
        """Say how many bytes are done by now; cheap enough to be called for every block."""
        self._total = self._total if total is None else total
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


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d} h"
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
