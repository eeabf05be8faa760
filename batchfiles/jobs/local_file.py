"""A file that can be read by offset."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from batchfiles.streams.atomic import file_error

__all__ = ["LocalFile", "opened"]


@dataclass(frozen=True, slots=True)
class LocalFile:
    """A file and where its plain bytes lie.

    Attributes:
        name: Its display name.
        original: The file's own resolved path; None where the bytes came from an open file.
        path: The file itself, or its decompressed copy.
        size: Bytes of `path`.
    """

    name: str
    original: Path | None
    path: Path
    size: int


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
