"""Sending parts: each becomes one batch, never two, whenever the process dies: what is paid for is in the journal beforehand.

The parts of a run: the requests are checked, cut to what the service takes, and laid into the campaign folder.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from batchfiles.api.batch import Batch
from batchfiles.api.batch_request import BatchFileExpirationAfter, BatchRequest
from batchfiles.api.file import FileObject
from batchfiles.api.flows import create, list_batches, processed, search
from batchfiles.api.flows.submitting import ENDED_BADLY, UNPROCESSED_CODE, marker_of
from batchfiles.campaign.manifest import MANIFEST, Manifest, Part, read_manifest, write_manifest
from batchfiles.client import Client
from batchfiles.codec import loads
from batchfiles.errors import AlreadySubmittedError, APIConnectionError, APIError, InvalidLineError, MismatchError, NotFoundError
from batchfiles.findings import Finding
from batchfiles.io.atomic import file_error
from batchfiles.io.overwrite import UNFINISHED
from batchfiles.io.sources import Source
from batchfiles.jobs.split import split
from batchfiles.jobs.tokens import Division, estimated_tokens
from batchfiles.jobs.validate import validate
from batchfiles.limits import Limits
from batchfiles.open_strings import BatchCompletionWindow
from batchfiles.runner.collect import is_queue_full
from batchfiles.runner.journal import PartState, RunState

__all__ = [
    "Fingerprint",
    "Sender",
    "Terms",
    "checked_divisions",
    "endpoint_of",
    "fingerprints",
    "lay_parts",
    "register",
    "tokens_of",
]


WORKSHOP = ".splitting"
"""The folder inside of the campaign's in which parts wait until all of them are there; its name is hidden."""

DIVIDED_BY: dict[str, Division] = {"mismatched_model": "model", "invalid_url": "url"}
"""What is no fault in a file that is split by it."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a source held.

    Attributes:
        name: Its display name.
        bytes: Its size, uncompressed.
        sha256: Of the same bytes, in hexadecimal digits.
    """

    name: str
    bytes: int
    sha256: str


def fingerprints(sources: Sequence[Source]) -> list[Fingerprint]:
    """Read the sources once, and say what they hold.

    Raises:
        FileError: One can't be read.
        TruncatedFileError: A compressed one is damaged.
    """
    digests = ((source, source.sha256()) for source in sources)
    return [Fingerprint(source.name, digest.bytes, digest.hex) for source, digest in digests]


def checked_divisions(sources: Sequence[Source], limits: Limits) -> tuple[Division, ...]:
    """Check the requests, but for what splitting cures, and say by what they must be divided.

    Returns:
        `model`, `url`, both or nothing.

    Raises:
        InvalidLineError: The service would refuse a request.
        FileError: A file can't be read.
    """
    lasting = replace(limits, max_requests=None, max_bytes=None, warn_bytes=None, max_embedding_inputs=None)
    report = validate(*sources, limits=lasting, across=True)
    if report.ok:
        return ()
    by = tuple(DIVIDED_BY[code] for code in DIVIDED_BY if code in report.errors)
    if report.errors.keys() <= DIVIDED_BY.keys():
        report = validate(*sources, limits=replace(lasting, one_model=False, one_url=False), across=True)
        if report.ok:
            return by
    raise _refusal(next(finding for finding in report.findings if finding.severity == "error"), report.error_count)


def _refusal(finding: Finding, count: int) -> InvalidLineError:
    more = f"; {count - 1:,} more errors" if count > 1 else ""
    return InvalidLineError(
        f"{finding.message} Nothing was sent{more}: `batchfiles validate` lists what is to be mended",
        code=finding.code,
        json_path=finding.json_path,
        path=finding.path,
        line_number=finding.line_number,
        byte_offset=finding.byte_offset,
        role="input",
    )


