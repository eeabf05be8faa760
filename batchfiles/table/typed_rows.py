"""The user's tables as record batches; rows without types get those that hold all of their values.

CSV is text. A key of JSONL is bool, int64, float64 or string where all of its values are, and JSON text elsewhere: what reads
as a date or a number in a string stays a string.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

import pyarrow as pa

from batchfiles.codec import dumps, loads
from batchfiles.errors import FileError, InvalidLine
from batchfiles.limits import LINE_CAP
from batchfiles.streams.atomic import file_error
from batchfiles.streams.spool import Spool
from batchfiles.table.csv_cells import CSV_NULLS
from batchfiles.table.exact_integers import AS_TEXT, BEYOND, beyond_64_bits
from batchfiles.table.user_table import ROWS, RowTable, TableLike, user_tables

__all__ = ["typed_tables"]

INT64 = range(-(2**63), 2**63)
EXACT = 2**53
"""Above it a float64 has no room for every integer."""

Row = dict[str, Any]


def typed_tables(
    table: TableLike, spool: Spool, *, cap: int = LINE_CAP, filesystem: object = None, csv_nulls: Sequence[str] = CSV_NULLS
) -> Iterator[tuple[str, pa.Schema, Iterator[pa.RecordBatch]]]:
    """Yield each table's name, schema and record batches.

    Args:
        table: As for `user_tables`.
        spool: Where JSONL is kept between the pass that finds the types and the one that uses them.
        cap: The longest line of a JSONL file.
        filesystem: As for `user_tables`.
        csv_nulls: As for `user_tables`.

    Raises:
        BatchFilesError: As `user_tables`.
    """
    with closing(user_tables(table, cap=cap, filesystem=filesystem, csv_nulls=csv_nulls)) as opened:
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
        InvalidLine: It holds what can't be written; row and column are named.
    """
    try:
        return dumps(row) + b"\n"
    except InvalidLine as error:
        reason, code = f"row {number:,} {error.reason}", error.code
    if (place := beyond_64_bits(row)) is not None:
        reason, code = f"row {number:,} has {BEYOND} in {place[0]!r}: {AS_TEXT}", "integer_too_large"
    raise InvalidLine(reason, code=code, path=name, role="input")


TYPES = {
    "bool": pa.bool_(),
    "integer": pa.int64(),
    "large": pa.int64(),
    "number": pa.float64(),
    "text": pa.string(),
    "json": pa.string(),
}


def _kind(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Say what a value is; an integer that a float64 can't hold is `large`."""
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
