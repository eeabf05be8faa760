"""`batchfiles submit`: request files become batches, each one once.

The request files that are to be submitted: found, made plain, checked, and with the endpoint they ask for.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchfiles.cli.batch_format import batch_json
from batchfiles.cli.limits import limits_options
from batchfiles.cli.named_batches import campaign_named
from batchfiles.cli.options import files_argument, temp_dir_option
from batchfiles.cli.progress import Progress, say
from batchfiles.cli.service_options import Service, pairs, service_options, terms_options
from batchfiles.cli.status import json_option, print_batches, wait_for
from batchfiles.cli.text import plural, visible
from batchfiles.errors import AlreadySubmittedError, DataError, NotFoundError
from batchfiles.io.remote.path import real_path

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.campaign.manifest import Part
    from batchfiles.client.synchronous import Client
    from batchfiles.io.sources import Source
    from batchfiles.io.spool import Spool
    from batchfiles.limits import Limits

__all__ = ["RequestFile", "check", "endpoint_of", "request_files", "submit"]


LISTED = 20
"""Findings that are printed; `batchfiles validate` has them all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFile:
    """A file that is to become a batch.

    Attributes:
        source: What can be read again: the file itself, or the copy of a stream under the name that people know.
        filename: What it is called at the service.
        folder: The campaign that it is part of; None for none.
        part: What the manifest says of it.
    """

    source: Source
    filename: str
    folder: Path | None = None
    part: Part | None = None


def request_files(names: Sequence[str], spool: Spool) -> list[RequestFile]:
    """Return the files that are meant, campaign folders taken apart.

    Args:
        names: Files, folders, globs, campaign folders, or `-` for standard input.
        spool: Where copies are made of what can be read only once.

    Raises:
        FileError: A file is not there or can't be read.
        DataError: A manifest is damaged.
    """
    return [file for name in names for file in _files_of(name, spool)]


def _files_of(name: str, spool: Spool) -> list[RequestFile]:
    from batchfiles.io.sources import Source, expand

    campaign = campaign_named(name) if name != "-" else None
    if campaign is None:
        return [_file(source, spool) for source in expand([name])]
    folder = Path(str(campaign.folder))
    parts = [(part, Source(str(folder / part.file), path=folder / part.file)) for part in campaign.manifest.parts]
    return [_file(source, spool, folder, part) for part, source in parts]


def _file(source: Source, spool: Spool, folder: Path | None = None, part: Part | None = None) -> RequestFile:
    from batchfiles.campaign.manifest import stem_of
    from batchfiles.io.sources import Source

    # Services take names that end in .jsonl.
    filename = f"{stem_of(source.file_name or 'requests')}.jsonl"
    if not source.is_again:
        source = Source(source.name, path=spool.local(source))
    return RequestFile(source=source, filename=filename, folder=folder, part=part)


def check(files: Sequence[RequestFile], limits: Limits, *, quiet: bool) -> bool:
    """Validate files, each as a batch of its own; what is wrong goes to standard error. Returns whether nothing is."""
    from batchfiles.jobs.validate import validate

    sources = [file.source for file in files]
    with Progress("validate", quiet=quiet) as progress:
        report = validate(*sources, limits=limits, progress=progress.update)
    groups = [group for group in report.groups if group.first.severity == "error"][:LISTED]
    for group in groups:
        click.echo(visible(str(group)), err=True)
    if (rest := report.error_count - sum(group.count for group in groups)) > 0:
        click.echo(f"{rest:,} more errors are not listed: 'batchfiles validate' shows them", err=True)
    if not report.ok:
        errors = plural(report.error_count, "error")
        click.echo(f"{errors} (limits: {report.limits}): nothing was sent; --no-validate sends it all the same", err=True)
    return report.ok


def endpoint_of(source: Source) -> str:
    """Return the url of a file's first request.

    Raises:
        DataError: No line has one.
    """
    from batchfiles.codec import loads
    from batchfiles.errors import InvalidLineError
    from batchfiles.io.sources import read_blocks

    for block in read_blocks(source, lambda _: None):
        for line in block.lines:
            try:
                url = loads(line).get("url")
            except InvalidLineError:
                continue
            if isinstance(url, str):
                return url
    raise DataError("no line says by its url which endpoint it is for: name it with --endpoint", path=source.name, role="input")


