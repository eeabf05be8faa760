"""The join of a campaign: its parts one after the other, or a folder with files of some parts each, which can be continued."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from batchfiles.campaign import Campaigns
from batchfiles.errors import MismatchError, MissingDependencyError, OutputExistsError
from batchfiles.inputs.folders import files_to_read
from batchfiles.io.sources import Source, SourceLike, expand
from batchfiles.io.target import PathTarget
from batchfiles.jobs.join.lazy_join import CampaignChoices, Join, JoinOptions, no_requests, open_join, with_user_table
from batchfiles.jobs.join.part_join import Entry, PartsJoin, Unit, unit_of
from batchfiles.jobs.join.parts import CampaignPart, list_campaign, whole_campaign
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.join.table_files import (
    SUCCESS,
    FileFacts,
    checked_file_bytes,
    digest_of,
    divided,
    file_name,
    is_table_file,
    kept_files,
    stale_files,
)
from batchfiles.workers import Job, Product, Spec, WorkerPool

if TYPE_CHECKING:
    import os


class NewFile(NamedTuple):
    """A file of a folder that is to be written.

    Attributes:
        name: Its name.
        numbers: The numbers of its parts.
        stamp: What it is marked with.
    """

    name: str
    numbers: range
    stamp: Mapping[str, Any]


def open_campaign(files: Iterable[SourceLike], options: JoinOptions) -> Join:
    """Open files for a join: part by part if they are the files of one campaign that all name their part, else together.

    Raises:
        BatchFilesError: As `join`.
    """
    sources = expand(files, filesystem=options.get("filesystem"))
    campaigns = Campaigns()
    first = campaigns.place_of(sources[0]) if sources else None
    if first is not None and campaigns.of(first.parent) is not None:
        read, not_read = files_to_read(sources)
        whole = whole_campaign(read, campaigns)
        if whole is not None:
            units = [Unit(part, tuple(whole.sources[file.path] for file in part.files)) for part in whole.parts]
            return with_user_table(_campaign_of(units, options, campaigns, not_read), options)
    return open_join(sources, options, campaigns=campaigns)


def open_listed(campaign: str | os.PathLike[str], options: JoinOptions) -> CampaignJoin:
    """Open a folder that must be a campaign; it is listed once.

    Raises:
        MismatchError: It has no manifest, results that belong to none of its parts, or other files with results.
        BatchFilesError: As `join`.
    """
    listed = list_campaign(campaign)
    units = list(map(unit_of, listed.parts))
    sources = [replace(source, found=True) for unit in units for source in unit.sources]
    if sources:
        sources[-1] = replace(sources[-1], passed_over=listed.others)
    read, not_read = files_to_read(sources)
    if len(read) != len(sources):
        raise MismatchError("holds other files with results: move them away, or join on one machine", path=read[-1].name)
    return _campaign_of(units, options, Campaigns(listed.campaign), not_read)


def _campaign_of(units: Sequence[Unit], options: JoinOptions, campaigns: Campaigns, not_read: tuple[str, ...]) -> CampaignJoin:
    for part, sources in units:
        if part.results and not (part.requests or part.retries):
            raise MismatchError("holds results of a part whose request file is not there", path=sources[0].name)
    return CampaignJoin(options, campaigns, units, not_read)


class CampaignJoin(PartsJoin):
    """A whole campaign joined part by part."""

    _resumes = True

    @property
    def parts(self) -> list[CampaignPart]:
        """The parts, in order."""
        return [unit.part for unit in self._units]

    def write_listed(
        self,
        target: PathTarget,
        parquet: Mapping[str, Any],
        min_file_bytes: int | None,
        write: Callable[[NumberedFiles], Iterable[str]],
    ) -> JoinReport:
        """Write a new folder whose files are written elsewhere.

        Args:
            target: The folder.
            parquet: The options of the files.
            min_file_bytes: See `LazyTable.to_parquet`.
            write: Calls the function that it gets with each number below the number of its tasks, and returns the values in
                order.

        Raises:
            OutputExistsError: The folder exists.
            MismatchError: There are results, but none belongs to a request.
        """
        started = time.perf_counter()
        target.check()
        files, _ = self._divide(checked_file_bytes(min_file_bytes), {}, self._fingerprints(parquet))
        writer = FilesOfParts(self._part_options, self.choices_of_all(), target.name, dict(parquet))
        with target.folder_ending_with(SUCCESS):
            self._start_counts()
            tasks = tuple(json.dumps(self._task(file, named=False)) for file in files)
            for file, facts in zip(files, write(NumberedFiles(writer, tasks)), strict=True):
                self._count(_entry(file.numbers, facts))
            self._finish(started)
        return self.report

    def _check_total(self, report: JoinReport) -> None:
        """Refuse results without any request of theirs.

        Raises:
            MismatchError: There are results, and no requests, or none that a result of its part belongs to.
        """
        if report.result_lines and not report.inputs:
            raise no_requests(self._roles.results)
        super()._check_total(report)

    def _write_folder(
        self, target: PathTarget, parquet: Mapping[str, Any], *, overwrite: bool, resume: bool, min_file_bytes: int | None
    ) -> JoinReport:
        started = time.perf_counter()
        from batchfiles.table.parquet import HAS_LATE_METADATA

        least = checked_file_bytes(min_file_bytes)
        if resume and not HAS_LATE_METADATA:
            raise MissingDependencyError("resume needs pyarrow 19 or newer, which writes what a part was made of into its file")
        try:
            target.check(overwrite=overwrite or resume, ours=is_table_file)
        except OutputExistsError as error:
            raise OutputExistsError(error.path or target.name, resumable=True) from None
        fingerprints = self._fingerprints(parquet)
        kept = kept_files(target, self.parts, fingerprints) if resume else {}
        files, left = self._divide(least, kept, fingerprints)
        stale = stale_files(target, {file.name for file in files}, left)
        with _new_folder(target):
            target.file(SUCCESS).remove()
            self._start_counts()
            for numbers in left.values():
                self._count(Entry(numbers, kept[numbers].report, kept[numbers].has_ids, kept=True))
            self._write_files(files, target, parquet)
            self._finish(started)
            for name in stale:
                target.file(name).remove()
            with target.file(SUCCESS).open(overwrite=True, temp_dir=self._options.temp_dir):
                pass
        return self.report

    def _divide(
        self, least: int, kept: Mapping[range, FileFacts], fingerprints: Sequence[str]
    ) -> tuple[list[NewFile], dict[str, range]]:
        """Return the files to write, and the parts of those that stay, by their names."""
        parts = self.parts
        files, left = [], {}
        for numbers in divided(parts, least, kept):
            shared = parts[numbers.start : numbers.stop]
            if numbers in kept:
                left[file_name(shared)] = numbers
                continue
            fingerprint = digest_of(fingerprints[numbers.start : numbers.stop])
            files.append(
                NewFile(file_name(shared), numbers, {"parts": [part.name for part in shared], "fingerprint": fingerprint})
            )
        return files, left

    def _write_files(self, files: Sequence[NewFile], target: PathTarget, parquet: Mapping[str, Any]) -> None:
        """Write files: side by side in the workers if all is local, else one after the other."""
        units = [self._units[number] for file in files for number in file.numbers]
        is_local = not target.is_remote and all(source.path is not None for unit in units for source in unit.sources)
        size = sum(unit.part.bytes for unit in units)
        workers = min(self._options.workers_for(size, parts=True), len(files)) if is_local else 1
        if workers < 2:
            for file in files:
                with self._job_of(file) as job:
                    job.write_file(target.file(file.name), file.stamp, parquet)
                    self._count(Entry.of(file.numbers, job), job.places_of_rejects())
            return
        options: JoinOptions = {**self._part_options, "temp_dir": self._spool.path.parent.as_posix(), "workers": 1}
        spec = FilesOfParts(options, self.choices_of_all(), str(target.place), dict(parquet)).spec()
        rejects: list[bytes] = []
        done = self._starts[-1] - size
        with WorkerPool(workers) as pool, closing(pool.run(WriteFiles, spec, [self._task(file) for file in files])) as products:
            for at, product in products:
                if isinstance(product, bytes):
                    rejects.append(product)
                    continue
                numbers = files[at].numbers
                self._count(_entry(numbers, product["facts"]), rejects)
                rejects = []
                done += self._starts[numbers.stop] - self._starts[numbers.start]
                self._show(done)

    def _job_of(self, file: NewFile) -> PartsJoin:
        """Open the parts of a file."""
        start, options = self._starts[file.numbers.start], self._part_options
        if self._options.progress is not None:
            options = {**options, "progress": lambda done, _: self._show(start + done)}
        return PartsJoin.of(self._units[file.numbers.start : file.numbers.stop], options, self.choices_of_all())

    def _task(self, file: NewFile, *, named: bool = True) -> Spec:
        """Return a file as a task for `FilesOfParts`; `named` keeps the names of the sources, which are local files."""
        units = self._units[file.numbers.start : file.numbers.stop]
        sources = [[[source.name, str(source.path)] for source in unit.sources] if named else None for unit in units]
        return {"name": file.name, "stamp": file.stamp, "parts": [unit.part.to_dict() for unit in units], "sources": sources}

    def _fingerprints(self, parquet: Mapping[str, Any]) -> list[str]:
        """Return for each part a digest of everything that its rows and its file depend on."""
        from batchfiles.table.parquet import parquet_options
        from batchfiles.table.rows import SCHEMA_VERSION

        shared = {
            "schema_version": SCHEMA_VERSION,
            "options": {name: value for name, value in self._part_options.items() if name not in ("temp_dir", "workers")},
            "choices": [self._table, self._parsed, self._user_table_digest],
            "parquet": {**parquet_options(), **parquet},
        }
        return [_fingerprint(unit, shared) for unit in self._units]

    @cached_property
    def _user_table_digest(self) -> str | None:
        """The digest of the copy of the user's table."""
        if self._user_columns is None:
            return None
        with Path(self._user_columns["path"]).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def _facts(job: PartsJoin) -> str:
    entry = Entry.of(range(0), job)
    return json.dumps({"report": entry.report.to_dict(), "has_ids": entry.has_ids})


