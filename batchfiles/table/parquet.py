"""Tables as Parquet: zstd, a checksum of each page, row groups by bytes and rows, statistics and a page index where they help."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from batchfiles.findings import instead_of
from batchfiles.table.cells import any_length
from batchfiles.table.writer import Groups, Sink, TableWriter, native_file, with_provenance

# The figures: 300,000 rows of 1 KB of text and 0.7 KB of request body, 608 MB in Arrow's memory, pyarrow 26, processor time of
# the one thread that writes. zstd 1: 2.5 s, 163 MB. zstd 3: 4.4 s, 151 MB. zstd -3: 2.7 s, 246 MB. snappy: 2.0 s, 268 MB. None:
# 0.7 s, 552 MB. Everything else is within the noise of 0.1 s, so it was chosen for readers: statistics, page index, bloom
# filter, page sizes from 512 KiB to 2 MiB, write batches, the length of row groups (32 to 256 MiB). Delta encodings save 2 %
# and older Sparks can't read them.
COMPRESSION = "zstd"
COMPRESSION_LEVEL = 1

GROUP_BYTES = 24 * 1024 * 1024
"""A full row group in Arrow's memory, about a quarter of it on disk: this is what the writer keeps."""

GROUP_ROWS = 122_880
"""The rows of a full row group: DuckDB's own number, which it divides among its threads."""

DICTIONARY = frozenset(
    {
        "outcome",
        "status_code",
        "error_code",
        "error_type",
        "error_param",
        "endpoint",
        "model",
        "finish_reason",
        "texts.list.element",
        "flagged_categories.list.element",
        "category_scores.key_value.key",
        "tool_calls.list.element.name",
        "batch_id",
        "attempts",
        "result_source",
        "input_source",
        "request_model",
        "parse_error",
    }
)
"""Columns of few different values. For all the others a dictionary is work thrown away: ids and texts don't repeat.

`texts` is here for fastparquet, which silently reads each list of texts as None if the column has no dictionary (tried
with 2026.9). The column is null but where there are several answers, so that it costs little.
"""

DICTIONARY_BYTES = 2 * GROUP_BYTES
"""The longest dictionary. Parquet's usual 1 MiB would end that of `texts` in the middle of a row group, and its lists with it."""

NO_STATISTICS = frozenset({"text", "refusal", "reasoning", "request_body", "response_body", "input_text", "parsed"})
"""Nobody searches for a range of texts, and the footer would contain the least and the greatest text in full."""

BLOOM_COLUMN = "custom_id"
BLOOM_ERRORS = 0.01

HAS_BLOOM_FILTER = "bloom_filter_options" in inspect.signature(pq.ParquetWriter.__init__).parameters
"""Whether the installed pyarrow can write bloom filters; our oldest version can't."""


HAS_LATE_METADATA = hasattr(pq.ParquetWriter, "add_key_value_metadata")
"""Whether the installed pyarrow can add metadata after the rows."""


COMPRESSIONS = ("zstd", "snappy", "gzip", "brotli", "lz4", "none")


def parquet_options(
    compression: str = COMPRESSION, compression_level: int | None = None, row_group_size: int | None = None
) -> dict[str, Any]:
    """Return the options of a `ParquetTable`, checked before any work is done.

    Raises:
        ValueError: The compression or its level is unknown, or the row group size is below 1.
    """
    if compression not in COMPRESSIONS:
        raise ValueError(f"unknown compression {compression!r}{instead_of(compression, COMPRESSIONS)}")
    if row_group_size is not None and row_group_size < 1:
        raise ValueError(f"row_group_size is 1 or more, not {row_group_size}")
    if compression_level is not None:
        least, most = _levels(compression)
        if not least <= compression_level <= most:
            raise ValueError(f"compression_level of {compression} is a number from {least} to {most}, not {compression_level}")
    elif compression == COMPRESSION:
        compression_level = COMPRESSION_LEVEL
    return {"compression": compression, "compression_level": compression_level, "row_group_size": row_group_size}


def _levels(compression: str) -> tuple[int, int]:
    try:
        return pa.Codec.minimum_compression_level(compression), pa.Codec.maximum_compression_level(compression)
    except ValueError:
        raise ValueError(f"{compression} has no levels: leave compression_level out") from None


