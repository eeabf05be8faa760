"""What flows do on the disk. Finished files are named only when their bytes are safe."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchfiles.api.flows import effects
from batchfiles.api.messages import FilePart
from batchfiles.errors import FileError
from batchfiles.streams.atomic import atomic_file, file_error

__all__ = ["appended", "move", "perform", "pieces", "read", "size", "write"]


def size(path: str) -> int | None:
    """Return the bytes of a file; None if there is none.

    Raises:
        FileError: The disk refused.
    """
    try:
        return Path(path).stat().st_size
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(error, Path(path)) from None


def read(path: str) -> bytes | None:
    """Return the content of a small file; None if there is none.

    Raises:
        FileError: The disk refused.
    """
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(error, Path(path)) from None


def write(path: str, content: bytes) -> None:
    """Write a small file, whole or not at all.

    Raises:
        FileError: The disk refused.
    """
    with atomic_file(Path(path), force=True) as file:
        file.write(content)


def perform(effect: effects.Size | effects.ReadFile | effects.WriteFile | effects.Move) -> int | bytes | None:
    """Do one of the effects that need only the disk, and return its answer.

    Raises:
        FileError: The disk refused.
    """
    match effect:
        case effects.Size(path):
            return size(path)
        case effects.ReadFile(path):
            return read(path)
        case effects.WriteFile(path, content):
            write(path, content)
        case effects.Move(path, target, leftover):
            move(path, target, leftover)
    return None


@contextmanager
def appended(path: str, offset: int) -> Iterator[BinaryIO]:
    """Open a file to write on from a place; what stood behind is cut off. Its bytes are on the disk in the end.

    Raises:
        FileError: The disk refused.
    """
    try:
        Path(path).touch(mode=0o600)
        # Buffered: a full disk takes a part of an unbuffered write without a word.
        with Path(path).open("r+b") as file:
            file.truncate(offset)
            file.seek(offset)
            try:
                yield file
            finally:
                file.flush()
                os.fsync(file.fileno())
    except OSError as error:
        raise file_error(error, Path(path)) from None


def move(path: str, target: str, leftover: str) -> None:
    """Give a finished file its name, and remove what is left over.

    Raises:
        FileError: The disk refused.
    """
    try:
        Path(path).replace(target)
        folder = os.open(Path(target).parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise file_error(error, Path(target)) from None
    with suppress(OSError):
        Path(leftover).unlink()


def _shorter(part: FilePart) -> FileError:
    return FileError("the file became shorter while it was sent", path=part.path)


def pieces(part: FilePart, size: int) -> Iterator[bytes]:
    """Yield a piece of a file, some bytes at a time.

    Raises:
        FileError: The disk refused, or the file is shorter than it was.
    """
    left = part.length
    try:
        with Path(part.path).open("rb", buffering=0) as file:
            file.seek(part.offset)
            while left:
                piece = file.read(min(size, left))
                if not piece:
                    raise _shorter(part)
                left -= len(piece)
                yield piece
    except FileError:
        raise
    except OSError as error:
        raise file_error(error, Path(part.path)) from None
