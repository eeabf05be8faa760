"""The files that a split writes: several may be open, and a thread of its own writes and digests what they get."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import BinaryIO, Self, cast

from batchfiles.streams.atomic import sync
from batchfiles.streams.behind import PIECE, Behind, write_all
from batchfiles.streams.compression import compressed, compression_of_name

__all__ = ["PartFile", "PartWriter"]


class PartWriter:
    """Writes and digests parts in a thread, and has each whole part brought to the disk in another one."""

    def __init__(self) -> None:
        self._writing = Behind("batchfiles-writer")
        self._syncing = Behind("batchfiles-sync")
        self._open: set[PartFile] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        with self._syncing, self._writing:
            pass
        for part in self._open:
            part.abandon()

    def open(self, path: Path) -> PartFile:
        """Begin a new file; its name says how it is compressed."""
        part = PartFile(path, self._writing.do)
        self._open.add(part)
        return part

    def close(self, part: PartFile) -> None:
        """End a file; it is written when `finish` returns."""
        part.flush()
        self._writing.do(partial(self._finish, part))

    def _finish(self, part: PartFile) -> None:
        part.finish()
        self._open.discard(part)
        self._syncing.do(partial(sync, part.path))

    def finish(self) -> None:
        """Wait until everything is done and on the disk.

        Raises:
            OSError: Something could not be done.
        """
        self._writing.finish()
        self._syncing.finish()


class _Appended:
    """A file that is open only while it gets a piece: a process may have few files open, and a split many parts."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, data: bytes) -> int:
        """Write all of a piece."""
        with self._path.open("ab", buffering=0) as file:
            write_all(cast("BinaryIO", file), data)
        return len(data)


class PartFile:
    """One file as it grows.

    Args:
        path: Where it goes.
        do: Has something done in the writer's thread.

    Attributes:
        path: Where it goes.
        requests: Its lines so far.
        bytes: Its size so far, uncompressed.
        inputs: Texts to embed so far.
        tokens: Tokens so far.
        first_line: The number of its first line in the source.
        last_line: The same of the line that was added last.
    """

    def __init__(self, path: Path, do: Callable[[Callable[[], None]], None]) -> None:
        self.path = path
        self.requests = self.bytes = self.inputs = self.tokens = self.first_line = self.last_line = 0
        self._do = do
        self._pieces: list[bytes] = []
        self._size = 0
        self._digest = hashlib.sha256()
        self._stack = ExitStack()
        path.open("xb").close()
        file = cast("BinaryIO", _Appended(path))
        self._sink: BinaryIO = self._stack.enter_context(compressed(file, compression_of_name(path.name)))

    @property
    def sha256(self) -> str:
        """The digest of the uncompressed bytes, in hexadecimal digits; right when the writer is done."""
        return self._digest.hexdigest()

    def add(self, text: bytes, requests: int, first_line: int, last_line: int) -> None:
        r"""Add whole lines, each with its `\n`."""
        if not self.requests:
            self.first_line = first_line
        self.last_line = last_line
        self.requests += requests
        self.bytes += len(text)
        self._pieces.append(text)
        self._size += len(text)
        if self._size >= PIECE:
            self.flush()

    def flush(self) -> None:
        """Hand what waits to the writer."""
        if self._pieces:
            text = b"".join(self._pieces)
            self._pieces, self._size = [], 0
            self._do(partial(self._write, text))

    def _write(self, text: bytes) -> None:
        self._digest.update(text)
        write_all(self._sink, text)

    def finish(self) -> None:
        """Close the file."""
        self._stack.close()

    def abandon(self) -> None:
        """Close the file, whatever becomes of what is in it."""
        with suppress(OSError):
            self._stack.close()
