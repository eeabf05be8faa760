"""Open a table for writing or reading: the format by the name or the first bytes, and a written file whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from codecs import getincrementaldecoder
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Literal, TypeAlias, cast

import pyarrow as pa

from batchfiles.errors import FileError, MismatchError, TruncatedFileError
from batchfiles.findings import instead_of
from batchfiles.io.compression import compression_of_name
from batchfiles.io.filesystems import shown_name
from batchfiles.io.remote_path import file_error
from batchfiles.io.sources import COMPRESSED, Source
from batchfiles.io.target import Target, TargetLike
from batchfiles.io.threads import DiskFile
from batchfiles.table.writer import Sink, TableWriter

if TYPE_CHECKING:
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

__all__ = [
    "BINARY_SUFFIXES",
    "FORMATS",
    "SUFFIXES",
    "ArrowFile",
    "Peeked",
    "TableFormat",
    "TableWriter",
    "TextFile",
    "damage_as_file_error",
    "endings_of",
    "format_of",
    "format_of_target",
    "open_table",
    "opened_table",
    "recognized",
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
    with (
        target.open(overwrite=overwrite, temp_dir=temp_dir) as file,
        DiskFile(file) as disk,
        make(Path(file.name), schema) as writer,
    ):
        if isinstance(target.place, Path):  # a remote file is copied from here
            writer.after_write = disk.sync_in_background
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


PARQUET_MAGIC = b"PAR1"
FILE_MAGIC = b"ARROW1"
STREAM_MAGIC = b"\xff\xff\xff\xff"

BINARY_SUFFIXES = (".parquet", ".arrow", ".arrows", ".feather")
"""The names of files that begin with one of these."""

SUFFIXES = (*BINARY_SUFFIXES, ".csv", ".jsonl", ".ndjson")
"""What a table in a folder is called."""


HEAD = 512
"""Bytes that show the format; looked at again by the reader, since a pipe can't be rewound."""


