"""`batchfiles submit`: uploads request files and creates a batch for each, once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from batchfiles.cli.batches import batch_json, campaign_named
from batchfiles.cli.limits import limits_options
from batchfiles.cli.options import Command, files_argument, temp_dir_option
from batchfiles.cli.progress import Progress, TransferProgress, print_error, print_note
from batchfiles.cli.service_options import Service, pairs, service_options, terms_options
from batchfiles.cli.status import json_option, print_batches, wait_for
from batchfiles.errors import AlreadySubmittedError, DataError, NotFoundError
from batchfiles.findings import plural
from batchfiles.io.remote_path import real_path
from batchfiles.layout import visible

if TYPE_CHECKING:
    from batchfiles.api.batch import Batch
    from batchfiles.campaign import Part
    from batchfiles.client.synchronous import Client
    from batchfiles.io.sources import Source
    from batchfiles.io.temporary import Spool
    from batchfiles.limits import Limits

LISTED = 20
"""How many findings are printed; `batchfiles validate` prints all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestFile:
    """A file to submit.

    Attributes:
        source: The file, or a copy of a stream with the name of the stream.
        filename: The name at the service.
        folder: The folder of its campaign, or None.
        part: Its entry in the manifest, or None.
    """

    source: Source
    filename: str
    folder: Path | None = None
    part: Part | None = None


def request_files(names: Sequence[str], spool: Spool) -> list[RequestFile]:
    """Return the named files, and the parts of named campaign folders; streams are copied to the spool."""
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
    from batchfiles.campaign import stem_of
    from batchfiles.io.sources import Source

    # Services require names that end in .jsonl.
    filename = f"{stem_of(source.file_name or 'requests')}.jsonl"
    if not source.is_again:
        source = Source(source.name, path=spool.local(source))
    return RequestFile(source=source, filename=filename, folder=folder, part=part)


def check(files: Sequence[RequestFile], limits: Limits, *, quiet: bool) -> bool:
    """Validate each file as one batch, print errors on standard error, and return whether there are none."""
    from batchfiles.jobs.validate import validate

    sources = [file.source for file in files]
    with Progress("validate", quiet=quiet) as progress:
        report = validate(*sources, limits=limits, progress=progress.update)
    groups = [group for group in report.groups if group.first.severity == "error"][:LISTED]
    for group in groups:
        print_error(str(group))
    if (rest := report.error_count - sum(group.count for group in groups)) > 0:
        print_error(f"{rest:,} more errors are not listed: 'batchfiles validate' prints them")
    if not report.ok:
        errors = plural(report.error_count, "error")
        print_error(f"{errors} (limits: {report.limits}): nothing was sent; --no-validate sends it anyway")
    return report.ok


def endpoint_of(source: Source) -> str:
    """Return the url of the first request of a file that has one."""
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
    raise DataError("no line has a url: use --endpoint", path=source.name, role="input")


FOUND, REFUSED = 1, 2


@click.command(cls=Command)
@files_argument
@click.option("--endpoint", metavar="URL", help="The endpoint, such as /v1/responses.  [default: the url of the first request]")
@click.option(
    "--metadata",
    multiple=True,
    callback=pairs("KEY=VALUE"),
    metavar="KEY=VALUE",
    help="Metadata of the batches. Repeatable, up to 15.",
)
@terms_options
@click.option("--wait", "waits", is_flag=True, help="Wait until the batches have finished, as 'batchfiles wait' does.")
@click.option("--again", is_flag=True, help="Submit a file even if it has an active or finished batch; you pay twice.")
@temp_dir_option("The folder for plain copies of compressed, remote and standard input.")
@click.option("--no-validate", is_flag=True, help="Send the files without validation.")
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
    """Upload request files and create a batch for each, once.

    FILE is a request file, a folder or a glob of such files, - for standard input, or a campaign folder, which means its parts.
    Compressed and remote files are sent as plain files. All files are validated before the first one is sent.

    The id of each batch is printed, and also written to the manifest of a campaign. A file with an active or finished batch is
    refused. In a campaign, such a part is skipped: repeat an interrupted 'submit' to resume. If the response to the creation of a
    batch is lost, the list of batches is searched for it before anything is sent again.

    \b
    Examples:
        batchfiles submit requests.jsonl
        id=$(batchfiles submit requests.jsonl --metadata project=atlas)
        batchfiles submit campaign/ --wait
        batchfiles submit requests.jsonl --base-url https://host/v1 --key-command 'pass show host' --limits vllm

    \b
    Exit codes:
        0   each file has a batch (--wait: and all have finished)
        1   a file has errors and nothing was sent; or, with --wait, a batch failed its validation
        2   wrong usage, no key, or a file that already has a batch
        3   the service refused or did not answer
        130 interrupted; batches that were created continue
    """
    from batchfiles.io.temporary import Spool

    with service.connect() as client, Spool(temp_dir) as spool:
        terms = {"metadata": metadata, "completion_window": completion_window, "output_expires_after": output_expires_after}
        submitter = _Submitter(client, endpoint, terms, again=again, temp_dir=temp_dir, quiet=as_json)
        with _locked_campaigns(files):
            found = request_files(files, spool)
            if not no_validate and not check(found, limits, quiet=as_json):
                context.exit(FOUND)
            for file in found:
                batch = submitter.submit(file)
                if batch is not None and not waits:
                    click.echo(batch_json(batch, file.source) if as_json else visible(batch.id))
        code = _wait(submitter, as_json=as_json, service=service) if waits and submitter.batches else 0
    context.exit(code or (REFUSED if submitter.refused else 0))


