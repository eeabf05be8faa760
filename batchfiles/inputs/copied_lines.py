"""Lines to copy from one file to another, byte for byte: runs of neighbours without blank lines between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property
from io import BytesIO
from itertools import chain
from typing import BinaryIO

from batchfiles.codec import request_of
from batchfiles.errors import InvalidLineError, LineTooLongError, MismatchError
from batchfiles.findings import Finding
from batchfiles.inputs.file_mistakes import refuse_results
from batchfiles.inputs.kinds import FileRole, classify_lines
from batchfiles.io.lines import BOM, byte_order_mark, checked_line_bytes, complete_head, missing_newline, split
from batchfiles.io.sources import Source
from batchfiles.io.threads import PIECE
from batchfiles.native import native_lines
from batchfiles.outcome import read_result

BLOCK_SIZE = PIECE + 64 * 1024
"""Bytes to read at a time: the whole lines in them are mostly enough to be written together, without being joined to others."""

NOUNS = {"inputs": "requests", "results": "results"}


class Run:
    r"""Neighbouring lines of one file.

    Args:
        path: The file's display name.
        line_number: The number of the first line, counted from 1, blank lines included.
        byte_offset: Where it begins in the file.
        text: The lines in one piece, each with its `\n`. Only a line above the limit may come without one, and then it is not
            whole.

    Attributes:
        count: How many lines there are.
        longest: The length of the longest, with its `\n`.
        blank: The numbers of the blank ones, counted from 0.
    """

    def __init__(self, path: str, line_number: int, byte_offset: int, text: bytes) -> None:
        self.path = path
        self.line_number = line_number
        self.byte_offset = byte_offset
        self.text = text
        native = native_lines()
        self.count, self.longest, self.blank = self._measure() if native is None else native.measure_lines(text)

    def _measure(self) -> tuple[int, int, list[int]]:
        lines = self.whole_lines
        blank = [number for number, line in enumerate(lines) if line.isspace()] if any(map(bytes.isspace, lines)) else []
        return len(lines), max(map(len, lines), default=0), blank

    @cached_property
    def whole_lines(self) -> list[bytes]:
        r"""The lines, each with its `\n`. They are cut when they are needed."""
        return BytesIO(self.text).readlines()  # an object that looks like a file does it in half the time of `split`

    @property
    def lines(self) -> list[bytes]:
        r"""The lines without their `\n`, cut anew each time."""
        return split(self.text[:-1])


def pieces(
    stream: BinaryIO, path: str, notice: Callable[[Finding], None], *, max_line_bytes: int, block_size: int = BLOCK_SIZE
) -> Iterator[Run]:
    r"""Read a file piece by piece; a last line that has no `\n` gets one.

    Args:
        stream: An open binary file.
        path: The display name.
        notice: Gets a warning for a byte order mark, which is left out, and for a missing last newline.
        max_line_bytes: The longest line that is wanted, in bytes without its `\n`. Reading ends after the first piece
            with a longer one: it can't be copied.
        block_size: Bytes to read at a time.

    Yields:
        Runs of at least one line, in order.
    """
    checked_line_bytes(max_line_bytes)
    number, offset = 1, 0
    held: list[bytes | memoryview] = []
    held_size = 0
    is_head = True
    while chunk := stream.read(block_size):
        if is_head:
            is_head = False
            chunk = complete_head(stream, chunk)
            if chunk.startswith(BOM):
                notice(byte_order_mark(path))
                chunk = chunk[len(BOM) :]
                offset = len(BOM)
        end = chunk.rfind(b"\n") + 1
        rest = chunk[end:]
        if end:
            held.append(memoryview(chunk)[:end])
            run = Run(path, number, offset, b"".join(held))
            yield run
            if run.longest > max_line_bytes + 1:
                return
            number += run.count
            offset += len(run.text)
            held, held_size = [], 0
        if rest:
            held.append(rest)
            held_size += len(rest)
            if held_size > max_line_bytes:
                yield Run(path, number, offset, b"".join(held))
                return
    if held:
        last = b"".join([*held, b"\n"])
        notice(missing_newline(path, number, offset, last))
        yield Run(path, number, offset, last)


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
            MismatchError: The lines are neither requests nor results, or not what is wanted, and nothing was yielded; or one of
                the requests is a result.
            FileError: The file is not there or can't be read.
            TruncatedFileError: Its compressed bytes are damaged.
        """
        with source.open() as stream:
            for piece in self._checked(
                pieces(stream, source.name, self.findings.append, max_line_bytes=self._max_line_bytes), source.name
            ):
                for run in self._runs(piece):
                    if self.wanted == "inputs":
                        refuse_results(run.text, run.path, run.line_number)
                    yield run
                    if self._on_bytes is not None:
                        self._on_bytes(len(run.text))

    def _checked(self, found: Iterator[Run], name: str) -> Iterator[Run]:
        """Check the first lines before any is copied."""
        seen: list[Run] = []
        file_role = classify_lines(self._lines(found, seen), name)
        if file_role != "empty":
            if self.wanted not in (None, file_role):
                raise MismatchError(f"holds {NOUNS[file_role]}, and {NOUNS[str(self.wanted)]} are expected here", path=name)
            self.wanted = file_role
        return chain(seen, found)

    def _lines(self, found: Iterator[Run], seen: list[Run]) -> Iterator[bytes]:
        """Yield lines and keep their pieces: only as many as are needed to classify the file."""
        for piece in found:
            seen.append(piece)
            yield from _below(self._max_line_bytes, piece.whole_lines)

    def _runs(self, piece: Run) -> Iterator[Run]:
        """Yield the lines of a piece without blank ones.

        Raises:
            LineTooLongError: A line is longer than `max_line_bytes`.
        """
        if piece.longest <= self._max_line_bytes and not piece.blank:
            yield piece
            return
        path, number, offset = piece.path, piece.line_number, piece.byte_offset
        run: list[bytes] = []
        for line in chain(piece.whole_lines, [b"\n"]):
            is_long = len(line) > self._max_line_bytes + 1 or not line.endswith(b"\n")
            if not is_long and not line.isspace():
                run.append(line)
                continue
            if run:
                text = b"".join(run)
                yield Run(path, number, offset, text)
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
