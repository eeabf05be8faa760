"""The batches of a run: each part is sent as exactly one, even if the process is killed; then its results are downloaded.

Batches that failed at validation are explained.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from batchfiles.api.batch import Batch, BatchError
from batchfiles.api.batches import BatchFileExpirationAfter, BatchRequest
from batchfiles.api.effects import Flow, Log, Token, Work
from batchfiles.api.file import FileObject
from batchfiles.api.files import PURPOSE
from batchfiles.api.submitting import UNPROCESSED_CODE, UNSUCCESSFUL, create, list_batches, marker_of, processed, search
from batchfiles.api.waiting import lacks_files
from batchfiles.campaign import Part, read_manifest, write_manifest
from batchfiles.client.calls import Calls
from batchfiles.errors import AlreadySubmittedError, APIConnectionError, APIError, BatchFailedError, NotFoundError, RateLimitError
from batchfiles.io.atomic import atomic_file
from batchfiles.open_strings import BatchCompletionWindow
from batchfiles.runner.journal import PartState, RunState
from batchfiles.runner.parts import endpoint_of

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

    def to_dict(self) -> dict[str, Any]:
        """Return the parameters as values for the journal, by the words for messages."""
        expires = self.output_expires_after
        return {
            "endpoint": None if self.endpoint is None else str(self.endpoint),
            "completion window": str(self.completion_window),
            "expiry of the results": None if expires is None else expires.seconds,
        }


class Sender:
    """Creates the batches of parts; its methods are flows.

    Args:
        calls: The calls of the client.
        folder: The campaign folder.
        run_state: The state of the run.
        terms: The parameters of the batches.

    Attributes:
        sent: The number of batches created by this object.
    """

    def __init__(self, calls: Calls, folder: Path, run_state: RunState, terms: Terms) -> None:
        self._calls = calls
        self._folder = folder
        self._run_state = run_state
        self._terms = terms
        self._left: dict[str, list[Batch]] = {}
        self.sent = 0

    def refuse_repetition(self, parts: Iterable[Part]) -> Flow[None]:
        """Raise `AlreadySubmittedError` if the service has a live or completed batch of the same bytes."""
        own = {part.sha256 for part in parts}
        listed = yield from self._listed(NEWEST, partly=True)
        for batch in listed:
            marker = marker_of(batch)
            if marker is not None and marker[1] in own and batch.status not in UNSUCCESSFUL:
                raise AlreadySubmittedError(batch.id, batch.status)

    def recover(self) -> Flow[None]:
        """Find the batches of a lost folder: parts of the same bytes take them over, oldest first."""
        known = {batch_id for ids in self._run_state.batches.values() for batch_id in ids}
        listed = yield from self._listed(None)
        for batch in reversed(listed):
            marker = marker_of(batch)
            if marker is not None and batch.status != "failed" and batch.id not in known:
                self._left.setdefault(marker[1], []).append(batch)

    def _listed(self, limit: int | None, *, partly: bool = False) -> Flow[list[Batch]]:
        return list_batches(self._calls.config, self._calls.policy, limit=limit, partly=partly)

    def resolve(self, state: PartState) -> Flow[None]:
        """Find out whether the batch of an unsure part was created; `APIConnectionError` if that is not known."""
        assert state.token is not None  # noqa: S101 - an unsure part has a token
        found, looked = yield from search(self._calls.config, state.token, self._calls.policy)
        if found is not None:
            yield from self._created(state, found)
        elif looked:
            yield from self._run_state.noted("not_created", part=state.name, why="it is in no list", keep_file=True)
        else:
            raise APIConnectionError(f"it is unknown whether {state.name} is at the service already", phase="receive")

    def send(self, state: PartState, part: Part) -> Flow[bool]:
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
            token = marker[0] if marker else ""
            yield from self._run_state.noted("creating", part=state.name, token=token, recovered=True)
            yield from self._created(state, batch, recovered=True)
            return True
        path = self._folder / part.file
        endpoint = endpoint_of(path, self._terms.endpoint)
        file_id = yield from self._uploaded(state, part)
        token = yield Token()
        yield from self._run_state.noted("creating", part=state.name, token=token, file_id=file_id, endpoint=endpoint)
        params = BatchRequest(
            input_file_id=file_id,
            endpoint=endpoint,
            completion_window=self._terms.completion_window,
            output_expires_after=self._terms.output_expires_after,
        )
        try:
            batch = yield from create(self._calls.config, params, self._calls.policy, token=token, sha256=part.sha256)
        except APIError as error:
            full = is_queue_full(error)
            yield from self._run_state.noted("not_created", part=state.name, why=str(error), keep_file=full)
            if full:
                return False
            raise
        self.sent += 1
        yield from self._created(state, batch)
        return True

    def _uploaded(self, state: PartState, part: Part) -> Flow[str]:
        """Return the id of the uploaded and processed file of a part; upload it if needed."""
        file: FileObject | None = None
        if state.file_id is not None:  # of a killed run, or of a batch rejected because the queue was full
            try:
                file = yield from self._calls.retrieve_file(state.file_id)
            except NotFoundError:
                gone = "the uploaded file is gone"
                yield from self._run_state.noted("not_created", part=state.name, why=gone, keep_file=False)
            except APIError:
                return state.file_id  # the service can't retrieve files
        if file is None:
            yield from self._run_state.noted("uploading", part=state.name, sha256=part.sha256)
            file = yield from self._calls.upload(self._folder / part.file, PURPOSE, None, None)
            yield from self._run_state.noted("uploaded", part=state.name, file_id=file.id)
        try:
            ready = yield from processed(self._calls.config, file, self._calls.policy)
        except APIError as error:
            if error.code == UNPROCESSED_CODE:
                yield from self._run_state.noted("not_created", part=state.name, why=str(error), keep_file=False)
            raise
        return ready.id

    def _created(self, state: PartState, batch: Batch, *, recovered: bool = False) -> Flow[None]:
        """Note a batch in the journal, and then in the manifest, so that `join` can assign its results."""
        since = _creation_of(batch) if recovered else {}
        yield from self._run_state.noted("created", part=state.name, token=state.token, batch_id=batch.id, **since)
        yield Work(partial(register, self._folder, self._run_state))


def _creation_of(batch: Batch) -> dict[str, str]:
    """Return the time at which the service created a batch, as a fact for the journal; empty if it states none."""
    try:
        return {"created_at": datetime.fromtimestamp(batch.created_at or 0, UTC).isoformat()} if batch.created_at else {}
    except (OverflowError, ValueError, OSError):
        return {}


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


QUEUE_CODE = "token_limit_exceeded"
"""The waiting requests of all batches have too many tokens [openai-python#2084; Azure refuses the creation]."""

QUOTA_CODES = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a permanent 429 [OpenAI's page of error codes, read 2026-11]."""

LISTED = 5


def is_queue_full(error: APIError) -> bool:
    """Return whether a batch could not be created because the queue is full."""
    if QUEUE_CODE in (error.code or "") or QUEUE_CODE in error.reason:
        return True
    return isinstance(error, RateLimitError) and error.code not in QUOTA_CODES


def failed_for_full_queue(batch: Batch) -> bool:
    """Return whether a batch failed only because the queue was full."""
    errors = batch.errors.data if batch.errors is not None else []
    return batch.status == "failed" and bool(errors) and all(error.code == QUEUE_CODE for error in errors)


def failure_of(batch: Batch, path: Path) -> BatchFailedError:
    """Return the error of a part that the service refused, with the line and `custom_id` of each reason."""
    errors = batch.errors.data if batch.errors is not None else []
    ids = _custom_ids(path, {error.line for error in errors[:LISTED] if error.line is not None})
    reasons = [_described(error, path, ids) for error in errors[:LISTED]] or ["no reason was given"]
    if len(errors) > LISTED:
        reasons.append(f"and {len(errors) - LISTED:,} more")
    return BatchFailedError(f"the service refused {path} as {batch.id}: {'; '.join(reasons)}", batch_id=batch.id)


def _described(error: BatchError, path: Path, ids: dict[int, str]) -> str:
    message = error.message or error.code or "an error without a message"
    code = f" ({error.code})" if error.code and error.message else ""
    if error.line is None:
        return message + code
    custom_id = f" {ids[error.line]!r}" if error.line in ids else ""
    return f"{path.name}:{error.line}{custom_id}: {message}{code}"


def _custom_ids(path: Path, wanted: set[int]) -> dict[int, str]:
    """Return the ids of some lines, as far as they can be read."""
    found: dict[int, str] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number in wanted:
                    found[number] = str(json.loads(line)["custom_id"])
                if len(found) == len(wanted):
                    break
    except (OSError, ValueError, KeyError, TypeError):
        return found
    return found


VANISHED = timedelta(minutes=5)
"""How long a new batch may be unknown to the service (tensorzero#1198)."""

LATE = timedelta(minutes=30)
"""How long a completed batch may have no files (567-labs/instructor#1745); after that it is sent and paid again."""


class Collector:
    """Retrieves batches, and downloads results; its methods are flows.

    Args:
        calls: The calls of the client.
        folder: The campaign folder.
        run_state: The state of the run.

    Attributes:
        seen: The last retrieved batches of the live parts.
    """

    def __init__(self, calls: Calls, folder: Path, run_state: RunState) -> None:
        self._calls = calls
        self._folder = folder
        self._run_state = run_state
        self.seen: dict[str, Batch] = {}

    def look(self, state: PartState) -> Flow[str | None]:
        """Retrieve the batch of a part.

        Returns:
            The final status, `queue_full` if it failed because the queue was full, or None if it has not ended.

        Raises:
            BatchFailedError: The service refused the part.
            NotFoundError: The service doesn't know the batch, for some time already.
            APIError: The service returned an error.
            APIConnectionError: The service could not be reached.
        """
        batch = yield from self._retrieved(state)
        if batch is None:
            return None
        self.seen[state.name] = batch
        if not batch.is_terminal:
            return None
        is_early = yield from self._is_early(state, batch)
        if is_early:
            return None
        del self.seen[state.name]
        for note in batch.notes:
            yield Log(logging.WARNING, f"{batch.id}: {note}")
        if batch.status != "failed" or batch.result_file_ids:  # other services have failed batches with results
            yield from self._run_state.noted("ended", part=state.name, batch_id=batch.id, status=batch.status)
            return batch.status
        lacks = failed_for_full_queue(batch)
        errors = batch.errors.to_dict()["data"] if batch.errors is not None else []
        yield from self._run_state.noted("failed", part=state.name, batch_id=batch.id, errors=errors[:10], keep_file=lacks)
        if not lacks:
            raise failure_of(batch, self._folder / state.name)
        return "queue_full"

    def _retrieved(self, state: PartState) -> Flow[Batch | None]:
        """Return the batch; None while a new one is not visible yet."""
        assert state.batch_id is not None  # noqa: S101 - a live part has a batch
        try:
            batch = yield from self._calls.retrieve_batch(state.batch_id)
        except NotFoundError:
            has_lasted = yield from self._has_lasted(state, "the service doesn't know it", VANISHED)
            if has_lasted:
                raise
            return None
        if state.odd_since is not None and not lacks_files(batch):
            yield from self._run_state.noted("seen", part=state.name)
        return batch

    def _is_early(self, state: PartState, batch: Batch) -> Flow[bool]:
        """Return whether the files of a batch may still appear."""
        if not lacks_files(batch):
            return False
        has_lasted = yield from self._has_lasted(state, "it names no files", LATE)
        return not has_lasted

    def _has_lasted(self, state: PartState, why: str, limit: timedelta) -> Flow[bool]:
        """Return whether an odd state has lasted too long, according to the journal, across processes."""
        if state.odd_since is None:
            yield from self._run_state.noted("odd", part=state.name, batch_id=state.batch_id, why=why)
            return False
        return datetime.now(UTC) - state.odd_since > limit

    def fetch(self, state: PartState) -> Flow[None]:
        """Download the results of an ended batch; if there are none, write an empty file.

        Raises:
            IncompleteDownloadError: A file could not be downloaded completely.
            APIError: The service returned an error.
            APIConnectionError: The service could not be reached.
            FileError: A file can't be written.
        """
        assert state.batch_id is not None  # noqa: S101 - an ended part has a batch
        batch = yield from self._calls.retrieve_batch(state.batch_id)
        paths = yield from self._calls.download(batch, self._folder)
        if not paths:
            empty = self._folder / f"{state.batch_id}_error.jsonl"
            yield Work(partial(_write_empty, empty))
            paths = [str(empty)]
        names = [Path(path).name for path in paths]
        yield from self._run_state.noted("downloaded", part=state.name, batch_id=state.batch_id, files=names)


def _write_empty(path: Path) -> None:
    with atomic_file(path, overwrite=True):
        pass
