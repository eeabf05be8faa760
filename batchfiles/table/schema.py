"""The columns of the tables: they depend on options, never on the data, and later versions only append to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

import pyarrow as pa

from batchfiles.findings import instead_of

if TYPE_CHECKING:
    from batchfiles.table.parsed.source import SchemaLike

__all__ = ["SCHEMA_VERSION", "TABLES", "TableName", "schema"]

SCHEMA_VERSION = 2
"""Goes up when a column is appended; no column ever changes its name, its type or its place."""

TableName: TypeAlias = Literal["requests", "embeddings"]

TABLES: tuple[TableName, ...] = get_args(TableName)
"""The tables there are: a row per request, or a row per vector."""

# Plain `string`, never Arrow's `dictionary`: Parquet encodes dictionaries anyway, and IPC files, Spark and pandas stumble over
# them. Microseconds: seconds don't survive Parquet. Every column is nullable in the schema, even `outcome`, which is never null:
# DuckDB, polars and pandas drop a `not null` as they pass a table on, and pyarrow then can't append or concatenate (tried).
TEXT = pa.string()
COUNT = pa.int64()

REQUESTS: dict[str, pa.DataType] = {
    "custom_id": TEXT,
    "outcome": TEXT,
    "status_code": pa.int32(),
    "error_code": TEXT,
    "error_type": TEXT,
    "error_param": TEXT,
    "error_message": TEXT,
    "retryable": pa.bool_(),
    "endpoint": TEXT,
    "model": TEXT,
    "finish_reason": TEXT,
    "text": TEXT,
    "texts": pa.list_(TEXT),
    "refusal": TEXT,
    "reasoning": TEXT,
    "tool_calls": pa.list_(pa.struct([("id", TEXT), ("name", TEXT), ("arguments", TEXT)])),
    "input_tokens": COUNT,
    "output_tokens": COUNT,
    "total_tokens": COUNT,
    "cached_tokens": COUNT,
    "reasoning_tokens": COUNT,
    "flagged": pa.bool_(),
    "flagged_categories": pa.list_(TEXT),
    "category_scores": pa.map_(TEXT, pa.float64()),
    "created_at": pa.timestamp("us", tz="UTC"),
    "batch_id": TEXT,
    "batch_request_id": TEXT,
    "response_id": TEXT,
    "request_id": TEXT,
    "attempts": pa.int32(),
    "result_source": TEXT,
    "result_line_number": COUNT,
    "input_source": TEXT,
    "input_line_number": COUNT,
    "request_model": TEXT,
    "request_body": TEXT,
    "response_body": TEXT,
    "cache_write_tokens": COUNT,  # since version 2
}

PARSED_PLACE = 37
"""The position of `parsed` and `parse_error`, the last columns of version 1; later columns come after them."""

# Columns of answers in text, not of vectors.
NOT_OF_VECTORS = frozenset(
    {
        "finish_reason",
        "text",
        "texts",
        "refusal",
        "reasoning",
        "tool_calls",
        "cached_tokens",
        "reasoning_tokens",
        "cache_write_tokens",
        "flagged",
        "flagged_categories",
        "category_scores",
    }
)


def schema(
    table: TableName = "requests",
    *,
    dimensions: int | None = None,
    parsed: SchemaLike | None = None,
    parse_dates: bool = False,
) -> pa.Schema:
    """Return the columns of a table.

    The embeddings table has the columns of the requests table that make sense for vectors, in the same order (`output_tokens`,
    `created_at` and `response_id` too, which OpenAI doesn't send for embeddings and other services do), and after them
    `embedding_index`, `input_text` and `embedding`.

    Args:
        table: `"requests"` or `"embeddings"`.
        dimensions: Only for embeddings: the length of every vector, which makes `embedding` a fixed-size list. Without it, the
            list may have any length. (In a Parquet file it is a list of any length in both cases: see `table.parquet`.)
        parsed: Only for requests: what answers must fit, which adds the columns `parsed` and `parse_error` after
            `response_body`: a JSON Schema, a file with one, or a pydantic model.
        parse_dates: Whether dates and times in `parsed` are such; without it they are texts.

    Raises:
        ValueError: There is no such table, it has no dimensions or no `parsed`, or dimensions are below 1.
        FileError: The file of the JSON Schema can't be read.
        MismatchError: It holds none, or there is no such model.
        MissingDependencyError: A model was given and pydantic is not installed.

    Example:
        >>> batchfiles.schema().names[:3]
        ['custom_id', 'outcome', 'status_code']
        >>> batchfiles.schema("embeddings", dimensions=3).field("embedding").type
        FixedSizeListType(fixed_size_list<item: float>[3])
    """
    if table not in TABLES:
        raise ValueError(f"unknown table {table!r}{instead_of(table, TABLES)}")
    if dimensions is not None and table != "embeddings":
        raise ValueError(f"dimensions are for the embeddings table; the {table} table has no vectors")
    if dimensions is not None and dimensions < 1:
        raise ValueError(f"dimensions must be 1 or more, not {dimensions}")
    if parsed is not None and table != "requests":
        raise ValueError(f"parsed answers are for the requests table; the {table} table has no texts")
    if parse_dates and parsed is None:
        raise ValueError("parse_dates goes with parsed: no other column depends on it")
    if table == "requests":
        columns = list(REQUESTS.items())
        if parsed is not None:
            columns[PARSED_PLACE:PARSED_PLACE] = _typed(parsed, parse_dates)
        return pa.schema(columns)
    shared = [(name, kind) for name, kind in REQUESTS.items() if name not in NOT_OF_VECTORS]
    vector = pa.list_(pa.float32()) if dimensions is None else pa.list_(pa.float32(), dimensions)
    return pa.schema([*shared, ("embedding_index", pa.int32()), ("input_text", TEXT), ("embedding", vector)])


def _typed(parsed: SchemaLike, parse_dates: bool) -> list[tuple[str, pa.DataType]]:
    """Return the columns of typed answers."""
    from batchfiles.table.parsed.source import load_schema
    from batchfiles.table.parsed.types import arrow_type, read_schema

    return [("parsed", arrow_type(read_schema(load_schema(parsed), parse_dates=parse_dates))), ("parse_error", TEXT)]
