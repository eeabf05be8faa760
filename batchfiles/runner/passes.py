"""The run as passes: each takes every part as far as it goes without waiting, and then there is a pause.

The queue of the service: whether there is room for one more batch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from batchfiles.api.flows.effects import Flow, Now, Sleep
from batchfiles.api.flows.waiting import FIRST_PAUSE, SLOW, TROUBLE
from batchfiles.campaign.manifest import Part, read_manifest
from batchfiles.client import Client
from batchfiles.errors import APIConnectionError, BatchFailedError, InternalServerError, RateLimitError
from batchfiles.runner.collect import Collector, is_queue_full
from batchfiles.runner.journal import PartState, RunState
from batchfiles.runner.report import RunStatus
from batchfiles.runner.send import Sender

__all__ = ["OnUpdate", "QueueBackoff", "RunLoop"]


PAUSES = (30.0, 60.0, 120.0, 300.0, 600.0)
"""Seconds before the next attempt where none of our own batches will make room by ending: others fill the queue."""

ATTEMPTS = 150
"""A part that found no room so often, with nothing of ours before it, for about a day, will not find any."""


class QueueBackoff:
    """Remembers that the queue was full.

    Attributes:
        refused: How often there was no room in a row, with none of our batches at the service.
    """

    def __init__(self) -> None:
        self._full = False
        self._until = 0.0
        self.refused = 0

    @property
    def is_exhausted(self) -> bool:
        """Whether waiting has been of no use for too long."""
        return self.refused >= ATTEMPTS

    def rejected(self, now: float, *, alone: bool) -> None:
        """Note that a batch found no room.

        Args:
            now: The time, in seconds.
            alone: Whether none of our batches is at the service.
        """
        self._full = True
        self._until = now + PAUSES[min(self.refused, len(PAUSES) - 1)]
        self.refused += alone

    def released(self) -> None:
        """Note that one of our batches has ended."""
        self._full = False
        self.refused = 0

    def is_open(self, now: float, *, alone: bool) -> bool:
        """Return whether another batch is worth an attempt."""
        return not self._full or (alone and now >= self._until)


OnUpdate = Callable[[RunStatus], object]


class RunLoop:
    """Takes parts from waiting to done.

    Args:
        client: The service.
        folder: The campaign folder.
        run_state: How the run stands.
        sender: Makes batches.
        max_parallel: Batches that may be at the service at once.
        once: Whether nothing is waited for.
        interval: Seconds between two passes; None lets the pauses grow from 5 to 60 seconds.
        on_update: Told what happens.
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
        """Go on until all parts are done.

        Returns:
            Whether they are; False only where nothing is waited for.

        Raises:
            BatchFailedError: The service refused a part.
            APIError: The service said no.
            APIConnectionError: It could not be reached for an hour; with `once`, now.
            FileError: The disk refused.
        """
        manifest = read_manifest(self._folder)
        self._parts = {part.file: part for part in manifest.parts} if manifest is not None else {}
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
        """Take each part one step further; tells whether any went."""
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
        """Take a step; trouble that may pass is no reason to give up before it has lasted."""
        try:
            moved = step(state)
        except (RateLimitError, InternalServerError, APIConnectionError) as error:
            now = self._now()
            since = self._trouble.setdefault(state.name, now)
            no_use = isinstance(error, RateLimitError) and not is_queue_full(error)
            if self._once or no_use or now - since > TROUBLE:
                raise
            self._tell(f"{state.name}: {error}; tried again later")
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
            self._no_room(state, f"{state.batch_id} failed for want of room")
            return True
        self._backoff.released()
        self._tell(f"{state.name}: {state.batch_id} {status}")
        return True

    def _fetch(self, state: PartState) -> bool:
        self._collector.fetch(state)
        self._tell(f"{state.name}: results are here")
        return True

    def _send(self, state: PartState) -> bool:
        if not self._sender.send(state, self._parts[state.name]):
            self._no_room(state, "the service has no room for it")
            return False
        self._tell(f"{state.name}: sent as {state.batch_id}")
        return True

    def _no_room(self, state: PartState, why: str) -> None:
        """Remember that the queue is full.

        Raises:
            BatchFailedError: It has been for a day.
        """
        self._backoff.rejected(self._now(), alone=not self._run_state.of_status("live", "unsure"))
        if self._backoff.is_exhausted:
            words = f"{state.name}: {why}, again and again; allow fewer requests in a part (--max-requests) in a new campaign"
            raise BatchFailedError(words, batch_id=state.batch_id or "")
        self._tell(f"{state.name}: {why}; sent again when there is some")

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
