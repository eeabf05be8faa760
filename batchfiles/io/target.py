"""Where a job writes: a file or a folder, local or remote, standard output or an open file.

It is parsed once, where the caller gives it. What follows asks it to check, open and describe itself.
"""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import BinaryIO, TypeAlias, cast

from batchfiles.errors import BatchFilesError, FileError, OutputExistsError
from batchfiles.io.atomic import IsOwnFile, atomic_file, atomic_folder, no_file, refuse_existing, refuse_existing_folder
from batchfiles.io.filesystems import as_file_error, shown_name
from batchfiles.io.remote_path import Place, RemotePath, file_error, files_in, located, make_folder, mode_of, real_path
from batchfiles.io.temporary import UNFINISHED
from batchfiles.io.transfer import refuse_remote_file, refuse_remote_folder, uploaded_file, uploaded_folder
from batchfiles.layout import visible

STDOUT = "-"
"""What standard output is called."""

TempDir: TypeAlias = "str | os.PathLike[str] | None"


class Target(ABC):
    """Where a job writes.

    Attributes:
        name: The display name: a local path, or a URL without credentials and options.
        place: The path, as it was named; None for standard output and open files.
        is_folder: Whether it means a folder of files.
    """

    name: str
    place: Place | None = None
    is_folder: bool = False

    @classmethod
    def at(cls, target: TargetLike, *, filesystem: object = None, folder: bool | None = None) -> Target:
        """Parse what a caller gives.

        Args:
            target: A path, a URL, `-` for standard output, or an open binary file; a `Target` is returned as it is.
            filesystem: The filesystem in which a path is one, of `pyarrow.fs` or of fsspec; None takes the local one.
            folder: Whether a folder is meant. None looks at the name, and for a local one at what is there: a folder is a name
                without a suffix, or with a slash at its end.

        Raises:
            ValueError: A URL is wrong, or there are both a URL and a filesystem.
            TypeError: It is a file that was opened in text mode, or `filesystem` is not a filesystem.
            MissingDependencyError: The installed pyarrow does not support the service.
            FileError: The service can't be reached.
        """
        if isinstance(target, Target):
            return target
        if not isinstance(target, (str, os.PathLike, RemotePath)) or str(target) == STDOUT:
            return _StreamTarget(target)
        return PathTarget.at(target, filesystem=filesystem, folder=folder)

    def __str__(self) -> str:
        return self.name

    @property
    def key(self) -> Place | None:
        """Where it leads, symbolic links followed; None for standard output and open files."""
        return None if self.place is None else real_path(self.place)

    @property
    def stream(self) -> BinaryIO | None:
        """Standard output or the open file; None for a path."""
        return None

    def exists(self) -> bool:
        """Return whether something is there that only `overwrite` replaces; an empty folder is not.

        Raises:
            FileError: As `check`.
        """
        return False

    @abstractmethod
    def check(self, *, overwrite: bool = False, ours: IsOwnFile = no_file) -> None:
        """Make sure before any work that it can be written, as far as that can be known.

        Args:
            overwrite: Whether what is there may be replaced.
            ours: Which names in a folder are those of files that may go then; by default none.

        Raises:
            OutputExistsError: It is there and `overwrite` was not given. An empty folder counts as not there.
            FileError: There is no folder or bucket for it, a folder where a file shall be or a file where a folder shall be, a
                folder that holds what is not ours, or the system does not let us look.
        """

    @abstractmethod
    def open(self, *, overwrite: bool = False, temp_dir: TempDir = None) -> AbstractContextManager[BinaryIO]:
        """Open the file, which takes its name only when the block ends without an exception.

        Args:
            overwrite: Whether a file that is there may be replaced.
            temp_dir: Where a remote file waits until it is whole; a local one waits beside its target.

        Raises:
            OutputExistsError: It is there and `overwrite` was not given, at the beginning or at the end.
            FileError: The disk, the system or the service refused.
        """


