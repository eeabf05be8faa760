"""Columns and rows as Spark has them: types as text, record batches that fit them, and reports as rows."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pyarrow as pa

from batchfiles.jobs.join.report import JoinReport
from batchfiles.table.cells import any_length

__all__ = ["REPORTS", "ddl_of", "report_row", "spark_batch"]

PLAIN = {
    pa.string(): "STRING",
    pa.bool_(): "BOOLEAN",
    pa.int32(): "INT",
    pa.int64(): "BIGINT",
    pa.float32(): "FLOAT",
    pa.float64(): "DOUBLE",
    pa.date32(): "DATE",
    pa.timestamp("us", tz="UTC"): "TIMESTAMP",
}
"""The types of our columns."""


def ddl_of(columns: Any, mark: str = " ") -> str:  # noqa: ANN401 - a schema or a struct
    """Return the columns of a schema, or the fields of a struct, as in `CREATE TABLE`.

    Args:
        columns: The schema, or the type of the struct.
        mark: What is between a name and its type.

    Example:
        >>> ddl_of(batchfiles.schema())[:44]
        '`custom_id` STRING, `outcome` STRING, `statu'
    """
    return ", ".join("`{}`{}{}".format(field.name.replace("`", "``"), mark, _type(field.type)) for field in columns)


def _type(kind: pa.DataType) -> str:
    if pa.types.is_struct(kind):
        return f"STRUCT<{ddl_of(kind, ': ')}>"
    if pa.types.is_map(kind):
        return f"MAP<{_type(kind.key_type)}, {_type(kind.item_type)}>"
    return f"ARRAY<{_type(kind.value_type)}>" if hasattr(kind, "value_field") else PLAIN[kind]


def spark_batch(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Return a batch without lists of a fixed size, which Spark does not have."""
    columns = [any_length(cells) if pa.types.is_fixed_size_list(cells.type) else cells for cells in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


COUNTS = [field.name for field in fields(JoinReport) if field.type == "int"]

REPORTS = pa.schema(
    [
        ("part", pa.string()),
        *((name, pa.int64()) for name in COUNTS),
        ("outcomes", pa.map_(pa.string(), pa.int64())),
        ("report", pa.string()),
    ]
)
"""The name of the part, the counts of its report, and the whole report as JSON."""


def report_row(part: str, report: JoinReport) -> pa.RecordBatch:
    """Return the report of a part as a row."""
    values = report.to_dict()
    row = {"part": part, **values, "outcomes": list(report.outcomes.items()), "report": json.dumps(values)}
    return pa.RecordBatch.from_pylist([row], schema=REPORTS)
