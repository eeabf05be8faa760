"""Checks of output files, before any work; and reports as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import click

from batchfiles.io.overwrite import IsOwnFile, no_file
from batchfiles.io.remote.path import Place, is_within
from batchfiles.io.target import STDOUT, Target

if TYPE_CHECKING:
    from batchfiles.io.sources import Source


__all__ = [
    "STDOUT",
    "check_targets",
    "refuse_two_on_stdout",
    "report_json",
]


def check_targets(
    targets: Iterable[tuple[str, Target | None]],
    sources: Sequence[Source],
    *,
    overwrite: bool,
    ours: IsOwnFile = no_file,
    resumed: Target | None = None,
) -> None:
    """Check that all outputs can be written.

    Args:
        targets: Each option with its target; None if not given.
        sources: The input files.
        overwrite: Whether existing files may be replaced.
        ours: Which files in a folder may be deleted with it; by default none.
        resumed: The target that is continued.

    Raises:
        click.UsageError: Two targets are the same, or a target is an input file.
        OutputExistsError: A target exists and `overwrite` is not set.
        FileError: The parent folder doesn't exist, a folder has the name of the file, or it contains other files.
    """
    read = {source.key for source in sources}
    taken: dict[Place, str] = {}
    for option, target in targets:
        if target is None or (key := target.key) is None:
            continue
        if key in taken:
            raise click.UsageError(f"{taken[key]} and {option} name the same file, {target.place}.")
        if key in read:
            raise click.UsageError(f"{option} names an input file, {target.place}: choose another name.")
        taken[key] = option
        inside = (source for source in sources if target.is_folder and source.key is not None and is_within(source.key, key))
        if (source := next(inside, None)) is not None:
            raise click.UsageError(f"{option} names the folder of an input file, {source.name}: choose another one.")
        target.check(overwrite=overwrite or target is resumed, ours=ours)


def refuse_two_on_stdout(output: str, *, as_json: bool) -> None:
    """Refuse `-o -` together with `--json`."""
    if output == STDOUT and as_json:
        raise click.UsageError("-o - and --json both write to standard output.")


class Report(Protocol):
    """The report of a job."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""


def report_json(report: Report) -> str:
    """Return a report as one JSON object, in ASCII: file names may not be valid UTF-8 or may contain control characters."""
    return json.dumps(report.to_dict(), indent=2)
