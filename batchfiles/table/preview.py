"""The first rows of a table or a batch file, whatever its format, without reading the rest."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import chain, islice
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa
import pyarrow.parquet as pq

from batchfiles.codec import loads
from batchfiles.errors import FileError, InvalidLineError, TruncatedFileError
from batchfiles.findings import Finding, instead_of
from batchfiles.io.lines import blocks
from batchfiles.io.remote.path import RemotePath, located
from batchfiles.io.sources import STDIN, Source, expand
from batchfiles.limits import LINE_CAP
from batchfiles.table.cells import plain_values
from batchfiles.table.csv import FILE_MAGIC, PARQUET_MAGIC, STREAM_MAGIC, Peeked, is_csv, told_as_damage
from batchfiles.table.logical_types import LogicalTypes

__all__ = ["MALFORMED", "Preview", "first_rows"]

READ_AHEAD = 1024 * 1024
"""Bytes of a Parquet column to read at a time: somebody else's row group may be larger than memory."""

MALFORMED = "(malformed)"
"""The column in which a line that is no JSON object says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """The beginning of a file.

    Attributes:
        name: What the file is called.
        format: `Parquet`, `Arrow file`, `Arrow stream`, `JSONL` or `CSV`.
        columns: The names of the columns, in order.
        rows: The first rows, as JSON values by column.
        row_count: All rows of the file; None where only reading it would tell.
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
        name: A file, a folder of Parquet files, or `-` for JSONL, CSV or an Arrow stream on standard input.
        count: How many rows.
        columns: Which columns, in which order; None takes all.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The file is damaged.
        MismatchError: The file is no table.
        ValueError: It has no column of that name, or standard input holds a format that needs a file.
    """
    place = None if name == STDIN else located(name)
    if place is not None and (parts := _parts(place)):
        return _first_of_folder(str(place), parts, count, columns)
    source = expand([name])[0]
    found = _first_of_file(source, count, columns)
    return replace(found, size=source.size())


def _parts(place: Path | RemotePath) -> list[Source]:
    """Return the Parquet files of a folder; none if it is a file.

    Raises:
        FileError: It is a folder that holds none.
    """
    if not (place.is_folder() if isinstance(place, RemotePath) else place.is_dir()):
        return []
    if isinstance(place, RemotePath):
        found = [Source(path.shown, remote=path) for path, info in place.listing(recursive=True) if info.is_file]
    else:
        found = [Source(str(path), path=path) for path in sorted(place.rglob("*.parquet"))]
    names = ((source, source.file_name or "") for source in found)
    parts = [source for source, name in names if name.endswith(".parquet") and not name.startswith((".", "_"))]
    if not parts:
        raise FileError("the folder holds no .parquet file; name one of its files", path=str(place))
    return parts


def _first_of_folder(name: str, parts: list[Source], count: int, columns: list[str] | None) -> Preview:
    previews = [_parquet(parts[0], count, columns)]
    for part in parts[1:]:
        rows_so_far = sum(len(preview.rows) for preview in previews)
        previews.append(_parquet(part, count - rows_so_far, columns))
    return replace(
        previews[0],
        name=name,
        rows=[row for preview in previews for row in preview.rows],
        row_count=sum(preview.row_count or 0 for preview in previews),
        size=sum(part.size() or 0 for part in parts),
        files=len(parts),
    )


def _first_of_file(source: Source, count: int, columns: list[str] | None) -> Preview:
    with source.open(tables=True) as stream:
        peeked = Peeked(stream)
        head = peeked.head
        if head.startswith((PARQUET_MAGIC, FILE_MAGIC)):
            read = _parquet if head.startswith(PARQUET_MAGIC) else _arrow_file
            if source.path is None and source.remote is None:
                raise ValueError("Parquet and Arrow files can't be read from standard input: name the file")
            return read(source, count, columns)
        if head.startswith(STREAM_MAGIC):
            return _arrow_stream(source, peeked, count, columns)
        if source.name.lower().endswith((".parquet", ".arrow", ".arrows")):
            raise TruncatedFileError("the file does not begin as its name says", path=source.name)
        read_text = _csv if is_csv(source.name, head) else _jsonl
        return read_text(source, peeked, count, columns)


def _parquet(source: Source, count: int, columns: list[str] | None) -> Preview:
    with source.open_for_arrow() as raw, told_as_damage(source):
        file = pq.ParquetFile(raw, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True)
        chosen = _chosen(columns, file.schema_arrow.names)
        batches = file.iter_batches(batch_size=count, columns=chosen) if count > 0 else ()
        types = LogicalTypes(source.name, file.schema_arrow, file.schema, strict=False)
        return _preview(source, "Parquet", types, batches, chosen, count, file.metadata.num_rows)


def _arrow_file(source: Source, count: int, columns: list[str] | None) -> Preview:
    with source.open_for_arrow() as raw, told_as_damage(source):
        file = pa.ipc.open_file(raw if isinstance(raw, pa.NativeFile) else pa.PythonFile(raw, mode="r"))
        batches = (file.get_batch(number) for number in range(file.num_record_batches))
        count_rows = getattr(file, "count_rows", lambda: None)  # younger than our floor of pyarrow
        return _preview(
            source, "Arrow file", _types(source, file.schema), batches, _chosen(columns, file.schema.names), count, count_rows()
        )


def _arrow_stream(source: Source, stream: Peeked, count: int, columns: list[str] | None) -> Preview:
    with told_as_damage(source):
        reader = pa.ipc.open_stream(pa.PythonFile(stream, mode="r"))
        return _preview(
            source, "Arrow stream", _types(source, reader.schema), reader, _chosen(columns, reader.schema.names), count, None
        )


def _types(source: Source, schema: pa.Schema) -> LogicalTypes:
    return LogicalTypes(source.name, schema, strict=False)


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
