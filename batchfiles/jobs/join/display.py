"""What a lazy table shows of itself: its first rows, a short `repr`, and a page for notebooks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import fields
from html import escape
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, cast

from batchfiles.errors import BatchFilesError
from batchfiles.findings import plural
from batchfiles.jobs.join.report import TableOptions, TableReport
from batchfiles.jobs.join.summary import outcome_table
from batchfiles.layout import cut, cut_in_middle, size, visible
from batchfiles.summary import Sentences, html_of, html_table, outcome_bar, page_part, short

if TYPE_CHECKING:
    import pyarrow as pa

    from batchfiles.jobs.join.lazy_table import LazyTable

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
