"""A table of the user's own, read a piece at a time: Parquet, Arrow, CSV, JSONL, a folder of them, or a table in memory."""

from __future__ import annotations

import csv
import os
from codecs import getincrementaldecoder
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from batchfiles.errors import FileError, InvalidLine, Mismatch, TruncatedFile
from batchfiles.findings import Finding
from batchfiles.limits import LINE_CAP
from batchfiles.streams.lines import blocks
from batchfiles.streams.remote import RemotePath, located
from batchfiles.streams.sources import STDIN, Source, SourceLike, expand
from batchfiles.table.cells import plain_values
from batchfiles.table.exact_integers import loads_exactly
from batchfiles.table.recognition import FILE_MAGIC, PARQUET_MAGIC, STREAM_MAGIC, Peeked, is_csv, told_as_damage

__all__ = ["Choose", "RowTable", "TableLike", "UserTable", "table_sources", "user_tables"]

ROWS = 1024
"""Rows whose Python objects exist at one time."""

READ_AHEAD = 1024 * 1024
"""Bytes of a Parquet column to read at a time: somebody else's row group may be larger than memory."""

CHUNK = 1024 * 1024
"""Bytes of CSV that are decoded at a time."""

SUFFIXES = (".parquet", ".arrow", ".arrows", ".feather", ".csv", ".jsonl", ".ndjson")
COMPRESSED = ("", ".gz", ".bz2", ".zst", ".zstd")
ENDINGS = tuple(suffix + end for suffix in SUFFIXES for end in COMPRESSED)

NO_TABLE = f"the folder holds no table ({', '.join(SUFFIXES)})"

Row: TypeAlias = dict[str, Any]

Choose: TypeAlias = Callable[[list[str]], list[str]]
"""Gets the columns that there are and returns those to read."""

TableLike: TypeAlias = Any
"""A path, folder or glob, an open binary file, `-`, or anything with `__arrow_c_stream__`: a polars, pandas or pyarrow table, a
DuckDB relation."""


