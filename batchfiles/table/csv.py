"""Tables as CSV: RFC 4180 quoting, nested cells as JSON text, bytes as Base64, times in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from batchfiles.table.cells import base64_texts, check_times, is_bytes, is_nested, iso_times, json_texts
from batchfiles.table.writer import Sink, TableWriter, native_file

__all__ = ["CsvTable"]

FORMULA = r"^[=+\-@\t\r]"
"""What spreadsheets take for the beginning of a formula (CWE-1236)."""


class CsvTable(TableWriter):
    r"""One CSV file with a header line.

    All texts are quoted and null is nothing at all, so that `""` (an empty text) and nothing (null) stay different for readers
    that look. Lines end with `\n`. CSV has no place for metadata.

    Args:
        sink: Where it goes; a path is written in place.
        schema: The columns of every batch.
        metadata: Taken as the other writers do, and left out.
        compression: `gzip`, `zstd` or None.
        safe: Put `'` before texts that spreadsheets would run as formulas. Without it the file holds each text as it is, for
            programs; how many such cells there are is counted.
    """

    # pyarrow's writer was chosen over the standard library's: it needs no Python object per cell, and it tells null from "".

    def __init__(
        self,
        sink: Sink,
        schema: pa.Schema,
        *,
        metadata: Mapping[str, str] | None = None,  # noqa: ARG002 - the same call for every format
        compression: str | None = None,
        safe: bool = False,
    ) -> None:
        super().__init__(schema)
        self._safe = safe
        self._columns = pa.schema([pa.field(field.name, _written_type(field.type)) for field in schema])
        self._file = native_file(sink, compression)
        self._writer = pa_csv.CSVWriter(self._file, self._columns)

    def _write(self, batch: pa.RecordBatch) -> None:
        cells = [self._cells(column) for column in batch.columns]
        self._writer.write_batch(pa.RecordBatch.from_arrays(cells, schema=self._columns))

    def _cells(self, column: pa.Array) -> pa.Array:
        if pa.types.is_timestamp(column.type):
            return iso_times(column)
        if is_nested(column.type):
            return json_texts(column)
        check_times(column)
        if is_bytes(column.type):
            column = base64_texts(column)  # which may begin with +
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            formulas = pc.match_substring_regex(column, FORMULA)
            self.formula_cells += pc.sum(formulas).as_py() or 0
            return _harmless(column, formulas) if self._safe else column
        return column

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()
        self._file.close()

    def _release(self) -> None:
        try:
            self._writer.close()
        finally:
            self._file.close()


def _written_type(kind: pa.DataType) -> pa.DataType:
    return pa.string() if pa.types.is_timestamp(kind) or is_nested(kind) or is_bytes(kind) else kind


def _harmless(column: pa.Array, formulas: pa.Array) -> pa.Array:
    quote, nothing = (pa.scalar(text, column.type) for text in ("'", ""))
    return pc.if_else(formulas, pc.binary_join_element_wise(quote, column, nothing), column)
