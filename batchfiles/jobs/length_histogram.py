"""Percentiles of lengths in bounded memory."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Final

__all__ = ["LengthHistogram", "Lengths"]

KEPT_BITS: Final = 8
"""The leading binary digits by which lengths are told apart: 128 buckets for each power of two, 0.8 % wide."""


@dataclass(frozen=True, slots=True)
class Lengths:
    """How long things are.

    Attributes:
        count: How many were measured.
        total: The sum of their lengths, exact like the count, the minimum and the maximum.
        minimum: The shortest.
        p50: Half of them are no longer. Up to 255 this is exact, above it may be up to 0.8 % too high, like the next two.
        p90: Nine tenths of them are no longer.
        p99: Of a hundred, 99 are no longer.
        maximum: The longest.
    """

    count: int
    total: int
    minimum: int
    p50: int
    p90: int
    p99: int
    maximum: int


class LengthHistogram:
    """Counts lengths in buckets that grow with the length: 7,000 at most, whatever is counted."""

    def __init__(self) -> None:
        self._buckets: Counter[int] = Counter()
        self._total = 0
        self._minimum = 0
        self._maximum = 0

    def add(self, length: int) -> None:
        """Count one length, which is not negative."""
        if not self._buckets or length < self._minimum:
            self._minimum = length
        if length > self._maximum:
            self._maximum = length
        self._total += length
        shift = length.bit_length() - KEPT_BITS
        # The greatest length of its bucket.
        self._buckets[length if shift <= 0 else (((length >> shift) + 1) << shift) - 1] += 1

    def lengths(self) -> Lengths | None:
        """Return what was counted; None if nothing was."""
        if not self._buckets:
            return None
        p50, p90, p99 = (self._percentile(share) for share in (50, 90, 99))
        return Lengths(self._buckets.total(), self._total, self._minimum, p50, p90, p99, self._maximum)

    def _percentile(self, share: int) -> int:
        """Return the smallest length that so many percent don't exceed."""
        rank = -(-self._buckets.total() * share // 100)
        seen = 0
        for length in sorted(self._buckets):
            seen += self._buckets[length]
            if seen >= rank:
                return min(length, self._maximum)
        return self._maximum
