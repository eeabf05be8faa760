"""`batchfiles status`, `list`, `wait` and `cancel`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, TextIO

import click

from batchfiles.cli.batches import (
    NamedBatch,
    all_option,
    batch_json,
    batch_record,
    batch_table,
    failure_words,
    limit_option,
    named_batches,
    names_argument,
    noted,
    report_pagination,
)
from batchfiles.cli.options import Command
from batchfiles.cli.progress import StatusLine, print_error, print_lines, screen
from batchfiles.cli.service_options import Service, service_options, what_to_do
from batchfiles.errors import APIConnectionError, APIError, BatchFilesError, ConflictError, NotFoundError, StillRunningError
from batchfiles.findings import plural
from batchfiles.layout import visible

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.client.synchronous import Client
    from batchfiles.io.sources import Source


class WaitOutput:
    """The messages while waiting, and on a terminal a status line.

    Args:
        expected: The number of batches.
        quiet: Write nothing.
        stream: The output; None for standard error.
    """

    def __init__(self, expected: int, *, quiet: bool = False, stream: TextIO | None = None) -> None:
        self._expected = expected
        self._line = StatusLine(stream, quiet=quiet)
        self._batches: dict[str, Batch] = {}

    def update(self, batch: Batch) -> None:
        """Show a change of a batch."""
        self._batches[batch.id] = batch
        if batch.is_terminal or not self._line.on_terminal:
            self._line.leave(_state_words(batch))
        self._line.draw(self._summary())

    def close(self) -> None:
        """Erase the status line."""
        self._line.erase()

    def _summary(self) -> str:
        """Return the total status of all batches."""
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
    # During the validation, the service doesn't know the number of requests.
    requests = f"  {done:,} of {counts.total:,} requests, {counts.failed:,} failed" if counts.total > 0 else ""
    return visible(f"{batch.id}  {batch.status}{requests}")


def wait_for(
    client: Client, ids: Sequence[str], *, interval: float | None, timeout: float | None, quiet: bool
) -> list[Batch | BatchFilesError]:
    """Wait for all batches together.

    Args:
        client: The client.
        ids: The batches.
        interval: Seconds between two polls; None lets the pauses grow.
        timeout: Seconds to wait at most; None for no limit.
        quiet: Write nothing.

    Returns:
        Each batch, or the error: `StillRunningError` after the timeout.
    """
    from batchfiles.api.config import RetryPolicy
    from batchfiles.api.waiting import gather, wait

    shown = WaitOutput(len(ids), quiet=quiet)
    policy = RetryPolicy()
    flows = [wait(client.config, batch_id, policy, interval=interval, timeout=timeout) for batch_id in ids]
    try:
        return client.run(gather(flows), on_update=shown.update)
    finally:
        shown.close()


FOUND, FAILED, UNFINISHED = 1, 3, 4

UNKNOWN = "-"
"""The fingerprint of a batch whose file had been uploaded before."""

file_option = click.option(
    "--file",
    "files",
    multiple=True,
    metavar="FILE",
    help="The request file of a batch given by id, to show errors with their lines. Repeatable.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print each batch as one JSON object a line.")


@click.command(cls=Command)
@names_argument
@file_option
@json_option
@service_options
@click.pass_context
def status(context: click.Context, names: tuple[str, ...], *, files: tuple[str, ...], as_json: bool, service: Service) -> None:
    """Show the status of batches.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. One batch is
    shown as a record, several as a table. Errors of a failed batch are shown with the lines of its file and their custom_id.

    \b
    Examples:
        batchfiles status batch_abc123
        batchfiles status requests.jsonl
        batchfiles status campaign/ --json | jq -r .status
        batchfiles status batch_abc123 --file requests.jsonl

    \b
    Exit codes:
        0   all batches have finished
        1   the same, and one of them failed its validation
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown batch id
        4   not finished yet
    """
    with service.connect() as client:
        named = named_batches(client, names)
        found: list[Batch | BatchFilesError] = []
        for each in named:
            try:
                found.append(noted(client.batches.retrieve(each.id)))
            except NotFoundError as error:
                found.append(error)
    context.exit(print_batches(found, with_files(named, found, files), as_json=as_json, service=service))


@click.command("list", cls=Command)
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
    """
    most = None if everything else limit
    with service.connect() as client:
        batches = list(map(noted, client.batches.list(limit=most)))
    if as_json:
        for batch in batches:
            click.echo(batch_json(batch, None))
        return
    print_lines(batch_table(batches, {}, screen()))
    report_pagination(len(batches), most, "batches")


