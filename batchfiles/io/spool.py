"""Local, regular, uncompressed copies of other files, for jobs that read lines again by their offsets.

Also small files written by hand: templates, prices, schemas, limits. They are read at once, local or remote.
"""

from __future__ import annotations

import logging
import os
import shutil
import tempfile
import weakref
from pathlib import Path
from typing import Self, cast

from batchfiles.errors import FileError
from batchfiles.io.atomic import file_error
from batchfiles.io.overwrite import new_temporary_folder
from batchfiles.io.remote.path import RemotePath
from batchfiles.io.sources import Source

__all__ = ["MOST_BYTES", "Spool", "name_of", "small_file"]

LOG = logging.getLogger(__name__)

READ_BYTES = 1024 * 1024
RESERVE = 64 * 1024 * 1024
"""Bytes that are left free on the disk."""

MOST_RATIO = 50
"""How many times as large as its compressed bytes a file is believed to be without a look: JSONL is mostly 5 to 20 times."""


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
        # Not a TemporaryDirectory, which warns when it is not closed: a job lives as long as there is a reference to its table.
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
            TruncatedFileError: The source is compressed and damaged.
        """
        if source.is_seekable_text():
            return cast("Path", source.path)
        target = self.new_path("source.jsonl")
        try:
            self._ask_for_room(source)
            LOG.info("%s: copied to %s, to be read by position", source.name, self.path)
            with source.open() as stream, target.open("xb") as copy:
                while chunk := stream.read(READ_BYTES):
                    self._check_room(len(chunk))
                    copy.write(chunk)
        except OSError as error:
            if isinstance(error, FileError):
                raise
            raise file_error(error, target) from None
        return target

    def _ask_for_room(self, source: Source) -> None:
        """Make sure that a copy fits before it is started: a full disk harms every program that uses it.

        Where there is plenty of room, the file is not read for that.
        """
        needed = source.size()
        free = shutil.disk_usage(self.path).free - RESERVE
        if needed is None or needed * MOST_RATIO <= free:
            return
        if source.remote is None and needed <= free:
            needed = 0
            with source.open() as stream:
                while needed <= free and (chunk := stream.read(READ_BYTES)):
                    needed += len(chunk)
        if needed > free:
            words = f"no room for a plain copy of it in {self.path.parent}, where {max(free, 0):,} bytes may be used"
            raise FileError(f"{words}: name another place for temporary files (--temp-dir)", path=source.name, number=28)

    def _check_room(self, size: int) -> None:
        free = shutil.disk_usage(self.path).free
        if free < size + RESERVE:
            raise FileError(
                f"only {free:,} bytes are left for temporary files: name another place for them (--temp-dir)",
                path=str(self.path),
                number=28,
            )


MOST_BYTES = 16 * 1024 * 1024
"""A larger file is named by mistake."""


def small_file(path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> bytes:
    """Return the bytes of a file as they are.

    Args:
        path: A local path, a URL, or what `located` makes of them.
        filesystem: The filesystem in which `path` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

    Raises:
        FileError: The file is not there, can't be read, or has more than 16 MiB.
    """
    source = Source.named(path, filesystem=filesystem)
    text = bytearray()
    with source.stored() as stream:
        while len(text) <= MOST_BYTES and (chunk := stream.read(READ_BYTES)):
            text += chunk
    if len(text) > MOST_BYTES:
        raise FileError(f"has more than {MOST_BYTES:,} bytes: is it the right file?", path=source.name)
    return bytes(text)


def name_of(path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> str:
    """Return what people read for a path: a local one as it was given, a remote one without keys and options."""
    return Source.named(path, filesystem=filesystem).name
