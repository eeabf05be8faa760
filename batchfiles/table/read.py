"""A table of the user's own, read a piece at a time: Parquet, Arrow, CSV, JSONL, a folder of them, or a table in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from batchfiles.errors import FileError, InvalidLineError, MismatchError, TruncatedFileError
from batchfiles.findings import Finding
from batchfiles.io.lines import blocks
from batchfiles.io.remote.path import RemotePath, located
from batchfiles.io.sources import STDIN, Source, SourceLike, expand
from batchfiles.jsontext.exact import loads_exactly
from batchfiles.limits import LINE_CAP
from batchfiles.table.cells import TimeOutOfRange, plain_values
from batchfiles.table.csv import CSV_NULLS, FILE_MAGIC, PARQUET_MAGIC, STREAM_MAGIC, CsvCells, Peeked, is_csv, told_as_damage
from batchfiles.table.logical_types import LogicalTypes

__all__ = ["Choose", "RowTable", "TableLike", "UserTable", "column_values", "table_sources", "user_tables"]

ROWS = 1024
"""Rows whose Python objects exist at one time."""

READ_AHEAD = 1024 * 1024
"""Bytes of a Parquet column to read at a time: somebody else's row group may be larger than memory."""

SUFFIXES = (".parquet", ".arrow", ".arrows", ".feather", ".csv", ".jsonl", ".ndjson")
COMPRESSED = ("", ".gz", ".bz2", ".zst", ".zstd")
ENDINGS = tuple(suffix + end for suffix in SUFFIXES for end in COMPRESSED)

NO_TABLE = f"the folder holds no table ({', '.join(SUFFIXES)})"

