"""The summary of `join` and `export`: the outcomes, and a sentence for each further finding."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING

from batchfiles.findings import counts_of, plural, sentence_of, share
from batchfiles.summary import PYTHON, Block, Interface, Notes, Sentences, Table

if TYPE_CHECKING:
    from batchfiles.jobs.join.report import ExportReport, JoinReport, TableReport

EXAMPLES = 3
FINDINGS = 3
"""How many places and findings the summary names; the report has more."""

Note = tuple[str, str]
"""A label and a sentence."""


def join_blocks(
    report: JoinReport,
    names: Interface = PYTHON,
    *,
    csv_safe: bool = False,
    more: Iterable[Note] = (),
    written: str = "",
) -> Iterator[Block]:
    """Yield the summary of a join.

    Args:
        report: The report.
        names: What options are called.
        csv_safe: Whether cells that a spreadsheet would run were made harmless.
        more: Further notes.
        written: The last line; empty for the rows and the time.
    """
    return _blocks(report, "requests", (*join_notes(report, names, csv_safe=csv_safe), *more), written)


def join_notes(report: JoinReport, names: Interface, *, csv_safe: bool) -> tuple[Note, ...]:
    """Return the notes in the summary of a join; the arguments are those of `join_blocks`."""
    return (*_notes_of_join(report, names), *_notes_of_table(report, names, csv_safe=csv_safe))


def export_blocks(
    report: ExportReport,
    names: Interface = PYTHON,
    *,
    csv_safe: bool = False,
    more: Iterable[Note] = (),
    written: str = "",
) -> Iterator[Block]:
    """Yield the summary of an export; the arguments are those of `join_blocks`."""
    return _blocks(report, "results", (*_notes_of_table(report, names, csv_safe=csv_safe), *more), written)


def _blocks(report: TableReport, noun: str, notes: tuple[Note, ...], written: str) -> Iterator[Block]:
    """Yield the outcomes of what the noun names, the notes and the last line."""
    yield outcome_table(report, noun)
    yield Sentences([""])
    yield Notes(notes)
    kept = getattr(report, "kept_parts", 0)
    rows = plural(report.rows, "row") + (f", {plural(kept, 'part')} kept" if kept else "")
    yield Sentences([*([""] if notes else []), written or f"{rows}, in {report.seconds:,.1f} s"])


def outcome_table(report: TableReport, noun: str) -> Table:
    """Return a row for each outcome that occurs, with its count and share, as wide as the labels of the notes below it."""
    found = {outcome: count for outcome, count in report.outcomes.items() if count}
    total = sum(found.values())
    rows = [(f"{outcome:11}", f"{count:,}", f"{share(count, total):>6}") for outcome, count in found.items()]
    if len(found) != 1:
        rows.append((f"{'all':11}", f"{total:,}", ""))
    return Table((f"{'outcome':11}", noun, "share"), rows, has_total=len(found) != 1)


def _notes_of_join(report: JoinReport, names: Interface) -> Iterator[Note]:
    """Yield the findings of a join."""
    if report.unknown:
        yield "unknown", f"{plural(report.unknown, 'result')} without a request{_places(report, 'unknown')}"
    if report.superseded:
        yield "superseded", f"{plural(report.superseded, 'result')} replaced by a better or later one"
    if report.conflicting:
        words = f"{report.conflicting:,} of them succeeded with a different answer"
        yield "conflicting", words + _places(report, "conflicting")
    if report.duplicate_inputs:
        words = (
            f"{plural(report.duplicate_inputs, 'request')} with the custom_id of an earlier one; all of them got the same result"
        )
        yield "duplicate", words + _places(report, "duplicate")
    if report.unmatched:
        yield (
            "unmatched",
            f"{plural(report.unmatched, 'row')} without a row in the table of {names.user_table}: its columns are null",
        )
    if report.malformed_inputs:
        yield "malformed", f"{plural(report.malformed_inputs, 'request line')} that can't be read; each has a row"
    if report.malformed_results:
        words = f"{plural(report.malformed_results, 'result line')} that can't be read"
        if report.malformed_unmatched:
            words += f"; {report.malformed_unmatched:,} of them without a request"
        yield "malformed", words + _places(report, "malformed")


def _notes_of_table(report: TableReport, names: Interface, *, csv_safe: bool) -> Iterator[Note]:
    """Yield the findings that joins and exports share."""
    if report.formula_cells:
        words = f"{plural(report.formula_cells, 'cell')} that a spreadsheet would run as formulas; "
        yield "formulas", words + ("prefixed with '" if csv_safe else f"{names.csv_safe} prefixes them with '")
    if report.embeddings_in_requests:
        words = f"{plural(report.embeddings_in_requests, 'answer')} with vectors, which are not in this table; "
        yield (
            "embeddings",
            f"{words}{names.embeddings_table} writes a row for each vector; the bodies are kept unless {names.no_bodies}",
        )
    if report.parse_errors:
        words = f"{plural(report.parse_errors, 'answer')} that did not fit the JSON Schema: "
        yield "parse_error", words + "parsed is null, and parse_error has the reason"
    for name in counts_of("join"):
        if number := getattr(report, name):
            yield name, f"{sentence_of(name, number)}{_places(report, name)}"
    if report.conversion_errors:
        words = f"{plural(report.conversion_errors, 'value')} that did not fit the column, null there; "
        yield "conversion_errors", f"{words}the response_body is kept unless {names.no_bodies}"
    if report.repaired_lines:
        yield (
            "repaired",
            f"{plural(report.repaired_lines, 'line')} that are not strict JSON (half a surrogate pair, NaN), read anyway",
        )
    if report.blank_lines:
        yield "blank", f"{plural(report.blank_lines, 'blank line')}, skipped"
    empty = [file["path"] for file in report.files if file["role"] == "empty"]
    if empty:
        yield "empty", f"{plural(len(empty), 'file')} without lines: {_some(empty)}"
    for finding in islice(report.findings, FINDINGS):
        yield "finding", str(finding)
    listed, others = len(report.findings), report.findings_not_listed
    if listed > FINDINGS:
        words = f"the first {listed:,}" if others else "all"
        yield "findings", f"{listed - FINDINGS + others:,} more: {names.whole_report} {words}"


def _places(report: TableReport, kind: str) -> str:
    places = report.examples.get(kind, ())
    return f": {_some(places)}" if places else ""


def _some(names: tuple[str, ...] | list[str]) -> str:
    return ", ".join(names[:EXAMPLES]) + (", …" if len(names) > EXAMPLES else "")
