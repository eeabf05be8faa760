"""`batchfiles run`: takes requests to a table in one command, which can be killed at any time and repeated."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Literal, Self, TextIO

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import (
    STDOUT,
    Command,
    check_targets,
    files_argument,
    refuse_two_on_stdout,
    report_json,
    temp_dir_option,
    workers_option,
)
from batchfiles.cli.progress import Progress, StatusLine, TransferProgress, print_notes, screen
from batchfiles.cli.service_options import Service, service_options, terms_options
from batchfiles.cli.table_command import (
    FORMATS,
    answer_options,
    check_answer_options,
    check_user_table,
    csv_safe_option,
    format_option,
    rejects_option,
    request_bodies_option,
    user_table_options,
)
from batchfiles.errors import AlreadySubmittedError
from batchfiles.findings import plural, share
from batchfiles.io.arrow import import_pyarrow
from batchfiles.layout import duration, folded, time_of_day, visible
from batchfiles.summary import COMMAND_LINE, text_of

if TYPE_CHECKING:
    from batchfiles.io.target import Target
    from batchfiles.limits import Limits
    from batchfiles.runner.report import RunStatus
    from batchfiles.table.open import TableFormat


class RunOutput:
    """The messages of a run, and on a terminal a status line below them.

    Args:
        quiet: Write nothing.
        stream: The output; None for standard error.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._line = StatusLine(stream, quiet=quiet)
        self._quiet = quiet
        self._stream = stream
        self._label = ""
        self._progress: TransferProgress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_progress()
        self._line.erase()

    def update(self, status: RunStatus) -> None:
        """Show the status of the run."""
        label = f"{visible(status.part)}: {STEPS[status.step]}" if status.part is not None else STEPS[status.step]
        if label != self._label:
            self._end_progress()
            self._label = label
        if status.news is not None:
            width = shutil.get_terminal_size().columns if self._line.on_terminal else None
            self._line.leave("\n".join(folded(visible(status.news), width)))
        self._line.draw(status_words(status, shutil.get_terminal_size().columns - 1))

    def progress(self, done: int, total: int | None) -> None:
        """Show the bytes of the current step, once it takes longer than a second."""
        if self._progress is None:
            self._progress = TransferProgress(self._label, quiet=self._quiet, stream=self._stream)
        self._progress.update(done, total)

    def _end_progress(self) -> None:
        if self._progress is not None:
            self._progress.close()
            self._progress = None


STEPS = {
    "check": "checking the requests",
    "split": "splitting the requests",
    "send": "sending",
    "wait": "waiting",
    "download": "downloading",
    "retry": "choosing requests to retry",
    "join": "writing the table",
}
"""What a run does in each of its steps."""


def status_words(status: RunStatus, width: int) -> str:
    """Return the status in one line: in full if it fits the width, else shorter and with less."""
    if not status.parts or status.step in ("check", "split", "retry", "join"):
        return STEPS[status.step]
    spent = duration(status.seconds)
    done = f"{status.done:,} of {plural(status.parts, 'part')} done"
    oldest = f"oldest batch {duration(max(batch.age for batch in status.batches))}" if status.batches else ""
    percent = share(status.answered, status.requests) if status.requests else ""
    answered = f"{status.answered:,} of {status.requests:,} requests ({percent})" if percent else ""
    look = "" if status.next_look is None else f"next look {time_of_day(status.next_look)}"
    full = (spent, done, f"{status.live:,} at the service", f"{status.waiting:,} to send", oldest, answered, look)
    short = (spent, f"{status.done:,}/{status.parts:,} done", f"{status.live:,} live")
    more = (oldest.replace(" batch", ""), f"{percent} answered" if percent else "")
    forms = (full, (*short, *more, look), (*short, more[0], look), (*short, look), short)
    lines = [", ".join(filter(None, form)) for form in forms]
    return next((line for line in lines if len(line) <= width), lines[-1])


