"""The files that a command is to write: refused before any work, not after an hour of it.

What the commands that copy lines say about the lines that they could not copy as they were.

A report as programs read it.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Hashable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import click

from batchfiles.cli.text import plural, visible
from batchfiles.errors import FileError
from batchfiles.io.atomic import refuse_existing, refuse_existing_folder
from batchfiles.io.overwrite import IsOwnFile, no_file
from batchfiles.io.remote.path import RemotePath, located, real_path
from batchfiles.io.urls import shown_name

if TYPE_CHECKING:
    from batchfiles.findings import Finding
    from batchfiles.io.sources import Source


__all__ = ["STDOUT", "check_targets", "first_findings", "place_of", "refuse_two_on_stdout", "report_json", "words_of_lines"]

STDOUT = "-"
"""What standard output is called on a command line."""


def check_targets(
    folder: str | None,
    files: Iterable[tuple[str, str | None]],
    sources: Sequence[Source],
    *,
    overwrite: bool,
    ours: IsOwnFile = no_file,
) -> None:
    """Make sure that everything can be written where it is to go, as far as that can be told now.

    Args:
        folder: A folder that is to be made, or replaced.
        files: The option and its file; None where it was not given, and nothing is refused where it is standard output.
        sources: What is read.
        overwrite: Whether files that are there may be replaced.
        ours: Which names in the folder are those of files that may go with it; by default none.

    Raises:
        click.UsageError: Two targets are the same, or a target is one of the files that are read.
        OutputExistsError: A target is there and `overwrite` was not given.
        FileError: There is no folder to write to, a folder where a file shall be, or one that holds what is not ours.
    """
    read = {source.key: source.name for source in sources if source.key is not None}
    taken: dict[Hashable, str] = {}
    for option, name in files:
        if name not in (None, STDOUT):
            path = located(name)
            _check_once(option, path, taken, read)
            _check_file(path, overwrite=overwrite)
    if folder is not None:
        path = located(folder)
        _check_once("-o", path, taken, read)
        _check_folder(path, sources, overwrite=overwrite, ours=ours)


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


def _check_file(path: Path | RemotePath, *, overwrite: bool) -> None:
    if isinstance(path, Path) and path.is_dir():
        raise FileError("is a folder, and a file is to be written", path=str(path), number=errno.EISDIR)
    refuse_existing(path, overwrite=overwrite)
    if isinstance(path, Path):
        _check_parent(path)


def _check_folder(path: Path | RemotePath, sources: Sequence[Source], *, overwrite: bool, ours: IsOwnFile) -> None:
    for source in sources:
        if _is_in(source, path):
            raise click.UsageError(f"-o names the folder of a file that is read, {source.name}: choose another one.")
    refuse_existing_folder(path, overwrite=overwrite, ours=ours)
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


WORDS = {
    "byte_order_mark": "a byte order mark was left out",
    "missing_newline": "a newline was added after the last line",
}


FINDINGS = 3
"""Findings that are told in their own words; `--json` has more."""


def words_of_lines(blank_lines: int, findings: Iterable[Finding] = ()) -> Iterator[str]:
    """Yield a line for each thing that was left out or added."""
    if blank_lines:
        yield f"{plural(blank_lines, 'blank line')} left out"
    for finding in findings:
        place = finding.path if finding.line_number is None else f"{finding.path}:{finding.line_number}"
        doubt = ", which may have been cut short" if finding.code == "missing_newline" and finding.severity != "info" else ""
        yield visible(f"{place}: {WORDS.get(finding.code, finding.message)}{doubt}")


def first_findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield a line for each of the first findings, and one that says how many more there are."""
    for finding in findings[:FINDINGS]:
        yield visible(str(finding))
    if len(findings) > FINDINGS:
        yield f"{len(findings) - FINDINGS:,} more findings: --json lists them"


class Report(Protocol):
    """What a job reports, whichever it is."""

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain values."""


def report_json(report: Report) -> str:
    """Return a report as one JSON object, in ASCII.

    The name of a file may hold bytes that are no UTF-8, which orjson would refuse; and nothing in it can reach into a terminal.
    """
    return json.dumps(report.to_dict(), indent=2)
