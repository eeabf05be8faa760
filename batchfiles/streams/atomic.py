"""A file, or a folder of files, that appears whole or not at all.

The bytes go to a temporary name beside the target, are synced to the disk, and take the final name in one step. A process that is
killed leaves the old file as it was and a temporary one whose name says whose it is: `.NAME.RANDOM.batchfiles-part`.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from batchfiles.errors import FileError, OutputExists

__all__ = ["UNFINISHED", "atomic_file", "atomic_folder", "refuse_existing"]

UNFINISHED = ".batchfiles-part"
"""How the names of unfinished files end."""


def refuse_existing(path: Path, *, force: bool) -> None:
    """Say before any work that the target is there already.

    Raises:
        OutputExists: It is, and `force` was not given.
    """
    if not force and (path.exists() or path.is_symlink()):
        raise OutputExists(str(path))


@contextmanager
def atomic_file(path: Path, *, force: bool = False) -> Iterator[BinaryIO]:
    """Write a file that takes its name only when the block ends without an exception.

    A symbolic link is followed: its target is replaced, the link stays.

    Raises:
        OutputExists: The target is there and `force` was not given, at the beginning or at the end.
        FileError: The disk or the system refused.
    """
    refuse_existing(path, force=force)
    target = Path(os.path.realpath(path))
    temporary = _temporary_name(target)
    try:
        try:
            file = temporary.open("xb")
            with file:
                yield cast("BinaryIO", file)
                file.flush()
                os.fsync(file.fileno())
            _take_name(temporary, target, path, force=force)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise file_error(error, path) from None


@contextmanager
def atomic_folder(path: Path, *, force: bool = False) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes its name only when the block ends without an exception.

    With `force`, an existing folder steps aside first and is removed once the new one has its name.

    Raises:
        OutputExists: The target is there and `force` was not given. An empty folder counts as not there.
        FileError: The disk or the system refused.
    """
    empty = path.is_dir() and not any(path.iterdir())
    refuse_existing(path, force=force or empty)
    if path.exists() and not path.is_dir():
        raise FileError("is a file, and a folder was asked for", path=str(path), number=20)
    target = Path(os.path.realpath(path))
    temporary = _temporary_name(target)
    try:
        temporary.mkdir()
        try:
            yield temporary
            for file in temporary.iterdir():
                _sync(file)
            _sync_folder(temporary)
            _take_folder_name(temporary, target)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(target.parent)
    except OSError as error:
        if isinstance(error, FileError):
            raise
        raise file_error(error, path) from None


def file_error(error: OSError, path: Path | str) -> FileError:
    """Turn an error of the operating system into ours, with the name of the file that was asked for."""
    return FileError((error.strerror or str(error)).lower(), path=str(path), number=error.errno)


def _temporary_name(target: Path) -> Path:
    return target.with_name(f".{target.name[:200]}.{secrets.token_hex(4)}{UNFINISHED}")


def _take_name(temporary: Path, target: Path, shown: Path, *, force: bool) -> None:
    """Give the finished file its name; without `force` by a link, which fails if somebody took the name meanwhile."""
    if force:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OutputExists(str(shown)) from None
    except OSError:  # a filesystem without links
        refuse_existing(target, force=False)
        temporary.replace(target)
        return
    temporary.unlink()


def _take_folder_name(temporary: Path, target: Path) -> None:
    if not target.exists():
        temporary.rename(target)
        return
    aside = _temporary_name(target)
    target.rename(aside)
    try:
        temporary.rename(target)
    except OSError:
        aside.rename(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    with suppress(OSError):  # some network filesystems can't sync a folder; the file itself is synced
        _sync(folder)
