"""What a pass of the join says of each entry of an index: a few bytes an entry, in a temporary file that its processes share."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

from batchfiles.streams.atomic import file_error

__all__ = ["Marks"]

CHUNK = 1024 * 1024

KINDS = ("used", "superseded", "conflicting", "malformed", "repaired")


class Marks:
    """One byte an entry and kind, 0 until somebody writes a 1.

    They are bytes and not bits, so that two processes never undo each other's writes: all that they may write is the same 1.

    Args:
        path: The file; it is made if it isn't there.
        count: The entries of the index.

    Raises:
        FileError: The file can't be made.

    Attributes:
        used: The result is in the table.
        superseded: There was a better one for some request.
        conflicting: It is a success, and so was the better one, and they differ.
        malformed: The line can't be read, but for its id.
        repaired: The line is not quite JSON.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path = path
        self._map: mmap.mmap | None = None
        view = memoryview(b"")
        if count:
            self._map = _mapped(path, count * len(KINDS))
            view = memoryview(self._map)
        self._views = [view[number * count : (number + 1) * count] for number in range(len(KINDS))]
        self.used, self.superseded, self.conflicting, self.malformed, self.repaired = self._views

    def close(self) -> None:
        """Let go of the file, which stays; whoever named it removes it."""
        for view in self._views:
            view.release()
        if self._map is not None:
            self._map.close()

    def mask(self, kind: str) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the marks of a kind as an Arrow array of booleans."""
        import pyarrow as pa
        import pyarrow.compute as pc

        marks = getattr(self, kind)
        return pc.not_equal(pa.Array.from_buffers(pa.uint8(), len(marks), [None, pa.py_buffer(marks)]), 0)


def _mapped(path: Path, size: int) -> mmap.mmap:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            if os.fstat(descriptor).st_size == 0:
                _take_room(descriptor, size)
            return mmap.mmap(descriptor, size)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise file_error(error, path) from None


def _take_room(descriptor: int, size: int) -> None:
    """Take the room on the disk now: a write to a mapped hole for which there is none kills the process."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:  # macOS
        with open(descriptor, "wb", closefd=False) as file:
            file.writelines(bytes(min(CHUNK, size - start)) for start in range(0, size, CHUNK))
