"""Checks of output files, before any work; and the parts of a summary that several commands share."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import click

from batchfiles.findings import plural
from batchfiles.io.overwrite import IsOwnFile, no_file
from batchfiles.io.remote.path import Place, is_within
from batchfiles.io.target import STDOUT, Target
from batchfiles.io.urls import shown_name
from batchfiles.layout import visible

if TYPE_CHECKING:
    from batchfiles.findings import Finding
    from batchfiles.io.sources import Source


__all__ = [
    "STDOUT",
    "absent_columns_notes",
    "changed_lines_notes",
    "check_targets",
    "first_findings",
    "not_read_lines",
    "output_name",
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


def output_name(output: str) -> str:
    """Return the name of an output for messages."""
    return "standard output" if output == STDOUT else visible(shown_name(output))


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


def absent_columns_notes(columns: Sequence[str]) -> list[str]:
    """Return a line with the columns that a table doesn't have, if any."""
    return [f"not in the table, and not counted: {', '.join(columns)}"] if columns else []


class Report(Protocol):
    """The report of a job."""

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON values."""


def report_json(report: Report) -> str:
    """Return a report as one JSON object, in ASCII: file names may not be valid UTF-8 or may contain control characters."""
    return json.dumps(report.to_dict(), indent=2)
