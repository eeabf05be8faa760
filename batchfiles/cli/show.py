"""`batchfiles show`: shows the first rows of a table or a batch file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchfiles.cli.completion import ColumnName
from batchfiles.cli.json_text import json_of_row
from batchfiles.cli.options import Command
from batchfiles.cli.progress import print_error, print_lines, say, screen
from batchfiles.findings import instead_of, plural
from batchfiles.layout import Screen, cut, cut_in_front, visible, width_of, wrapped
from batchfiles.workers.worker import import_pyarrow

if TYPE_CHECKING:
    from batchfiles.table.preview import Preview
    from batchfiles.table.where import WhereError

__all__ = ["show"]

WIDTH = 100
"""The width of files and pipes."""

FACTS_WIDTH = 60
MIN_NAME_WIDTH = 20
"""The width reserved for the facts about the file, and the minimum width of its name."""

NOTE_LINES = 3
"""The maximum number of lines of a note."""


@click.command(cls=Command)
@click.argument("file")
@click.option(
    "-n", "--rows", "count", type=click.IntRange(min=0), default=10, show_default=True, metavar="N", help="How many rows."
)
@click.option("-c", "--columns", type=ColumnName("file"), metavar="A,B,…", help="Show only these columns, in this order.")
@click.option(
    "-w",
    "--where",
    type=ColumnName("file", in_condition=True),
    metavar="CONDITION",
    help="Show only rows for which this is true, such as \"outcome = 'failed'\"; see below.",
)
@click.option("--id", "custom_id", metavar="CUSTOM_ID", help="Show the row with this custom_id as request and answer, whole.")
@click.option("--row", type=click.IntRange(min=1), metavar="N", help="Show the Nth row as request and answer, whole.")
@click.option("--json", "as_json", is_flag=True, help="Print only the rows, as one JSON object a line.")
@click.pass_context
def show(
    context: click.Context,
    file: str,
    *,
    count: int,
    columns: str | None,
    where: str | None,
    custom_id: str | None,
    row: int | None,
    as_json: bool,
) -> None:
    """Show the first rows of a table or a batch file, those of a condition, or one row as request and answer.

    FILE is a Parquet, Arrow, CSV or JSONL file (batch files too, also compressed), a folder of Parquet files, or - for JSONL, CSV
    or an Arrow stream on standard input. The format is detected from the content, and only the beginning is read.

    One or two rows, and rows in narrow terminals, are shown as records, others as a table with the columns that fit. Long values
    are cut with …; line ends and control characters are escaped. Columns that are not shown are listed at the end.

    A CONDITION compares columns with values, as in SQL: = != < <= > >=, in (…), like with % and _, is null, and, or, not,
    brackets. Texts are in single quotes: outcome in ('failed', 'expired') and not retryable. In batch files, a path names a
    value: response.status_code >= 500. Of Parquet files, only the row groups that may have such rows are read.

    \b
    Examples:
        batchfiles show results.parquet
        batchfiles show results.parquet -n 1
        batchfiles show results.parquet --columns custom_id,text --json | jq .text
        batchfiles show results.parquet --where "outcome = 'failed' and status_code != 429"
        batchfiles show results.parquet --id ticket-0003
        batchfiles show batch_output.jsonl --where "response.status_code >= 400" -n 100
        zcat batch_output.jsonl.gz | batchfiles show -

    \b
    Exit codes:
        0   done
        1   no row has this --id or this number
        2   wrong usage: an unknown column, a condition that can't be read, or not a table
        3   the file doesn't exist or is damaged
    """
    import_pyarrow()
    from batchfiles.cli.conversation import conversations
    from batchfiles.outcome import OUTCOMES
    from batchfiles.table.preview import first_rows
    from batchfiles.table.where import Where, WhereError

    if sum(each is not None for each in (where, custom_id, row)) > 1:
        raise click.UsageError("--where, --id and --row exclude each other: use one of them.")
    names = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    try:
        condition = Where(where) if where is not None else None if custom_id is None else Where.of_id(custom_id)
        preview = first_rows(file, count if row is None else 1, names, where=condition, skip=0 if row is None else row - 1)
    except WhereError as error:
        raise PointedError("--where" if where is not None else "--id", error) from None
    is_one = custom_id is not None or row is not None
    if is_one and not preview.rows:
        has = f"row {row:,}" if row is not None else f"row with the custom_id {custom_id!r}"
        print_error(f"batchfiles: {preview.name} has no {has}")
        context.exit(1)
    if as_json:
        for each in preview.rows:
            # In ASCII, without control characters.
            click.echo(json_of_row({name: each.get(name) for name in preview.columns}))
        return
    if is_one and names is None:
        print_lines(conversations(preview, screen(fallback=WIDTH)))
        return
    if condition is not None and not preview.rows:
        for word in condition.texts("outcome"):
            if word not in OUTCOMES:
                say(f"{word!r} is not an outcome{instead_of(word, OUTCOMES)}")
        for path in sorted(preview.absent):
            say(f"no row has {path!r}")
    print_lines(_page(preview, screen(fallback=WIDTH), asked=names is not None, where=where))


class PointedError(click.UsageError):
    """A condition that can't be read, with lines that point at the place."""

    def __init__(self, option: str, error: WhereError) -> None:
        super().__init__(f"{option}: {error.reason}" + ("" if error.reason.endswith("?") else "."))
        start = max(error.position - POINTED, 0)
        before, rest = visible(error.text[start : error.position]), visible(error.text[error.position :][:POINTED])
        self.lines = [f"    {before}{rest}", f"    {' ' * width_of(before)}^"]


LONGEST_CONDITION = 60

POINTED = 50
"""Characters of a condition that are shown before and after an error."""


def _page(preview: Preview, screen: Screen, *, asked: bool, where: str | None) -> list[str]:
    from batchfiles.cli.row_layout import lay_out

    width = screen.width or WIDTH
    layout = lay_out(preview.columns, preview.rows, width, asked=asked, screen=screen, numbers=preview.numbers)
    notes = [line for note in layout.notes for line in wrapped(note, width, NOTE_LINES)]
    lines = wrapped(_header(preview, width, where), width, NOTE_LINES)
    for part in (layout.lines, notes):
        lines += ["", *part] if part else []
    return lines


def _header(preview: Preview, width: int, where: str | None) -> str:
    """Return the facts about a file: format, rows, columns, size, version."""
    parts = [preview.format if preview.files == 1 else f"{preview.files:,} {preview.format} files"]
    shown = len(preview.rows)
    if where is not None:
        rows = plural(shown, "row")
        parts.append(f"{'the first ' if preview.row_count is None else ''}{rows} where {cut(visible(where), LONGEST_CONDITION)}")
    elif preview.row_count is None:
        parts.append(f"the first {shown:,} rows" if shown != 1 else "the first row")
    elif shown < preview.row_count:
        parts.append(f"{shown:,} of {preview.row_count:,} rows")
    else:
        parts.append(f"{shown:,} rows" if shown != 1 else "1 row")
    parts.append(f"{len(preview.columns):,} columns" if len(preview.columns) != 1 else "1 column")
    if preview.size is not None:
        parts.append(_size(preview.size))
    if preview.schema_version is not None:
        parts.append(f"schema version {visible(preview.schema_version[:20])}")
    return f"{cut_in_front(visible(preview.name), max(width - FACTS_WIDTH, MIN_NAME_WIDTH))}: {', '.join(parts)}"


def _size(count: int) -> str:
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:,.1f} {unit}"
    return f"{count} B"