def _entry(numbers: range, facts: str) -> Entry:
    found = json.loads(facts)
    return Entry(numbers, JoinReport.from_dict(found["report"]), found["has_ids"])


def _fingerprint(unit: Unit, shared: Mapping[str, Any]) -> str:
    files = zip(unit.part.files, unit.sources, strict=True)
    facts = {
        **shared,
        "files": [[source.name, file.bytes, file.modified] for file, source in files],
        "manifest": [part.to_dict() for part in unit.part.manifest],
    }
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


@contextmanager
def _new_folder(target: PathTarget) -> Iterator[None]:
    """Make a folder, and remove it after an error if it is empty."""
    target.make_folder()
    try:
        yield
    except BaseException:
        if isinstance(target.place, Path):
            with suppress(OSError):  # it holds files of parts, which `resume` keeps
                target.place.rmdir()
        raise


@dataclass(frozen=True, slots=True)
class FilesOfParts:
    """Writes files of parts, in another process or on another machine; can be pickled.

    Attributes:
        options: Those of `join`.
        choices: What was chosen for all parts.
        folder: The path or URL of the folder.
        parquet: The options of the files.
    """

    options: JoinOptions
    choices: CampaignChoices
    folder: str
    parquet: Mapping[str, Any]

    def spec(self) -> Spec:
        """Return it as JSON values."""
        return {"options": self.options, "choices": self.choices, "folder": self.folder, "parquet": self.parquet}

    @contextmanager
    def written(self, task: Spec) -> Iterator[PartsJoin]:
        """Write a file: see `CampaignJoin._task`."""
        parts = map(CampaignPart.from_dict, task["parts"])
        units = [
            unit_of(part) if named is None else Unit(part, tuple(Source(name, path=Path(path)) for name, path in named))
            for part, named in zip(parts, task["sources"], strict=True)
        ]
        target = PathTarget.at(self.folder, folder=True).file(task["name"])
        with PartsJoin.of(units, self.options, self.choices) as job:
            job.write_file(target, task["stamp"], self.parquet)
            yield job


@dataclass(frozen=True, slots=True)
class NumberedFiles:
    """Writes the file with a number, and returns its report as JSON: a function that Spark calls in its workers.

    A data source would need three more processes on the driver, which took 5 s of processor time. It is in this module, so that
    workers don't import the data source.

    Attributes:
        files: What writes a file.
        tasks: The files, as JSON.
    """

    files: FilesOfParts
    tasks: tuple[str, ...]

    def __call__(self, number: int) -> str:
        """Write the file."""
        with self.files.written(json.loads(self.tasks[number])) as job:
            return _facts(job)


class WriteFiles(Job):
    """Writes files of parts.

    Args:
        spec: The fields of `FilesOfParts`.
    """

    def __init__(self, spec: Spec) -> None:
        self._files = FilesOfParts(**spec)

    def run(self, task: Spec) -> Generator[Product, None, None]:
        """Write a file, and yield the packed places of the rejected lines of each part, and the report as JSON."""
        with self._files.written(task) as job:
            yield from job.places_of_rejects()
            yield {"facts": _facts(job)}