class UserTable:
    """One table whose columns have types: a Parquet or Arrow file, or a table in memory.

    Args:
        name: What errors call it.
        schema: Its columns.
        read: Yields record batches of the columns that are asked for.
    """

    def __init__(self, name: str, schema: pa.Schema, read: Callable[[list[str]], Iterable[pa.RecordBatch]]) -> None:
        self.name = name
        self.schema = schema
        self._read = read
        _check_names(schema.names, name)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield record batches of some columns, in their order.

        Raises:
            TruncatedFile: The file is damaged.
        """
        for batch in self._read(columns):
            yield batch if batch.schema.names == columns else batch.select(columns)

    def rows(self, choose: Choose) -> Iterator[Row]:
        """Yield the rows as JSON values of the columns that are chosen."""
        columns = choose(self.schema.names)
        for whole in self.batches(columns):
            for start in range(0, whole.num_rows, ROWS):
                batch = whole.slice(start, ROWS)
                cells = [self._values(column, name) for name, column in zip(columns, batch.columns, strict=True)]
                for row in zip(*cells, strict=True) if cells else [()] * batch.num_rows:
                    yield dict(zip(columns, row, strict=True))

    def _values(self, column: pa.Array, name: str) -> list[Any]:
        try:
            return plain_values(column)
        except (pa.ArrowException, ValueError, UnicodeDecodeError) as error:
            reason = str(error).partition("\n")[0]
        raise Mismatch(f"column {name!r} of type {column.type} has no JSON form: {reason}", path=self.name)


class RowTable:
    """One table whose columns have no types: a CSV file, all of whose cells are text, or a JSONL file.

    Args:
        name: What errors call it.
        rows: Yields the rows.
        columns: The columns, where the file names them first; None for JSONL, whose rows may differ.
    """

    def __init__(self, name: str, rows: Iterable[Row], columns: list[str] | None) -> None:
        self.name = name
        self.columns = columns
        self._rows = rows
        if columns is not None:
            _check_names(columns, name)

    def rows(self, choose: Choose) -> Iterator[Row]:
        """Yield the rows, whole."""
        if self.columns is not None:
            choose(self.columns)
        yield from self._rows


def user_tables(
    table: TableLike, *, cap: int = LINE_CAP, filesystem: object = None
) -> Generator[UserTable | RowTable, None, None]:
    """Open the tables that something stands for, one after the other, each until the next one is asked for.

    Args:
        table: A table, or a list of sources.
        cap: The longest line of a JSONL file.
        filesystem: The filesystem in which paths are paths, of `pyarrow.fs` or of fsspec; None takes the local one.

    Raises:
        FileError: A file is not there or can't be read.
        TruncatedFile: A file is damaged.
        Mismatch: A file is no table, or two of its columns have the same name.
        ValueError: Standard input holds a format that needs a file.
        TypeError: It is no table at all.
    """
    if hasattr(table, "__arrow_c_stream__"):
        reader = pa.RecordBatchReader.from_stream(table)
        yield UserTable("<table>", reader.schema, lambda columns: (batch.select(columns) for batch in reader))
        return
    for source in table_sources(table, filesystem=filesystem):
        yield from _opened(source, cap)


def table_sources(table: TableLike, *, filesystem: object = None) -> list[Source]:
    """Return the files that something stands for, a folder for the tables in it and in the folders below.

    Args:
        table: A path, folder or glob, an open binary file, `-`, or a list of them.
        filesystem: The filesystem in which paths are paths; None takes the local one.

    Raises:
        FileError: A file is not there, or a folder holds no table.
        TypeError: There is none, or something is no source at all.
        ValueError: A URL is wrong.
    """
    found: list[SourceLike] = []
    for item in table if isinstance(table, (list, tuple)) else [table]:
        is_path = isinstance(item, (str, os.PathLike, RemotePath)) and item != STDIN
        place = located(item, filesystem) if is_path else None
        if isinstance(place, RemotePath) and place.is_folder():
            found += _remote_files_of(place)
        elif isinstance(place, Path) and place.is_dir():
            found += _files_of(place)
        else:
            found.append(item)
    if not found:
        raise TypeError("there is no table to read")
    return expand(found, filesystem=filesystem)


def _files_of(folder: Path) -> list[Path]:
    """Return the tables in a folder and in the folders below, sorted by name."""
    files = [path for path in folder.rglob("*") if _is_table(path.relative_to(folder).parts) and path.is_file()]
    if not files:
        raise FileError(NO_TABLE, path=str(folder))
    return sorted(files)


def _remote_files_of(folder: RemotePath) -> list[RemotePath]:
    before = len(folder.path.strip("/")) + 1
    files = [
        path
        for path, info in folder.listing(recursive=True)
        if info.is_file and _is_table(path.path.strip("/")[before:].split("/"))
    ]
    if not files:
        raise FileError(NO_TABLE, path=folder.shown)
    return files


def _is_table(names: Sequence[str]) -> bool:
    """Tell by its path below a folder whether a file is a table; hidden ones, and those of Spark's own, are not."""
    return names[-1].lower().endswith(ENDINGS) and not any(name.startswith((".", "_")) for name in names)


def _opened(source: Source, cap: int) -> Iterator[UserTable | RowTable]:
    with source.open() as stream:
        peeked = Peeked(stream)
        if peeked.head.startswith((PARQUET_MAGIC, FILE_MAGIC)):
            if source.path is None and source.remote is None:
                raise ValueError("Parquet and Arrow files can't be read from standard input: name the file")
            with source.open_for_arrow() as raw, told_as_damage(source):
                yield _parquet(source, raw) if peeked.head.startswith(PARQUET_MAGIC) else _arrow_file(source, raw)
        elif peeked.head.startswith(STREAM_MAGIC):
            with told_as_damage(source):
                reader = pa.ipc.open_stream(pa.PythonFile(peeked, mode="r"))
                yield UserTable(source.name, reader.schema, lambda columns: (batch.select(columns) for batch in reader))
        elif source.name.lower().endswith((".parquet", ".arrow", ".arrows", ".feather")):
            raise TruncatedFile("the file does not begin as its name says", path=source.name)
        elif is_csv(source.name, peeked.head):
            yield _csv(source.name, peeked)
        else:
            yield RowTable(source.name, _json_rows(source.name, peeked, cap), None)


