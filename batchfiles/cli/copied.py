"""What the commands that copy lines say about the lines that they could not copy as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from batchfiles.cli.terminal import visible
from batchfiles.cli.validate import plural

if TYPE_CHECKING:
    from batchfiles.findings import Finding

__all__ = ["first_findings", "words_of_lines"]

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
