"""`batchfiles show`: look at the first rows of a table or a batch file."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import click

from batchfiles.cli.text import cut_in_front, json_of_row, visible, wrapped
from batchfiles.workers.worker import import_pyarrow

if TYPE_CHECKING:
    from batchfiles.table.preview import Preview

__all__ = ["show"]

FACTS = 60
MIN_NAME = 20
"""Columns that a file's name leaves to what is said of the file, and those that it gets at least."""

NOTE_LINES = 3
"""Lines that the names of what is not shown may take."""


@click.command(short_help="Look at the first rows of a table or a batch file.")
@click.argument("file")
@click.option(
    "-n", "--rows", "count", type=click.IntRange(min=0), default=10, show_default=True, metavar="N", help="How many rows."
)
@click.option("-c", "--columns", metavar="A,B,…", help="Only these columns, in this order.")
@click.option("--json", "as_json", is_flag=True, help="Print whole rows as JSON, one object a line, and nothing else.")
def show(file: str, *, count: int, columns: str | None, as_json: bool) -> None:
    """Look at the first rows of a table or a batch file.

    FILE is a Parquet or Arrow file, a CSV or JSONL file (batch files too, also compressed), a folder of them, or - for
    JSONL, CSV or an Arrow stream on standard input. The format is told by the content, and only the beginning is read.

    Few rows, and narrow terminals, are shown as records, the rest as a table of the columns that fit. Long values end with …,
    line ends and control characters are written out. What is not shown is named at the end.

    \b
    Examples:
        batchfiles show results.parquet
        batchfiles show results.parquet -n 1
        batchfiles show results.parquet --columns custom_id,text --json | jq .text
        zcat batch_output.jsonl.gz | batchfiles show -

    \b
    Exit codes:
        0   done
        2   wrong usage: no such column, or no table
        3   the file is not there, or damaged
    """  # noqa: D301 - click wants its \b
    import_pyarrow()
    from batchfiles.table.preview import first_rows

    names = [name.strip() for name in columns.split(",") if name.strip()] if columns is not None else None
    preview = first_rows(file, count, names)
    if as_json:
        for row in preview.rows:
            # In ASCII, so that it can't control a terminal.
            click.echo(json_of_row({name: row.get(name) for name in preview.columns}))
        return
    for line in _page(preview, shutil.get_terminal_size((100, 24)).columns, asked=names is not None):
        click.echo(line)


def _page(preview: Preview, width: int, *, asked: bool) -> list[str]:
    from batchfiles.cli.layout import lay_out

    layout = lay_out(preview.columns, preview.rows, width, asked=asked)
    notes = [line for note in layout.notes for line in wrapped(note, width, NOTE_LINES)]
    lines = wrapped(_header(preview, width), width, NOTE_LINES)
    for part in (layout.lines, notes):
        lines += ["", *part] if part else []
    return lines


def _header(preview: Preview, width: int) -> str:
    """Say what the file is: format, rows, columns, size, version."""
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
    return f"{cut_in_front(visible(preview.name), max(width - FACTS, MIN_NAME))}: {', '.join(parts)}"


def _size(count: int) -> str:
    for unit, power in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if count >= power:
            return f"{count / power:,.1f} {unit}"
    return f"{count} B"
