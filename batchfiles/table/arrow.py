"""Tables whose columns have types, opened for reading: Parquet files, Arrow files and Arrow streams."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from batchfiles.errors import FileError, MismatchError, TruncatedFileError
from batchfiles.io.atomic import file_error
from batchfiles.io.sources import Source
from batchfiles.table.formats import PARQUET_MAGIC, Peeked, recognized

__all__ = ["ArrowFile", "TextFile", "opened_table", "told_as_damage"]

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
            with told_as_damage(source):
                reader = pa.ipc.open_stream(pa.PythonFile(stream, mode="r"))
                yield ArrowFile(found, reader.schema, lambda _columns, _rows, _groups: reader)
        else:
            if source.place is None:
                raise ValueError("Parquet and Arrow files can't be read from standard input: name the file")
            with source.open_for_arrow() as raw, told_as_damage(source):
                yield _parquet(raw) if found == "parquet" else _arrow_file(raw)


def _parquet(raw: object) -> ArrowFile:
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
def told_as_damage(source: Source) -> Iterator[None]:
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