def _parquet(source: Source, raw: BinaryIO) -> UserTable:
    file = pq.ParquetFile(raw, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True)
    return UserTable(source.name, file.schema_arrow, lambda columns: file.iter_batches(batch_size=ROWS, columns=columns))


def _arrow_file(source: Source, raw: BinaryIO) -> UserTable:
    file = pa.ipc.open_file(raw if isinstance(raw, pa.NativeFile) else pa.PythonFile(raw, mode="r"))
    numbers = range(file.num_record_batches)
    return UserTable(source.name, file.schema, lambda columns: (file.get_batch(number).select(columns) for number in numbers))


def _csv(name: str, stream: Peeked) -> RowTable:
    csv.field_size_limit(LINE_CAP)  # of the whole process; the library's own is 128 KiB, less than many a text
    reader = csv.reader(_text_lines(name, stream), strict=True)
    header = next(iter(_csv_records(name, reader)), [])
    return RowTable(name, _csv_rows(name, reader, header), header)


def _csv_records(name: str, reader: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = str(error)
        else:
            yield record
            continue
        raise TruncatedFile(f"the CSV can't be read: {reason}", path=name)


def _csv_rows(name: str, reader: Iterator[list[str]], header: Sequence[str]) -> Iterator[Row]:
    """Yield rows of texts; an empty cell is null, for CSV has no other."""
    number = 0
    for record in _csv_records(name, reader):
        if not record:  # a blank line
            continue
        number += 1
        if len(record) != len(header):
            raise Mismatch(f"row {number} has {len(record)} cells, and the header has {len(header)}", path=name)
        yield {column: text or None for column, text in zip(header, record, strict=True)}


def _text_lines(name: str, stream: Peeked) -> Iterator[str]:
    r"""Yield lines with their ends as they are: a cell in quotes may hold `\r\n`."""
    decoder = getincrementaldecoder("utf-8-sig")()
    rest = ""
    while True:
        chunk = stream.read(CHUNK)
        try:
            text = rest + decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError:
            break
        lines = text.split("\n")
        rest = lines.pop()
        for line in lines:
            yield f"{line}\n"
        if not chunk:
            if rest:
                yield rest
            return
    raise Mismatch("the CSV is not UTF-8: convert it first, as with iconv -t utf-8", path=name)


def _json_rows(name: str, stream: Peeked, cap: int) -> Iterator[Row]:
    """Yield the objects of a JSONL file, integers beyond 64 bits as such: whoever uses one refuses it.

    Raises:
        InvalidLine: A line is no JSON object, or not strictly one.
    """
    findings: list[Finding] = []
    found = blocks(cast("BinaryIO", stream), name, findings.append, cap=cap)
    while True:
        block = next(found, None)
        if long := next((finding for finding in findings if finding.code == "line_too_long"), None):
            raise InvalidLine(long.message, code=long.code, path=name, line_number=long.line_number)
        if block is None:
            return
        for number, line in enumerate(block.lines, block.line_number):
            if not line.strip():
                continue
            yield _json_row(name, line, number)


def _json_row(name: str, line: bytes, number: int) -> Row:
    try:
        return loads_exactly(line)
    except InvalidLine as error:
        reason, code = error.reason, error.code
    raise InvalidLine(reason, code=code, path=name, line_number=number)


def _check_names(names: Sequence[str], path: str) -> None:
    """Make sure that a name means one column.

    Raises:
        Mismatch: Two columns have the same name.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise Mismatch(f"two columns are called {name!r}: which one is meant can't be told", path=path)
        seen.add(name)
