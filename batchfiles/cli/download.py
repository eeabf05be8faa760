"""`batchfiles download`: the results of batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.cli.named_batches import NamedBatch, named_batches, names_argument
from batchfiles.cli.progress import say
from batchfiles.cli.service_options import Service, service_options, what_to_do
from batchfiles.cli.status import noted
from batchfiles.cli.text import size, visible
from batchfiles.errors import APIError, StillRunningError

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.client.synchronous import Client

__all__ = ["download"]

FOUND, FAILED, UNFINISHED = 1, 3, 4

WORST = (0, FOUND, UNFINISHED, FAILED)
"""The exit codes of batches; of several the last one of these counts."""


@click.command(short_help="Fetch the results of batches.")
@names_argument
@click.option(
    "-o", "--output", "folder", metavar="DIR", help="Where to; a campaign's results go into its folder if nothing is said."
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line for each batch, with its files.")
@service_options
@click.pass_context
def download(context: click.Context, names: tuple[str, ...], *, folder: str | None, as_json: bool, service: Service) -> None:
    """Fetch the results of batches.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. The files are
    called BATCH_output.jsonl and BATCH_error.jsonl, and the batch itself is written beside them as BATCH.json. Their names go to
    standard output.

    A file takes its name when it is whole. One that is there already is not fetched again, and one that was cut goes on where it
    stopped: after an interruption, repeat the command.

    \b
    Examples:
        batchfiles download batch_abc123 -o results/
        batchfiles download campaign/ && batchfiles join campaign/ -o results.parquet
        batchfiles list --json | jq -r .id | batchfiles download - -o results/

    \b
    Exit codes:
        0   all results are there
        1   the same, but a batch failed at its validation and has none, or its file of errors is gone at the service
        2   wrong usage, or no key
        3   the service refused or did not answer; a file can't be written
        4   a batch is not finished yet; the results of the others are there
    """  # noqa: D301 - click wants its \b
    from batchfiles.api.flows.downloading import GONE

    codes = {0}
    with service.connect() as client:
        for named in named_batches(client, names, every=True):
            target = Path(folder) if folder is not None else named.folder
            if target is None:
                raise click.UsageError(f"Say by -o DIR where the results of {named.id} shall go.")
            try:
                codes.add(_fetch(client, named, target, as_json=as_json))
            except APIError as error:
                if error.status_code not in GONE:
                    raise
                # one that is not there costs no other
                hint = what_to_do(error, service)
                click.echo(visible(f"batchfiles: error: {error}{f': {hint}' if hint else ''}"), err=True)
                codes.add(FAILED)
    context.exit(max(codes, key=WORST.index))


def _fetch(client: Client, named: NamedBatch, target: Path, *, as_json: bool) -> int:
    """Fetch the results of one batch, and return its exit code."""
    batch = _finished(client, named)
    if batch is None:
        return UNFINISHED
    if batch.status == "failed":
        results = "these are the results that it has" if batch.result_file_ids else "has no results"
        click.echo(visible(f"{batch.id}: failed, and {results}: 'batchfiles status' says why"), err=True)
    paths = client.download(batch, target)
    _print(batch, paths, as_json=as_json)
    is_whole = len(paths) == len(batch.result_file_ids) and not batch.unread_files
    return 0 if is_whole and batch.status != "failed" else FOUND


def _finished(client: Client, named: NamedBatch) -> Batch | None:
    """Return a batch whose results can be fetched; None, and a word about it, where they can't yet."""
    batch = client.batches.retrieve(named.id)
    if batch.is_terminal:
        try:  # one that is completed may not name its files yet; it says what could not be read
            return client.wait(named.id, timeout=0)
        except StillRunningError:
            click.echo(visible(f"{batch.id}: {batch.status}, but its files are not named yet"), err=True)
            return None
    noted(batch)
    if not batch.status.is_known and batch.result_file_ids:
        words = f"the status {batch.status!r} is not known here: these are the files that it has now, which may not be all"
        click.echo(visible(f"{batch.id}: {words}"), err=True)
        return batch
    click.echo(visible(f"{batch.id}: {batch.status}, not finished yet"), err=True)
    return None


def _print(batch: Batch, paths: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"id": batch.id, "status": batch.status, "files": paths}))
        return
    for path in paths:
        click.echo(visible(path))
    if batch.status != "failed":
        fetched = ", ".join(size(Path(path).stat().st_size) for path in paths)
        say(f"{batch.id}: {batch.status}, {fetched or 'no files'}")
