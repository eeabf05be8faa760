"""What flows do on the disk. Finished files are named only when their bytes are safe."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Generator, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from batchfiles.api import effects
from batchfiles.api.responses import FilePart
from batchfiles.errors import FileError
from batchfiles.io.atomic import atomic_file
from batchfiles.io.remote_path import file_error


def size(path: str) -> int | None:
    """Return the bytes of a file; None if there is none.

    Raises:
        FileError: The disk refused, or it is a folder or a device.
    """
    try:
        found = Path(path).stat()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise file_error(error, Path(path)) from None
    if not stat.S_ISREG(found.st_mode):
        raise FileError("is not a file that can be written", path=path, number=errno.EISDIR)
    return found.st_size


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
    with atomic_file(Path(path), overwrite=True) as file:
        file.write(content)


NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EINVAL})
"""Errors of disks without locks, such as stores that are mounted as folders.

There, two simultaneous downloads are not separated: only the size and the identity of the renamed file are checked.
"""

RENAMED = 1000
"""How often in a row another process may finish a file in the moment in which it is opened."""


class WorkFile:
    """A file that only one process writes: the bytes of a download until it is complete.

    The lock is on the file, not on its name, and the system releases it when its owner dies. What gets the final name in the
    end is the very file that was locked and written.
    """

    def __init__(self, path: str, file: BinaryIO) -> None:
        self.path = path
        self._file = file

    @classmethod
    def locked(cls, path: str) -> WorkFile | None:
        """Open and lock a file, and create it if needed; None if another process has it locked.

        Raises:
            FileError: The disk refused.
        """
        for _ in range(RENAMED):
            try:
                # Buffered: an unbuffered write to a full disk may write only a part, without an error.
                file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600), "r+b")
            except OSError as error:
                raise file_error(error, Path(path)) from None
            work = cls(path, file)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                file.close()
                return None
            except OSError as error:
                if error.errno not in NO_LOCKS:
                    file.close()
                    raise file_error(error, Path(path)) from None
                return work
            if work._has_its_name():
                return work
            file.close()  # its owner has just given it another name: there is a new one to lock
        raise FileError("can't be locked: the disk shows another file under its name each time", path=path)

    def _has_its_name(self) -> bool:
        """Return whether the name still leads to this file."""
        try:
            return os.path.samestat(Path(self.path).stat(), os.fstat(self._file.fileno()))
        except FileNotFoundError:
            return False

    @contextmanager
    def appended(self, offset: int) -> Iterator[BinaryIO]:
        """Write from a position on; the old bytes after it are cut off. At the end all bytes are on the disk.

        Raises:
            FileError: The disk refused.
        """
        file = self._file
        try:
            file.truncate(offset)
            file.seek(offset)
            try:
                yield file
            finally:
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise file_error(error, Path(self.path)) from None

    def move(self, target: str, size: int) -> None:
        """Give the file its final name and release it.

        Raises:
            FileError: The disk refused, or the file is not the one that was written, or not of this size.
        """
        try:
            self._check(size)
            Path(self.path).replace(target)
            folder = os.open(Path(target).parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except FileError:
            raise
        except OSError as error:
            raise file_error(error, Path(target)) from None
        finally:
            self.close()

    def _check(self, size: int) -> None:
        if not self._has_its_name() or os.fstat(self._file.fileno()).st_size != size:
            raise FileError("another process has changed it while it was fetched: fetch it again", path=self.path)

    def discard(self) -> None:
        """Remove the file and release it."""
        with suppress(OSError):
            if self._has_its_name():
                Path(self.path).unlink()
        self.close()

    def close(self) -> None:
        """Close the file; an empty one is removed."""
        with suppress(OSError, ValueError):  # ValueError: it is closed already
            if not os.fstat(self._file.fileno()).st_size and self._has_its_name():
                Path(self.path).unlink()
        with suppress(OSError):  # what could not be written was reported when it was to be on the disk
            self._file.close()


class Disk:
    """Performs what flows ask of the disk, and holds the work file of one flow.

    Attributes:
        work: The locked work file, or None.
    """

    def __init__(self) -> None:
        self.work: WorkFile | None = None

    def perform(self, effect: effects.DiskEffect) -> int | bytes | bool | None:
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
            case effects.Lock(path):
                self.close()
                self.work = WorkFile.locked(path)
                return self.work is not None
            case effects.Truncate():
                with self.appended(0):
                    pass
            case effects.Move(_, target, leftover, length):
                self._locked.move(target, length)
                _remove(leftover)
            case effects.Discard(_, leftover):
                _remove(leftover)
                self._locked.discard()
        return None

    def appended(self, offset: int) -> AbstractContextManager[BinaryIO]:
        """Open the work file to write on from a place."""
        return self._locked.appended(offset)

    def close(self) -> None:
        """Close the work file."""
        work, self.work = self.work, None
        if work is not None:
            work.close()

    @property
    def _locked(self) -> WorkFile:
        assert self.work is not None  # noqa: S101 - a flow locks its file first
        return self.work


def _remove(path: str) -> None:
    with suppress(OSError):
        Path(path).unlink()


def _shorter(part: FilePart) -> FileError:
    return FileError("the file became shorter while it was sent", path=part.path)


def pieces(part: FilePart, size: int) -> Generator[bytes, None, None]:
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
