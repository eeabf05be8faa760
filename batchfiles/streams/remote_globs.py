"""Which files of an object store a folder or a pattern means: by the rules of the local ones, with as few requests as can be."""

from __future__ import annotations

import glob
from fnmatch import fnmatchcase
from typing import Any

from batchfiles.errors import FileError
from batchfiles.streams.remote import RemotePath

__all__ = ["matches"]


def matches(pattern: RemotePath) -> list[tuple[RemotePath, Any]]:
    """Return the files and folders that a pattern names, sorted, each with its `pyarrow.fs.FileInfo`.

    `*`, `[…]` and `**` are what they are for `glob.glob`.

    A `?` stands for a character only where a path is no URL. Names that begin with a dot are matched by a dot only.

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
    listed = folder.listing(recursive=deep) if folder.is_folder() else []
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
