"""Checks of output files, before any work; and the parts of a summary that several commands share."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
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


__all__ = [
    "STDOUT",
    "changed_lines_notes",
    "check_targets",
    "first_findings",
    "not_read_lines",
    "output_name",
    "refuse_two_on_stdout",
    "report_json",
]

STDOUT = "-"
"""The name of standard output on a command line."""


def check_targets(
    folder: str | None,
    files: Iterable[tuple[str, str | None]],
    sources: Sequence[Source],
    *,
    force: bool,
    ours: IsOwnFile = no_file,
) -> None:
    """Check that all outputs can be written.

    Args:
        folder: A folder to create or replace.
        files: Each option with its file; None if not given.
        sources: The input files.
        force: Whether existing files may be replaced.
        ours: Which files in the folder may be deleted with it; by default none.

    Raises:
        click.UsageError: Two targets are the same, or a target is an input file.
        OutputExistsError: A target exists and `force` is not set.
        FileError: The parent folder doesn't exist, a folder has the name of the file, or it contains other files.
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
    """Refuse `-o -` together with `--json`."""
    if output == STDOUT and as_json:
        raise click.UsageError("-o - and --json both write to standard output.")


def output_name(output: str) -> str:
    """Return the name of an output for messages."""
    return "standard output" if output == STDOUT else visible(shown_name(output))


def _check_once(option: str, path: Path | RemotePath, taken: dict[Hashable, str], read: dict[Hashable, str]) -> None:
    key = path.key if isinstance(path, RemotePath) else real_path(path)
    if key in taken:
        raise click.UsageError(f"{taken[key]} and {option} name the same file, {path}.")
    if key in read:
        raise click.UsageError(f"{option} names an input file, {path}: choose another name.")
    taken[key] = option


def _check_file(path: Path | RemotePath, *, force: bool) -> None:
    if isinstance(path, Path) and path.is_dir():
        raise FileError("is a folder, not a file", path=str(path), number=errno.EISDIR)
    refuse_existing(path, force=force)
    if isinstance(path, Path):
        _check_parent(path)


def _check_folder(path: Path | RemotePath, sources: Sequence[Source], *, force: bool, ours: IsOwnFile) -> None:
    for source in sources:
        if _is_in(source, path):
            raise click.UsageError(f"-o names the folder of an input file, {source.name}: choose another one.")
    refuse_existing_folder(path, force=force, ours=ours)
    if isinstance(path, Path):
        _check_parent(path)


def _is_in(source: Source, folder: Path | RemotePath) -> bool:
    """Return whether a file is in a folder or its subfolders."""
    if isinstance(folder, RemotePath):
        remote = source.remote
        return remote is not None and remote.filesystem is folder.filesystem and remote.path.startswith(f"{folder.path}/")
    return source.path is not None and real_path(source.path).is_relative_to(real_path(folder))


def _check_parent(path: Path) -> None:
    parent = Path(os.path.realpath(path)).parent
    if not parent.is_dir():
        raise FileError(f"folder {parent} does not exist", path=str(path), number=errno.ENOENT)


FINDING_WORDS = {
    "byte_order_mark": "a byte order mark was left out",
    "missing_newline": "a newline was added after the last line",
}

FINDINGS = 3
"""How many findings are printed; `--json` has more."""


def changed_lines_notes(blank_lines: int, findings: Iterable[Finding] = ()) -> Iterator[str]:
    """Yield a line for each change to the copied lines: blank lines left out, a newline added."""
    if blank_lines:
        yield f"{plural(blank_lines, 'blank line')} left out"
    for finding in findings:
        place = finding.path if finding.line_number is None else f"{finding.path}:{finding.line_number}"
        doubt = ", which may be truncated" if finding.code == "missing_newline" and finding.severity != "info" else ""
        yield visible(f"{place}: {FINDING_WORDS.get(finding.code, finding.message)}{doubt}")


def first_findings(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the first findings, and the number of the others."""
    for finding in findings[:FINDINGS]:
        yield visible(str(finding))
    if len(findings) > FINDINGS:
        yield f"{len(findings) - FINDINGS:,} more findings: --json lists them"


def not_read_lines(count: int, examples: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line with the skipped files of folders, if any."""
    names = list(examples.get("not_read", ()))
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return [visible(f"not read: {', '.join(names)}{more}")] if count else []


class Report(Protocol):
    """The report of a job."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""


def report_json(report: Report) -> str:
    """Return a report as one JSON object, in ASCII: file names may not be valid UTF-8 or may contain control characters."""
    return json.dumps(report.to_dict(), indent=2)