FOUND, REFUSED = 1, 2


@click.command(short_help="Upload request files and make a batch of each, once.")
@files_argument
@click.option("--endpoint", metavar="URL", help="Where the requests go, such as /v1/responses; else the url of the first one.")
@click.option(
    "--metadata",
    multiple=True,
    callback=pairs("KEY=VALUE"),
    metavar="KEY=VALUE",
    help="Write this on the batches. Repeatable, up to 15.",
)
@terms_options
@click.option("--wait", "waits", is_flag=True, help="Wait until the batches have finished, as 'batchfiles wait' does.")
@click.option("--again", is_flag=True, help="Submit a file even if it has a live or finished batch; it is paid for twice.")
@temp_dir_option("Where plain copies wait of what is compressed, remote, or on standard input.")
@click.option("--no-validate", is_flag=True, help="Send the files without looking into them first.")
@limits_options
@json_option
@service_options
@click.pass_context
def submit(
    context: click.Context,
    files: tuple[str, ...],
    *,
    endpoint: str | None,
    metadata: dict[str, str],
    completion_window: str,
    output_expires_after: int | None,
    waits: bool,
    again: bool,
    temp_dir: str | None,
    no_validate: bool,
    limits: Limits,
    as_json: bool,
    service: Service,
) -> None:
    """Upload request files and make a batch of each, once.

    FILE is a JSONL file of requests, a folder or a glob of such files, - for standard input, or a campaign folder, which stands
    for its parts. What is compressed or remote is sent plain. All files are validated before the first one is sent.

    The id of each batch goes to standard output; in a campaign the manifest notes it, too. A file whose very bytes have a live or
    finished batch at the service is refused; in a campaign, such a part is skipped, so that an interrupted 'submit' is simply
    repeated. If the answer to the making of a batch is lost, the service's list is searched for it before anything is sent again.

    \b
    Examples:
        batchfiles submit requests.jsonl
        id=$(batchfiles submit requests.jsonl --metadata project=atlas)
        batchfiles submit campaign/ --wait
        batchfiles submit requests.jsonl --base-url https://host/v1 --key-command 'pass show host' --limits vllm

    \b
    Exit codes:
        0   each file has its batch (--wait: and all have finished)
        1   a file has errors and nothing was sent; or, with --wait, a batch failed at its validation
        2   wrong usage, no key, or a file that has a batch already
        3   the service refused or did not answer
        130 interrupted; batches that were made go on
    """  # noqa: D301 - click wants its \b
    from batchfiles.io.spool import Spool

    with service.connect() as client, Spool(temp_dir) as spool:
        terms = {"metadata": metadata, "completion_window": completion_window, "output_expires_after": output_expires_after}
        sending = _Sending(client, endpoint, terms, again=again, temp_dir=temp_dir)
        with _alone_in(files):
            found = request_files(files, spool)
            if not no_validate and not check(found, limits, quiet=as_json or service.quiet):
                context.exit(FOUND)
            for file in found:
                batch = sending.submit(file)
                if batch is not None and not waits:
                    click.echo(batch_json(batch, file.source) if as_json else visible(batch.id))
        code = _wait(sending, as_json=as_json, service=service) if waits and sending.batches else 0
    context.exit(code or (REFUSED if sending.refused else 0))


@contextmanager
def _alone_in(names: Sequence[str]) -> Iterator[None]:
    """Keep other runs out of the campaigns among some names, since they note their batches in the same manifest.

    Raises:
        FileError: Another run is at work there.
    """
    from batchfiles.runner.journal import locked

    with ExitStack() as locks:
        for folder in {real_path(Path(name)) for name in names if campaign_named(name) is not None}:
            locks.enter_context(locked(folder))
        yield


