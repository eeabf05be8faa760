"""A file or folder of an object store: where it is, what it is called, what it holds, and its bytes in order.

Which files of an object store a folder or a pattern means: by the rules of local ones, with as few requests as possible.
"""

from __future__ import annotations

import errno
import glob
import os
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, overload

from batchfiles.errors import FileError
from batchfiles.io.filesystems import (
    as_file_error,
    filesystem_of,
    local_path_of,
    parse_url,
    shown_path,
    why_no_url,
    wrapped,
)


def file_error(error: OSError, path: Path | str) -> FileError:
    """Turn an error of the operating system into ours, with the name of the file that was asked for."""
    reason = (error.strerror or str(error)).lower()
    if error.errno == errno.ENOTDIR:
        reason += next((f": {parent} is a file" for parent in Path(path).parents if parent.is_file()), "")
    return FileError(reason, path=str(path), number=error.errno)


def not_a_folder(path: Path | str) -> FileError:
    """Return the exception for a file where a folder was asked for."""
    return FileError("is a file, and a folder was asked for", path=str(path), number=errno.ENOTDIR)


def make_folder(folder: Path, *, parents: bool = True) -> None:
    """Make a folder of the local disk, unless it is there.

    Raises:
        FileError: It is a file, or can't be made.
    """
    try:
        folder.mkdir(parents=parents, exist_ok=True)
    except FileExistsError:
        raise not_a_folder(folder) from None
    except OSError as error:
        raise file_error(error, folder) from None


def changed(name: str) -> FileError:
    """Return the exception for a file that changed."""
    return FileError("the file changed while it was being read", path=name)


SCHEMES = {"s3": "s3", "gcs": "gs", "abfs": "abfs"}
"""How URLs call the filesystems that pyarrow calls otherwise."""

BUCKETS = ("s3", "gcs", "abfs")
"""Filesystems whose paths begin with a bucket or container, in which folders are only the beginnings of names."""


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
            FileError: The service can't be reached, or does not report it.
        """
        with as_file_error(self.shown):
            return self.filesystem.get_file_info(self.path)

    def is_file(self) -> bool:
        """Return whether there is a file."""
        return bool(self.look().is_file)

    def is_dir(self) -> bool:
        """Return whether there is a folder: of an object store, whether there are names below it."""
        from pyarrow.fs import FileType

        return bool(self.look().type == FileType.Directory)

    def check_bucket(self) -> None:
        """Make sure that there is a bucket, as far as the credentials allow to know.

        Raises:
            FileError: There is no such bucket.
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

        with as_file_error(self.shown):
            found = self.filesystem.get_file_info(FileSelector(self.path, recursive=recursive))
            return [(self.at(info.path), info) for info in sorted(found, key=lambda info: info.path)]

    def delete(self) -> None:
        """Delete this file.

        Raises:
            FileError: The service refused.
        """
        with as_file_error(self.shown):
            self.filesystem.delete_file(self.path)


Place: TypeAlias = Path | RemotePath
"""Where something is, here or there: both have `name`, `parent`, `with_name` and `/`, and may be compared."""


@overload
def real_path(path: Path) -> Path: ...
@overload
def real_path(path: Place) -> Place: ...
def real_path(path: Place) -> Place:
    """Return where a local path leads, symbolic links followed; unlike `Path.resolve`, also if they form a loop.

    A remote path is returned as it is.
    """
    return Path(os.path.realpath(path)) if isinstance(path, Path) else path


def mode_of(path: Path) -> int:
    """Return the mode of what a local path leads to, as in `stat.st_mode`; 0 if nothing is there.

    From Python 3.14 on, `Path.exists` and `Path.is_dir` are False where the system does not let us look.

    Raises:
        OSError: The system does not let us look, or the name is too long.
    """
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # ValueError: the name holds a null character
        return 0
    except OSError as error:
        if error.errno == errno.ELOOP:
            return 0
        raise


def is_within(place: Place, folder: Place) -> bool:
    """Return whether a path is a folder, or is somewhere below it; both with symbolic links followed."""
    while place != folder and place.name:
        place = place.parent
    return place == folder


