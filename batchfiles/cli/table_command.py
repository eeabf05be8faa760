"""One call of `join` or `export`: refused if it can't be done, carried out, and told of.

The options that `join` and `export` share.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar

import click

from batchfiles.cli.options import (
    Condition,
    counts_option,
    fail_on_option,
    failures,
    line_cap_option,
    temp_dir_option,
    with_options,
    workers_option,
)
from batchfiles.cli.outputs import STDOUT, check_targets, place_of, report_json
from batchfiles.cli.progress import Progress
from batchfiles.cli.stats_tables import Note, format_note, notes_of_table, outcome_table
from batchfiles.cli.text import plural, size
from batchfiles.io.remote.path import real_path
from batchfiles.io.target import PathTarget, Target
from batchfiles.jobs.join.options import is_part_name
from batchfiles.limits import RESULT_LINE_CAP

if TYPE_CHECKING:
    from batchfiles.io.sources import Source
    from batchfiles.jobs.join.lazy_table import LazyTable
    from batchfiles.jobs.join.report import TableReport
    from batchfiles.table.open import TableFormat
    from batchfiles.table.schema import TableName

__all__ = ["FORMATS", "SharedOptions", "TableCommand", "format_option", "table_options"]


FORMATS = ("parquet", "arrow", "arrows", "jsonl", "csv")

format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="The format, where the name doesn't say it, as for standard output.",
)

Command = TypeVar("Command", bound=Callable[..., Any])


class SharedOptions(TypedDict):
    """The options that both commands have."""

    output: str
    format_name: TableFormat | None
    overwrite: bool
    csv_safe: bool
    table: TableName | None
    dimensions: int | None
    bodies: Literal["auto", "all", "none"]
    parsed: bool
    schema: str | None
    parse_dates: bool
    fail_on: tuple[tuple[Condition, ...], ...]
    report_file: str | None
    as_json: bool
    temp_dir: str | None
    workers: int | None
    max_line_bytes: int


class TableKeywords(TypedDict):
    """The keyword arguments that `join` and `export` share."""

    table: TableName | None
    dimensions: int | None
    bodies: Literal["auto", "all", "none"]
    parsed: bool
    schema: str | None
    parse_dates: bool
    max_line_bytes: int
    temp_dir: str | None
    workers: int | None
    progress: Callable[[int, int | None], None]


def table_options(counted: Sequence[str]) -> Callable[[Command], Command]:
    """Give a command the shared options.

    Args:
        counted: What its `--fail-on` can speak of.
    """
    options = (
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="FILE",
            help="Where the table goes: .parquet, .arrow, .arrows, .jsonl or .csv (these two also .gz or .zst); a folder, or a "
            "name without a suffix, for Parquet parts; - for standard output.",
        ),
        format_option,
        click.option(
            "--force",
            "overwrite",
            is_flag=True,
            help="Replace files that are there already; a folder only if it holds nothing but Parquet parts.",
        ),
        click.option("--csv-safe", is_flag=True, help="Put ' before CSV cells that a spreadsheet would run as formulas."),
        click.option(
            "--table",
            type=click.Choice(["requests", "embeddings"]),
            help="A row for each request, or for each vector.  [default: what the files ask for]",
        ),
        click.option(
            "--dimensions",
            type=click.IntRange(min=1),
            metavar="N",
            help="The length of every vector: another one is an error, and Arrow gets a fixed-size list.",
        ),
        click.option(
            "--bodies",
            type=click.Choice(["auto", "all", "none"]),
            default="auto",
            show_default=True,
            help="The response bodies to keep: auto keeps those with something that no column has.",
        ),
        click.option(
            "--parsed",
            is_flag=True,
            help="Add the columns parsed, the answer typed by its JSON Schema, and parse_error, why it does not fit.",
        ),
        click.option(
            "--schema",
            metavar="FILE",
            help="The JSON Schema for --parsed: a file, or module:Class for a pydantic model.  [default: the first one that "
            "a request asks for]",
        ),
        click.option(
            "--parse-dates",
            is_flag=True,
            help="With --parsed: make dates and times of texts whose format is date or date-time.",
        ),
        fail_on_option(counted),
        click.option("--report", "report_file", metavar="FILE", help="Write the counts, as one JSON object, to a file."),
        counts_option,
        temp_dir_option("Where temporary files go: copies of compressed files and of standard input, and an index of the ids."),
        workers_option,
        line_cap_option("A longer line counts as one that can't be read.", default=RESULT_LINE_CAP),
    )

    def decorate(command: Command) -> Command:
        return with_options(command, options)

    return decorate


BINARY = ("parquet", "arrow", "arrows")
WIDEST = 100
"""Columns of a summary: longer lines are hard to read."""

ReportT = TypeVar("ReportT", bound="TableReport")


class TableCommand:
    """One call of a command: what is to be made, and where it goes. What can't be done is refused here.

    Args:
        label: The command's name.
        sources: The files that are read.
        options: The shared options.
        rejects: The file for the lines that are not in the table.

    Attributes:
        files: Where the lines that are not in the table and the report go, by their options.

    Raises:
        click.UsageError: The options don't go together.
        ValueError: The output's name says no format.
        OutputExistsError: A file to write is there already.
        FileError: A file can't be written where it is to go.
    """

    def __init__(self, label: str, sources: Sequence[Source], options: SharedOptions, *, rejects: str | None = None) -> None:
        self._started = time.perf_counter()
        self._options = options
        self._progress: Progress | None = None
        self._label = label
        self._target, chosen = _target(options["output"], options["format_name"])
        _check_options(options, chosen)
        for option, name in (("--rejects", rejects), ("--report", options["report_file"])):
            if name == STDOUT:
                raise click.UsageError(f"{option} takes a file: standard output is for the table, or for --json.")
        names = {"--rejects": rejects, "--report": options["report_file"]}
        self.files = {option: PathTarget.at(name, folder=False) for option, name in names.items() if name is not None}
        self._targets = [("-o", self._target), *self.files.items()]
        check_targets(self._targets, sources, overwrite=options["overwrite"], ours=is_part_name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.close()

    def without_targets(self, sources: Sequence[Source]) -> list[Source]:
        """Return the files that are read; files that this call writes are its own and not reported as skipped."""
        own = {target.key for _, target in self._targets}
        return [
            replace(each, passed_over=tuple(path for path in each.passed_over if real_path(path) not in own)) for each in sources
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
            "max_line_bytes": options["max_line_bytes"],
            "temp_dir": options["temp_dir"],
            "workers": options["workers"],
            "progress": self._show_progress,
        }

    def write(self, job: LazyTable[ReportT]) -> ReportT:
        """Make the table."""
        options = self._options
        return job.write(
            self._target, format=options["format_name"], overwrite=options["overwrite"], csv_safe=options["csv_safe"]
        )

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
        if (target := self.files.get("--report")) is not None:
            with target.open(overwrite=options["overwrite"]) as file:
                file.write(f"{report_json(report)}\n".encode())
        if options["as_json"]:
            click.echo(report_json(report))
        failed = [("fail-on", words) for words in failures(options["fail_on"], counts, sum(report.outcomes.values()), noun)]
        width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
        all_notes = (*notes, *notes_of_table(report, csv_safe=options["csv_safe"]), *failed)
        said = [line for note in all_notes for line in format_note(note, width)]
        lines = [*outcome_table(report, noun), "", *said, *([""] if said else []), self._last_words(report)]
        click.echo("\n".join(lines), err=True)
        if failed:
            context.exit(1)

    def _show_progress(self, done: int, total: int | None) -> None:
        if self._progress is None:
            self._progress = Progress(self._label, quiet=self._options["as_json"])
        self._progress.update(done, total)

    def _last_words(self, report: TableReport) -> str:
        """Say where the table is."""
        parts = [plural(report.rows, "row")]
        if isinstance(self._target, PathTarget):
            sizes = self._target.sizes()
            if self._target.is_folder:
                parts.append(plural(len(sizes), "Parquet file"))
            parts.append(size(sum(sizes)))
        return f"{place_of(self._options['output'])}: {', '.join(parts)}, in {time.perf_counter() - self._started:,.1f} s"


def _target(output: str, named: str | None) -> tuple[Target, str]:
    """Return where the table goes, and its format."""
    from batchfiles.table.open import format_of_target, table_target

    if output == STDOUT and named is None:
        raise click.UsageError(f"-o - needs a --format: {', '.join(FORMATS)}.")
    target = table_target(output, named)
    return target, format_of_target(target, named)


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
