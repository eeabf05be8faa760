"""The report of a retry, and its summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from types import MappingProxyType
from typing import Any

from batchfiles.findings import Finding, Findings, first_findings, not_read_lines, plural, sentence_of
from batchfiles.io.target import output_name
from batchfiles.layout import cut, size, visible
from batchfiles.outcome import OUTCOMES
from batchfiles.summary import PYTHON, Block, Displayed, Interface, Sentences, Table

NOT_LISTED = "not in the list of ids"
"""Why a request is left out if ids are listed."""

NOT_IN_TABLE = "not in the table"
"""Why a request is left out if a table has the outcomes of the others: its rows may have been filtered."""

TOO_LONG = "result line too long"
"""Why a request is left out whose result was not read: it may be an answer that was paid for."""

GROUPS_KEPT = 200
"""Groups of requests with separate error codes; all further codes are not distinguished."""

Group = tuple[str | None, int | None, str | None, str | None]
"""Outcome, status, error code, and why it was left out; None if it was written. Without a lookup the outcome is unknown."""


ORDER: dict[str | None, int] = {outcome: number for number, outcome in enumerate(OUTCOMES)}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetryGroup(Displayed):
    """Requests with the same outcome.

    Attributes:
        outcome: Their outcome; None for a list of ids, or if the table has no row for them.
        status_code: Their HTTP status.
        error_code: Their error code.
        requests: How many there are.
        left_out: Why they were not written; None if they were.
    """

    outcome: str | None
    status_code: int | None
    error_code: str | None
    requests: int
    left_out: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the group as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetryFile(Displayed):
    """A file of requests that are sent again.

    Attributes:
        path: Where it is.
        requests: Its lines.
        bytes: Its size, uncompressed.
        retry_of: The request files whose lines it repeats.
    """

    path: str
    requests: int
    bytes: int
    retry_of: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the file as plain values, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class RetryReport(Displayed):
    """What a retry did. `inputs == written + left_out`, and both are the sums of their groups.

    Attributes:
        inputs: Request lines, without blank ones.
        written: Lines that are sent again.
        left_out: Lines that are not.
        not_in_table: Lines without a row in the joined table, for example because it was filtered; 0 if the outcomes come from
            results.
        changed: Lines that were written with a changed value.
        files: The files that were written.
        groups: Requests by their outcomes, and by whether and why they were left out.
        unmatched: Selected outcomes, statuses and error codes that no request has.
        unknown_ids: Listed ids that no request has, each counted once.
        unknown_results: Results without a request; of a joined table, rows.
        blank_lines: Blank lines among the requests.
        findings: What was noticed about the request files and the result files, the first of each range.
        seconds: How long it took.
        malformed_results: Result lines that can't be read; 0 if the outcomes come from a joined table.
        not_read: Files and folders in the given folders that were skipped.
        examples: The first places of malformed results, under `malformed`, and the first names under `not_read`.
    """

    inputs: int
    written: int
    left_out: int
    not_in_table: int
    changed: int
    files: tuple[RetryFile, ...]
    groups: tuple[RetryGroup, ...]
    unmatched: tuple[str, ...]
    unknown_ids: int
    unknown_results: int
    blank_lines: int
    findings: tuple[Finding, ...]
    seconds: float
    malformed_results: int = 0
    not_read: int = 0
    examples: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def outcomes(self) -> dict[str, int]:
        """How many requests had which outcome, as far as it is known: the sums of `groups`."""
        return {name: sum(group.requests for group in self.groups if group.outcome == name) for name in OUTCOMES}

    def _blocks(self) -> Iterator[Block]:
        return retry_blocks(self)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON."""
        return asdict(self)


class GroupCounts:
    """Counts requests by group, in bounded memory.

    Attributes:
        found: The groups.
    """

    def __init__(self) -> None:
        self.found: Counter[Group] = Counter()
        self._with_code = 0

    def add(self, group: Group, count: int = 1) -> None:
        """Count requests of a group; without their error code, if too many groups have one."""
        if group[2] is not None and group not in self.found:
            if self._with_code < GROUPS_KEPT:
                self._with_code += 1
            else:
                group = (*group[:2], None, group[3])
        self.found[group] += count


