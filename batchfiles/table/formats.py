"""What kind of table a file is: known by its first bytes, and by its name where they don't show it."""

from __future__ import annotations

from codecs import getincrementaldecoder
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import BinaryIO

from batchfiles.errors import MismatchError, TruncatedFileError
from batchfiles.io.sources import COMPRESSED, Source

__all__ = ["BINARY_SUFFIXES", "PARQUET_MAGIC", "SUFFIXES", "Peeked", "endings_of", "recognized"]

PARQUET_MAGIC = b"PAR1"
FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"

BINARY_SUFFIXES = (".parquet", ".arrow", ".arrows", ".feather")
"""The names of files that begin with one of these."""

SUFFIXES = (*BINARY_SUFFIXES, ".csv", ".jsonl", ".ndjson")
"""What a table in a folder is called."""


HEAD = 512
"""Bytes that show the format; looked at again by the reader, since a pipe can't be rewound."""


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
        """Do nothing: the caller that opened the stream closes it."""


def endings_of(suffixes: Iterable[str]) -> tuple[str, ...]:
    """Return suffixes, each alone and followed by those of compressions."""
    return tuple(suffix + end for suffix in suffixes for end in COMPRESSED)


@contextmanager
def recognized(source: Source) -> Iterator[tuple[str, Peeked]]:
    """Open a table for reading, and detect its format.

    Every command that reads a user's table asks here, so that all of them take a file for the same.

    Yields:
        `parquet`, `arrow` (IPC file), `arrows` (IPC stream), `csv` or `jsonl`; and the file's bytes from the beginning,
        decompressed.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The file does not begin like the format of its name, or its compressed bytes are damaged.
        MismatchError: It is not a table.
    """
    with source.open(tables=True) as stream:
        peeked = Peeked(stream)
        yield _format_of(source.name.lower(), peeked.head, source.name), peeked


def _format_of(lowered: str, head: bytes, name: str) -> str:
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith(FILE_MAGIC):
        return "arrow"
    if head.startswith(STREAM_MAGIC):
        return "arrows"
    if lowered.endswith(BINARY_SUFFIXES):
        raise TruncatedFileError("the file does not begin as its name says", path=name)
    if ".csv" in lowered:
        return "csv"
    if any(suffix in lowered for suffix in (".jsonl", ".ndjson", ".json")):
        return "jsonl"
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise MismatchError("this is not a table: neither Parquet, Arrow, CSV nor JSONL", path=name)
    return "csv" if text and not text.lstrip().startswith("{") else "jsonl"
