"""News on standard error: on a terminal a line that is drawn anew, elsewhere lines that stay."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TextIO

from batchfiles.cli.terminal import cut

__all__ = ["LiveLine"]

ERASE_LINE = "\r\x1b[K"


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
        self.on_terminal = self._stream.isatty() and os.environ.get("TERM") != "dumb"

    def draw(self, words: str) -> None:
        """Draw the line anew, as far as it fits; where there is no terminal, there is no such line."""
        if self.on_terminal:
            self._drawn = True
            self._write(ERASE_LINE + cut(words, shutil.get_terminal_size().columns - 1))

    def leave(self, words: str) -> None:
        """Write a line that stays, in the place of the one that was drawn."""
        self._drawn = False
        self._write(f"{ERASE_LINE if self.on_terminal else ''}{words}\n")

    def erase(self) -> None:
        """Take the line away that was drawn."""
        if self._drawn:
            self._drawn = False
            self._write(ERASE_LINE)

    def _write(self, text: str) -> None:
        if self._quiet:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:  # nobody reads it any more
            self._quiet = True
