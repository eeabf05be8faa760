"""Watching the batches of a run, downloading their results, and explaining batches that failed at validation."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from batchfiles.api.batch import Batch, BatchError
from batchfiles.api.flows import lacks_files
from batchfiles.api.flows.effects import Flow, Log, Work
from batchfiles.client.calls import Calls
from batchfiles.errors import APIError, BatchFailedError, NotFoundError, RateLimitError
from batchfiles.io.atomic import atomic_file
from batchfiles.runner.journal import PartState, RunState

__all__ = ["Collector", "failure_of", "is_queue_full", "lacks_room"]


QUEUE_CODE = "token_limit_exceeded"
"""The waiting requests of all batches have too many tokens [openai-python#2084; Azure refuses the creation]."""

NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a permanent 429 [OpenAI's page of error codes, read 2026-11]."""

LISTED = 5


def is_queue_full(error: APIError) -> bool:
    """Return whether a batch could not be created because the queue is full."""
    if QUEUE_CODE in (error.code or "") or QUEUE_CODE in error.reason:
        return True
    return isinstance(error, RateLimitError) and error.code not in NO_MONEY


def lacks_room(batch: Batch) -> bool:
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
        lacks = lacks_room(batch)
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
