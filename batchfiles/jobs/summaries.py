"""The summaries of jobs that copy and check lines: what the command line prints, and `print(report)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from batchfiles.findings import plural
from batchfiles.io.filesystems import shown_name
from batchfiles.io.target import STDOUT
from batchfiles.layout import cut, size, visible
from batchfiles.summary import PYTHON, Block, Interface, Sentences, Table

if TYPE_CHECKING:
    from batchfiles.campaign import Part
    from batchfiles.findings import Finding
    from batchfiles.jobs.edit import EditReport
    from batchfiles.jobs.merge import MergeReport
    from batchfiles.jobs.prepare import PrepareReport
    from batchfiles.jobs.split import SplitReport
    from batchfiles.jobs.validate import FileReport, Report

FINDINGS = 3
"""How many findings are shown."""

PARTS = 20
"""How many parts are shown."""

CELL_WIDTH = 40


def output_name(output: str) -> str:
    """Return the name of an output for messages."""
    return "standard output" if output == STDOUT else visible(shown_name(output))


FINDING_WORDS = {
    "byte_order_mark": "a byte order mark was left out",
    "missing_newline": "a newline was added after the last line",
}


def changed_lines_notes(blank_lines: int, findings: Iterable[Finding] = ()) -> Iterator[str]:
    """Yield a line for each change to the copied lines: blank lines left out, a newline added."""
    if blank_lines:
        yield f"{plural(blank_lines, 'blank line')} left out"
    for finding in findings:
        place = finding.path if finding.line_number is None else f"{finding.path}:{finding.line_number}"
        doubt = ", which may be truncated" if finding.code == "missing_newline" and finding.severity != "info" else ""
        yield visible(f"{place}: {FINDING_WORDS.get(finding.code, finding.message)}{doubt}")


def first_findings(findings: Sequence[Finding], names: Interface) -> Iterator[str]:
    """Yield the first findings, and the number of the others."""
    for finding in findings[:FINDINGS]:
        yield visible(str(finding))
    if len(findings) > FINDINGS:
        yield f"{len(findings) - FINDINGS:,} more findings: {names.all_of_them}"


def not_read_lines(count: int, examples: Mapping[str, Sequence[str]]) -> list[str]:
    """Return a line with the skipped files of folders, if any."""
    names = list(examples.get("not_read", ()))
    more = f" and {count - len(names):,} more" if count > len(names) else ""
    return [visible(f"not read: {', '.join(names)}{more}")] if count else []


def validate_blocks(report: Report, names: Interface = PYTHON, *, listed: int | None = None) -> Iterator[Block]:
    """Yield the summary of `validate`: a table of the files, the codes, and totals.

    Args:
        report: The report.
        names: What options are called.
        listed: How many findings were printed before it; None lists them here.
    """
    if listed is None:
        yield Sentences([visible(str(group)) for group in report.groups])
        listed = sum(group.count for group in report.groups)
    headings = ("file", "requests", "size", "endpoint", "model", "errors", "warnings")
    texts, optional = ("file", "endpoint", "model"), ("endpoint", "model", "size")
    yield Table(headings, [_file_row(file) for file in report.files], texts=texts, optional=optional)
    lines = []
    for name, counts in (("errors", report.errors), ("warnings", report.warnings), ("info", report.info)):
        if counts:
            codes = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            lines.append(f"{name}: {', '.join(f'{code} {count:,}' for code, count in codes)}")
    count = report.error_count + report.warning_count + report.info_count
    if count > listed:
        lines.append(f"{count - listed:,} findings are not listed: raise {names.max_findings} to list them")
    lines += not_read_lines(report.not_read, report.examples)
    lines.append(f"{plural(report.error_count, 'error')}, {plural(report.warning_count, 'warning')} (limits: {report.limits})")
    yield Sentences(lines)


def _file_row(file: FileReport) -> tuple[str, ...]:
    return (
        visible(file.name),
        f"{file.requests:,}",
        size(file.bytes),
        _cell(file.endpoint),
        _cell(file.model),
        f"{file.errors:,}",
        f"{file.warnings:,}",
    )


def _cell(text: str | None) -> str:
    return "-" if text is None else cut(visible(text), CELL_WIDTH)


def split_blocks(report: SplitReport, by: Sequence[str] | None = None) -> Iterator[Block]:
    """Yield the summary of `split`.

    Args:
        report: The report.
        by: What the parts differ by; None takes it from the parts.
    """
    parts = report.parts
    if by is None:
        by = list(dict.fromkeys(name for part in parts for name in part.by))
    rows = [_part_row(part, by) for part in parts[:PARTS]]
    yield Table(("part", "requests", "size", *by), rows, texts=("part", *by))
    lines = [f"… and {plural(len(parts) - PARTS, 'part')} more: manifest.json lists them"] if len(parts) > PARTS else []
    lines += changed_lines_notes(report.blank_lines, report.findings)
    lines += not_read_lines(report.not_read, report.examples)
    if report.unreadable:
        lines.append(f"{plural(report.unreadable, 'line')} of invalid JSON: copied, and only the bytes are counted")
    limits = report.manifest.limits
    counts = f"{plural(len(parts), 'part')} with {plural(report.requests, 'request')}, {size(report.bytes)} (limits: {limits})"
    lines.append(f"{visible(report.folder)}: {counts}")
    yield Sentences(lines)


def _part_row(part: Part, by: Sequence[str]) -> tuple[str, ...]:
    return (visible(part.file), f"{part.requests:,}", size(part.bytes), *(visible(part.by.get(name) or "-") for name in by))


def merge_blocks(report: MergeReport) -> Iterator[Block]:
    """Yield the summary of `merge`."""
    lines = [*changed_lines_notes(report.blank_lines, report.findings)]
    if report.repeated_inputs:
        lines.append(f"{plural(report.repeated_inputs, 'line')} left out: the same request, byte for byte, is in another file")
    elif report.dropped:
        lines.append(f"{plural(report.dropped, 'line')} left out: the custom_id is in another line too")
    if report.unreadable:
        lines.append(f"{plural(report.unreadable, 'line')} without a readable custom_id: copied and not compared")
    lines += not_read_lines(report.not_read, report.examples)
    counts = f"{plural(report.lines, 'line')} of {plural(len(report.files), 'file')}, {size(report.bytes)}"
    yield Sentences([*lines, f"{visible(report.output)}: {counts}"])


def edit_blocks(report: EditReport, names: Interface = PYTHON, *, output: str = "") -> Iterator[Block]:
    """Yield the summary of `edit`.

    Args:
        report: The report.
        names: What options are called.
        output: The file that was written, if its name is known.
    """
    lines = [*first_findings(report.findings, names), *changed_lines_notes(report.blank_lines)]
    lines += not_read_lines(report.not_read, report.examples)
    if report.bad_lines:
        what = "left out" if report.dropped else "copied unchanged"
        lines.append(f"{plural(report.bad_lines, 'line')} that can't be changed, {what}")
    written = report.lines - report.dropped
    words = f"{report.changed:,} changed, {report.unchanged:,} copied unchanged"
    where = f"{output_name(output)}: " if output else ""
    yield Sentences([*lines, f"{where}{plural(written, 'line')}, {words}, {size(report.bytes)}"])


def prepare_blocks(report: PrepareReport, names: Interface = PYTHON, *, output: str | None = None) -> Iterator[Block]:
    """Yield the summary of `prepare`.

    Args:
        report: The report.
        names: What options are called.
        output: The target as it was named; None for the name in the report.
    """
    nulls = f", {plural(report.nulls, 'null')}" if report.nulls else ""
    where = "standard output" if output == STDOUT else visible(report.path)
    words = f"{where}: {plural(report.requests, 'request')}, {size(report.bytes)}{nulls}, in {report.seconds:,.1f} s"
    yield Sentences([*first_findings(report.findings, names), words])
