"""Cells as text, for the formats that know no types: times in ISO 8601, bytes as Base64, nested values as JSON.

`pyarrow.compute` is imported where it is used: it takes 0.05 s, and Parquet mostly does without.
"""

from __future__ import annotations

import math
import re
import struct
from base64 import b64encode
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pyarrow as pa

from batchfiles.codec import dumps
from batchfiles.errors import InvalidLineError


class TimeOutOfRange(InvalidLineError):
    """A time has no date that could be written, such as DuckDB's `infinity`.

    Attributes:
        row: Its row in the column that was converted, counted from 0.
    """

    def __init__(self, row: int) -> None:
        super().__init__("a time that is infinite or out of range, which has no text", code="time_out_of_range")
        self.row = row


def is_bytes(kind: pa.DataType) -> bool:
    """Return whether a column's cells are bytes, which need be no text."""
    is_binary = pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind)
    return bool(is_binary) or str(kind) == "binary_view"


SECONDS = (-62_135_596_800, 253_402_300_800)
"""The years 1 to 9999 since 1970: ISO 8601 writes no others, and with a zone pyarrow writes another date for them."""

UNITS = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": 1_000_000_000}
DAY = 86_400

INT64 = 2**63


OFFSET = re.compile(r"([+-][0-9]{2})([0-9]{2})$")
"""A zone as Arrow writes it, `+0100`; after a time with colons ISO 8601 has one too, `+01:00`."""


def is_nested(kind: pa.DataType) -> bool:
    """Return whether a column's cells hold nested values."""
    return bool(pa.types.is_nested(kind))


def is_vector(kind: pa.DataType) -> bool:
    """Return whether a column's cells are lists of single-precision numbers."""
    is_list = pa.types.is_list(kind) or pa.types.is_fixed_size_list(kind)
    return bool(is_list and pa.types.is_float32(kind.value_type))


def iso_times(column: pa.Array, *, strict: bool = True) -> pa.Array:
    """Write times as `2026-08-01T12:00:00.000000Z`: always with the fraction, since readers expect one form in one column.

    Args:
        column: Timestamps.
        strict: Whether a time out of range is refused; if not, it is pyarrow's text for it.

    Raises:
        TimeOutOfRange: There is one.
    """
    import pyarrow.compute as pc

    if strict:
        check_times(column)
    elif _has_wrong_time(column):
        return pc.cast(column.cast(pa.timestamp(column.type.unit)), pa.string())
    texts = pc.replace_substring(pc.cast(column, pa.string()), " ", "T")
    return texts if column.type.tz is None else pc.replace_substring_regex(texts, OFFSET.pattern, r"\1:\2")


def check_times(column: pa.Array) -> None:
    """Check that each time, also in nested values, has a date.

    Raises:
        TimeOutOfRange: One has none; its row is named.
    """
    if _has_wrong_time(column):
        raise TimeOutOfRange(next(row for row in range(len(column)) if _has_wrong_time(column.slice(row, 1))))


def _has_wrong_time(column: pa.Array) -> bool:
    kind = column.type
    if _is_list(kind):
        return _has_wrong_time(column.flatten())
    if pa.types.is_struct(kind):
        return any(map(_has_wrong_time, column.flatten()))
    if pa.types.is_map(kind):
        compact = column.take(pa.array(range(len(column)), pa.int64()))  # `keys` and `items` know nothing of a slice
        return _has_wrong_time(compact.keys) or _has_wrong_time(compact.items)
    if pa.types.is_dictionary(kind):
        return _has_wrong_time(column.dictionary) and _has_wrong_time(column.cast(kind.value_type))
    bounds = _bounds(kind)
    if bounds is None:
        return False
    import pyarrow.compute as pc

    numbers = column.cast(pa.int32()).cast(pa.int64()) if kind.bit_width == 32 else column.cast(pa.int64())
    found = pc.min_max(numbers).as_py()
    return found["min"] is not None and not bounds[0] <= found["min"] <= found["max"] < bounds[1]


