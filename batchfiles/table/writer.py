"""What the writers of all formats have in common: the verbs, and how they reach the file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import BinaryIO, Self, TypeAlias

import pyarrow as pa

from batchfiles.streams.zstd import KeptOpen, ZstdWriter
from batchfiles.table.schema import SCHEMA_VERSION

__all__ = ["Sink", "TableWriter", "native_file", "with_provenance"]

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
    """

    formula_cells = 0

    def __init__(self, schema: pa.Schema) -> None:
        self.schema = schema

    def write(self, batch: pa.RecordBatch) -> None:
        """Write the rows of a batch.

        Raises:
            ValueError: The batch has other columns than the file.
            OSError: The disk or the system refused.
        """
        if not batch.schema.equals(self.schema):
            raise ValueError("the batch has other columns than the file")
        self._write(batch)

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
        """Let go of the file, whatever state it is in; may fail."""

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
    """Add the key-value metadata that tells where a file comes from; `metadata` must hold no credentials."""
    table = "embeddings" if "embedding_index" in schema.names else "requests"
    ours = {
        "batchfiles.schema_version": str(SCHEMA_VERSION),
        "batchfiles.version": version("batchfiles"),
        "batchfiles.table": table,
    }
    return schema.with_metadata({**(schema.metadata or {}), **ours, **(metadata or {})})
