"""Tables as JSONL: one object a row, every column in every object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa

from batchfiles.codec import dumps
from batchfiles.table.cells import is_vector, json_texts, plain_values
from batchfiles.table.writer import Sink, TableWriter, native_file

__all__ = ["JsonlTable"]

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
