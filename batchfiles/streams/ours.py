"""Which folders `force` may replace: those in which nothing lies but what the same command writes."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable
from typing import TypeAlias

from batchfiles.errors import FileError
from batchfiles.streams.remote import Place

__all__ = ["Ours", "nothing", "refuse_others_files"]

Ours: TypeAlias = Callable[[str], bool]
"""Tells of the name of a file in a folder whether it could be from the same command. Only who writes the folder knows."""


def nothing(_: str) -> bool:
    """Say of every file that it is somebody else's."""
    return False


def refuse_others_files(folder: Place, entries: Iterable[tuple[str, bool]], ours: Ours) -> None:
    """Make sure that a folder can be replaced without a loss to anybody.

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