class ParquetTable(TableWriter):
    """One Parquet file.

    Vectors are stored as lists of any length, also where the schema says how long they are: before version 26, pyarrow can't read
    a Parquet file in which a fixed-size list is null (apache/arrow#35692), and every failed request has a null there.

    Args:
        sink: Where it goes. A path is written in place: for a file that is whole or not there, use `open_table` or an
            `atomic_folder`.
        schema: The columns of every batch.
        metadata: More key-value metadata, free of credentials.
        compression: That of all pages, except vectors.
        compression_level: Its level; None takes the usual one.
        row_group_size: The rows of a full row group; None ends it at `GROUP_ROWS` or `GROUP_BYTES`.
    """

    def __init__(
        self,
        sink: Sink,
        schema: pa.Schema,
        *,
        metadata: Mapping[str, str] | None = None,
        compression: str = COMPRESSION,
        compression_level: int | None = COMPRESSION_LEVEL,
        row_group_size: int | None = None,
    ) -> None:
        super().__init__(with_provenance(schema, metadata))
        self._stored = pa.schema([_stored(field) for field in schema], metadata=self.schema.metadata)
        self._groups = Groups(
            self._stored,
            max_rows=row_group_size or GROUP_ROWS,
            max_bytes=GROUP_BYTES if row_group_size is None else sys.maxsize,
        )
        self._compression = compression, compression_level
        self._file = native_file(sink)
        self._writer: Any = None
        self._more: dict[str, str] = {}

    def add_metadata(self, metadata: Mapping[str, str]) -> None:
        """Add key-value metadata that is known only after the rows; left out by versions of pyarrow that can't write it."""
        self._more |= metadata

    def _write(self, batch: pa.RecordBatch) -> None:
        if not self._stored.equals(self.schema):
            columns = [any_length(cells) if _is_fixed(cells.type) else cells for cells in batch.columns]
            batch = pa.RecordBatch.from_arrays(columns, schema=self._stored)
        for group in self._groups.add(batch):
            self._write_group(group)

    def _write_group(self, group: pa.Table) -> None:
        # The writer is made as late as this because its bloom filters must know how many ids to expect: a filter for a full row
        # group has 144 KB, which is much for a file of ten rows.
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, self._stored, **self._options(group.num_rows))
        self._writer.write_table(group, row_group_size=max(group.num_rows, 1))

    def _options(self, rows: int) -> dict[str, Any]:
        """Choose how each column is written."""
        schema = self._stored
        compression, level = self._compression
        leaves = dict(leaf for field in schema for leaf in _leaves(field.name, field.type))
        # Numbers that are all different don't compress: zstd saves 7 % of the vectors (15 % with their bytes split) and makes
        # reading them four to six times slower (20,000 vectors of 1,536: 1.8 s for 0.3 s).
        packed = {path for path, kind in leaves.items() if not pa.types.is_float32(kind)}
        options: dict[str, Any] = {
            "compression": {path: compression if path in packed else "none" for path in leaves},
            "compression_level": None if level is None else dict.fromkeys(packed, level),
            "use_dictionary": [path for path in leaves if path in DICTIONARY] or False,
            "dictionary_pagesize_limit": DICTIONARY_BYTES,
            "write_statistics": [field.name for field in schema if field.name in leaves and field.name not in NO_STATISTICS],
            "write_page_index": True,
            "write_page_checksum": True,
        }
        if HAS_BLOOM_FILTER and BLOOM_COLUMN in leaves:
            options["bloom_filter_options"] = {BLOOM_COLUMN: {"ndv": max(rows, 1), "fpp": BLOOM_ERRORS}}
        return options

    def close(self) -> None:
        """Write the last row group and the footer."""
        for group in self._groups.rest():
            self._write_group(group)
        if self._writer is None:
            self._writer = pq.ParquetWriter(self._file, self._stored, **self._options(1))
        if self._more and HAS_LATE_METADATA:
            self._writer.add_key_value_metadata(self._more)
        self._writer.close()
        self._file.close()

    def _release(self) -> None:
        # pyarrow finishes an open writer when it is collected, and warns when that fails: better to try it here.
        try:
            if self._writer is not None:
                self._writer.close()
        finally:
            self._file.close()


def _is_fixed(kind: pa.DataType) -> bool:
    return bool(pa.types.is_fixed_size_list(kind))


def _stored(field: pa.Field) -> pa.Field:
    """Return the field of a column in the file."""
    return field.with_type(pa.list_(field.type.value_type)) if _is_fixed(field.type) else field


def _leaves(path: str, kind: pa.DataType) -> Iterator[tuple[str, pa.DataType]]:
    """Name the columns that Parquet makes of one of ours, and their types."""
    if pa.types.is_struct(kind):
        for number in range(kind.num_fields):
            child = kind.field(number)
            yield from _leaves(f"{path}.{child.name}", child.type)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{path}.key_value.key", kind.key_type)
        yield from _leaves(f"{path}.key_value.value", kind.item_type)
    elif pa.types.is_list(kind):
        yield from _leaves(f"{path}.list.element", kind.value_type)
    else:
        yield path, kind
