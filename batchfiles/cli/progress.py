"""What goes to a terminal: its width and colors, messages and the log on standard error, and progress."""

from __future__ import annotations

import logging
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Literal, Self, TextIO, get_args

import click

from batchfiles.layout import Screen, cut, duration, folded, visible

ESCAPE = "\x1b"
ERASE_LINE = "\r\x1b[K"


Color = Literal["auto", "always", "never"]
COLOR = get_args(Color)
"""The values of `--color`."""


class _State:
    """Whether only errors are written on standard error, when to use colors, and the status line that is drawn now."""

    is_quiet: bool = False
    color: Color = "auto"
    drawn: StatusLine | None = None


STATE = _State()


def screen(*, err: bool = False, fallback: int | None = None) -> Screen:
    """Return the width and the colors of standard output, or of standard error.

    The width is `COLUMNS`, or that of the terminal. Files and pipes have none.

    Args:
        err: Whether it is about standard error.
        fallback: The width of files and pipes.
    """
    stream = sys.stderr if err else sys.stdout
    on_terminal = stream.isatty()
    width = int(columns) if (columns := os.environ.get("COLUMNS", "")).isdecimal() else 0
    if not width and on_terminal:
        try:
            width = os.get_terminal_size(stream.fileno()).columns
        except (OSError, ValueError):
            width = shutil.get_terminal_size().columns
    return Screen(width or fallback, _has_colors(on_terminal=on_terminal))


def _has_colors(*, on_terminal: bool) -> bool:
    if STATE.color != "auto":
        return STATE.color == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return on_terminal and os.environ.get("TERM") != "dumb"


def print_lines(lines: Iterable[str], *, err: bool = False) -> None:
    """Print lines of visible text on standard output or standard error; sentences are broken at spaces."""
    width = screen(err=err).width
    for line in lines:
        for part in [line] if ESCAPE in line else folded(line, width):
            click.echo(part, err=err, color=True)


def print_notes(lines: Iterable[str]) -> None:
    """Print lines of visible text on standard error; nothing with `-q`."""
    if not STATE.is_quiet:
        print_lines(lines, err=True)


def print_note(words: str) -> None:
    """Print a message on standard error, above the status line; nothing with `-q`."""
    if STATE.is_quiet:
        return
    if STATE.drawn is not None:
        STATE.drawn.put_above(visible(words))
    else:
        print_error(words)


def print_error(words: str) -> None:
    """Print a message on standard error, also with `-q`; a terminal gets lines that are broken at spaces."""
    for line in folded(visible(words), screen(err=True).width if sys.stderr.isatty() else None):
        click.echo(line, err=True)


class _LogHandler(logging.Handler):
    """Writes log records to standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        print_note(f"batchfiles: {record.getMessage()}")


@contextmanager
def log_on_stderr(*, quiet: bool, verbose: bool, color: Color = "auto") -> Iterator[None]:
    """Print the log on standard error inside the block.

    Args:
        quiet: Print neither the log nor other messages.
        verbose: Print each step, not only retries and problems.
        color: When to use colors.
    """
    logger = logging.getLogger("batchfiles")
    handler = _LogHandler()
    handler.setLevel(logging.INFO if verbose else logging.WARNING)
    before = logger.level, STATE.is_quiet, STATE.color
    if verbose and not logger.isEnabledFor(logging.INFO):
        logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    STATE.is_quiet, STATE.color = quiet, color
    try:
        yield
    finally:
        logger.removeHandler(handler)
        level, STATE.is_quiet, STATE.color = before
        logger.setLevel(level)


class StatusLine:
    """A line that is redrawn at the end of a terminal, below permanent lines. A closed stream is ignored.

    Args:
        stream: The output; None for standard error.
        quiet: Write nothing.

    Attributes:
        on_terminal: Whether a line can be redrawn.
    """

    def __init__(self, stream: TextIO | None = None, *, quiet: bool = False) -> None:
        self._stream = stream or sys.stderr
        self._quiet = quiet
        self._drawn = False
        self._words = ""
        self.on_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def draw(self, words: str) -> None:
        """Redraw the line, cut to the width of the terminal; nothing without a terminal."""
        if self.on_terminal and not self._quiet:
            self._drawn = True
            self._words = words
            STATE.drawn = self
            self._write(ERASE_LINE + cut(words, shutil.get_terminal_size().columns - 1))

    def leave(self, words: str) -> None:
        """Replace the drawn line with a permanent line."""
        self._drawn = False
        STATE.drawn = None
        self._write(f"{ERASE_LINE if self.on_terminal else ''}{words}\n")

    def put_above(self, words: str) -> None:
        """Write a permanent line above the drawn line."""
        drawn = self._words
        self.leave(words)
        self.draw(drawn)

    def erase(self) -> None:
        """Erase the drawn line."""
        if self._drawn:
            self._drawn = False
            STATE.drawn = None
            self._write(ERASE_LINE)

    def _write(self, text: str) -> None:
        if self._quiet or STATE.is_quiet:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # nothing reads it any more
            self._quiet = True


QUIET_SECONDS = 1.0
"""Shorter jobs show nothing."""

REDRAW_SECONDS = 0.1
"""The pause between redraws on a terminal."""

LINE_SECONDS = 10.0
"""The pause between lines without a terminal."""

BAR_WIDTH = 24
USUAL_WIDTH = 80
"""Narrower terminals show no bar."""


class Progress:
    """The progress in bytes, on standard error; commands pass `quiet` for `--json`.

    Args:
        label: The name of the job.
        total: The total number of bytes, if known before the first step.
        quiet: Show nothing.
        stream: The output; None for standard error.
        clock: Returns seconds, for tests.
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
        """Report the total number of bytes done; cheap enough to be called for every block."""
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
        """Erase the bar."""
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
            parts.append(f"{duration(max(self._total - done, 0) / speed)} left")
        return "  ".join(parts)


class TransferProgress:
    """The progress of uploads and downloads, each file from its beginning.

    Args:
        label: What is transferred.
        quiet: Show nothing.
        stream: The output; None for standard error.
    """

    def __init__(self, label: str, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._new = partial(Progress, label, quiet=quiet, stream=stream)
        self._progress = self._new()
        self._done = 0

    def update(self, done: int, total: int | None) -> None:
        """Report the bytes of the current file; fewer than before are those of the next file."""
        if done < self._done:
            self._progress.close()
            self._progress = self._new()
        self._done = done
        self._progress.update(done, total)

    def close(self) -> None:
        """Erase the bar."""
        self._progress.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
