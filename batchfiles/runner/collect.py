"""Collecting: the batches at the service are looked at in turn, and what has ended is fetched into the campaign folder.

Batches that failed at their validation: for want of room, or because of their lines.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchfiles.api.batch import Batch, BatchError
from batchfiles.api.flows import lacks_files
from batchfiles.client import Client
from batchfiles.client.calls import LOGGER
from batchfiles.errors import APIError, BatchFailedError, NotFoundError, RateLimitError
from batchfiles.io.atomic import atomic_file
from batchfiles.runner.journal import PartState, RunState

__all__ = ["Collector", "failure_of", "is_queue_full", "lacks_room"]


QUEUE_CODE = "token_limit_exceeded"
"""The requests that wait may have so many tokens, all batches together [openai-python#2084; Azure's refusal of the creation]."""

NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a 429 that no waiting helps against [OpenAI's page of error codes, read 2026-11]."""

LISTED = 5


def is_queue_full(error: APIError) -> bool:
    """Return whether a batch could not be made for want of room: there may be some later."""
    if QUEUE_CODE in (error.code or "") or QUEUE_CODE in error.reason:
        return True
    return isinstance(error, RateLimitError) and error.code not in NO_MONEY


def lacks_room(batch: Batch) -> bool:
    """Return whether a batch failed for want of room, and for nothing else."""
    errors = batch.errors.data if batch.errors is not None else []
    return batch.status == "failed" and bool(errors) and all(error.code == QUEUE_CODE for error in errors)


def failure_of(batch: Batch, path: Path) -> BatchFailedError:
    """Say why the service refused a part, each error beside its line and `custom_id`."""
    errors = batch.errors.data if batch.errors is not None else []
    ids = _custom_ids(path, {error.line for error in errors[:LISTED] if error.line is not None})
    words = [_words(error, path, ids) for error in errors[:LISTED]] or ["it didn't say why"]
    if len(errors) > LISTED:
        words.append(f"and {len(errors) - LISTED:,} more")
    return BatchFailedError(f"the service refused {path} as {batch.id}: {'; '.join(words)}", batch_id=batch.id)


def _words(error: BatchError, path: Path, ids: dict[int, str]) -> str:
    said = error.message or error.code or "an error without a word"
    code = f" ({error.code})" if error.code and error.message else ""
    if error.line is None:
        return said + code
    custom_id = f" {ids[error.line]!r}" if error.line in ids else ""
    return f"{path.name}:{error.line}{custom_id}: {said}{code}"


def _custom_ids(path: Path, wanted: set[int]) -> dict[int, str]:
    """Return the ids on some lines, as far as they can be read."""
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
"""A new batch is not known everywhere at once (tensorzero#1198); one that is unknown for longer is not there."""

LATE = timedelta(minutes=30)
"""The files of a completed batch may be named later (567-labs/instructor#1745); what is given up is sent and paid again."""


class Collector:
    """Looks at batches, and fetches results.

    Args:
        client: The service.
        folder: The campaign folder.
        run_state: How the run stands.

    Attributes:
        seen: The batches of the live parts, as they stood at the last look.
    """

    def __init__(self, client: Client, folder: Path, run_state: RunState) -> None:
        self._client = client
        self._folder = folder
        self._run_state = run_state
        self.seen: dict[str, Batch] = {}

    def look(self, state: PartState) -> str | None:
        """Look at the batch of a part.

        Returns:
            The status with which it has ended, `queue_full` where it has failed for want of room; None if it goes on.

        Raises:
            BatchFailedError: The service refused the part.
            NotFoundError: The service doesn't know the batch, look after look.
            APIError: The service said no.
            APIConnectionError: It could not be reached.
        """
        batch = self._retrieved(state)
        if batch is None:
            return None
        self.seen[state.name] = batch
        if not batch.is_terminal or self._is_early(state, batch):
            return None
        del self.seen[state.name]
        for note in batch.notes:
            LOGGER.warning("%s: %s", batch.id, note)
        if batch.status != "failed" or batch.result_file_ids:  # elsewhere a batch may fail in the middle, and keep what it has
            self._run_state.note("ended", part=state.name, batch_id=batch.id, status=batch.status)
            return batch.status
        lacks = lacks_room(batch)
        errors = batch.errors.to_dict()["data"] if batch.errors is not None else []
        self._run_state.note("failed", part=state.name, batch_id=batch.id, errors=errors[:10], keep_file=lacks)
        if not lacks:
            raise failure_of(batch, self._folder / state.name)
        return "queue_full"

    def _retrieved(self, state: PartState) -> Batch | None:
        """Return the batch; None while a new one is not known everywhere."""
        assert state.batch_id is not None  # noqa: S101 - a live part has a batch
        try:
            batch = self._client.batches.retrieve(state.batch_id)
        except NotFoundError:
            if self._has_lasted(state, "the service doesn't know it", VANISHED):
                raise
            return None
        if state.odd_since is not None and not lacks_files(batch):
            self._run_state.note("seen", part=state.name)
        return batch

    def _is_early(self, state: PartState, batch: Batch) -> bool:
        """Return whether the files that a batch promises are still to come."""
        return lacks_files(batch) and not self._has_lasted(state, "it names no files", LATE)

    def _has_lasted(self, state: PartState, why: str, timeout_factor: timedelta) -> bool:
        """Return whether something odd has been so for too long; by the journal, for each look may be another process's."""
        if state.odd_since is None:
            self._run_state.note("odd", part=state.name, batch_id=state.batch_id, why=why)
            return False
        return datetime.now(UTC) - state.odd_since > timeout_factor

    def fetch(self, state: PartState) -> None:
        """Fetch the results of a batch that has ended; without any, an empty file says so.

        Raises:
            IncompleteDownloadError: A file did not come whole.
            APIError: The service said no.
            APIConnectionError: It could not be reached.
            FileError: The disk refused.
        """
        assert state.batch_id is not None  # noqa: S101 - what has ended has a batch
        paths = self._client.download(state.batch_id, self._folder)
        if not paths:
            empty = self._folder / f"{state.batch_id}_error.jsonl"
            with atomic_file(empty, overwrite=True):
                paths = [str(empty)]
        self._run_state.note("downloaded", part=state.name, batch_id=state.batch_id, files=[Path(path).name for path in paths])
