"""The summary of `retry`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from batchfiles.findings import plural, sentence_of
from batchfiles.jobs.summaries import first_findings, not_read_lines, output_name
from batchfiles.layout import cut, size, visible
from batchfiles.summary import PYTHON, Block, Interface, Sentences, Table

if TYPE_CHECKING:
    from batchfiles.jobs.retry.report import RetryReport

GROUPS = 20
"""How many groups the table shows."""
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
    lines += ["", *first_findings(report.findings, names)]
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
