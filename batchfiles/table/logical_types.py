"""Columns whose bytes mean text: UUIDs, enums and JSON, by the schema of the Parquet file or the Arrow extension.

pyarrow's support depends on its version: a UUID of DuckDB is 16 bytes for pyarrow 16 and a separate type for later
ones. The schema of the file is the same for all versions. A type without text, such as an interval or a geometry, is refused
by name, because its bytes would be unreadable Base64.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Final, TypeAlias
from uuid import UUID

import pyarrow as pa
import pyarrow.parquet as pq

from batchfiles.errors import MismatchError

Convert: TypeAlias = Callable[[pa.Array], pa.Array]

UUID_BYTES: Final = 16

TEXT_IN_PARQUET: Final = frozenset({"ENUM", "JSON", "STRING", "UTF8"})
"""Logical types of Parquet whose bytes are text in UTF-8."""

NO_TEXT_IN_PARQUET: Final = frozenset({"BSON", "INTERVAL", "GEOMETRY", "GEOGRAPHY", "VARIANT"})

PLAIN_EXTENSIONS: Final = frozenset({"arrow.fixed_shape_tensor", "arrow.variable_shape_tensor"})
"""Extensions of Arrow whose values equal those of their storage."""

EXTENSION_NAME: Final = b"ARROW:extension:name"
"""Where a field names the extension that its type is, if this pyarrow doesn't know it."""

VARIANT: Final = {"metadata", "value"}
SHREDDED: Final = {*VARIANT, "typed_value"}
"""The fields of a Parquet VARIANT; pyarrow drops its annotation."""


