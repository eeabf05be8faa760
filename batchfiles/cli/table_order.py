"""One call of `join` or `export`: refused if it can't be done, carried out, and told of."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Self, TypeVar

import click

from batchfiles.cli.fail_on import failures
from batchfiles.cli.outcome_table import Note, notes_of_table, outcome_table, told
from batchfiles.cli.progress import Progress
from batchfiles.cli.report_json import report_json
from batchfiles.cli.table_options import FORMATS
from batchfiles.cli.targets import STDOUT, check_targets, place_of
from batchfiles.cli.validate import plural, size
from batchfiles.jobs.table_part import is_part_name
from batchfiles.streams.remote import RemotePath, located

if TYPE_CHECKING:
    from batchfiles.cli.table_options import SharedOptions
    from batchfiles.jobs.join_report import TableReport
    from batchfiles.jobs.table_job import TableJob, TableKeywords
    from batchfiles.streams.sources import Source

__all__ = ["TableOrder"]

BINARY = ("parquet", "arrow", "arrows")
FOLDER = "folder"
"""The format of Parquet parts, as we call it here."""

WIDEST = 100
"""Columns of a summary: longer lines are hard to read."""

ReportT = TypeVar("ReportT", bound="TableReport")


class TableOrder:
    """One call of a command: what is to be made, and where it goes. What can't be done is refused here.

    Args:
        label: The command's name.
        sources: The files that are read.
        options: The shared options.
        rejects: The file for the lines that are not in the table.

    Raises:
        click.UsageError: The options don't go together.
        ValueError: The output's name says no format.
        OutputExists: A file to write is there already.
        FileError: A file can't be written where it is to go.
    """

    def __init__(self, label: str, sources: Sequence[Source], options: SharedOptions, *, rejects: str | None = None) -> None:
        self._started = time.perf_counter()
        self._options = options
        self._progress: Progress | None = None
        self._label = label
        self._rejects = rejects
        output = options["output"]
        self._format = _format(output, options["format_name"])
        _check_options(options, self._format)
        for option, name in (("--rejects", rejects), ("--report", options["report_file"])):
            if name == STDOUT:
                raise click.UsageError(f"{option} takes a file: standard output is for the table, or for --json.")
        check_targets(
            output if self._format == FOLDER else None,
            [
                ("-o", output if self._format != FOLDER else None),
                ("--rejects", rejects),
                ("--report", options["report_file"]),
            ],
            sources,
            force=options["force"],
            ours=is_part_name,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.close()

    def without_targets(self, sources: Sequence[Source]) -> list[Source]:
        """Return the files that are read; files that this call writes are its own and not reported as skipped."""
        names = (self._options["output"], self._options["report_file"], self._rejects)
        own = {Path(name).resolve() for name in names if name is not None and name != STDOUT}
        return [
            replace(
                each,
                passed_over=tuple(path for path in each.passed_over if not isinstance(path, Path) or path.resolve() not in own),
            )
            for each in sources
        ]

    def keywords(self) -> TableKeywords:
        """Return the options of the job."""
        options = self._options
        return {
            "table": options["table"],
            "dimensions": options["dimensions"],
            "bodies": options["bodies"],
            "parsed": options["parsed"],
            "schema": options["schema"],
            "parse_dates": options["parse_dates"],
            "cap": options["max_line_bytes"],
            "temp_dir": options["temp_dir"],
            "workers": options["workers"],
            "progress": self._show_progress,
        }

    def write(self, job: TableJob[ReportT]) -> ReportT:
        """Make the table."""
        options = self._options
        return job.write(options["output"], format=options["format_name"], force=options["force"], csv_safe=options["csv_safe"])

    def finish(
        self, context: click.Context, report: TableReport, noun: str, notes: Iterator[Note], counts: Mapping[str, int]
    ) -> None:
        """Say what was done, and exit with 1 if that is what `--fail-on` is for.

        Args:
            context: Of the command.
            report: What was done.
            noun: What the outcomes are of: requests, or results.
            notes: What is worth knowing beside the outcomes.
            counts: What `--fail-on` may speak of.
        """
        options = self._options
        if options["report_file"] is not None:
            _write_report(located(options["report_file"]), report, force=options["force"])
        if options["as_json"]:
            click.echo(report_json(report))
        failed = [("fail-on", words) for words in failures(options["fail_on"], counts, sum(report.outcomes.values()), noun)]
        width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
        all_notes = (*notes, *notes_of_table(report, csv_safe=options["csv_safe"]), *failed)
        said = [line for note in all_notes for line in told(note, width)]
        lines = [*outcome_table(report, noun), "", *said, *([""] if said else []), self._last_words(report)]
        click.echo("\n".join(lines), err=True)
        if failed:
            context.exit(1)

    def _show_progress(self, done: int, total: int) -> None:
        if self._progress is None:
            self._progress = Progress(self._label, total, quiet=self._options["as_json"])
        self._progress.update(done)

    def _last_words(self, report: TableReport) -> str:
        """Say where the table is."""
        path = self._options["output"]
        parts = [plural(report.rows, "row")]
        if path != STDOUT:
            sizes = _sizes(located(path), is_folder=self._format == FOLDER)
            if self._format == FOLDER:
                parts.append(plural(len(sizes), "Parquet file"))
            parts.append(size(sum(sizes)))
        return f"{place_of(path)}: {', '.join(parts)}, in {time.perf_counter() - self._started:,.1f} s"


def _sizes(path: Path | RemotePath, *, is_folder: bool) -> list[int]:
    """Return the sizes of the files that were written."""
    if isinstance(path, RemotePath):
        found = [info for _, info in path.listing()] if is_folder else [path.look()]
        return [info.size for info in found if info.is_file]
    return [file.stat().st_size for file in (path.iterdir() if is_folder else [path])]


def _format(output: str, named: str | None) -> str:
    """Return the format of the table, `FOLDER` for Parquet parts."""
    from batchfiles.jobs.table_job import is_folder
    from batchfiles.table.writing import agreed_format

    if output == STDOUT and named is None:
        raise click.UsageError(f"-o - needs a --format: {', '.join(FORMATS)}.")
    if named in (None, "parquet") and is_folder(output):
        return FOLDER
    return agreed_format(output, named)


def _check_options(options: SharedOptions, chosen: str) -> None:
    """Refuse what doesn't go together.

    Raises:
        click.UsageError: Something doesn't.
    """
    if options["output"] == STDOUT:
        if options["as_json"]:
            raise click.UsageError("-o - and --json both want standard output: --report FILE writes the counts to a file.")
        if chosen in BINARY and sys.stdout.isatty():
            raise click.UsageError(f"a terminal can't show {chosen}: send it into a file or a pipe, or say --format jsonl.")
    if options["csv_safe"] and chosen != "csv":
        raise click.UsageError("--csv-safe is for CSV.")
    if options["dimensions"] is not None and options["table"] == "requests":
        raise click.UsageError("--dimensions is for --table embeddings.")
    if options["parsed"] and options["table"] == "embeddings":
        raise click.UsageError("--parsed is for --table requests: vectors are no texts.")
    for option, given in (("--schema", options["schema"] is not None), ("--parse-dates", options["parse_dates"])):
        if given and not options["parsed"]:
            raise click.UsageError(f"{option} goes with --parsed.")
    if not options["parsed"] and any(condition.name == "parse_error" for some in options["fail_on"] for condition in some):
        raise click.UsageError("--fail-on parse_error goes with --parsed.")


def _write_report(path: Path | RemotePath, report: TableReport, *, force: bool) -> None:
    from batchfiles.streams.atomic import atomic_file

    with atomic_file(path, force=force) as file:
        file.write(f"{report_json(report)}\n".encode())
