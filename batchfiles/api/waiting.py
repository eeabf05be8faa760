"""Waiting for a batch, for as long as it takes.

Several flows at once over one connection: while one sleeps, another runs.
"""

from __future__ import annotations

import heapq
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar

from batchfiles.api import batches
from batchfiles.api.batch import Batch
from batchfiles.api.config import Config, RetryPolicy
from batchfiles.api.effects import FAILURES, Flow, Log, Notify, Now, Running, Sleep, again_in, call
from batchfiles.errors import (
    APIConnectionError,
    BatchFilesError,
    InternalServerError,
    NotFoundError,
    RateLimitError,
    StillRunningError,
)

QUICK_LOOKS, SLOW = 10, 60.0
"""After ten looks there is at most one a minute: a batch takes hours, and Azure asks for as much."""

FIRST_PAUSE = 5.0

VANISHED = 5
"""Looks in a row at which a batch may be unknown: a new one is not always known everywhere at once (tensorzero#1198)."""

LATE_FILES = 10
"""Looks at a completed batch that is still without the file that its counts promise (567-labs/instructor#1745)."""

TROUBLE, TROUBLED_LOOKS = 3600.0, 10
"""Seconds for which the service may be unreachable before we give up, and the looks that there must have been in them: a computer
that slept for a night has lost hours, and no look."""


def wait(
    config: Config, batch_id: str, policy: RetryPolicy, *, interval: float | None = None, timeout: float | None = None
) -> Flow[Batch]:
    """Look at a batch until nothing changes any more, and report each change.

    A completed batch is waited for until it names its files. A status that we don't know is waited out like any other, and
    reported as a warning once. So is each look that fails.

    Args:
        config: Where the service is.
        batch_id: The batch.
        policy: For each look.
        interval: Seconds between two looks; None lets the pauses grow from 5 to 60 seconds.
        timeout: Seconds after which we stop waiting, with a last look; None for never.

    Raises:
        StillRunningError: The timeout has ended; the batch is in the exception.
        NotFoundError: The service doesn't know the batch, look after look.
        APIError: The service refused it.
        APIConnectionError: The service could not be reached for an hour.
    """
    began: float = yield Now()
    last: Batch | None = None
    problem: Exception | None
    look = unknown = late = troubled = 0
    trouble_since: float | None = None
    while True:
        look += 1
        now: float = yield Now()
        problem = None
        left = math.inf if timeout is None else max(began + timeout - now, 0.0)
        try:
            limited = replace(policy, max_seconds=min(policy.max_seconds, left))
            batch = yield from call(batches.retrieve_request(config, batch_id), batches.retrieve_response, limited)
        except NotFoundError as error:
            problem = error
            unknown += 1
            if unknown >= VANISHED:
                raise
        except (RateLimitError, InternalServerError, APIConnectionError) as error:
            problem = error
            trouble_since = now if trouble_since is None else trouble_since
            troubled += 1
            if now - trouble_since > TROUBLE and troubled >= TROUBLED_LOOKS:
                raise
        else:
            unknown, troubled, trouble_since = 0, 0, None
            yield from _notify_changes(batch, last)
            last = batch
            if batch.is_terminal:
                late += 1
                if late > LATE_FILES or not lacks_files(batch):
                    return batch
        pause = interval if interval is not None else _pause(look)
        now = yield Now()
        if timeout is not None:
            if now - began >= timeout:
                raise StillRunningError(batch_id, last)
            pause = min(pause, began + timeout - now)
        if problem is not None:
            yield again_in(pause, batch_id, problem)
        yield Sleep(pause)


def _pause(look: int) -> float:
    return SLOW if look > QUICK_LOOKS else min(FIRST_PAUSE * 1.5 ** (look - 1), SLOW)


def _notify_changes(batch: Batch, last: Batch | None) -> Flow[None]:
    """Report a change, and once what can't be read and an unknown status that may be final."""
    for note in batch.notes if last is None or last.notes != batch.notes else ():
        yield Log(logging.WARNING, f"{batch.id}: {note}")
    if last is None or _differs(batch, last):
        yield Log(logging.INFO, _words(batch))
        yield Notify(batch)
    if not batch.status.is_known and (last is None or last.status != batch.status):
        yield Log(logging.WARNING, f"{batch.id}: the status {batch.status!r} is not known here; waiting for another one")


def _words(batch: Batch) -> str:
    counts = batch.request_counts
    return (
        f"{batch.id} is {batch.status}: {counts.completed:,} completed and {counts.failed:,} failed of {counts.total:,} requests"
    )


def _differs(batch: Batch, last: Batch) -> bool:
    return (batch.status, batch.request_counts, batch.result_file_ids) != (last.status, last.request_counts, last.result_file_ids)


def lacks_files(batch: Batch) -> bool:
    """Return whether a batch has results but does not name their files."""
    counts = batch.request_counts
    if batch.unread_files:
        return False  # it has an address that can't be read
    answers = counts.completed > 0 and batch.output_file_id is None
    failures = counts.failed > 0 and batch.error_file_id is None and batch.output_file_id is None
    return batch.status != "failed" and (answers or failures)


T = TypeVar("T")


def gather(flows: Sequence[Flow[T]]) -> Flow[list[T | BatchFilesError]]:
    """Run flows by turns, each until it sleeps, and again when it has slept enough.

    A flow that sleeps has no answer open, so one exchange at a time is enough for all.

    Args:
        flows: Such as one `wait` for each batch.

    Returns:
        What each has returned, or the error that it ended with, in their order.
    """
    ends: list[T | BatchFilesError | None] = [None] * len(flows)
    now: float = yield Now()
    due = [(now, number) for number in range(len(flows))]
    while due:
        moment, number = heapq.heappop(due)
        now = yield Now()
        if moment > now:
            yield Sleep(moment - now)
        pause, ends[number] = yield from _run_until_pause(flows[number])
        if pause is not None:
            now = yield Now()
            heapq.heappush(due, (now + pause, number))
    return [end for end in ends if end is not None]


def _run_until_pause(flow: Flow[T]) -> Flow[tuple[float | None, T | BatchFilesError | None]]:
    """Perform what a flow asks for; returns its pause, or its end."""
    running = Running(flow)
    while True:
        try:
            effect = running.asks()
        except BatchFilesError as error:
            return None, error
        if effect is None:
            return None, running.result
        if isinstance(effect, Sleep):
            return effect.seconds, None
        try:
            running.answer((yield effect))
        except FAILURES as error:
            running.fail(error)
