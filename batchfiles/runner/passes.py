"""The loop of a run: each pass takes every part as far as possible without waiting, and is followed by a pause."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from batchfiles.api.flows.effects import Flow, Now, Sleep
from batchfiles.api.flows.waiting import FIRST_PAUSE, SLOW, TROUBLE
from batchfiles.campaign.manifest import Part, parts_of
from batchfiles.client import Client
from batchfiles.errors import APIConnectionError, BatchFailedError, InternalServerError, RateLimitError
from batchfiles.runner.collect import Collector, is_queue_full
from batchfiles.runner.journal import PartState, RunState
from batchfiles.runner.report import RunStatus
from batchfiles.runner.send import Sender

__all__ = ["OnUpdate", "QueueBackoff", "RunLoop"]


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


OnUpdate = Callable[[RunStatus], object]


class RunLoop:
    """Takes all parts from waiting to done.

    Args:
        client: The client.
        folder: The campaign folder.
        run_state: The state of the run.
        sender: Creates batches.
        max_parallel: The greatest number of live batches.
        once: Whether not to wait.
        interval: Seconds between two passes; None for increasing pauses from 5 to 60 seconds.
        on_update: Called with each change of the status.
    """

    def __init__(
        self,
        client: Client,
        folder: Path,
        run_state: RunState,
        sender: Sender,
        *,
        max_parallel: int,
        once: bool,
        interval: float | None,
        on_update: OnUpdate | None,
    ) -> None:
        self._client = client
        self._folder = folder
        self._run_state = run_state
        self._sender = sender
        self._collector = Collector(client, folder, run_state)
        self._max_parallel = max_parallel
        self._once = once
        self._interval = interval
        self._on_update = on_update
        self._backoff = QueueBackoff()
        self._trouble: dict[str, float] = {}
        self._parts: dict[str, Part] = {}

    def run(self) -> bool:
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
            moved = self._pass()
            if len(self._run_state.of_status("done")) == len(self._run_state.parts):
                return True
            if moved:
                idle = 0
            elif self._once:
                return False
            else:
                self._client.run(_pause(self._interval or min(FIRST_PAUSE * 1.5**idle, SLOW)))
                idle = min(idle + 1, 10)

    def _pass(self) -> bool:
        """Take each part one step further; return whether any changed."""
        moved = False
        for status, step in (("unsure", self._resolve), ("live", self._look), ("ended", self._fetch)):
            for state in self._run_state.of_status(status):
                moved |= self._tried(step, state)
        for state in self._run_state.of_status("waiting"):
            busy = len(self._run_state.of_status("live", "unsure"))
            if busy >= self._max_parallel or not self._backoff.is_open(self._now(), alone=not busy):
                break
            moved |= self._tried(self._send, state)
        self._tell(None)
        return moved

    def _tried(self, step: Callable[[PartState], bool], state: PartState) -> bool:
        """Take a step; a transient error is raised only after it has lasted."""
        try:
            moved = step(state)
        except (RateLimitError, InternalServerError, APIConnectionError) as error:
            now = self._now()
            since = self._trouble.setdefault(state.name, now)
            is_permanent = isinstance(error, RateLimitError) and not is_queue_full(error)
            if self._once or is_permanent or now - since > TROUBLE:
                raise
            self._tell(f"{state.name}: {error}; will be retried")
            return False
        self._trouble.pop(state.name, None)
        return moved

    def _resolve(self, state: PartState) -> bool:
        self._sender.resolve(state)
        if state.batch_id is not None and state.status == "live":
            self._tell(f"{state.name}: found at the service as {state.batch_id}")
        return True

    def _look(self, state: PartState) -> bool:
        status = self._collector.look(state)
        if status is None:
            return False
        if status == "queue_full":
            self._no_room(state, f"{state.batch_id} failed because the queue is full")
            return True
        self._backoff.released()
        self._tell(f"{state.name}: {state.batch_id} {status}")
        return True

    def _fetch(self, state: PartState) -> bool:
        self._collector.fetch(state)
        self._tell(f"{state.name}: results downloaded")
        return True

    def _send(self, state: PartState) -> bool:
        if not self._sender.send(state, self._parts[state.name]):
            self._no_room(state, "the queue of the service is full")
            return False
        self._tell(f"{state.name}: sent as {state.batch_id}")
        return True

    def _no_room(self, state: PartState, why: str) -> None:
        """Note that the queue is full; raise `BatchFailedError` if it has been full for a day."""
        self._backoff.rejected(self._now(), alone=not self._run_state.of_status("live", "unsure"))
        if self._backoff.is_exhausted:
            message = f"{state.name}: {why}, for a day; use fewer requests per part (--max-requests) in a new campaign"
            raise BatchFailedError(message, batch_id=state.batch_id or "")
        self._tell(f"{state.name}: {why}; will be sent later")

    def _now(self) -> float:
        return self._client.run(_moment())

    def _tell(self, news: str | None) -> None:
        if self._on_update is None:
            return
        counts = [self._collector.seen[state.name].request_counts for state in self._live_and_seen()]
        self._on_update(
            RunStatus(
                parts=len(self._run_state.parts),
                waiting=len(self._run_state.of_status("waiting")),
                live=len(self._run_state.of_status("live", "unsure", "ended")),
                done=len(self._run_state.of_status("done")),
                requests=sum(each.total for each in counts),
                answered=sum(each.completed + each.failed for each in counts),
                news=news,
            )
        )

    def _live_and_seen(self) -> list[PartState]:
        return [state for state in self._run_state.of_status("live") if state.name in self._collector.seen]


def _pause(seconds: float) -> Flow[None]:
    yield Sleep(seconds)


def _moment() -> Flow[float]:
    now: float = yield Now()
    return now