@contextmanager
def _locked_campaigns(names: Sequence[str]) -> Iterator[None]:
    """Lock the campaigns among the names, because other runs write to the same manifest."""
    from batchfiles.runner.journal import locked

    with ExitStack() as locks:
        for folder in {real_path(Path(name)) for name in names if campaign_named(name) is not None}:
            locks.enter_context(locked(folder))
        yield


def _wait(submitter: _Submitter, *, as_json: bool, service: Service) -> int:
    ids = [batch.id for batch, _ in submitter.batches]
    sources = {batch.id: file.source for batch, file in submitter.batches}
    ends = wait_for(submitter.client, ids, interval=None, timeout=None, quiet=as_json)
    return print_batches(ends, sources, as_json=as_json, service=service)


class _Submitter:
    """Submits files, one after the other.

    Args:
        client: The client.
        endpoint: The endpoint; None for the url of the first request.
        terms: Arguments of `submission_of`.
        again: Whether a file may have a second batch.
        temp_dir: The folder for plain copies; None for that of the system.
        quiet: Show no progress.

    Attributes:
        batches: The batches of the files, also existing ones of campaigns.
        refused: The number of files that were not sent because they have a batch.
    """

    def __init__(
        self,
        client: Client,
        endpoint: str | None,
        terms: dict[str, Any],
        *,
        again: bool,
        temp_dir: str | None,
        quiet: bool,
    ) -> None:
        self.client = client
        self._endpoint = endpoint
        self._terms = terms
        self._again = again
        self._temp_dir = temp_dir
        self._quiet = quiet
        self.batches: list[tuple[Batch, RequestFile]] = []
        self.refused = 0

    def submit(self, file: RequestFile) -> Batch | None:
        """Create the batch of a file, and return it; None if the file is refused."""
        batch = self._known_batch(file)
        if batch is None:
            try:
                batch = self._create(file)
            except AlreadySubmittedError as error:
                if file.part is None:
                    self._refuse(file, error)
                    return None
                batch = self.client.batches.retrieve(error.batch_id)
                _print_note(file, f"already has a batch: {batch.id} is {batch.status}")
            _write_to_manifest(file, batch.id)
        self.batches.append((batch, file))
        return batch

    def _known_batch(self, file: RequestFile) -> Batch | None:
        """Return the batch of a part in the manifest, if the part need not be sent."""
        from batchfiles.api.submitting import UNSUCCESSFUL

        if self._again or file.part is None or not file.part.batches:
            return None
        try:
            batch = self.client.batches.retrieve(file.part.batches[-1])
        except NotFoundError:
            return None
        if batch.status in UNSUCCESSFUL:
            return None
        _print_note(file, f"already has a batch: {batch.id} is {batch.status}")
        return batch

    def _create(self, file: RequestFile) -> Batch:
        from batchfiles.api.config import RetryPolicy
        from batchfiles.api.submitting import submit as submit_file
        from batchfiles.client.calls import submission_of
        from batchfiles.io.temporary import Spool

        endpoint = self._endpoint or endpoint_of(file.source)
        with Spool(self._temp_dir) as spool:  # one for each file: a campaign may be larger than the disk
            submission = replace(submission_of(spool.local(file.source), endpoint, **self._terms), filename=file.filename)
            flow = submit_file(self.client.config, submission, RetryPolicy(), again=self._again)
            with TransferProgress(file.source.name, quiet=self._quiet) as progress:
                batch = self.client.run(flow, progress=progress.update)
        _print_note(file, f"{submission.size:,} bytes for {endpoint}: {batch.id} is {batch.status}")
        return batch

    def _refuse(self, file: RequestFile, error: AlreadySubmittedError) -> None:
        self.refused += 1
        known = f"{error.batch_id} has the same requests and is {error.status}"
        words = f"not sent: {known}; use it with 'batchfiles wait' and 'batchfiles download', or pay again with --again"
        print_error(f"{file.source.name}: {words}")


def _print_note(file: RequestFile, words: str) -> None:
    print_note(f"{file.source.name}: {words}")


def _write_to_manifest(file: RequestFile, batch_id: str) -> None:
    """Add a batch to its part in the manifest, which is read again first."""
    from batchfiles.campaign import read_manifest, write_manifest

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
