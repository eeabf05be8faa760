"""What a join or an export shows: the summary of its report, its first rows, a short `repr`, and a page for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from batchfiles.errors import BatchFilesError
from batchfiles.findings import counts_of, plural, repaired_words, sentence_of, share
from batchfiles.layout import cut, cut_in_middle, size, visible
from batchfiles.summary import (
    PYTHON,
    Block,
    Interface,
    Notes,
    Sentences,
    Table,
    html_of,
    html_table,
    outcome_bar,
    page_part,
    short,
)

if TYPE_CHECKING:
    import pyarrow as pa

    from batchfiles.jobs.join.lazy_table import LazyTable
    from batchfiles.jobs.join.report import ExportReport, JoinReport, TableOptions, TableReport

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
        words = f"{plural(report.malformed_results, 'result line')} that can't be read{_places(report, 'malformed')}"
        if report.malformed_unmatched:
            words += f"; {report.malformed_unmatched:,} of them without a request"
        yield "malformed", words


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
        yield "repaired", repaired_words(report.repaired_lines)
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


ROWS: Final = 5
"""Rows that a page shows."""

COLUMNS: Final = 6
"""Columns that a page shows."""

FIRST: Final = (
    "custom_id",
    "outcome",
    "text",
    "error_code",
    "error_message",
    "refusal",
    "parsed",
    "parse_error",
    "embedding_index",
    "input_text",
    "embedding",
    "model",
    "finish_reason",
    "input_tokens",
    "output_tokens",
    "total_tokens",
)
"""The columns that people look at first; those of the user's table come after them, then all others."""

SENTENCES: Final = ("text", "error_message", "refusal", "parsed", "parse_error", "input_text")
"""The columns that get more room."""

FILES_SHOWN: Final = 20
"""Files that a page lists."""

NAMED: Final = 3
LONGEST_NAME: Final = 60
"""Files that a `repr` names, and the characters of a name."""

LONGEST_CELL: Final = 160
LONGEST_LIST: Final = 8

SMALL: Final = 8_000_000
"""The bytes up to which a page reads all files: less than a second."""

QUICK: Final = 128_000_000
"""The bytes up to which a page reads the first rows. Results are scanned for them, which takes a tenth of the time of a join."""

NOUNS: Final = {"inputs": "request file", "results": "result file", "empty": "empty file", "retries": "retry file"}

NUMBERS: Final = {int, float, type(None)}

HIDDEN: Final = ("progress", "temp_dir", "table")
"""Options that a `repr` does not show."""


def first_rows(table: LazyTable[Any], count: int) -> pa.Table:
    """Return the first rows of a table, and read no more than they need.

    Raises:
        ValueError: `count` is negative.
    """
    import pyarrow as pa

    if count < 0:
        raise ValueError(f"n must be 0 or more, not {count}")
    batches: list[pa.RecordBatch] = []
    with closing(cast("Generator[pa.RecordBatch, None, None]", table.to_batches())) as products:
        while count and (batch := next(products, None)) is not None:
            batches.append(batch.slice(0, count))
            count -= batches[-1].num_rows
    return pa.Table.from_batches(batches, schema=table.schema)


def described_files(files: Sequence[dict[str, Any]]) -> str:
    """Return the numbers of the files by their roles, their names if they are few, and their size."""
    parts = []
    for role, count in Counter(file["role"] for file in files).items():
        names = [cut_in_middle(visible(file["path"]), LONGEST_NAME) for file in files if file["role"] == role]
        parts.append(plural(count, NOUNS[role]) + (f" ({', '.join(names)})" if len(files) <= NAMED else ""))
    return f"{', '.join(parts)}; {size(sum(file['bytes'] for file in files))}"


def chosen_options(options: TableOptions) -> Iterator[str]:
    """Yield the options that differ from their defaults."""
    for each in fields(options):
        value = getattr(options, each.name)
        if each.name not in HIDDEN and value != each.default:
            yield f"{each.name}={short(value)}"
    if options.table is not None:
        yield f"table={options.table!r}"


def describe(name: str, files: Sequence[dict[str, Any]], options: TableOptions, report: TableReport | None) -> str:
    """Return a `repr`: the files, the options that are not defaults, and the rows if they are known."""
    rows = "not read yet" if report is None else plural(report.rows, "row")
    return f"<{name}: {'; '.join((described_files(files), *chosen_options(options), rows))}>"


def page(
    name: str,
    table: LazyTable[Any],
    files: Sequence[dict[str, Any]],
    options: TableOptions,
    report: TableReport | None,
    total: int,
    needed: int,
) -> str:
    """Return the page of a table for a notebook, with what can be read within a second.

    Args:
        name: What it is called.
        table: The table.
        files: Its files.
        options: Its options.
        report: The report of its last complete pass; None before it.
        total: The bytes of all files.
        needed: The bytes that are read for the first rows.
    """
    parts = []
    rows = ""
    try:
        if report is None and total <= SMALL:
            report = table.quick_copy().summarize()
        rows = _rows_page(table.head(ROWS), report) if needed <= QUICK else "<p>head() reads the first rows</p>"
    except BatchFilesError as error:
        rows = html_of([Sentences([visible(str(error))])])
    if report is None:
        parts.append("<p>not read yet: summarize(), to_parquet() and other calls read all files</p>")
    else:
        noun = "requests" if any(file["role"] == "inputs" for file in files) else "results"
        parts += [outcome_bar(report.outcomes), html_of([outcome_table(report, noun)])]
    listed = [(NOUNS[file["role"]], visible(file["path"]), size(file["bytes"])) for file in files[:FILES_SHOWN]]
    more = [("", f"{len(files) - FILES_SHOWN:,} more files", "")] if len(files) > FILES_SHOWN else []
    about = "; ".join((f"{plural(len(files), 'file')}, {size(total)}", *chosen_options(options)))
    file_table = html_table(("", "file", "size"), [*listed, *more], numbers={2})
    details = f"<details><summary>{escape(about)}</summary>{file_table}</details>"
    return page_part(name, *parts, rows, details)


def _rows_page(rows: pa.Table, report: TableReport | None) -> str:
    """Return the first rows, as far as a notebook has room: the columns that have values, the most important first."""
    filled = [name for name in rows.column_names if rows.column(name).null_count < len(rows)]
    known = {name: place for place, name in enumerate(FIRST)}
    chosen = sorted(filled, key=lambda name: known.get(name, len(known)))[:COLUMNS]
    if not len(rows):
        return ""
    columns = {name: rows.column(name).to_pylist() for name in chosen}
    numbers = {place for place, name in enumerate(chosen) if set(map(type, columns[name])) <= NUMBERS}
    cells = [[_cell(columns[name][number]) for name in chosen] for number in range(len(rows))]
    count = "" if report is None else f" of {report.rows:,}"
    words = f"the first {len(rows)}{count} rows; {len(chosen)} of {len(rows.column_names)} columns"
    wide = {place for place, name in enumerate(chosen) if name in SENTENCES}
    return html_table(list(map(visible, chosen)), cells, numbers=numbers, wide=wide) + f'<p class="q">{words}</p>'


def _cell(value: Any) -> str:  # noqa: ANN401 - any value of a column
    """Return a value as one line of visible text."""
    if value is None:
        return ""
    if isinstance(value, list):
        value = [*islice(value, LONGEST_LIST), *["…"] * (len(value) > LONGEST_LIST)]
    text = value if isinstance(value, str) else str(value)
    return cut(visible(text[: LONGEST_CELL * 2]), LONGEST_CELL)
