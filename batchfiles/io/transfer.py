"""A remote file, or a folder of them, that appears whole or not at all.

The bytes go to a local temporary file first, and are copied only when that is whole. An object appears when its upload is
completed, and pyarrow completes it whenever a stream is closed or forgotten, half written or not. So a copy that fails is neither
closed nor forgotten: its stream stays as it is until the process ends, and the service keeps parts without an object.

Reading: the bytes of a remote file in order, a few megabytes a request, the next ones requested in advance.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO, cast

from batchfiles.errors import FileError, OutputExistsError
from batchfiles.io.atomic import IsOwnFile, no_file, refuse_others_files
from batchfiles.io.filesystems import as_file_error
from batchfiles.io.remote_path import RemotePath, changed, not_a_folder
from batchfiles.io.temporary import UNFINISHED, new_temporary_folder

CHUNK = 8 * 1024 * 1024
"""Bytes that are given to the upload at a time."""

WAITING = 8
"""Chunks after which all that was given must have been sent: pyarrow keeps in memory whatever the network is too slow for."""

UNFINISHED_NAME = re.compile(r"(.+)\.[0-9a-f]{8}" + re.escape(UNFINISHED))
"""What a process that was killed leaves in a folder that has no bucket: see `_upload`."""

LAST = ".json"
"""The suffix of files that describe the others, such as manifests: they come last."""


def refuse_remote_file(target: RemotePath, *, overwrite: bool) -> None:
    """Raise before any work if a file can't be written.

    Raises:
        OutputExistsError: It is there already, and `overwrite` was not given.
        FileError: It is a folder, there is no such bucket, or the service can't be asked.
    """
    from pyarrow.fs import FileType

    kind = target.look().type
    if kind == FileType.Directory:
        raise FileError("is a folder, and a file is to be written", path=target.shown, number=errno.EISDIR)
    if kind == FileType.File and not overwrite:
        raise OutputExistsError(target.shown)
    target.check_bucket()


def refuse_remote_folder(target: RemotePath, *, overwrite: bool, ours: IsOwnFile = no_file) -> None:
    """Raise before any work if a folder can't be written.

    Args:
        target: Where it is.
        overwrite: Whether files that are there may be replaced.
        ours: Which names are those of files that may go then; by default none.

    Raises:
        OutputExistsError: There is something in it, and `overwrite` was not given.
        FileError: It is a file, holds what is not ours, there is no such bucket, or the service can't be asked.
    """
    from pyarrow.fs import FileType

    kind = target.look().type
    if kind == FileType.File:
        raise not_a_folder(target.shown)
    if target.has_buckets and "/" not in target.path:
        raise FileError("is a whole bucket: name a folder in it", path=target.shown, number=errno.EISDIR)
    if kind != FileType.Directory:
        target.check_bucket()
        return
    entries = target.listing()
    if entries and not overwrite:
        raise OutputExistsError(target.shown)
    names = ((_finished_name(path.name), info.type == FileType.Directory) for path, info in entries)
    refuse_others_files(target, names, ours)


def _finished_name(name: str) -> str:
    """Return the name that a file was to get, if it is one that was never finished."""
    match = UNFINISHED_NAME.fullmatch(name)
    return match[1] if match else name


@contextmanager
def uploaded_file(
    target: RemotePath, *, overwrite: bool = False, temp_dir: str | os.PathLike[str] | None = None
) -> Iterator[BinaryIO]:
    """Give a local file to fill; it is copied to its place only when the block ends without an exception.

    Args:
        target: Where it goes.
        overwrite: Whether a file that is there may be replaced.
        temp_dir: Where the local file is; None takes the system's folder for temporary files.

    Raises:
        OutputExistsError: The target is there and `overwrite` was not given, at the beginning or at the end.
        FileError: The disk or the service refused.
    """
    refuse_remote_file(target, overwrite=overwrite)
    with _local_errors_as_file_errors(temp_dir), _temporary_folder(temp_dir) as folder, (folder / "file").open("xb") as file:
        yield cast("BinaryIO", file)
        file.flush()
        refuse_remote_file(target, overwrite=overwrite)
        _upload(Path(file.name), target)


@contextmanager
def uploaded_folder(
    target: RemotePath, *, overwrite: bool = False, ours: IsOwnFile = no_file, temp_dir: str | os.PathLike[str] | None = None
) -> Iterator[Path]:
    """Give a local folder to fill; its files are copied only when the block ends without an exception.

    A folder of an object store can't be replaced in one step. With `overwrite`, what is there is deleted when all the new files
    are whole, and then they are copied one by one, manifests last. If a copy fails, those before it are deleted again.

    Args:
        target: Where it goes.
        overwrite: Whether files that are there may be replaced.
        ours: Which names are those of files that may go then, because the same command writes such files; by default none.
        temp_dir: Where the local folder is; None takes the system's folder for temporary files.

    Raises:
        OutputExistsError: There is something in the target and `overwrite` was not given, at the beginning or at the end.
        FileError: The disk or the service refused, or the target is not a folder of ours.
    """
    refuse_remote_folder(target, overwrite=overwrite, ours=ours)
    with _local_errors_as_file_errors(temp_dir), _temporary_folder(temp_dir) as folder:
        yield folder
        refuse_remote_folder(target, overwrite=overwrite, ours=ours)
        _empty(target)
        copied: list[RemotePath] = []
        try:
            for file in sorted(folder.iterdir(), key=lambda file: (file.suffix == LAST, file.name)):
                place = target / file.name
                _upload(file, place)
                copied.append(place)
        except BaseException:
            for place in reversed(copied):
                with suppress(FileError):
                    place.delete()
            raise


@contextmanager
def _temporary_folder(temp_dir: str | os.PathLike[str] | None) -> Iterator[Path]:
    folder = new_temporary_folder(temp_dir)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _local_errors_as_file_errors(temp_dir: str | os.PathLike[str] | None) -> Iterator[None]:
    """Turn errors of the disk into ours; what the block raises on its own account passes."""
    where = os.fspath(temp_dir or tempfile.gettempdir())
    try:
        yield
    except OSError as error:
        foreign = error.filename is not None and not str(error.filename).startswith(where)
        if foreign or isinstance(error, FileError | ConnectionError | TimeoutError):
            raise
        words = f"{(error.strerror or str(error)).lower()}: name another place for temporary files"
        raise FileError(words, path=where, number=error.errno) from None


def _empty(folder: RemotePath) -> None:
    """Make room for the files of a folder; manifests go first."""
    from pyarrow.fs import FileType

    if folder.look().type == FileType.Directory:
        for path, _ in sorted(folder.listing(), key=lambda entry: not entry[0].name.endswith(LAST)):
            path.delete()
    elif not folder.has_buckets:
        with as_file_error(folder.shown):
            folder.filesystem.create_dir(folder.path, recursive=False)


def _upload(file: Path, target: RemotePath) -> None:
    """Copy a whole file to its place.

    Raises:
        FileError: The service refused, or has not kept what it was given.
    """
    if target.has_buckets:
        _copy(file, target)
        _check_size(file, target)
        return
    # Elsewhere a file may be there, half of it, as soon as it is opened: it gets its name when it is whole.
    temporary = target.at(f"{target.path}.{secrets.token_hex(4)}{UNFINISHED}")
    try:
        _copy(file, temporary)
        _check_size(file, temporary)
        with as_file_error(target.shown):
            target.filesystem.move(temporary.path, target.path)
    except BaseException:
        with suppress(FileError):
            temporary.delete()
        raise


def _copy(file: Path, target: RemotePath) -> None:
    with as_file_error(target.shown):
        stream = target.filesystem.open_output_stream(target.path, compression=None)  # its own choice would compress .gz again
        try:
            with file.open("rb") as source:
                count = 0
                while chunk := source.read(CHUNK):
                    stream.write(chunk)
                    count += 1
                    if count % WAITING == 0:
                        stream.flush()
            stream.close()
        except BaseException:
            _abandon(stream)
            raise


def _abandon(stream: Any) -> None:  # noqa: ANN401 - pyarrow has no types
    """Let an upload never be completed.

    pyarrow can't abort one, and completes it when the stream is collected. So a reference is kept until the program ends, when it
    is too late to complete anything. This costs a few megabytes.
    """
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(stream))


def _check_size(file: Path, target: RemotePath) -> None:
    """Make sure that the service has what it was given; delete what is something else."""
    found, expected = target.look(), file.stat().st_size
    if found.size != expected:
        with suppress(FileError):
            target.delete()
        raise FileError(f"the copy has {found.size or 0:,} bytes instead of {expected:,}: it was deleted", path=target.shown)


REQUEST = 8 * 1024 * 1024
"""Bytes of a request: at 100 MB/s and 30 ms for the answer, a quarter of the time is waiting; twice as many are in memory."""


@contextmanager
def read_in_order(source: RemotePath) -> Iterator[BinaryIO]:
    """Open a remote file for reading from its beginning to its end.

    What the file is when it is opened, it must still be at its end: each request could be answered from another version of it.

    Raises:
        FileError: The file is not there, can't be read, or changed meanwhile; also while reading.
    """
    found = source.look()
    if not found.is_file:
        raise FileError("no such file", path=source.shown, number=2)
    with as_file_error(source.shown):
        file = source.filesystem.open_input_stream(source.path, compression=None)
    stream = _ReadAhead(file, source, found)
    try:
        yield cast("BinaryIO", stream)
    finally:
        stream.close()


class _ReadAhead:
    """Reads a file request by request in a thread, which is one request ahead."""

    def __init__(self, file: Any, source: RemotePath, found: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._file = file
        self._source = source
        self._found = found
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="batchfiles-read-ahead")
        self._next: Future[bytes] | None = self._pool.submit(file.read, REQUEST)
        self._chunk = memoryview(b"")
        self._size = 0

    def read(self, size: int = -1) -> bytes:
        """Return up to `size` bytes; nothing at the end."""
        if size < 0:
            return b"".join(iter(lambda: self.read(REQUEST), b""))
        if not self._chunk and self._next is not None and size:
            self._chunk = memoryview(self._received(self._next))
        piece = bytes(self._chunk[:size])
        self._chunk = self._chunk[len(piece) :]
        return piece

    def _received(self, request: Future[bytes]) -> bytes:
        self._next = None
        with as_file_error(self._source.shown):
            data = request.result()
        self._size += len(data)
        if data:
            self._next = self._pool.submit(self._file.read, REQUEST)
        else:
            self._check_whole()
        return data

    def _check_whole(self) -> None:
        now = self._source.look()
        if (now.size, now.mtime_ns) != (self._found.size, self._found.mtime_ns) or self._size != (now.size or 0):
            raise changed(self._source.shown)

    def close(self) -> None:
        """Close the file, after the request in progress, or the timeouts of its connection."""
        self._pool.shutdown(cancel_futures=True)
        self._file.close()
