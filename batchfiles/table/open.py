"""Open a table for writing: the format by the name, and the file whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO, Literal, TypeAlias, cast

import pyarrow as pa

from batchfiles.findings import instead_of
from batchfiles.io.compression import compression_of_name
from batchfiles.io.target import Target, TargetLike
from batchfiles.io.urls import shown_name
from batchfiles.table.writer import Sink, TableWriter

__all__ = [
    "FORMATS",
    "TableFormat",
    "TableWriter",
    "agreed_format",
    "format_of",
    "format_of_target",
    "open_table",
    "table_target",
]

TableFormat: TypeAlias = Literal["parquet", "arrow", "arrows", "jsonl", "csv"]
"""What tables can be written as."""

FORMATS = {
    "parquet": "batchfiles.table.parquet:ParquetTable",
    "arrow": "batchfiles.table.writer:ArrowTable",
    "arrows": "batchfiles.table.writer:ArrowStream",
    "jsonl": "batchfiles.table.writer:JsonlTable",
    "csv": "batchfiles.table.csv:CsvTable",
}
"""The formats, each the suffix of its files, and the class that writes it."""

COMPRESSIBLE = ("jsonl", "csv")
"""Formats that may be compressed as a whole, by a second suffix; the others do it inside."""

SPOOLED = ("parquet", "arrow")
"""Formats whose last bytes make them whole: on standard output they come at the end, in one go, or not at all."""

MakeWriter: TypeAlias = Callable[[Sink, pa.Schema], TableWriter]


def format_of(name: str) -> str:
    """Name the format that a file's name asks for.

    Raises:
        ValueError: None; the sentence lists those there are.
    """
    name = shown_name(name)
    lowered = name.lower()
    compression = compression_of_name(lowered)
    stem, _, suffix = (lowered.rpartition(".")[0] if compression else lowered).rpartition(".")
    if stem and suffix in (COMPRESSIBLE if compression else FORMATS):
        return suffix
    known = ", ".join(f".{known}" for known in FORMATS)
    raise ValueError(f"can't tell the format of {name!r}: end it with one of {known} (.jsonl and .csv also with .gz or .zst)")


def agreed_format(name: str, named: str | None) -> str:
    """Return the named format, or else that of a file's suffix.

    Raises:
        ValueError: There is none, or the two are different: readers of `table.parquet` do not expect CSV.
    """
    if named is None:
        return format_of(name)
    try:
        asked_for = format_of(name)
    except ValueError:
        return named
    if asked_for != named:
        raise ValueError(f"{shown_name(name)!r} is the name of another format than {named}: choose another name, or no format")
    return named


def table_target(path: TargetLike, named: str | None, *, filesystem: object = None) -> Target:
    """Parse where a table goes; it may be a folder of Parquet parts unless another format is named."""
    return Target.at(path, filesystem=filesystem, folder=None if named in (None, "parquet") else False)


def format_of_target(target: Target, named: str | None) -> str:
    """Return the format of a table as `agreed_format` does.

    Raises:
        ValueError: There is none, or the name asks for another one; standard output has no name.
    """
    if target.is_folder:
        return "parquet"
    if target.stream is None:
        return agreed_format(target.name, named)
    if named is None:
        raise ValueError(f"standard output has no suffix: name the format, one of {', '.join(FORMATS)}")
    return named


def open_table(
    path: TargetLike,
    schema: pa.Schema,
    *,
    format: str | None = None,  # noqa: A002 - the word of the command line
    overwrite: bool = False,
    csv_safe: bool = False,
    metadata: Mapping[str, str] | None = None,
    temp_dir: str | os.PathLike[str] | None = None,
    **parquet: Any,  # noqa: ANN401 - those of `ParquetTable`
) -> AbstractContextManager[TableWriter]:
    """Open a table for writing; it has its name only when the `with` block ends without an exception.

    Args:
        path: The file, its URL, or `-` for standard output. JSONL, CSV and the Arrow stream appear there as they are written.
        schema: The columns of every batch.
        format: One of `FORMATS`; None takes it from the suffix. Standard output needs it.
        overwrite: Overwrite what is there.
        csv_safe: For CSV: put `'` before texts that spreadsheets would run as formulas.
        metadata: More key-value metadata for the formats that have a place for it; free of credentials.
        temp_dir: Where a remote file waits until it is whole.
        **parquet: How Parquet is written: see `parquet_options`.

    Raises:
        ValueError: The format is unknown, or another one than that of the name, or `csv_safe` is given and it is not CSV.
        OutputExistsError: On entering: the file is there already.
        FileError: While writing: the disk or the system refused.
    """
    target = Target.at(path, folder=False)
    chosen = format_of_target(target, format)
    if chosen not in FORMATS:
        raise ValueError(f"unknown format {chosen!r}{instead_of(chosen, FORMATS)}")
    options: dict[str, Any] = {"metadata": metadata, **parquet}
    if csv_safe and chosen != "csv":
        raise ValueError(f"csv_safe is for CSV, not for {chosen}")
    if chosen == "csv":
        options["safe"] = csv_safe
    if chosen in COMPRESSIBLE:
        options["compression"] = compression_of_name(target.name)
    make: MakeWriter = partial(_writer_of(chosen), **options)
    if target.stream is not None:
        return _on_stream(make, target.stream, schema, spooled=chosen in SPOOLED)
    return _in_file(make, target, schema, overwrite=overwrite, temp_dir=temp_dir)


def _writer_of(name: str) -> Callable[..., TableWriter]:
    module, _, attribute = FORMATS[name].partition(":")
    return cast("Callable[..., TableWriter]", getattr(import_module(module), attribute))


@contextmanager
def _in_file(
    make: MakeWriter, target: Target, schema: pa.Schema, *, overwrite: bool, temp_dir: str | os.PathLike[str] | None
) -> Iterator[TableWriter]:
    # Arrow opens the temporary file once more by its name: it then writes without the interpreter lock (see writer.BUFFER).
    with target.open(overwrite=overwrite, temp_dir=temp_dir) as file, make(Path(file.name), schema) as writer:
        yield writer


@contextmanager
def _on_stream(make: MakeWriter, stream: BinaryIO, schema: pa.Schema, *, spooled: bool) -> Iterator[TableWriter]:
    if not spooled:
        with make(stream, schema) as writer:
            yield writer
        stream.flush()
        return
    with tempfile.TemporaryFile(prefix="batchfiles-") as spool:
        with make(cast("BinaryIO", spool), schema) as writer:
            yield writer
        spool.seek(0)
        shutil.copyfileobj(spool, stream)
        stream.flush()
