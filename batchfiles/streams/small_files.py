"""Small files that somebody wrote by hand: templates, prices, schemas, limits. Read at once, from here or there."""

from __future__ import annotations

import os
from pathlib import Path

from batchfiles.errors import FileError
from batchfiles.streams.remote import RemotePath, located
from batchfiles.streams.urls import shown_name

__all__ = ["MOST_BYTES", "name_of", "small_file"]

MOST_BYTES = 16 * 1024 * 1024
"""A larger file is named by mistake."""

COPIED_BYTES = 1024 * 1024


def small_file(path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> bytes:
    """Return the bytes of a file as they are.

    Args:
        path: A local path, a URL, or what `located` makes of them.
        filesystem: The filesystem in which `path` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

    Raises:
        FileError: The file is not there, can't be read, or has more than 16 MiB.
    """
    place = located(path, filesystem)
    name = name_of(path, filesystem=filesystem)
    if isinstance(place, RemotePath):
        from batchfiles.streams.read_ahead import read_in_order

        text = bytearray()
        with read_in_order(place) as stream:
            while len(text) <= MOST_BYTES and (chunk := stream.read(COPIED_BYTES)):
                text += chunk
        found = bytes(text)
    else:
        found = _local_bytes(place, name)
    if len(found) > MOST_BYTES:
        raise FileError(f"has more than {MOST_BYTES:,} bytes: is it the right file?", path=name)
    return found


def name_of(path: str | os.PathLike[str] | RemotePath, *, filesystem: object = None) -> str:
    """Return what people read for a path: a local one as it was given, a remote one without keys and options."""
    place = located(path, filesystem)
    return str(place) if isinstance(place, RemotePath) else shown_name(os.fspath(path))  # type: ignore[arg-type]


def _local_bytes(path: Path, name: str) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise FileError((error.strerror or str(error)).lower(), path=name, number=error.errno) from None
