"""The loop of a run: each pass takes every part as far as possible without waiting, and is followed by a pause."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from batchfiles.api.batch import Batch, BatchRequestCounts
from batchfiles.api.effects import Flow, Notify, Now, Sleep
from batchfiles.api.waiting import FIRST_PAUSE, SLOW, TROUBLE
from batchfiles.campaign import Part, parts_of
from batchfiles.client.calls import Calls
from batchfiles.errors import APIConnectionError, BatchFailedError, InternalServerError, RateLimitError
from batchfiles.runner.batches import Collector, Sender, is_queue_full
from batchfiles.runner.journal import PartState, RunState
from batchfiles.runner.report import LiveBatch, RunStatus, RunStep

PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before the next attempt if none of our own batches is in the queue."""

ATTEMPTS = 150
"""Attempts without any of our batches in the queue, in about a day, after which the run fails."""


class QueueBackoff:
    """Remembers that the queue was full.

    Attributes:
        refused: Consecutive rejections with none of our batches at the service.
    """

    def __init__(self) -> None:
        self._full = False
        self._until = 0.0
        self.refused = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether to give up."""
        return self.refused >= ATTEMPTS

    def rejected(self, now: float, *, alone: bool) -> None:
        """Note a rejected batch; `alone` if none of our batches is at the service."""
        self._full = True
        self._until = now + PAUSES[min(self.refused, len(PAUSES) - 1)]
        self.refused += alone

    def released(self) -> None:
        """Note that one of our batches has ended."""
        self._full = False
        self.refused = 0

    def is_open(self, now: float, *, alone: bool) -> bool:
        """Return whether to try another batch."""
        return not self._full or (alone and now >= self._until)


class RunLoop:
    """Takes all parts from waiting to done. Its steps are flows, for both clients.

    Args:
        calls: The calls of the client.
        folder: The campaign folder.
        run_state: The state of the run.
        sender: Creates batches.
        max_parallel: The greatest number of live batches.
        once: Whether not to wait.
        interval: Seconds between two passes; None for increasing pauses from 5 to 60 seconds.
    """

    def __init__(
        self,
        calls: Calls,
        folder: Path,
        run_state: RunState,
        sender: Sender,
        *,
        max_parallel: int,
        once: bool,
        interval: float | None,
    ) -> None:
        self._folder = folder
        self._run_state = run_state
        self._sender = sender
        self._collector = Collector(calls, folder, run_state)
        self._max_parallel = max_parallel
        self._once = once
        self._interval = interval
        self._backoff = QueueBackoff()
        self._trouble: dict[str, float] = {}
        self._parts: dict[str, Part] = {}

    def run(self) -> Flow[bool]:
        """Run until all parts are done.

        Returns:
            Whether they are; always True without `once`.

        Raises:
            BatchFailedError: The service refused a part.
            APIError: The service returned an error.
            APIConnectionError: The service could not be reached for an hour, or at all with `once`.
            FileError: A file can't be written.
        """
        self._parts = {part.file: part for part in parts_of(self._folder)}
        idle = 0
        while True:
            moved = yield from self._pass()
            if len(self._run_state.of_status("done")) == len(self._run_state.parts):
                return True
            if moved:
                idle = 0
            elif self._once:
                return False
            else:
                pause = self._interval or min(FIRST_PAUSE * 1.5**idle, SLOW)
                yield self._report("wait", next_look=datetime.now(UTC) + timedelta(seconds=pause))
                yield Sleep(pause)
                idle = min(idle + 1, 10)

    def live_batches(self) -> tuple[LiveBatch, ...]:
        """Return the batches that have not ended, in the order of their parts."""
        return live_batches(self._run_state, self._collector.seen)

    def _pass(self) -> Flow[bool]:
        """Take each part one step further; return whether any changed."""
        moved = False
        for status, step in (("unsure", self._resolve), ("live", self._look), ("ended", self._fetch)):
            for state in self._run_state.of_status(status):
                has_moved = yield from self._tried(step, state)
                moved |= has_moved
        for state in self._run_state.of_status("waiting"):
            busy = len(self._run_state.of_status("live", "unsure"))
            now: float = yield Now()
            if busy >= self._max_parallel or not self._backoff.is_open(now, alone=not busy):
                break
            has_moved = yield from self._tried(self._send, state)
            moved |= has_moved
        yield self._report("wait")
        return moved

    def _tried(self, step: Callable[[PartState], Flow[bool]], state: PartState) -> Flow[bool]:
        """Take a step; a transient error is raised only after it has lasted."""
        try:
            moved = yield from step(state)
        except (RateLimitError, InternalServerError, APIConnectionError) as error:
            problem = error
        else:
            self._trouble.pop(state.name, None)
            return moved
        now: float = yield Now()
        since = self._trouble.setdefault(state.name, now)
        is_permanent = isinstance(problem, RateLimitError) and not is_queue_full(problem)
        if self._once or is_permanent or now - since > TROUBLE:
            raise problem
        yield self._report("wait", f"{state.name}: {problem}; will be retried")
        return False

    def _resolve(self, state: PartState) -> Flow[bool]:
        yield from self._sender.resolve(state)
        if state.batch_id is not None and state.status == "live":
            yield self._report("send", f"{state.name}: found at the service as {state.batch_id}", part=state.name)
        return True

    def _look(self, state: PartState) -> Flow[bool]:
        status = yield from self._collector.look(state)
        if status is None:
            return False
        if status == "queue_full":
            yield from self._queue_is_full(state, f"{state.batch_id} failed because the queue is full")
            return True
        self._backoff.released()
        yield self._report("wait", f"{state.name}: {state.batch_id} {status}")
        return True

    def _fetch(self, state: PartState) -> Flow[bool]:
        yield self._report("download", part=state.name)
        yield from self._collector.fetch(state)
        yield self._report("download", f"{state.name}: results downloaded", part=state.name)
        return True

    def _send(self, state: PartState) -> Flow[bool]:
        yield self._report("send", part=state.name)
        is_sent = yield from self._sender.send(state, self._parts[state.name])
        if not is_sent:
            yield from self._queue_is_full(state, "the queue of the service is full")
            return False
        yield self._report("send", f"{state.name}: sent as {state.batch_id}", part=state.name)
        return True

    def _queue_is_full(self, state: PartState, why: str) -> Flow[None]:
        """Note that the queue is full; raise `BatchFailedError` if it has been full for a day."""
        now: float = yield Now()
        self._backoff.rejected(now, alone=not self._run_state.of_status("live", "unsure"))
        if self._backoff.is_exhausted:
            message = f"{state.name}: {why}, for a day; use fewer requests per part (--max-requests) in a new campaign"
            raise BatchFailedError(message, batch_id=state.batch_id or "")
        yield self._report("wait", f"{state.name}: {why}; will be sent later")

    def _report(
        self, step: RunStep, news: str | None = None, *, part: str | None = None, next_look: datetime | None = None
    ) -> Notify:
        """Return the effect that reports the status."""
        return Notify(status_of(self._run_state, step, news, part=part, next_look=next_look, batches=self.live_batches()))


def live_batches(run_state: RunState, seen: Mapping[str, Batch]) -> tuple[LiveBatch, ...]:
    """Return the batches that have not ended; `seen` are those that were looked at, by part."""
    found = []
    now = datetime.now(UTC)
    for state in run_state.of_status("live"):
        assert state.batch_id is not None  # noqa: S101 - a live part has a batch
        assert state.created_at is not None  # noqa: S101 - and a time
        batch = seen.get(state.name)
        counts = batch.request_counts if batch is not None else BatchRequestCounts()
        found.append(
            LiveBatch(
                part=state.name,
                batch_id=state.batch_id,
                status=None if batch is None else str(batch.status),
                created_at=state.created_at,
                age=_seconds_to(now, state.created_at),
                total=counts.total,
                completed=counts.completed,
                failed=counts.failed,
            )
        )
    return tuple(found)


def status_of(
    run_state: RunState,
    step: RunStep,
    news: str | None = None,
    *,
    part: str | None = None,
    next_look: datetime | None = None,
    batches: tuple[LiveBatch, ...] = (),
) -> RunStatus:
    """Return the status of a run."""
    return RunStatus(
        parts=len(run_state.parts),
        waiting=len(run_state.of_status("waiting")),
        live=len(run_state.of_status("live", "unsure", "ended")),
        done=len(run_state.of_status("done")),
        requests=sum(each.total for each in batches),
        answered=sum(each.completed + each.failed for each in batches),
        news=news,
        step=step,
        part=part,
        began_at=run_state.began_at,
        seconds=seconds_of(run_state),
        next_look=next_look,
        batches=batches,
    )


def seconds_of(run_state: RunState) -> float:
    """Return the seconds from the start of a run to its end, or to now."""
    if run_state.began_at is None:
        return 0.0
    is_over = run_state.finished is not None and run_state.finished_at is not None
    return _seconds_to(run_state.finished_at if is_over and run_state.finished_at else datetime.now(UTC), run_state.began_at)


def _seconds_to(end: datetime, begin: datetime) -> float:
    """Return the seconds between two times; 0 if the clock was set back."""
    return round(max((end - begin).total_seconds(), 0.0), 1)
