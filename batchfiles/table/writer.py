"""What the writers of all formats have in common: the verbs, and how they reach the file.

The writer has its own thread, so that it works while lines are decoded: Arrow releases the interpreter lock.

Small batches, gathered until they are worth writing; large ones, cut until they are small enough.

Tables as Arrow IPC: a file (`.arrow`, also called Feather) or a stream (`.arrows`).

Tables as JSONL: one object a row, every column in every object.
"""

from __future__ import annotations

import os
import queue
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Protocol, Self, TypeAlias

import pyarrow as pa

from batchfiles.codec import dumps
from batchfiles.io.arrow import KeptOpen, ZstdWriter
from batchfiles.io.threads import run_uninterrupted
from batchfiles.table.cells import is_vector, json_texts, plain_values
from batchfiles.table.rows import SCHEMA_VERSION

Sink: TypeAlias = "Path | BinaryIO"
"""A local file to create, or an open binary file, which is never closed here."""

BUFFER = 8 * 1024 * 1024
"""Bytes between two calls of an open file's `write`. Each call waits for the interpreter lock (5 ms while another thread is
busy), and Parquet writes in thousands of small pieces: beside a busy thread 163 MB took 12 s without a buffer, 6.7 s with 1
MiB, 3.6 s with 8 MiB, and 3.1 s where Arrow opens the file itself and needs no lock (pyarrow 26, 2 cores)."""


class TableWriter(ABC):
    """A file that rows are written to, batch by batch.

    Leaving a `with` block finishes the file, leaving it by an exception gives it up. Writers may be used in another thread than
    the one that made them, by one thread at a time; nearly all of their work is done without the interpreter lock.

    Attributes:
        formula_cells: Cells that a spreadsheet would read as formulas; only counted in CSV.
        after_write: Called after each batch.
    """

    formula_cells = 0

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema
        self.after_write: Callable[[], None] = lambda: None

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch.

        Raises:
            ValueError: The batch has other columns than the file.
            OSError: The disk or the system refused.
        """
        if not batch.schema.equals(self.schema):
            raise ValueError("the batch has other columns than the file")
        self._write(batch)
        self.after_write()

    @abstractmethod
    def _write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch whose columns are right."""

    @abstractmethod
    def close(self) -> None:
        """Write what is left and finish the file.

        Raises:
            OSError: The disk or the system refused.
        """

    @abstractmethod
    def _release(self) -> None:
        """Close the file, in any state; may fail."""

    def abort(self) -> None:
        """Give the file up: it is unfinished, and nothing more is written on purpose."""
        with suppress(Exception):
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        if kind is not None:
            self.abort()
            return
        try:
            self.close()
        except BaseException:
            self.abort()
            raise


def native_file(sink: Sink, compression: str | None = None) -> pa.NativeFile:
    """Open a file for Arrow, or give Arrow a way into an open one; closing the result leaves an open file open.

    Raises:
        OSError: The file can't be created.
    """
    if isinstance(sink, Path):
        native = pa.OSFile(os.fsencode(sink), "wb")  # bytes: a name need not be UTF-8
    else:
        native = pa.BufferedOutputStream(pa.PythonFile(KeptOpen(sink), mode="w"), BUFFER)
    if compression == "zstd":
        return pa.PythonFile(_Zstd(native), mode="w")
    return native if compression is None else pa.CompressedOutputStream(native, compression)


class _Zstd(ZstdWriter):
    """A zstd frame, and the file below it, which is closed with it."""

    def close(self) -> None:
        """Complete the frame and close the file."""
        super().close()
        self._file.close()


def with_provenance(schema: pa.Schema, metadata: Mapping[str, str] | None) -> pa.Schema:
    """Add the key-value metadata about the origin of a file; `metadata` must hold no credentials."""
    table = "embeddings" if "embedding_index" in schema.names else "requests"
    ours = {
        "batchfiles.schema_version": str(SCHEMA_VERSION),
        "batchfiles.version": version("batchfiles"),
        "batchfiles.table": table,
    }
    return schema.with_metadata({**(schema.metadata or {}), **ours, **(metadata or {})})


WAITING_BYTES = 4 * 1024 * 1024
"""Bytes of batches that may wait for the writer. Others wait in the worker pool: one of its workers leaves its core to the writer
then (see `_TaskRun`)."""


