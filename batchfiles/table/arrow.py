"""Tables as Arrow IPC: a file (`.arrow`, also called Feather) or a stream (`.arrows`)."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from batchfiles.table.groups import Groups
from batchfiles.table.writer import Sink, TableWriter, native_file, with_provenance

__all__ = ["ArrowStream", "ArrowTable"]

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
