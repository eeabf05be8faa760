"""A file that can be read by offset, as long as it stays what it was."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from batchfiles.errors import FileError
from batchfiles.streams.atomic import file_error
from batchfiles.streams.remote import Place

__all__ = ["LocalFile", "changed", "check_unchanged", "opened"]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file and where its plain bytes lie.

    Attributes:
        name: Its display name.
        original: The file's own resolved path, or its remote place; None where the bytes came from an open file.
        path: The file itself, or its decompressed copy.
        size: Bytes of `path`.
        modified: When `path` was last written to, in nanoseconds.
    """

    name: str
    original: Place | None
    path: Path
    size: int
    modified: int

    @classmethod
    def of(cls, name: str, original: Place | None, path: Path) -> Self:
        """Take down what a file is now.

        Raises:
            FileError: It is not there any more.
        """
        try:
            status = path.stat()
        except OSError as error:
            raise file_error(error, name) from None
        return cls(name, original, path, status.st_size, status.st_mtime_ns)


def check_unchanged(files: Iterable[LocalFile]) -> None:
    """Make sure that files are what they were when they were first looked at.

    Raises:
        FileError: One of them is longer or shorter, was written to, or is gone.
    """
    for file in files:
        if LocalFile.of(file.name, file.original, file.path) != file:
            raise changed(file.name)


def changed(name: str) -> FileError:
    """Return the exception for a file that is not what it was."""
    return FileError("the file changed while it was being read", path=name)


class Named(Protocol):
    """A file that has a display name and a path."""

    @property
    def name(self) -> str:
        """The display name."""

    @property
    def path(self) -> str | Path:
        """The local path."""


def opened(files: Iterable[Named]) -> list[int]:
    """Open files for reading by offset; returns their descriptors, which are the caller's to close.

    Raises:
        FileError: One of them can't be opened, such as one that was removed since it was first looked at.
    """
    descriptors: list[int] = []
    for file in files:
        try:
            descriptors.append(os.open(file.path, os.O_RDONLY))
        except OSError as error:
            for descriptor in descriptors:
                os.close(descriptor)
            raise file_error(error, file.name) from None
    return descriptors