class RetryCounts:
    """Adds up the summaries of the ranges."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self.matched: set[str] = set()
        self.findings: list[Finding] = []
        self._groups = GroupCounts()

    def add(self, summary: Mapping[str, Any]) -> None:
        """Add the summary that ended a task."""
        self.counts.update(summary["counts"])
        self.matched.update(summary["matched"])
        self.findings += map(Finding.revived, summary["findings"])
        for outcome, status, code, why, count in summary["groups"]:
            self._groups.add((outcome, status, code, why), count)

    def report(
        self,
        files: Iterable[RetryFile],
        *,
        words: Iterable[str],
        unknown_ids: int,
        seconds: float,
        unknown_results: int = 0,
        malformed_results: int = 0,
        examples: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    ) -> RetryReport:
        """Return the sums.

        Args:
            files: What was written.
            words: The selected outcomes, statuses and error codes.
            unknown_ids: Listed ids that no request has.
            seconds: How long it took.
            unknown_results: Results without a request.
            malformed_results: Result lines that can't be read.
            examples: Their first places.
        """
        groups = [
            RetryGroup(outcome=outcome, status_code=status, error_code=code, requests=count, left_out=why)
            for (outcome, status, code, why), count in self._groups.found.items()
        ]
        groups.sort(key=_order)
        inputs = sum(group.requests for group in groups)
        return RetryReport(
            inputs=inputs,
            written=self.counts["written"],
            left_out=inputs - self.counts["written"],
            not_in_table=sum(group.requests for group in groups if group.left_out == NOT_IN_TABLE),
            changed=self.counts["changed"],
            files=tuple(files),
            groups=tuple(groups),
            unmatched=tuple(sorted(set(words) - self.matched)),
            unknown_ids=unknown_ids,
            unknown_results=unknown_results,
            blank_lines=self.counts["blank_line"],
            findings=Findings(self.findings),
            seconds=seconds,
            malformed_results=malformed_results,
            examples=dict(examples),
        )


def _order(group: RetryGroup) -> tuple[int, int, int, str, str]:
    """Sort by outcome, then by frequency; among equals, written ones first."""
    place = ORDER.get(group.outcome, -1)
    return place, -group.requests, group.status_code or 0, group.error_code or "", group.left_out or ""


GROUPS = 20
"""How many groups the summary shows."""
CODE_WIDTH = 32
HEADINGS = ("outcome", "status", "error", "requests", "")


def retry_blocks(report: RetryReport, names: Interface = PYTHON) -> Iterator[Block]:
    """Yield the summary: the groups of requests, further findings, and the files.

    Args:
        report: The report.
        names: What options are called.
    """
    rows = []
    for group in report.groups[:GROUPS]:
        status = "" if group.status_code is None else str(group.status_code)
        code = cut(visible(group.error_code or ""), CODE_WIDTH)
        words = "written" if group.left_out is None else f"left out: {group.left_out}"
        rows.append((group.outcome or "-", status, code, f"{group.requests:,}", words))
    rows.append(("all", "", "", f"{report.inputs:,}", f"{report.written:,} written, {report.left_out:,} left out"))
    yield Table(
        HEADINGS, rows, texts=("outcome", "error", ""), whole=("outcome",), optional=("status",), sentences=("",), has_total=True
    )
    lines = [f"… {len(report.groups) - GROUPS:,} more: {names.all_of_them}"] if len(report.groups) > GROUPS else []
    lines.append("")
    if report.malformed_results:
        lines.append(f"{plural(report.malformed_results, 'result line')} that can't be read")
    lines += first_findings(report.findings, names)
    if report.unmatched:
        lines.append(f"no request has: {visible(', '.join(report.unmatched))}")
    lines += not_read_lines(report.not_read, report.examples)
    if report.not_in_table:
        lines.append(sentence_of("not_in_table", report.not_in_table))
    if report.unknown_results:
        lines.append(f"{plural(report.unknown_results, 'result')} without a request")
    if report.unknown_ids:
        lines.append(f"{plural(report.unknown_ids, 'listed id')} without a request")
    yield Sentences([*lines, *_file_lines(report)])


def _file_lines(report: RetryReport) -> list[str]:
    """Return a line for each file written."""
    if not report.files:
        return ["nothing to retry, no file was written"]
    changed = f", {report.changed:,} changed" if report.changed else ""
    lines = [f"{output_name(file.path)}: {plural(file.requests, 'request')}, {size(file.bytes)}" for file in report.files]
    lines[-1] += f"{changed}, in {report.seconds:,.1f} s"
    return lines
