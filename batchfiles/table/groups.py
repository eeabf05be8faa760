"""Small batches, gathered until they are worth writing; large ones, cut until they are small enough."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa

__all__ = ["Groups"]


class Groups:
    """Batches on their way to a file that likes larger ones.

    A group is full as soon as it has the rows or the bytes; it may exceed the bytes by as much again, and only a single row
    that is larger than that makes it larger still. Nothing is copied: a group is a table of the batches that came.

    Args:
        schema: The columns of every batch.
        max_rows: The rows of a full group.
        max_bytes: The bytes of a full group, as Arrow holds them in memory.
    """

    def __init__(self, schema: pa.Schema, *, max_rows: int, max_bytes: int) -> None:
        self._schema = schema
        self._max_rows = max_rows
        self._max_bytes = max_bytes
        self._batches: list[pa.RecordBatch] = []
        self._rows = 0
        self._bytes = 0

    def add(self, batch: pa.RecordBatch) -> Iterator[pa.Table]:
        """Take a batch and give the groups that are full now."""
        for piece, size in self._pieces(batch):
            self._batches.append(piece)
            self._rows += piece.num_rows
            self._bytes += size
            if self._rows >= self._max_rows or self._bytes >= self._max_bytes:
                yield self._take()

    def rest(self) -> Iterator[pa.Table]:
        """Give what is left, if anything."""
        if self._batches:
            yield self._take()

    def _take(self) -> pa.Table:
        group = pa.Table.from_batches(self._batches, self._schema)
        self._batches, self._rows, self._bytes = [], 0, 0
        return group

    def _pieces(self, batch: pa.RecordBatch) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Give a batch and its bytes, or its halves if it is too large."""
        rows = batch.num_rows
        if not rows:
            return
        size = _size(batch)
        if size > self._max_bytes:
            size = batch.nbytes
        if rows == 1 or (rows <= self._max_rows and size <= self._max_bytes):
            yield batch, size
            return
        yield from self._pieces(batch.slice(0, rows // 2))
        yield from self._pieces(batch.slice(rows // 2))


def _size(batch: pa.RecordBatch) -> int:
    """Return the bytes of a batch, or of the whole that it is the beginning of.

    `nbytes` is exact for any slice, but it lets go of the interpreter lock, and while another thread is busy it gets it back 5 ms
    later: for batches of 1,000 rows that was half of a writer's time.
    """
    size: int = batch.nbytes if batch.num_columns and batch.column(0).offset else batch.get_total_buffer_size()
    return size
