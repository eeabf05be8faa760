"""Whether two tables have the same content, so that only equal results are compared."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.process import Failed

__all__ = ["agree", "cells", "of_requests", "of_vectors"]

BITS = 64


def of_requests(path: Path, *, in_order: bool = True) -> dict[str, Any]:
    """Sum up a requests table.

    Args:
        path: A Parquet file or a folder of them.
        in_order: Whether the order of the rows counts.

    Returns:
        The rows, the outcomes, the tokens, and digests of the texts (with their ids, in any order) and of the ids in their order.
    """
    outcomes: Counter[str] = Counter()
    rows = tokens = texts = 0
    order = blake2b(digest_size=BITS // 8)
    for batch in _batches(path, ["custom_id", "outcome", "total_tokens", "text"]):
        ids, said, counts, text = (column.to_pylist() for column in batch.columns)
        rows += len(ids)
        outcomes.update(said)
        tokens += sum(int(count) for count in counts if count is not None)  # pandas makes floats of integers and nulls
        texts += sum(
            _number(custom_id, b"" if each is None else b"=" + each.encode()) for custom_id, each in zip(ids, text, strict=True)
        )
        order.update("\n".join(ids).encode() + b"\n")
    found = {"rows": rows, "outcomes": dict(sorted(outcomes.items())), "tokens": tokens, "text": _hex(texts)}
    return {**found, "order": order.hexdigest()} if in_order else found


def of_vectors(path: Path) -> dict[str, Any]:
    """Sum up an embeddings table: the rows, the outcomes, the tokens, the floats, and a digest of the vectors with their ids."""
    outcomes: Counter[str] = Counter()
    rows = tokens = floats = vectors = 0
    for batch in _batches(path, ["custom_id", "outcome", "total_tokens", "embedding"]):
        ids, said, counts = (batch.column(place).to_pylist() for place in range(3))
        rows += len(ids)
        outcomes.update(said)
        tokens += sum(count for count in counts if count is not None)
        for custom_id, vector in zip(ids, batch.column(3), strict=True):
            if vector.is_valid:
                values = vector.values
                start, (_, buffer) = 4 * values.offset, values.buffers()
                vectors += _number(custom_id, memoryview(buffer)[start : start + 4 * len(values)])
                floats += len(values)
    outcome_counts = dict(sorted(outcomes.items()))
    return {"rows": rows, "outcomes": outcome_counts, "tokens": tokens, "floats": floats, "vectors": _hex(vectors)}


def cells(path: Path) -> dict[str, int]:
    """Count the values in each column, nulls aside."""
    counts: Counter[str] = Counter()
    for batch in _batches(path, None):
        counts.update(
            {name: len(column) - column.null_count for name, column in zip(batch.schema.names, batch.columns, strict=True)}
        )
    return dict(counts)


def agree(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return what all contenders found alike.

    Raises:
        Failed: Two of them found different things.
    """
    (first, said), *others = found.items()
    for other, its in others:
        if its != said:
            differing = {name: (said.get(name), its.get(name)) for name in said | its if said.get(name) != its.get(name)}
            raise Failed(f"{first} and {other} gave different answers: {differing}")
    return said


def _batches(path: Path, columns: list[str] | None) -> Iterator[pa.RecordBatch]:
    files = sorted(path.glob("*.parquet")) if path.is_dir() else [path]
    for file in files:
        with pq.ParquetFile(file) as parquet:
            for batch in parquet.iter_batches(4096, columns=columns):
                yield batch if columns is None else batch.select(columns)


def _number(custom_id: str, value: bytes | memoryview) -> int:
    """Make a number of a row; a sum of them is the same in any order."""
    hashed = blake2b(value, digest_size=BITS // 8, key=blake2b(custom_id.encode(), digest_size=16).digest())
    return int.from_bytes(hashed.digest())


def _hex(total: int) -> str:
    return f"{total % (1 << BITS):016x}"
