"""`batchfiles run`: from requests to a table in one command that may be killed at any moment and started again.

What a run says to people: while it goes on, when it ends, and what it would do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self, TextIO

import click

from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import files_argument
from batchfiles.cli.outputs import STDOUT, check_targets, place_of, refuse_two_on_stdout, report_json
from batchfiles.cli.progress import StatusLine, say
from batchfiles.cli.service_options import Service, service_options, terms_options
from batchfiles.cli.stats_tables import share
from batchfiles.cli.table_command import FORMATS, format_option
from batchfiles.cli.text import plural, size, text_table, visible
from batchfiles.cli.validate import not_read_lines
from batchfiles.errors import AlreadySubmittedError
from batchfiles.workers.worker import import_pyarrow

if TYPE_CHECKING:
    from batchfiles.limits import Limits
    from batchfiles.runner.report import PlannedPart, RunPlan, RunReport, RunStatus
    from batchfiles.table.open import TableFormat

__all__ = ["RunNews", "run", "words_of_plan", "words_of_report"]


PLAN_HEADINGS = ("part", "requests", "size", "tokens", "endpoint")

LISTED = 20
"""Parts that a plan lists; `--json` has them all."""


class RunNews:
    """On a terminal a line that is drawn anew, below the lines of what happened; elsewhere these lines only.

    Args:
        quiet: Say nothing.
        stream: Where to write; None is standard error.
    """

    def __init__(self, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._line = StatusLine(stream, quiet=quiet)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._line.erase()

    def tell(self, status: RunStatus) -> None:
        """Show how the run stands."""
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


def words_of_plan(plan: RunPlan) -> Iterator[str]:
    """Yield the lines that say what would be sent."""
    yield from not_read_lines(plan.not_read, plan.examples)
    if not plan.parts:
        yield f"{visible(plan.folder)}: nothing would be sent now"
        return
    yield from text_table(PLAN_HEADINGS, map(_row, plan.parts[:LISTED]), texts=("part", "endpoint"))
    if len(plan.parts) > LISTED:
        yield f"… and {plural(len(plan.parts) - LISTED, 'part')} more: --json lists them"
    sums = plan.to_dict()
    words = f"{plural(len(plan.parts), 'part')} with {plural(sums['requests'], 'request')}, {size(sums['bytes'])}"
    yield f"{words}, about {sums['tokens']:,} tokens to read; nothing was sent"


def _row(part: PlannedPart) -> tuple[str, ...]:
    return visible(part.file), f"{part.requests:,}", size(part.bytes), f"{part.tokens:,}", visible(part.endpoint)


def words_of_report(report: RunReport) -> Iterator[str]:
    """Yield the lines that say how far a run came."""
    yield from not_read_lines(report.not_read, report.examples)
    batches = plural(report.batches, "batch", "batches")
    retried = f", {plural(report.rounds, 'round')} of retries" if report.rounds else ""
    if not report.finished:
        yield f"not finished: {report.done:,} of {plural(report.parts, 'part')} done, {batches} so far; start it again later"
        return
    if report.outcomes:
        outcomes = ", ".join(f"{count:,} {outcome}" for outcome, count in report.outcomes.items())
        yield f"{place_of(report.output)}: {outcomes}; {batches}{retried}"
    else:
        yield f"{visible(report.output)}: finished before, nothing was sent; {batches}{retried}"


UNFINISHED = 4
"""The exit code of what is not finished yet."""


@click.command(short_help="From requests to a table: check, send, wait, retry, join.")
@files_argument
@click.option(
    "-o",
    "--output",
    required=True,
    metavar="FILE",
    help="Where the table goes: .parquet, .arrow, .arrows, .jsonl or .csv; a folder, or a name without a suffix, for Parquet "
    "parts; - for standard output.",
)
@format_option
@click.option(
    "--campaign",
    metavar="FOLDER",
    help="The folder that keeps parts, results and the journal.  [default: NAME.campaign beside the first FILE]",
)
@click.option(
    "--max-parallel",
    type=click.IntRange(min=1),
    default=10,
    show_default=True,
    metavar="N",
    help="Batches that may be at the service at once.",
)
@click.option(
    "--retries",
    type=click.IntRange(min=0),
    default=2,
    show_default=True,
    metavar="N",
    help="Rounds in which what is retryable is sent again.",
)
@click.option("--once", is_flag=True, help="Do what can be done now, wait for nothing, and exit with 4 if that was not all.")
@click.option("--dry-run", is_flag=True, help="Say what would be sent now, and send nothing; needs no key.")
@click.option(
    "--recover", is_flag=True, help="The campaign folder was lost: take over the batches that the service has of these bytes."
)
@click.option("--again", is_flag=True, help="Send although the service has batches of the same bytes; they are paid for twice.")
@click.option(
    "--force",
    "overwrite",
    is_flag=True,
    help="Replace a table that is there, or a folder of nothing but its parts; nothing is sent because of it.",
)
@click.option("--endpoint", metavar="PATH", help="Where the requests go, such as /v1/responses.  [default: their url]")
@terms_options
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time between two looks at the batches.  [default: from 5 seconds to a minute]",
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
    """Take requests all the way to a table: check, split, send, wait, fetch, send again what may succeed then, join.

    FILE is a JSONL file of requests, a folder or a glob of such files; gzip, bz2 and zstd are read too.

    Whatever ends it, start the same command again, and it goes on where it was: each step that costs money stands in the journal
    of the campaign folder before it is taken. No part ever has two live batches, and what is finished is not sent again. Two at
    once are kept apart.

    \b
    Examples:
        batchfiles run requests.jsonl -o results.parquet
        batchfiles run requests.jsonl -o results.parquet --dry-run
        batchfiles run requests.jsonl -o results.parquet --max-parallel 3 --retries 1 --max-requests 10000
        batchfiles run requests.jsonl -o results.parquet --once; test $? -eq 4 && echo 'come back later'
        batchfiles run requests.jsonl -o results.parquet --campaign new/ --recover

    \b
    Exit codes:
        0   the table is there, also where requests failed, and where it was there before
        2   wrong usage, requests that have changed since the campaign was begun, or a table to write that exists
        3   it could not be done: wrong requests, a part that was refused, no service, no disk; start it again
        4   not finished yet (--once): start it again
    """  # noqa: D301 - click wants its \b
    refuse_two_on_stdout(output, as_json=as_json and not dry_run)
    if output == STDOUT and format_name is None and not dry_run:
        raise click.UsageError(f"-o - needs a --format: {', '.join(FORMATS)}.")
    if recover and again:
        raise click.UsageError("--recover takes batches over, and --again makes others: say one of them.")
    import_pyarrow()  # before anything else does
    from batchfiles.runner.run import plan_run

    if dry_run:
        plan = plan_run(*files, campaign=campaign, endpoint=endpoint, limits=limits)
        if as_json:
            click.echo(report_json(plan))
        for line in words_of_plan(plan):
            click.echo(line, err=True)
        return
    from batchfiles.campaign.folder import request_sources
    from batchfiles.runner.run import run as run_files
    from batchfiles.runner.run import run_sources
    from batchfiles.table.open import table_target

    sources = request_sources(files)
    target = table_target(output, format_name)
    # What is there already is the run's own matter: it may be this campaign's table, which stays as it is.
    check_targets([("-o", target)], run_sources(sources).sources, overwrite=True, ours=lambda _: True)
    try:
        with RunNews(quiet=as_json) as news:
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
                on_update=news.tell,
            )
    except AlreadySubmittedError as error:
        words = f"{error.batch_id} was made of the same requests and is {error.status}: nothing was sent"
        raise click.ClickException(f"{words}; --recover takes it over, --again pays twice") from None
    if as_json:
        click.echo(report_json(report))
    for line in words_of_report(report):
        say(line)
    if not report.finished:
        context.exit(UNFINISHED)