def _wait(sending: _Sending, *, as_json: bool, service: Service) -> int:
    ids = [batch.id for batch, _ in sending.batches]
    sources = {batch.id: file.source for batch, file in sending.batches}
    ends = wait_for(sending.client, ids, interval=None, timeout=None, quiet=as_json)
    return print_batches(ends, sources, as_json=as_json, service=service)


class _Sending:
    """The files that are sent, one after the other.

    Args:
        client: The service.
        endpoint: Where the requests go; None for the url of the first one.
        terms: What each batch is made with: see `submission_of`.
        again: Whether a file may have a second batch.
        temp_dir: Where plain copies wait; None takes the system's folder for temporary files.

    Attributes:
        batches: The batches of the files, those included that campaigns had already.
        refused: How many files were not sent because they had one.
    """

    def __init__(self, client: Client, endpoint: str | None, terms: dict[str, Any], *, again: bool, temp_dir: str | None) -> None:
        self.client = client
        self._endpoint = endpoint
        self._terms = terms
        self._again = again
        self._temp_dir = temp_dir
        self.batches: list[tuple[Batch, RequestFile]] = []
        self.refused = 0

    def submit(self, file: RequestFile) -> Batch | None:
        """Make the batch of one file; returns it, or None where the file is refused.

        Raises:
            APIError: The service said no.
            APIConnectionError: There was no answer.
        """
        batch = self._noted(file)
        if batch is None:
            try:
                batch = self._make(file)
            except AlreadySubmittedError as error:
                if file.part is None:
                    self._refuse(file, error)
                    return None
                batch = self.client.batches.retrieve(error.batch_id)
                _say(file, f"has its batch already: {batch.id} is {batch.status}")
            _note(file, batch.id)
        self.batches.append((batch, file))
        return batch

    def _noted(self, file: RequestFile) -> Batch | None:
        """Return the batch that the manifest says a part has, if the part need not be sent."""
        from batchfiles.api.flows.submitting import ENDED_BADLY

        if self._again or file.part is None or not file.part.batches:
            return None
        try:
            batch = self.client.batches.retrieve(file.part.batches[-1])
        except NotFoundError:
            return None
        if batch.status in ENDED_BADLY:
            return None
        _say(file, f"has its batch already: {batch.id} is {batch.status}")
        return batch

    def _make(self, file: RequestFile) -> Batch:
        from batchfiles.api.config import RetryPolicy
        from batchfiles.api.flows import submit as submit_file
        from batchfiles.client.calls import submission_of
        from batchfiles.io.spool import Spool

        endpoint = self._endpoint or endpoint_of(file.source)
        with Spool(self._temp_dir) as spool:  # for each file anew: a campaign may be larger than the room there is
            submission = replace(submission_of(spool.local(file.source), endpoint, **self._terms), filename=file.filename)
            batch = self.client.run(submit_file(self.client.config, submission, RetryPolicy(), again=self._again))
        _say(file, f"{submission.size:,} bytes for {endpoint}: {batch.id} is {batch.status}")
        return batch

    def _refuse(self, file: RequestFile, error: AlreadySubmittedError) -> None:
        self.refused += 1
        known = f"{error.batch_id} was made of the same bytes and is {error.status}"
        words = f"not sent: {known}; 'batchfiles wait' and 'batchfiles download' take it, --again pays twice"
        click.echo(visible(f"{file.source.name}: {words}"), err=True)


def _say(file: RequestFile, words: str) -> None:
    say(f"{file.source.name}: {words}")


def _note(file: RequestFile, batch_id: str) -> None:
    """Write into the manifest which batch a part has; what others have written there meanwhile stays."""
    from batchfiles.campaign.manifest import read_manifest, write_manifest

    if file.folder is None or file.part is None:
        return
    manifest = read_manifest(file.folder)
    if manifest is None:
        return
    parts = tuple(
        replace(part, batches=(*(each for each in part.batches if each != batch_id), batch_id))
        if part.file == file.part.file
        else part
        for part in manifest.parts
    )
    write_manifest(file.folder, replace(manifest, parts=parts))
