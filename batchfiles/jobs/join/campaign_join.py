"""The join of a campaign: its parts one after the other, so that handles, index, copies and memory are those of a part."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import closing
from dataclasses import replace
from functools import cached_property
from itertools import accumulate, chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self, overload

from batchfiles.campaign.folder import Campaign, Campaigns
from batchfiles.errors import MismatchError, MissingDependencyError
from batchfiles.ids.index import LineRef
from batchfiles.inputs.folder_files import files_to_read, not_read_fields
from batchfiles.inputs.kinds import table_of_inputs
from batchfiles.inputs.local import LocalFile, ResultFile
from batchfiles.inputs.roles import FileRoles
from batchfiles.io.overwrite import UNFINISHED, refuse_others_files
from batchfiles.io.remote.path import files_in
from batchfiles.io.sources import Source, SourceLike, expand, is_batch_file
from batchfiles.io.spool import Spool
from batchfiles.io.target import PathTarget
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.lazy_join import Join, JoinOptions, no_requests, open_join, table_options, with_user_table
from batchfiles.jobs.join.part_join import (
    CampaignChoices,
    PartJoin,
    WriteParts,
    file_name,
    files_of_parts,
    has_rejects,
    part_facts,
)
from batchfiles.jobs.join.parts import CampaignPart, parts_in
from batchfiles.jobs.join.report import SUCCESS, JoinReport, is_table_file
from batchfiles.jobs.join.rows import ROWS
from batchfiles.workers.pool import Product, Spec, WorkerPool

if TYPE_CHECKING:
    import pyarrow as pa

    from batchfiles.table.schema import TableName

__all__ = ["CampaignJoin", "open_campaign"]

NAMED = ("table", "dimensions", "bodies", "request_bodies", "parsed", "parse_dates", "max_line_bytes", "temp_dir")
"""The options of a table that a worker process gets as they are."""


COMBINED_BYTES = 1024 * 1024
"""The size up to which batches of small parts are combined."""


class _Unit(NamedTuple):
    """A part, and its files under the names that the user knows."""

    part: CampaignPart
    sources: tuple[Source, ...]


def open_campaign(files: Iterable[SourceLike], options: JoinOptions) -> Join:
    """Open files for a join: part by part if they are the files of one campaign that all name their part, else together.

    Raises:
        BatchFilesError: As `join`.
    """
    sources = expand(files, filesystem=options.get("filesystem"))
    campaigns = Campaigns()
    campaign, units, not_read = _campaign_of(sources, campaigns)
    if not units or campaign is None:
        return open_join(sources, options, campaigns=campaigns)
    return with_user_table(CampaignJoin(options, campaigns, units, not_read), options)


def _campaign_of(sources: list[Source], campaigns: Campaigns) -> tuple[Campaign | None, list[_Unit], tuple[str, ...]]:
    """Return the campaign whose files these are, its parts, and the names of skipped files; no parts if they are not all of it.

    Raises:
        DataError: The manifest is damaged.
        FileError: A part is missing.
        MismatchError: There are results of a part whose request file is missing.
    """
    none: tuple[None, list[_Unit], tuple[str, ...]] = None, [], ()
    places = [campaigns.place_of(source) for source in sources]
    folder = places[0].parent if places and places[0] is not None else None
    if folder is None or any(place is None or place.parent != folder for place in places):
        return none
    campaign = campaigns.of(folder)
    if campaign is None or not all(place is not None and campaign.part_of(place.name) for place in places):
        return none
    read, not_read = files_to_read(sources)
    by_name = {source.file_name: source for source in read}
    listed = [file for file in files_in(folder) if is_batch_file(file.place.name) and not file.place.name.startswith(".")]
    if [source.file_name for source in read] != [file.place.name for file in listed]:
        return none
    parts, _ = parts_in(campaign, str(folder), listed)
    for part in parts:
        if part.results and not (part.requests or part.retries):
            raise MismatchError("holds results of a part whose request file is not there", path=part.results[0].path)
    units = [_Unit(part, tuple(by_name[file.path.rpartition("/")[2]] for file in part.files)) for part in parts]
    return campaign, units, not_read


class _RequestFiles(Sequence[LocalFile]):
    """The request files of a campaign; iterating opens each in its turn, and keeps none."""

    def __init__(self, units: Sequence[_Unit], campaigns: Campaigns, temp_dir: str | os.PathLike[str] | None) -> None:
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


class CampaignJoin(Join):
    """A campaign joined part by part.

    A request file, a result file or an option that is invalid for one part is refused when its turn comes.

    Args:
        options: The options of `join`.
        campaigns: The known manifest of the folder.
        units: The parts.
        not_read: The display names of skipped files.
    """

    _resumes = True
    _combines = True
    """Whether the rows of small parts are combined; for the first rows no part is read only for that."""

    def __init__(self, options: JoinOptions, campaigns: Campaigns, units: Sequence[_Unit], not_read: tuple[str, ...]) -> None:
        chosen = table_options(options)
        self._units = units
        self._part_options: JoinOptions = {"on_duplicate": options.get("on_duplicate", "best"), "workers": chosen.workers}
        self._part_options |= {name: getattr(chosen, name) for name in NAMED}  # type: ignore[typeddict-item]
        self._starts = list(accumulate((unit.part.bytes for unit in units), initial=0))
        self._reports: list[JoinReport | None] = []
        self._other_results: list[bool] = []
        self._rejects: dict[int, Path] = {}
        refuse_duplicates = options.get("on_duplicate") == "error"
        super().__init__(
            chosen, _roles_of(units, campaigns, not_read), Spool(chosen.temp_dir), refuse_duplicates=refuse_duplicates
        )

    def _requests(self) -> Sequence[LocalFile]:
        return _RequestFiles(self._units, self._roles.campaigns, self._options.temp_dir)

    def _table_of_files(self) -> TableName:
        return table_of_inputs(self._requests(), max_line_bytes=self._options.max_line_bytes)

    def choices_of_all(self) -> CampaignChoices:
        """Choose what all parts have in common."""
        return {"table": self._table, "parsed": self._parsed, "user_columns": self._user_columns}

    def quick_copy(self) -> Self:
        """Return the same table, read in this process, without progress, and only as far as its rows are taken."""
        other = super().quick_copy()
        other._combines = False  # noqa: SLF001 - of the same class
        return other

    def _bytes_of_head(self) -> int:
        return self._starts[1] if len(self._starts) > 1 else 0

    def _open(self, number: int) -> PartJoin:
        """Open a part."""
        part, sources = self._units[number]
        options: JoinOptions = {**self._part_options, "progress": self._part_progress(number)}
        return PartJoin.open(part, sources, options, self.choices_of_all())

    def _part_progress(self, number: int) -> Progress | None:
        """Return the progress of a part as one of the campaign, by the bytes as they are stored."""
        progress = self._options.progress
        if progress is None:
            return None
        start, end, total = self._starts[number], self._starts[number + 1], self._starts[-1]

        def report(done: int, size: int | None) -> None:
            progress(start + ((end - start) * done // size if size else 0), total)

        return report

    def _run(self, pool: WorkerPool, folder: Path | None, parquet: Mapping[str, Any]) -> Generator[Product, None, None]:
        assert folder is None, parquet  # noqa: S101 - a folder is written by `_write_folder`
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
                self._count(number, job.report, job.places_of_rejects(), other_results=job.holds_other_results)

    def _start_counts(self) -> None:
        self._reports = [None] * len(self._units)
        self._other_results = [False] * len(self._units)
        self._rejects = {}

    def _count(self, number: int, report: JoinReport, rejects: bytes, *, other_results: bool) -> None:
        """Store the report of a part."""
        self._reports[number], self._other_results[number] = report, other_results
        if rejects:
            self._rejects[number] = self._spool.new_path("rejects")
            self._rejects[number].write_bytes(rejects)

    def _finish(self, started: float) -> None:
        """Add up the reports.

        Raises:
            MismatchError: There are results, and no requests, or none that a result of its part belongs to.
        """
        reports = [report for report in self._reports if report is not None]
        total = JoinReport.total(reports)
        if total.result_lines and not total.inputs:
            raise no_requests(self._roles.results)
        if total.unknown and all(
            other or not report.result_lines or not report.inputs
            for report, other in zip(reports, self._other_results, strict=True)
        ):
            self._refuse_other_results(total.unknown)
        not_read = not_read_fields(self._roles.not_read)
        self._report = replace(
            total,
            seconds=round(time.perf_counter() - started, 3),
            not_read=not_read["not_read"],
            examples={**total.examples, **not_read["examples"]},
        )
        if self._options.progress is not None:
            self._options.progress(self._starts[-1], self._starts[-1])

    def _rejected(self) -> Iterator[tuple[Iterable[LineRef], Sequence[ResultFile]]]:
        if self._report is None:
            self.summarize()
        for number, report in enumerate(self._reports):
            if report is not None and has_rejects(report):
                known = self._rejects.get(number)
                with self._open(number) as job:  # without known places, its table was there already
                    yield from job.rejects(None if known is None else known.read_bytes())

    def _write_folder(self, target: PathTarget, parquet: Mapping[str, Any], *, overwrite: bool, resume: bool) -> JoinReport:
        started = time.perf_counter()
        from batchfiles.table.parquet import HAS_LATE_METADATA

        if resume and not HAS_LATE_METADATA:
            raise MissingDependencyError("resume needs pyarrow 19 or newer, which writes what a part was made of into its file")
        names = [file_name(unit.part) for unit in self._units]
        target.check(overwrite=overwrite or resume, ours=is_table_file)
        stale = self._stale(target, set(names))
        target.make_folder()
        target.file(SUCCESS).remove()
        self._start_counts()
        stamps = self.stamps(parquet)
        pending = []
        for number, (name, stamp) in enumerate(zip(names, stamps, strict=True)):
            facts = part_facts(target.file(name)) if resume else None
            if facts is None or facts.stamp != stamp:
                pending.append(number)
            else:
                self._count(number, facts.report, b"", other_results=facts.holds_other_results)
        self._write_parts(pending, target, names, stamps, parquet)
        self._finish(started)
        for name in stale:
            target.file(name).remove()
        with target.file(SUCCESS).open(overwrite=True, temp_dir=self._options.temp_dir):
            pass
        return self.report

    def _stale(self, target: PathTarget, names: AbstractSet[str]) -> list[str]:
        """Return the files of an earlier table that go when the new one is complete.

        Raises:
            FileError: A file in the folder is not ours to delete.
        """
        stale = [name for name in target.names() if name not in names and name != SUCCESS and not name.endswith(UNFINISHED)]
        refuse_others_files(target.place, [(name, False) for name in stale], files_of_parts(target))
        return stale

    def _write_parts(
        self,
        pending: Sequence[int],
        target: PathTarget,
        names: Sequence[str],
        stamps: Sequence[Mapping[str, Any]],
        parquet: Mapping[str, Any],
    ) -> None:
        """Write parts: side by side in the workers if all files are local, else one after the other."""
        places = [source.path for number in pending for source in self._units[number].sources]
        is_local = not target.is_remote and None not in places
        size = sum(self._units[number].part.bytes for number in pending)
        workers = min(self._options.workers_for(size, parts=True), len(pending)) if is_local else 1
        if workers < 2:
            for number in pending:
                with self._open(number) as job:
                    report = job.write_part(target.file(names[number]), stamps[number], parquet)
                    self._count(number, report, job.places_of_rejects(), other_results=job.holds_other_results)
            return
        options = {**self._part_options, "temp_dir": self._spool.path.parent.as_posix(), "workers": 1}
        spec = {"options": options, "choices": self.choices_of_all(), "folder": str(target.place), "parquet": dict(parquet)}
        tasks: list[Spec] = [
            {
                "part": self._units[number].part.to_dict(),
                "sources": [[source.name, str(source.path)] for source in self._units[number].sources],
                "name": names[number],
                "stamp": stamps[number],
            }
            for number in pending
        ]
        rejects = b""
        done = self._starts[-1] - size
        with WorkerPool(workers) as pool, closing(pool.run(WriteParts, spec, tasks)) as products:
            for at, product in products:
                if isinstance(product, bytes):
                    rejects = product
                    continue
                number = pending[at]
                report = JoinReport.from_dict(json.loads(product["report"]))
                self._count(number, report, rejects, other_results=product["holds_other_results"])
                rejects = b""
                done += self._units[number].part.bytes
                if self._options.progress is not None:
                    self._options.progress(done, self._starts[-1])

    def stamps(self, parquet: Mapping[str, Any]) -> list[dict[str, str]]:
        """Return what the file of each part is marked with."""
        return [{"name": unit.part.name, "fingerprint": self._fingerprint(unit, parquet)} for unit in self._units]

    def _fingerprint(self, unit: _Unit, parquet: Mapping[str, Any]) -> str:
        """Return a digest of everything that the table of a part depends on."""
        from batchfiles.table.schema import SCHEMA_VERSION

        kept = {name: value for name, value in self._part_options.items() if name not in ("temp_dir", "workers")}
        named = zip(unit.part.files, unit.sources, strict=True)
        facts = {
            "schema_version": SCHEMA_VERSION,
            "files": [[source.name, file.bytes, file.modified] for file, source in named],
            "manifest": [part.to_dict() for part in unit.part.manifest],
            "options": kept,
            "choices": [self._table, self._parsed, self._user_table_digest],
            "parquet": dict(parquet),
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    @cached_property
    def _user_table_digest(self) -> str | None:
        """The digest of the copy of the user's table."""
        if self._user_columns is None:
            return None
        with Path(self._user_columns["path"]).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


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


def _roles_of(units: Sequence[_Unit], campaigns: Campaigns, not_read: tuple[str, ...]) -> FileRoles:
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
