"""Cells as text, for the formats that know no types: times in ISO 8601, bytes as Base64, nested values as JSON.

`pyarrow.compute` is imported where it is used: it takes 0.05 s, and Parquet mostly does without.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from typing import Any

import pyarrow as pa

from batchfiles.codec import dumps

__all__ = ["any_length", "base64_texts", "is_bytes", "is_nested", "is_vector", "iso_times", "json_texts", "plain_values"]


def is_bytes(kind: pa.DataType) -> bool:
    """Tell whether a column's cells are bytes, which need be no text."""
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind))


OFFSET = re.compile(r"([+-][0-9]{2})([0-9]{2})$")
"""A zone as Arrow writes it, `+0100`; behind a time with colons ISO 8601 has one too, `+01:00`."""


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

    texts = pc.replace_substring(pc.cast(column, pa.string()), " ", "T")
    return texts if column.type.tz is None else pc.replace_substring_regex(texts, OFFSET.pattern, r"\1:\2")


def json_texts(column: pa.Array) -> pa.Array:
    """Write each cell of a nested column as JSON text; null stays null."""
    if is_vector(column.type):
        return _vector_texts(column)
    return pa.array([None if value is None else dumps(value).decode() for value in plain_values(column)], pa.string())


def base64_texts(column: pa.Array) -> pa.Array:
    """Write each cell of bytes as Base64; null stays null."""
    return pa.array(plain_values(column), pa.string())


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
    """Return the cells as JSON values.

    Maps are objects, dates and times are ISO 8601 text, decimals the text of their digits, bytes Base64 text, and a duration is
    the number of its units. A float that is no number stays one: JSON has no word for it.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_timestamp(column.type):
        values: list[Any] = iso_times(column).to_pylist()
        return values
    kind = column.type
    readable = _readable(kind)
    values = (column if readable == kind else column.cast(readable)).to_pylist()
    convert = _converter(kind)
    return values if convert is None else [None if value is None else convert(value) for value in values]


def _readable(kind: pa.DataType) -> pa.DataType:
    """Return the type whose Python values are JSON values, or nearly; Python's own times know no nanoseconds."""
    if pa.types.is_duration(kind):
        return pa.int64()
    if pa.types.is_temporal(kind) or pa.types.is_decimal(kind):
        return pa.string()
    if pa.types.is_dictionary(kind):
        return _readable(kind.value_type)
    if pa.types.is_map(kind):
        return pa.map_(kind.key_type, _readable(kind.item_type))
    if _is_list(kind):
        inner = _readable(kind.value_type)
        return kind if inner == kind.value_type else pa.list_(inner)
    if pa.types.is_struct(kind):
        fields = [kind.field(number) for number in range(kind.num_fields)]
        return pa.struct([pa.field(field.name, _readable(field.type)) for field in fields])
    return kind


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _converter(kind: pa.DataType) -> Callable[[Any], Any] | None:
    """Return what turns pyarrow's Python values of a type into JSON values; None where they are that already."""
    if pa.types.is_timestamp(kind):
        return lambda text: OFFSET.sub(r"\1:\2", text.replace(" ", "T"))
    if is_bytes(kind):
        return lambda value: b64encode(value).decode()
    if pa.types.is_dictionary(kind):
        return _converter(kind.value_type)
    if pa.types.is_map(kind):
        inner = _converter(kind.item_type)
        return lambda pairs: {key if type(key) is str else str(key): _apply(inner, value) for key, value in pairs}
    if _is_list(kind):
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
