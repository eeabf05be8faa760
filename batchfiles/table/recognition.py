"""What kind of table a file is: told by its first bytes, and by its name where they don't tell."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

import pyarrow as pa

from batchfiles.errors import FileError, Mismatch, TruncatedFile
from batchfiles.streams.atomic import file_error
from batchfiles.streams.sources import Source

__all__ = ["FILE_MAGIC", "PARQUET_MAGIC", "STREAM_MAGIC", "Peeked", "is_csv", "told_as_damage"]

PARQUET_MAGIC = b"PAR1"
FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"

AFTER_PARQUET = 64 * 1024
"""Bytes in which the end of a Parquet file is looked for."""

HEAD = 512
"""Bytes that tell the format; looked at again by the reader, since a pipe can't be rewound."""


class Peeked:
    """A stream whose beginning was looked at and is read again."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rest = b""
        self.head = self._rest = self.read(HEAD)

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end: a pipe gives what it has, and Arrow takes that for the end."""
        pieces = [self._rest[:size]]
        self._rest = self._rest[size:]
        missing = size - len(pieces[0])
        while missing and (piece := self._stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Do nothing: whoever opened the stream closes it."""


def is_csv(name: str, head: bytes) -> bool:
    """Tell CSV from JSONL: by the name where it says, else a batch file's first line begins with a brace.

    Raises:
        Mismatch: It is no text.
    """
    if ".csv" in name.lower():
        return True
    if any(suffix in name.lower() for suffix in (".jsonl", ".ndjson", ".json")):
        return False
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise Mismatch("this is no table: neither Parquet, Arrow, CSV nor JSONL", path=name)
    return bool(text) and not text.lstrip().startswith("{")


@contextmanager
def told_as_damage(source: Source) -> Iterator[None]:
    """Turn what pyarrow says about files that it can't read into our error; not all of them are damaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileError):
            raise
        if isinstance(error, OSError) and error.errno:
            raise file_error(error, source.name) from None
        reason = str(error).partition("\n")[0]
        is_unknown = isinstance(error, (pa.ArrowNotImplementedError, pa.ArrowTypeError))
    else:
        return
    if is_unknown:
        raise Mismatch(
            f"pyarrow {pa.__version__} can't read this file: {reason}; write it with other types, or without such columns",
            path=source.name,
        )
    if "magic bytes" in reason and (length := _bytes_after_parquet(source)):
        raise Mismatch(
            f"other bytes follow the end of the Parquet data ({length:,} B), which is read from its end: remove them",
            path=source.name,
        )
    raise TruncatedFile(f"the file is damaged or cut short: {reason}", path=source.name)


def _bytes_after_parquet(source: Source) -> int:
    """Count the bytes after a complete Parquet file: a newline of a text transfer, zeros of a tape. 0 if it has no end."""
    with source.open_for_arrow() as file:
        size = file.seek(0, 2) if not isinstance(file, pa.NativeFile) else file.size()
        start = max(size - AFTER_PARQUET, 0)
        file.seek(start)
        tail = file.read(size - start)
    end = tail.rfind(PARQUET_MAGIC)
    footer = int.from_bytes(tail[end - 4 : end], "little") if end >= 4 else 0
    return len(tail) - end - 4 if 0 < footer <= start + end else 0
