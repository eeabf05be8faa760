"""Cells as text, for the formats that know no types: times in ISO 8601, nested values as JSON.

`pyarrow.compute` is imported where it is used: it takes 0.05 s, and Parquet mostly does without.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa

from batchfiles.codec import dumps

__all__ = ["any_length", "is_nested", "is_vector", "iso_times", "json_texts", "plain_values"]


def is_nested(kind: pa.DataType) -> bool:
    """Tell whether a column's cells hold values within values."""
    return bool(pa.types.is_nested(kind))


def is_vector(kind: pa.DataType) -> bool:
    """Tell whether a column's cells are lists of single-precision numbers."""
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_float32(kind.value_type))


def iso_times(column: pa.Array) -> pa.Array:
    """Write times as `2026-08-01T12:00:00.000000Z`: always with the fraction, since readers expect one form in one column."""
    import pyarrow.compute as pc

    return pc.replace_substring(pc.cast(column, pa.string()), " ", "T")


def json_texts(column: pa.Array) -> pa.Array:
    """Write each cell of a nested column as JSON text; null stays null."""
    if is_vector(column.type):
        return _vector_texts(column)
    return pa.array([None if value is None else dumps(value).decode() for value in plain_values(column)], pa.string())


def any_length(column: pa.Array) -> pa.Array:
    """Turn fixed-size lists into lists of any length; behind a null stands nothing, which older Parquet writers ask for."""
    if not column.null_count:
        return column.cast(pa.list_(column.type.value_type))
    return pa.ListArray.from_arrays(_offsets(column), column.flatten(), mask=column.is_null())


def _offsets(column: pa.Array) -> pa.Array:
    """Say where the list of each row begins among the numbers that `flatten` gives."""
    import pyarrow.compute as pc

    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0)).cast(pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


def plain_values(column: pa.Array) -> list[Any]:
    """Return the cells as JSON values: maps are objects, times are text."""
    if pa.types.is_timestamp(column.type):
        column = iso_times(column)
    values: list[Any] = column.to_pylist()
    convert = _converter(column.type)
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _converter(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """Return what turns pyarrow's Python values of a type into JSON values; None where they are that already."""
    if pa.types.is_map(kind):
        inner = _converter(kind.item_type)
        return lambda pairs: {key: _apply(inner, value) for key, value in pairs}
    if pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind):
        inner = _converter(kind.value_type)
        return None if inner is None else lambda values: [_apply(inner, value) for value in values]
    if pa.types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        inners = {field.name: _converter(field.type) for field in fields}
        if any(inners.values()):
            return lambda value: {key: _apply(inners[key], item) for key, item in value.items()}
    return None


def _apply(convert: Callable[[Any], Any] | None, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value if convert is None or value is None else convert(value)


def _vector_texts(column: pa.Array) -> pa.Array:
    """Write vectors in Arrow's own loops: a Python object a number would take ten times as long.

    Arrow also writes the shortest digits of a single-precision number (`0.1`), where Python knows only double precision
    (`0.10000000149011612`).
    """
    import pyarrow.compute as pc

    numbers = column.flatten()  # without those that stand behind a null
    texts = pc.fill_null(pc.if_else(pc.is_finite(numbers), pc.cast(numbers, pa.string()), "null"), "null")
    lists = pa.ListArray.from_arrays(_offsets(column), texts)
    joined = pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
    return pc.if_else(pc.is_valid(column), joined, pa.scalar(None, pa.string()))
