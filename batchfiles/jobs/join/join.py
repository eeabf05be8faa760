"""`join`: every request with its result, in the order of the requests; every line of every file is counted."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from batchfiles.errors import MismatchError
from batchfiles.ids.index import IndexBuilder, IndexEntries, LineRef, ResultFlags
from batchfiles.inputs.attribution import attributed
from batchfiles.inputs.folder_files import not_read_fields
from batchfiles.inputs.kinds import table_of_inputs
from batchfiles.inputs.local import LocalFile, check_unchanged
from batchfiles.inputs.roles import FileRoles, Pairs, sort_files
from batchfiles.io.remote.path import changed
from batchfiles.io.sources import SourceLike
from batchfiles.io.spool import Spool
from batchfiles.io.target import PathTarget, Target, TargetLike
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.accounting import Accounting, duplicate_inputs, write_rejects
from batchfiles.jobs.join.lazy_table import PART_BYTES, TASK_BYTES, LazyTable
from batchfiles.jobs.join.lookup import refuse_conflicts
from batchfiles.jobs.join.repeated_requests import SharedIds, find_repeated, first_ids_meet, shares_ids
from batchfiles.jobs.join.report import JoinReport, TableCounts, TableOptions
from batchfiles.jobs.join.rows import JoinRows
from batchfiles.jobs.join.scan import IndexMismatch, ResultIndex, scan_results, with_line_numbers
from batchfiles.jobs.join.user_columns import UserTableSpec, add_user_table, with_own_columns
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.workers.pool import Product, Spec, WorkerPool

if TYPE_CHECKING:
    import pyarrow as pa

    from batchfiles.table.open import TableFormat
    from batchfiles.table.parsed.source import SchemaLike
    from batchfiles.table.read import TableLike
    from batchfiles.table.schema import TableName


__all__ = ["Join", "join"]


class Join(LazyTable[JoinReport]):
    """Requests joined with their results: what `join` returns.

    The object is lazy: until the table, its rows or its report are requested, only first lines are read.
    """

    def __init__(self, options: TableOptions, roles: FileRoles, spool: Spool, *, refuse_duplicates: bool) -> None:
        self._user_columns: UserTableSpec | None = None
        super().__init__(options, roles, spool)
        self._files = roles.result_files()
        self._refuse_duplicates = refuse_duplicates
        self._indexes: dict[bool, ResultIndex] = {}  # by whether other processes made it: see WorkerPool.uses_processes
        self._fast = False
        self._shares_ids = False
        self._accounting: Accounting | None = None

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table: those of the results, then those of `with_table`."""
        own = super().schema
        return own if self._user_columns is None else with_own_columns(own, self._user_columns)

    def add_columns_of(
        self,
        table: TableLike,
        id_template: str,
        prefix: str,
        filesystem: object,
        csv_nulls: Sequence[str] | None,
    ) -> None:
        """Add the columns of the user's table after the others: see `join`."""
        taken, max_line_bytes = super().schema.names, self._options.max_line_bytes
        self._user_columns = add_user_table(
            table,
            id_template,
            self._spool,
            taken,
            prefix=prefix,
            max_line_bytes=max_line_bytes,
            filesystem=filesystem,
            csv_nulls=csv_nulls,
        )

    def write_rejects(self, output: TargetLike, *, overwrite: bool = False, filesystem: object = None) -> None:
        r"""Copy the result lines that are not in the table, byte for byte, each with a `\n`, in the order of the files.

        They are the malformed, unknown, superseded and conflicting ones. If the table was not made yet, all files are read for
        it.

        Args:
            output: A new file, or the URL of one; compressed if it has such a suffix.
            overwrite: Replace existing output.
            filesystem: The filesystem of `output`; None for the local one.

        Raises:
            OutputExistsError: The output exists and `overwrite` was not given.
            FileError: The output can't be written, or a result file has changed.
        """
        if self._accounting is None:
            self.summarize()
        assert self._accounting is not None  # noqa: S101 - the report needs them
        target = PathTarget.at(output, filesystem=filesystem, folder=False)
        write_rejects(target, self._rejected(self._accounting), self._files, overwrite=overwrite, temp_dir=self._options.temp_dir)

    def _rejected(self, accounting: Accounting) -> Iterator[LineRef]:
        """Yield the places of the lines to copy, from files that are still what they were."""
        check_unchanged(self._roles.results)
        yield from accounting.rejected()
        check_unchanged(self._roles.results)

    def _write_table(
        self,
        target: Target,
        format_name: TableFormat | None,
        *,
        overwrite: bool,
        csv_safe: bool = False,
        **parquet: Any,  # noqa: ANN401 - those of `ParquetTable`
    ) -> JoinReport:
        # A file can be written again, so a fast scan is enough, and ids are mostly in one request file only. Rows that were
        # yielded can't be revoked.
        self._fast = target.stream is None
        try:
            while True:
                try:
                    return super()._write_table(target, format_name, overwrite=overwrite, csv_safe=csv_safe, **parquet)
                except IndexMismatch:
                    self._fast = False
                except SharedIds:
                    self._shares_ids = True
        finally:
            self._fast = False

    def _table_of_files(self) -> TableName:
        return table_of_inputs(self._roles.inputs, max_line_bytes=self._options.max_line_bytes)

    def _requests(self) -> Sequence[LocalFile]:
        return self._roles.inputs

    def _files_read(self) -> Sequence[LocalFile]:
        return self._roles.inputs + self._roles.results

    def _run(self, pool: WorkerPool, folder: Path | None, parquet: Mapping[str, Any]) -> Generator[Product, None, None]:
        started = time.perf_counter()
        self._check_files()
        progress = self._progress()
        apart = pool.uses_processes
        known = self._indexes.get(apart)
        result_index = known or self._surveyed(pool, progress)
        marks = ResultFlags(self._spool.new_path("marks"), result_index.index.count)
        ranges, repeated = self._ranges(pool, result_index, TASK_BYTES if folder is None else PART_BYTES)
        spec = {
            **self._spec(folder, parquet),
            "inputs": [[file.name, str(file.path)] for file in self._roles.inputs],
            "results": [list(file) for file in self._files],
            "index": str(result_index.index.path),
            "marks": str(marks.path),
            "count": result_index.index.count,
            "refuse_duplicates": self._refuse_duplicates,
            "repeated": repeated,
            "user_columns": self._user_columns,
            "prefetch": sum(file.size for file in self._roles.results) > cached_bytes(),
        }
        totals = TableCounts()
        request_ref = IndexBuilder(self._spool.new_path("inputs.index"))
        try:
            with closing(pool.run(JoinRows, spec, ranges)) as products:
                for _, product in products:
                    if isinstance(product, bytes):
                        request_ref.add(IndexEntries.from_bytes(product))
                    elif isinstance(product, dict):
                        totals.add(product)
                        progress(product["bytes"])
                    else:
                        yield product
            self._build_report(result_index, marks, request_ref, totals, started)
            # Every line was checked against its id by now, so the fast scan is as good as an exact one.
            self._indexes[apart] = result_index
        except IndexMismatch:
            if result_index.exact:
                self._check_files()
                raise changed("a result file") from None
            raise
        finally:
            # Maps outlive their names. Close the index of a pass that did not finish, unless another pass made it.
            request_ref.close()
            marks.path.unlink(missing_ok=True)
            if known is None and self._indexes.get(apart) is not result_index:
                result_index.index.close()
                result_index.index.path.unlink(missing_ok=True)

    def _ranges(self, pool: WorkerPool, result_index: ResultIndex, size: int) -> tuple[list[Spec], Spec | None]:
        """Divide the request files, and compare those of their lines that have the same id in several files.

        Raises:
            MismatchError: A result could be that of two different requests.
        """
        inputs = self._roles.inputs
        if not self._compares(inputs):
            return with_line_numbers(pool, inputs, size), None
        apart = self._roles.parts.are_apart
        ranges, repeated, contests = find_repeated(
            pool, inputs, self._spool, size=size, max_line_bytes=self._options.max_line_bytes, apart=apart
        )
        if contests:
            self._files = attributed(inputs, self._roles.results, self._files)
            refuse_conflicts(contests, inputs, result_index.index, self._files)
        return ranges, repeated.save(self._spool.new_path("repeated")) if repeated else None

    def _compares(self, inputs: Sequence[LocalFile]) -> bool:
        """Return whether ids of request files are compared before the rows are made; if not, shared ids are found at the end."""
        self._shares_ids = self._shares_ids or (len(inputs) > 1 and (not self._fast or first_ids_meet(inputs)))
        return self._shares_ids

    def _surveyed(self, pool: WorkerPool, progress: Callable[[int], None]) -> ResultIndex:
        """Scan the results."""
        path = self._spool.new_path("results.index")
        exact = not self._fast
        return scan_results(
            pool, self._roles.results, path, max_line_bytes=self._options.max_line_bytes, exact=exact, progress=progress
        )

    def _build_report(
        self, result_index: ResultIndex, marks: ResultFlags, request_ref: IndexBuilder, totals: TableCounts, started: float
    ) -> None:
        """Count how every line was used, and make the report."""
        accounting = Accounting(result_index, marks, self._files)
        with request_ref.finish() as index:
            index.path.unlink()
            if not self._shares_ids and len(self._roles.inputs) > 1 and shares_ids(index):
                raise SharedIds
            duplicates, places = duplicate_inputs(index, self._roles.inputs, self._files, self._roles.parts.own_batches)
            if accounting.counts["unknown"] and not accounting.counts["used"] and result_index.index.is_disjoint(index):
                self._refuse_strangers(accounting)
        examples = {**accounting.examples, "duplicate": places} if places else accounting.examples
        self._check_files()  # all passes have read the same files
        fields = totals.fields()
        fields["blank_lines"] += result_index.blank_lines
        fields["repaired_lines"] += result_index.repaired_lines + accounting.counts["repaired"]
        fields["findings"] = (*self._roles.findings, *accounting.glued, *result_index.findings, *fields["findings"])
        fields["findings_not_listed"] += result_index.findings_not_listed
        passed_over = not_read_fields(self._roles.not_read)
        fields |= passed_over | {"examples": fields["examples"] | passed_over["examples"]}
        if not result_index.lines > result_index.blank_lines:
            fields["no_results"] = sum(totals.outcomes.values())
        fields["examples"] |= {kind: tuple(found) for kind, found in examples.items()}
        self._report = JoinReport(
            table=self._table,
            files=self._roles.described(),
            result_lines=result_index.lines - result_index.blank_lines,
            seconds=round(time.perf_counter() - started, 3),
            inputs=sum(totals.outcomes.values()),
            malformed_inputs=totals.counts["malformed_inputs"],
            duplicate_inputs=duplicates,
            missing=totals.outcomes["missing"],
            with_rows=0 if self._user_columns is None else self._user_columns["rows"],
            unmatched=totals.counts["unmatched"],
            used=accounting.counts["used"],
            unknown=accounting.counts["unknown"],
            superseded=accounting.counts["superseded"],
            conflicting=accounting.counts["conflicting"],
            malformed_results=accounting.counts["malformed_results"],
            malformed_unmatched=accounting.counts["malformed_unmatched"],
            **fields,
        )
        self._accounting = accounting

    def _refuse_strangers(self, accounting: Accounting) -> None:
        """Refuse results of other requests.

        Raises:
            MismatchError: There are results with ids, and no request has one of them.
        """
        results, inputs = (
            ", ".join(list(dict.fromkeys(each.name for each in of))[:3]) for of in (self._files, self._roles.inputs)
        )
        raise MismatchError(
            f"0 of {accounting.counts['unknown']:,} results belong to a request of {inputs}: name the results of these "
            "requests, or export the results alone",
            path=results,
        )


