"""What `join` and `export` share: their options, checks, progress and summary."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, TypeVar

import click

from batchfiles.cli.options import (
    STDOUT,
    Condition,
    check_targets,
    counts_option,
    csv_null_option,
    fail_on_option,
    failures,
    line_cap_option,
    report_json,
    temp_dir_option,
    with_options,
    workers_option,
)
from batchfiles.cli.progress import Progress, print_notes, screen
from batchfiles.errors import OutputExistsError
from batchfiles.findings import plural
from batchfiles.io.remote_path import real_path
from batchfiles.io.target import PathTarget, Target, output_name
from batchfiles.jobs.join.report import JoinReport
from batchfiles.jobs.join.table_files import is_own_file, is_table_file
from batchfiles.layout import size
from batchfiles.limits import RESULT_LINE_CAP
from batchfiles.summary import COMMAND_LINE, Block, text_of

if TYPE_CHECKING:
    from batchfiles.io.sources import Source
    from batchfiles.jobs.join.lazy_table import LazyTable
    from batchfiles.jobs.join.report import TableReport
    from batchfiles.table.open import TableFormat
    from batchfiles.table.rows import TableName

FORMATS = ("parquet", "arrow", "arrows", "jsonl", "csv")

format_option = click.option(
    "--format",
    "format_name",
    type=click.Choice(FORMATS),
    help="The format, if not given by the file name; required for standard output.",
)

csv_safe_option = click.option(
    "--csv-safe", is_flag=True, help="Prefix CSV cells that a spreadsheet would run as formulas with '."
)

ANSWER_OPTIONS = (
    click.option(
        "--bodies",
        type=click.Choice(["auto", "all", "none"]),
        default="auto",
        show_default=True,
        help="The response bodies to keep: auto keeps those with values that are in no column.",
    ),
    click.option("--parsed", is_flag=True, help="Add the columns parsed (the answer typed by a JSON Schema) and parse_error."),
    click.option(
        "--schema",
        metavar="FILE",
        help="The JSON Schema for --parsed: a file, or module:Class for a pydantic model.  [default: the first in a request]",
    ),
    click.option("--parse-dates", is_flag=True, help="With --parsed: convert strings with the format date or date-time."),
)
"""Which bodies are kept, and the columns for typed answers."""

request_bodies_option = click.option(
    "--request-bodies", type=click.Choice(["all", "none"]), default="all", show_default=True, help="The request bodies to keep."
)

rejects_option = click.option(
    "--rejects",
    metavar="FILE",
    help="Copy the result lines that are not in the table, byte for byte: malformed, unknown, superseded and conflicting ones.",
)

USER_TABLE_OPTIONS = (
    click.option(
        "--with",
        "with_tables",
        multiple=True,
        metavar="TABLE",
        help="Add the columns of this table (Parquet, Arrow, CSV, JSONL, or a folder of them) after the others. Repeatable.",
    ),
    click.option(
        "--id", "custom_id", metavar="TEXT", help="With --with: the custom_id of a row, as a template: {{doc}}-{{chunk}}."
    ),
    csv_null_option,
    click.option("--with-prefix", default="", metavar="TEXT", help="With --with: a prefix for the names of its columns."),
)
"""The user's table whose columns are added."""

Command = TypeVar("Command", bound=Callable[..., Any])


class SharedOptions(TypedDict):
    """The shared options."""

    output: str
    format_name: TableFormat | None
    overwrite: bool
    min_file_bytes: int | None
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


def user_table_options(command: Command) -> Command:
    """Add the options of the user's table to a command."""
    return with_options(command, USER_TABLE_OPTIONS)


def answer_options(command: Command) -> Command:
    """Add the options on bodies and typed answers to a command."""
    return with_options(command, ANSWER_OPTIONS)


