"""`batchfiles status`, `list`, `wait` and `cancel`: looking at batches, and waiting for them.

Waiting for batches, with news on standard error: a line that is drawn anew on a terminal, a line for each change elsewhere.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import click

from batchfiles.cli.batch_format import batch_json, batch_record, batch_table, failure_words
from batchfiles.cli.named_batches import (
    NamedBatch,
    all_option,
    limit_option,
    named_batches,
    names_argument,
    say_where_it_ends,
)
from batchfiles.cli.progress import StatusLine, say
from batchfiles.cli.service_options import Service, service_options, what_to_do
from batchfiles.cli.text import plural, visible
from batchfiles.errors import APIConnectionError, APIError, BatchFilesError, ConflictError, NotFoundError, StillRunningError

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.client.synchronous import Client
    from batchfiles.io.sources import Source

__all__ = [
    "News",
    "cancel",
    "exit_code_of",
    "json_option",
    "list_batches",
    "noted",
    "print_batches",
    "status",
    "wait",
    "wait_for",
]


class News:
    """What changes while one waits.

    Args:
        expected: How many batches there are.
        quiet: Say nothing.
        stream: Where to write; None is standard error.
    """

    def __init__(self, expected: int, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._expected = expected
        self._line = StatusLine(stream, quiet=quiet)
        self._batches: dict[str, Batch] = {}

    def tell(self, batch: Batch) -> None:
        """Show that a batch has changed."""
        self._batches[batch.id] = batch
        if batch.is_terminal or not self._line.on_terminal:
            self._line.leave(_state_words(batch))
        self._line.draw(self._summary())

    def close(self) -> None:
        """Take the line away that was drawn anew."""
        self._line.erase()

    def _summary(self) -> str:
        """Say how all batches stand together."""
        statuses = Counter(batch.status for batch in self._batches.values())
        counts = [batch.request_counts for batch in self._batches.values()]
        total, failed = sum(each.total for each in counts), sum(each.failed for each in counts)
        done = sum(each.completed for each in counts) + failed
        words = ", ".join(f"{count:,} {visible(status)}" for status, count in statuses.items())
        requests = f"; {done:,} of {total:,} requests ({min(done / total, 1.0):.0%}), {failed:,} failed" if total > 0 else ""
        return f"{plural(self._expected, 'batch', 'batches')}: {words}{requests}"


def _state_words(batch: Batch) -> str:
    counts = batch.request_counts
    done = counts.completed + counts.failed
    # While it is validated, the service doesn't know how many requests there are.
    requests = f"  {done:,} of {counts.total:,} requests, {counts.failed:,} failed" if counts.total > 0 else ""
    return visible(f"{batch.id}  {batch.status}{requests}")


def wait_for(
    client: Client, ids: Sequence[str], *, interval: float | None, timeout: float | None, quiet: bool
) -> list[Batch | BatchFilesError]:
    """Wait for batches, all at once.

    Args:
        client: The service.
        ids: The batches.
        interval: Seconds between two looks at one; None lets the pauses grow.
        timeout: Seconds after which we stop waiting; None for never.
        quiet: Say nothing.

    Returns:
        What became of each, or why we don't know: `StillRunningError` where the time was over.
    """
    from batchfiles.api.config import RetryPolicy
    from batchfiles.api.flows.waiting import gather, wait

    news = News(len(ids), quiet=quiet)
    policy = RetryPolicy()
    flows = [wait(client.config, batch_id, policy, interval=interval, timeout=timeout) for batch_id in ids]
    try:
        return client.run(gather(flows), on_update=news.tell)
    finally:
        news.close()


FOUND, FAILED, UNFINISHED = 1, 3, 4

UNKNOWN = "-"
"""What stands in the place of the fingerprint where a batch was made of a file that had been uploaded before."""

file_option = click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="The request file of a batch that is named by its id: errors are shown beside its lines. Repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print each batch as one JSON object a line.")


@click.command(short_help="Say how batches stand.")
@names_argument
@file_option
@json_option
@service_options
@click.pass_context
def status(context: click.Context, names: tuple[str, ...], *, files: tuple[str, ...], as_json: bool, service: Service) -> None:
    """Say how batches stand.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. One batch is
    shown as a record, several as a table. Why a batch failed stands beside the lines of its file and their custom_id.

    \b
    Examples:
        batchfiles status batch_abc123
        batchfiles status requests.jsonl
        batchfiles status campaign/ --json | jq -r .status
        batchfiles status batch_abc123 --file requests.jsonl

    \b
    Exit codes:
        0   all batches have finished
        1   the same, and one of them failed at its validation
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown batch id
        4   not finished yet
    """  # noqa: D301 - click wants its \b
    with service.connect() as client:
        named = named_batches(client, names)
        found: list[Batch | BatchFilesError] = []
        for each in named:
            try:
                found.append(noted(client.batches.retrieve(each.id)))
            except NotFoundError as error:
                found.append(error)
    context.exit(print_batches(found, with_files(named, found, files), as_json=as_json, service=service))


@click.command("list", short_help="List the batches of the service, newest first.")
@limit_option
@all_option
@json_option
@service_options
def list_batches(*, limit: int, everything: bool, as_json: bool, service: Service) -> None:
    """List the batches of the service, newest first.

    \b
    Examples:
        batchfiles list
        batchfiles list --all --json | jq -r 'select(.status == "failed") | .id'

    \b
    Exit codes:
        0   done
        2   wrong usage, or no key
        3   the service refused or did not answer
    """  # noqa: D301 - click wants its \b
    most = None if everything else limit
    with service.connect() as client:
        batches = list(map(noted, client.batches.list(limit=most)))
    if as_json:
        for batch in batches:
            click.echo(batch_json(batch, None))
        return
    for line in batch_table(batches, {}):
        click.echo(line)
    say_where_it_ends(len(batches), most, "batches")


@click.command(short_help="Wait until batches have finished.")
@names_argument
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop waiting after this; the batches go on.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time between two looks at a batch; else it grows from 5 seconds to a minute.",
)
@file_option
@json_option
@service_options
@click.pass_context
def wait(
    context: click.Context,
    names: tuple[str, ...],
    *,
    timeout: float | None,
    interval: float | None,
    files: tuple[str, ...],
    as_json: bool,
    service: Service,
) -> None:
    """Wait until batches have finished.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. News go to
    standard error; how the batches stand in the end, to standard output. Interrupted, it can be started again.

    \b
    Examples:
        batchfiles wait batch_abc123 && batchfiles download batch_abc123 -o results/
        batchfiles wait campaign/ --timeout 3600

    \b
    Exit codes:
        0   all batches have finished
        1   the same, and one of them failed at its validation
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown batch id
        4   the time is over, and a batch is not finished yet
        130 interrupted; the batches go on
    """  # noqa: D301 - click wants its \b
    with service.connect() as client:
        named = named_batches(client, names)
        ids = [each.id for each in named]
        found = wait_for(client, ids, interval=interval, timeout=timeout, quiet=as_json)
    context.exit(print_batches(found, with_files(named, found, files), as_json=as_json, service=service))


@click.command(short_help="Cancel batches.")
@names_argument
@json_option
@service_options
@click.pass_context
def cancel(context: click.Context, names: tuple[str, ...], *, as_json: bool, service: Service) -> None:
    """Cancel batches. What is answered by then can be downloaded, and is paid for.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. A batch is
    'cancelling' for up to ten minutes. One that has come to its end already stays as it is.

    \b
    Examples:
        batchfiles cancel batch_abc123
        batchfiles cancel campaign/

    \b
    Exit codes:
        0   all are cancelled, or about to be
        1   one of them had come to its end already
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown batch id
    """  # noqa: D301 - click wants its \b
    found: list[Batch | BatchFilesError] = []
    late = 0
    with service.connect() as client:
        named = named_batches(client, names)
        for each in named:
            try:
                found.append(noted(client.batches.cancel(each.id)))
            except ConflictError:
                late += 1
                batch = client.batches.retrieve(each.id)
                found.append(batch)
                click.echo(visible(f"{batch.id} is {batch.status}, and can't be cancelled any more"), err=True)
            except NotFoundError as error:
                found.append(error)
    code = print_batches(found, with_files(named, found, ()), as_json=as_json, service=service)
    context.exit(FAILED if code == FAILED else FOUND if late else 0)


def with_files(named: Sequence[NamedBatch], found: Sequence[Batch | BatchFilesError], files: Sequence[str]) -> dict[str, Source]:
    """Return the request files by the id of their batch: those that named it, and those that were named beside it.

    A file beside it belongs to the batch that carries its fingerprint; the only one, to the only batch that carries none.

    Raises:
        UsageError: A file belongs to none of the batches.
        FileError: A file is not there or can't be read.
    """
    from batchfiles.api.batch import Batch
    from batchfiles.api.flows.submitting import marker_of
    from batchfiles.io.sources import expand

    known = {each.id: each.source for each in named if each.source is not None}
    if not files:
        return known
    batches = [batch for batch in found if isinstance(batch, Batch) and batch.id not in known]
    prints = {batch.id: (marker_of(batch) or ("", UNKNOWN))[1] for batch in batches}
    by_print = {sha256: batch_id for batch_id, sha256 in prints.items()}
    unmarked = [batch_id for batch_id, sha256 in prints.items() if sha256 == UNKNOWN]
    sources = expand(files)
    for source in sources:
        batch_id = by_print.get(source.sha256().hex)
        if batch_id is None and len(sources) == len(unmarked) == 1:
            batch_id = unmarked[0]
        if batch_id is None:
            raise click.UsageError(f"{source.name} is not the file that one of these batches was made of.")
        known[batch_id] = source
    return known


def print_batches(
    found: Sequence[Batch | BatchFilesError], sources: dict[str, Source], *, as_json: bool, service: Service
) -> int:
    """Print how batches stand, and say on standard error what went wrong; returns the exit code."""
    from batchfiles.api.batch import Batch

    batches = [batch for each in found if isinstance(batch := _last_seen(each), Batch)]
    if as_json:
        for batch in batches:
            click.echo(batch_json(batch, sources.get(batch.id)))
    else:
        if len(found) == len(batches) == 1:
            lines = batch_record(batches[0], sources.get(batches[0].id))
        else:
            lines = batch_table(batches, sources)
        for line in lines:
            click.echo(line)
        for batch in batches:
            for line in failure_words(batch, sources.get(batch.id)):
                click.echo(line)
    for each in found:
        if isinstance(each, BatchFilesError):
            click.echo(visible(f"batchfiles: {_words(each, service)}"), err=True)
    return exit_code_of(found)


def noted(batch: Batch) -> Batch:
    """Return a batch, and report which of its values could not be read."""
    for note in batch.notes:
        say(f"{batch.id}: {note}")
    return batch


def _last_seen(each: Batch | BatchFilesError) -> Batch | BatchFilesError | None:
    if isinstance(each, StillRunningError):
        last: Batch | None = each.batch
        return last
    return each


def _words(error: BatchFilesError, service: Service) -> str:
    hint = what_to_do(error, service) if isinstance(error, (APIError, APIConnectionError)) else None
    return f"error: {error}: {hint}" if hint else str(error)


def exit_code_of(found: Sequence[Batch | BatchFilesError]) -> int:
    """Return 3 where something could not be had, 4 where a batch goes on, 1 where one has failed, else 0."""
    batches = [each for each in found if not isinstance(each, BatchFilesError)]
    if any(isinstance(each, BatchFilesError) and not isinstance(each, StillRunningError) for each in found):
        return FAILED
    if len(batches) < len(found) or not all(batch.is_terminal for batch in batches):
        return UNFINISHED
    return FOUND if any(batch.status == "failed" for batch in batches) else 0
