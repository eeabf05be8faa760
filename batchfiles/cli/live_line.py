"""News on standard error: on a terminal a line that is drawn anew, elsewhere lines that stay; and the log as such lines."""

from __future__ import annotations

import logging
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

import click

from batchfiles.cli.terminal import cut, visible

__all__ = ["LiveLine", "say", "speaking"]

ERASE_LINE = "\r\x1b[K"


class _Voice:
    """What is written to standard error.

    Attributes:
        is_quiet: Whether only errors are.
        drawn: The line that is drawn now, or None.
    """

    is_quiet: bool = False
    drawn: LiveLine | None = None


VOICE = _Voice()


def say(words: str) -> None:
    """Say something on standard error, above the line that is drawn there; nothing with `-q`."""
    if VOICE.is_quiet:
        return
    if VOICE.drawn is not None:
        VOICE.drawn.put_above(visible(words))
    else:
        click.echo(visible(words), err=True)


class _Saying(logging.Handler):
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
    handler = _Saying()
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


class LiveLine:
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