def table_options(counted: Sequence[str]) -> Callable[[Command], Command]:
    """Add the shared options to a command; `counted` are the names for its `--fail-on`."""
    options = (
        click.option(
            "-o",
            "--output",
            required=True,
            metavar="FILE",
            help="The table: .parquet, .arrow, .arrows, .jsonl or .csv (these two also .gz or .zst); a folder, or a name without "
            "a suffix, for Parquet parts; - for standard output.",
        ),
        format_option,
        click.option(
            "--force", "overwrite", is_flag=True, help="Replace existing files; a folder only if it has only Parquet parts."
        ),
        click.option(
            "--min-file-bytes",
            type=click.IntRange(min=0),
            metavar="N",
            help="For a folder: the bytes of input from which on a file is large enough; smaller parts share one. 0 makes a file "
            "for each.  [default: 32 MiB]",
        ),
        csv_safe_option,
        click.option(
            "--table",
            type=click.Choice(["requests", "embeddings"]),
            help="A row for each request, or for each vector.  [default: detected from the files]",
        ),
        click.option(
            "--dimensions",
            type=click.IntRange(min=1),
            metavar="N",
            help="The length of all vectors: others are an error, and Arrow gets a fixed-size list.",
        ),
        *ANSWER_OPTIONS,
        fail_on_option(counted),
        click.option("--report", "report_file", metavar="FILE", help="Write the counts as one JSON object to a file."),
        counts_option,
        temp_dir_option(
            "The folder for temporary files: copies of compressed files and of standard input, and an index of the ids."
        ),
        workers_option,
        line_cap_option("Longer lines count as malformed.", default=RESULT_LINE_CAP),
    )

    def decorate(command: Command) -> Command:
        return with_options(command, options)

    return decorate


BINARY = ("parquet", "arrow", "arrows")

ReportT = TypeVar("ReportT", bound="TableReport")


class TableCommand:
    """One call of a command; invalid options and outputs are refused when it is created.

    Args:
        label: The command's name.
        sources: The input files.
        options: The shared options.
        rejects: The file for lines that are not in the table.
        resumes: Whether the command has --resume.
        resume: Whether to continue the folder of a campaign.

    Attributes:
        files: The targets of --rejects and --report, by option.

    Raises:
        click.UsageError: The options exclude each other.
        ValueError: The name of the output has no format.
        OutputExistsError: An output exists.
        FileError: An output can't be written.
    """

    def __init__(
        self,
        label: str,
        sources: Sequence[Source],
        options: SharedOptions,
        *,
        rejects: str | None = None,
        resumes: bool = False,
        resume: bool = False,
    ) -> None:
        self._started = time.perf_counter()
        self._options = options
        self._resume = resume
        self._progress: Progress | None = None
        self._label = label
        self._target, chosen = _target(options["output"], options["format_name"])
        _check_options(options, chosen)
        if options["min_file_bytes"] is not None and not self._target.is_folder:
            raise click.UsageError("--min-file-bytes needs a folder: another output is one file.")
        for option, name in (("--rejects", rejects), ("--report", options["report_file"])):
            if name == STDOUT:
                raise click.UsageError(f"{option} needs a file: standard output is for the table or --json.")
        names = {"--rejects": rejects, "--report": options["report_file"]}
        self.files = {option: PathTarget.at(name, folder=False) for option, name in names.items() if name is not None}
        self._targets = [("-o", self._target), *self.files.items()]
        ours = is_table_file if resume else is_own_file(self._target)
        resumed = self._target if resume else None
        try:
            check_targets(self._targets, sources, overwrite=options["overwrite"], ours=ours, resumed=resumed)
        except OutputExistsError as error:
            if resumes and self._target.is_folder and error.path == self._target.name:
                raise OutputExistsError(error.path, resumable=True) from None
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._progress is not None:
            self._progress.close()

    def without_targets(self, sources: Sequence[Source]) -> list[Source]:
        """Return the sources, which don't report the outputs of this call as skipped files."""
        own = {target.key for _, target in self._targets}
        return [
            replace(each, passed_over=tuple(path for path in each.passed_over if real_path(path) not in own)) for each in sources
        ]

    def keywords(self) -> TableKeywords:
        """Return the arguments of the job."""
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
        """Write the table."""
        options = self._options
        return job.write(
            self._target,
            format=options["format_name"],
            overwrite=options["overwrite"],
            csv_safe=options["csv_safe"],
            resume=self._resume,
            min_file_bytes=options["min_file_bytes"],
        )

    def finish(
        self,
        context: click.Context,
        report: ReportT,
        noun: str,
        blocks: Callable[..., Iterator[Block]],
        counts: Mapping[str, int],
    ) -> None:
        """Print the summary, and exit with 1 if a condition of `--fail-on` is true.

        Args:
            context: The context of the command.
            report: The report of the job.
            noun: What has outcomes: requests or results.
            blocks: Makes the summary of the report.
            counts: The counts for `--fail-on`.
        """
        options = self._options
        if (target := self.files.get("--report")) is not None:
            with target.open(overwrite=options["overwrite"]) as file:
                file.write(f"{report_json(report)}\n".encode())
        if options["as_json"]:
            click.echo(report_json(report))
        failed = failures(options["fail_on"], counts, sum(report.outcomes.values()), noun)
        found = blocks(
            report,
            COMMAND_LINE,
            csv_safe=options["csv_safe"],
            more=[("fail-on", words) for words in failed],
            written=self._output_line(report),
        )
        print_notes(text_of(found, screen(err=True)))
        if failed:
            context.exit(1)

    def _show_progress(self, done: int, total: int | None) -> None:
        if self._progress is None:
            self._progress = Progress(self._label, quiet=self._options["as_json"])
        self._progress.update(done, total)

    def _output_line(self, report: TableReport) -> str:
        """Return a line on the table: name, rows, size, time."""
        parts = [plural(report.rows, "row")]
        if isinstance(self._target, PathTarget):
            sizes = self._target.sizes()
            if self._target.is_folder:
                parts.append(plural(len(sizes), "Parquet file"))
                if self._resume and isinstance(report, JoinReport):
                    parts.append(f"{plural(report.kept_parts, 'part')} kept")
            parts.append(size(sum(sizes)))
        return f"{output_name(self._options['output'])}: {', '.join(parts)}, in {time.perf_counter() - self._started:,.1f} s"


