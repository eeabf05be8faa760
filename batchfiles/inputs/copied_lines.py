"""Lines to copy from one file to another, byte for byte: runs of neighbours without blank lines between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import NamedTuple

from batchfiles.codec import request_of
from batchfiles.errors import InvalidLineError, LineTooLongError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.kinds import FileRole, classify_lines
from batchfiles.io.lines import Piece, pieces, split
from batchfiles.io.sources import Source
from batchfiles.outcome import read_result

__all__ = ["CopiedLines", "Run"]


NOUNS = {"inputs": "requests", "results": "results"}


class Run(NamedTuple):
    r"""Neighbouring lines of one file, none of them blank.

    Attributes:
        path: The file's display name.
        line_number: The number of the first line.
        byte_offset: Where it begins.
        whole_lines: The lines, each with its `\n`.
        text: The same lines in one piece.
    """

    path: str
    line_number: int
    byte_offset: int
    whole_lines: list[bytes]
    text: bytes

    @property
    def lines(self) -> list[bytes]:
        r"""The lines without their `\n`, cut anew each time."""
        return split(self.text[:-1])


class CopiedLines:
    """Reads files whose lines are copied, and counts what is left out.

    Args:
        max_line_bytes: The longest line that is read, in bytes.
        on_bytes: Gets the number of bytes of each run.
        wanted: What the lines must be: `"inputs"` or `"results"`; None takes either, but only one of them.

    Attributes:
        blank_lines: Lines that were left out.
        findings: Byte order marks that were left out, and newlines that were added.
        wanted: The role of the lines, once the first file has shown it.
    """

    def __init__(
        self, max_line_bytes: int, on_bytes: Callable[[int], None] | None = None, *, wanted: FileRole | None = None
    ) -> None:
        self.blank_lines = 0
        self.findings: list[Finding] = []
        self._max_line_bytes = max_line_bytes
        self.wanted = wanted
        self._on_bytes = on_bytes

    def is_readable(self, line: bytes) -> bool:
        """Return whether a line has what a request or a result must have, depending on the role of the lines that are read."""
        if self.wanted == "results":
            return read_result(line)[0] is not None
        try:
            request_of(line)
        except InvalidLineError:
            return False
        return True

    def of(self, source: Source) -> Iterator[Run]:
        """Yield the lines of a file.

        Raises:
            LineTooLongError: A line is above `max_line_bytes`: it can't be left out, nor be kept.
            MismatchError: The lines are neither requests nor results, or not what is wanted; nothing was yielded.
            FileError: The file is not there or can't be read.
            TruncatedFileError: Its compressed bytes are damaged.
        """
        with source.open() as stream:
            for piece in self._checked(
                pieces(stream, source.name, self.findings.append, max_line_bytes=self._max_line_bytes), source.name
            ):
                for run in self._runs(piece, source.name):
                    yield run
                    if self._on_bytes is not None:
                        self._on_bytes(len(run.text))

    def _checked(self, found: Iterator[Piece], name: str) -> Iterator[Piece]:
        """Check the first lines before any is copied."""
        seen: list[Piece] = []
        file_role = classify_lines(self._lines(found, seen), name)
        if file_role != "empty":
            if self.wanted not in (None, file_role):
                raise MismatchError(f"holds {NOUNS[file_role]}, and {NOUNS[str(self.wanted)]} are expected here", path=name)
            self.wanted = file_role
        return chain(seen, found)

    def _lines(self, found: Iterator[Piece], seen: list[Piece]) -> Iterator[bytes]:
        """Yield lines and keep their pieces: only as many as are needed to classify the file."""
        for piece in found:
            seen.append(piece)
            yield from _below(self._max_line_bytes, piece.lines)

    def _runs(self, piece: Piece, path: str) -> Iterator[Run]:
        number, offset, lines, text = piece
        is_short = len(text) <= self._max_line_bytes or max(map(len, lines)) <= self._max_line_bytes + 1
        if is_short and not any(map(bytes.isspace, lines)):
            yield Run(path, number, offset, lines, text)
            return
        run: list[bytes] = []
        for line in chain(lines, [b"\n"]):
            is_long = len(line) > self._max_line_bytes + 1 or not line.endswith(b"\n")
            if not is_long and not line.isspace():
                run.append(line)
                continue
            if run:
                text = b"".join(run)
                yield Run(path, number, offset, run, text)
                number, offset, run = number + len(run), offset + len(text), []
            if is_long:
                raise self._too_long(path, number, offset)
            number, offset = number + 1, offset + len(line)
            self.blank_lines += 1
        self.blank_lines -= 1  # the one that we put after the last

    def _too_long(self, path: str, number: int, offset: int) -> LineTooLongError:
        return LineTooLongError(
            f"the line is above the limit of {self._max_line_bytes:,} bytes, and can neither be left out nor "
            "be kept: raise max_line_bytes",
            limit=self._max_line_bytes,
            path=path,
            line_number=number,
            byte_offset=offset,
        )


def _below(max_line_bytes: int, lines: list[bytes]) -> Iterator[bytes]:
    """Yield the lines that may be looked at, without line ends."""
    return (line.rstrip(b"\n") for line in lines if len(line) <= max_line_bytes + 1)
