"""Batches that failed at their validation: for want of room, or because of their lines."""

from __future__ import annotations

import json
from pathlib import Path

from batchfiles.api.batch import Batch, BatchError
from batchfiles.errors import APIError, BatchFailed, RateLimited

__all__ = ["failure_of", "is_queue_full", "lacks_room"]

QUEUE_CODE = "token_limit_exceeded"
"""The requests that wait may have so many tokens, all batches together [openai-python#2084; Azure's refusal of the creation]."""

NO_MONEY = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a 429 that no waiting helps against [OpenAI's page of error codes, read 2026-11]."""

LISTED = 5


def is_queue_full(error: APIError) -> bool:
    """Return whether a batch could not be made for want of room: there may be some later."""
    if QUEUE_CODE in (error.code or "") or QUEUE_CODE in error.reason:
        return True
    return isinstance(error, RateLimited) and error.code not in NO_MONEY


def lacks_room(batch: Batch) -> bool:
    """Return whether a batch failed for want of room, and for nothing else."""
    errors = batch.errors.data if batch.errors is not None else []
    return batch.status == "failed" and bool(errors) and all(error.code == QUEUE_CODE for error in errors)


def failure_of(batch: Batch, path: Path) -> BatchFailed:
    """Say why the service refused a part, each error beside its line and `custom_id`."""
    errors = batch.errors.data if batch.errors is not None else []
    ids = _custom_ids(path, {error.line for error in errors[:LISTED] if error.line is not None})
    words = [_words(error, path, ids) for error in errors[:LISTED]] or ["it didn't say why"]
    if len(errors) > LISTED:
        words.append(f"and {len(errors) - LISTED:,} more")
    return BatchFailed(f"the service refused {path} as {batch.id}: {'; '.join(words)}", batch_id=batch.id)


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
