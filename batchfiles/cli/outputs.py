"""The files that a command is to write: refused before any work, not after an hour of it.

What the commands that copy lines say about the lines that they could not copy as they were.

A report as programs read it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import click

from batchfiles.cli.text import plural, visible
from batchfiles.io.overwrite import IsOwnFile, no_file
from batchfiles.io.remote.path import Place, is_within
from batchfiles.io.target import STDOUT, Target
from batchfiles.io.urls import shown_name

if TYPE_CHECKING:
    from batchfiles.findings import Finding
    from batchfiles.io.sources import Source


__all__ = ["STDOUT", "check_targets", "first_findings", "place_of", "refuse_two_on_stdout", "report_json", "words_of_lines"]


def check_targets(
    targets: Iterable[tuple[str, Target | None]], sources: Sequence[Source], *, overwrite: bool, ours: IsOwnFile = no_file
) -> None:
    """Make sure that everything can be written where it is to go, as far as that can be told now.

    Args:
        targets: The option and what it names; None where it was not given.
        sources: What is read.
        overwrite: Whether files that are there may be replaced.
        ours: Which names in a folder are those of files that may go with it; by default none.

    Raises:
        click.UsageError: Two targets are the same, or a target is one of the files that are read.
        OutputExistsError: A target is there and `overwrite` was not given.
        FileError: There is no folder to write to, a folder where a file shall be, or one that holds what is not ours.
    """
    read = {source.key for source in sources}
    taken: dict[Place, str] = {}
    for option, target in targets:
        if target is None or (key := target.key) is None:
            continue
        if key in taken:
            raise click.UsageError(f"{taken[key]} and {option} name the same file, {target.place}.")
        if key in read:
            raise click.UsageError(f"{option} names a file that is read, {target.place}: choose another name.")
        taken[key] = option
        inside = (source for source in sources if target.is_folder and source.key is not None and is_within(source.key, key))
        if (source := next(inside, None)) is not None:
            raise click.UsageError(f"{option} names the folder of a file that is read, {source.name}: choose another one.")
        target.check(overwrite=overwrite, ours=ours)


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
