"""Contenders take turns, so that whatever else the machine does meets them all alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping, Sequence

from benchmarks.figures import Comparison, Series
from benchmarks.process import Run, run, watch

__all__ = ["Command", "compared", "in_process", "programs", "watched"]

MIB = 1 << 20

QUANTITIES: dict[str, tuple[str, Callable[[Run], float]]] = {
    "time": ("s", lambda each: each.seconds),
    "cpu": ("s", lambda each: each.cpu_seconds),
    "pss": ("MiB", lambda each: each.pss / MIB),
    "private": ("MiB", lambda each: each.private / MIB),
    "rss": ("MiB", lambda each: each.rss / MIB),
}
"""What can be compared of runs: a unit, and where the value is."""

Command = Callable[[], Sequence[str]]
"""Gives the command of a run, and may clear away what an earlier run left."""


def in_process(contenders: Mapping[str, Callable[[], object]], rounds: int) -> dict[str, Series]:
    """Call functions in turns, every other round in the reverse order, and take their time."""
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in reversed(names) if number % 2 else names:
            gc.collect()
            started = time.perf_counter()
            contenders[name]()
            seconds[name].append(time.perf_counter() - started)
    return {name: Series(name, values) for name, values in seconds.items()}


def programs(contenders: Mapping[str, Command], rounds: int) -> dict[str, list[Run]]:
    """Run programs in turns, every other round in the reverse order."""
    return _turns(contenders, rounds, run)


def watched(contenders: Mapping[str, Command], rounds: int) -> dict[str, list[Run]]:
    """Run programs in turns and look at their memory."""
    return _turns(contenders, rounds, watch)


def compared(quantity: str, runs: Mapping[str, Sequence[Run]], ours: str, other: str, target: float | None = None) -> Comparison:
    """Compare one quantity of two contenders' runs."""
    unit, take = QUANTITIES[quantity]
    mine, theirs = (Series(name, [take(each) for each in runs[name]]) for name in (ours, other))
    return Comparison(quantity, unit, mine, theirs, target)


def _turns(contenders: Mapping[str, Command], rounds: int, start: Callable[[Sequence[str]], Run]) -> dict[str, list[Run]]:
    runs: dict[str, list[Run]] = {name: [] for name in contenders}
    for number in range(rounds):
        names = list(contenders)
        for name in reversed(names) if number % 2 else names:
            runs[name].append(start(contenders[name]()))
    return runs
