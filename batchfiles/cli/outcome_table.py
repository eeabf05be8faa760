"""What a join or an export did, for people: a table of the outcomes, and a sentence for whatever else is worth knowing."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING

from batchfiles.cli.terminal import cut, visible, width_of
from batchfiles.cli.validate import plural
from batchfiles.counts import counts_of, sentence_of

if TYPE_CHECKING:
    from batchfiles.jobs.join_report import JoinReport, TableReport

__all__ = ["notes_of_join", "notes_of_table", "outcome_table", "share", "told"]

EXAMPLES = 3
FINDINGS = 3
"""Places, and findings, that the summary names; the report has more."""

LABEL = 13
"""Columns of the labels, which stand under the outcomes."""

LONGEST = 600
"""Columns that a sentence may take in all: a finding may quote what stands in a file."""

Note = tuple[str, str]
"""A label and a sentence."""


def outcome_table(report: TableReport, noun: str) -> list[str]:
    """Return a line for each outcome that occurs, with its count and its share of all.

    Args:
        report: What was counted.
        noun: What was counted, as the heading says it.
    """
    found = {outcome: count for outcome, count in report.outcomes.items() if count}
    total = sum(found.values())
    width = max(len(noun), len(f"{total:,}"))
    lines = [f"{'outcome':{LABEL}}{noun:>{width}}   share"]
    lines += [f"{outcome:{LABEL}}{count:>{width},}  {share(count, total):>6}" for outcome, count in found.items()]
    return [*lines, f"{'all':{LABEL}}{total:>{width},}"] if len(found) != 1 else lines


def share(count: int, total: int) -> str:
    """Return a percentage that says 0 or 100 only of none and of all."""
    if 0 < count * 1000 < total:
        return "<0.1%"
    if total > count > total * 0.999:
        return ">99.9%"
    return f"{count / total:.1%}"


def notes_of_join(report: JoinReport) -> Iterator[Note]:
    """Yield what a join found beside the outcomes."""
    if report.unknown:
        yield "unknown", f"{plural(report.unknown, 'result')} that no request asked for{_places(report, 'unknown')}"
    if report.superseded:
        yield "superseded", f"{plural(report.superseded, 'result')} for which there is a better or a later one"
    if report.conflicting:
        words = f"{report.conflicting:,} of them {'is' if report.conflicting == 1 else 'are'} another success with another answer"
        yield "conflicting", words + _places(report, "conflicting")
    if report.duplicate_inputs:
        words = f"{plural(report.duplicate_inputs, 'request')} with the custom_id of an earlier one; each has the result"
        yield "duplicate", words + _places(report, "duplicate")
    if report.unmatched:
        yield "unmatched", f"{plural(report.unmatched, 'row')} for which the table of --with has none: its columns are null there"
    if report.malformed_inputs:
        yield "malformed", f"{plural(report.malformed_inputs, 'request line')} that can't be read; each has its row"
    if report.malformed_results:
        words = f"{plural(report.malformed_results, 'result line')} that can't be read"
        if report.malformed_unmatched:
            words += f"; no request is known for {report.malformed_unmatched:,} of them"
        yield "malformed", words + _places(report, "malformed")


def notes_of_table(report: TableReport, *, csv_safe: bool) -> Iterator[Note]:
    """Yield what a join and an export can both find."""
    if report.formula_cells:
        words = f"{plural(report.formula_cells, 'cell')} that a spreadsheet would run as formulas; "
        yield "formulas", words + ("a ' was put before each" if csv_safe else "--csv-safe puts a ' before each")
    if report.embeddings_in_requests:
        words = f"{plural(report.embeddings_in_requests, 'answer')} with vectors, for which this table has no column; "
        yield "embeddings", words + "--table embeddings makes a row of each vector, the bodies are kept unless --bodies none"
    if report.parse_errors:
        words = f"{plural(report.parse_errors, 'answer')} that did not fit the JSON Schema: parsed is null there, "
        yield "parse_error", words + "and parse_error says why"
    for name in counts_of("join"):
        if number := getattr(report, name):
            yield name, f"{sentence_of(name, number)}{_places(report, name)}"
    if report.misfits:
        words = f"{plural(report.misfits, 'value')} that did not fit the column, and null there; "
        yield "misfits", words + "the response_body is kept unless --bodies none"
    if report.repaired_lines:
        yield (
            "repaired",
            f"{plural(report.repaired_lines, 'line')} not quite JSON (half a surrogate pair, NaN), read all the same",
        )
    if report.blank_lines:
        yield "blank", f"{plural(report.blank_lines, 'blank line')}, skipped"
    empty = [file["path"] for file in report.files if file["role"] == "empty"]
    if empty:
        yield "empty", f"{plural(len(empty), 'file')} without a line: {_some(empty)}"
    for finding in islice(report.findings, FINDINGS):
        yield "finding", str(finding)
    listed, others = len(report.findings), report.findings_not_listed
    if listed > FINDINGS:
        words = f"the first {listed:,}" if others else "them"
        yield "findings", f"{listed - FINDINGS + others:,} more: --report FILE writes {words} down"


def _places(report: TableReport, kind: str) -> str:
    places = report.examples.get(kind, ())
    return f": {_some(places)}" if places else ""


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", …" if len(names) > EXAMPLES else "")


def told(note: Note, width: int) -> list[str]:
    """Lay out a note: the label, and beside it the sentence, broken between words only, so that a path can be copied."""
    label, sentence = note
    lines = [f"{label:{LABEL - 2}}  "]
    for word in cut(visible(sentence), LONGEST).split(" "):
        if width_of(lines[-1]) + width_of(word) > width and lines[-1].strip() != label and lines[-1].strip():
            lines.append(" " * LABEL)
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]
