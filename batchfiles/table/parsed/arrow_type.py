"""The Arrow type of a tree. Everything in it is nullable: what an answer leaves out is null."""

from __future__ import annotations

import pyarrow as pa

from batchfiles.table.parsed.nodes import Array, Node, Object, Scalar

__all__ = ["arrow_type"]

ARROW_SCALARS = {
    "string": pa.string(),
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "date-time": pa.timestamp("us", tz="UTC"),
}


def arrow_type(node: Node) -> pa.DataType:
    """Return the type of a column, or of what stands in it."""
    if isinstance(node, Scalar):
        return ARROW_SCALARS[node.kind]
    if isinstance(node, Array):
        return pa.list_(arrow_type(node.items))
    if isinstance(node, Object):
        return pa.struct([(field.name, arrow_type(field.node)) for field in node.fields])
    return pa.string()
