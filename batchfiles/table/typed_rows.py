"""The user's tables as record batches; rows without types get those that hold all of their values.

CSV is text. A key of JSONL is bool, int64, float64 or string where all of its values are, and JSON text elsewhere: what reads
as a date or a number in a string stays a string.

Rows of our own tables, which may come back rewritten: another program filtered them, changed types or wrote another format.

pandas makes a float of a count with nulls, SQLite has no bools, CSV has only text, and most engines drop the metadata. So each
column accepts all types that hold its values: `200.0` is the status 200, and `"true"` and `1` are true. Other values are
refused with file, column and type; no cell is guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import pyarrow as pa

from batchfiles.codec import dumps, loads
from batchfiles.errors import FileError, InvalidLineError, MismatchError
from batchfiles.io.remote_path import file_error
from batchfiles.io.temporary import Spool
from batchfiles.jsontext.edits import AS_TEXT, BEYOND, beyond_64_bits
from batchfiles.limits import LINE_CAP
from batchfiles.outcome import OUTCOMES
from batchfiles.table.csv import CSV_NULLS
from batchfiles.table.read import ROWS, RowTable, TableLike, UserTable, user_tables
from batchfiles.table.rows import REQUESTS

INT64 = range(-(2**63), 2**63)
EXACT = 2**53
"""Above it a float64 has no room for every integer."""

Row = dict[str, Any]


def typed_tables(
    table: TableLike,
    spool: Spool,
    *,
    max_line_bytes: int = LINE_CAP,
    filesystem: object = None,
    csv_nulls: Sequence[str] = CSV_NULLS,
) -> Iterator[tuple[str, pa.Schema, Iterator[pa.RecordBatch]]]:
    """Yield each table's name, schema and record batches.

    Args:
        table: As for `user_tables`.
        spool: Where JSONL is kept between the pass that finds the types and the one that uses them.
        max_line_bytes: The longest line of a JSONL file.
        filesystem: As for `user_tables`.
        csv_nulls: As for `user_tables`.

    Raises:
        BatchFilesError: As `user_tables`.
    """
    with closing(user_tables(table, max_line_bytes=max_line_bytes, filesystem=filesystem, csv_nulls=csv_nulls)) as opened:
        for each in opened:
            if not isinstance(each, RowTable):
                yield each.name, each.schema, each.batches(each.schema.names)
            elif each.columns is not None:
                schema = pa.schema([(name, pa.string()) for name in each.columns])
                yield each.name, schema, _batches(each.rows(lambda there: there), schema)
            else:
                yield from _typed(each, spool)


def _typed(table: RowTable, spool: Spool) -> Iterator[tuple[str, pa.Schema, Iterator[pa.RecordBatch]]]:
    """Find the types of a JSONL file's keys in one pass, and make its batches in another."""
    path = spool.new_path("table.jsonl")
    kinds: dict[str, str | None] = {}
    try:
        with path.open("xb") as copy:
            for number, row in enumerate(table.rows(lambda there: there), 1):
                for key, value in row.items():
                    kinds[key] = _wider(kinds.get(key), _kind(value))
                copy.write(_line(row, table.name, number))
    except FileError:
        raise
    except OSError as error:
        raise file_error(error, path) from None
    schema = pa.schema([(key, TYPES[kind or "text"]) for key, kind in kinds.items()])
    as_json = {key for key, kind in kinds.items() if kind == "json"}
    try:
        with path.open("rb") as copy:
            yield table.name, schema, _batches((_fitting(loads(line), as_json) for line in copy), schema)
    finally:
        path.unlink()


def _line(row: Row, name: str, number: int) -> bytes:
    """Return a row as it is kept between the passes.

    Raises:
        InvalidLineError: It holds what can't be written; row and column are named.
    """
    try:
        return dumps(row) + b"\n"
    except InvalidLineError as error:
        reason, code = f"row {number:,} {error.reason}", error.code
    if (place := beyond_64_bits(row)) is not None:
        reason, code = f"row {number:,} has {BEYOND} in {place[0]!r}: {AS_TEXT}", "integer_too_large"
    raise InvalidLineError(reason, code=code, path=name, role="input")


TYPES = {
    "bool": pa.bool_(),
    "integer": pa.int64(),
    "large": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
}


