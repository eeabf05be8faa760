"""A table of the user's own, read a piece at a time: Parquet, Arrow, CSV, JSONL, a folder of them, or a table in memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, BinaryIO, TypeAlias, cast

import pyarrow as pa
import pyarrow.parquet as pq

from batchfiles.errors import FileError, InvalidLineError, MismatchError
from batchfiles.findings import Finding
from batchfiles.io.lines import blocks
from batchfiles.io.remote_path import Place, RemotePath, files_in
from batchfiles.io.sources import Source, expand
from batchfiles.jsontext.edits import loads_exactly
from batchfiles.limits import LINE_CAP
from batchfiles.table.cells import TimeOutOfRange, plain_values
from batchfiles.table.csv import CSV_NULLS, CsvCells
from batchfiles.table.logical_types import LogicalTypes
from batchfiles.table.open import SUFFIXES, ArrowFile, Peeked, damage_as_file_error, endings_of, opened_table

ROWS = 1024
"""Rows whose Python objects exist at one time."""

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
        with nullcontext() if self._source is None else damage_as_file_error(self._source):
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
    """Open tables one after the other, each until the next one is asked for.

    Args:
        table: A table, or a list of sources.
        max_line_bytes: The longest line of a JSONL file.
        filesystem: The filesystem in which paths are paths, of `pyarrow.fs` or of fsspec; None takes the local one.
        csv_nulls: What null is in CSV, as for `CsvCells`.

    Raises:
        FileError: A file is not there or can't be read.
        TruncatedFileError: A file is damaged.
        MismatchError: A file is not a table, or two of its columns have the same name.
        ValueError: Standard input holds a format that needs a file.
        TypeError: It is not a table at all.
    """
    if hasattr(table, "__arrow_c_stream__"):
        with refused_by_pyarrow():
            reader = pa.RecordBatchReader.from_stream(table)
        yield UserTable("<table>", reader.schema, lambda _: reader)
        return
    for source in table_sources(table, filesystem=filesystem):
        yield from _opened(source, max_line_bytes, csv_nulls)


@contextmanager
def refused_by_pyarrow() -> Iterator[None]:
    """Turn errors of pyarrow about a table in memory into a `MismatchError`."""
    try:
        yield
    except pa.ArrowException as error:
        reason = str(error).partition("\n")[0]
        raise MismatchError(f"pyarrow {pa.__version__} can't read this table: {reason}", path="<table>") from None


def table_sources(table: TableLike, *, filesystem: object = None) -> list[Source]:
    """Return the files of tables; a folder means the tables in it and in the folders below.

    Args:
        table: A path, folder or glob, an open binary file, `-`, or a list of them.
        filesystem: The filesystem in which paths are paths; None takes the local one.

    Raises:
        FileError: A file is not there, or a folder holds no table.
        TypeError: There is none, or something is not a source.
        ValueError: A URL is wrong.
    """
    items = list(table) if isinstance(table, (list, tuple)) else [table]
    for item in items:
        if not isinstance(item, (str, os.PathLike, RemotePath, Source)) and not hasattr(item, "read"):
            raise TypeError(_no_table(item))
    if not items:
        raise TypeError("there is no table to read")
    return expand(items, filesystem=filesystem, files_of=tables_in)


def _no_table(value: object) -> str:
    """Return a message about a value that is not a table, and how to convert it."""
    kind = type(value)
    origin = f"{kind.__module__.partition('.')[0]}.{kind.__name__}"
    cure = next(
        (words for sign, words in CURES.items() if origin == sign or (sign.startswith(".") and hasattr(value, sign[1:]))), ""
    )
    return f"a table is a path, an open binary file, '-' or an object with __arrow_c_stream__, not {origin}{cure and f': {cure}'}"


def tables_in(folder: Place) -> list[Source]:
    """Return the tables in a folder and in the folders below, sorted by name.

    Raises:
        FileError: There are none, or the folder can't be listed.
    """
    files = [Source.at(file.place) for file in files_in(folder, recursive=True) if _is_table(file.parts)]
    if not files:
        raise FileError(NO_TABLE, path=str(folder))
    return files


def _is_table(names: Sequence[str]) -> bool:
    """Predicate: is this file in a folder a table, by its path? Hidden files and Spark's own files are not."""
    return names[-1].lower().endswith(endings_of(SUFFIXES)) and not any(name.startswith((".", "_")) for name in names)


def _opened(source: Source, max_line_bytes: int, csv_nulls: Sequence[str]) -> Iterator[UserTable | RowTable]:
    with opened_table(source) as file:
        if isinstance(file, ArrowFile):
            yield UserTable(source.name, file.schema, lambda columns: file.batches(columns, ROWS, None), source, file.parquet)
        elif file.format == "csv":
            yield _csv(source.name, file.stream, csv_nulls)
        else:
            yield RowTable(source.name, _json_rows(source.name, file.stream, max_line_bytes), None)


def _csv(name: str, stream: Peeked, nulls: Sequence[str]) -> RowTable:
    cells = CsvCells(name, stream, nulls)
    return RowTable(name, cells.rows(), cells.header, cells)


def _json_rows(name: str, stream: Peeked, max_line_bytes: int) -> Iterator[Row]:
    """Yield the objects of a JSONL file, integers beyond 64 bits as such: code that uses one refuses it.

    Raises:
        InvalidLineError: A line is not a JSON object, or not strictly one.
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
            raise MismatchError(f"two columns are called {name!r}: which one is meant is not clear", path=path)
        seen.add(name)