def lay_parts(sources: Sequence[Source], folder: Path, limits: Limits, by: Sequence[Division]) -> Manifest:
    """Split the sources into the campaign folder; the manifest comes last, so that where it is all parts are.

    The same sources make the same parts again, byte for byte.

    Raises:
        LineTooLongError: A line is too large for any part.
        FileError: A file can't be read, or the disk refused.
    """
    workshop = folder / WORKSHOP
    for leftover in (workshop, *folder.glob(f".{WORKSHOP}.*{UNFINISHED}")):
        shutil.rmtree(leftover, ignore_errors=True)  # of a run that was killed
    found = read_manifest(folder)
    if found is not None:
        return found
    split(*sources, output=workshop, limits=limits, by=by, overwrite=True)
    manifest = read_manifest(workshop)
    assert manifest is not None  # noqa: S101 - split has written it
    try:
        for part in manifest.parts:
            (workshop / part.file).replace(folder / part.file)
        write_manifest(folder, manifest)
        shutil.rmtree(workshop)
    except OSError as error:
        raise file_error(error, folder / MANIFEST) from None
    return manifest


def endpoint_of(path: Path, given: str | None) -> str:
    """Return where the requests of a part go: what was given, or the url of its first line.

    Raises:
        MismatchError: There is neither.
        FileError: The part can't be read.
    """
    if given is not None:
        return given
    try:
        with path.open("rb") as file:
            first = next((line for line in file if line.strip()), b"{}")
    except OSError as error:
        raise file_error(error, path) from None
    url = loads(first).get("url")
    if not isinstance(url, str):
        raise MismatchError("the requests name no url: say the endpoint", path=str(path), role="input")
    return url


def tokens_of(folder: Path, part: Part) -> int:
    """Estimate the tokens that the requests of a part ask the models to read.

    Raises:
        FileError: The part can't be read.
    """
    total = 0
    try:
        with (folder / part.file).open("rb") as file:
            for line in file:
                body = loads(line).get("body") if line.strip() else None
                total += estimated_tokens(body) if isinstance(body, dict) else 0
    except OSError as error:
        raise file_error(error, folder / part.file) from None
    return total


NEWEST = 2000
"""Batches among which those of the same bytes are looked for: a long list is a matter of minutes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What each batch is made with.

    Attributes:
        endpoint: Where all requests go; None for the url of each part's own requests.
        completion_window: How long a batch may take.
        output_expires_after: When the files of results are to be deleted.
    """

    endpoint: str | None = None
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24
    output_expires_after: BatchFileExpirationAfter | None = None


