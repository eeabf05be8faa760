"""The files that a command is to write: refused before any work, not after an hour of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.errors import FileError
from batchfiles.streams.atomic import refuse_existing

if TYPE_CHECKING:
    from batchfiles.streams.sources import Source

__all__ = ["check_targets"]


def check_targets(folder: str | None, files: Iterable[tuple[str, str | None]], sources: Sequence[Source], *, force: bool) -> None:
    """Make sure that everything can be written where it is to go, as far as that can be told now.

    Args:
        folder: A folder that is to be made, or replaced.
        files: The option and its file; None where it was not given.
        sources: What is read.
        force: Whether files that are there may be replaced.

    Raises:
        click.UsageError: Two targets are the same, or a target is one of the files that are read.
        OutputExists: A target is there and `force` was not given.
        FileError: There is no folder to write to, or a folder where a file shall be.
    """
    read = {source.path.resolve(): source.name for source in sources if source.path is not None}
    taken: dict[Path, str] = {}
    for option, name in files:
        if name is not None:
            path = Path(name)
            _check_once(option, path, taken, read)
            _check_file(path, force=force)
    if folder is not None:
        path = Path(folder)
        _check_once("-o", path, taken, read)
        _check_folder(path, read, force=force)


def _check_once(option: str, path: Path, taken: dict[Path, str], read: dict[Path, str]) -> None:
    resolved = path.resolve()
    if resolved in taken:
        raise click.UsageError(f"{taken[resolved]} and {option} name the same file, {path}.")
    if resolved in read:
        raise click.UsageError(f"{option} names a file that is read, {path}: choose another name.")
    taken[resolved] = option


def _check_file(path: Path, *, force: bool) -> None:
    if path.is_dir():
        raise FileError("is a folder, and a file is to be written", path=str(path), number=errno.EISDIR)
    refuse_existing(path, force=force)
    _check_parent(path)


def _check_folder(path: Path, read: dict[Path, str], *, force: bool) -> None:
    resolved = path.resolve()
    for source, name in read.items():
        if source.is_relative_to(resolved):
            raise click.UsageError(f"-o names the folder of a file that is read, {name}: choose another one.")
    is_empty_folder = path.is_dir() and not any(path.iterdir())
    refuse_existing(path, force=force or is_empty_folder)
    _check_parent(path)


def _check_parent(path: Path) -> None:
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir():
        raise FileError(f"there is no folder {parent}", path=str(path), number=errno.ENOENT)
