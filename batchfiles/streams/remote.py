"""A file or folder of an object store: where it is, what it is called, what it holds, and its bytes in order."""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from batchfiles.errors import FileError
from batchfiles.streams.filesystems import filesystem_of, wrapped
from batchfiles.streams.remote_errors import told_as_file_error
from batchfiles.streams.urls import local_path_of, parse_url, shown_path, why_no_url

__all__ = ["Place", "RemotePath", "located", "real_path"]

SCHEMES = {"s3": "s3", "gcs": "gs", "abfs": "abfs"}
"""How URLs call the filesystems that pyarrow calls otherwise."""

BUCKETS = ("s3", "gcs", "abfs")
"""Filesystems whose paths begin with a bucket or container, in which folders are nothing but the beginnings of names."""


@dataclass(frozen=True, slots=True, eq=False)
class RemotePath:
    """A place in a filesystem that is not the local one; what it has in common with a `pathlib.Path` has the same names.

    Attributes:
        filesystem: The `pyarrow.fs.FileSystem`.
        path: The path in it.
        shown: The display name, without credentials and options.
    """

    filesystem: Any
    path: str
    shown: str

    def __str__(self) -> str:
        return self.shown

    def __eq__(self, other: object) -> bool:
        return isinstance(other, RemotePath) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def __truediv__(self, name: str) -> RemotePath:
        """Return what has this name in this folder."""
        return self.at(f"{self.path}/{name}" if self.path else name)

    @property
    def parent(self) -> RemotePath:
        """The folder."""
        return RemotePath(self.filesystem, self.path.rpartition("/")[0], self.shown.rpartition("/")[0])

    def with_name(self, name: str) -> RemotePath:
        """Return what has this name in the same folder."""
        return self.parent / name

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def key(self) -> tuple[int, str]:
        """What two paths have in common if they are the same file."""
        handler = getattr(self.filesystem, "handler", None)  # one of fsspec is wrapped anew for each call
        return id(getattr(handler, "fs", self.filesystem)), self.path

    @property
    def has_buckets(self) -> bool:
        """Whether the service stores objects in buckets, rather than files in folders."""
        return self.filesystem.type_name in BUCKETS

    def at(self, path: str) -> RemotePath:
        """Return another place below this one.

        Args:
            path: The other path in the filesystem; it begins with this one.
        """
        # Filesystems differ in whether a path begins with a slash.
        relative = path.strip("/")[len(self.path.strip("/")) :].strip("/")
        return RemotePath(self.filesystem, path, f"{self.shown.rstrip('/')}/{relative}")

    def look(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the `pyarrow.fs.FileInfo`: type, size and time of change, as they are now.

        Raises:
            FileError: The service can't be asked, or does not say.
        """
        with told_as_file_error(self.shown):
            return self.filesystem.get_file_info(self.path)

    def is_folder(self) -> bool:
        """Return whether there is a folder: of an object store, whether there are names below it."""
        from pyarrow.fs import FileType

        return bool(self.look().type == FileType.Directory)

    def check_bucket(self) -> None:
        """Make sure that there is a bucket, as far as that may be known.

        Raises:
            FileError: There is none.
        """
        from pyarrow.fs import FileType

        if not self.has_buckets:
            return
        name = self.path.partition("/")[0]
        try:
            found = RemotePath(self.filesystem, name, self.shown).look()
        except FileError:  # who may read and write objects may not be allowed to look at buckets
            return
        if found.type == FileType.NotFound:
            raise FileError(f"there is no bucket {name}", path=self.shown, number=errno.ENOENT)

    def listing(self, *, recursive: bool = False) -> list[tuple[RemotePath, Any]]:
        """Return what is in this folder, sorted by name, each with its `pyarrow.fs.FileInfo`.

        Raises:
            FileError: It can't be listed.
        """
        from pyarrow.fs import FileSelector

        with told_as_file_error(self.shown):
            found = self.filesystem.get_file_info(FileSelector(self.path, recursive=recursive))
            return [(self.at(info.path), info) for info in sorted(found, key=lambda info: info.path)]

    def delete(self) -> None:
        """Delete this file.

        Raises:
            FileError: The service refused.
        """
        with told_as_file_error(self.shown):
            self.filesystem.delete_file(self.path)


Place: TypeAlias = Path | RemotePath
"""Where something is, here or there: both have `name`, `parent`, `with_name` and `/`, and may be compared."""


def real_path(path: Path) -> Path:
    """Return where a local path leads, symbolic links followed; unlike `Path.resolve`, also if they form a loop."""
    return Path(os.path.realpath(path))


def located(path: str | os.PathLike[str] | RemotePath, filesystem: object = None) -> Place:
    """Find out where a path or URL leads.

    Args:
        path: A local path, a URL, or what this function has returned. A `pathlib.Path` of a URL, which has lost a slash, will do.
        filesystem: The filesystem in which `path` is a path: one of `pyarrow.fs` or of fsspec.

    Returns:
        A local path as it is, also for `file://` and for pyarrow's local filesystem; else the place.

    Raises:
        ValueError: The URL is wrong, or there are both a URL and a filesystem.
        TypeError: The filesystem is none.
        MissingDependency: The pyarrow at hand can't speak to this service.
        FileError: The service can't be reached.
    """
    if isinstance(path, RemotePath):
        return path
    text = os.fspath(path)
    url = parse_url(text)
    if filesystem is not None:
        if url is not None:
            raise ValueError(f"{url.shown} is a URL, which says its filesystem itself: with filesystem=, give the path in it")
        return _in_filesystem(text, wrapped(filesystem))
    if url is None:
        found = local_path_of(text)
        if found is None:
            raise ValueError(why_no_url(text))
        return found
    service, root = filesystem_of(type(url)(url.scheme, url.host, "", url.user, url.password, url.query))
    return RemotePath(service, "/".join(filter(None, (root, url.path.strip("/")))), url.shown)


def _in_filesystem(text: str, filesystem: Any) -> Path | RemotePath:  # noqa: ANN401 - pyarrow has no types
    if filesystem.type_name == "local":
        return Path(text)
    path = text.rstrip("/") or text
    scheme = SCHEMES.get(filesystem.type_name)
    return RemotePath(filesystem, path, shown_path(path) if scheme is None else f"{scheme}://{path}")
