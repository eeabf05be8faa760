"""The exact bytes of the result lines that did not make it into the table."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import BinaryIO

from batchfiles.custom_ids.index import LineRef
from batchfiles.jobs.candidates import ResultFile, fetch
from batchfiles.jobs.local_file import OpenFiles
from batchfiles.jobs.stray import UNTIL_NEWLINE
from batchfiles.streams.atomic import atomic_file
from batchfiles.streams.compression import compressed, compression_of_name
from batchfiles.streams.remote import RemotePath

__all__ = ["write_rejects"]

CHUNK = 1024 * 1024


def write_rejects(
    path: Path | RemotePath,
    places: Iterable[LineRef],
    files: Sequence[ResultFile],
    *,
    force: bool = False,
    temp_dir: str | os.PathLike[str] | None = None,
) -> None:
    r"""Copy lines byte for byte, each with a `\n`; compressed if the name's suffix says so.

    Raises:
        OutputExists: The file is there and `force` was not given.
        FileError: The disk refused, or a result file changed meanwhile.
    """
    descriptors = OpenFiles(files)
    try:
        with atomic_file(path, force=force, temp_dir=temp_dir) as file, compressed(file, compression_of_name(path.name)) as sink:
            for place in places:
                if place.length == UNTIL_NEWLINE:
                    _copy_until_newline(descriptors[place.file], place.offset, sink)
                else:
                    sink.write(fetch(descriptors[place.file], place, files[place.file].name))
                sink.write(b"\n")
    finally:
        descriptors.close()


def _copy_until_newline(descriptor: int, offset: int, sink: BinaryIO) -> None:
    """Copy a line above the cap, piece by piece."""
    while chunk := os.pread(descriptor, CHUNK, offset):
        end = chunk.find(b"\n")
        sink.write(chunk if end < 0 else chunk[:end])
        if end >= 0:
            return
        offset += len(chunk)