def _target(output: str, named: str | None) -> tuple[Target, str]:
    """Return the target of the table, and its format."""
    from batchfiles.table.open import format_of_target, table_target

    if output == STDOUT and named is None:
        raise click.UsageError(f"-o - needs a --format: {', '.join(FORMATS)}.")
    target = table_target(output, named)
    return target, format_of_target(target, named)


def _check_options(options: SharedOptions, chosen: str) -> None:
    """Refuse options that exclude or need each other."""
    if options["output"] == STDOUT:
        if options["as_json"]:
            raise click.UsageError("-o - and --json both write to standard output: use --report FILE for the counts.")
        if chosen in BINARY and sys.stdout.isatty():
            raise click.UsageError(f"a terminal can't show {chosen}: redirect it to a file or a pipe, or use --format jsonl.")
    if options["dimensions"] is not None and options["table"] == "requests":
        raise click.UsageError("--dimensions needs --table embeddings.")
    if options["parsed"] and options["table"] == "embeddings":
        raise click.UsageError("--parsed needs --table requests.")
    check_answer_options(
        options["schema"], chosen, parsed=options["parsed"], parse_dates=options["parse_dates"], csv_safe=options["csv_safe"]
    )
    if not options["parsed"] and any(condition.name == "parse_error" for some in options["fail_on"] for condition in some):
        raise click.UsageError("--fail-on parse_error needs --parsed.")


def check_answer_options(schema: str | None, chosen: str, *, parsed: bool, parse_dates: bool, csv_safe: bool) -> None:
    """Refuse options that need --parsed or CSV; `chosen` is the format of the table."""
    if csv_safe and chosen != "csv":
        raise click.UsageError("--csv-safe needs CSV.")
    for option, given in (("--schema", schema is not None), ("--parse-dates", parse_dates)):
        if given and not parsed:
            raise click.UsageError(f"{option} needs --parsed.")


def check_user_table(with_tables: Sequence[str], custom_id: str | None, with_prefix: str, csv_nulls: Sequence[str]) -> None:
    """Refuse the options of the user's table without the table, and the table without --id."""
    if bool(with_tables) != (custom_id is not None):
        raise click.UsageError("--with and --id must be used together: --id matches rows to requests.")
    for option, given in (("--with-prefix", with_prefix), ("--csv-null", csv_nulls)):
        if given and not with_tables:
            raise click.UsageError(f"{option} needs --with.")