class FoundFile(NamedTuple):
    """A file in a folder.

    Attributes:
        place: Where it is.
        size: Its bytes as stored.
        parts: The names below the folder, its own one last.
        modified: When it was last written to, in nanoseconds since 1970; None if the service does not report it.
    """

    place: Place
    size: int
    parts: tuple[str, ...]
    modified: int | None


def files_in(folder: Place, *, recursive: bool = False) -> list[FoundFile]:
    """Return the regular files in a folder, and with `recursive` in the folders below, sorted by path.

    Raises:
        FileError: A remote folder can't be listed.
        OSError: A local one can't.
    """
    if isinstance(folder, Path):
        paths = sorted(folder.rglob("*") if recursive else folder.iterdir())
        found = ((path, path.stat()) for path in paths if path.is_file())
        return [FoundFile(path, stat.st_size, path.relative_to(folder).parts, stat.st_mtime_ns) for path, stat in found]
    before = len(folder.path.strip("/"))
    return [
        FoundFile(path, info.size, tuple(path.path.strip("/")[before:].strip("/").split("/")), info.mtime_ns)
        for path, info in folder.listing(recursive=recursive)
        if info.is_file
    ]


def located(path: str | os.PathLike[str] | RemotePath, filesystem: object = None) -> Place:
    """Find out where a path or URL leads.

    Args:
        path: A local path, a URL, or what this function has returned. A `pathlib.Path` of a URL, which has lost a slash, will do.
        filesystem: The filesystem in which `path` is a path: one of `pyarrow.fs` or of fsspec.

    Returns:
        A local path as it is, also for `file://` and for pyarrow's local filesystem; else the place.

    Raises:
        ValueError: The name is empty, the URL is wrong, or there are both a URL and a filesystem.
        TypeError: It is not a filesystem.
        MissingDependencyError: The installed pyarrow does not support the service.
        FileError: The service can't be reached.
    """
    if isinstance(path, RemotePath):
        return path
    text = os.fspath(path)
    if not text:  # such as a variable of the shell that is not set
        raise ValueError("the name of a file or folder is empty: the current folder is .")
    url = parse_url(text)
    if filesystem is not None:
        if url is not None:
            raise ValueError(f"{url.shown} is a URL, which names its own filesystem: with filesystem=, give the path in it")
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


def matches(pattern: RemotePath) -> list[tuple[RemotePath, Any]]:
    """Return the files and folders that a pattern names, sorted, each with its `pyarrow.fs.FileInfo`.

    `*`, `[…]` and `**` work as in `glob.glob`; `?` matches a character only in paths, not in URLs. Only a dot matches the dot at
    the beginning of a name.

    Raises:
        FileError: Nothing matches, or the folder can't be listed.
    """
    parts = pattern.path.split("/")
    fixed = next(number for number, part in enumerate(parts) if glob.has_magic(part))
    if fixed == 0 and pattern.has_buckets:
        raise FileError("a bucket is named as it is, without wildcards", path=pattern.shown)
    shown = pattern.shown.removesuffix("/".join(parts[fixed:])).rstrip("/")
    folder = RemotePath(pattern.filesystem, "/".join(parts[:fixed]), shown)
    deep = len(parts) - fixed > 1 or "**" in parts
    before = len(folder.path.strip("/")) + 1 if folder.path.strip("/") else 0
    listed = folder.listing(recursive=deep) if folder.is_dir() else []
    found = [(path, info) for path, info in listed if _fits(path.path.strip("/")[before:].split("/"), parts[fixed:])]
    if not found:
        folder.check_bucket()
        raise FileError("no file matches", path=pattern.shown)
    return found


def _fits(names: list[str], parts: list[str]) -> bool:
    """Return whether the names of a path are those that the parts of a pattern ask for."""
    if not parts or not names:
        return not parts and not names
    if parts[0] != "**":
        return _is_named(names[0], parts[0]) and _fits(names[1:], parts[1:])
    if len(parts) == 1:
        return all(_is_named(name, "*") for name in names)
    return _fits(names, parts[1:]) or (_is_named(names[0], "*") and _fits(names[1:], parts))


def _is_named(name: str, part: str) -> bool:
    return fnmatchcase(name, part) and (not name.startswith(".") or part.startswith("."))
