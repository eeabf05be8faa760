"""Groups of rows, with the functions of `pyarrow.compute` alone: `Table.group_by` loads libraries of 60 MB."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["Groups", "counts"]


def counts(column: pa.Array) -> list[tuple[Any, int]]:
    """Return the different values of a column, without nulls, with their counts."""
    found = pc.value_counts(column.drop_null())
    return list(zip(found.field("values").to_pylist(), found.field("counts").to_pylist(), strict=True))


class Groups:
    """The rows that have the same values in some columns, in the order of the first row of each group.

    Args:
        rows: The rows.
        names: The columns.

    Attributes:
        first: The first row of each group.
        counts: The number of rows of each group.
    """

    def __init__(self, rows: pa.RecordBatch, names: Sequence[str]) -> None:
        codes = pa.array([0], pa.int64()).take(pa.array([0] * rows.num_rows, pa.int64()))
        for name in names:
            values = rows.column(name).dictionary_encode("encode")
            both = pc.add(pc.multiply(codes, len(values.dictionary)), pc.cast(values.indices, pa.int64()))
            # Numbered again, so that no number of any columns is too large.
            codes = pc.cast(both.dictionary_encode().indices, pa.int64())
        numbered = pc.value_counts(codes)
        self._rows = rows
        self._names = names
        self._codes = codes
        self.first: pa.Array = pc.index_in(numbered.field("values"), value_set=codes)
        self.counts: list[int] = numbered.field("counts").to_pylist()

    def keys(self) -> list[tuple[Any, ...]]:
        """Return the values of the columns, for each group."""
        columns = (self._rows.column(name).take(self.first).to_pylist() for name in self._names)
        return list(zip(*columns, strict=True))

    def sums(self, name: str) -> list[int]:
        """Return the sum of a column of integers without nulls, for each group."""
        running = pc.cumulative_sum(self._sorted(name)).to_pylist()
        ends = [running[end - 1] for end in accumulate(self.counts)]
        return [end - before for before, end in zip([0, *ends], ends, strict=False)]

    def bounds(self, name: str) -> list[tuple[Any, Any]]:
        """Return the smallest and the greatest value of a column, without nulls, for each group; None if all are null."""
        values = self._sorted(name).to_pylist()
        found = []
        for start, count in zip(accumulate([0, *self.counts]), self.counts, strict=False):
            known = [value for value in values[start : start + count] if value is not None]
            found.append((min(known), max(known)) if known else (None, None))
        return found

    def _sorted(self, name: str) -> pa.Array:
        """Return a column with the rows of each group together."""
        return self._rows.column(name).take(pc.array_sort_indices(self._codes))
