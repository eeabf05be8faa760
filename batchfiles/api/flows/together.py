"""Several flows at once over one connection: while one sleeps, another goes on."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import TypeVar

from batchfiles.api.flows.effects import Flow, Now, Sleep
from batchfiles.api.flows.running import FAILURES, Running
from batchfiles.errors import BatchFilesError

__all__ = ["together"]

T = TypeVar("T")


def together(flows: Sequence[Flow[T]]) -> Flow[list[T | BatchFilesError]]:
    """Run flows by turns, each until it sleeps; whichever has slept enough goes on.

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
        pause, ends[number] = yield from _until_it_sleeps(flows[number])
        if pause is not None:
            now = yield Now()
            heapq.heappush(due, (now + pause, number))
    return [end for end in ends if end is not None]


def _until_it_sleeps(flow: Flow[T]) -> Flow[tuple[float | None, T | BatchFilesError | None]]:
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
