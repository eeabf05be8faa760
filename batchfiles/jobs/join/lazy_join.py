"""Requests joined with their results, lazily: every request has a row, and every line of every file is counted."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import fields as fields_of
from typing import TYPE_CHECKING, Any, Literal, TypedDict, cast

from batchfiles.campaign import Campaigns
from batchfiles.errors import MismatchError
from batchfiles.findings import Findings
from batchfiles.ids.index import IndexBuilder, IndexEntries, LineRef, ResultFlags
from batchfiles.inputs.folders import attributed, not_read_fields
from batchfiles.inputs.kinds import table_of_inputs
from batchfiles.inputs.local import LocalFile, ResultFile, check_unchanged, places_of, refuse_read
from batchfiles.inputs.roles import FileRoles, Pairs, sort_files
from batchfiles.io.sources import SourceLike
from batchfiles.io.target import PathTarget, TargetLike
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import Progress, in_phases, progress_of
from batchfiles.jobs.join.accounting import Accounting, duplicate_inputs, write_rejects
from batchfiles.jobs.join.lazy_table import PART_BYTES, TASK_BYTES, LazyTable
from batchfiles.jobs.join.lookup import refuse_conflicts
from batchfiles.jobs.join.repeated_requests import find_repeated
from batchfiles.jobs.join.report import JoinReport, TableCounts, TableOptions
from batchfiles.jobs.join.rows import JoinRows
from batchfiles.jobs.join.scan import ResultIndex, scan_results, with_line_numbers
from batchfiles.jobs.join.table_files import NewFolder, in_files
from batchfiles.workers import Product, Spec, WorkerPool

if TYPE_CHECKING:
    import pyarrow as pa

    from batchfiles.jobs.join.user_columns import AnswerSchema, UserTableSpec
    from batchfiles.table.parsed_schema import SchemaLike
    from batchfiles.table.read import TableLike
    from batchfiles.table.rows import TableName

LOG = logging.getLogger(__name__)

SCAN_COST = 0.1
"""The cost of a byte of results in the scan; that of making the rows is 1 for each byte of requests and results."""


class JoinOptions(TypedDict, total=False):
    """The options of `join`, which has their meanings and defaults."""

    on_duplicate: Literal["best", "error"]
    with_table: TableLike | None
    id_template: str | None
    with_prefix: str
    csv_nulls: Sequence[str] | None
    table: TableName | None
    dimensions: int | None
    bodies: Literal["auto", "all", "none"]
    request_bodies: Literal["all", "none"]
    parsed: bool
    schema: SchemaLike | None
    parse_dates: bool
    max_line_bytes: int
    temp_dir: str | os.PathLike[str] | None
    filesystem: object
    workers: int | None
    progress: Progress | bool | None


def join_options(arguments: Mapping[str, object]) -> JoinOptions:
    """Return the options of a join among the arguments of a function."""
    return cast("JoinOptions", {name: arguments[name] for name in JoinOptions.__annotations__})


class CampaignChoices(TypedDict):
    """What is chosen once for all parts of a campaign; it is JSON.

    Attributes:
        table: The name of the table.
        parsed: The schema of the answers; None without `parsed`.
        user_columns: The copy of the user's table; None without one.
    """

    table: TableName
    parsed: AnswerSchema | None
    user_columns: UserTableSpec | None


class Join(LazyTable[JoinReport]):
    """Requests joined with their results: what `join` returns.

    The object is lazy: until the table, its rows or its report are requested, only first lines are read.
    """

    _name = "Join"

    def __init__(
        self,
        options: TableOptions,
        roles: FileRoles,
        spool: Spool,
        *,
        refuse_duplicates: bool,
        choices: CampaignChoices | None = None,
    ) -> None:
        self._choices = choices
        self._user_columns = None if choices is None else choices["user_columns"]
        super().__init__(options, roles, spool)
        self._files = roles.result_files()
        self._refuse_duplicates = refuse_duplicates
        self._indexes: dict[bool, ResultIndex] = {}  # by whether other processes made it: see WorkerPool.uses_processes
        self._accounting: Accounting | None = None
        self._has_ids = False

    @property
    def schema(self) -> pa.Schema:
        """The columns of the table: those of the results, then those of `with_table`."""
        own = super().schema
        if self._user_columns is None:
            return own
        from batchfiles.jobs.join.user_columns import with_own_columns

        return with_own_columns(own, self._user_columns)

    def add_columns_of(
        self,
        table: TableLike,
        id_template: str,
        prefix: str,
        filesystem: object,
        csv_nulls: Sequence[str] | None,
    ) -> None:
        """Add the columns of the user's table after the others: see `join`."""
        from batchfiles.jobs.join.user_columns import add_user_table

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
        target = PathTarget.at(output, filesystem=filesystem, folder=False)
        refuse_read(target, places_of((*self._roles.inputs, *self._roles.results)))
        write_rejects(target, self._rejected(), overwrite=overwrite, temp_dir=self._options.temp_dir)

    def _rejected(self) -> Iterator[tuple[Iterable[LineRef], Sequence[ResultFile]]]:
        """Yield the places of the lines to copy, with their files, which are still what they were."""
        if self._accounting is None:
            self.summarize()
        assert self._accounting is not None  # noqa: S101 - the report needs them
        check_unchanged(self._roles.results)
        yield self._accounting.rejected(), self._files
        check_unchanged(self._roles.results)

    def _table_of_files(self) -> TableName:
        if self._choices is not None:
            return self._choices["table"]
        return table_of_inputs(self._requests(), max_line_bytes=self._options.max_line_bytes)

    def _answer_schema(self) -> AnswerSchema:
        return (self._choices or {"parsed": None})["parsed"] or super()._answer_schema()

    def _requests(self) -> Sequence[LocalFile]:
        return self._roles.inputs

    def _files_read(self) -> Sequence[LocalFile]:
        return self._roles.inputs + self._roles.results

    def _run(self, pool: WorkerPool, folder: NewFolder | None = None) -> Generator[Product, None, None]:
        started = time.perf_counter()
        self._check_files()
        apart = pool.uses_processes
        known = self._indexes.get(apart)
        scanned, progress = self._phases(scans=known is None)
        result_index = known or scan_results(
            pool,
            self._roles.results,
            self._spool.new_path("results.index"),
            max_line_bytes=self._options.max_line_bytes,
            progress=scanned,
        )
        LOG.info("%s results indexed in %.1f s", f"{result_index.index.count:,}", time.perf_counter() - started)
        flags = ResultFlags(self._spool.new_path("flags"), result_index.index.count)
        ranges, repeated = self._ranges(pool, result_index, TASK_BYTES if folder is None else PART_BYTES)
        tasks = ranges if folder is None else in_files(ranges, folder.least)
        spec = {
            **self._spec(folder),
            "inputs": [[file.name, str(file.path)] for file in self._roles.inputs],
            "results": [list(file) for file in self._files],
            "index": str(result_index.index.path),
            "flags": str(flags.path),
            "count": result_index.index.count,
            "refuse_duplicates": self._refuse_duplicates,
            "repeated": repeated,
            "user_columns": self._user_columns,
            "prefetch": sum(file.size for file in self._roles.results) > cached_bytes(),
        }
        totals = TableCounts()
        request_ref = IndexBuilder(self._spool.new_path("inputs.index"))
        try:
            with closing(pool.run(JoinRows, spec, tasks)) as products:
                for number, product in products:
                    if isinstance(product, bytes):
                        request_ref.add(IndexEntries.from_bytes(product))
                    elif isinstance(product, dict):
                        totals.add(product)
                        progress(product["bytes"])
                        if folder is not None:
                            folder.sync(number)
                    else:
                        yield product
            self._build_report(result_index, flags, request_ref, totals, started)
            self._indexes[apart] = result_index
        finally:
            # Maps outlive their names. Close the index of a pass that did not finish, unless another pass made it.
            request_ref.close()
            flags.path.unlink(missing_ok=True)
            if known is None and self._indexes.get(apart) is not result_index:
                result_index.index.close()
                result_index.index.path.unlink(missing_ok=True)

    def _ranges(self, pool: WorkerPool, result_index: ResultIndex, size: int) -> tuple[list[Spec], Spec | None]:
        """Divide the request files, and compare those of their lines that have the same id in several files.

        Raises:
            MismatchError: A result could be that of two different requests.
        """
        inputs = self._roles.inputs
        if len(inputs) <= 1:
            return with_line_numbers(pool, inputs, size), None
        apart = self._roles.parts.are_apart
        ranges, repeated, contests = find_repeated(
            pool, inputs, self._spool, size=size, max_line_bytes=self._options.max_line_bytes, apart=apart
        )
        if contests:
            self._files = attributed(inputs, self._roles.results, self._files)
            refuse_conflicts(contests, inputs, result_index.index, self._files)
        return ranges, repeated.save(self._spool.new_path("repeated")) if repeated else None

    def _phases(self, *, scans: bool) -> list[Callable[[int], None]]:
        """Return the progress of the scan, by the bytes of results, and of the rows, by the bytes of requests."""
        results, inputs = (sum(file.size for file in files) for files in (self._roles.results, self._roles.inputs))
        total = results + inputs
        scan = (results, results * SCAN_COST) if scans else (0, 0.0)
        return in_phases(self._options.progress, total, scan, (inputs, float(total)))

    def _build_report(
        self, result_index: ResultIndex, flags: ResultFlags, request_ref: IndexBuilder, totals: TableCounts, started: float
    ) -> None:
        """Count how every line was used, and make the report."""
        accounting = Accounting(result_index, flags, self._files)
        with request_ref.finish() as index:
            index.path.unlink()
            duplicates, places = duplicate_inputs(index, self._roles.inputs, self._files, self._roles.parts.own_batches)
        examples = {**accounting.examples, "duplicate": places} if places else accounting.examples
        self._check_files()  # all passes have read the same files
        fields = totals.fields()
        fields["blank_lines"] += result_index.blank_lines
        fields["repaired_lines"] += result_index.repaired_lines + accounting.counts["repaired"]
        found = (*self._roles.findings, *accounting.findings, *result_index.findings, *fields["findings"])
        fields["findings"] = Findings(found)
        fields["findings_not_listed"] += result_index.findings_not_listed + accounting.findings_not_listed
        passed_over = not_read_fields(self._roles.not_read)
        fields |= passed_over | {"examples": fields["examples"] | passed_over["examples"]}
        if not result_index.lines > result_index.blank_lines:
            fields["no_results"] = sum(totals.outcomes.values())
        fields["examples"] |= {kind: tuple(found) for kind, found in examples.items()}
        report = JoinReport(
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
        self._has_ids = result_index.index.count > 0
        self._check_total(report)
        self._report, self._accounting = report, accounting

    def _check_total(self, report: JoinReport) -> None:
        """Refuse results of other requests.

        Raises:
            MismatchError: There are results with ids, and none belongs to a request.
        """
        if report.used or not report.unknown or not self._has_ids or report.inputs == report.malformed_inputs:
            return
        results, inputs = (
            ", ".join(list(dict.fromkeys(each.name for each in of))[:3]) for of in (self._files, self._roles.inputs)
        )
        raise MismatchError(
            f"0 of {report.unknown:,} results belong to a request of {inputs}: name the results of these "
            "requests, or export the results alone",
            path=results,
        )


def cached_bytes() -> int:
    """Return the bytes of results that the system will keep in memory from one pass to the next: half of what it has."""
    if not hasattr(os, "posix_fadvise"):  # no such system call
        return sys.maxsize
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 2


def no_requests(results: Sequence[LocalFile]) -> MismatchError:
    """Return the exception for results without any request."""
    names = ", ".join(file.name for file in results[:3])
    return MismatchError(
        f"no file holds requests, only results ({names}): name the request file too, or export the results alone"
    )


def table_options(options: JoinOptions) -> TableOptions:
    """Check the options of a join, and return those of its table.

    Raises:
        ValueError: An option has an invalid value, or options exclude each other.
        BatchFilesError: As `load_schema` says.
    """
    on_duplicate = options.get("on_duplicate", "best")
    if on_duplicate not in ("best", "error"):
        raise ValueError(f"on_duplicate is 'best' or 'error', not {on_duplicate!r}")
    with_table = options.get("with_table")
    if (with_table is None) != (options.get("id_template") is None):
        raise ValueError("with_table and id_template go together: the id says which row belongs to which request")
    if options.get("with_prefix") and with_table is None:
        raise ValueError("with_prefix goes with with_table")
    if options.get("csv_nulls") is not None and with_table is None:
        raise ValueError("csv_nulls goes with with_table")
    own = {each.name for each in fields_of(TableOptions)}
    chosen: dict[str, Any] = {name: value for name, value in options.items() if name in own}
    chosen["progress"] = progress_of(options.get("progress"), "join")
    return TableOptions(**chosen).with_schema_of(options.get("filesystem"))


def with_user_table(job: Join, options: JoinOptions) -> Join:
    """Return the join, with the columns of the user's table if the options have one."""
    table, id_template = options.get("with_table"), options.get("id_template")
    if table is not None and id_template is not None:
        job.add_columns_of(
            table, id_template, options.get("with_prefix", ""), options.get("filesystem"), options.get("csv_nulls")
        )
    return job


def open_join(
    files: Iterable[SourceLike],
    options: JoinOptions,
    *,
    inputs: Iterable[SourceLike] = (),
    pairs: Pairs = (),
    campaigns: Campaigns | None = None,
    make: Callable[..., Join] | None = None,
) -> Join:
    """Sort the files of one join, as `join` does without a look at whether they are a campaign.

    Args:
        files: Request files and results.
        options: The options of `join`.
        inputs: Files that must be requests.
        pairs: Request files with their results.
        campaigns: The known manifests of their folders.
        make: Makes the object; None makes a `Join`.

    Raises:
        BatchFilesError: As `join`.
    """
    chosen = table_options(options)
    spool = Spool(chosen.temp_dir)
    roles = sort_files(
        files,
        inputs,
        spool,
        pairs=pairs,
        filesystem=options.get("filesystem"),
        max_line_bytes=chosen.max_line_bytes,
        campaigns=campaigns,
    )
    if not roles.inputs and roles.results and make is None:  # a part may have an empty request file
        raise no_requests(roles.results)
    job = (make or Join)(chosen, roles, spool, refuse_duplicates=options.get("on_duplicate") == "error")
    return with_user_table(job, options)
