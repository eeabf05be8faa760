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
from typing import TYPE_CHECKING, Any, NamedTuple, Self, cast, overload

from batchfiles.campaign import Campaign, Campaigns, Manifest
from batchfiles.ids.index import LineRef
from batchfiles.inputs.folders import not_read_fields
from batchfiles.inputs.local import LocalFile, ResultFile
from batchfiles.inputs.roles import FileRoles
from batchfiles.io.remote_path import located, real_path
from batchfiles.io.sources import Source
from batchfiles.io.target import PathTarget
from batchfiles.io.temporary import Spool
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.lazy_join import CampaignChoices, Join, JoinOptions, table_options
from batchfiles.jobs.join.parts import CampaignPart, open_part
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.join.rows import ROWS
from batchfiles.jobs.join.table_files import FILE_KEY, NewFolder
from batchfiles.workers import Product, WorkerPool

if TYPE_CHECKING:
    import os

    import pyarrow as pa

NAMED = ("table", "dimensions", "bodies", "request_bodies", "parsed", "parse_dates", "max_line_bytes", "temp_dir")
"""The options of a table that a worker process gets as they are."""

COMBINED_BYTES = 1024 * 1024
"""The size up to which batches of small parts are combined."""


class Unit(NamedTuple):
    """A part, and its files under the names that the user knows."""

    part: CampaignPart
    sources: tuple[Source, ...]


class Entry(NamedTuple):
    """The report of consecutive parts.

    Attributes:
        numbers: The numbers of the parts.
        report: Their report.
        has_ids: Whether any of their results has an id.
        kept: Whether their rows were there already, so that nothing else is known of them.
    """

    numbers: range
    report: JoinReport
    has_ids: bool
    kept: bool = False

    @classmethod
    def of(cls, numbers: range, job: Join) -> Entry:
        """Return the report of a join after a pass."""
        return cls(numbers, job.report, job._has_ids)  # noqa: SLF001 - no attribute for users


class PartJoin(Join):
    """The join of a part."""

    @classmethod
    def open(cls, unit: Unit, options: JoinOptions, choices: CampaignChoices) -> PartJoin:
        """Open the files of a part.

        Raises:
            BatchFilesError: As `open_part`.
        """
        return cast("PartJoin", open_part(unit.part, options, sources=unit.sources, make=partial(cls, choices=choices)))

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

    def _check_total(self, report: JoinReport) -> None:
        """Accept results of other requests: the campaign refuses them if this is so in all parts."""


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
        self._part_options: JoinOptions = {"on_duplicate": options.get("on_duplicate", "best"), "workers": chosen.workers}
        self._part_options |= {name: getattr(chosen, name) for name in NAMED}  # type: ignore[typeddict-item]
        self._starts = list(accumulate((unit.part.bytes for unit in units), initial=0))
        self._entries: list[Entry] = []
        self._rejects: dict[int, Path] = {}
        self._shown = -1  # bytes that were last reported as progress
        self._stamp: Mapping[str, Any] = {}
        refuse_duplicates = options.get("on_duplicate") == "error"
        roles = _roles_of(units, campaigns, not_read)
        super().__init__(chosen, roles, Spool(chosen.temp_dir), refuse_duplicates=refuse_duplicates, choices=choices)

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

    def _late_metadata(self) -> dict[str, str]:
        if not self._stamp:
            return {}
        return {FILE_KEY: json.dumps({**self._stamp, "has_ids": self._has_ids, "report": self.report.to_dict()})}

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
                with closing(job._run(pool)) as products:  # noqa: SLF001 - a join, too
                    yield from products
                self._count(Entry.of(range(number, number + 1), job), [job.places_of_rejects()])

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
        self._has_ids = any(entry.has_ids for entry in self._entries)
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
