"""The first rows of a table or a batch file, whatever its format, without reading the rest."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import Any, BinaryIO, cast

import pyarrow as pa

from batchfiles.codec import loads
from batchfiles.errors import InvalidLineError, TruncatedFileError
from batchfiles.findings import Finding, instead_of
from batchfiles.io.lines import blocks
from batchfiles.io.remote.path import Place
from batchfiles.io.sources import Source, expand
from batchfiles.limits import LINE_CAP
from batchfiles.table.arrow import TextFile, opened_table
from batchfiles.table.cells import plain_values
from batchfiles.table.formats import Peeked
from batchfiles.table.logical_types import LogicalTypes
from batchfiles.table.read import tables_in

__all__ = ["MALFORMED", "Preview", "first_rows"]

NAMES = {"parquet": "Parquet", "arrow": "Arrow file", "arrows": "Arrow stream"}
"""What the formats are called."""

MALFORMED = "(malformed)"
"""The column with the reason why a line is not a JSON object."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The beginning of a file.

    Attributes:
        name: What the file is called.
        format: `Parquet`, `Arrow file`, `Arrow stream`, `JSONL` or `CSV`.
        columns: The names of the columns, in order.
        rows: The first rows, as JSON values by column.
        row_count: All rows of the file; None where that needs reading it.
        size: Bytes on disk; None for a pipe.
        schema_version: The version of our schema that the file was written with; None for other files.
        files: How many files there are, for a folder of parts.
    """

    name: str
    format: str
    columns: list[str]
    rows: list[dict[str, Any]]
    row_count: int | None = None
    size: int | None = None
    schema_version: str | None = None
    files: int = 1


def first_rows(name: str, count: int, columns: list[str] | None = None) -> Preview:
    """Read the first rows of a file.

    Args:
        name: A file, a folder of tables, or `-` for JSONL, CSV or an Arrow stream on standard input. Where a folder has Parquet
            files, the others are skipped.
        count: How many rows.
        columns: Which columns, in which order; None takes all.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The file is damaged.
        MismatchError: The file is not a table.
        ValueError: It has no column of that name, or standard input holds a format that needs a file.
    """
    folders: list[Place] = []

    def parts_of(folder: Place) -> list[Source]:
        folders.append(folder)
        found = tables_in(folder)
        return [source for source in found if source.name.endswith(".parquet")] or found

    sources = expand([name], files_of=parts_of)
    if folders:
        return _first_of_folder(str(folders[0]), sources, count, columns)
    return replace(_first_of_file(sources[0], count, columns), size=sources[0].size())


def _first_of_folder(name: str, parts: list[Source], count: int, columns: list[str] | None) -> Preview:
    previews: list[Preview] = []
    for part in parts:
        rows_left = count - sum(len(preview.rows) for preview in previews)
        if rows_left <= 0 and previews and previews[-1].row_count is None:
            break  # all rows are here, and their number would need reading
        previews.append(_first_of_file(part, max(rows_left, 0), columns))
    counts = [preview.row_count for preview in previews]
    return replace(
        previews[0],
        name=name,
        columns=list(dict.fromkeys(chain.from_iterable(preview.columns for preview in previews))),
        rows=[row for preview in previews for row in preview.rows],
        row_count=None if None in counts or len(previews) < len(parts) else sum(each or 0 for each in counts),
        size=sum(part.size() or 0 for part in parts),
        files=len(parts),
    )


def _first_of_file(source: Source, count: int, columns: list[str] | None) -> Preview:
    with opened_table(source) as file:
        if isinstance(file, TextFile):
            return (_csv if file.format == "csv" else _jsonl)(source, file.stream, count, columns)
        chosen = _chosen(columns, file.schema.names)
        types = LogicalTypes(source.name, file.schema, file.parquet, strict=False)
        batches = file.batches(chosen, max(count, 1))
        return _preview(source, NAMES[file.format], types, batches, chosen, count, file.row_count)


def _preview(
    source: Source,
    kind: str,
    types: LogicalTypes,
    batches: Iterable[pa.RecordBatch],
    columns: list[str],
    count: int,
    row_count: int | None,
) -> Preview:
    """Take rows from as few batches as needed."""
    rows: list[dict[str, Any]] = []
    batches = iter(batches)
    while len(rows) < count and (batch := next(batches, None)) is not None:
        part = batch.slice(0, count - len(rows))
        chosen = [part.column(part.schema.names.index(name)) for name in columns]  # two columns may have the same name
        part = types.converted(pa.RecordBatch.from_arrays(chosen, names=columns))
        cells = [plain_values(column, strict=False) for column in part.columns]
        rows += (dict(zip(columns, row, strict=True)) for row in zip(*cells, strict=True))
    version = (types.schema.metadata or {}).get(b"batchfiles.schema_version")
    return Preview(
        name=source.name,
        format=kind,
        columns=columns,
        rows=rows,
        row_count=_all_of(rows, count) if row_count is None else row_count,
        schema_version=version.decode(errors="replace") if version else None,
    )


def _all_of(rows: list[dict[str, Any]], count: int) -> int | None:
    """Return how many rows the file has, if fewer came than were asked for."""
    return len(rows) if len(rows) < count else None


def _chosen(wanted: list[str] | None, there: list[str]) -> list[str]:
    """Check the requested names against those of the table."""
    if wanted is None:
        return there
    for name in wanted:
        if name not in there:
            raise ValueError(f"unknown column {name!r}{instead_of(name, there)}")
    return wanted


def _lines(source: Source, stream: Peeked) -> Iterator[bytes | Finding]:
    """Yield the lines, and a finding for each that is too long; other findings are left to `validate`."""
    findings: list[Finding] = []
    for block in blocks(cast("BinaryIO", stream), source.name, findings.append):
        yield from _too_long(findings)
        yield from block.lines
    yield from _too_long(findings)


def _too_long(findings: list[Finding]) -> Iterator[Finding]:
    yield from (finding for finding in findings if finding.code == "line_too_long")
    findings.clear()


def _jsonl(source: Source, stream: Peeked, count: int, columns: list[str] | None) -> Preview:
    lines = (line for line in _lines(source, stream) if isinstance(line, Finding) or line.strip())
    rows = [_decoded(line) for line in islice(lines, count)]
    names = list(dict.fromkeys(chain.from_iterable(rows)))
    chosen = _chosen(columns, names) if rows else names
    return Preview(name=source.name, format="JSONL", columns=chosen, rows=rows, row_count=_all_of(rows, count))


def _decoded(line: bytes | Finding) -> dict[str, Any]:
    if isinstance(line, Finding):
        return {MALFORMED: line.message}
    try:
        return loads(line)
    except InvalidLineError as error:
        return {MALFORMED: error.reason}


def _csv_text(line: bytes | Finding) -> str:
    if isinstance(line, Finding):
        raise TruncatedFileError(line.message, path=line.path, line_number=line.line_number)
    return f"{line.decode(errors='replace')}\n"


def _csv(source: Source, stream: Peeked, count: int, columns: list[str] | None) -> Preview:
    csv.field_size_limit(LINE_CAP)  # of the whole process; the library's own is 128 KiB, less than many an answer
    texts = (_csv_text(line) for line in _lines(source, stream))
    try:
        reader = csv.reader(texts)
        header = next(reader, [])
        rows = [{name: text or None for name, text in zip(header, row, strict=False)} for row in islice(reader, count)]
    except csv.Error as error:
        reason = str(error)
    else:
        chosen = _chosen(columns, header)
        return Preview(name=source.name, format="CSV", columns=chosen, rows=rows, row_count=_all_of(rows, count))
    raise TruncatedFileError(f"the CSV can't be read: {reason}", path=source.name)
