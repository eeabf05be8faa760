"""A lazy and re-iterable table: what `join` and `export` return."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from copy import copy
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Literal, Self, TypeVar, cast

from batchfiles.codec import dumps
from batchfiles.errors import MissingDependencyError
from batchfiles.inputs.local import LocalFile, check_unchanged, places_of, refuse_read
from batchfiles.io.target import PathTarget, Target, TargetLike
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import in_steps
from batchfiles.jobs.join.report import NOT_OF_VECTORS, TableOptions, TableReport
from batchfiles.jobs.join.summary import describe, first_rows, page
from batchfiles.jobs.join.table_files import NO_RESUME, NewFolder, checked_file_bytes, is_own_file, part_name
from batchfiles.table.plain_rows import is_mostly_plain
from batchfiles.workers import Product, Spec, WorkerPool

if TYPE_CHECKING:
    import pandas as pd
    import polars as pl
    import pyarrow as pa

    from batchfiles.inputs.roles import FileRoles
    from batchfiles.jobs.join.user_columns import AnswerSchema
    from batchfiles.table.open import TableFormat
    from batchfiles.table.parquet import ParquetTable
    from batchfiles.table.rows import TableName

ReportT = TypeVar("ReportT", bound=TableReport)

TASK_BYTES = 3 * 1024 * 1024
"""Bytes of a range whose rows go to one file; a few of them wait in memory for their turn."""

PART_BYTES = 32 * 1024 * 1024
"""Bytes of a range that becomes its own Parquet file."""


class LazyTable(Generic[ReportT]):
    """A table of batch files, made again by each call.

    The files are those that existed when this object was made. Each pass raises a `FileError` if their sizes or modification
    times have changed at its beginning or its end.

    Iterating gives each row as a dict of the table's columns. `to_parquet` and `write` make a file, `to_arrow`, `to_pandas` and
    `to_polars` make the table in memory, `to_batches` and `to_reader` stream it, and any library that supports the Arrow C stream
    protocol (DuckDB, polars, pyarrow) takes the object itself. Each of them reads the files once more.
    """

    _name: ClassVar[str]  # that it shows
    _main_works = False
    """Whether this process is one of the workers."""
    _resumes = False
    """Whether a folder of this table can be continued."""

    def __init__(self, options: TableOptions, roles: FileRoles, spool: Spool) -> None:
        self._options = options
        self._roles = roles
        self._spool = spool
        self._parsed: AnswerSchema | None = self._answer_schema() if options.parsed else None
        self._report: ReportT | None = None

    def close(self) -> None:
        """Remove temporary files; otherwise they are removed with the object."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        """Return the files, the options, and the rows once they are known."""
        return describe(self._name, self._roles.described(), self._options, self._report)

    def _repr_html_(self) -> str:
        """Return outcomes and first rows for a notebook, as far as they can be read within a second, and the files."""
        return page(self._name, self, self._roles.described(), self._options, self._report, self._bytes(), self._bytes_of_head())

    def head(self, n: int = 5) -> pa.Table:
        """Return the first rows of the table.

        Only what they need is read: of a campaign the first parts, of other joins a scan of the results and few requests.

        Args:
            n: The number of rows.

        Raises:
            ValueError: `n` is negative.
            BatchFilesError: As for the function that made this object.

        Example:
            >>> batchfiles.join("fixtures/chat_completions").head(2)["custom_id"].to_pylist()
            ['ticket-0001', 'ticket-0002']
        """
        return first_rows(self.quick_copy(), n)

    def quick_copy(self) -> Self:
        """Return the same table, read in this process and without progress. What it reads is not reported by this object."""
        other = copy(self)
        other._options = replace(self._options, workers=1, progress=None)  # noqa: SLF001
        return other

    def _bytes_of_head(self) -> int:
        return self._bytes()

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table, without reading more than the first lines."""
        from batchfiles.table.rows import schema

        if self._parsed is None:
            return schema(self._table, dimensions=self._options.dimensions)
        return schema(self._table, parsed=self._parsed["json_schema"], parse_dates=self._parsed["parse_dates"])

    @property
    def report(self) -> ReportT:
        """What the last complete pass did, in numbers that add up. It never starts a pass: `summarize` does.

        Raises:
            RuntimeError: No pass over the files is complete.
        """
        if self._report is None:
            raise RuntimeError(
                "the report needs a complete pass: write or convert the table, iterate to the end, or call summarize()"
            )
        return self._report

    def summarize(self) -> ReportT:
        """Read all files, keep no rows, and return the report.

        Raises:
            BatchFilesError: As for the function that made this object.
        """
        for _ in self.to_batches():
            pass
        return self.report

    def to_batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the table in record batches of up to some thousand rows each, in order.

        Raises:
            BatchFilesError: As for the function that made this object.
        """
        with self._pool(parts=False) as pool:
            yield from self._run(pool)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for batch in self.to_batches():
            yield from batch.to_pylist()

    def to_reader(self) -> pa.RecordBatchReader:
        """Return a reader of the record batches, for libraries that take one; it reads the files as it is read."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_batches(self.schema, self.to_batches())

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        """Export the rows by the Arrow C stream protocol."""
        return self.to_reader().__arrow_c_stream__(requested_schema)

    def to_arrow(self) -> pa.Table:
        """Return the whole table in memory.

        Raises:
            BatchFilesError: As for the function that made this object.
        """
        import pyarrow as pa

        return pa.Table.from_batches(self.to_batches(), schema=self.schema)

    def to_pandas(self, *, dtype_backend: Literal["numpy", "pyarrow"] = "numpy") -> pd.DataFrame:
        """Return the table as a pandas data frame.

        Args:
            dtype_backend: `"numpy"` for pandas' usual types, in which a column of integers with a null is a column of floats;
                `"pyarrow"` keeps every type.

        Raises:
            MissingDependencyError: pandas is not installed.
            BatchFilesError: As for the function that made this object.
        """
        if dtype_backend not in ("numpy", "pyarrow"):
            raise ValueError(f"dtype_backend is 'numpy' or 'pyarrow', not {dtype_backend!r}")
        try:
            import pandas as pd
        except ImportError:
            raise MissingDependencyError("to_pandas needs pandas: pip install pandas") from None
        return self.to_arrow().to_pandas(types_mapper=pd.ArrowDtype if dtype_backend == "pyarrow" else None)

    def to_polars(self) -> pl.DataFrame:
        """Return the table as a polars data frame.

        Raises:
            MissingDependencyError: polars is not installed.
            BatchFilesError: As for the function that made this object.
        """
        try:
            import polars as pl
        except ImportError:
            raise MissingDependencyError("to_polars needs polars: pip install polars") from None
        return pl.DataFrame(self.to_arrow())

    def to_parquet(
        self,
        output: TargetLike,
        *,
        compression: Literal["zstd", "snappy", "gzip", "brotli", "lz4", "none"] = "zstd",
        compression_level: int | None = None,
        row_group_size: int | None = None,
        overwrite: bool = False,
        resume: bool = False,
        min_file_bytes: int | None = None,
        filesystem: object = None,
    ) -> ReportT:
        """Write the table to one Parquet file, or to a folder of Parquet files; it appears whole or not at all.

        The files in the folder of a campaign have the names of their parts, such as `requests-00001.parquet` or, for several
        small parts, `requests-00001_to_requests-00009.parquet`. Each appears as soon as it is whole, and an empty file `_SUCCESS`
        when all of them are there.

        Args:
            output: A name that ends in `.parquet`, or a folder: one that is there, or a name without a suffix or with a slash at
                its end. Also a URL (`s3://`, `gs://`, `abfs://`).
            compression: How pages are compressed. Vectors never are: they don't get smaller.
            compression_level: A level that the compression has; None takes 1 for zstd, and the usual one for the others.
            row_group_size: The rows of a row group; None ends it at 122,880 rows or at 24 MiB in memory, whichever comes first.
                That much memory is what the writer keeps.
            overwrite: Replace existing output; a folder only if it contains only such parts.
            resume: For the folder of a campaign: keep the files that are whole and were made of the same parts with the same
                options, and write the others.
            min_file_bytes: For a folder: the bytes of input from which on a file is large enough; smaller parts and ranges share
                a file. A remote or compressed file counts as it is stored. None is 32 MiB; 0 makes a file for each.
            filesystem: The filesystem of `output`, from `pyarrow.fs` or fsspec; None for the local one.

        Raises:
            ValueError: The compression or its level is unknown, the row group size is below 1, or `resume` is given and the files
                are not a campaign, or `output` is not a folder.
            OutputExistsError: The output exists and `overwrite` was not given.
            FileError: The output can't be written.
            BatchFilesError: As for the function that made this object.
        """
        from batchfiles.table.parquet import parquet_options

        options = parquet_options(compression, compression_level, row_group_size)
        target = Target.at(output, filesystem=filesystem)
        format_name: TableFormat | None = None if target.is_folder else "parquet"
        return self._write_table(
            target, format_name, overwrite=overwrite, resume=resume, min_file_bytes=min_file_bytes, **options
        )

    def write(
        self,
        output: TargetLike,
        *,
        format: TableFormat | None = None,  # noqa: A002 - the usual word
        overwrite: bool = False,
        csv_safe: bool = False,
        resume: bool = False,
        min_file_bytes: int | None = None,
        filesystem: object = None,
    ) -> ReportT:
        """Write the table in the format of the name's suffix, or of `format`; `-` is standard output.

        Args:
            output: `.parquet`, `.arrow` (IPC file), `.arrows` (IPC stream), `.jsonl` or `.csv`, the last two also with `.gz` or
                `.zst`; or a folder of Parquet parts, as in `to_parquet`.
            format: The format, if the name does not show it.
            overwrite: Replace existing output; a folder only if it contains only such parts.
            csv_safe: Make CSV cells harmless that a spreadsheet would run.
            resume: Continue the folder of a campaign, as in `to_parquet`.
            min_file_bytes: For a folder: see `to_parquet`.
            filesystem: The filesystem of `output`, from `pyarrow.fs` or fsspec; None for the local one.

        Raises:
            ValueError: The name has no suffix of a format or is that of an input, or there is nothing to resume.
            OutputExistsError: The output exists and `overwrite` was not given.
            FileError: The output can't be written.
            BatchFilesError: As for the function that made this object.
        """
        from batchfiles.table.open import table_target

        target = table_target(output, format, filesystem=filesystem)
        return self._write_table(
            target, format, overwrite=overwrite, resume=resume, csv_safe=csv_safe, min_file_bytes=min_file_bytes
        )

    def _write_table(
        self,
        target: Target,
        format_name: TableFormat | None,
        *,
        overwrite: bool,
        resume: bool = False,
        csv_safe: bool = False,
        min_file_bytes: int | None = None,
        **parquet: Any,  # noqa: ANN401 - those of `ParquetTable`
    ) -> ReportT:
        """Write the table; a job that may have to start again does so here."""
        from batchfiles.table.open import open_table
        from batchfiles.table.writer import written

        refuse_read(target, places_of((*self._roles.inputs, *self._roles.results)))
        if resume and not (target.is_folder and self._resumes):
            raise ValueError(NO_RESUME)
        if isinstance(target, PathTarget) and target.is_folder:
            return self._write_folder(target, parquet, overwrite=overwrite, resume=resume, min_file_bytes=min_file_bytes)
        if min_file_bytes is not None:
            raise ValueError("min_file_bytes is for a folder: another output is one file")

        with self._pool(parts=False) as pool:  # first: workers import while this process opens its file
            table = open_table(
                target,
                self.schema,
                format=format_name,
                overwrite=overwrite,
                csv_safe=csv_safe,
                metadata=self._metadata(),
                temp_dir=self._options.temp_dir,
                **parquet,
            )
            with table as writer, closing(self._run(pool)) as products:
                for _ in written(products, writer):
                    pass
                if more := self._late_metadata():
                    cast("ParquetTable", writer).add_metadata(more)
        self._report = replace(self.report, formula_cells=writer.formula_cells)
        return self._report

    def _write_folder(
        self,
        target: PathTarget,
        parquet: Mapping[str, Any],
        *,
        overwrite: bool,
        resume: bool,  # noqa: ARG002 - for campaigns
        min_file_bytes: int | None,
    ) -> ReportT:
        from batchfiles.table.parquet import ParquetTable

        least = checked_file_bytes(min_file_bytes)
        finished = target.open_folder(overwrite=overwrite, ours=is_own_file(target), temp_dir=self._options.temp_dir)
        with self._pool(parts=True) as pool, finished as folder:
            filled = NewFolder(folder, {"metadata": self._metadata(), **parquet}, least)
            with closing(self._run(pool, filled)) as products:
                for _ in products:
                    pass
            if not any(folder.iterdir()):  # no rows: one part that has the schema
                ParquetTable(folder / part_name(0), self.schema, metadata=self._metadata(), **parquet).close()
        return self.report

    @cached_property
    def _table(self) -> TableName:
        """The name of the table, found once: it may take all lines of a file to know whether they have vectors."""
        return self._options.table or self._table_of_files()

    def _table_of_files(self) -> TableName:
        """Choose the table by what the files hold."""
        raise NotImplementedError

    def _run(self, pool: WorkerPool, folder: NewFolder | None = None) -> Generator[Product, None, None]:
        """Yield the batches and set the report; with a folder, write parts there and yield nothing."""
        raise NotImplementedError

    def _late_metadata(self) -> dict[str, str]:
        """Return metadata of a Parquet file that is known only after the pass."""
        return {}

    def _metadata(self) -> dict[str, str]:
        metadata = {f"batchfiles.{kind}": dumps(names).decode() for kind, names in self._roles.names().items()}
        if self._parsed is not None:
            metadata["batchfiles.json_schema"] = dumps(self._parsed["json_schema"]).decode()
        return metadata

    def _answer_schema(self) -> AnswerSchema:
        """Find the JSON Schema of the answers.

        Raises:
            ValueError: The table has no answers in words, or their schema is not known.
            BatchFilesError: As `named_schema` and `requested_schema` say.
        """
        from batchfiles.jobs.join.user_columns import named_schema, requested_schema

        if self._table == "embeddings":
            raise ValueError(NOT_OF_VECTORS)
        options, requests = self._options, self._requests()
        dates, longest = options.parse_dates, options.max_line_bytes
        if options.schema is not None:
            return named_schema(options.schema, requests, parse_dates=dates, max_line_bytes=longest)
        return requested_schema(requests, parse_dates=dates, max_line_bytes=longest)

    def _requests(self) -> Sequence[LocalFile]:
        """Return the request files, which may have the schema of the answers.

        Raises:
            ValueError: There are none by the nature of the job, and no schema was named.
        """
        raise NotImplementedError

    def _files_read(self) -> Sequence[LocalFile]:
        """Return the files that are read."""
        raise NotImplementedError

    def _check_files(self) -> None:
        """Raise a `FileError` if a file is not what it was when this object was made."""
        check_unchanged(self._files_read())

    def _bytes(self) -> int:
        return sum(file.size for file in self._files_read())

    def _spec(self, folder: NewFolder | None) -> Spec:
        """Return the spec that every `RowWork` needs."""
        spec = {**self._options.spec(), "table": self._table, "parsed": self._parsed}
        return spec if folder is None else {**spec, "folder": str(folder.path), "parquet": dict(folder.parquet)}

    def _progress(self) -> Callable[[int], None]:
        return in_steps(self._options.progress, self._bytes())

    def _pool(self, *, parts: bool) -> WorkerPool:
        workers = self._options.workers_for(self._bytes(), parts=parts)
        is_plain = workers > 1 and self._parsed is None
        in_threads = is_plain and is_mostly_plain([file.path for file in self._roles.results], self._table)
        return WorkerPool(workers, main_works=self._main_works, in_threads=in_threads)
