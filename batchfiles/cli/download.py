"""`batchfiles download`: the results of batches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from batchfiles.cli.batches import NamedBatch, named_batches, names_argument, noted
from batchfiles.cli.options import Command
from batchfiles.cli.progress import TransferProgress, print_error, print_note
from batchfiles.cli.service_options import Service, service_options, what_to_do
from batchfiles.errors import APIError, StillRunningError
from batchfiles.findings import plural
from batchfiles.layout import size, visible

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.client.synchronous import Client

FOUND, FAILED, UNFINISHED = 1, 3, 4

READ_BYTES = 1024 * 1024

WORST = (0, FOUND, UNFINISHED, FAILED)
"""Exit codes, from best to worst: the worst one of all batches is returned."""


@click.command(cls=Command)
@names_argument
@click.option("-o", "--output", "folder", metavar="DIR", help="The target folder.  [default: the campaign's folder]")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object for each batch, with its files.")
@service_options
@click.pass_context
def download(context: click.Context, names: tuple[str, ...], *, folder: str | None, as_json: bool, service: Service) -> None:
    """Download the results of batches.

    BATCH is an id, a request file that batchfiles has submitted, a campaign folder, or - for ids on standard input. The files are
    named BATCH_output.jsonl and BATCH_error.jsonl, and the batch object is written next to them as BATCH.json. The names are
    printed.

    A file gets its name when it is complete. Existing files are not downloaded again. To resume an interrupted download, repeat
    the command. Counts of the service that differ from the files are reported.

    \b
    Examples:
        batchfiles download batch_abc123 -o results/
        batchfiles download campaign/ && batchfiles join campaign/ -o results.parquet
        batchfiles list --json | jq -r .id | batchfiles download - -o results/

    \b
    Exit codes:
        0   all results were downloaded
        1   the same, but a batch failed its validation and has none, or its error file is gone at the service
        2   wrong usage, or no key
        3   the service refused or did not answer; a file can't be written
        4   a batch is not finished yet; the results of the others were downloaded
    """
    from batchfiles.api.downloading import GONE

    codes = {0}
    with service.connect() as client:
        for named in named_batches(client, names, every=True):
            target = Path(folder) if folder is not None else named.folder
            if target is None:
                raise click.UsageError(f"-o DIR is required for the results of {named.id}: only a campaign has a default folder.")
            try:
                codes.add(_fetch(client, named, target, as_json=as_json))
            except APIError as error:
                if error.status_code not in GONE:
                    raise
                # the others are still downloaded
                hint = what_to_do(error, service)
                print_error(f"batchfiles: error: {error}{f': {hint}' if hint else ''}")
                codes.add(FAILED)
    context.exit(max(codes, key=WORST.index))


def _fetch(client: Client, named: NamedBatch, target: Path, *, as_json: bool) -> int:
    """Download the results of a batch, and return its exit code."""
    batch = _finished(client, named)
    if batch is None:
        return UNFINISHED
    if batch.status == "failed":
        results = "with partial results" if batch.result_file_ids else "without results"
        print_error(f"{batch.id}: failed, {results}: see 'batchfiles status'")
    with TransferProgress(batch.id, quiet=as_json) as progress:
        paths = client.download(batch, target, progress=progress.update)
    _print(batch, paths, as_json=as_json)
    _compare_counts(batch, paths)
    is_whole = len(paths) == len(batch.result_file_ids) and not batch.unread_files
    return 0 if is_whole and batch.status != "failed" else FOUND


def _finished(client: Client, named: NamedBatch) -> Batch | None:
    """Return a batch whose results can be downloaded; None, with a message, if they can't yet."""
    batch = client.batches.retrieve(named.id)
    if batch.is_terminal:
        try:  # a completed batch may not have its file ids yet
            return client.wait(named.id, timeout=0)
        except StillRunningError:
            print_error(f"{batch.id}: {batch.status}, but the service has not named its files yet")
            return None
    noted(batch)
    if not batch.status.is_known and batch.result_file_ids:
        words = f"unknown status {batch.status!r}: these files may not be all of its results"
        print_error(f"{batch.id}: {words}")
        return batch
    print_error(f"{batch.id}: {batch.status}, not finished yet")
    return None


def _print(batch: Batch, paths: list[str], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"id": batch.id, "status": batch.status, "files": paths}))
        return
    for path in paths:
        click.echo(visible(path))
    if batch.status != "failed":
        fetched = ", ".join(size(Path(path).stat().st_size) for path in paths)
        print_note(f"{batch.id}: {batch.status}, {fetched or 'no files'}")


def _compare_counts(batch: Batch, paths: list[str]) -> None:
    """Report that the counts of a completed batch differ from its files; `join` counts only what the files have.

    Some services write failures to the output file, so a smaller error file alone is not a difference.
    """
    counts = batch.request_counts
    counted = counts.completed + counts.failed
    if batch.status != "completed" or not counted or len(paths) != len(batch.result_file_ids):
        return
    lines = {path: _lines_in(path) for path in paths}
    errors = sum(count for path, count in lines.items() if path.endswith("_error.jsonl"))
    found = sum(lines.values())
    if found != counted or errors > counts.failed:
        words = f"the service counts {counts.completed:,} completed and {counts.failed:,} failed requests"
        print_note(f"{batch.id}: {words}, but its files have {plural(found - errors, 'result')} and {plural(errors, 'error')}")


def _lines_in(path: str) -> int:
    """Count the lines of a file, with or without a newline at its end."""
    count, last = 0, b"\n"
    with Path(path).open("rb") as file:
        while piece := file.read(READ_BYTES):
            count += piece.count(b"\n")
            last = piece[-1:]
    return count + (last != b"\n")
