"""`batchfiles run`: takes requests to a table in one command, which can be killed at any time and repeated."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, TextIO

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import Command, files_argument
from batchfiles.cli.outputs import STDOUT, check_targets, refuse_two_on_stdout, report_json
from batchfiles.cli.progress import StatusLine, say, say_lines, screen
from batchfiles.cli.service_options import Service, service_options, terms_options
from batchfiles.cli.table_command import FORMATS, format_option
from batchfiles.errors import AlreadySubmittedError
from batchfiles.findings import plural, share
from batchfiles.jobs.summaries import not_read_lines, output_name
from batchfiles.layout import PLAIN, Screen, size, text_table, visible
from batchfiles.workers.worker import import_pyarrow

if TYPE_CHECKING:
    from batchfiles.limits import Limits
    from batchfiles.runner.report import PlannedPart, RunPlan, RunReport, RunStatus
    from batchfiles.table.open import TableFormat

__all__ = ["RunOutput", "plan_lines", "report_lines", "run"]


PLAN_HEADINGS = ("part", "requests", "size", "tokens", "endpoint")

LISTED = 20
"""How many parts of a plan are listed; `--json` has all."""


class RunOutput:
    """The messages of a run, and on a terminal a status line below them.

    Args:
        quiet: Write nothing.
        stream: The output; None for standard error.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._line = StatusLine(stream, quiet=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.erase()

    def update(self, status: RunStatus) -> None:
        """Show the status of the run."""
        if status.news is not None:
            self._line.leave(visible(status.news))
        self._line.draw(_words(status))


def _words(status: RunStatus) -> str:
    if not status.parts:
        return "checking the requests"
    parts = f"{plural(status.parts, 'part')}: {status.done:,} done, {status.live:,} at the service, {status.waiting:,} to send"
    if not status.requests:
        return parts
    return f"{parts}; {status.answered:,} of {status.requests:,} requests ({share(status.answered, status.requests)})"


def plan_lines(plan: RunPlan, screen: Screen = PLAIN) -> Iterator[str]:
    """Yield the lines of a plan: what would be sent."""
    yield from not_read_lines(plan.not_read, plan.examples)
    if not plan.parts:
        yield f"{visible(plan.folder)}: nothing would be sent now"
        return
    yield from text_table(
        PLAN_HEADINGS, map(_row, plan.parts[:LISTED]), texts=("part", "endpoint"), optional=("endpoint", "tokens"), screen=screen
    )
    if len(plan.parts) > LISTED:
        yield f"… and {plural(len(plan.parts) - LISTED, 'part')} more: --json lists them"
    sums = plan.to_dict()
    words = f"{plural(len(plan.parts), 'part')} with {plural(sums['requests'], 'request')}, {size(sums['bytes'])}"
    yield f"{words}, about {sums['tokens']:,} tokens to read; nothing was sent"


def _row(part: PlannedPart) -> tuple[str, ...]:
    return visible(part.file), f"{part.requests:,}", size(part.bytes), f"{part.tokens:,}", visible(part.endpoint)


def report_lines(report: RunReport) -> Iterator[str]:
    """Yield the lines of the report of a run."""
    yield from not_read_lines(report.not_read, report.examples)
    batches = plural(report.batches, "batch", "batches")
    retried = f", {plural(report.rounds, 'round')} of retries" if report.rounds else ""
    if not report.finished:
        yield f"not finished: {report.done:,} of {plural(report.parts, 'part')} done, {batches} so far; repeat the command later"
        return
    if report.outcomes:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
        yield f"{output_name(report.output)}: {outcomes}; {batches}{retried}"
    else:
        yield f"{visible(report.output)}: was finished already, nothing was sent; {batches}{retried}"


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
    "--force", "overwrite", is_flag=True, help="Replace an existing table, or a folder with only its parts; sends nothing again."
)
@click.option("--endpoint", metavar="PATH", help="The endpoint, such as /v1/responses.  [default: the url of the requests]")
@terms_options
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="The time between two polls.  [default: growing from 5 seconds to a minute]",
)
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
    as_json: bool,
    limits: Limits,
    service: Service,
) -> None:
    """Take requests to a table: check, split, submit, wait, download, retry, join.

    FILE is a request file, a folder or a glob of such files; gzip, bz2 and zstd are decompressed.

    After any interruption, repeat the same command to resume: each step that costs money is written to the journal of the
    campaign folder before it is taken. A part never has two unfinished batches, finished parts are not sent again, and a campaign
    is locked while a run uses it.

    \b
    Examples:
        batchfiles run requests.jsonl -o results.parquet
        batchfiles run requests.jsonl -o results.parquet --dry-run
        batchfiles run requests.jsonl -o results.parquet --max-parallel 3 --retries 1 --max-requests 10000
        batchfiles run requests.jsonl -o results.parquet --once; test $? -eq 4 && echo 'come back later'
        batchfiles run requests.jsonl -o results.parquet --campaign new/ --recover

    \b
    Exit codes:
        0   the table is complete; failed requests don't change the exit code
        2   wrong usage, requests that changed since the campaign was started, or an output that exists
        3   failed: invalid requests, a refused part, no service, a full disk; repeat the command
        4   not finished yet (--once): repeat the command
    """
    refuse_two_on_stdout(output, as_json=as_json and not dry_run)
    if output == STDOUT and format_name is None and not dry_run:
        raise click.UsageError(f"-o - needs a --format: {', '.join(FORMATS)}.")
    if recover and again:
        raise click.UsageError("--recover and --again exclude each other: use one of them.")
    import_pyarrow()  # before any other import of it
    from batchfiles.runner.run import plan_run

    if dry_run:
        plan = plan_run(*files, campaign=campaign, endpoint=endpoint, limits=limits)
        if as_json:
            click.echo(report_json(plan))
        say_lines(plan_lines(plan, screen(err=True)))
        return
    from batchfiles.campaign.folder import request_sources
    from batchfiles.runner.parts import run_sources
    from batchfiles.runner.run import run as run_files
    from batchfiles.table.open import table_target

    sources = request_sources(files)
    target = table_target(output, format_name)
    # The run itself checks existing files: the table may be that of this campaign.
    check_targets([("-o", target)], run_sources(sources).sources, overwrite=True, ours=lambda _: True)
    try:
        with RunOutput(quiet=as_json) as shown:
            report = run_files(
                *sources,
                output=target,
                campaign=campaign,
                client=service.connect,
                endpoint=endpoint,
                completion_window=completion_window,
                output_expires_after=output_expires_after,
                limits=limits,
                max_parallel=max_parallel,
                retries=retries,
                once=once,
                recover=recover,
                again=again,
                format=format_name,
                overwrite=overwrite,
                interval=interval,
                workers=None,
                on_update=shown.update,
            )
    except AlreadySubmittedError as error:
        words = f"{error.batch_id} has the same requests and is {error.status}: nothing was sent"
        raise click.ClickException(f"{words}; use it with --recover, or send and pay again with --again") from None
    if as_json:
        click.echo(report_json(report))
    for line in report_lines(report):
        say(line)
    if not report.finished:
        context.exit(UNFINISHED)