class Sender:
    """Makes batches of parts.

    Args:
        client: The service.
        folder: The campaign folder.
        run_state: How the run stands.
        terms: What each batch is made with.

    Attributes:
        sent: The batches that were made here.
    """

    def __init__(self, client: Client, folder: Path, run_state: RunState, terms: Terms) -> None:
        self._client = client
        self._folder = folder
        self._run_state = run_state
        self._terms = terms
        self._left: dict[str, list[Batch]] = {}
        self.sent = 0

    def refuse_repetition(self, parts: Mapping[str, Part]) -> None:
        """Make sure that the service has no live or finished batch of the same bytes.

        Raises:
            AlreadySubmittedError: It has one.
            APIError: The service said no.
            APIConnectionError: It could not be reached.
        """
        ours = {part.sha256 for part in parts.values()}
        for batch in self._listed(NEWEST, partly=True):
            marker = marker_of(batch)
            if marker is not None and marker[1] in ours and batch.status not in ENDED_BADLY:
                raise AlreadySubmittedError(batch.id, batch.status)

    def recover(self) -> None:
        """Look up the batches that a lost folder knew: parts of the same bytes take them over, oldest first.

        Raises:
            APIError: The service said no.
            APIConnectionError: It could not be reached.
        """
        known = {batch_id for ids in self._run_state.batches.values() for batch_id in ids}
        for batch in reversed(self._listed(None)):
            marker = marker_of(batch)
            if marker is not None and batch.status != "failed" and batch.id not in known:
                self._left.setdefault(marker[1], []).append(batch)

    def _listed(self, limit: int | None, *, partly: bool = False) -> list[Batch]:
        client = self._client
        return client.run(list_batches(client.config, client.policy, limit=limit, partly=partly))

    def resolve(self, state: PartState) -> None:
        """Find out whether the batch was made of which nobody has said so.

        Raises:
            APIConnectionError: The service can't be asked.
        """
        assert state.token is not None  # noqa: S101 - it was noted before
        found, looked = self._client.run(search(self._client.config, state.token, self._client.policy))
        if found is not None:
            self._created(state, found)
        elif looked:
            self._run_state.note("not_created", part=state.name, why="it is in no list", keep_file=True)
        else:
            raise APIConnectionError(f"nobody can say whether {state.name} is at the service already", phase="receive")

    def send(self, state: PartState, part: Part) -> bool:
        """Make a batch of a part, or take over the one that was made of it before the folder was lost.

        Returns:
            Whether there was room for it.

        Raises:
            APIError: The service said no.
            APIConnectionError: It could not be reached; where a batch may have been made all the same, the part is `unsure` now.
            FileError: The part can't be read.
        """
        if self._left.get(part.sha256):
            batch = self._left[part.sha256].pop(0)
            marker = marker_of(batch)
            self._run_state.note("creating", part=state.name, token=marker[0] if marker else "", recovered=True)
            self._created(state, batch)
            return True
        path = self._folder / part.file
        endpoint = endpoint_of(path, self._terms.endpoint)
        file_id = self._uploaded(state, part)
        token = secrets.token_hex(16)
        self._run_state.note("creating", part=state.name, token=token, file_id=file_id, endpoint=endpoint)
        params = BatchRequest(
            input_file_id=file_id,
            endpoint=endpoint,
            completion_window=self._terms.completion_window,
            output_expires_after=self._terms.output_expires_after,
        )
        client = self._client
        try:
            batch = client.run(create(client.config, params, client.policy, token=token, sha256=part.sha256))
        except APIError as error:
            full = is_queue_full(error)
            self._run_state.note("not_created", part=state.name, why=str(error), keep_file=full)
            if full:
                return False
            raise
        self.sent += 1
        self._created(state, batch)
        return True

    def _uploaded(self, state: PartState, part: Part) -> str:
        """Return the id of the file of a part, which is at the service and processed.

        Raises:
            APIError: The service refused, or could not process the file.
            APIConnectionError: It could not be reached.
            FileError: The part can't be read.
        """
        client = self._client
        file: FileObject | None = None
        if state.file_id is not None:  # of a run that was killed, or of a batch that found no room
            try:
                file = client.files.retrieve(state.file_id)
            except NotFoundError:
                self._run_state.note("not_created", part=state.name, why="the uploaded file is gone", keep_file=False)
            except APIError:
                return state.file_id  # a service that doesn't show files
        if file is None:
            self._run_state.note("uploading", part=state.name, sha256=part.sha256)
            file = client.files.create(self._folder / part.file)
            self._run_state.note("uploaded", part=state.name, file_id=file.id)
        try:
            return client.run(processed(client.config, file, client.policy)).id
        except APIError as error:
            if error.code == UNPROCESSED_CODE:
                self._run_state.note("not_created", part=state.name, why=str(error), keep_file=False)
            raise

    def _created(self, state: PartState, batch: Batch) -> None:
        """Note a batch in the journal, and then in the manifest, so that `join` knows whose its results are."""
        self._run_state.note("created", part=state.name, token=state.token, batch_id=batch.id)
        register(self._folder, self._run_state)


def register(folder: Path, run_state: RunState) -> None:
    """Write the batches of the journal into the manifest.

    Raises:
        FileError: The disk refused.
    """
    manifest = read_manifest(folder)
    assert manifest is not None  # noqa: S101 - parts have one
    parts = tuple(replace(part, batches=tuple(run_state.batches.get(part.file, ()))) for part in manifest.parts)
    if parts != manifest.parts:
        write_manifest(folder, replace(manifest, parts=parts))
