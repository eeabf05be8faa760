"""Conditions on rows, such as `outcome = 'failed' and output_tokens > 100`, as expressions of pyarrow.

Texts are compared with texts, and numbers with numbers. In CSV and JSONL, which have no types, a text can also be a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from batchfiles.codec import dumps
from batchfiles.findings import instead_of
from batchfiles.table.conditions import Column, Kind, Parser, WhereError

__all__ = ["Where", "WhereError"]


class Where:
    """A condition on rows.

    Args:
        text: The condition.

    Raises:
        WhereError: It can't be read.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self._root = Parser(text).condition()

    @classmethod
    def of_id(cls, custom_id: str) -> Where:
        """Return the condition that rows have this `custom_id`."""
        escaped = custom_id.replace("'", "''")
        return cls(f"custom_id = '{escaped}'")

    @property
    def columns(self) -> list[Column]:
        """The columns that the condition names, each once."""
        return list({test.column.name: test.column for test in self._root.tests()}.values())

    def texts(self, column: str) -> list[str]:
        """Return the texts that a column is compared with, without those of long lists."""
        return [test.value for test in self._root.tests() if test.column.name == column and isinstance(test.value, str)]

    def expression(self, schema: pa.Schema) -> pc.Expression:
        """Return the condition for a table of this schema.

        Raises:
            WhereError: A column doesn't exist, or has another type than the value.
        """
        return self._root.expression(lambda column, kind: self._typed(column, kind, schema))

    def _typed(self, column: Column, kind: Kind, schema: pa.Schema) -> pc.Expression:
        path, found = self._found(column, schema)
        field = pc.field(*path)
        if kind == "any":
            return field
        if pa.types.is_dictionary(found):
            found = found.value_type
            field = field.cast(found)
        if kind == "text" and (pa.types.is_temporal(found) or _is_text(found)):
            return field if _is_text(found) and not _is_view(found) else field.cast(pa.string())
        if kind == "number" and (pa.types.is_integer(found) or pa.types.is_floating(found)):
            return field
        if kind == "number" and pa.types.is_decimal(found):
            return field.cast(pa.float64())
        if kind == "bool" and pa.types.is_boolean(found):
            return field
        wanted = {"text": "a text in quotes", "number": "a number", "bool": "true or false"}[kind]
        words = f"column {column.name!r} is of type {found}, and can't be compared with {wanted}"
        raise WhereError(self.text, column.position, words)

    def _found(self, column: Column, schema: pa.Schema) -> tuple[list[str], pa.DataType]:
        """Find a column by its name, or a field in it by its path."""
        if column.name in schema.names:
            return [column.name], schema.field(column.name).type
        head, *rest = column.name.split(".")
        if rest and head in schema.names:
            found = schema.field(head).type
            for name in rest:
                if not pa.types.is_struct(found) or found.get_field_index(name) < 0:
                    break
                found = found.field(name).type
            else:
                return [head, *rest], found
        raise self._unknown(column, schema.names)

    def _unknown(self, column: Column, names: Sequence[str]) -> WhereError:
        return WhereError(self.text, column.position, f"unknown column {column.name!r}{instead_of(column.name, names)}")

    def check_names(self, names: Sequence[str]) -> None:
        """Check the columns of a table of text.

        Raises:
            WhereError: A column doesn't exist.
        """
        for column in self.columns:
            if column.name not in names and column.name.partition(".")[0] not in names:
                raise self._unknown(column, names)

    def absent(self, rows: Sequence[dict[str, Any]]) -> set[str]:
        """Return the paths into columns that none of these rows of text has."""
        paths = {column.name for column in self.columns if "." in column.name}
        return {path for path in paths if all(_cell(row, path, ABSENT) is ABSENT for row in rows)}

    def heads(self, names: Sequence[str]) -> list[str]:
        """Return the columns of a table that are read for the condition, in their order."""
        wanted = {column.name if column.name in names else column.name.partition(".")[0] for column in self.columns}
        return [name for name in names if name in wanted]

    def among(self, table: pa.Table | pa.RecordBatch, schema: pa.Schema | None = None) -> list[int]:
        """Return the numbers of the rows that fulfil the condition, from 0."""
        expression = self.expression(table.schema if schema is None else schema)
        heads = self.heads(table.schema.names)
        numbers = pa.array(range(table.num_rows), pa.int64())
        read = pa.table([*(table.column(name) for name in heads), numbers], names=[*heads, NUMBER])
        kept: list[int] = read.filter(expression).column(NUMBER).to_pylist()
        return kept

    def among_rows(self, rows: Sequence[dict[str, Any]]) -> list[int]:
        """Return the numbers of the rows of text that fulfil the condition, from 0: a text may be a number."""
        wanted = {(test.column.name, test.kind) for test in self._root.tests()}
        cells = {_key(name, kind): _array([_cell(row, name) for row in rows], kind) for name, kind in wanted}
        numbers = pa.array(range(len(rows)), pa.int64())
        read = pa.table([*cells.values(), numbers], names=[*cells, NUMBER])
        expression = self._root.expression(lambda column, kind: pc.field(_key(column.name, kind)))
        kept: list[int] = read.filter(expression).column(NUMBER).to_pylist()
        return kept


NUMBER: Final = "\0number"
"""The name of the column with row numbers."""


def _key(name: str, kind: Kind) -> str:
    return f"{name}\0{kind}"


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or _is_view(kind))


def _is_view(kind: pa.DataType) -> bool:
    return str(kind) == "string_view"


ABSENT: Final = object()


def _cell(row: dict[str, Any], name: str, default: object = None) -> Any:  # noqa: ANN401 - any JSON value
    """Return the value of a column, or of a path in it; the default if the row has neither."""
    if name in row:
        return row[name]
    found: Any = row
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return default
        found = found[part]
    return found


def _array(values: list[Any], kind: Kind) -> pa.Array:
    if kind == "any":
        return pa.array([None if value is None else True for value in values], pa.bool_())
    if kind == "bool":
        return pa.array([BOOLS.get(value) if isinstance(value, (str, bool)) else None for value in values], pa.bool_())
    if kind == "text":
        return pa.array([_text(value) for value in values], pa.string())
    numbers = list(map(_number, values))
    try:
        return pa.array([None if each is None else int(each) if each == int(each) else 1 / 0 for each in numbers], pa.int64())
    except (ArithmeticError, ValueError, pa.ArrowException):
        return pa.array([None if each is None else float(each) for each in numbers], pa.float64())


BOOLS: Final[dict[str | bool, bool]] = {True: True, False: False, "true": True, "false": False, "True": True, "False": False}


def _text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    if value is None or isinstance(value, str):
        return value
    return dumps(value).decode()


def _number(value: Any) -> int | float | Decimal | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, bool) or value is None:
        return None
    if isinstance(value, (int, float)):
        return value
    if isinstance(value, str) and NUMERIC.fullmatch(value):
        return Decimal(value)
    return None


NUMERIC: Final = re.compile(r"[+-]?(?:\d{1,300}(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", re.ASCII)
