"""A file, or a folder of files, that appears whole or not at all.

Remote ones are in `transfer.py`, and `target.Target` chooses.

The bytes go to a temporary name beside the target, are synced to the disk, and take the final name in one step. A process that is
killed leaves the old file unchanged and a temporary one with its owner in the name: `.NAME.MARK.batchfiles-part`. The next job
in that folder removes it.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, TypeAlias, cast

from batchfiles.errors import FileError, OutputExistsError
from batchfiles.io.remote_path import Place, file_error, mode_of, not_a_folder, real_path
from batchfiles.io.temporary import OLD_SUFFIX, clear_leftovers, unfinished_name

LOG = logging.getLogger(__name__)

IsOwnFile: TypeAlias = Callable[[str], bool]
"""Predicate: is this file name one that the same command could have written?"""


def no_file(_: str) -> bool:
    """Return False: no file is our own."""
    return False


def refuse_others_files(folder: Place, entries: Iterable[tuple[str, bool]], ours: IsOwnFile) -> None:
    """Make sure that a folder can be replaced without loss of other files.

    Args:
        folder: Where it is.
        entries: The name of each thing in it, and whether it is a folder itself.
        ours: Which names are those of our files.

    Raises:
        FileError: A folder is in it, which we never write, or a file that is not ours.
    """
    entries = sorted(entries)
    if any(is_folder for _, is_folder in entries):
        raise FileError("holds folders, so it is not replaced: remove it yourself", path=str(folder), number=errno.ENOTEMPTY)
    for name, _ in entries:
        if not ours(name):
            words = f"holds files that are not ours to delete, {name} for one: choose another folder, or remove this one yourself"
            raise FileError(words, path=str(folder), number=errno.ENOTEMPTY)


def refuse_existing(path: Path, *, overwrite: bool) -> None:
    """Raise before any work if the target exists.

    Args:
        path: The target.
        overwrite: Whether it may be replaced.

    Raises:
        OutputExistsError: It is, and `overwrite` was not given. A device or a pipe is there to be written to.
        FileError: The system does not let us look.
    """
    try:
        mode = mode_of(path)
        if path.is_symlink():
            _refuse_circle(path)
        refused = not overwrite and (mode or path.is_symlink()) and not _is_device(mode)
    except OSError as error:
        raise file_error(error, path) from None
    if refused:
        raise OutputExistsError(str(path))


def _refuse_circle(path: Path) -> None:
    """Raise if symbolic links form a loop: there is nothing to replace, and Python's tests report a missing file."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise


def refuse_existing_folder(path: Path, *, overwrite: bool, ours: IsOwnFile = no_file) -> None:
    """Raise before any work if a folder can't be made or replaced.

    Args:
        path: The target.
        overwrite: Whether a folder that is there may be replaced.
        ours: Which names in it are those of files that may go then; by default none.

    Raises:
        OutputExistsError: It is there and `overwrite` was not given. An empty folder counts as not there.
        FileError: It is a file, holds what is not ours, or the system does not let us look.
    """
    try:
        mode = mode_of(path)
        is_folder = stat.S_ISDIR(mode)
        entries = [(entry.name, entry.is_dir()) for entry in path.iterdir()] if is_folder else []
    except OSError as error:
        raise file_error(error, path) from None
    refuse_existing(path, overwrite=overwrite or (is_folder and not entries))
    if mode and not is_folder:
        raise not_a_folder(path)
    refuse_others_files(path, entries, ours)