def _kind(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Return the kind of a value; an integer that a float64 can't hold is `large`."""
    if value is None:
        return None
    if type(value) is int:
        return "integer" if -EXACT <= value <= EXACT else "large" if value in INT64 else "json"
    return {bool: "bool", float: "number", str: "text"}.get(type(value), "json")


def _wider(one: str | None, other: str | None) -> str | None:
    """Return the kind that holds values of both."""
    if one is None or other is None or one == other:
        return one or other
    both = {one, other}
    if both == {"integer", "large"}:
        return "large"
    return "number" if both == {"integer", "number"} else "json"


def _fitting(row: Row, as_json: set[str]) -> Row:
    return {key: dumps(value).decode() if key in as_json and value is not None else value for key, value in row.items()}


def _batches(rows: Iterable[Row], schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    rows = iter(rows)
    while some := list(islice(rows, ROWS)):
        yield pa.RecordBatch.from_arrays(
            [pa.array([row.get(field.name) for row in some], field.type) for field in schema], schema=schema
        )


INTEGER: Final = re.compile(r"([+-]?[0-9]{1,19})(?:\.0*)?", re.ASCII)
"""How other programs write an integer as text: pandas writes `429.0` for a column that has nulls."""

BOOLS: Final = {"true": True, "1": True, "1.0": True, "false": False, "0": False, "0.0": False}


class _Unfit(Exception):
    """A value does not fit its column; the message names what the column needs."""


def own_rows(
    source: TableLike, columns: Iterable[str], *, needed: Mapping[str, str], max_line_bytes: int = LINE_CAP
) -> Iterator[dict[str, Any]]:
    """Yield the rows of a table that `join` or `export` made, as values of the types that its columns have.

    Args:
        source: A Parquet, Arrow, CSV or JSONL file, or a table in memory.
        columns: The columns to read; those that the file doesn't have are null.
        needed: Columns that must be there, each with the reason, which errors give.
        max_line_bytes: The longest line of a JSONL file.

    Raises:
        MismatchError: A column is missing, or holds a value of another type than it should: file, column, row and type are named.
        TruncatedFileError: The file is damaged.
        FileError: It can't be read.
    """
    wanted = list(columns)
    with closing(user_tables(source, max_line_bytes=max_line_bytes)) as tables:
        for table in tables:
            if isinstance(table, UserTable):
                yield from _of_batches(table, wanted, needed)
            else:
                yield from _of_rows(table, wanted, needed)


def _of_batches(table: UserTable, wanted: list[str], needed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    _check_columns(table.name, table.schema.names, needed)
    names = [name for name in wanted if name in table.schema.names]
    number = 0
    for whole in table.batches(names):
        for start in range(0, whole.num_rows, ROWS):
            batch = whole.slice(start, ROWS)
            cells = [_cells(table.name, batch.column(name), name, number) for name in names]
            for row in zip(*cells, strict=True):
                yield dict(zip(names, row, strict=True))
            number += batch.num_rows


def _of_rows(table: RowTable, wanted: list[str], needed: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    if table.columns is not None:
        _check_columns(table.name, table.columns, needed)
    for number, row in enumerate(table.rows(lambda there: there), 1):
        if table.columns is None:
            _check_columns(table.name, row, needed)
        yield {name: _cell(table.name, row[name], name, number, None) for name in wanted if name in row}


def _check_columns(name: str, there: Iterable[str], needed: Mapping[str, str]) -> None:
    missing = next((column for column in needed if column not in there), None)
    if missing is not None:
        raise MismatchError(f"has no column {missing}: {needed[missing]}", path=name)


def _cells(table: str, column: pa.Array, name: str, before: int) -> list[Any]:
    """Return the cells of one column; if its type is our own, they need no conversion."""
    kind = column.type
    values: list[Any] = column.to_pylist()
    if name not in READERS and kind == REQUESTS.get(name):
        return values
    return [_cell(table, value, name, number, kind) for number, value in enumerate(values, before + 1)]


def _cell(table: str, value: object, name: str, number: int, kind: pa.DataType | None) -> Any:  # noqa: ANN401 - by column
    try:
        return _reader_of(name)(value)
    except _Unfit as unfit:
        needs = str(unfit)
    of_type = "" if kind is None else f" of type {kind}"
    shown = repr(value)
    raise MismatchError(
        f"column {name!r}{of_type} has {shown if len(shown) <= 60 else f'{shown[:60]}…'} in row {number:,}, and {needs} is "
        "needed: write the table with the column types that `join` writes",
        path=table,
    )


def _reader_of(name: str) -> Callable[[object], Any]:
    return READERS.get(name) or BY_TYPE[REQUESTS.get(name, pa.string())]  # parse_error is a column of typed answers only


def _is_nan(value: object) -> bool:
    """Return whether a value is NaN, which is how pandas writes a null among numbers."""
    return isinstance(value, (float, Decimal)) and value != value


def _text(value: object) -> str | None:
    """Return a text; bytes count as text, because some programs lose the type (ClickHouse, Spark)."""
    if isinstance(value, bytes):
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise _Unfit("text") from None
    if type(value) is str or value is None:
        return value
    raise _Unfit("text")


def _text_or_nan(value: object) -> str | None:
    """Return a text; pandas changes a column without any text to one of numbers."""
    return None if _is_nan(value) else _text(value)


def _error_code(value: object) -> str | None:
    """Return a text; we write vLLM's numbers as digits, which other programs read as numbers again."""
    if isinstance(value, (int, float, Decimal)) and type(value) is not bool:
        number = _integer(value)
        return None if number is None else str(number)
    return _text(value)


def _outcome(value: object) -> str:
    found = _text(value)
    if found not in OUTCOMES:
        raise _Unfit(f"one of {', '.join(OUTCOMES)}")
    return found


def _integer(value: object, bits: int = 64) -> int | None:
    found: int | None = None
    if value is None or value == "" or _is_nan(value):
        return None
    if type(value) is int:
        found = value
    elif isinstance(value, (float, Decimal)) and -EXACT <= value <= EXACT and value == int(value):
        found = int(value)
    elif type(value) is str and (match := INTEGER.fullmatch(value.strip())):
        found = int(match[1])
    limit = 1 << (bits - 1)
    if found is None or not -limit <= found < limit:
        raise _Unfit(f"an integer of {bits} bits")
    return found


def _bool(value: object) -> bool:
    if type(value) is bool:
        return value
    if isinstance(value, (int, float, Decimal)) and value in (0, 1):
        return bool(value)
    if type(value) is str and (text := value.strip().lower()) in BOOLS:
        return BOOLS[text]
    raise _Unfit("true or false")


BY_TYPE: Final[dict[pa.DataType, Callable[[object], Any]]] = {
    pa.string(): _text_or_nan,
    pa.int32(): lambda value: _integer(value, 32),
    pa.int64(): _integer,
}

READERS: Final[dict[str, Callable[[object], Any]]] = {
    "custom_id": _text,  # null for a malformed request
    "outcome": _outcome,
    "retryable": _bool,
    "error_code": _error_code,
    "embedding_index": lambda value: _integer(value, 32),
    "flagged": lambda value: None if value is None or value == "" or _is_nan(value) else _bool(value),
}
"""Columns that are stricter, or less strict, than their type."""
