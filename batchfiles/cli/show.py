"""`batchfiles show`: shows the first rows of a table or a batch file."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from batchfiles.cli.json_text import json_of_row
from batchfiles.cli.options import Command
from batchfiles.cli.progress import print_lines, screen
from batchfiles.layout import Screen, cut_in_front, visible, wrapped
from batchfiles.workers.worker import import_pyarrow

if TYPE_CHECKING:
    from batchfiles.table.preview import Preview

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
@click.option("-c", "--columns", metavar="A,B,…", help="Show only these columns, in this order.")
@click.option("--json", "as_json", is_flag=True, help="Print only the rows, as one JSON object a line.")
def show(file: str, *, count: int, columns: str | None, as_json: bool) -> None:
    """Show the first rows of a table or a batch file.

    FILE is a Parquet, Arrow, CSV or JSONL file (batch files too, also compressed), a folder of Parquet files, or - for JSONL, CSV
    or an Arrow stream on standard input. The format is detected from the content, and only the beginning is read.

    One or two rows, and rows in narrow terminals, are shown as records, others as a table with the columns that fit. Long values
    are cut with …; line ends and control characters are escaped. Columns that are not shown are listed at the end.

    \b
    Examples:
        batchfiles show results.parquet
        batchfiles show results.parquet -n 1
        batchfiles show results.parquet --columns custom_id,text --json | jq .text
        zcat batch_output.jsonl.gz | batchfiles show -

    \b
    Exit codes:
        0   done
        2   wrong usage: an unknown column, or not a table
        3   the file doesn't exist or is damaged
    """
    import_pyarrow()
    from batchfiles.table.preview import first_rows

    names = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    preview = first_rows(file, count, names)
    if as_json:
        for row in preview.rows:
            # In ASCII, without control characters.
            click.echo(json_of_row({name: row.get(name) for name in preview.columns}))
        return
    print_lines(_page(preview, screen(fallback=WIDTH), asked=names is not None))


def _page(preview: Preview, screen: Screen, *, asked: bool) -> list[str]:
    from batchfiles.cli.row_layout import lay_out

    width = screen.width or WIDTH
    layout = lay_out(preview.columns, preview.rows, width, asked=asked, screen=screen)
    notes = [line for note in layout.notes for line in wrapped(note, width, NOTE_LINES)]
    lines = wrapped(_header(preview, width), width, NOTE_LINES)
    for part in (layout.lines, notes):
        lines += ["", *part] if part else []
    return lines


def _header(preview: Preview, width: int) -> str:
    """Return the facts about a file: format, rows, columns, size, version."""
    parts = [preview.format if preview.files == 1 else f"{preview.files:,} {preview.format} files"]
    shown = len(preview.rows)
    if preview.row_count is None:
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
