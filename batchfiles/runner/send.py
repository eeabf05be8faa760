"""Splitting the requests of a run into parts, and sending each part as exactly one batch, even if the process is killed."""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Iterable, Sequence
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
"""The hidden folder inside the campaign folder in which parts are kept until all of them are written."""

DIVIDED_BY: dict[str, Division] = {"mismatched_model": "model", "invalid_url": "url"}
"""Errors that disappear if the file is split by this key."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """The fingerprint of a source.

    Attributes:
        name: Its display name.
        bytes: Its size, uncompressed.
        sha256: The hexadecimal digest of these bytes.
    """

    name: str
    bytes: int
    sha256: str


def fingerprints(sources: Sequence[Source]) -> list[Fingerprint]:
    """Return the fingerprints of the sources.

    Raises:
        FileError: One can't be read.
        TruncatedFileError: A compressed one is damaged.
    """
    digests = ((source, source.sha256()) for source in sources)
    return [Fingerprint(source.name, digest.bytes, digest.hex) for source, digest in digests]


def checked_divisions(sources: Sequence[Source], limits: Limits) -> tuple[Division, ...]:
    """Check the requests, except for what splitting solves, and return the keys by which they must be split.

    Returns:
        `model`, `url`, both or none.

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
        f"{finding.message} Nothing was sent{more}: `batchfiles validate` lists what to fix",
        code=finding.code,
        json_path=finding.json_path,
        path=finding.path,
        line_number=finding.line_number,
        byte_offset=finding.byte_offset,
        role="input",
    )


def lay_parts(sources: Sequence[Source], folder: Path, limits: Limits, by: Sequence[Division]) -> Manifest:
    """Split the sources into the campaign folder; the manifest is written last, when all parts exist.

    The same sources give the same parts, byte for byte.

    Raises:
        LineTooLongError: A line is too large for any part.
        FileError: A file can't be read or written.
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
    """Return the endpoint of a part: the given one, or the url of its first line.

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
        raise MismatchError("the requests have no url: an endpoint is needed", path=str(path), role="input")
    return url


def tokens_of(folder: Path, part: Part) -> int:
    """Estimate the input tokens of a part.

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
"""The number of listed batches in which duplicates are searched: a long list takes minutes."""


@dataclass(frozen=True, slots=True)
class Terms:
    """The parameters of all batches of a run.

    Attributes:
        endpoint: The endpoint of all requests; None for the url of each part.
        completion_window: The completion window.
        output_expires_after: The lifetime of the result files.
    """

    endpoint: str | None = None
    completion_window: BatchCompletionWindow | str = BatchCompletionWindow.H24
    output_expires_after: BatchFileExpirationAfter | None = None


class Sender:
    """Creates the batches of parts.

    Args:
        client: The client.
        folder: The campaign folder.
        run_state: The state of the run.
        terms: The parameters of the batches.

    Attributes:
        sent: The number of batches created by this object.
    """

    def __init__(self, client: Client, folder: Path, run_state: RunState, terms: Terms) -> None:
        self._client = client
        self._folder = folder
        self._run_state = run_state
        self._terms = terms
        self._left: dict[str, list[Batch]] = {}
        self.sent = 0

    def refuse_repetition(self, parts: Iterable[Part]) -> None:
        """Raise `AlreadySubmittedError` if the service has a live or completed batch of the same bytes."""
        own = {part.sha256 for part in parts}
        for batch in self._listed(NEWEST, partly=True):
            marker = marker_of(batch)
            if marker is not None and marker[1] in own and batch.status not in ENDED_BADLY:
                raise AlreadySubmittedError(batch.id, batch.status)

    def recover(self) -> None:
        """Find the batches of a lost folder: parts of the same bytes take them over, oldest first."""
        known = {batch_id for ids in self._run_state.batches.values() for batch_id in ids}
        for batch in reversed(self._listed(None)):
            marker = marker_of(batch)
            if marker is not None and batch.status != "failed" and batch.id not in known:
                self._left.setdefault(marker[1], []).append(batch)

    def _listed(self, limit: int | None, *, partly: bool = False) -> list[Batch]:
        client = self._client
        return client.run(list_batches(client.config, client.policy, limit=limit, partly=partly))

    def resolve(self, state: PartState) -> None:
        """Find out whether the batch of an unsure part was created; `APIConnectionError` if that is not known."""
        assert state.token is not None  # noqa: S101 - an unsure part has a token
        found, looked = self._client.run(search(self._client.config, state.token, self._client.policy))
        if found is not None:
            self._created(state, found)
        elif looked:
            self._run_state.note("not_created", part=state.name, why="it is in no list", keep_file=True)
        else:
            raise APIConnectionError(f"it is unknown whether {state.name} is at the service already", phase="receive")

    def send(self, state: PartState, part: Part) -> bool:
        """Create the batch of a part, or take over the one of a lost folder.

        Returns:
            False if the queue is full.

        Raises:
            APIError: The service returned an error.
            APIConnectionError: The service could not be reached; if a batch may have been created anyway, the part is `unsure`.
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
        """Return the id of the uploaded and processed file of a part; upload it if needed."""
        client = self._client
        file: FileObject | None = None
        if state.file_id is not None:  # of a killed run, or of a batch rejected because the queue was full
            try:
                file = client.files.retrieve(state.file_id)
            except NotFoundError:
                self._run_state.note("not_created", part=state.name, why="the uploaded file is gone", keep_file=False)
            except APIError:
                return state.file_id  # the service can't retrieve files
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
        """Note a batch in the journal, and then in the manifest, so that `join` can assign its results."""
        self._run_state.note("created", part=state.name, token=state.token, batch_id=batch.id)
        register(self._folder, self._run_state)


def register(folder: Path, run_state: RunState) -> None:
    """Write the batches of the journal into the manifest.

    Raises:
        FileError: It can't be written.
    """
    manifest = read_manifest(folder)
    assert manifest is not None  # noqa: S101 - parts have one
    parts = tuple(replace(part, batches=tuple(run_state.batches.get(part.file, ()))) for part in manifest.parts)
    if parts != manifest.parts:
        write_manifest(folder, replace(manifest, parts=parts))