@contextmanager
def atomic_file(path: Path, *, overwrite: bool = False) -> Iterator[BinaryIO]:
    """Write a file that takes its name only when the block ends without an exception.

    A symbolic link is followed: its target is replaced, the link stays. A device or a pipe (`/dev/null`, `/dev/stdout`) is
    written as it is: replacing it by a file would harm the system, and there is nothing that could appear whole.

    Args:
        path: The target.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        OutputExistsError: The target is there and `overwrite` was not given, at the beginning or at the end.
        FileError: The disk, the system or the service refused.
    """
    refuse_existing(path, overwrite=overwrite)
    target = real_path(path)
    clear_leftovers(target.parent)
    temporary = unfinished_name(target)
    try:
        if _is_device(mode_of(path)):
            with path.open("wb") as device:
                yield cast("BinaryIO", device)
            return
        try:
            file = temporary.open("xb")
            with file:
                yield cast("BinaryIO", file)
                file.flush()
                os.fsync(file.fileno())
            _take_name(temporary, target, path, overwrite=overwrite)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise
        _sync_folder(target.parent)
        LOG.info("%s: written", path)
    except OSError as error:
        if _is_foreign(error, temporary, target):
            raise
        raise file_error(error, path) from None


@contextmanager
def atomic_folder(path: Path, *, overwrite: bool = False, ours: IsOwnFile = no_file) -> Iterator[Path]:
    """Give a temporary folder to fill; it takes its name only when the block ends without an exception.

    With `overwrite`, an existing folder steps aside first and is removed once the new one has its name; but only one in which
    every file is ours, and no folder is, for what we write holds none: `--force -o ~` must not empty a home.

    Args:
        path: The target.
        overwrite: Whether a folder that is there may be replaced.
        ours: Which names in it are those of files that may go then, because the same command writes such files; by default none.

    Raises:
        OutputExistsError: The target is there and `overwrite` was not given, at the beginning or at the end. An empty folder
            counts as not there.
        FileError: The disk, the system or the service refused, or the target is not a folder of ours.
    """
    refuse_existing_folder(path, overwrite=overwrite, ours=ours)
    target = real_path(path)
    clear_leftovers(target.parent)
    temporary = unfinished_name(target)
    try:
        try:
            temporary.mkdir()
            yield temporary
            for file in temporary.iterdir():
                sync(file)
            _sync_folder(temporary)
            refuse_existing_folder(path, overwrite=overwrite, ours=ours)  # results may have come while we were at work
            _take_folder_name(temporary, target)
        except BaseException as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if isinstance(error, FileError) and error.path is not None and Path(error.path).is_relative_to(temporary):
                error.path = str(path / Path(error.path).relative_to(temporary))  # the name that was asked for
            raise
        _sync_folder(target.parent)
        LOG.info("%s: written", path)
    except OSError as error:
        if _is_foreign(error, temporary, target):
            raise
        raise file_error(error, path) from None


def _is_device(mode: int) -> bool:
    return mode != 0 and not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)


def _is_foreign(error: OSError, *ours: Path) -> bool:
    """Return whether an error in the block is about something else: another file, a connection, or one already reported."""
    if isinstance(error, FileError | ConnectionError | TimeoutError):
        return True
    return error.filename is not None and not str(error.filename).startswith(tuple(map(str, ours)))


def _take_name(temporary: Path, target: Path, shown: Path, *, overwrite: bool) -> None:
    """Give the finished file its name; without `overwrite` by a link, which fails if another process took the name meanwhile."""
    if overwrite:
        temporary.replace(target)
        return
    try:
        os.link(temporary, target)
    except FileExistsError:
        raise OutputExistsError(str(shown)) from None
    except OSError:  # a filesystem without links
        refuse_existing(target, overwrite=False)
        temporary.replace(target)
        return
    temporary.unlink()


def _take_folder_name(temporary: Path, target: Path) -> None:
    if not mode_of(target):
        temporary.rename(target)
        return
    aside = unfinished_name(target, OLD_SUFFIX)
    target.rename(aside)
    try:
        temporary.rename(target)
    except OSError:
        aside.rename(target)
        raise
    with suppress(OSError):  # `rmtree` raises if it can't close a folder; the new one has its name already
        shutil.rmtree(aside, ignore_errors=True)


def sync(file: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk.

    Raises:
        OSError: They can't be brought there.
    """
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    """Make the new name itself survive a power cut."""
    with suppress(OSError):  # some network filesystems can't sync a folder; the file itself is synced
        sync(folder)