@click.command(cls=Command)
@names_argument
@click.option("--timeout", type=click.FloatRange(min=0), metavar="SECONDS", help="Stop waiting after this; the batches continue.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="The time between two polls.  [default: growing from 5 seconds to a minute]",
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

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. Changes go to
    standard error, the final status to standard output. After an interruption, repeat the command.

    \b
    Examples:
        batchfiles wait batch_abc123 && batchfiles download batch_abc123 -o results/
        batchfiles wait campaign/ --timeout 3600

    \b
    Exit codes:
        0   all batches have finished
        1   the same, and one of them failed its validation
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown batch id
        4   timeout: a batch is not finished yet
        130 interrupted; the batches continue
    """
    with service.connect() as client:
        named = named_batches(client, names)
        ids = [each.id for each in named]
        found = wait_for(client, ids, interval=interval, timeout=timeout, quiet=as_json)
    context.exit(print_batches(found, with_files(named, found, files), as_json=as_json, service=service))


@click.command(cls=Command)
@names_argument
@json_option
@service_options
@click.pass_context
def cancel(context: click.Context, names: tuple[str, ...], *, as_json: bool, service: Service) -> None:
    """Cancel batches. Requests answered until then can be downloaded, and are billed.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. A batch is
    'cancelling' for up to ten minutes. A finished batch does not change.

    \b
    Examples:
        batchfiles cancel batch_abc123
        batchfiles cancel campaign/

    \b
    Exit codes:
        0   all are cancelled or cancelling
        1   one of them was already finished
        2   wrong usage, or no key
        3   the service refused or did not answer; unknown batch id
    """
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
                print_error(f"{batch.id} is {batch.status} and can't be cancelled any more")
            except NotFoundError as error:
                found.append(error)
    code = print_batches(found, with_files(named, found, ()), as_json=as_json, service=service)
    context.exit(FAILED if code == FAILED else FOUND if late else 0)


def with_files(named: Sequence[NamedBatch], found: Sequence[Batch | BatchFilesError], files: Sequence[str]) -> dict[str, Source]:
    """Return the request files by batch id: those that named the batch, and those of `--file`.

    A `--file` belongs to the batch with its fingerprint. A single one belongs to the only batch without a fingerprint.

    Raises:
        UsageError: A file belongs to none of the batches.
        FileError: A file doesn't exist or can't be read.
    """
    from batchfiles.api.batch import Batch
    from batchfiles.api.submitting import marker_of
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
            raise click.UsageError(f"{source.name} is not the request file of one of these batches.")
        known[batch_id] = source
    return known


def print_batches(
    found: Sequence[Batch | BatchFilesError], sources: dict[str, Source], *, as_json: bool, service: Service
) -> int:
    """Print the status of batches, and errors on standard error; returns the exit code."""
    from batchfiles.api.batch import Batch

    seen = (each.batch if isinstance(each, StillRunningError) else each for each in found)
    batches = [batch for batch in seen if isinstance(batch, Batch)]
    if as_json:
        for batch in batches:
            click.echo(batch_json(batch, sources.get(batch.id)))
    else:
        is_one = len(found) == len(batches) == 1
        shown = screen()
        one = batches[0] if is_one else None
        print_lines(batch_record(one, sources.get(one.id), shown) if one else batch_table(batches, sources, shown))
        for batch in batches:
            print_lines(failure_words(batch, sources.get(batch.id)))
    for each in found:
        if isinstance(each, BatchFilesError):
            print_error(f"batchfiles: {_words(each, service)}")
    return exit_code_of(found)


def _words(error: BatchFilesError, service: Service) -> str:
    hint = what_to_do(error, service) if isinstance(error, (APIError, APIConnectionError)) else None
    return f"error: {error}: {hint}" if hint else str(error)


def exit_code_of(found: Sequence[Batch | BatchFilesError]) -> int:
    """Return 3 for an error, else 4 for an unfinished batch, else 1 for a failed one, else 0."""
    batches = [each for each in found if not isinstance(each, BatchFilesError)]
    if any(isinstance(each, BatchFilesError) and not isinstance(each, StillRunningError) for each in found):
        return FAILED
    if len(batches) < len(found) or not all(batch.is_terminal for batch in batches):
        return UNFINISHED
    return FOUND if any(batch.status == "failed" for batch in batches) else 0