CURES = {
    "polars.LazyFrame": "call .collect() first",
    "builtins.dict": "make a table of it with pyarrow.table(columns), or pyarrow.Table.from_pylist(rows) for a list of dicts",
    ".to_table": "call .to_table() first",  # Dataset and Scanner of pyarrow, Lance, Delta Lake
    ".toArrow": "call .toArrow() first",  # PySpark
    ".to_arrow": "call .to_arrow() first",
    ".to_pandas": "call .to_pandas() first",
    ".compute": "call .compute() first",  # Dask
}
"""How to convert other objects to a table: by their type, or by a method."""

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
        source: The file that it is; None for a table in memory.
        parquet: The Parquet schema of the file; None for others.
    """

    def __init__(
        self,
        name: str,
        schema: pa.Schema,
        read: Callable[[list[str]], Iterable[pa.RecordBatch]],
        source: Source | None = None,
        parquet: pq.ParquetSchema | None = None,
    ) -> None:
        self.name = name
        self._types = LogicalTypes(name, schema, parquet)
        self.schema = self._types.schema
        self._read = read
        self._source = source
        _check_names(schema.names, name)

    def batches(self, columns: list[str]) -> Iterator[pa.RecordBatch]:
        """Yield record batches of some columns, in their order.

        Raises:
            TruncatedFileError: The file is damaged.
            MismatchError: A column is of a type that has no text, or that pyarrow can't read.
        """
        with nullcontext() if self._source is None else told_as_damage(self._source):
            for batch in self._read(columns):
                yield self._types.converted(batch if batch.schema.names == columns else batch.select(columns))

    def rows(self, choose: Choose) -> Iterator[Row]:
        """Yield the rows as JSON values of the columns that are chosen."""
        columns = choose(self.schema.names)
        number = 0
        for whole in self.batches(columns):
            for start in range(0, whole.num_rows, ROWS):
                batch = whole.slice(start, ROWS)
                cells = [column_values(batch.column(name), name, self.name, number) for name in columns]
                for row in zip(*cells, strict=True) if cells else [()] * batch.num_rows:
                    yield dict(zip(columns, row, strict=True))
                number += batch.num_rows


def column_values(column: pa.Array, name: str, table: str, before: int) -> list[Any]:
    """Return the cells of a column as JSON values.

    Args:
        column: The cells.
        name: What the column is called.
        table: What the table is called.
        before: Rows of the table before these.

    Raises:
        InvalidLineError: A time is out of range; row and column are named.
        MismatchError: Values of such a type have no JSON form.
    """
    try:
        return plain_values(column)
    except TimeOutOfRange as error:
        place, code = f"row {before + error.row + 1:,} has {error.reason}, in {name!r}", error.code
    except (pa.ArrowException, ValueError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0]
        raise MismatchError(f"column {name!r} of type {column.type} has no JSON form: {reason}", path=table) from None
    raise InvalidLineError(place, code=code, path=table, role="input")


class RowTable:
    """One table whose columns have no types: a CSV file, all of whose cells are text, or a JSONL file.

    Args:
        name: What errors call it.
        rows: Yields the rows.
        columns: The columns, where the file names them first; None for JSONL, whose rows may differ.
        csv: What knows more about the cells of a CSV file; None for JSONL.
    """

    def __init__(self, name: str, rows: Iterable[Row], columns: list[str] | None, csv: CsvCells | None = None) -> None:
        self.name = name
        self.csv = csv
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
    table: TableLike, *, max_line_bytes: int = LINE_CAP, filesystem: object = None, csv_nulls: Sequence[str] = CSV_NULLS
) -> Generator[UserTable | RowTable, None, None]:
    """Open the tables that something stands for, one after the other, each until the next one is asked for.

    Args:
        table: A table, or a list of sources.
        max_line_bytes: The longest line of a JSONL file.
        filesystem: The filesystem in which paths are paths, of `pyarrow.fs` or of fsspec; None takes the local one.
        csv_nulls: What null is in CSV, as for `CsvCells`.

    Raises:
        FileError: A file is not there or can't be read.
        TruncatedFileError: A file is damaged.
        MismatchError: A file is no table, or two of its columns have the same name.
        ValueError: Standard input holds a format that needs a file.
        TypeError: It is no table at all.
    """
    if hasattr(table, "__arrow_c_stream__"):
        try:
            reader = pa.RecordBatchReader.from_stream(table)
        except pa.ArrowException as error:
            reason = str(error).partition("\n")[0]
            raise MismatchError(f"pyarrow {pa.__version__} can't read this table: {reason}", path="<table>") from None
        yield UserTable("<table>", reader.schema, lambda columns: (batch.select(columns) for batch in reader))
        return
    for source in table_sources(table, filesystem=filesystem):
        yield from _opened(source, max_line_bytes, csv_nulls)


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
        is_path = isinstance(item, (str, os.PathLike, RemotePath))
        place = located(item, filesystem) if is_path and item != STDIN else None
        if isinstance(place, RemotePath) and place.is_folder():
            found += _remote_files_of(place)
        elif isinstance(place, Path) and place.is_dir():
            found += _files_of(place)
        elif is_path or isinstance(item, Source) or hasattr(item, "read"):
            found.append(item)
        else:
            raise TypeError(_no_table(item))
    if not found:
        raise TypeError("there is no table to read")
    return expand(found, filesystem=filesystem)


def _no_table(value: object) -> str:
    """Return a message about a value that is not a table, and how to convert it."""
    kind = type(value)
    origin = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    cure = next(
        (words for sign, words in CURES.items() if origin == sign or (sign.startswith(".") and hasattr(value, sign[1:]))), ""
    )
    return f"a table is a path, an open binary file, '-' or an object with __arrow_c_stream__, not {origin}{cure and f': {cure}'}"


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


def _opened(source: Source, max_line_bytes: int, csv_nulls: Sequence[str]) -> Iterator[UserTable | RowTable]:
    with source.open(tables=True) as stream:
        peeked = Peeked(stream)
        if peeked.head.startswith((PARQUET_MAGIC, FILE_MAGIC)):
            if source.path is None and source.remote is None:
                raise ValueError("Parquet and Arrow files can't be read from standard input: name the file")
            with source.open_for_arrow() as raw, told_as_damage(source):
                yield _parquet(source, raw) if peeked.head.startswith(PARQUET_MAGIC) else _arrow_file(source, raw)
        elif peeked.head.startswith(STREAM_MAGIC):
            with told_as_damage(source):
                reader = pa.ipc.open_stream(pa.PythonFile(peeked, mode="r"))
                yield UserTable(source.name, reader.schema, lambda columns: (batch.select(columns) for batch in reader), source)
        elif source.name.lower().endswith((".parquet", ".arrow", ".arrows", ".feather")):
            raise TruncatedFileError("the file does not begin as its name says", path=source.name)
        elif is_csv(source.name, peeked.head):
            yield _csv(source.name, peeked, csv_nulls)
        else:
            yield RowTable(source.name, _json_rows(source.name, peeked, max_line_bytes), None)


def _parquet(source: Source, raw: BinaryIO) -> UserTable:
    file = pq.ParquetFile(raw, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True)
    return UserTable(
        source.name,
        file.schema_arrow,
        lambda columns: file.iter_batches(batch_size=ROWS, columns=columns),
        source,
        file.schema,
    )


def _arrow_file(source: Source, raw: BinaryIO) -> UserTable:
    file = pa.ipc.open_file(raw if isinstance(raw, pa.NativeFile) else pa.PythonFile(raw, mode="r"))
    numbers = range(file.num_record_batches)
    return UserTable(
        source.name, file.schema, lambda columns: (file.get_batch(number).select(columns) for number in numbers), source
    )


def _csv(name: str, stream: Peeked, nulls: Sequence[str]) -> RowTable:
    cells = CsvCells(name, stream, nulls)
    return RowTable(name, cells.rows(), cells.header, cells)


def _json_rows(name: str, stream: Peeked, max_line_bytes: int) -> Iterator[Row]:
    """Yield the objects of a JSONL file, integers beyond 64 bits as such: whoever uses one refuses it.

    Raises:
        InvalidLineError: A line is no JSON object, or not strictly one.
    """
    findings: list[Finding] = []
    found = blocks(cast("BinaryIO", stream), name, findings.append, max_line_bytes=max_line_bytes)
    while True:
        block = next(found, None)
        if long := next((finding for finding in findings if finding.code == "line_too_long"), None):
            raise InvalidLineError(long.message, code=long.code, path=name, line_number=long.line_number)
        if block is None:
            return
        for number, line in enumerate(block.lines, block.line_number):
            if not line.strip():
                continue
            yield _json_row(name, line, number)


def _json_row(name: str, line: bytes, number: int) -> Row:
    try:
        return loads_exactly(line)
    except InvalidLineError as error:
        reason, code = error.reason, error.code
    raise InvalidLineError(reason, code=code, path=name, line_number=number)


def _check_names(names: Sequence[str], path: str) -> None:
    """Make sure that a name means one column.

    Raises:
        MismatchError: Two columns have the same name.
    """
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise MismatchError(f"two columns are called {name!r}: which one is meant can't be told", path=path)
        seen.add(name)
