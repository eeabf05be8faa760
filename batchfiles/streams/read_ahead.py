"""The bytes of a remote file in order, a few megabytes a request, the next ones on their way while these are worked on."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, BinaryIO, cast

from batchfiles.errors import FileError
from batchfiles.streams.remote import RemotePath
from batchfiles.streams.remote_errors import told_as_file_error
from batchfiles.streams.sources import changed

__all__ = ["read_in_order"]

REQUEST = 8 * 1024 * 1024
"""Bytes of a request: at 100 MB/s and 30 ms for the answer, a quarter of the time is waiting; twice as many are in memory."""


@contextmanager
def read_in_order(source: RemotePath) -> Iterator[BinaryIO]:
    """Open a remote file for reading from its beginning to its end.

    What the file is when it is opened, it must still be at its end: each request could be answered from another version of it.

    Raises:
        FileError: The file is not there, can't be read, or changed meanwhile; also while reading.
    """
    found = source.look()
    if not found.is_file:
        raise FileError("no such file", path=source.shown, number=2)
    with told_as_file_error(source.shown):
        file = source.filesystem.open_input_stream(source.path, compression=None)
    stream = _ReadAhead(file, source, found)
    try:
        yield cast("BinaryIO", stream)
    finally:
        stream.close()


class _ReadAhead:
    """Reads a file request by request in a thread, which is one request ahead."""

    def __init__(self, file: Any, source: RemotePath, found: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._file = file
        self._source = source
        self._found = found
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batchfiles-read-ahead")
        self._next: Future[bytes] | None = self._pool.submit(file.read, REQUEST)
        self._chunk = memoryview(b"")
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(REQUEST), b""))
        if not self._chunk and self._next is not None and size:
            self._chunk = memoryview(self._received(self._next))
        piece = bytes(self._chunk[:size])
        self._chunk = self._chunk[len(piece) :]
        return piece

    def _received(self, request: Future[bytes]) -> bytes:
        self._next = None
        with told_as_file_error(self._source.shown):
            data = request.result()
        self._size += len(data)
        if data:
            self._next = self._pool.submit(self._file.read, REQUEST)
        else:
            self._check_whole()
        return data

    def _check_whole(self) -> None:
        now = self._source.look()
        if (now.size, now.mtime_ns) != (self._found.size, self._found.mtime_ns) or self._size != (now.size or 0):
            raise changed(self._source.shown)

    def close(self) -> None:
        """Let go of the file; a request that is on its way is waited for, as long as the timeouts of the connection."""
        self._pool.shutdown(cancel_futures=True)
        self._file.close()