UNFINISHED = 4


@click.command(cls=Command)
@files_argument
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="The table: .parquet, .arrow, .arrows, .jsonl or .csv; a folder, or a name without a suffix, for Parquet parts; - for "
    "standard output.",
)
@format_option
@csv_safe_option
@answer_options
@request_bodies_option
@user_table_options
@rejects_option
@click.option(
    "--report",
    "report_file",
    metavar="FILE",
    help="Write the report as one JSON object to a file, also if the run has not finished (--once).",
)
@click.option(
    "--campaign",
    metavar="FOLDER",
    help="The folder for parts, results and the journal.  [default: NAME.campaign next to the first FILE]",
)
@click.option(
    "--max-parallel",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="The maximum number of unfinished batches.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="The maximum number of retry rounds.",
)
@click.option("--once", is_flag=True, help="Do what is possible without waiting; exit with 4 if not finished.")
@click.option("--dry-run", is_flag=True, help="Show what would be sent, without sending it; needs no key.")
@click.option("--recover", is_flag=True, help="After losing the campaign folder: use existing batches of the same requests.")
@click.option("--again", is_flag=True, help="Send even if the service has batches of the same requests; you pay twice.")
@click.option(
    "--force", "overwrite", is_flag=True, help="Replace existing files, or a folder with only Parquet parts; sends nothing again."
)
@click.option("--endpoint", metavar="PATH", help="The endpoint, such as /v1/responses.  [default: the url of the requests]")
@terms_options
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="The time between two polls.  [default: growing from 5 seconds to a minute]",
)
@temp_dir_option("The folder for temporary files: copies of compressed and remote files, and an index of the ids.")
@workers_option
@click.option("--json", "as_json", is_flag=True, help="Print the report, or the plan, as one JSON object.")
@limits_options
@service_options
@click.pass_context
def run(
    context: click.Context,
    files: tuple[str, ...],
    *,
    output: str,
    format_name: TableFormat | None,
    csv_safe: bool,
    bodies: Literal["auto", "all", "none"],
    parsed: bool,
    schema: str | None,
    parse_dates: bool,
    request_bodies: Literal["all", "none"],
    with_tables: tuple[str, ...],
    custom_id: str | None,
    csv_nulls: tuple[str, ...],
    with_prefix: str,
    rejects: str | None,
    report_file: str | None,
    campaign: str | None,
    max_parallel: int,
    retries: int,
    once: bool,
    dry_run: bool,
    recover: bool,
    again: bool,
    overwrite: bool,
    endpoint: str | None,
    completion_window: str,
    output_expires_after: int | None,
    interval: float | None,
    temp_dir: str | None,
    workers: int | None,
    as_json: bool,
    limits: Limits,
    service: Service,
) -> None:
    """Take requests to a table: check, split, submit, wait, download, retry, join.

    FILE is a request file, a folder or a glob of such files; gzip, bz2 and zstd are decompressed.

    After any interruption, repeat the same command to resume: each step that costs money is written to the journal of the
    campaign folder before it is taken. A part never has two unfinished batches, finished parts are not sent again, and a campaign
    is locked while a run uses it. A run that is refused before it has sent anything leaves no folder.

    \b
    Examples:
        batchfiles run requests.jsonl -o results.parquet
        batchfiles run requests.jsonl -o results.parquet --dry-run
        batchfiles run requests.jsonl -o results.parquet --max-parallel 3 --retries 1 --max-requests 10000
        batchfiles run requests.jsonl -o results.parquet --parsed --with questions.csv --id '{{doc}}'
        batchfiles run requests.jsonl -o results.parquet --once; test $? -eq 4 && echo 'come back later'
        batchfiles run requests.jsonl -o results.parquet --campaign new/ --recover

    \b
    Exit codes:
        0   the table is complete; failed requests don't change the exit code
        2   wrong usage, requests that changed since the campaign was started, an output that exists, or a batch that
            the campaign folder does not know
        3   failed: invalid requests, a refused part, no service, a full disk; repeat the command
        4   not finished yet (--once): repeat the command
    """
    refuse_two_on_stdout(output, as_json=as_json and not dry_run)
    if output == STDOUT and format_name is None:
        raise click.UsageError(f"-o - needs a --format: {', '.join(FORMATS)}.")
    if recover and again:
        raise click.UsageError("--recover and --again exclude each other: use one of them.")
    for option, name in (("--rejects", rejects), ("--report", report_file)):
        if name == STDOUT:
            raise click.UsageError(f"{option} needs a file: standard output is for the table or --json.")
    check_user_table(with_tables, custom_id, with_prefix, csv_nulls)
    import_pyarrow()  # before any other import of it
    from batchfiles.campaign import request_sources
    from batchfiles.io.target import PathTarget
    from batchfiles.runner.parts import run_sources
    from batchfiles.runner.report import plan_blocks, run_blocks
    from batchfiles.runner.run import run as run_files
    from batchfiles.runner.steps import campaign_run
    from batchfiles.table.open import format_of_target, table_target
    from batchfiles.table.read import table_sources

    sources = request_sources(files)
    target = table_target(output, format_name)
    chosen = format_of_target(target, format_name)
    check_answer_options(schema, chosen, parsed=parsed, parse_dates=parse_dates, csv_safe=csv_safe)
    tables = table_sources(with_tables) if with_tables else []
    more = {"--rejects": rejects, "--report": report_file}
    targets: list[tuple[str, Target]] = [
        ("-o", target),
        *((option, PathTarget.at(name, folder=False)) for option, name in more.items() if name is not None),
    ]
    # The run itself checks existing files: they may be those of this campaign.
    check_targets(targets, [*run_sources(sources).sources, *tables], overwrite=True, ours=lambda _: True)
    named = dict(targets)
    options: dict[str, Any] = {
        "output": target,
        "campaign": campaign,
        "endpoint": endpoint,
        "completion_window": completion_window,
        "output_expires_after": output_expires_after,
        "limits": limits,
        "max_parallel": max_parallel,
        "retries": retries,
        "once": once,
        "recover": recover,
        "again": again,
        "interval": interval,
        "with_table": tables or None,
        "id_template": custom_id,
        "with_prefix": with_prefix,
        "csv_nulls": csv_nulls or None,
        "bodies": bodies,
        "request_bodies": request_bodies,
        "parsed": parsed,
        "schema": schema,
        "parse_dates": parse_dates,
        "format": format_name,
        "csv_safe": csv_safe,
        "rejects": named.get("--rejects"),
        "report_file": named.get("--report"),
        "overwrite": overwrite,
        "temp_dir": temp_dir,
        "filesystem": None,
        "workers": workers,
    }
    if dry_run:
        with Progress("check", quiet=as_json) as progress:
            plan = campaign_run(sources, {**options, "progress": progress.update}).plan()
        if as_json:
            click.echo(report_json(plan))
        print_notes(text_of(plan_blocks(plan, COMMAND_LINE), screen(err=True)))
        return
    try:
        with RunOutput(quiet=as_json) as shown:
            report = run_files(*sources, client=service.connect, on_update=shown.update, progress=shown.progress, **options)
    except AlreadySubmittedError as error:
        words = f"{error.batch_id} has the same requests and is {error.status}: nothing was sent"
        raise click.UsageError(f"{words}; use it with --recover, or send and pay again with --again") from None
    if as_json:
        click.echo(report_json(report))
    names = COMMAND_LINE._replace(embeddings_table="batchfiles join CAMPAIGN --table embeddings")
    print_notes(text_of(run_blocks(report, names, csv_safe=csv_safe), screen(err=True)))
    if not report.finished:
        context.exit(UNFINISHED)
