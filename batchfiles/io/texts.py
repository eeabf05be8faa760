r"""Texts that are not cut into lines: blocks of whole lines for compiled code, which finds the newlines itself, and small files.

The blocks have the lines of `lines.blocks`, with the same numbers, offsets and findings. Small files are those written by hand:
templates, prices, schemas, limits. They are read at once, local or remote.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterable, Iterator
from typing import BinaryIO, NamedTuple

from batchfiles.errors import FileError
from batchfiles.findings import Finding
from batchfiles.io.lines import BLOCK_SIZE, BOM, Block, blocks, byte_order_mark, checked_line_bytes, missing_newline, split
from batchfiles.io.remote_path import RemotePath
from batchfiles.io.sources import Source
from batchfiles.layout import cut, visible
from batchfiles.limits import LINE_CAP
from batchfiles.native import native_lines


class Text(NamedTuple):
    r"""Neighbouring lines of one file in one piece.

    Attributes:
        path: The file's display name.
        line_number: The number of the first line, counted from 1, blank lines included.
        byte_offset: Where it begins in the file.
        text: The lines, each with its `\n`.
        line_count: How many they are.
    """

    path: str
    line_number: int
    byte_offset: int
    text: bytes
    line_count: int

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.line_number + self.line_count - 1

    @classmethod
    def of(cls, block: Block) -> Text:
        """Join the lines of a block."""
        return cls(block.path, block.line_number, block.byte_offset, b"\n".join([*block.lines, b""]), len(block.lines))

    def block(self) -> Block:
        """Cut the lines apart."""
        return Block(self.path, self.line_number, self.byte_offset, split(self.text[:-1]))

    def blocks(self, places: Iterable[tuple[int, int, int]]) -> Iterator[Block]:
        """Cut out some lines, neighbouring ones together.

        Args:
            places: For each line its number here, from 0, and where it begins and ends, in ascending order.
        """
        block: Block | None = None
        for place, start, end in places:
            number, line = self.line_number + place, self.text[start:end]
            if block is not None and number == block.line_number + len(block.lines):
                block.lines.append(line)
                continue
            if block is not None:
                yield block
            block = Block(self.path, number, self.byte_offset + start, [line])
        if block is not None:
            yield block


def texts(
    stream: BinaryIO,
    path: str,
    notice: Callable[[Finding], None],
    *,
    start: int = 0,
    end: int | None = None,
    line_number: int = 1,
    max_line_bytes: int = LINE_CAP,
    block_size: int = BLOCK_SIZE,
) -> Iterator[Text]:
    r"""Read a file, or the lines that begin in a byte range of it; a last line that has no `\n` gets one.

    From a line above `max_line_bytes` on, `lines.blocks` reads the rest.

    Args:
        stream: An open binary file that can seek.
        path: The display name, for findings.
        notice: As for `lines.blocks`.
        start: Lines that begin at or after this offset are read.
        end: Lines that begin at or after this offset are not; None reads to the end of the file.
        line_number: The number of the first line that is read.
        max_line_bytes: The longest line that is kept, in bytes.
        block_size: Bytes to read at a time.

    Yields:
        Texts of at least one line, in order.
    """
    checked_line_bytes(max_line_bytes)
    if end is not None and end <= start:
        return
    native = native_lines()
    has_mark = start == 0 and stream.read(len(BOM)) == BOM
    offset = len(BOM) if has_mark else 0
    if has_mark and end is not None:
        end = max(end, offset + 1)  # the first line belongs to the range of the mark
    if start:
        offset = _next_line(stream, start, end, block_size)
    stream.seek(offset)
    for whole, held in _whole_lines(stream, block_size):
        text = whole
        if end is not None and offset >= end:
            return
        if end is not None:  # the last line is the one with the byte before `end`
            text = whole[: whole.find(b"\n", max(0, end - 1 - offset)) + 1 or None]
        if held > max_line_bytes or (len(text) > max_line_bytes and max(map(len, split(text))) > max_line_bytes):
            stream.seek(0)
            rest = blocks(
                stream,
                path,
                notice,
                start=0 if has_mark else offset,
                end=end,
                line_number=line_number,
                max_line_bytes=max_line_bytes,
                block_size=block_size,
            )
            yield from map(Text.of, rest)
            return
        if not text:
            continue
        if has_mark:
            notice(byte_order_mark(path))
            has_mark = False
        if not text.endswith(b"\n"):
            notice(missing_newline(path, line_number, offset, text))
            text += b"\n"
        count = text.count(b"\n") if native is None else native.count_newlines(text)
        yield Text(path, line_number, offset, text, count)
        line_number += count
        offset += len(text)
    if has_mark:
        notice(byte_order_mark(path))


def _next_line(stream: BinaryIO, start: int, end: int | None, block_size: int) -> int:
    """Return where the first line begins at `start` or after it; the end of the file if there is none."""
    position = start - 1
    stream.seek(position)
    while (end is None or position < end) and (chunk := stream.read(block_size)):
        newline = chunk.find(b"\n") + 1
        position += newline or len(chunk)
        if newline:
            break
    return position


def _whole_lines(stream: BinaryIO, block_size: int) -> Iterator[tuple[bytes, int]]:
    r"""Yield whole lines, and how many bytes of the next line are waiting; a last line without `\n` comes alone."""
    held: list[bytes] = []
    size = 0
    while chunk := stream.read(block_size):
        cut = chunk.rfind(b"\n") + 1
        text = b""
        if cut:
            text = b"".join([*held, memoryview(chunk)[:cut]])
            held, size = [], 0
        if cut < len(chunk):
            held.append(chunk[cut:])
            size += len(chunk) - cut
        yield text, size
    if held:
        yield b"".join(held), 0


MOST_BYTES = 16 * 1024 * 1024
"""A larger file is named by mistake."""


def small_file(path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> bytes:
    """Return the bytes of a file as they are.

    Args:
        path: A local path, a URL, or what `located` makes of them.
        filesystem: The filesystem in which `path` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

    Raises:
        FileError: The file is not there, can't be read, or has more than 16 MiB; or `path` is JSON itself.
    """
    source = Source.named(path, filesystem=filesystem)
    text = bytearray()
    # Not `Path.exists`: it raises for names that are too long, as JSON often is.
    if isinstance(path, str) and path.lstrip().startswith("{") and not os.path.exists(path):  # noqa: PTH110
        raise FileError("is JSON, and the name of a file with it is needed", path=cut(visible(path), 40), number=errno.ENOENT)
    with source.stored() as stream:
        while len(text) <= MOST_BYTES and (chunk := stream.read(BLOCK_SIZE)):
            text += chunk
    if len(text) > MOST_BYTES:
        raise FileError(f"has more than {MOST_BYTES:,} bytes: is it the right file?", path=source.name)
    return bytes(text)


def name_of(path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> str:
    """Return what people read for a path: a local one as it was given, a remote one without keys and options."""
    return Source.named(path, filesystem=filesystem).name
