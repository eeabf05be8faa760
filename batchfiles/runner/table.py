"""The rounds of retries, and the table of a run with the files that are written with it."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from batchfiles.campaign import RETRY_STEM, parts_of
from batchfiles.io.remote_path import is_within, real_path
from batchfiles.io.sources import Source
from batchfiles.io.target import STDOUT, PathTarget, Target, TargetLike
from batchfiles.io.threads import Progress
from batchfiles.jobs.join.join import join
from batchfiles.jobs.join.lazy_join import JoinOptions, table_options
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.join.table_files import is_own_file
from batchfiles.jobs.retry.retry import retry
from batchfiles.runner.journal import RunState
from batchfiles.runner.report import RunReport
from batchfiles.table.open import TableFormat, format_of_target, table_target
from batchfiles.table.parsed_schema import load_schema
from batchfiles.table.read import TableLike, refused_by_pyarrow, table_sources


def add_retry_round(
    folder: Path,
    run_state: RunState,
    *,
    workers: int | None,
    temp_dir: str | os.PathLike[str] | None = None,
    progress: Progress | None = None,
) -> list[str]:
    """Write new parts with the retryable requests of each part.

    Returns:
        The names of the new parts; empty if nothing is retryable.

    Raises:
        FileError: A file can't be written.
    """
    found = _unknown_parts(folder, run_state)
    if not found:
        _remove_unnamed(folder)
        parts = [part.file for part in parts_of(folder) if not part.retry_of]
        files = [folder / name for name in (*parts, *run_state.results)]
        retry(*files, output=folder, overwrite=True, workers=workers, temp_dir=temp_dir, progress=progress)
        found = _unknown_parts(folder, run_state)
    if found:
        run_state.note("retried", parts=found)
    return found


def _unknown_parts(folder: Path, run_state: RunState) -> list[str]:
    """Return the parts that are in the manifest but not in the journal."""
    return [part.file for part in parts_of(folder) if part.file not in run_state.parts]


def _remove_unnamed(folder: Path) -> None:
    """Remove retry files that a killed run wrote before it wrote the manifest."""
    named = {part.file for part in parts_of(folder)}
    for path in folder.iterdir():
        if path.suffix == ".jsonl" and RETRY_STEM.fullmatch(path.stem) and path.name not in named:
            path.unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputOptions:
    """What a run writes at its end: the options of `run` that don't concern the service.

    Attributes:
        output: The table.
        format: Its format, if the name doesn't have its suffix.
        overwrite: Replace existing files.
        csv_safe: Make CSV cells harmless that a spreadsheet would run.
        rejects: The file for the result lines that are not in the table; None for none.
        report_file: The file for the report; None for none.
        join: The options of `join`.
    """

    output: TargetLike
    format: TableFormat | None
    overwrite: bool
    csv_safe: bool
    rejects: TargetLike | None
    report_file: TargetLike | None
    join: JoinOptions


class RunTable:
    """The table to write, and the files that are written with it. Nothing is read or written when it is created.

    Args:
        options: The options.

    Attributes:
        target: The target.
        output: The display name, `-` for standard output.
        key: Its name in the journal; None for standard output.

    Raises:
        ValueError: An option has an invalid value, or options exclude each other.
        TypeError: A table can be read only once.
    """

    def __init__(self, options: OutputOptions) -> None:
        self._options = options
        self._join = _repeatable(options.join)
        filesystem = options.join.get("filesystem")
        self.target = table_target(options.output, options.format, filesystem=filesystem)
        if self.target.stream is not None and options.format is None:
            raise ValueError("a table on standard output needs a format")
        if options.csv_safe and format_of_target(self.target, options.format) != "csv":
            raise ValueError("csv_safe needs CSV")
        format_of_target(self.target, options.format)
        table_options(self._join)
        self.output = STDOUT if self.target.place is None else str(self.target)
        self.key = _key(self.target)
        named = (options.rejects, options.report_file)
        self._rejects, self._report = (
            None if name is None else PathTarget.at(name, filesystem=filesystem, folder=False) for name in named
        )

    @property
    def _targets(self) -> list[Target]:
        return [target for target in (self.target, self._rejects, self._report) if target is not None]

    def refuse_inside(self, folder: Path) -> None:
        """Raise `ValueError` if an output is in the campaign folder."""
        for target in self._targets:
            if target.key is not None and is_within(target.key, real_path(folder)):
                raise ValueError(f"{target} is in the campaign folder, whose files are joined: choose another folder")

    def refuse_foreign(self, own: Collection[str]) -> None:
        """Raise an error instead of overwriting what the campaign did not write, or if an output can't be written.

        Raises:
            OutputExistsError: It exists, and `overwrite` is False.
            FileError: It is a folder with other files than parts of a table, which is never replaced; or the folder for it
                does not exist.
        """
        for target in self._targets:
            is_own = _key(target) in own
            if not (is_own and target.is_folder) or self._options.overwrite:  # a finished table may stay where it is
                target.check(overwrite=self._options.overwrite or is_own, ours=is_own_file(target))

    def settings(self) -> dict[str, Any]:
        """Return the options that change the contents of the table, without those at their defaults, for the journal.

        Raises:
            FileError: The schema or the user's table can't be read.
        """
        join = self._join
        schema, table = join.get("schema"), join.get("with_table")
        found = {word: join.get(name) for name, word in SETTINGS.items()} | {
            "csv null": list(join.get("csv_nulls") or ()),
            "format": self._options.format,
            "csv safe": self._options.csv_safe,
            "schema": None if schema is None else _digest(load_schema(schema, filesystem=join.get("filesystem"))),
            "with": None if table is None else _digests(table, join.get("filesystem")),
        }
        return {word: value for word, value in found.items() if value != DEFAULTS.get(word) and value}

    def check(self, sources: Sequence[Source]) -> None:
        """Make sure that the table can be made of these requests: the schema exists, and the user's table has valid ids.

        Raises:
            BatchFilesError: As `join`.
        """
        if self._join.get("parsed") or self._join.get("with_table") is not None:
            with join(inputs=sources, **self._join) as joined:
                _ = joined.schema

    def is_complete(self, run_state: RunState, settings: Mapping[str, Any]) -> bool:
        """Return whether all outputs exist, and the campaign wrote them with these options."""
        if self._options.overwrite or self.key is None or run_state.settings.get(self.key) != settings:
            return False
        return all(_key(target) in run_state.outputs and target.exists() for target in self._targets)

    def write(self, folder: Path, run_state: RunState, sources: Sequence[Source], settings: Mapping[str, Any]) -> JoinReport:
        """Join all results to the requests, in their order, and write the table.

        Raises:
            OutputExistsError: An output exists that is not from this campaign, and `overwrite` is False.
            FileError: A file can't be read or written.
        """
        options = self._options
        is_own = self.key in run_state.outputs
        if self.key is not None:
            run_state.note("table", path=self.key, settings=settings)
        results = [Source.named(folder / name) for name in run_state.results]
        with join(*results, inputs=sources, **self._join) as joined:
            report = joined.write(
                self.target, format=options.format, overwrite=options.overwrite or is_own, csv_safe=options.csv_safe
            )
            if self._rejects is not None:
                joined.write_rejects(self._rejects, overwrite=self._may_replace(self._rejects, run_state))
        return report

    def write_report(self, report: RunReport, run_state: RunState) -> None:
        """Write the report as JSON; a complete report is kept if the run was finished already.

        Raises:
            OutputExistsError: The file exists and is not from this campaign, and `overwrite` is False.
            FileError: It can't be written.
        """
        if self._report is None or (report.finished and report.table is None):
            return
        overwrite = self._may_replace(self._report, run_state)
        with self._report.open(overwrite=overwrite, temp_dir=self._join.get("temp_dir")) as file:
            file.write(json.dumps(report.to_dict(), indent=2).encode() + b"\n")

    def _may_replace(self, target: Target, run_state: RunState) -> bool:
        """Return whether an output may be replaced, and note that it is from this campaign from now on."""
        key = _key(target)
        if key is None or key in run_state.outputs:
            return True
        if not self._options.overwrite:
            target.check()
        run_state.note("output", path=key)
        return self._options.overwrite


SETTINGS = {
    "parsed": "parsed",
    "parse_dates": "parse dates",
    "id_template": "id",
    "with_prefix": "with prefix",
    "bodies": "bodies",
    "request_bodies": "request bodies",
}
"""Options of `join` that change the contents of the table, and their words in the journal and in messages."""

DEFAULTS = {"bodies": "auto", "request bodies": "all"}


def changed_words(before: Mapping[str, Any], now: Mapping[str, Any]) -> str:
    """Return the names of the values that differ, separated by commas; empty if none does."""
    return ", ".join(name for name in dict.fromkeys((*before, *now)) if before.get(name) != now.get(name))


def _key(target: Target) -> str | None:
    return None if target.key is None else str(target.key)


def _repeatable(options: JoinOptions) -> JoinOptions:
    """Return the options with a table in memory that can be read several times.

    Raises:
        TypeError: The user's table is an open file or standard input, which can be read only once.
        MismatchError: pyarrow can't read the table.
    """
    import pyarrow as pa

    table = options.get("with_table")
    if table is None:
        return options
    if hasattr(table, "__arrow_c_stream__"):
        with refused_by_pyarrow():
            return {**options, "with_table": pa.RecordBatchReader.from_stream(table).read_all()}
    items = table if isinstance(table, (list, tuple)) else [table]
    if any(hasattr(item, "read") or str(item) == STDOUT for item in items):
        raise TypeError("a run reads its tables again when it is resumed: name a file instead of standard input or an open file")
    return options


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


def _digests(table: TableLike, filesystem: object) -> list[str]:
    """Return the digest of the contents of a table in memory, or of each file."""
    import pyarrow as pa

    if isinstance(table, pa.Table):
        digest = hashlib.sha256(table.schema.serialize())
        for batch in table.to_batches():
            digest.update(batch.serialize())
        return [digest.hexdigest()]
    return [source.sha256(stored=True).hex for source in table_sources(table, filesystem=filesystem)]