class Peeked:
    """A stream whose beginning was looked at and is read again."""

    closed = False

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._rest = b""
        self.head = self._rest = self.read(HEAD)

    def read(self, size: int) -> bytes:
        """Return `size` bytes, fewer only at the end: a pipe gives what it has, and Arrow takes that for the end."""
        pieces = [self._rest[:size]]
        self._rest = self._rest[size:]
        missing = size - len(pieces[0])
        while missing and (piece := self._stream.read(missing)):
            pieces.append(piece)
            missing -= len(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Do nothing: the caller that opened the stream closes it."""


def endings_of(suffixes: Iterable[str]) -> tuple[str, ...]:
    """Return suffixes, each alone and followed by those of compressions."""
    return tuple(suffix + end for suffix in suffixes for end in COMPRESSED)


@contextmanager
def recognized(source: Source) -> Iterator[tuple[str, Peeked]]:
    """Open a table for reading, and detect its format.

    Every command that reads a user's table asks here, so that all of them take a file for the same.

    Yields:
        `parquet`, `arrow` (IPC file), `arrows` (IPC stream), `csv` or `jsonl`; and the file's bytes from the beginning,
        decompressed.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The file does not begin like the format of its name, or its compressed bytes are damaged.
        MismatchError: It is not a table.
    """
    with source.open(tables=True) as stream:
        peeked = Peeked(stream)
        yield _format_of(source.name.lower(), peeked.head, source.name), peeked


def _format_of(lowered: str, head: bytes, name: str) -> str:
    if head.startswith(PARQUET_MAGIC):
        return "parquet"
    if head.startswith(FILE_MAGIC):
        return "arrow"
    if head.startswith(STREAM_MAGIC):
        return "arrows"
    if lowered.endswith(BINARY_SUFFIXES):
        raise TruncatedFileError("the file does not begin as its name says", path=name)
    if ".csv" in lowered:
        return "csv"
    if any(suffix in lowered for suffix in (".jsonl", ".ndjson", ".json")):
        return "jsonl"
    try:
        text = getincrementaldecoder("utf-8-sig")().decode(head)
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        raise MismatchError("this is not a table: neither Parquet, Arrow, CSV nor JSONL", path=name)
    return "csv" if text and not text.lstrip().startswith("{") else "jsonl"


READ_AHEAD = 1024 * 1024
"""Bytes of a Parquet column to read at a time: a row group of another program may be larger than memory."""

AFTER_PARQUET = 64 * 1024
"""Bytes in which the end of a Parquet file is looked for."""


@dataclass(frozen=True, slots=True)
class ArrowFile:
    """An open table whose columns have types.

    Attributes:
        format: `parquet`, `arrow` or `arrows`.
        schema: Its columns.
        batches: Gets columns, a number of rows and row groups (None for all), and yields record batches of at least these
            columns; those of Arrow are of the sizes that they have in the file.
        row_count: How many rows there are; None where only reading would show it.
        parquet: The Parquet schema; None for others.
        groups: The rows of each row group of Parquet; none for others.
        groups_where: Gets an expression, and returns the row groups that may have rows for which it is true.
    """

    format: str
    schema: pa.Schema
    batches: Callable[[list[str], int, Sequence[int] | None], Iterable[pa.RecordBatch]]
    row_count: int | None = None
    parquet: pq.ParquetSchema | None = None
    groups: Sequence[int] = ()
    groups_where: Callable[[pc.Expression], list[int]] = lambda _: []


@dataclass(frozen=True, slots=True)
class TextFile:
    """An open table of text.

    Attributes:
        format: `csv` or `jsonl`.
        stream: Its bytes, from the beginning.
    """

    format: str
    stream: Peeked


@contextmanager
def opened_table(source: Source) -> Iterator[ArrowFile | TextFile]:
    """Open a table, whatever its format.

    Raises:
        FileError: The file is not there or can't be read.
        TruncatedFileError: The file is damaged.
        MismatchError: It is not a table, or one that this pyarrow can't read.
        ValueError: Standard input holds a format that needs a file.
    """
    with recognized(source) as (found, stream):
        if found in ("csv", "jsonl"):
            yield TextFile(found, stream)
        elif found == "arrows":
            with damage_as_file_error(source):
                reader = pa.ipc.open_stream(pa.PythonFile(stream, mode="r"))
                yield ArrowFile(found, reader.schema, lambda _columns, _rows, _groups: reader)
        else:
            if source.place is None:
                raise ValueError("Parquet and Arrow files can't be read from standard input: name the file")
            with source.open_for_arrow() as raw, damage_as_file_error(source):
                yield _parquet(raw) if found == "parquet" else _arrow_file(raw)


def _parquet(raw: object) -> ArrowFile:
    import pyarrow.parquet as pq

    file = pq.ParquetFile(raw, buffer_size=READ_AHEAD, pre_buffer=False, page_checksum_verification=True)
    return ArrowFile(
        "parquet",
        file.schema_arrow,
        lambda columns, rows, groups: file.iter_batches(  # threads take 40 MB more
            batch_size=rows, columns=columns, row_groups=groups, use_threads=False
        ),
        file.metadata.num_rows,
        file.schema,
        [file.metadata.row_group(number).num_rows for number in range(file.metadata.num_row_groups)],
        lambda expression: _groups_where(raw, expression),
    )


def _groups_where(raw: object, expression: pc.Expression) -> list[int]:
    """Return the row groups that may have such rows, by the statistics of the file."""
    import pyarrow.dataset as ds

    fragment = ds.ParquetFileFormat().make_fragment(raw)
    return [group.id for group in fragment.subset(expression, schema=fragment.physical_schema).row_groups]


def _arrow_file(raw: object) -> ArrowFile:
    file = pa.ipc.open_file(raw if isinstance(raw, pa.NativeFile) else pa.PythonFile(raw, mode="r"))
    count_rows = getattr(file, "count_rows", lambda: None)  # younger than our floor of pyarrow
    return ArrowFile(
        "arrow", file.schema, lambda _columns, _rows, _groups: map(file.get_batch, range(file.num_record_batches)), count_rows()
    )


@contextmanager
def damage_as_file_error(source: Source) -> Iterator[None]:
    """Turn an error of pyarrow about a file that it can't read into ours; not all such files are damaged."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, FileError):
            raise
        if isinstance(error, OSError) and error.errno:
            raise file_error(error, source.name) from None
        reason = str(error).partition("\n")[0]
        is_unknown = isinstance(error, (pa.ArrowNotImplementedError, pa.ArrowTypeError))
    else:
        return
    if is_unknown:
        raise MismatchError(
            f"pyarrow {pa.__version__} can't read this file: {reason}; write it with other types, or without such columns",
            path=source.name,
        )
    if "magic bytes" in reason and (length := _bytes_after_parquet(source)):
        raise MismatchError(
            f"other bytes follow the end of the Parquet data ({length:,} B), which is read from its end: remove them",
            path=source.name,
        )
    raise TruncatedFileError(f"the file is damaged or cut short: {reason}", path=source.name)


def _bytes_after_parquet(source: Source) -> int:
    """Count the bytes after a complete Parquet file: a newline of a text transfer, zeros of a tape. 0 if it has no end."""
    with source.open_for_arrow() as file:
        size = file.seek(0, 2) if not isinstance(file, pa.NativeFile) else file.size()
        start = max(size - AFTER_PARQUET, 0)
        file.seek(start)
        tail = file.read(size - start)
    end = tail.rfind(PARQUET_MAGIC)
    footer = int.from_bytes(tail[end - 4 : end], "little") if end >= 4 else 0
    return len(tail) - end - 4 if 0 < footer <= start + end else 0