class PathTarget(Target):
    """A file or folder that has a path: `_LocalTarget` or `_RemoteTarget`."""

    place: Place

    @classmethod
    def at(cls, target: TargetLike, *, filesystem: object = None, folder: bool | None = None) -> PathTarget:
        """Parse a path or a URL, in which `-` is a name like another; see `Target.at`."""
        if isinstance(target, PathTarget):
            return target
        if not isinstance(target, (str, os.PathLike, RemotePath)):
            raise TypeError(f"a path or a URL is needed, not {type(target).__name__}")
        place = located(target, filesystem)
        text = target.shown if isinstance(target, RemotePath) else os.fspath(target)
        if isinstance(place, RemotePath):
            return _RemoteTarget(place, text, folder)
        return _LocalTarget(place, text, folder)

    @property
    def is_remote(self) -> bool:
        """Whether it is not in the local filesystem."""
        return isinstance(self, _RemoteTarget)

    def exists(self) -> bool:
        """Return whether something is there: see `Target.exists`."""
        try:
            self._refuse(overwrite=False, ours=no_file)
        except OutputExistsError:
            return True
        return False

    def check(self, *, overwrite: bool = False, ours: IsOwnFile = no_file) -> None:
        """Make sure that it can be written: see `Target.check`."""
        self._refuse(overwrite=overwrite, ours=ours)

    def sizes(self) -> list[int]:
        """Return the sizes in bytes of the files that are there: of the file, or of those in the folder, without markers."""
        return [file.size for file in files_in(self.place) if file.size] if self.is_folder else [self._size()]

    def names(self) -> list[str]:
        """Return the names of the files in the folder, which may not be there."""
        return [file.place.name for file in files_in(self.place)] if self.place.is_dir() else []

    def file(self, name: str) -> PathTarget:
        """Return a file in the folder, which is written by itself: whole or not at all."""
        return PathTarget.at(self.place / name if isinstance(self.place, RemotePath) else Path(self.name) / name, folder=False)

    @contextmanager
    def folder_ending_with(self, marker: str) -> Iterator[None]:
        """Make a new folder for files that others write, and at the end an empty file that says that all are there.

        After an error the folder is removed as far as possible: something may still be written there.
        """
        self.make_folder()
        try:
            yield
        except BaseException:
            with suppress(BatchFilesError, OSError):
                self._remove_files(self.names())
                if isinstance(self.place, Path):
                    self.place.rmdir()
            raise
        self._remove_files(name for name in self.names() if name.endswith(UNFINISHED))  # of processes that were killed
        with self.file(marker).open(overwrite=True):
            pass

    def _remove_files(self, names: Iterable[str]) -> None:
        for name in names:
            self.file(name).remove()

    @abstractmethod
    def make_folder(self) -> None:
        """Make the folder, unless it is there."""

    @abstractmethod
    def remove(self) -> None:
        """Remove the file, if it is there."""

    @abstractmethod
    def _refuse(self, *, overwrite: bool, ours: IsOwnFile) -> None:
        """Raise if what is there may not be replaced."""

    @abstractmethod
    def _size(self) -> int:
        """Return the size of the file."""

    @abstractmethod
    def open_folder(
        self, *, overwrite: bool = False, ours: IsOwnFile = no_file, temp_dir: TempDir = None
    ) -> AbstractContextManager[Path]:
        """Give a temporary folder to fill; it takes its name only when the block ends without an exception.

        Args:
            overwrite: Whether a folder that is there may be replaced.
            ours: Which names in it are those of files that may go then, because the same command writes such files.
            temp_dir: Where a remote folder waits until it is whole; a local one waits beside its target.

        Raises:
            OutputExistsError: It is there and `overwrite` was not given, at the beginning or at the end. An empty folder counts
                as not there.
            FileError: The disk, the system or the service refused, or it is not a folder that we could have written.
        """


