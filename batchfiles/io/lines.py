r"""Numbered lines out of chunks of bytes, with a limit on their length.

Lines end at `\n` and nowhere else: model text holds U+2028, U+0085 and bare carriage returns, which text-mode readers and
`str.splitlines` take for line ends (found in ten code bases that read batch files). Lines keep a `\r` before their `\n` here, so
that offsets add up and copies are exact; JSON takes it for white space.

`blocks` cuts out each line. Jobs that copy lines use `inputs.copied_lines`, which takes less than half the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO, NamedTuple

from batchfiles.findings import Finding
from batchfiles.limits import LINE_CAP

BLOCK_SIZE = 256 * 1024
"""Bytes read at a time: what is decoded from a block stays in the CPU's cache (1 MiB blocks cost 15 % of the decoding speed,
8 MiB blocks 30 %, measured on 400 MB of chat outputs)."""

BOM = b"\xef\xbb\xbf"


HEAD = 4096
"""Bytes that are kept of a line above `max_line_bytes`: enough to distinguish a request from a result."""


class Overlong(NamedTuple):
    """A line above `max_line_bytes`, of which only the first bytes were kept."""

    length: int
    head: bytes = b""


def checked_line_bytes(value: int) -> int:
    """Return the longest line that is read, in bytes.

    Raises:
        ValueError: It is below 1.
    """
    if value < 1:
        raise ValueError(f"max_line_bytes is 1 or more, not {value}")
    return value


class LineSplitter:
    r"""Chunks in, lines out; it holds one unfinished line at most, and never more than `max_line_bytes` bytes of it.

    Args:
        max_line_bytes: The longest line that is kept, in bytes without its `\n`. Decoded JSON can take thirty times its length in
            memory (measured on `[],[],…`), so this limits the memory, too.

    Attributes:
        held: The length of the unfinished line so far, whether its bytes were kept or dropped.
    """

    def __init__(self, max_line_bytes: int = LINE_CAP) -> None:
        self._max_line_bytes = checked_line_bytes(max_line_bytes)
        self._pieces: list[bytes] = []
        self._head = b""
        self.held = 0

    def feed(self, chunk: bytes) -> list[bytes | Overlong]:
        r"""Take the next chunk and return the lines that it completes, without their `\n`."""
        lines: list[bytes | Overlong] = split(chunk)  # type: ignore[assignment]
        tail = lines.pop()
        if lines:
            if self.held:
                lines[0] = self._complete(lines[0])  # type: ignore[arg-type]
            if len(chunk) > self._max_line_bytes or type(lines[0]) is Overlong:
                max_line_bytes = self._max_line_bytes
                lines = [_long(line) if type(line) is bytes and len(line) > max_line_bytes else line for line in lines]
        self._hold(tail)  # type: ignore[arg-type]
        return lines

    def finish(self) -> bytes | Overlong | None:
        r"""Return what follows the last `\n`; None if the bytes ended with one."""
        return self._complete(b"") if self.held else None

    def _hold(self, piece: bytes) -> None:
        if not piece:
            return
        self.held += len(piece)
        if self.held <= self._max_line_bytes:
            self._pieces.append(piece)
        else:
            if len(self._head) < HEAD:
                self._head = b"".join([self._head, *(each[:HEAD] for each in self._pieces[:HEAD]), piece[:HEAD]])[:HEAD]
            self._pieces.clear()

    def _complete(self, end: bytes) -> bytes | Overlong:
        self._hold(end)
        length = self.held
        line = b"".join(self._pieces) if length <= self._max_line_bytes else Overlong(length, self._head)
        self._pieces.clear()
        self._head = b""
        self.held = 0
        return line


def _long(line: bytes) -> Overlong:
    return Overlong(len(line), line[:HEAD])


LONG_LINE = 400
"""Bytes of a line from which a search for each newline is faster than `bytes.split`, which compares each byte."""


def split(chunk: bytes) -> list[bytes]:
    r"""Split at every `\n`, as `chunk.split(b"\n")` does."""
    if chunk.count(b"\n", 0, 16 * LONG_LINE) > 16:
        return chunk.split(b"\n")
    lines = []
    start = 0
    find = chunk.find
    while (end := find(b"\n", start)) >= 0:
        lines.append(chunk[start:end])
        start = end + 1
    lines.append(chunk[start:])
    return lines


class Block(NamedTuple):
    r"""Neighbouring lines of one file.

    Attributes:
        path: The file's display name.
        line_number: The number of `lines[0]`, counted from 1, blank lines included.
        byte_offset: Where `lines[0]` begins; the next one begins at `byte_offset + len(lines[0]) + 1`, and so on.
        lines: The lines without their `\n`.
    """

    path: str
    line_number: int
    byte_offset: int
    lines: list[bytes]


def blocks(
    stream: BinaryIO,
    path: str,
    notice: Callable[[Finding], None],
    *,
    start: int = 0,
    end: int | None = None,
    line_number: int = 1,
    max_line_bytes: int = LINE_CAP,
    block_size: int = BLOCK_SIZE,
    on_long: Callable[[bytes], None] | None = None,
) -> Iterator[Block]:
    """Read a file, or the lines that begin in a byte range of it, block by block.

    Args:
        stream: An open binary file; it must be able to seek if `start` is not 0.
        path: The display name, for findings.
        notice: Gets a warning for a byte order mark, a finding for a missing last newline, an error for each longer line.
        start: Lines that begin at or after this offset are read.
        end: Lines that begin at or after this offset are not; None reads to the end of the file.
        line_number: The number of the first line that is read.
        max_line_bytes: The longest line that is kept, in bytes.
        block_size: Bytes to read at a time.
        on_long: Gets the first bytes of each line that is too long, after the block before it.

    Yields:
        Blocks of at least one line, in order.
    """
    if end is not None and end <= start:
        return
    splitter = LineSplitter(max_line_bytes)
    offset = start
    # A range begins in the middle of a line that belongs to the range before it, unless a newline is right before `start`.
    # Beginning one byte early and dropping the first "line" covers both.
    dropping = start > 0
    if dropping:
        offset = start - 1
        stream.seek(offset)
    position = offset
    while chunk := stream.read(block_size):
        if position == start == 0:
            chunk = complete_head(stream, chunk)
            position = len(chunk)
            if chunk.startswith(BOM):
                notice(byte_order_mark(path))
                chunk = chunk[len(BOM) :]
                offset = len(BOM)
                if end is not None:
                    end = max(end, offset + 1)  # the first line belongs to the range of the mark
        else:
            position += len(chunk)
        lines = splitter.feed(chunk)
        if dropping and lines:
            offset += _length(lines.pop(0)) + 1
            dropping = False
        elif dropping and end is not None and position >= end:
            return  # the range is inside one long line, and the range of the line's beginning finds its end
        complete = position - splitter.held
        if end is not None and not dropping and complete >= end:
            yield from _runs(path, line_number, offset, _before(lines, offset, end), max_line_bytes, notice, on_long)
            return
        yield from _runs(path, line_number, offset, lines, max_line_bytes, notice, on_long)
        if not dropping:
            line_number += len(lines)
            offset = complete
    last = splitter.finish()
    if last is not None and not dropping and (end is None or offset < end):
        notice(missing_newline(path, line_number, offset, last if type(last) is bytes else b""))
        yield from _runs(path, line_number, offset, [last], max_line_bytes, notice, on_long)


def complete_head(stream: BinaryIO, chunk: bytes) -> bytes:
    """Read on until a byte order mark would be whole: a pipe may give single bytes."""
    while len(chunk) < len(BOM) and (more := stream.read(len(BOM))):
        chunk += more
    return chunk


def _length(line: bytes | Overlong) -> int:
    return line.length if type(line) is Overlong else len(line)


def _before(lines: list[bytes | Overlong], offset: int, end: int) -> list[bytes | Overlong]:
    """Keep the lines that begin before `end`."""
    for count, line in enumerate(lines):
        if offset >= end:
            return lines[:count]
        offset += _length(line) + 1
    return lines


def _runs(
    path: str,
    line_number: int,
    offset: int,
    lines: list[bytes | Overlong],
    max_line_bytes: int,
    notice: Callable[[Finding], None],
    on_long: Callable[[bytes], None] | None,
) -> Iterator[Block]:
    """Yield the lines as one block; a line that is too long is reported and ends its block."""
    if Overlong not in map(type, lines):
        if lines:
            yield Block(path, line_number, offset, lines)  # type: ignore[arg-type]
        return
    run: list[bytes] = []
    for line in lines:
        if type(line) is not Overlong:
            run.append(line)  # type: ignore[arg-type]
            continue
        if run:
            yield Block(path, line_number, offset, run)
            offset += sum(map(len, run)) + len(run)
            line_number += len(run)
            run = []
        notice(_line_too_long(path, line_number, offset, line.length, max_line_bytes))
        if on_long is not None:
            on_long(line.head)
        line_number += 1
        offset += line.length + 1
    if run:
        yield Block(path, line_number, offset, run)


def byte_order_mark(path: str) -> Finding:
    """Return the warning of a file that begins with a byte order mark."""
    return Finding(
        code="byte_order_mark",
        message="The file begins with a UTF-8 byte order mark, which services take for broken JSON: save it without one.",
        severity="warning",
        path=path,
        line_number=1,
        byte_offset=0,
    )


def missing_newline(path: str, line_number: int, offset: int, line: bytes) -> Finding:
    """Return the finding of a file that ends without a newline: a warning if its last line may have been cut short.

    Some services and scripts write whole files without one. A JSON object that ends with its own brace is complete, with
    or without the newline; only decoding shows it.
    """
    is_whole = _is_whole(line)
    return Finding(
        code="missing_newline",
        message=f"The last line has no newline{', and is complete.' if is_whole else ': it may have been cut short.'}",
        severity="info" if is_whole else "warning",
        path=path,
        line_number=line_number,
        byte_offset=offset,
    )


def _is_whole(line: bytes) -> bool:
    """Return whether a last line is a complete JSON object."""
    import json

    if not line.rstrip().endswith(b"}"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _line_too_long(path: str, line_number: int, offset: int, length: int, max_line_bytes: int) -> Finding:
    return Finding(
        code="line_too_long",
        message=f"The line has {length:,} bytes, above the limit of {max_line_bytes:,}: it was skipped. "
        "Raise the limit to read it.",
        path=path,
        line_number=line_number,
        byte_offset=offset,
    )
