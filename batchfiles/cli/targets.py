"""The files that a command is to write: refused before any work, not after an hour of it."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.cli.terminal import visible
from batchfiles.errors import FileError
from batchfiles.streams.atomic import refuse_existing, refuse_existing_folder
from batchfiles.streams.ours import Ours, nothing
from batchfiles.streams.remote import RemotePath, located, real_path
from batchfiles.streams.urls import shown_name

if TYPE_CHECKING:
    from batchfiles.streams.sources import Source

__all__ = ["STDOUT", "check_targets", "place_of", "refuse_two_on_stdout"]

STDOUT = "-"
"""What standard output is called on a command line."""


def check_targets(
    folder: str | None,
    files: Iterable[tuple[str, str | None]],
    sources: Sequence[Source],
    *,
    force: bool,
    ours: Ours = nothing,
) -> None:
    """Make sure that everything can be written where it is to go, as far as that can be told now.

    Args:
        folder: A folder that is to be made, or replaced.
        files: The option and its file; None where it was not given, and nothing is refused where it is standard output.
        sources: What is read.
        force: Whether files that are there may be replaced.
        ours: Which names in the folder are those of files that may go with it; by default none.

    Raises:
        click.UsageError: Two targets are the same, or a target is one of the files that are read.
        OutputExists: A target is there and `force` was not given.
        FileError: There is no folder to write to, a folder where a file shall be, or one that holds what is not ours.
    """
    read = {source.key: source.name for source in sources if source.key is not None}
    taken: dict[Hashable, str] = {}
    for option, name in files:
        if name not in (None, STDOUT):
            path = located(name)
            _check_once(option, path, taken, read)
            _check_file(path, force=force)
    if folder is not None:
        path = located(folder)
        _check_once("-o", path, taken, read)
        _check_folder(path, sources, force=force, ours=ours)


def refuse_two_on_stdout(output: str, *, as_json: bool) -> None:
    """Make sure that standard output is not to have both what a command makes and its report.

    Raises:
        click.UsageError: It is.
    """
    if output == STDOUT and as_json:
        raise click.UsageError("-o - and --json both want standard output.")


def place_of(output: str) -> str:
    """Return what people call the place of an output."""
    return "standard output" if output == STDOUT else visible(shown_name(output))


def _check_once(option: str, path: Path | RemotePath, taken: dict[Hashable, str], read: dict[Hashable, str]) -> None:
    key = path.key if isinstance(path, RemotePath) else real_path(path)
    if key in taken:
        raise click.UsageError(f"{taken[key]} and {option} name the same file, {path}.")
    if key in read:
        raise click.UsageError(f"{option} names a file that is read, {path}: choose another name.")
    taken[key] = option


def _check_file(path: Path | RemotePath, *, force: bool) -> None:
    if isinstance(path, Path) and path.is_dir():
        raise FileError("is a folder, and a file is to be written", path=str(path), number=errno.EISDIR)
    refuse_existing(path, force=force)
    if isinstance(path, Path):
        _check_parent(path)


def _check_folder(path: Path | RemotePath, sources: Sequence[Source], *, force: bool, ours: Ours) -> None:
    for source in sources:
        if _is_in(source, path):
            raise click.UsageError(f"-o names the folder of a file that is read, {source.name}: choose another one.")
    refuse_existing_folder(path, force=force, ours=ours)
    if isinstance(path, Path):
        _check_parent(path)


def _is_in(source: Source, folder: Path | RemotePath) -> bool:
    """Return whether a file is in a folder, or somewhere below it."""
    if isinstance(folder, RemotePath):
        remote = source.remote
        return remote is not None and remote.filesystem is folder.filesystem and remote.path.startswith(f"{folder.path}/")
    return source.path is not None and real_path(source.path).is_relative_to(real_path(folder))


def _check_parent(path: Path) -> None:
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir():
        raise FileError(f"there is no folder {parent}", path=str(path), number=errno.ENOENT)