class _WaitingBatches(queue.Queue[Any]):
    """A queue that is full by the bytes of its batches; None ends it."""

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self._bytes = 0

    def _qsize(self) -> int:
        return self._bytes

    def _put(self, item: Any) -> None:  # noqa: ANN401 - pyarrow has no types
        self._bytes += _queued(item)
        super()._put(item)

    def _get(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        item = super()._get()
        self._bytes -= _queued(item)
        return item


def _queued(batch: Any) -> int:  # noqa: ANN401 - pyarrow has no types
    """Return what a batch counts in the queue: never 0, which is an empty queue."""
    return 1 if batch is None else 1 + _size(batch)


class _Table(Protocol):
    def write(self, batch: Any) -> None: ...  # noqa: ANN401 - pyarrow has no types


def written(products: Iterable[Any], table: _Table) -> Iterator[Any]:
    """Write every record batch among the products to the table, and yield the other products.

    When this has ended, in any way, nothing writes to the table any more.

    Raises:
        Exception: What the writer raised, as soon as it is known.
    """
    import pyarrow as pa

    waiting = _WaitingBatches(WAITING_BYTES)
    failures: list[BaseException] = []
    given_up = False

    def write() -> None:
        while (batch := waiting.get()) is not None:
            if failures or given_up:
                continue  # keep taking, so that no producer waits for room forever
            try:
                table.write(batch)
            except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that gives the batches
                failures.append(error)

    writer = threading.Thread(target=write, name="batchfiles-writer", daemon=True)
    writer.start()
    try:
        for product in products:
            if failures:
                break
            if isinstance(product, pa.RecordBatch):
                waiting.put(product)
            else:
                yield product
    except BaseException:
        given_up = True
        raise
    finally:
        run_uninterrupted(partial(waiting.put, None), writer.join)  # a table that is closed while it is written to is a crash
    if failures:
        # Taken out of the list: its traceback holds this frame, and a circle would keep the products alive, files and all, until
        # the garbage collector comes by, which may be as the interpreter ends.
        raise failures.pop()


class Groups:
    """Gathers batches for a file that is better written in larger ones.

    A group is full as soon as it has the rows, to the row, or the bytes; it may exceed the bytes by as much again, and only a
    single row that is larger than that makes it larger still. Nothing is copied: a group is a table of the batches that came.

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
            for part, part_size in self._fitted(piece, size):
                self._batches.append(part)
                self._rows += part.num_rows
                self._bytes += part_size
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

    def _fitted(self, piece: pa.RecordBatch, size: int) -> Iterator[tuple[pa.RecordBatch, int]]:
        """Give a piece, cut where the group has its rows."""
        rows, room = piece.num_rows, self._max_rows - self._rows
        if rows <= room:
            yield piece, size
            return
        yield piece.slice(0, room), size * room // rows
        yield piece.slice(room), size * (rows - room) // rows

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

    `nbytes` is exact for any slice, but it releases the interpreter lock, and while another thread is busy it gets it back 5 ms
    later: for batches of 1,000 rows that was half of a writer's time.
    """
    size: int = batch.nbytes if batch.num_columns and batch.column(0).offset else batch.get_total_buffer_size()
    return size


GROUP_BYTES = 16 * 1024 * 1024
GROUP_ROWS = 65_536
"""A record batch of the file is what a reader gets in one piece; small ones compress badly and carry 5 KB of headers each."""


class _IpcTable(TableWriter):
    """What the file and the stream share."""

    def __init__(self, sink: Sink, schema: pa.Schema, metadata: Mapping[str, str] | None, *, stream: bool) -> None:
        super().__init__(with_provenance(schema, metadata))
        self._groups = Groups(self.schema, max_rows=GROUP_ROWS, max_bytes=GROUP_BYTES)
        self._file = native_file(sink)
        # A file is compressed: pyarrow, polars and pandas read it. A stream goes through pipes, to readers in other languages
        # too.
        options = pa.ipc.IpcWriteOptions(compression=None if stream else pa.Codec("zstd", compression_level=1))
        make = pa.ipc.new_stream if stream else pa.ipc.new_file
        self._writer = make(self._file, self.schema, options=options)

    def _write(self, batch: pa.RecordBatch) -> None:
        for group in self._groups.add(batch):
            self._writer.write_table(group.combine_chunks())

    def close(self) -> None:
        """Write the last record batch and the end of the file."""
        for group in self._groups.rest():
            self._writer.write_table(group.combine_chunks())
        self._writer.close()
        self._file.close()

    def _release(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()


class ArrowTable(_IpcTable):
    """An Arrow IPC file: random access, zstd.

    Args:
        sink: Where it goes; a path is written in place.
        schema: The columns of every batch.
        metadata: More metadata for the schema, free of credentials.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(sink, schema, metadata, stream=False)


class ArrowStream(_IpcTable):
    """An Arrow IPC stream: readable from a pipe while it is written, not compressed.

    Args:
        sink: Where it goes; a path is written in place.
        schema: The columns of every batch.
        metadata: More metadata for the schema, free of credentials.
    """

    def __init__(self, sink: Sink, schema: pa.Schema, *, metadata: Mapping[str, str] | None = None) -> None:
        super().__init__(sink, schema, metadata, stream=True)


ROWS_AT_A_TIME = 256
"""Rows whose Python objects exist at one time."""


class JsonlTable(TableWriter):
    """One JSONL file.

    Times are ISO 8601 text; `request_body` and `response_body` stay JSON text in a string, so that a row has the same columns
    in every format. Vectors come last in their line. JSONL has no place for metadata.

    Args:
        sink: Where it goes; a path is written in place.
        schema: The columns of every batch.
        metadata: Taken as the other writers do, and left out.
        compression: `gzip`, `zstd` or None.
    """

    def __init__(
        self,
        sink: Sink,
        schema: pa.Schema,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - the same call for every format
        compression: str | None = None,
    ) -> None:
        super().__init__(schema)
        self._file = native_file(sink, compression)

    def _write(self, batch: pa.RecordBatch) -> None:
        for start in range(0, batch.num_rows, ROWS_AT_A_TIME):
            self._file.write(b"".join(_lines(batch.slice(start, ROWS_AT_A_TIME))))

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def _release(self) -> None:
        self._file.close()


def _lines(batch: pa.RecordBatch) -> Iterator[bytes]:
    vectors = [field.name for field in batch.schema if is_vector(field.type)]
    names = [name for name in batch.schema.names if name not in vectors]
    rows = zip(*(plain_values(batch[name]) for name in names), strict=True)
    objects = (dumps(dict(zip(names, row, strict=True))) for row in rows)
    if not vectors:
        for text in objects:
            yield text + b"\n"
        return
    # The text of a vector is made by Arrow and put in as it is.
    texts = [[f',"{name}":{text or "null"}'.encode() for text in json_texts(batch[name]).to_pylist()] for name in vectors]
    for text, *more in zip(objects, *texts, strict=True):
        yield text[:-1] + b"".join(more) + b"}\n"