class _LocalTarget(PathTarget):
    place: Path

    def __init__(self, place: Path, text: str, folder: bool | None) -> None:
        self.place = place
        self.name = str(place) if text.lower().startswith("file:") else text
        # `Path.is_dir` raises for names that are too long.
        means_folder = os.path.isdir(place) or text.endswith(os.sep) or not place.suffix  # noqa: PTH112
        self.is_folder = means_folder if folder is None else folder

    def check(self, *, overwrite: bool = False, ours: IsOwnFile = no_file) -> None:
        parent = real_path(self.place).parent
        try:
            is_folder, has_parent = (stat.S_ISDIR(mode_of(place)) for place in (self.place, parent))
        except OSError as error:
            raise file_error(error, self.name) from None
        if is_folder and not self.is_folder:
            raise FileError("is a folder, and a file is to be written", path=self.name, number=errno.EISDIR)
        self._refuse(overwrite=overwrite, ours=ours)
        if not has_parent:
            raise FileError(f"there is no folder {parent}", path=self.name, number=errno.ENOENT)

    def _refuse(self, *, overwrite: bool, ours: IsOwnFile) -> None:
        if self.is_folder:
            refuse_existing_folder(self.place, overwrite=overwrite, ours=ours)
        else:
            refuse_existing(self.place, overwrite=overwrite)

    def _size(self) -> int:
        return self.place.stat().st_size

    def make_folder(self) -> None:
        make_folder(self.place, parents=False)

    def remove(self) -> None:
        try:
            self.place.unlink(missing_ok=True)
        except OSError as error:
            raise file_error(error, self.name) from None

    def open(self, *, overwrite: bool = False, temp_dir: TempDir = None) -> AbstractContextManager[BinaryIO]:  # noqa: ARG002
        return atomic_file(self.place, overwrite=overwrite)

    def open_folder(
        self,
        *,
        overwrite: bool = False,
        ours: IsOwnFile = no_file,
        temp_dir: TempDir = None,  # noqa: ARG002
    ) -> AbstractContextManager[Path]:
        return atomic_folder(self.place, overwrite=overwrite, ours=ours)


class _RemoteTarget(PathTarget):
    place: RemotePath

    def __init__(self, place: RemotePath, text: str, folder: bool | None) -> None:
        self.place = place
        self.name = place.shown
        is_bucket = place.has_buckets and "/" not in place.path
        means_folder = is_bucket or text.partition("?")[0].endswith("/") or not PurePosixPath(place.path).suffix
        self.is_folder = means_folder if folder is None else folder

    def _refuse(self, *, overwrite: bool, ours: IsOwnFile) -> None:
        if self.is_folder:
            refuse_remote_folder(self.place, overwrite=overwrite, ours=ours)
        else:
            refuse_remote_file(self.place, overwrite=overwrite)

    def _size(self) -> int:
        return self.place.look().size or 0

    def make_folder(self) -> None:
        if not self.place.has_buckets and not self.place.is_dir():
            with as_file_error(self.name):
                self.place.filesystem.create_dir(self.place.path, recursive=False)

    def remove(self) -> None:
        if self.place.is_file():
            self.place.delete()

    def open(self, *, overwrite: bool = False, temp_dir: TempDir = None) -> AbstractContextManager[BinaryIO]:
        return uploaded_file(self.place, overwrite=overwrite, temp_dir=temp_dir)

    def open_folder(
        self, *, overwrite: bool = False, ours: IsOwnFile = no_file, temp_dir: TempDir = None
    ) -> AbstractContextManager[Path]:
        return uploaded_folder(self.place, overwrite=overwrite, ours=ours, temp_dir=temp_dir)


class _StreamTarget(Target):
    """Standard output, or a file that the caller has opened: it is written as it is, and not closed."""

    def __init__(self, target: object) -> None:
        if isinstance(target, io.TextIOBase):
            raise TypeError("the file is open in text mode, which may change what is written: open it with 'wb'")
        self._file = None if isinstance(target, (str, os.PathLike)) else cast("BinaryIO", target)
        name = getattr(target, "name", None)
        self.name = "<stdout>" if self._file is None else name if isinstance(name, str) else "<stream>"

    @property
    def stream(self) -> BinaryIO:
        return sys.stdout.buffer if self._file is None else self._file

    def check(self, *, overwrite: bool = False, ours: IsOwnFile = no_file) -> None:  # noqa: ARG002
        return

    @contextmanager
    def open(self, *, overwrite: bool = False, temp_dir: TempDir = None) -> Iterator[BinaryIO]:  # noqa: ARG002
        yield self.stream
        self.stream.flush()


TargetLike: TypeAlias = "str | os.PathLike[str] | BinaryIO | RemotePath | Target"
"""A path or a URL, `-` for standard output, or an open binary file."""


def output_name(output: str) -> str:
    """Return the name of an output for messages."""
    return "standard output" if output == STDOUT else visible(shown_name(output))