def cached_bytes() -> int:
    """Return the bytes of results that the system will keep in memory from one pass to the next: half of what it has."""
    if not hasattr(os, "posix_fadvise"):  # no such system call
        return sys.maxsize
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def join(
    *files: SourceLike,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    on_duplicate: Literal["best", "error"] = "best",
    with_table: TableLike | None = None,
    id_template: str | None = None,
    with_prefix: str = "",
    csv_nulls: Sequence[str] | None = None,
    table: TableName | None = None,
    dimensions: int | None = None,
    bodies: Literal["auto", "all", "none"] = "auto",
    request_bodies: Literal["all", "none"] = "all",
    parsed: bool = False,
    schema: SchemaLike | None = None,
    parse_dates: bool = False,
    max_line_bytes: int = RESULT_LINE_CAP,
    temp_dir: str | os.PathLike[str] | None = None,
    filesystem: object = None,
    workers: int | None = 1,
    progress: Progress | None = None,
) -> Join:
    """Join results to their requests: one row for each request, in the order of the requests.

    Args:
        *files: Request files, output files and error files in any mix, sorted by what their lines are: paths, folders, globs,
            open binary files, `-`. Only results if `inputs` are given.
        inputs: Files that must be requests.
        pairs: Request files by name, each with the result file or files that belong to it: `{"monday.jsonl": "out-1.jsonl"}`. It
            is needed only if ids are in several request files and neither a manifest, nor the batch object next to the
            results, nor a name says which request file a result belongs to. The files are read whether `files` names them or not.
        on_duplicate: What to do if there are several results for a request: `"best"` prefers succeeded, then incomplete,
            then the rest, among equals the later one; `"error"` refuses.
        with_table: Your own table, such as the one that the requests were made from (see `prepare`): its columns come after those
            of the results, in the rows whose `custom_id` matches. It is read, and copied to a temporary file, when this is
            called.
        id_template: The template of the `custom_id`, such as `"{{doc}}-{{chunk}}"`; needed with `with_table`.
        csv_nulls: What null is in your CSV table, as for `prepare`.
        with_prefix: A prefix for the names of your columns: a column with the name of a result column is refused.
        table: `"requests"`, a row for each request; `"embeddings"`, a row for each vector; None chooses by the url of the first
            request.
        dimensions: The length of every vector, which makes the column a fixed-size list; only for embeddings.
        bodies: Which response bodies are kept in `response_body`: `"auto"`, `"all"` or `"none"`. `"auto"` keeps those whose
            content is not in the other columns.
        request_bodies: Whether the bodies of the requests are kept in `request_body`: `"all"` or `"none"`.
        parsed: Whether to add the columns `parsed` and `parse_error`: the answers, typed by a JSON Schema; only for requests.
        schema: The JSON Schema of `parsed`, a file with it, or a pydantic model; None for the first one in the
            requests.
        parse_dates: Whether dates and times in `parsed` become dates and timestamps; without it they stay strings.
        max_line_bytes: The longest line that is read, in bytes; a longer one has a row with the error code `line_too_long`.
        temp_dir: Where temporary files go; None for the system's temporary folder.
        filesystem: The filesystem of all paths, also of `with_table` and `schema`, from `pyarrow.fs` or fsspec; None for the
            local one.
        workers: Processes that decode; None chooses by the size of the files.
        progress: Called repeatedly with the bytes done and the total bytes.

    Returns:
        A `Join`: iterate it, or call `to_arrow()`, `to_parquet(path)`, `write(path)`, `report`.

    Raises:
        MismatchError: No file holds requests, a file is of the other kind than it must be, or of another service's format, or
            there is no JSON Schema for `parsed`.
        DuplicateCustomIdError, InvalidLineError: Two rows of `with_table` make the same id, or one makes none.
        FileError: A file can't be read, or the disk is full.
        TruncatedFileError: A compressed file is damaged.
        MissingDependencyError: `schema` is a pydantic model and pydantic is not installed.
        TypeError: There is no file, or `inputs` is a single path.
        ValueError: An option has an invalid value, or options exclude each other.

    Later, when the table is made:
        FileError: A file is not what it was when this was called, or changed while it was being read: call this again.
        DuplicateCustomIdError: With `on_duplicate="error"`: there are two results for a request.
        MismatchError: A result could be that of two different requests, because their files share its id and nothing shows to
            which of them it belongs; or there are results, but none belongs to a request.
        InvalidLineError: With `dimensions`: a vector has another length.

    Example:
        >>> joined = batchfiles.join("fixtures/chat_completions")
        >>> report = joined.to_parquet("joined.parquet")
        >>> report.rows, report.missing, report.outcomes["succeeded"]
        (16, 1, 8)
    """
    if on_duplicate not in ("best", "error"):
        raise ValueError(f"on_duplicate is 'best' or 'error', not {on_duplicate!r}")
    if (with_table is None) != (id_template is None):
        raise ValueError("with_table and id_template go together: the id says which row belongs to which request")
    if with_prefix and with_table is None:
        raise ValueError("with_prefix goes with with_table")
    if csv_nulls is not None and with_table is None:
        raise ValueError("csv_nulls goes with with_table")
    if not files and not inputs and not pairs:
        raise TypeError("join needs at least one file")
    chosen = TableOptions(
        table=table,
        dimensions=dimensions,
        bodies=bodies,
        request_bodies=request_bodies,
        parsed=parsed,
        schema=schema,
        parse_dates=parse_dates,
        max_line_bytes=max_line_bytes,
        temp_dir=temp_dir,
        workers=workers,
        progress=progress,
    ).with_schema_of(filesystem)
    spool = Spool(chosen.temp_dir)
    roles = sort_files(files, inputs, spool, pairs=pairs, filesystem=filesystem, max_line_bytes=chosen.max_line_bytes)
    if not roles.inputs and roles.results:
        names = ", ".join(file.name for file in roles.results[:3])
        raise MismatchError(
            f"no file holds requests, only results ({names}): name the request file too, or export the results alone"
        )
    job = Join(chosen, roles, spool, refuse_duplicates=on_duplicate == "error")
    if with_table is not None and id_template is not None:
        job.add_columns_of(with_table, id_template, with_prefix, filesystem, csv_nulls)
    return job