def _bounds(kind: pa.DataType) -> tuple[int, int] | None:
    """Return the least value of a type of times, and the first value above the greatest; None for other types."""
    if pa.types.is_date32(kind):
        return SECONDS[0] // DAY, SECONDS[1] // DAY
    if pa.types.is_date64(kind):
        return SECONDS[0] * 1000, SECONDS[1] * 1000
    if pa.types.is_time(kind):
        return 0, DAY * UNITS[kind.unit]
    if not pa.types.is_timestamp(kind):
        return None
    # The ends of int64 are the infinite times of DuckDB; in nanoseconds they would be dates.
    least, above = (limit * UNITS[kind.unit] for limit in SECONDS)
    return max(least, 2 - INT64), min(above, INT64 - 1)


def json_texts(column: pa.Array) -> pa.Array:
    """Write each cell of a nested column as JSON text; null stays null."""
    if is_vector(column.type):
        return _vector_texts(column)
    return pa.array([None if value is None else dumps(value).decode() for value in plain_values(column)], pa.string())


def base64_texts(column: pa.Array) -> pa.Array:
    """Write each cell of bytes as Base64; null stays null."""
    return pa.array(plain_values(column), pa.string())


def any_length(column: pa.Array) -> pa.Array:
    """Turn fixed-size lists into lists of any length, in which a null has no values: older Parquet writers need that."""
    if not column.null_count:
        return column.cast(pa.list_(column.type.value_type))
    return pa.ListArray.from_arrays(_offsets(column), column.flatten(), mask=column.is_null())


def _offsets(column: pa.Array) -> pa.Array:
    """Return where the list of each row begins among the numbers that `flatten` returns."""
    import pyarrow.compute as pc

    ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(column), 0)).cast(pa.int32())
    return pa.concat_arrays([pa.array([0], pa.int32()), ends])


def plain_values(column: pa.Array, *, strict: bool = True) -> list[Any]:
    """Return the cells as JSON values.

    Maps are objects, dates and times are ISO 8601 text, decimals the text of their digits, bytes Base64 text, and a duration is
    the number of its units. A float of less than 64 bits is the number that its shortest text means (0.7, not 0.699999988). One
    that is not a number stays so: JSON has no word for it.

    Args:
        column: The cells.
        strict: Whether a time out of range is refused; if not, it is pyarrow's text for it.

    Raises:
        TimeOutOfRange: There is one.
    """
    if isinstance(column, pa.ExtensionArray):
        column = column.storage
    if pa.types.is_timestamp(column.type):
        values: list[Any] = iso_times(column, strict=strict).to_pylist()
        return values
    kind = column.type
    readable = _readable(kind)
    if strict:
        check_times(column)
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
        inner = _readable(kind.value_type)
        return kind if inner == kind.value_type else inner
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
    if pa.types.is_float32(kind):
        return partial(_shortest, code="<f", digits=range(1, 10))
    if pa.types.is_float16(kind):
        return partial(_shortest, code="<e", digits=range(1, 6))
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


def _shortest(value: float, *, code: str, digits: range) -> float:
    """Return the number of the fewest digits that is the same value as a narrower float."""
    if not math.isfinite(value):
        return value
    for count in digits:
        number = float(f"{value:.{count}g}")
        with suppress(OverflowError):
            if struct.unpack(code, struct.pack(code, number))[0] == value:
                return number
    return value


def _apply(convert: Callable[[Any], Any] | None, value: Any) -> Any:  # noqa: ANN401 - any JSON value
    return value if convert is None or value is None else convert(value)


def _vector_texts(column: pa.Array) -> pa.Array:
    """Write vectors in Arrow's own loops: a Python object a number would take ten times as long.

    Arrow also writes the shortest digits of a single-precision number (`0.1`), where Python knows only double precision
    (`0.10000000149011612`).
    """
    import pyarrow.compute as pc

    numbers = column.flatten()  # without those of a null
    texts = pc.fill_null(pc.if_else(pc.is_finite(numbers), pc.cast(numbers, pa.string()), "null"), "null")
    lists = pa.ListArray.from_arrays(_offsets(column), texts)
    joined = pc.binary_join_element_wise("[", pc.binary_join(lists, ","), "]", "")
    return pc.if_else(pc.is_valid(column), joined, pa.scalar(None, pa.string()))
