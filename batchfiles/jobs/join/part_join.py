"""The parts of a campaign, joined one after the other: handles, index, copies and memory are those of a part."""

from __future__ import annotations

import json
import time
from array import array
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from itertools import accumulate, chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, TypedDict, cast, overload

from batchfiles.campaign.folder import Campaign, Campaigns
from batchfiles.campaign.manifest import Manifest
from batchfiles.ids.index import LineRef
from batchfiles.inputs.folder_files import not_read_fields
from batchfiles.inputs.kinds import table_of_inputs
from batchfiles.inputs.local import LocalFile, ResultFile
from batchfiles.inputs.roles import FileRoles
from batchfiles.io.remote.path import located, real_path
from batchfiles.io.sources import Source
from batchfiles.io.spool import Spool
from batchfiles.io.target import PathTarget
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.lazy_join import Join, JoinOptions, table_options
from batchfiles.jobs.join.parts import CampaignPart, open_part
from batchfiles.jobs.join.report import JoinReport, TableOptions
from batchfiles.jobs.join.rows import ROWS
from batchfiles.jobs.join.table_files import FILE_KEY, NewFolder
from batchfiles.workers.pool import Product, WorkerPool

if TYPE_CHECKING:
    import os

    import pyarrow as pa

    from batchfiles.jobs.join.user_columns import AnswerSchema, UserTableSpec
    from batchfiles.table.schema import TableName

__all__ = ["CampaignChoices", "Entry", "PartJoin", "PartsJoin", "Unit", "has_rejects", "unit_of"]

NAMED = ("table", "dimensions", "bodies", "request_bodies", "parsed", "parse_dates", "max_line_bytes", "temp_dir")
"""The options of a table that a worker process gets as they are."""

COMBINED_BYTES = 1024 * 1024
"""The size up to which batches of small parts are combined."""


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


class Unit(NamedTuple):
    """A part, and its files under the names that the user knows."""

    part: CampaignPart
    sources: tuple[Source, ...]


class Entry(NamedTuple):
    """The report of consecutive parts.

    Attributes:
        numbers: The numbers of the parts.
        report: Their report.
        holds_other_results: Whether no result belongs to a request of its part.
        kept: Whether their rows were there already, so that nothing else is known of them.
    """

    numbers: range
    report: JoinReport
    holds_other_results: bool
    kept: bool = False


class PartJoin(Join):
    """The join of a part.

    Args:
        choices: What was chosen for all parts.
        options: The options of the table.
        roles: The files of the part.
        spool: Where temporary files go.
        refuse_duplicates: Whether several results for a request are an error.

    Attributes:
        holds_other_results: Whether there are results, and none belongs to a request of the part, which is
            an error only if it is so in all parts.
    """

    def __init__(
        self, choices: CampaignChoices, options: TableOptions, roles: FileRoles, spool: Spool, *, refuse_duplicates: bool
    ) -> None:
        self._choices = choices
        self.holds_other_results = False
        super().__init__(options, roles, spool, refuse_duplicates=refuse_duplicates)
        self._user_columns = choices["user_columns"]

    @classmethod
    def open(cls, unit: Unit, options: JoinOptions, choices: CampaignChoices) -> PartJoin:
        """Open the files of a part.

        Raises:
            BatchFilesError: As `open_part`.
        """
        return cast("PartJoin", open_part(unit.part, options, sources=unit.sources, make=partial(cls, choices)))

    def batches(self, pool: WorkerPool, *, fast: bool, shares_ids: bool) -> Generator[Product, None, None]:
        """Yield the rows, and set the report.

        Args:
            pool: The workers.
            fast: Whether rows can be revoked: see `Join`.
            shares_ids: Whether request files are known to have ids in common.
        """
        self._fast, self._shares_ids = fast, shares_ids
        with closing(self._run(pool)) as products:
            yield from products

    def places_of_rejects(self) -> bytes:
        """Pack the places of the lines that are not in the table, after a pass."""
        places = array("Q")
        if self._accounting is not None and has_rejects(self.report):
            for place in self._accounting.rejected():
                places.extend(place)
        return places.tobytes()

    def rejects(self, packed: bytes | None) -> Iterator[tuple[Iterable[LineRef], Sequence[ResultFile]]]:
        """Yield the places of the lines that are not in the table, with their files; None reads all files for them."""
        if packed is None:
            yield from self._rejected()
            return
        places = array("Q", packed)
        yield (LineRef(*places[at : at + 4]) for at in range(0, len(places), 4)), self._files

    def _answer_schema(self) -> AnswerSchema:
        return self._choices["parsed"] or super()._answer_schema()

    def _table_of_files(self) -> TableName:
        return self._choices["table"]

    def _refuse_other_results(self, unknown: int) -> None:  # noqa: ARG002 - the campaign refuses if this is so in all parts
        self.holds_other_results = True


