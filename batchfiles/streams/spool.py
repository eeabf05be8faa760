"""A local, regular, uncompressed copy of whatever is not: for jobs that must come back to a line by its offset."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Self, cast

from batchfiles.errors import FileError
from batchfiles.streams.atomic import file_error
from batchfiles.streams.leftovers import new_temporary_folder
from batchfiles.streams.sources import Source

__all__ = ["Spool"]

CHUNK = 1024 * 1024
RESERVE = 64 * 1024 * 1024
"""Bytes that are left free on the disk."""


class Spool:
    """A temporary folder that goes away when the job ends.

    Args:
        directory: Where to make it; None takes the system's temporary folder. Never `/dev/shm` by our own choice: containers
            have 64 MB of it.
    """

    def __init__(self, directory: str | os.PathLike[str] | None = None) -> None:
        try:
            self.path = new_temporary_folder(directory)
        except OSError as error:
            raise file_error(error, os.fspath(directory or tempfile.gettempdir())) from None
        # Not a TemporaryDirectory, which complains when nobody closes it: a job lives as long as somebody holds its table.
        self._remove = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the folder and everything in it."""
        self._remove()

    def new_path(self, name: str) -> Path:
        """Name a file in the folder that is not there yet."""
        self._count += 1
        return self.path / f"{self._count:05d}-{name}"

    def local(self, source: Source) -> Path:
        """Return a path at which the source's plain bytes can be read by offset: the file itself, or a copy of it.

        Raises:
            FileError: The source can't be read, or the disk has no room for the copy.
            TruncatedFile: The source is compressed and damaged.
        """
        if source.is_seekable_text():
            return cast("Path", source.path)
        target = self.new_path("source.jsonl")
        try:
            with source.open() as stream, target.open("xb") as copy:
                while chunk := stream.read(CHUNK):
                    self._check_room(len(chunk))
                    copy.write(chunk)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise file_error(error, target) from None
        return target

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.path).free
        if free < size + RESERVE:
            raise FileError(
                f"only {free:,} bytes are left for temporary files: name another place for them (--temp-dir)",
                path=str(self.path),
                number=28,
            )