class LogicalTypes:
    """Turns the columns of one table into such as `cells.plain_values` knows.

    Args:
        name: What errors call the table.
        schema: Its columns, as pyarrow sees them.
        parquet: The Parquet schema that they come from; None for others.
        strict: Whether columns without a text are refused where they are used; if not, they stay as they are.

    Attributes:
        schema: The columns with the types that they get here.
    """

    def __init__(self, name: str, schema: pa.Schema, parquet: pq.ParquetSchema | None = None, *, strict: bool = True) -> None:
        leaves = _leaves_of(parquet) if parquet is not None else []
        if len(leaves) != sum(map(_count_leaves, schema.types)):
            leaves = []  # dictionaries of structs, and other types whose leaves do not match the columns
        self._name = name
        self._plans: dict[str, Convert | None] = {}
        self._fields: dict[str, pa.Field] = {}
        fields = []
        with_marks = iter(leaves)
        for field in schema:
            kind, convert = _plan(field, with_marks)
            if isinstance(convert, _NoText) and not strict:
                kind, convert = field.type, None
            fields.append(pa.field(field.name, kind, metadata=None if convert else field.metadata))
            self._plans.setdefault(field.name, convert)
            self._fields.setdefault(field.name, fields[-1])
        self.schema = pa.schema(fields, metadata=schema.metadata)

    def check(self, columns: Iterable[str]) -> None:
        """Refuse columns that have no text.

        Raises:
            MismatchError: There is one; the column and its type are named.
        """
        for column in columns:
            plan = self._plans.get(column)
            if isinstance(plan, _NoText):
                raise MismatchError(
                    f"column {column!r} is of type {plan.kind}, which has no text: convert or remove it first", path=self._name
                )

    def converted(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        """Return a batch of some columns with the types that they get here.

        Raises:
            MismatchError: A column has no text, or holds bytes that are none.
        """
        names = batch.schema.names
        if not any(self._plans[name] for name in names):
            return batch
        self.check(names)
        columns = []
        for name, column in zip(names, batch.columns, strict=True):
            convert = self._plans[name]
            try:
                columns.append(column if convert is None else convert(column))
            except (pa.ArrowException, ValueError) as error:
                reason = str(error).partition("\n")[0]
                raise MismatchError(f"column {name!r} of type {column.type} is not text: {reason}", path=self._name) from None
        return pa.RecordBatch.from_arrays(columns, schema=pa.schema([self._fields[name] for name in names]))


class _NoText:
    """The mark for a column that can't be converted."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def __call__(self, _: pa.Array) -> pa.Array:
        raise ValueError(f"{self.kind} has no text")  # `LogicalTypes.check` comes first


def _leaves_of(parquet: pq.ParquetSchema) -> list[str]:
    """Return the logical type of each column of a Parquet file, or the converted type in old files."""
    found = []
    for number in range(len(parquet)):
        column = parquet.column(number)
        logical = column.logical_type.type
        found.append(column.converted_type if logical in ("NONE", "UNKNOWN", "UNDEFINED") else logical)
    return found


def _count_leaves(kind: pa.DataType) -> int:
    if isinstance(kind, pa.BaseExtensionType):
        return _count_leaves(kind.storage_type)
    if pa.types.is_map(kind):
        return _count_leaves(kind.key_type) + _count_leaves(kind.item_type)
    if pa.types.is_struct(kind):
        return sum(_count_leaves(kind.field(number).type) for number in range(kind.num_fields))
    return _count_leaves(kind.value_type) if _is_list(kind) else 1


def _plan(field: pa.Field, leaves: Iterator[str]) -> tuple[pa.DataType, Convert | None]:
    """Return the type that a column gets, and its conversion; None if it is not converted."""
    kind = field.type
    extension = (field.metadata or {}).get(EXTENSION_NAME, b"").decode(errors="replace")
    storage: Convert | None = None
    if isinstance(kind, pa.BaseExtensionType):
        extension, kind, storage = kind.extension_name, kind.storage_type, _storage
    if pa.types.is_map(kind):
        planned = _plan_map(kind, leaves)
    elif pa.types.is_struct(kind):
        planned = _plan_struct(kind, leaves)
    elif _is_list(kind):
        planned = _plan_list(kind, leaves)
    else:
        mark = next(leaves, "")
        planned = _plan_leaf(kind, _mark_of(extension) or mark)
    kind, convert = planned
    if extension and convert is None and not (_is_text(kind) or extension in PLAIN_EXTENSIONS or extension == "arrow.bool8"):
        convert = _NoText(extension)
    if extension == "arrow.bool8":
        kind, convert = pa.bool_(), _to_bools
    if storage is None or isinstance(convert, _NoText):
        return kind, convert
    return kind, _both(storage, convert)


def _mark_of(extension: str) -> str:
    """Return the logical type of Parquet that an extension of Arrow means."""
    return {"arrow.uuid": "UUID", "arrow.json": "JSON"}.get(extension, "")


def _plan_leaf(kind: pa.DataType, mark: str) -> tuple[pa.DataType, Convert | None]:
    if mark == "UUID" and pa.types.is_fixed_size_binary(kind) and kind.byte_width == UUID_BYTES:
        return pa.string(), _uuid_texts
    if mark in TEXT_IN_PARQUET and not _is_text(kind) and (pa.types.is_binary(kind) or pa.types.is_large_binary(kind)):
        return pa.string(), _to_texts
    return kind, _NoText(mark) if mark in NO_TEXT_IN_PARQUET else None


def _plan_list(kind: pa.DataType, leaves: Iterator[str]) -> tuple[pa.DataType, Convert | None]:
    inner, convert = _plan(kind.value_field, leaves)
    if convert is None or isinstance(convert, _NoText):
        return kind, convert

    is_large = pa.types.is_large_list(kind)
    array, offsets = (pa.LargeListArray, pa.int64()) if is_large else (pa.ListArray, pa.int32())

    def convert_list(column: pa.Array) -> pa.Array:
        return array.from_arrays(pa.array(_offsets(column), offsets), convert(column.flatten()))

    return pa.large_list(inner) if is_large else pa.list_(inner), convert_list


def _plan_struct(kind: pa.DataType, leaves: Iterator[str]) -> tuple[pa.DataType, Convert | None]:
    fields = [kind.field(number) for number in range(kind.num_fields)]
    plans = [_plan(field, leaves) for field in fields]
    names = {field.name for field in fields}
    if names in (VARIANT, SHREDDED) and all(pa.types.is_binary(kind.field(name).type) for name in VARIANT):
        return kind, _NoText("VARIANT")
    refused = next((convert for _, convert in plans if isinstance(convert, _NoText)), None)
    if refused is not None or not any(convert for _, convert in plans):
        return kind, refused
    new = pa.struct([pa.field(field.name, inner) for field, (inner, _) in zip(fields, plans, strict=True)])

    def convert_struct(column: pa.Array) -> pa.Array:
        parts = zip(plans, column.flatten(), strict=True)
        children = [child if convert is None else convert(child) for (_, convert), child in parts]
        return pa.StructArray.from_arrays(children, fields=list(new), mask=column.is_null())

    return new, convert_struct


def _plan_map(kind: pa.DataType, leaves: Iterator[str]) -> tuple[pa.DataType, Convert | None]:
    (key, convert_key), (item, convert_item) = _plan(kind.key_field, leaves), _plan(kind.item_field, leaves)
    refused = next((each for each in (convert_key, convert_item) if isinstance(each, _NoText)), None)
    if refused is not None or not (convert_key or convert_item):
        return kind, refused

    def convert_map(column: pa.Array) -> pa.Array:
        compact = column.take(pa.array(range(len(column)), pa.int64()))  # `keys` and `items` know nothing of a slice
        keys = compact.keys if convert_key is None else convert_key(compact.keys)
        items = compact.items if convert_item is None else convert_item(compact.items)
        ends = compact.offsets.to_pylist()
        starts = [end if valid else None for end, valid in zip(ends, compact.is_valid().to_pylist(), strict=False)]
        return pa.MapArray.from_arrays(pa.array([*starts, ends[-1]], pa.int32()), keys, items)

    return pa.map_(key, item), convert_map


def _offsets(column: pa.Array) -> list[int | None]:
    """Return where the list of each row begins in the values of `flatten`; None for a null."""
    import pyarrow.compute as pc

    offsets: list[int | None] = []
    end = 0
    for length in pc.list_value_length(column).to_pylist():
        offsets.append(None if length is None else end)
        end += length or 0
    return [*offsets, end]


def _storage(column: pa.Array) -> pa.Array:
    return column.storage if isinstance(column, pa.ExtensionArray) else column


def _to_texts(column: pa.Array) -> pa.Array:
    return column.cast(pa.string())


def _to_bools(column: pa.Array) -> pa.Array:
    return _storage(column).cast(pa.bool_())


def _uuid_texts(column: pa.Array) -> pa.Array:
    return pa.array([None if value is None else str(UUID(bytes=value)) for value in column.to_pylist()], pa.string())


def _both(first: Convert, second: Convert | None) -> Convert:
    return first if second is None else lambda column: second(first(column))


def _is_list(kind: pa.DataType) -> bool:
    return bool(pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind))


def _is_text(kind: pa.DataType) -> bool:
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind)) or str(kind) == "string_view"
