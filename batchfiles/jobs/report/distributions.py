"""Counts of values in bounded memory: lengths with percentiles and bars, and times in steps that grow with their span."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final, NamedTuple

from batchfiles.jobs.stats.report import Lengths

__all__ = ["Bar", "Histogram", "TimeSteps"]

KEPT_BITS: Final = 8
"""The leading bits by which lengths are counted, as in `stats`: 128 buckets for each power of two, 0.8 % wide."""

BARS: Final = 24
"""About as many bars as a chart of lengths has."""

WIDE: Final = 20
"""A distribution whose maximum is more than this many times its minimum has bars that double in width."""


class Bar(NamedTuple):
    """The values from `low` up to, and without, `high`."""

    low: int
    high: int
    rows: int


class Histogram:
    """Counts lengths in buckets that grow with the length."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._total = 0
        self._minimum = 0
        self._maximum = 0

    def add(self, counts: Iterable[tuple[int, int]]) -> None:
        """Add values with their counts; values below 0 are ignored."""
        for value, count in counts:
            if value < 0:
                continue
            self._minimum = min(value, self._minimum) if self._buckets else value
            self._maximum = max(value, self._maximum)
            self._total += value * count
            shift = value.bit_length() - KEPT_BITS
            # The greatest value of its bucket.
            self._buckets[value if shift <= 0 else (((value >> shift) + 1) << shift) - 1] += count

    def lengths(self) -> Lengths | None:
        """Return the distribution as `stats` does; None if nothing was counted."""
        if not self._buckets:
            return None
        count = self._buckets.total()
        ranks = [-(-count * share // 100) for share in (50, 90, 99)]
        found: list[int] = []
        seen = 0
        for value in sorted(self._buckets):
            seen += self._buckets[value]
            while len(found) < len(ranks) and seen >= ranks[len(found)]:
                found.append(min(value, self._maximum))
        p50, p90, p99 = found
        return Lengths(count, self._total, self._minimum, p50, p90, p99, self._maximum)

    def is_wide(self) -> bool:
        """Return whether the bars double in width, so that the chart needs a logarithmic axis."""
        return self._maximum > WIDE * max(self._minimum, 1)

    def bars(self) -> list[Bar]:
        """Return the bars of a chart, the empty ones included."""
        if not self._buckets:
            return []
        edges = _doubling(max(self._minimum, 1), self._maximum) if self.is_wide() else _even(self._minimum, self._maximum)
        if self.is_wide() and self._minimum == 0:
            edges.insert(0, 0)
        counts = [0] * len(edges)
        place = 0
        for value in sorted(self._buckets):
            while place + 2 < len(edges) and value >= edges[place + 1]:
                place += 1
            counts[place] += self._buckets[value]
        return [Bar(low, high, count) for low, high, count in zip(edges, edges[1:], counts, strict=False)]


def _even(minimum: int, maximum: int) -> list[int]:
    """Return edges at multiples of 1, 2 or 5 times a power of ten."""
    step = next(
        size * 10**power
        for power in range(len(str(maximum)) + 1)
        for size in (1, 2, 5)
        if (maximum - minimum) // (size * 10**power) < BARS
    )
    first = minimum // step * step
    return list(range(first, maximum + step + 1, step))


def _doubling(minimum: int, maximum: int) -> list[int]:
    """Return edges at powers of two, and half-way between them where there are few."""
    low, high = minimum.bit_length() - 1, maximum.bit_length()
    powers = [1 << power for power in range(low, high + 1)]
    if len(powers) > BARS // 2:
        return powers
    # 3/2 of a power is near the geometric middle, and a whole number from 2 on.
    return sorted({*powers, *(power * 3 // 2 for power in powers[:-1])})


STEPS: Final = (1, 5, 15, 60, 360, 1440, 10080, 43200, 525600)
"""Minutes of a step of time: from a minute to a year."""

MOST_STEPS: Final = 4000
"""Steps that are kept while counting; more make the step longer."""

COLUMNS: Final = 48
"""Steps that a chart has at most."""


class TimeSteps:
    """Counts by time and a class, in steps that become longer as the span grows."""

    def __init__(self) -> None:
        self._step = 0
        self._counts: Counter[tuple[int, str]] = Counter()

    def add(self, minutes: int, kind: str, count: int) -> None:
        """Count so many answers in a minute, numbered from 1970 on."""
        self._counts[minutes // STEPS[self._step], kind] += count
        while len(self._counts) > MOST_STEPS and self._step < len(STEPS) - 1:
            self._widen()

    def _widen(self) -> None:
        factor = STEPS[self._step + 1] // STEPS[self._step]
        self._step += 1
        wider: Counter[tuple[int, str]] = Counter()
        for (number, kind), count in self._counts.items():
            wider[number // factor, kind] += count
        self._counts = wider

    def columns(self) -> tuple[int, list[tuple[int, str, int]]]:
        """Return the minutes of a step, and the first minute, class and count of each column, by time."""
        numbers = [number for number, _ in self._counts]
        while numbers and max(numbers) - min(numbers) >= COLUMNS and self._step < len(STEPS) - 1:
            self._widen()
            numbers = [number for number, _ in self._counts]
        step = STEPS[self._step]
        return step, [(number * step, kind, count) for (number, kind), count in sorted(self._counts.items())]