class _RequestFiles(Sequence[LocalFile]):
    """The request files of a campaign; iterating opens each in its turn, and keeps none."""

    def __init__(self, units: Sequence[Unit], campaigns: Campaigns, temp_dir: str | os.PathLike[str] | None) -> None:
        self._campaigns = campaigns
        self._sources = [source for unit in units for source in unit.sources[: len(unit.part.requests)]]
        self._temp_dir = temp_dir

    def __len__(self) -> int:
        return len(self._sources)

    @overload
    def __getitem__(self, index: int) -> LocalFile: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[LocalFile]: ...
    def __getitem__(self, index: int | slice) -> LocalFile | Sequence[LocalFile]:
        return list(self)[index]

    def __iter__(self) -> Iterator[LocalFile]:
        for source in self._sources:
            with Spool(self._temp_dir) as spool:
                yield LocalFile.of(source.name, self._campaigns.place_of(source), spool.local(source))


class PartsJoin(Join):
    """Parts of a campaign joined one after the other, into one table.

    A request file, a result file or an option that is invalid for one part is refused when its turn comes.

    Args:
        options: The options of `join`.
        campaigns: The known manifest of the folder.
        units: The parts.
        not_read: The display names of skipped files.
        choices: What was chosen for all parts of the campaign, of which these are some; None chooses it.

    Attributes:
        holds_other_results: Whether no result belongs to a request of its part.
    """

    _combines = True
    """Whether the rows of small parts are combined; for the first rows no part is read only for that."""

    def __init__(
        self,
        options: JoinOptions,
        campaigns: Campaigns,
        units: Sequence[Unit],
        not_read: tuple[str, ...] = (),
        choices: CampaignChoices | None = None,
    ) -> None:
        chosen = table_options(options)
        self._units = units
        self._choices = choices
        self._part_options: JoinOptions = {"on_duplicate": options.get("on_duplicate", "best"), "workers": chosen.workers}
        self._part_options |= {name: getattr(chosen, name) for name in NAMED}  # type: ignore[typeddict-item]
        self._starts = list(accumulate((unit.part.bytes for unit in units), initial=0))
        self._entries: list[Entry] = []
        self._rejects: dict[int, Path] = {}
        self._shown = -1  # bytes that were last reported as progress
        self._stamp: Mapping[str, Any] = {}
        self.holds_other_results = False
        refuse_duplicates = options.get("on_duplicate") == "error"
        super().__init__(
            chosen, _roles_of(units, campaigns, not_read), Spool(chosen.temp_dir), refuse_duplicates=refuse_duplicates
        )
        if choices is not None:
            self._user_columns = choices["user_columns"]

    @classmethod
    def of(cls, units: Sequence[Unit], options: JoinOptions, choices: CampaignChoices) -> PartsJoin:
        """Open some parts of a campaign, also on another machine.

        Raises:
            FileError: The service of a remote file can't be reached.
        """
        part, sources = units[0]
        place = sources[0].place
        folder = located(part.folder) if place is None else real_path(place.parent)
        manifest = Manifest(parts=tuple(entry for unit in units for entry in unit.part.manifest))
        return PartsJoin(options, Campaigns(Campaign(folder, manifest)), units, choices=choices)

    def write_file(self, target: PathTarget, stamp: Mapping[str, Any], parquet: Mapping[str, Any]) -> JoinReport:
        """Write a Parquet file, with the report and the stamp in its metadata."""
        self._stamp = stamp
        return self._write_table(target, "parquet", overwrite=True, **parquet)

    def places_of_rejects(self) -> Iterator[bytes]:
        """Yield for each part the packed places of the lines that are not in the table, after a pass."""
        for number in range(len(self._units)):
            yield self._rejects[number].read_bytes() if number in self._rejects else b""

    def choices_of_all(self) -> CampaignChoices:
        """Choose what all parts have in common."""
        return self._choices or {"table": self._table, "parsed": self._parsed, "user_columns": self._user_columns}

    def quick_copy(self) -> Self:
        """Return the same table, read in this process, without progress, and only as far as its rows are taken."""
        other = super().quick_copy()
        other._combines = False  # noqa: SLF001 - of the same class
        return other

    def _bytes_of_head(self) -> int:
        return self._starts[1] if len(self._starts) > 1 else 0

    def _requests(self) -> Sequence[LocalFile]:
        return _RequestFiles(self._units, self._roles.campaigns, self._options.temp_dir)

    def _table_of_files(self) -> TableName:
        if self._choices is not None:
            return self._choices["table"]
        return table_of_inputs(self._requests(), max_line_bytes=self._options.max_line_bytes)

    def _answer_schema(self) -> AnswerSchema:
        return (self._choices or {"parsed": None})["parsed"] or super()._answer_schema()

    def _late_metadata(self) -> dict[str, str]:
        if not self._stamp:
            return {}
        facts = {**self._stamp, "holds_other_results": self.holds_other_results, "report": self.report.to_dict()}
        return {FILE_KEY: json.dumps(facts)}

    def _open(self, number: int) -> PartJoin:
        """Open a part."""
        options: JoinOptions = {**self._part_options, "progress": self._progress_from(number)}
        return PartJoin.open(self._units[number], options, self.choices_of_all())

    def _progress_from(self, number: int) -> Progress | None:
        """Return the progress of a part, by its bytes as they are stored, as one of all parts."""
        if self._options.progress is None:
            return None
        start, end = self._starts[number], self._starts[number + 1]

        def report(done: int, size: int | None) -> None:
            self._show(start + ((end - start) * done // size if size else 0))

        return report

    def _show(self, done: int) -> None:
        """Report progress, each number of bytes once: a repeated end would be a second bar."""
        if self._options.progress is not None and done != self._shown:
            self._shown = done
            self._options.progress(done, self._starts[-1])

    def _run(self, pool: WorkerPool, folder: NewFolder | None = None) -> Generator[Product, None, None]:
        assert folder is None  # noqa: S101 - a folder is written by `_write_folder`
        started = time.perf_counter()
        self._start_counts()
        with closing(self._batches_of_parts(pool)) as batches:
            yield from _in_larger_batches(batches) if self._combines else batches
        self._finish(started)

    def _batches_of_parts(self, pool: WorkerPool) -> Generator[pa.RecordBatch, None, None]:
        for number in range(len(self._units)):
            with self._open(number) as job:
                with closing(job.batches(pool, fast=self._fast, shares_ids=self._shares_ids)) as products:
                    yield from products
                self._count(Entry(range(number, number + 1), job.report, job.holds_other_results), [job.places_of_rejects()])

    def _start_counts(self) -> None:
        self._entries = []
        self._rejects = {}
        self._shown = -1

    def _count(self, entry: Entry, rejects: Iterable[bytes] = ()) -> None:
        """Store a report, and for each of its parts the packed places of what is not in the table."""
        self._entries.append(entry)
        for number, places in zip(entry.numbers, rejects, strict=False):
            if places:
                self._rejects[number] = self._spool.new_path("rejects")
                self._rejects[number].write_bytes(places)

    def _finish(self, started: float) -> None:
        """Add up the reports.

        Raises:
            MismatchError: See `_check_total`.
        """
        self._entries.sort(key=lambda entry: entry.numbers.start)
        total = JoinReport.total(entry.report for entry in self._entries)
        self.holds_other_results = all(
            entry.holds_other_results or not entry.report.result_lines or not entry.report.inputs for entry in self._entries
        )
        if self._choices is None:
            self._check_total(total)
        not_read = not_read_fields(self._roles.not_read)
        self._report = replace(
            total,
            seconds=round(time.perf_counter() - started, 3),
            kept_parts=sum(len(entry.numbers) for entry in self._entries if entry.kept),
            not_read=not_read["not_read"],
            examples={**total.examples, **not_read["examples"]},
        )
        self._show(self._starts[-1])

    def _check_total(self, total: JoinReport) -> None:
        """Refuse reports that no campaign has."""

    def _rejected(self) -> Iterator[tuple[Iterable[LineRef], Sequence[ResultFile]]]:
        if self._report is None:
            self.summarize()
        for entry in self._entries:
            if not has_rejects(entry.report):
                continue
            for number in entry.numbers:
                known = self._rejects.get(number)
                if known is not None or entry.kept:
                    with self._open(number) as job:
                        yield from job.rejects(None if known is None else known.read_bytes())


def has_rejects(report: JoinReport) -> bool:
    """Return whether any line of results is not in the table."""
    return report.result_lines != report.used or report.malformed_results > 0


def unit_of(part: CampaignPart) -> Unit:
    """Return a part with its files under their own paths."""
    return Unit(part, tuple(Source.named(file.path) for file in part.files))


def _in_larger_batches(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Combine the batches of small parts: one of 50 rows takes three times the memory of its values while it waits."""
    import pyarrow as pa

    waiting: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in chain(batches, (None,)):
        small = batch is not None and batch.num_rows < ROWS // 2
        if small:
            waiting.append(batch)
            rows, size = rows + batch.num_rows, size + batch.get_total_buffer_size()
        if waiting and (not small or rows >= ROWS or size >= COMBINED_BYTES):
            yield from pa.Table.from_batches(waiting).combine_chunks().to_batches()
            waiting, rows, size = [], 0, 0
        if batch is not None and not small:
            yield batch


def _roles_of(units: Sequence[Unit], campaigns: Campaigns, not_read: tuple[str, ...]) -> FileRoles:
    """Return the files of a campaign by what its manifest says; none is opened."""
    found: dict[str, list[LocalFile]] = {"inputs": [], "retries": [], "results": []}
    for part, sources in units:
        roles = chain(
            repeat("inputs", len(part.requests)), repeat("retries", len(part.retries)), repeat("results", len(part.results))
        )
        for role, file, source in zip(roles, part.files, sources, strict=True):
            place, modified = campaigns.place_of(source), file.modified or 0
            found[role].append(LocalFile(source.name, place, Path(source.name), file.bytes, modified))
    return FileRoles(
        tuple(found["inputs"]),
        tuple(found["results"]),
        (),
        tuple(found["retries"]),
        not_read=not_read,
        campaigns=campaigns,
    )
