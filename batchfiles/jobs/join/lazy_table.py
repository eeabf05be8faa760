"""A table that is made when somebody asks for it, as often as somebody asks: what `join` and `export` return.

The files of a table that is a folder: how they are called.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Self, TypedDict, TypeVar

from batchfiles.codec import dumps
from batchfiles.inputs.local import LocalFile, check_unchanged
from batchfiles.io.spool import Spool
from batchfiles.io.target import PathTarget, Target, TargetLike
from batchfiles.jobs.join.report import TableReport
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.workers.pool import MOST_WORKERS, WORTH_PROCESSES_FROM, Product, Progress, Spec, WorkerPool, cores, in_steps

if TYPE_CHECKING:
    from batchfiles.jobs.join.user_columns import AnswerSchema
    from batchfiles.table.parsed.source import SchemaLike

__all__ = ["PART_BYTES", "TASK_BYTES", "LazyTable", "TableKeywords", "TableOptions", "is_part_name", "part_name"]


PART_NAME = re.compile(r"part-[0-9]{5,}\.parquet")


def part_name(number: int) -> str:
    """Return the name of a part, counted from 0; the names sort as the parts do."""
    return f"part-{number:05d}.parquet"


def is_part_name(name: str) -> bool:
    """Return whether a file in a folder of parts has the name of a part, so that `force` may replace the folder."""
    return PART_NAME.fullmatch(name) is not None


ReportT = TypeVar("ReportT", bound=TableReport)

TASK_BYTES = 3 * 1024 * 1024
"""Bytes of a range whose rows go to one file: what waits in memory for its turn is a few of them."""
PART_BYTES = 32 * 1024 * 1024
"""Bytes of a range that becomes a Parquet file of its own."""

NOT_OF_VECTORS = "parsed answers are for the requests table, and this would be the embeddings table: vectors are no texts"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableOptions:
    """What a table is to look like and how it is made; the schema depends on this and on nothing else.

    Attributes:
        table: `"requests"`, `"embeddings"`, or None to choose by the first request's url.
        dimensions: The length of every vector, which makes the column a fixed-size list; only for embeddings.
        bodies: Which response bodies are kept: `"auto"`, `"all"` or `"none"`.
        request_bodies: `"all"` or `"none"`.
        cap: The longest line that is read, in bytes.
        temp_dir: Where temporary files go.
        workers: Processes that decode; None takes as many as pay.
        progress: Told how far the work is.
        parsed: Whether the table has the columns `parsed` and `parse_error`; only for requests.
        schema: The JSON Schema of `parsed`, its file, or a pydantic model; None takes the first one that a request asks for.
        parse_dates: Whether dates and times in `parsed` are such; without it they are texts.
    """

    table: str | None = None
    dimensions: int | None = None
    bodies: str = "auto"
    request_bodies: str = "all"
    cap: int = RESULT_LINE_CAP
    temp_dir: str | os.PathLike[str] | None = None
    workers: int | None = 1
    progress: Progress | None = None
    parsed: bool = False
    schema: SchemaLike | None = None
    parse_dates: bool = False

    def __post_init__(self) -> None:
        for name, value, allowed in (
            ("table", self.table, (None, "requests", "embeddings")),
            ("bodies", self.bodies, ("auto", "all", "none")),
            ("request_bodies", self.request_bodies, ("all", "none")),
        ):
            if value not in allowed:
                raise ValueError(f"{name} is one of {', '.join(map(str, allowed))}, not {value!r}")
        if self.dimensions is not None and self.table == "requests":
            raise ValueError("dimensions are for the embeddings table")
        if self.parsed and self.table == "embeddings":
            raise ValueError(NOT_OF_VECTORS)
        for name, given in (("schema", self.schema is not None), ("parse_dates", self.parse_dates)):
            if given and not self.parsed:
                raise ValueError(f"{name} goes with parsed: no other column depends on it")

    def spec(self) -> Spec:
        """Return what the rows depend on, for a `RowJob`."""
        return {
            "table": self.table,
            "dimensions": self.dimensions,
            "bodies": self.bodies,
            "request_bodies": self.request_bodies == "all",
            "cap": self.cap,
        }

    def workers_for(self, size: int, *, parts: bool) -> int:
        """Return how many worker processes to start for so many bytes."""
        if self.workers is not None:
            return self.workers
        most = cores() if parts else min(cores(), MOST_WORKERS)
        return max(1, min(most, size // WORTH_PROCESSES_FROM))

    def with_schema_of(self, filesystem: object) -> Self:
        """Return the same options, the schema loaded where its name is a path in a filesystem.

        Raises:
            BatchFilesError: As `load_schema` says.
        """
        if filesystem is None or self.schema is None:
            return self
        from batchfiles.table.parsed.source import load_schema

        return replace(self, schema=load_schema(self.schema, filesystem=filesystem))


class TableKeywords(TypedDict, total=False):
    """The fields of `TableOptions` as keywords."""

    table: str | None
    dimensions: int | None
    bodies: str
    request_bodies: str
    cap: int
    temp_dir: str | os.PathLike[str] | None
    workers: int | None
    progress: Progress | None
    parsed: bool
    schema: SchemaLike | None
    parse_dates: bool


class LazyTable(Generic[ReportT]):
    """A table of batch files, made anew each time it is asked for.

    The files are those that were there when this object was made. Each pass looks at its beginning and at its end whether they
    still are, by their sizes and the times of their last changes, and raises a `FileError` if not: rows and numbers are never
    those of half a change. For files that have grown since, make a new object.

    Iterating gives each row as a dict of the table's columns. `to_arrow`, `to_parquet` and `write` make the whole table,
    `batches` streams it, and whatever speaks the Arrow C stream protocol (DuckDB, polars, pyarrow) takes the object as it is.
    """

    def __init__(self, options: TableOptions, spool: Spool) -> None:
        self._options = options
        self._spool = spool
        self._parsed: AnswerSchema | None = self._answer_schema() if options.parsed else None
        self._report: ReportT | None = None

    def close(self) -> None:
        """Remove temporary files; without it they go when the object does."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def schema(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """The `pyarrow.Schema` of the table, without reading more than the first lines."""
        from batchfiles.table.schema import schema

        if self._parsed is None:
            return schema(self._table, dimensions=self._options.dimensions)
        return schema(self._table, parsed=self._parsed["json_schema"], parse_dates=self._parsed["parse_dates"])

    @property
    def report(self) -> ReportT:
        """What was done, in numbers that add up; makes the table once if nobody has yet."""
        if self._report is None:
            for _ in self.batches():
                pass
        assert self._report is not None  # noqa: S101 - set when the batches end
        return self._report

    def batches(self) -> Iterator[Any]:
        """Yield the table as `pyarrow.RecordBatch` values of some hundred rows each, in order.

        Raises:
            BatchFilesError: As the function that made this object says.
        """
        with self._pool(parts=False) as pool:
            yield from self._run(pool, None, {})

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.batches():
            yield from batch.to_pylist()

    def to_arrow(self) -> Any:  # noqa: ANN401 - pyarrow has no types
        """Return the table as a `pyarrow.Table`, all of it in memory."""
        import pyarrow as pa

        return pa.Table.from_batches(self.batches(), schema=self.schema)

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Hand the rows to whoever speaks the Arrow C stream protocol."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self.batches()).__arrow_c_stream__(requested_schema)

    def to_parquet(self, path: TargetLike, *, force: bool = False, filesystem: object = None) -> ReportT:
        """Write the table to one Parquet file, or to a folder of Parquet parts; it appears whole or not at all.

        Args:
            path: A name that ends in `.parquet`, or a folder: one that is there, or a name without a suffix or with a slash at
                its end. Also a URL (`s3://`, `gs://`, `abfs://`).
            force: Replace what is there; a folder only if there is nothing in it but such parts.
            filesystem: The filesystem in which `path` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

        Raises:
            OutputExistsError: Something is there and `force` was not given.
            FileError: The disk refused.
            BatchFilesError: As the function that made this object says.
        """
        target = Target.at(path, filesystem=filesystem)
        return self.write(target, format=None if target.is_folder else "parquet", force=force)

    def write(
        self,
        path: TargetLike,
        *,
        format: str | None = None,  # noqa: A002 - the command line's word
        force: bool = False,
        csv_safe: bool = False,
        filesystem: object = None,
    ) -> ReportT:
        """Write the table in the format that the name's suffix says, or that `format` names; `-` is standard output.

        Args:
            path: `.parquet`, `.arrow` (IPC file), `.arrows` (IPC stream), `.jsonl` or `.csv`, the last two also with `.gz` or
                `.zst`; or a folder of Parquet parts, as in `to_parquet`.
            format: The format where the name doesn't say it.
            force: Replace what is there; a folder only if there is nothing in it but such parts.
            csv_safe: Make CSV cells harmless that a spreadsheet would run.
            filesystem: The filesystem in which `path` is a path, of `pyarrow.fs` or of fsspec; None takes the local one.

        Raises:
            ValueError: The name says no format.
            OutputExistsError: Something is there and `force` was not given.
            FileError: The disk refused.
            BatchFilesError: As the function that made this object says.
        """
        from batchfiles.table.open import open_table, table_target
        from batchfiles.table.writer import written

        target = table_target(path, format, filesystem=filesystem)
        if isinstance(target, PathTarget) and target.is_folder:
            return self._write_folder(target, force=force)

        with self._pool(parts=False) as pool:  # first of all: they import while this process opens its file
            table = open_table(
                target,
                self.schema,
                format=format,
                force=force,
                csv_safe=csv_safe,
                metadata=self._metadata(),
                temp_dir=self._options.temp_dir,
            )
            with table as writer, closing(self._run(pool, None, {})) as products:
                for _ in written(products, writer):
                    pass
        self._report = replace(self.report, formula_cells=writer.formula_cells)
        return self._report

    def _write_folder(self, target: PathTarget, *, force: bool) -> ReportT:
        from batchfiles.table.parquet import ParquetTable

        finished = target.open_folder(force=force, ours=is_part_name, temp_dir=self._options.temp_dir)
        with self._pool(parts=True) as pool, finished as folder:
            with closing(self._run(pool, folder, self._metadata())) as products:
                for _ in products:
                    pass
            if not any(folder.iterdir()):  # no rows: one part that has the schema
                ParquetTable(folder / part_name(0), self.schema, metadata=self._metadata()).close()
        return self.report

    @cached_property
    def _table(self) -> str:
        """The name of the table, found once: whether a file makes vectors may take all of its lines."""
        return self._options.table or self._table_of_files()

    def _table_of_files(self) -> str:
        """Choose the table by what the files hold."""
        raise NotImplementedError

    def _sources(self) -> Mapping[str, list[str]]:
        """Return the display names of the files by what they hold, for the table's metadata."""
        raise NotImplementedError

    def _run(self, pool: WorkerPool, folder: Path | None, metadata: Mapping[str, str]) -> Generator[Product, None, None]:
        """Yield the batches and set the report; with a folder, write parts there and yield nothing."""
        raise NotImplementedError

    def _metadata(self) -> dict[str, str]:
        metadata = {f"batchfiles.{kind}": dumps(names).decode() for kind, names in self._sources().items()}
        if self._parsed is not None:
            metadata["batchfiles.json_schema"] = dumps(self._parsed["json_schema"]).decode()
        return metadata

    def _answer_schema(self) -> AnswerSchema:
        """Find the JSON Schema of the answers.

        Raises:
            ValueError: The table has no answers in words, or nothing says what their schema is.
            BatchFilesError: As `answer_schema` says.
        """
        from batchfiles.jobs.join.user_columns import named_schema, requested_schema

        if self._table == "embeddings":
            raise ValueError(NOT_OF_VECTORS)
        if self._options.schema is not None:
            return named_schema(
                self._options.schema, self._requests(), parse_dates=self._options.parse_dates, cap=self._options.cap
            )
        return requested_schema(self._requests(), parse_dates=self._options.parse_dates, cap=self._options.cap)

    def _requests(self) -> Sequence[LocalFile]:
        """Return the request files, which may say what answers are to look like.

        Raises:
            ValueError: There are none by the nature of the job, and no schema was named.
        """
        raise NotImplementedError

    def _files_read(self) -> Sequence[LocalFile]:
        """Return the files that are read."""
        raise NotImplementedError

    def _check_files(self) -> None:
        """Make sure that the files are what they were when this object was made.

        Raises:
            FileError: One has changed.
        """
        check_unchanged(self._files_read())

    def _bytes(self) -> int:
        return sum(file.size for file in self._files_read())

    def _spec(self, folder: Path | None, metadata: Mapping[str, str]) -> Spec:
        """Return what every `RowJob` needs to know."""
        spec = {**self._options.spec(), "table": self._table, "parsed": self._parsed}
        return spec if folder is None else {**spec, "folder": str(folder), "metadata": dict(metadata)}

    def _progress(self) -> Callable[[int], None]:
        return in_steps(self._options.progress, self._bytes())

    def _pool(self, *, parts: bool) -> WorkerPool:
        return WorkerPool(self._options.workers_for(self._bytes(), parts=parts))
