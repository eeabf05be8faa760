"""One run at a time in a folder: a lock that the system takes back when its owner dies."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batchfiles.errors import FileError
from batchfiles.streams.atomic import file_error

__all__ = ["LOCK", "locked"]

LOCK = "run.lock"
"""The file's name. It stays when the run is over: removing it would let two processes lock two files of one name."""


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder, as long as the block lasts.

    Raises:
        FileError: Another run is at work there, or the system refused.
    """
    path = folder / LOCK
    try:
        file = path.open("a+b", buffering=0)
    except OSError as error:
        raise file_error(error, path) from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            owner = file.read(20).decode("ascii", "replace").strip()
            words = f"another run is at work on this campaign (process {owner or 'unknown'}): wait for it, or end it"
            raise FileError(words, path=str(folder), number=errno.EAGAIN) from None
        except OSError as error:
            raise file_error(error, path) from None
        file.truncate(0)
        file.write(f"{os.getpid()}\n".encode())
        yield
